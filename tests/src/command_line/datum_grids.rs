//! Grids of datums that the configuration names and that the program carries, against PROJ with the same grids:
//! `tests/oracle/datum_grids.py`.

use std::fs;
use std::process::Output;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{Desk, text};
use crate::oracle::oracle;
use crate::places::samples;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("command_line::datum_grids", named),
        Trial::test("command_line::datum_grids_carried", carried),
        Trial::test("command_line::datum_grids_missing", missing),
    ]
}

/// What the oracle expects.
fn expected() -> Result<Value, Failed> {
    let folder = oracle("datum_grids.py")?;
    Ok(serde_json::from_slice(&fs::read(
        folder.join("expected.json"),
    )?)?)
}

/// What a query prints as CSV with a file of configuration.
fn printed(desk: &Desk, file: &str, sql: &str) -> Result<Output, Failed> {
    desk.graticule(&["sql", "--config", file, "--format", "csv", "-c", sql], "")
}

/// The query that moves the place of a case from one system to another.
fn query(case: &Value, from: &str, to: &str) -> String {
    let [x, y] = [0, 1].map(|at| &case["from"][at]);
    format!("SELECT ST_AsText(ST_Transform(ST_Point({x}, {y}), '{from}', '{to}'))")
}

/// Checks that a query found the place of a case, but for `slack`.
fn check(output: &Output, case: &Value, slack: f64) -> Result<(), Failed> {
    let printed = text(&output.stdout);
    let row = printed.lines().nth(1).ok_or_else(|| text(&output.stderr))?;
    let numbers = row.trim_start_matches("POINT(").trim_end_matches(')');
    let numbers = numbers.split(' ').map(str::parse);
    let found = numbers.collect::<Result<Vec<f64>, _>>()?;
    let wanted = [0, 1].map(|at| case["to"][at].as_f64().unwrap_or(f64::NAN));
    let is_near =
        std::iter::zip(&found, wanted).all(|(found, wanted)| (found - wanted).abs() < slack);
    match found.len() == 2 && is_near {
        true => Ok(()),
        false => Err(format!("{case}: {found:?} instead of {wanted:?}").into()),
    }
}

fn named() -> Result<(), Failed> {
    let expected = expected()?;
    let system = expected["system"].as_str().ok_or("no system")?;
    let grids = oracle("datum_grids.py")?.join("grids");
    let configuration = format!("[engine]\nproj_data = '{}'\n", grids.display());
    let desk = Desk::with(&[("named.toml", &configuration), ("none.toml", "")])?;
    for case in expected["cases"].as_array().into_iter().flatten() {
        let sql = query(case, system, "EPSG:4326");
        check(&printed(&desk, "named.toml", &sql)?, case, 1e-9)?;
        // Without it the error names the grid, and what to do.
        let output = printed(&desk, "none.toml", &sql)?;
        let said = text(&output.stderr);
        if output.status.success() || !said.contains("shifts.gsb") || !said.contains("proj_data") {
            return Err(format!("without the grid: {said}{}", text(&output.stdout)).into());
        }
    }
    Ok(())
}

/// Datums of three countries need no configuration. Without the grids places are off by decimetres or metres.
fn carried() -> Result<(), Failed> {
    let expected = expected()?;
    let desk = Desk::with(&[("none.toml", "")])?;
    let cases = expected["carried"].as_array().ok_or("no cases")?;
    for case in cases {
        let system = |name: &str| case[name].as_str().unwrap_or_default();
        let sql = query(case, system("source"), system("target"));
        check(&printed(&desk, "none.toml", &sql)?, case, 1e-4)?;
    }
    Ok(())
}

/// Where a grid is missing, `EXPLAIN` says where it is to be had and what it would be good for.
fn missing() -> Result<(), Failed> {
    let desk = Desk::with(&[("none.toml", "")])?;
    let cube = samples().join("ostia_monthly.nc");
    for (crs, expected) in [
        (
            "EPSG:27700",
            "without the datum grid https://cdn.proj.org/uk_os_OSTN15_NTv2_OSGBtoETRS.tif (accuracy 2 m instead of 1 m)",
        ),
        ("EPSG:25832", "cells=["),
    ] {
        let sql = format!(
            "EXPLAIN SELECT surface_temperature FROM reproject('{}', source_crs => 'EPSG:4326', crs => '{crs}', resolution => 50000, bbox => [0, 0, 700000, 1200000])",
            cube.display()
        );
        let output = printed(&desk, "none.toml", &sql)?;
        let said = text(&output.stdout);
        let is_whole = crs == "EPSG:27700" || !said.contains("without the datum grid");
        if !said.contains(expected) || !is_whole {
            return Err(format!("{crs}: {said}{}", text(&output.stderr)).into());
        }
    }
    Ok(())
}
