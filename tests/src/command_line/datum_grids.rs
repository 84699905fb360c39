//! Grids of datums that the configuration names, against PROJ with the same grids: `tests/oracle/datum_grids.py`.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{Desk, text};
use crate::oracle::oracle;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("command_line::datum_grids", as_proj)]
}

fn as_proj() -> Result<(), Failed> {
    let folder = oracle("datum_grids.py")?;
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let system = expected["system"].as_str().ok_or("no system")?;
    let grids = folder.join("grids");
    let configuration = format!("[engine]\nproj_data = '{}'\n", grids.display());
    let desk = Desk::with(&[("named.toml", &configuration), ("none.toml", "")])?;
    let point = |place: &Value| {
        let place = format!("ST_Point({}, {})", place[0], place[1]);
        format!("ST_Transform({place}, '{system}', 'EPSG:4326')")
    };
    for case in expected["cases"].as_array().into_iter().flatten() {
        let moved = point(&case["from"]);
        let sql = format!("SELECT ST_X({moved}), ST_Y({moved})");
        let run = |file: &str| {
            desk.graticule(
                &["sql", "--config", file, "--format", "csv", "-c", &sql],
                "",
            )
        };
        let output = run("named.toml")?;
        let printed = text(&output.stdout);
        let row = printed.lines().nth(1).ok_or_else(|| text(&output.stderr))?;
        let found = row
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>()?;
        let wanted = [0, 1].map(|at| case["to"][at].as_f64().unwrap_or(f64::NAN));
        let is_near =
            std::iter::zip(&found, wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-9);
        if found.len() != 2 || !is_near {
            return Err(format!("{}: {found:?} instead of {wanted:?}", case["from"]).into());
        }
        // Without it the error names the grid, and what to do.
        let output = run("none.toml")?;
        let said = text(&output.stderr);
        if output.status.success() || !said.contains("shifts.gsb") || !said.contains("proj_data") {
            return Err(format!("without the grid: {said}{}", text(&output.stdout)).into());
        }
    }
    Ok(())
}
