//! Grid functions against GDAL and against fields that are known everywhere.
//!
//! ```text
//!  oracle/grids.py ─▶ cubes, what GDAL makes of them, cases.json
//!                        └ reproject(cube, …) joined with what is expected, cell by cell
//! ```

use std::path::Path;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::client::{Client, Variables, engine};
use crate::oracle::oracle;
use crate::zarr::wait;

/// Cells that may be missing in one of both alone, of ten thousand: a corner may lie a thousandth of a cell beside an edge.
const MISSING: f64 = 40.0;

/// Cells that may differ by more than the tolerance, of ten thousand.
const OFF: f64 = 10.0;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("grids::as_gdal_and_as_known", || against_oracle("grids.py")),
        Trial::test("grids::rectified_as_known", || against_oracle("rectify.py")),
    ]
}

fn against_oracle(script: &str) -> Result<(), Failed> {
    let folder = oracle(script)?;
    let cases = std::fs::read_to_string(folder.join("cases.json"))?;
    // The oracle writes into a folder that is moved when all of it is there.
    let cases = cases.replace("$FOLDER", &folder.display().to_string());
    let cases: Value = serde_json::from_str(&cases)?;
    let engine = engine()?;
    let client = Client::new(&engine, Variables::of("")?);
    let mut failures = Vec::new();
    for case in cases["cases"].as_array().into_iter().flatten() {
        if let Err(failure) = check(&client, &folder, case) {
            failures.push(format!(
                "{}: {}",
                case["name"],
                failure.message().unwrap_or_default()
            ));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n").into()),
    }
}

fn check(client: &Client, folder: &Path, case: &Value) -> Result<(), Failed> {
    let text = |name: &str| case[name].as_str().unwrap_or_default();
    let (variable, folder) = (text("variable"), folder.display());
    // Either parts of a call of `reproject`, or a call and what it is compared with as they are written in SQL.
    let (call, expected, own, axes) = match text("call") {
        "" => (
            format!(
                "reproject('{folder}/{}.zarr', {})",
                text("source"),
                text("arguments")
            ),
            format!("'{folder}/{}'", text("expected")),
            "v",
            "y, x",
        ),
        call => (
            call.to_string(),
            text("expected").to_string(),
            text("own"),
            text("axes"),
        ),
    };
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE (o.{own} IS NULL) <> (e.{variable} IS NULL)), \
         count(*) FILTER (WHERE abs(o.{own} - e.{variable}) > {}), count(o.{own}), \
         max(abs(o.{own} - e.{variable})) FROM {call} o JOIN {expected} e USING ({axes}) {}",
        case["tolerance"],
        text("where"),
    );
    let (_, batches) = wait(client.run(&sql))?;
    let number = |column: usize| -> Result<f64, Failed> {
        let values = cast(batches[0].column(column), &DataType::Float64)?;
        Ok(values.as_primitive::<Float64Type>().value(0))
    };
    let (cells, missing, off, values) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let limit = |name: &str, usual: f64| case[name].as_f64().unwrap_or(usual) * cells / 1e4;
    let is_right = values > 0.0 && missing <= limit("missing", MISSING) && off <= limit("off", OFF);
    match is_right {
        true => Ok(()),
        false => Err(format!(
            "of {cells} cells {missing} are missing in one alone, {off} are off, by {} at most; {values} values",
            number(4)?
        )
        .into()),
    }
}
