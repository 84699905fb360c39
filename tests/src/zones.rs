//! Polygons on a grid, against shapely and GDAL's rasterizer: `tests/oracle/zones.py`.

use std::fs;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field};
use graticule_functions::space::zones::{
    EdgeRule, Measure, Plane, ZoneCover, ZoneRuns, geometries,
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::oracle::oracle;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("zones::cells_are_those_of_shapely", || {
            let rules = [
                ("exclude", EdgeRule::Exclude),
                ("include", EdgeRule::Include),
                ("half_open", EdgeRule::HalfOpen),
            ];
            same_runs("on_centres", &rules)
        }),
        Trial::test("zones::cells_are_those_of_gdal", || {
            same_runs("between_centres", &[("half_open", EdgeRule::HalfOpen)])
        }),
        Trial::test("zones::fractions_are_those_of_shapely", || {
            // Shapely's sphere is one of straight edges, a hundredth of a degree long.
            same_fractions("plane", Measure::Plane, 1e-9)?;
            same_fractions("sphere", Measure::Sphere, 1e-7)
        }),
    ]
}

fn cases(name: &str) -> Result<Vec<Value>, Failed> {
    let text = fs::read_to_string(oracle("zones.py")?.join("zones.json"))?;
    let all: Value = serde_json::from_str(&text)?;
    Ok(all[name].as_array().cloned().ok_or("no cases")?)
}

fn numbers(case: &Value) -> Vec<f64> {
    let numbers = case.as_array().into_iter().flatten();
    numbers.filter_map(Value::as_f64).collect()
}

fn zone(case: &Value) -> Result<geo_types::Geometry, Failed> {
    let text = StringArray::from(vec![case["zone"].as_str()]);
    let read = geometries(&text, &Field::new("zone", DataType::Utf8, true))?;
    Ok(read.into_iter().flatten().next().ok_or("no geometry")?)
}

fn same_runs(name: &str, rules: &[(&str, EdgeRule)]) -> Result<(), Failed> {
    for case in cases(name)? {
        let plane = Plane::new(&numbers(&case["x"]), &numbers(&case["y"]), None)?;
        let zone = zone(&case)?;
        for (key, rule) in rules {
            let runs = ZoneRuns::new(&plane, [Some(&zone)], *rule)?;
            let found: Vec<[u32; 3]> = runs
                .zone(0)
                .iter()
                .map(|run| [run.row, run.start, run.end])
                .collect();
            assert_eq!(
                serde_json::to_value(found)?,
                case[*key],
                "{key} {}",
                case["zone"]
            );
        }
    }
    Ok(())
}

fn same_fractions(key: &str, measure: Measure, tolerance: f64) -> Result<(), Failed> {
    for case in cases("fractions")? {
        let bounds = Plane::new(&numbers(&case["x"]), &numbers(&case["y"]), None)?;
        let cover = ZoneCover::new(&bounds, 0, &zone(&case)?, measure)?;
        for (row, expected) in case[key].as_array().into_iter().flatten().enumerate() {
            for (cell, expected) in numbers(expected).into_iter().enumerate() {
                let found = cover.fraction(u32::try_from(row)?, u32::try_from(cell)?);
                assert!(
                    (found - expected).abs() <= tolerance,
                    "{found} is not {expected} in cell {row}, {cell} of {}",
                    case["zone"]
                );
            }
        }
    }
    Ok(())
}
