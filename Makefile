# Every workflow of Graticule, one target each. Times: 2 cores, in brackets what the first run adds.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
.PHONY: help demo test test-clients check bench bless setup deny

help:                    ## this list
	sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

demo:                    ## ask real climate data five questions: seconds (first: release build)
	tools/setup
	. tools/environment
	demo/run

check:                   ## format and lints: seconds (first: minutes)
	tools/setup
	. tools/environment
	cargo fmt --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings

test: check              ## make check, then every test, unit to end-to-end: minutes (first: full build)
	tools/setup nextest
	. tools/environment
	cargo test --quiet --workspace --doc
	cargo build --quiet --workspace --bins
	GRATICULE_BINARY="$$CARGO_TARGET_DIR/debug/graticule" cargo nextest run --workspace

test-clients:            ## heavy clients of PostgreSQL, as a table: minutes (first: 1 GB of downloads)
	tools/setup
	. tools/environment
	cargo build --quiet --workspace --bins
	tests/clients/heavy/run

bench:                   ## rooflines and comparisons, see benches/README.md: minutes (first: release build)
	tools/setup
	. tools/environment
	benches/run

bless:                   ## rewrite the expectations of .slt files, requests and pages to what is: minute
	tools/setup nextest
	. tools/environment
	GRATICULE_BLESS=1 cargo nextest run --workspace --test all -E 'test(/^sql::|::requests::|^documents::/)'
	git status --short tests docs

setup:                   ## install what is missing, nothing in the clone: instant (first: minutes)
	tools/setup

deny:                    ## licences and sources of all dependencies: seconds (first: builds cargo-deny)
	tools/setup deny
	. tools/environment
	cargo deny --log-level error check licenses bans sources
