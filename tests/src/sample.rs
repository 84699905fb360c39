//! Values at points and along lines against xarray, NumPy and PROJ's geodesics.
//!
//! ```text
//!  oracle/sample.py ─▶ cubes, tables of points with what is expected there, cases.json
//!                        └ a statement per case: rows, missing on one side alone, the largest difference, values
//! ```

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::client::{Client, Variables, engine};
use crate::oracle::oracle;
use crate::zarr::wait;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("sample::as_xarray_and_proj", against_oracle)]
}

fn against_oracle() -> Result<(), Failed> {
    let folder = oracle("sample.py")?;
    let cases = std::fs::read_to_string(folder.join("cases.json"))?;
    let cases: Value = serde_json::from_str(&cases)?;
    let engine = engine()?;
    let client = Client::new(&engine, Variables::of("")?);
    let mut failures = Vec::new();
    let cases = cases["cases"].as_array().cloned().unwrap_or_default();
    // Without the cache no more of a chunk is decoded than the points need.
    let settings = ["SET cube.cache = true", "SET cube.cache = false"];
    let both = settings
        .iter()
        .flat_map(|setting| cases.iter().map(move |case| (setting, case)));
    for (setting, case) in both {
        wait(client.run(setting))?;
        // The script has written into a folder that had another name then.
        let sql = case["sql"].as_str().unwrap_or_default();
        let sql = sql.replace("{folder}", &folder.display().to_string());
        if let Err(failure) = check(&client, &sql, case) {
            let message = failure.message().unwrap_or_default();
            failures.push(format!("{}, {setting}: {message}", case["name"]));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n").into()),
    }
}

fn check(client: &Client, sql: &str, case: &Value) -> Result<(), Failed> {
    let (_, batches) = wait(client.run(sql))?;
    let number = |column: usize| -> Result<f64, Failed> {
        let values = cast(batches[0].column(column), &DataType::Float64)?;
        Ok(values.as_primitive::<Float64Type>().value(0))
    };
    let (rows, missing, off, values) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let of_case = |name: &str| case[name].as_f64().unwrap_or(f64::NAN);
    let is_right = rows == of_case("rows")
        && missing == 0.0
        && off <= of_case("tolerance")
        && values > rows / 10.0;
    match is_right {
        true => Ok(()),
        false => Err(format!(
            "{rows} rows, {missing} missing on one side alone, {off} off at most, {values} values"
        )
        .into()),
    }
}
