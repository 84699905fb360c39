//! `graticule inspect`: what it says of real files is what netCDF4 and zarr say.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{Desk, text};
use crate::places;

/// Prints dimensions, and of each variable dimensions, chunks and attributes, as netCDF4 sees them.
const NETCDF4: &str = "
import json, sys, netCDF4
d = netCDF4.Dataset(sys.argv[1])
print(json.dumps({n: len(x) for n, x in d.dimensions.items()}))
print(json.dumps({n: [list(v.dimensions), getattr(v, 'units', None)] for n, v in d.variables.items()}))
";

/// Files with one set of dimensions, and a variable with all of them.
const FILES: &[(&str, &str)] = &[
    ("A1B_north_america.nc", "air_temperature"),
    ("ostia_monthly.nc", "surface_temperature"),
    ("toa_brightness_stereographic.nc", "data"),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = FILES
        .iter()
        .map(|(file, variable)| {
            Trial::test(format!("command_line::inspect::{file}"), || {
                agrees(file, variable)
            })
        })
        .collect();
    trials.push(Trial::test("command_line::inspect::text", for_people));
    trials.push(Trial::test("command_line::inspect::folder", folder));
    trials.push(Trial::test(
        "command_line::inspect::nothing_there",
        nothing_there,
    ));
    trials.push(places::with_data("command_line::inspect::zarr", |data| {
        let cube = data.join("olci-sns/cube-1-250-250.zarr");
        let output = Desk::with(&[])?.graticule(&["inspect", &cube.to_string_lossy()], "")?;
        let found = text(&output.stdout);
        for part in [
            "cube-1-250-250: zarr",
            "Dimensions: time 5, lat 1,000, lon 2,000",
            "2017-01-16T10:09:21",
            "conc_chl",
            "chunks 1 × 250 × 250 (160)",
            "mg m^-3",
        ] {
            assert!(found.contains(part), "lacks {part:?}:\n{found}");
        }
        Ok(())
    }));
    trials
}

fn agrees(file: &str, variable: &str) -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let path = places::samples().join(file).to_string_lossy().into_owned();
    let output = desk.graticule(&["inspect", "--format", "json", &path], "")?;
    let found: Value = serde_json::from_str(&text(&output.stdout))?;
    let expected = desk.python(NETCDF4, &[&path])?;
    let (dimensions, variables) = expected.split_once('\n').ok_or("one line")?;
    let dimensions: Value = serde_json::from_str(dimensions)?;
    let variables: Value = serde_json::from_str(variables)?;
    let cube = &found["cubes"][0];
    let Value::Object(found_dimensions) = &cube["dimensions"] else {
        return Err(format!("no dimensions in {found}").into());
    };
    for (name, size) in found_dimensions {
        assert_eq!(*size, dimensions[name], "dimension {name}");
    }
    let described = cube["variables"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == variable))
        .ok_or_else(|| format!("no {variable} in {found}"))?;
    assert_eq!(described["dimensions"], variables[variable][0]);
    assert_eq!(described["units"], variables[variable][1]);
    Ok(())
}

fn for_people() -> Result<(), Failed> {
    let path = places::samples().join("A1B_north_america.nc");
    let output = Desk::with(&[])?.graticule(&["inspect", &path.to_string_lossy()], "")?;
    let found = text(&output.stdout);
    for part in [
        "A1B_north_america: netcdf",
        "Dimensions: time 240, latitude 37, longitude 49",
        "1860-06-01T00:00:00 … 2099-06-01T00:00:00, ascending, calendar 360_day",
        "(time, latitude, longitude)  K",
        "Conventions: CF-1.5",
    ] {
        assert!(found.contains(part), "lacks {part:?}:\n{found}");
    }
    assert_eq!(output.status.code(), Some(0));
    Ok(())
}

fn folder() -> Result<(), Failed> {
    let folder = places::samples().to_string_lossy().into_owned();
    let desk = Desk::with(&[])?;
    let output = desk.graticule(&["inspect", &folder], "")?;
    let found = text(&output.stdout);
    assert!(
        found.contains("A1B_north_america") && found.contains("ostia_monthly"),
        "{found}\n{}",
        text(&output.stderr)
    );
    let output = desk.graticule(&["inspect", &folder, "--format", "json"], "")?;
    let found: Value = serde_json::from_str(&text(&output.stdout))?;
    let names = found["tables"].as_array().ok_or("no tables")?;
    assert!(
        names.iter().any(|table| table["name"] == "ostia_monthly"),
        "{found}"
    );
    Ok(())
}

fn nothing_there() -> Result<(), Failed> {
    for path in ["absent.zarr", "absent.nc", "absent", "empty"] {
        let desk = Desk::with(&[])?;
        std::fs::create_dir(desk.folder.path().join("empty"))?;
        let output = desk.graticule(&["inspect", path], "")?;
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{complaint}");
        assert!(
            complaint.starts_with("error: ") && complaint.contains(path),
            "{complaint}"
        );
    }
    Ok(())
}
