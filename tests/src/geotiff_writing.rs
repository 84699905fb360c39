//! GeoTIFF as Graticule writes it, read by GDAL.
//!
//! ```text
//!  random images ─▶ the sink of GeoTIFF ─▶ files ─▶ rasterio (oracle/geotiff_written.py)
//!  real cubes ─▶ COPY … TO 'x.tif' ────────▶ files ─▶ rasterio, xarray (oracle/geotiff_real.py)
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::DataType;
use graticule_engine::cube::crs::Crs;
use graticule_engine::error::ErrorKind;
use graticule_engine::sink::{ImageAxis, ImageGrid, ImageSteps, TargetArray, TargetCube};
use graticule_engine::source::Attributes;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::client::{Client, Variables, engine};
use crate::places::{self, with_data};
use crate::zarr::wait;
use crate::zarr_writing::random::{Random, TYPES, fill_value, random_values};
use crate::zarr_writing::{Filled, judge, local, options, sink_of, stored, write_and_clear};

const FORMAT: &str = "GEOTIFF";

const CUBES: u64 = 60;

const CODECS: [Option<&str>; 5] = [
    None,
    Some("none"),
    Some("deflate:1"),
    Some("zstd"),
    Some("zstd:1"),
];

const SYSTEMS: [Option<&str>; 4] = [
    None,
    Some("OGC:CRS84"),
    Some("EPSG:3035"),
    Some("EPSG:32733"),
];

fn steps(random: &mut Random) -> Vec<ImageSteps> {
    let count = random.below(3);
    let steps = (0..count).map(|number| ImageSteps {
        name: format!("step{number}"),
        labels: (0..1 + random.below(4))
            .map(|label| format!("<{label}> & so on"))
            .collect(),
    });
    steps.collect()
}

/// The coordinates of `length` cells, as an array of them.
fn coordinates(axis: &ImageAxis, length: u64, sign: f64) -> (TargetArray, ArrayRef) {
    let cells = (0..length).map(|cell| axis.edge + sign * axis.size * (cell as f64 + 0.5));
    let array = TargetArray {
        name: axis.name.clone(),
        dimensions: vec![axis.name.clone()],
        shape: vec![length],
        chunks: vec![length],
        shards: None,
        data_type: DataType::Float64,
        fill_value: json!("NaN"),
        codec: None,
        attributes: Attributes::new(),
    };
    (array, Arc::new(Float64Array::from_iter_values(cells)))
}

/// A cube of images of one of these types: coordinates `y` and `x`, then variables.
pub(crate) fn random_images(seed: u64, types: &[DataType], codecs: &[Option<&str>]) -> Filled {
    let random = &mut Random(seed);
    let steps = steps(random);
    let axis = |name: &str, random: &mut Random| ImageAxis {
        name: name.to_string(),
        edge: random.below(1000) as f64 / 8.0 - 60.0,
        size: random.one_of(&[0.25, 1.0, 0.1, 1.0 / 3.0]),
    };
    let (rows, columns) = (axis("y", random), axis("x", random));
    let crs = random.one_of(&SYSTEMS);
    let data_type = types[seed as usize % types.len()].clone();
    let (fill_value, missing) = fill_value(random, &data_type);
    // The value of missing cells is the one of all bands, and that of cells that are not stored.
    let missing = missing.map(|_| fill_value.clone());
    let mut shape: Vec<u64> = steps
        .iter()
        .map(|steps| steps.labels.len() as u64)
        .collect();
    let mut chunks = vec![1; shape.len()];
    for _ in 0..2 {
        shape.push(random.one_of(&[1, 7, 16, 31, 33, 64, 100]));
        chunks.push(random.one_of(&[16, 32, 48]));
    }
    let (height, width) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let axes = [
        coordinates(&rows, height, -1.0),
        coordinates(&columns, width, 1.0),
    ];
    let (mut arrays, mut values): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
    let grid = ImageGrid {
        rows,
        columns,
        steps,
        crs: crs.map(|name| Crs::of_definition(name.to_string())),
        is_geographic: crs == Some("OGC:CRS84"),
    };
    let dimensions: Vec<String> = grid.dimensions().into_iter().map(str::to_string).collect();
    let codec = random.one_of(codecs);
    for number in 0..1 + random.below(3) {
        let mut attributes = Attributes::new();
        attributes.insert("long_name".into(), json!(format!("Größe <{number}>")));
        attributes.insert("units".into(), json!("µg m-3"));
        attributes.insert("scale_factor".into(), json!(0.01 + number as f64));
        attributes.insert("add_offset".into(), json!(-3.5));
        attributes.extend(
            missing
                .iter()
                .map(|value| ("_FillValue".to_string(), value.clone())),
        );
        let cells = shape.iter().product::<u64>() as usize;
        values.push(random_values(random, &data_type, &fill_value, cells));
        arrays.push(TargetArray {
            name: format!("v{number}"),
            dimensions: dimensions.clone(),
            shape: shape.clone(),
            chunks: chunks.clone(),
            shards: None,
            data_type: data_type.clone(),
            fill_value: fill_value.clone(),
            codec: codec.map(str::to_string),
            attributes,
        });
    }
    let attributes = json!({"title": "random \"images\"", "numbers": [1, 2.5]});
    Filled {
        cube: TargetCube {
            arrays,
            attributes: attributes.as_object().unwrap().clone(),
            images: Some(grid),
        },
        values,
    }
}

fn random_cube(seed: u64) -> Filled {
    // GDAL has no texts.
    random_images(seed, &TYPES[..11], &CODECS)
}

/// Writes random cubes and compares them cell by cell.
fn gdal_reads_them() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut manifest = Vec::new();
    for seed in 0..CUBES {
        let filled = random_cube(seed);
        let name = format!("{seed}.tif");
        let place = local(&folder.path().join(&name));
        let is_big = seed % 3 == 0;
        let pairs = [("bigtiff", if is_big { "true" } else { "false" })];
        wait(write_and_clear(FORMAT, &place, &filled, &pairs))
            .map_err(|error| format!("seed {seed}: {error}"))?;
        let grid = filled.cube.images.as_ref().unwrap();
        let mut band = 1;
        for (array, values) in filled.cube.arrays.iter().zip(&filled.values).skip(2) {
            manifest.push(json!({
                "cube": name,
                "array": array.name,
                "first_band": band,
                "is_big": is_big,
                "shape": array.shape,
                "chunks": array.chunks,
                "codec": array.codec,
                "type": array.data_type.to_string(),
                "missing": array.attributes.get("_FillValue"),
                "attributes": array.attributes,
                "edges": [grid.columns.edge, grid.rows.edge],
                "sizes": [grid.columns.size, grid.rows.size],
                "crs": grid.crs.as_ref().map(|crs| crs.name.clone()),
                "steps": grid.steps.iter().map(|steps| json!([steps.name, steps.labels])).collect::<Vec<Value>>(),
                "values": stored(folder.path(), &format!("{name}-{}", array.name), values)?,
            }));
            band += array.shape.iter().rev().skip(2).product::<u64>();
        }
        let left = fs::read_dir(folder.path())?.flatten();
        let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
        assert!(left.is_empty(), "{left:?} is left");
    }
    judge("geotiff_written.py", folder.path(), &manifest)
}

/// A file per step holds the bands that one file does.
fn steps_are_files() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut manifest = Vec::new();
    for seed in 0..CUBES / 3 {
        let filled = random_cube(seed);
        for (format, suffix) in [(FORMAT, "tif"), ("VRT", "vrt")] {
            let place = local(&folder.path().join(format!("{seed}.{suffix}")));
            wait(write_and_clear(format, &place, &filled, &[]))
                .map_err(|error| format!("seed {seed}: {error}"))?;
        }
        let grid = filled.cube.images.as_ref().unwrap();
        let steps = grid.steps.iter().map(|steps| steps.labels.len());
        manifest.push(json!({"name": seed.to_string(), "files": steps.product::<usize>()}));
    }
    judge("geotiff_steps.py", folder.path(), &manifest)
}

/// Files per step are nothing that anyone has asked for until all of them are there.
fn states_of_steps() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let place = local(&folder.path().join("x.vrt"));
    let of_another = folder.path().join("x.steps");
    fs::create_dir(&of_another)?;
    fs::write(of_another.join("mine.tif"), b"II")?;
    let error = wait(write_and_clear("VRT", &place, &random_cube(8), &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(
        error.to_string().contains("files in the folder already"),
        "{error}"
    );
    assert_eq!(fs::read(of_another.join("mine.tif"))?, b"II");
    fs::remove_dir_all(&of_another)?;
    wait(write_and_clear("VRT", &place, &random_cube(8), &[]))?;
    assert!(fs::read_dir(&of_another)?.count() > 0);
    let over = wait(sink_of("VRT").version(&place))?;
    let filled = random_cube(9);
    let (sink, none) = (sink_of("VRT"), options(&[]));
    let opened = sink.open(&place, &filled.cube, &none, over.as_deref());
    let error = wait(opened).unwrap_err().to_string();
    assert!(error.contains("written once"), "{error}");
    wait(sink_of("VRT").remove(&place))?;
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

/// Files are written once, and those of others stay.
fn states() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let place = local(&folder.path().join("x.tif"));
    wait(write_and_clear(FORMAT, &place, &random_cube(8), &[]))?;
    let error = wait(write_and_clear(FORMAT, &place, &random_cube(9), &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    wait(sink_of(FORMAT).remove(&place))?;
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    fs::write(folder.path().join("x.tif"), b"II\x2a\0 of someone else")?;
    let error = wait(sink_of(FORMAT).remove(&place)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    Ok(())
}

/// What cannot be a GeoTIFF is told before anything is written.
fn refusals() -> Result<(), Failed> {
    let filled = random_cube(8);
    let array = filled.cube.arrays[2].clone();
    let changed = |change: &dyn Fn(&mut TargetArray)| {
        let mut array = array.clone();
        array.name = "other".to_string();
        change(&mut array);
        array
    };
    let cases = [
        (
            changed(&|array| array.data_type = DataType::Utf8),
            "not written to GeoTIFF",
        ),
        (
            changed(&|array| array.data_type = DataType::Int16),
            "have one type",
        ),
        (
            changed(&|array| array.codec = Some("lzw".to_string())),
            "none of GeoTIFF",
        ),
        (
            changed(&|array| array.codec = Some("zstd:5".to_string())),
            "have one codec",
        ),
        (
            changed(&|array| array.shards = Some(array.chunks.clone())),
            "no shards",
        ),
        (
            changed(&|array| {
                let last = array.chunks.len() - 1;
                array.chunks[last] = 40;
            }),
            "no tiles",
        ),
        (
            changed(&|array| {
                array.attributes.insert("_FillValue".into(), json!(5));
            }),
            "one value of missing cells",
        ),
        (
            changed(&|array| {
                let last = array.shape.len() - 1;
                array.shape[last] = 1 << 40;
            }),
            "none of GeoTIFF",
        ),
    ];
    for (array, expected) in cases {
        let mut cube = filled.cube.clone();
        cube.arrays.truncate(3);
        cube.arrays.push(array);
        let error = sink_of(FORMAT)
            .check(&cube, &options(&[]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut cube = filled.cube.clone();
    cube.images = None;
    let error = sink_of(FORMAT)
        .check(&cube, &options(&[]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("where the images"), "{error}");
    Ok(())
}

/// Real cubes as SQL writes them, with latitudes in either order.
fn real_cubes(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let olci = data.join("olci-sns/cube-1-250-250.zarr");
    let ostia = places::samples().join("ostia_monthly.nc");
    let cases = [
        (
            &olci,
            "olci.tif",
            "time, lat, lon, conc_chl, conc_tsm",
            "'codec' 'deflate:1'",
        ),
        (
            &ostia,
            "sst.tif",
            "latitude, longitude, time, surface_temperature",
            "'dtype' 'int16', 'scale_factor' '0.01', 'add_offset' '280', 'codec' 'zstd:3'",
        ),
        (
            &olci,
            "olci.vrt",
            "time, lat, lon, conc_chl, conc_tsm",
            "'codec' 'zstd:1'",
        ),
        (
            &ostia,
            "sst.vrt",
            "latitude, longitude, time, surface_temperature",
            "'dtype' 'int16', 'scale_factor' '0.01', 'add_offset' '280'",
        ),
    ];
    let mut manifest = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for (source, file, columns, options) in cases {
        let (source, target) = (source.display().to_string(), folder.path().join(file));
        let statement = format!(
            "COPY (SELECT {columns} FROM '{source}') TO '{}' OPTIONS ({options})",
            target.display()
        );
        runtime.block_on(async {
            let client = Client::new(&engine()?, Variables::of("")?);
            client.run(&statement).await?;
            Ok::<_, Failed>(())
        })?;
        manifest.push(json!({"file": file, "source": source, "columns": columns}));
    }
    fs::write(
        folder.path().join("manifest.json"),
        serde_json::to_vec(&manifest)?,
    )?;
    let outcome = Command::new(places::python())
        .arg(places::repository().join("tests/oracle/geotiff_real.py"))
        .arg(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&outcome.stderr).into_owned();
    match outcome.status.success() && said.contains("128 bands are the same") {
        true => Ok(()),
        false => Err(format!("{said}{complaint}").into()),
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("geotiff_writing::gdal_reads_them", gdal_reads_them),
        Trial::test("geotiff_writing::steps_are_files", steps_are_files),
        Trial::test("geotiff_writing::states_of_steps", states_of_steps),
        Trial::test("geotiff_writing::states", states),
        Trial::test("geotiff_writing::refusals", refusals),
        with_data("geotiff_writing::real_cubes", real_cubes),
    ]
}
