//! Every test of Graticule that is not a unit test, in one binary.
//!
//! ```text
//!  main ──▶ MODULES ──▶ trials() of each module ──▶ libtest-mimic ──▶ cargo test, cargo nextest
//! ```
//!
//! To add tests, write one file with `pub(crate) fn trials() -> Vec<Trial>`, and add its `mod` line
//! and its line in [`MODULES`]. Name a trial `module::case`. Shared pieces:
//!
//! - [`places`]: where the data, the samples, the Python interpreter and the built binary are, and
//!   [`places::with_data`] for a trial that is ignored where the large data are absent;
//! - [`sql`]: one trial per `.slt` file: nothing to write in Rust at all;
//! - [`client`]: an engine with all stores and formats, and variables that stand for folders;
//! - [`synthetic`]: sessions over cubes in memory; [`watched`]: arrays that record what is asked of them;
//! - [`oracle`]: values computed by a Python script of `tests/oracle/`, once per content of the script.
//!
//! Run all of them with `make test`, one of them with
//! `cargo test --workspace --test all -- module::case`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Test servers run in tasks of their own.
#![allow(clippy::disallowed_methods)]

mod access;
mod answers;
mod catalogue;
mod client;
mod command_line;
mod conventions;
mod conventions_in_sql;
mod dense;
mod documents;
mod freshness;
mod geotiff;
mod geotiff_writing;
mod grib;
mod grid_windows;
mod grids;
mod grids_memory;
mod icechunk;
mod jobs;
mod kerchunk;
mod levels_writing;
mod limits;
mod netcdf;
mod netcdf_cubes;
mod netcdf_faults;
mod netcdf_writing;
mod oracle;
mod overview_bytes;
mod parts;
mod places;
mod pruning;
mod readme;
mod sample;
mod samples;
mod scan_cache;
mod scan_work;
mod serving;
mod signed_urls;
mod sql;
mod statistics;
mod stores;
mod synthetic;
mod tables_written;
mod tidy;
mod twin_cubes;
mod values;
mod vector_files;
mod watched;
mod writing;
mod zarr;
mod zarr_faults;
mod zarr_fuzz;
mod zarr_real;
mod zarr_store;
mod zarr_writing;
mod zips;
mod zones;

use libtest_mimic::{Arguments, Trial};

/// The modules with trials, one line each, in alphabetical order.
const MODULES: &[fn() -> Vec<Trial>] = &[
    access::trials,
    catalogue::trials,
    command_line::trials,
    conventions::trials,
    conventions_in_sql::trials,
    dense::trials,
    documents::trials,
    freshness::trials,
    geotiff::trials,
    geotiff_writing::trials,
    grib::trials,
    grid_windows::trials,
    grids::trials,
    grids_memory::trials,
    icechunk::trials,
    jobs::trials,
    kerchunk::trials,
    levels_writing::trials,
    limits::trials,
    netcdf::trials,
    netcdf_cubes::trials,
    netcdf_faults::trials,
    netcdf_writing::trials,
    oracle::trials,
    overview_bytes::trials,
    places::trials,
    parts::trials,
    pruning::trials,
    readme::trials,
    sample::trials,
    samples::trials,
    scan_cache::trials,
    scan_work::trials,
    serving::trials,
    signed_urls::trials,
    sql::trials,
    statistics::trials,
    stores::trials,
    tables_written::trials,
    tidy::trials,
    twin_cubes::trials,
    values::trials,
    vector_files::trials,
    writing::trials,
    zarr::trials,
    zarr_faults::trials,
    zarr_fuzz::trials,
    zarr_real::trials,
    zarr_writing::trials,
    zips::trials,
    zones::trials,
];

fn main() {
    let arguments = Arguments::from_args();
    let trials = MODULES.iter().flat_map(|trials| trials()).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
