//! `graticule generate`: requests of xcube's generator.
//!
//! Each request in `tests/generate` stands beside a file of the same name with the suffix `.sql`: what is printed for it
//! with `--dry-run`, what is written on standard error as comments, and the exit code. `make bless` rewrites them.
//! Requests that make cubes are run, and the cubes are compared by xarray with what they must be.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

use super::{Desk, text};
use crate::client::Variables;
use crate::places;

/// Set to rewrite what is expected instead of checking it.
const BLESS: &str = "GRATICULE_BLESS";

/// Stores that requests call by their names.
const STORES: &str = "stores.json";

pub(super) fn trials() -> Vec<Trial> {
    let folder = places::repository().join("tests/generate");
    let mut requests: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("tests/generate can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|suffix| suffix != "sql"))
        .filter(|path| path.file_name().is_some_and(|name| name != STORES))
        .collect();
    requests.sort();
    let mut trials: Vec<Trial> = requests.into_iter().map(request).collect();
    trials.push(Trial::test(
        "command_line::generate::standard_input",
        standard_input,
    ));
    trials.push(Trial::test(
        "command_line::generate::info_makes_nothing",
        info_makes_nothing,
    ));
    trials.push(Trial::test(
        "command_line::generate::folders_are_made",
        folders_are_made,
    ));
    trials.push(places::with_data(
        "command_line::generate::cubes_of_olci",
        cubes_of_olci,
    ));
    trials
}

fn request(path: PathBuf) -> Trial {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("command_line::generate::requests::{stem}");
    let script = fs::read_to_string(&path).unwrap_or_default();
    let needs_data = script.contains("$DATA") || script.contains("@olci");
    let lacks_data = needs_data && places::data().is_none();
    Trial::test(name, move || check(&path, &script)).with_ignored_flag(lacks_data)
}

/// Compares what is said about a request with what stands beside it.
fn check(path: &Path, script: &str) -> Result<(), Failed> {
    let stores = fs::read_to_string(path.with_file_name(STORES))?;
    let variables = Variables::of(&format!("{script}{stores}"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let desk = Desk::with(&[
        (&name, &variables.to_folders(script)),
        (STORES, &variables.to_folders(&stores)),
    ])?;
    let arguments = ["generate", "--dry-run", &name, "--stores", STORES];
    let output = desk.graticule(&arguments, "")?;
    let mut found = variables.to_names(&text(&output.stdout));
    for line in variables.to_names(&text(&output.stderr)).lines() {
        found.push_str(&format!("-- {line}\n"));
    }
    found.push_str(&format!(
        "-- exit code {}\n",
        output.status.code().unwrap_or(-1)
    ));
    assert!(!found.contains("NOT-TO-BE-SEEN"), "{found}");
    let expected = path.with_extension("sql");
    if std::env::var_os(BLESS).is_some() {
        return Ok(fs::write(expected, found)?);
    }
    let expected = fs::read_to_string(expected).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
    Ok(())
}

/// A request for two months of the sample file.
fn small_request(folder: &str) -> String {
    let samples = places::samples();
    format!(
        r#"{{"input_config": {{"store_id": "file", "data_id": "ostia_monthly.nc", "store_params": {{"root": "{}"}}}},
            "cube_config": {{"variable_names": ["surface_temperature"], "time_range": ["2006-05-01", "2006-06-30"], "chunks": {{"lon": null}}}},
            "output_config": {{"store_id": "file", "data_id": "sst.zarr", "store_params": {{"root": "{folder}"}}}}}}"#,
        samples.display()
    )
}

fn standard_input() -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let output = desk.graticule(&["generate", "-"], &small_request("."))?;
    assert_eq!(text(&output.stderr), "");
    let count = "SELECT count(*) AS cells, min(time) AS first FROM 'sst.zarr'";
    let output = desk.graticule(&["sql", "--format", "csv", "-c", count], "")?;
    assert_eq!(
        text(&output.stdout),
        "cells,first\n15552,2006-05-16T12:00:00\n"
    );
    let again = desk.graticule(&["generate", "-"], &small_request("."))?;
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("is there already"),
        "{}",
        text(&again.stderr)
    );
    Ok(())
}

fn info_makes_nothing() -> Result<(), Failed> {
    let desk = Desk::with(&[("request.json", &small_request("a/b"))])?;
    let output = desk.graticule(&["generate", "request.json", "--info"], "")?;
    let printed = text(&output.stdout);
    assert_eq!(text(&output.stderr), "");
    for part in [
        "grid: time=2, lat=18, lon=432",
        "surface_temperature: float32",
        "lon=432",
        "writes: 62 kB before compression",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
    let files = desk.python("import os; print(os.listdir('.'))", &[])?;
    assert!(!files.contains("'a'"), "{files}");
    Ok(())
}

/// Folders are made, and a view that is called as the cube stays what it is.
fn folders_are_made() -> Result<(), Failed> {
    let view = "CREATE VIEW sst AS SELECT 1 AS one;\n";
    let desk = Desk::with(&[
        ("request.json", &small_request("a/b")),
        ("graticule.toml", ""),
        ("graticule.catalogue.sql", view),
    ])?;
    let output = desk.graticule(&["generate", "request.json"], "")?;
    assert_eq!(
        (text(&output.stderr), output.status.code()),
        (String::new(), Some(0))
    );
    let look = "import os; print(os.listdir('a/b'), open('graticule.catalogue.sql').read())";
    assert_eq!(desk.python(look, &[])?, format!("['sst.zarr'] {view}\n"));
    Ok(())
}

/// Cubes that requests make of real data, compared by xarray with what they must be.
fn cubes_of_olci(data: &Path) -> Result<(), Failed> {
    let requests = [
        (
            "part.zarr",
            r#""variable_names": ["conc_chl", "quality_flags"], "crs": "WGS84", "bbox": [1, 51, 2, 52], "spatial_res": 0.0025,
               "time_range": ["2017-01-20", "2017-01-28"], "chunks": {"time": null, "lat": 100, "lon": 200},
               "metadata": {"title": "Dover", "version": "1.0"}, "variable_metadata": {"conc_chl": {"comment": "a part"}}"#,
        ),
        (
            "coarse.zarr",
            r#""variable_names": ["conc_chl"], "crs": "EPSG:4326", "bbox": [1, 51, 2, 52], "spatial_res": 0.01"#,
        ),
        (
            "monthly.zarr",
            r#""variable_names": ["conc_tsm", "quality_flags"], "bbox": [1, 51, 2, 52], "time_period": "1M""#,
        ),
    ];
    let desk = Desk::with(&[])?;
    for (name, config) in requests {
        let request = format!(
            r#"{{"input_config": {{"store_id": "file", "data_id": "cube-1-250-250.zarr", "store_params": {{"root": "{}"}}}},
                "cube_config": {{{config}}}, "output_config": {{"store_id": "file", "data_id": "{name}"}}}}"#,
            data.join("olci-sns").display()
        );
        let output = desk.graticule(&["generate", "-"], &request)?;
        assert_eq!(
            (text(&output.stderr), output.status.code()),
            (String::new(), Some(0))
        );
    }
    // Two cubes with some of their times in common, side by side.
    let both = r#"{"input_configs": [{"store_id": "file", "data_id": "part.zarr"}, {"store_id": "file", "data_id": "coarse.zarr"}],
                   "cube_config": {"variable_names": ["quality_flags", "coarse_chl"]},
                   "output_config": {"store_id": "file", "data_id": "both.zarr"}}"#;
    let rename = "ALTER TABLE here.coarse RENAME COLUMN conc_chl TO coarse_chl";
    let output = desk.graticule(&["sql", "-c", "ATTACH '.' AS here", "-c", rename], "")?;
    assert_eq!(text(&output.stderr), "");
    let output = desk.graticule(&["generate", "-"], both)?;
    assert_eq!(
        (text(&output.stderr), output.status.code()),
        (String::new(), Some(0))
    );
    let script = fs::read_to_string(places::repository().join("tests/oracle/generated.py"))?;
    let source = data.join("olci-sns/cube-1-250-250.zarr");
    desk.python(&script, &[&source.to_string_lossy()])?;
    Ok(())
}
