//! The memory of the binary while it makes cubes and overviews, measured from outside: below its limit, but for the
//! program itself, and the same whatever the size of the cube.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::grids_memory::MEASURE;
use crate::places::{binary, python};

/// The limit, in MB.
const LIMIT: u64 = 96;

/// What the program takes for itself, its own pages among them, in MB: a build for tests is large.
const PROGRAM: u64 = 192;

/// Makes a cube of so many steps.
const SOURCE: &str = "import sys, numpy, zarr
path, steps = sys.argv[1], int(sys.argv[2])
group = zarr.open_group(path, mode='w', zarr_format=3)
def put(name, dims, chunks, values, **attributes):
    array = group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype, dimension_names=dims)
    array[...] = values
    array.attrs.update(attributes)
put('time', ['time'], (steps,), numpy.arange(steps), units='days since 2000-01-01', standard_name='time')
put('lat', ['lat'], (512,), numpy.linspace(-60, 60, 512), units='degrees_north', standard_name='latitude')
put('lon', ['lon'], (1024,), numpy.linspace(-179, 179, 1024), units='degrees_east', standard_name='longitude')
noise = numpy.random.default_rng(1).integers(0, 1000, (steps, 512, 1024)).astype('float32')
put('v', ['time', 'lat', 'lon'], (4, 256, 512), noise, units='K')";

/// A small cube, and one of eight times the cells.
const STEPS: [u64; 2] = [8, 64];

pub(super) fn trials() -> Vec<Trial> {
    let cases: [(&'static str, &'static str); 3] = [
        (
            "series",
            "CREATE TABLE lake.made WITH (chunks = 'time=all,lat=32,lon=32', shards = 'none') AS SELECT * FROM lake.source",
        ),
        (
            "netcdf",
            "CREATE TABLE lake.made WITH (format = 'netcdf', codec = 'deflate:1') AS SELECT * FROM lake.source",
        ),
        (
            "overviews",
            "CREATE OVERVIEWS ON lake.source WITH (levels = 2)",
        ),
    ];
    let trial = |(name, statement): (&'static str, &'static str)| {
        Trial::test(format!("writing::memory::{name}"), move || check(statement))
    };
    cases.into_iter().map(trial).collect()
}

fn check(statement: &str) -> Result<(), Failed> {
    let mut peaks = Vec::new();
    for steps in STEPS {
        let folder = tempfile::tempdir()?;
        let source = folder.path().join("source.zarr");
        let mut make = Command::new(python());
        make.args(["-c", SOURCE])
            .arg(&source)
            .arg(steps.to_string());
        if !make.status()?.success() {
            return Err("the source was not made".into());
        }
        peaks.push(peak(folder.path(), statement)? / 1000);
    }
    let [small, large] = peaks[..] else {
        return Err("there are two cubes".into());
    };
    match large <= LIMIT + PROGRAM && large * 4 <= small * 5 {
        true => Ok(()),
        false => Err(format!("{small} MB, and {large} MB for eight times the cells").into()),
    }
}

/// Memory of the binary that runs `statement` on the store in `folder`, in kB.
fn peak(folder: &Path, statement: &str) -> Result<u64, Failed> {
    let attach = format!("ATTACH '{}' AS lake", folder.display());
    let output = Command::new(python())
        .args(["-c", MEASURE])
        .arg(binary())
        .args(["sql", "--memory", &format!("{LIMIT}MB")])
        .args(["-c", &attach, "-c", statement])
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout).parse()?),
        false => Err(text(&output.stderr).into()),
    }
}
