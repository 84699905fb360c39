//! `.levels` as Graticule writes it: every level against the one below it, read by zarr-python and xarray, and
//! by ourselves.
//!
//! ```text
//!  random images ─▶ the sink of levels ─▶ folders ─┬─▶ zarr-python, NumPy (oracle/levels_written.py)
//!                                                  └─▶ the format of levels
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::Float64Array;
use graticule_engine::error::ErrorKind;
use graticule_engine::sink::TargetArray;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::geotiff_writing::random_images;
use crate::zarr::wait;
use crate::zarr_writing::random::TYPES;
use crate::zarr_writing::{
    Filled, check_own, judge, local, options, put_all, sink_of, stored, write_and_clear,
};

const FORMAT: &str = "LEVELS";

const CUBES: u64 = 36;

/// Random images, with the bounds of their rows.
fn random_cube(seed: u64) -> Filled {
    let mut filled = random_images(seed, &TYPES, &[None, Some("none"), Some("zstd:1")]);
    let rows = filled.cube.arrays[0].clone();
    let axis = filled.cube.images.as_ref().unwrap().rows.clone();
    let edges = (0..rows.shape[0])
        .flat_map(|row| [row, row + 1])
        .map(|edge| axis.edge - axis.size * edge as f64);
    filled
        .values
        .push(Arc::new(Float64Array::from_iter_values(edges)));
    filled.cube.arrays.push(TargetArray {
        name: "y_bnds".to_string(),
        dimensions: vec!["y".to_string(), "bnds".to_string()],
        shape: vec![rows.shape[0], 2],
        chunks: vec![rows.shape[0], 2],
        ..rows
    });
    filled
}

/// Every cell of every level.
fn others_read_them() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut manifest = Vec::new();
    for seed in 0..CUBES {
        let filled = random_cube(seed);
        let is_number = filled.cube.arrays[2].data_type.is_numeric();
        let methods = ["", "first", "min", "max", "mean"];
        let method = match is_number {
            true => methods[seed as usize % methods.len()],
            false => "",
        };
        let version = ["3", "2"][seed as usize % 2];
        let pairs = [("agg_methods", method), ("zarr_version", version)];
        let name = format!("{seed}.levels");
        let place = local(&folder.path().join(&name));
        wait(write_and_clear(FORMAT, &place, &filled, &pairs))
            .map_err(|error| format!("seed {seed}: {error}"))?;
        check_own(&place, &filled, &format!("seed {seed}"))?;
        for (array, values) in filled.cube.arrays.iter().zip(&filled.values) {
            manifest.push(json!({
                "cube": name,
                "array": array.name,
                "shape": array.shape,
                "chunks": array.chunks,
                "type": array.data_type.to_string(),
                "missing": array.attributes.get("_FillValue"),
                "method": match (is_number, method) {
                    (false, _) => "first",
                    (true, "") => "mean",
                    (true, method) => method,
                },
                "values": stored(folder.path(), &format!("{name}-{}", array.name), values)?,
            }));
        }
    }
    judge("levels_written.py", folder.path(), &manifest)
}

fn names(folder: &Path) -> Result<Vec<String>, Failed> {
    let names = fs::read_dir(folder)?.flatten();
    let mut names: Vec<String> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Level 0 becomes visible last; levels are written once, and removed whole.
fn states() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.levels");
    let place = local(&path);
    let filled = (0..)
        .map(random_cube)
        .find(|filled| {
            *filled.cube.arrays[2]
                .shape
                .iter()
                .rev()
                .take(2)
                .min()
                .unwrap()
                >= 64
        })
        .unwrap();
    let sink = sink_of(FORMAT);
    let three = options(&[("levels", "3")]);
    // Broken off before the commit: there is nothing to see, and the next writer goes on. The engine's notes say
    // that the folder is ours.
    let notes = path.join("0.zarr/.graticule");
    fs::create_dir_all(&notes)?;
    fs::write(notes.join("build.json"), "{}")?;
    let writer = wait(sink.open(&place, &filled.cube, &three, None))?;
    wait(put_all(writer.as_ref(), &filled))?;
    assert_eq!(wait(sink.version(&place))?, None);
    // Coarser levels of a commit that was broken off are made anew.
    fs::create_dir_all(path.join("1.zarr"))?;
    fs::write(path.join("1.zarr/zarr.json"), "{}")?;
    drop(writer);
    let writer = wait(sink.open(&place, &filled.cube, &three, None))?;
    let version = wait(writer.commit())?;
    assert_eq!(names(&path)?, [".zlevels", "0.zarr", "1.zarr", "2.zarr"]);
    let document: Value = serde_json::from_slice(&fs::read(path.join(".zlevels"))?)?;
    assert_eq!(document["num_levels"], 3, "{document}");
    check_own(&place, &filled, "after the commit")?;
    assert_eq!(wait(sink.version(&place))?, Some(version.clone()));
    let error = wait(sink.open(&place, &filled.cube, &three, Some(&version))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = wait(sink.open(&place, &filled.cube, &three, None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    wait(sink.sweep(&place))?;
    check_own(&place, &filled, "after a sweep")?;
    wait(sink.remove(&place))?;
    assert_eq!(names(folder.path())?, [] as [&str; 0]);
    // Levels that link to a cube elsewhere are those of someone else.
    fs::create_dir(&path)?;
    fs::write(path.join("0.link"), "../y.zarr")?;
    let error = wait(sink.version(&place)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("levels_writing::others_read_them", others_read_them),
        Trial::test("levels_writing::states", states),
    ]
}
