//! From state to state: readers see the old one or the new one, whoever dies, and whoever else writes.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array};
use arrow::datatypes::DataType;
use datafusion::object_store::memory::InMemory;
use datafusion::object_store::path::Path as StorePath;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::TryStreamExt;
use graticule_engine::error::ErrorKind;
use graticule_engine::sink::{TargetArray, TargetCube};
use graticule_engine::source::{Attributes, Location};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::others::check_own;
use super::{Filled, local, options, put_all, sink, write};
use crate::zarr::{open, wait};

/// A cube of `rows` × 5 cells with one coordinate and one scalar, whose values begin with `first`.
pub(crate) fn cube(rows: u64, first: f32) -> Filled {
    let array =
        |name: &str, dimensions: &[&str], shape: &[u64], chunks: &[u64], data_type| TargetArray {
            name: name.to_string(),
            dimensions: dimensions.iter().map(|name| name.to_string()).collect(),
            shape: shape.to_vec(),
            chunks: chunks.to_vec(),
            shards: None,
            data_type,
            fill_value: json!(0),
            codec: None,
            attributes: Attributes::new(),
        };
    let arrays = vec![
        array("y", &["y"], &[rows], &[rows], DataType::Int32),
        array("crs", &[], &[], &[], DataType::Int32),
        array("v", &["y", "x"], &[rows, 5], &[2, 3], DataType::Float32),
    ];
    let first_number = first as i32;
    let y: Int32Array = (0..rows as i32).map(|row| first_number + row).collect();
    let v: Float32Array = (0..rows * 5).map(|cell| first + cell as f32).collect();
    let values: Vec<ArrayRef> = vec![
        Arc::new(y),
        Arc::new(Int32Array::from(vec![first_number])),
        Arc::new(v),
    ];
    Filled {
        cube: TargetCube {
            arrays,
            attributes: Attributes::new(),
            images: None,
        },
        values,
    }
}

/// A place for a cube in memory.
pub(crate) fn in_memory() -> Location {
    Location {
        store: Arc::new(InMemory::new()),
        path: StorePath::from("lake/x.zarr"),
        url: "memory://lake/x.zarr".to_string(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    }
}

/// Runs `check` on a cube in memory and on one in a folder.
fn everywhere(check: impl Fn(&Location) -> Result<(), Failed>) -> Result<(), Failed> {
    check(&in_memory())?;
    let folder = tempfile::tempdir()?;
    check(&local(&folder.path().join("x.zarr")))
}

fn names(place: &Location) -> Vec<String> {
    let listing = wait(place.store.list(Some(&place.path)).try_collect::<Vec<_>>()).unwrap();
    let root = format!("{}/", place.path);
    let name = |path: StorePath| path.as_ref().strip_prefix(&root).unwrap().to_string();
    let mut names: Vec<String> = listing
        .into_iter()
        .map(|object| name(object.location))
        .collect();
    names.sort();
    names
}

fn document(place: &Location, name: &str) -> Value {
    let object = wait(place.store.get(&place.child(name).path)).unwrap();
    serde_json::from_slice(&wait(object.bytes()).unwrap()).unwrap()
}

/// Five states, each over the one before; readers that hold the one before still read it until the sweep.
fn states_follow_each_other(place: &Location) -> Result<(), Failed> {
    let mut version: Option<String> = None;
    for state in 0..5 {
        let filled = cube(4 + state, 100.0 * state as f32 + 1.0);
        let before = match state {
            0 => None,
            _ => Some(open(place, &[])?),
        };
        let written = wait(write(place, &filled, &[], version.as_deref()))?;
        assert_ne!(Some(&written), version.as_ref());
        assert_eq!(wait(sink().version(place))?.as_ref(), Some(&written));
        check_own(place, &filled, &format!("state {state}"))?;
        assert_eq!(open(place, &[])?[0].version, written);
        if let Some(groups) = before {
            let old = cube(3 + state, 100.0 * (state - 1) as f32 + 1.0);
            for values in &old.values {
                let read = groups[0]
                    .arrays
                    .iter()
                    .map(|array| wait(crate::zarr::read(array.as_ref())).unwrap());
                assert!(
                    read.into_iter()
                        .any(|found| found.as_ref() == values.as_ref())
                );
            }
        }
        // The metadata of each array are those of the cube.
        let root = document(place, "zarr.json");
        for name in ["v", "y", "crs"] {
            let own = document(place, &format!("{name}/zarr.json"));
            assert_eq!(root["consolidated_metadata"]["metadata"][name], own);
        }
        version = Some(written);
    }
    let (objects, bytes) = wait(sink().sweep(place))?;
    assert!(
        objects == 8 + 2 && bytes > 0,
        "{objects} objects of {bytes} bytes"
    );
    assert_eq!(wait(sink().sweep(place))?, (0, 0));
    assert_eq!(names(place).len(), 4 + 2 + 8);
    check_own(place, &cube(8, 401.0), "swept")
}

/// Whoever wrote first wins; the other one is told, and nothing of it is seen.
fn one_of_two_writers_wins(place: &Location) -> Result<(), Failed> {
    let none = options(&[]);
    let (first, second) = (cube(4, 1.0), cube(4, 501.0));
    // A new cube.
    let writers =
        [&first, &second].map(|filled| wait(sink().open(place, &filled.cube, &none, None)));
    let [winner, loser] = writers.map(Result::unwrap);
    wait(put_all(winner.as_ref(), &first))?;
    let version = wait(winner.commit())?;
    assert_eq!(wait(winner.commit())?, version, "a commit may be repeated");
    let error = wait(loser.commit()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("drop it first"), "{error}");
    check_own(place, &first, "the first")?;

    // A new state.
    let open = |filled: &Filled| wait(sink().open(place, &filled.cube, &none, Some(&version)));
    let (winner, loser) = (open(&second)?, open(&first)?);
    wait(put_all(winner.as_ref(), &second))?;
    wait(winner.commit())?;
    let error = wait(loser.commit()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(
        error.to_string().contains("run the statement again"),
        "{error}"
    );
    check_own(place, &second, "the second")?;
    let error = open(&first).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let error = wait(sink().open(place, &first.cube, &none, None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    Ok(())
}

/// A writer that dies after some of its objects leaves the old state as it was.
fn a_writer_dies_before_its_commit(place: &Location) -> Result<(), Failed> {
    let notes = sink().notes(place).child("plan");
    wait(place.store.put(&notes.path, "{}".into()))?;
    let old = cube(4, 1.0);
    let writer = wait(sink().open(place, &old.cube, &options(&[]), None))?;
    wait(put_all(writer.as_ref(), &old))?;
    drop(writer);
    let error = open(place, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("is being written"), "{error}");
    assert_eq!(wait(sink().version(place))?, None);

    // The next one goes on with what is there.
    let writer = wait(sink().open(place, &old.cube, &options(&[]), None))?;
    let version = wait(writer.commit())?;
    check_own(place, &old, "resumed")?;
    let before = names(place);

    let new = cube(6, 901.0);
    let writer = wait(sink().open(place, &new.cube, &options(&[]), Some(&version)))?;
    wait(put_all(writer.as_ref(), &new))?;
    drop(writer);
    check_own(place, &old, "not committed")?;
    let (objects, _) = wait(sink().sweep(place))?;
    assert_eq!(objects, 1 + 1 + 6);
    assert_eq!(names(place), before);
    check_own(place, &old, "swept")
}

/// A writer that dies after the cube's metadata and before those of the arrays is completed.
fn a_writer_dies_within_its_commit(place: &Location) -> Result<(), Failed> {
    let (old, new) = (cube(4, 1.0), cube(6, 901.0));
    let version = wait(write(place, &old, &[], None))?;
    let documents = ["v", "y", "crs"].map(|name| {
        let path = place.child(&format!("{name}/zarr.json")).path;
        let bytes = wait(async { place.store.get(&path).await?.bytes().await }).unwrap();
        (path, bytes)
    });
    let version = wait(write(place, &new, &[], Some(&version)))?;
    for (path, bytes) in documents {
        wait(place.store.put(&path, bytes.into()))?;
    }
    check_own(place, &new, "half committed")?;
    let is_complete = || {
        let root = document(place, "zarr.json");
        let own = |name: &&str| document(place, &format!("{name}/zarr.json"));
        let is_own = |name: &&str| root["consolidated_metadata"]["metadata"][*name] == own(name);
        ["v", "y", "crs"].iter().all(is_own)
    };
    assert!(!is_complete());
    drop(wait(sink().open(
        place,
        &new.cube,
        &options(&[]),
        Some(&version),
    ))?);
    assert!(is_complete());

    // What somebody else changed is theirs.
    let mut changed = document(place, "v/zarr.json");
    changed["attributes"] = json!({"units": "K"});
    let bytes = serde_json::to_vec(&changed)?;
    wait(
        place
            .store
            .put(&place.child("v/zarr.json").path, bytes.into()),
    )?;
    wait(sink().sweep(place))?;
    assert_eq!(document(place, "v/zarr.json"), changed);
    Ok(())
}

/// Objects of the old state become objects of the new one, at other places.
fn objects_are_carried(place: &Location) -> Result<(), Failed> {
    let old = cube(4, 1.0);
    let version = wait(write(place, &old, &[], None))?;
    let mut new = old.clone();
    let swapped: Vec<f32> = (10..20)
        .chain(0..10)
        .map(|cell| 1.0 + cell as f32)
        .collect();
    new.values[2] = Arc::new(Float32Array::from(swapped));
    let writer = wait(sink().open(place, &new.cube, &options(&[]), Some(&version)))?;
    wait(writer.discard())?;
    wait(writer.carry(0, &[0], &[0]))?;
    wait(writer.carry(1, &[], &[]))?;
    for column in 0..2 {
        wait(writer.carry(2, &[0, column], &[1, column]))?;
        wait(writer.carry(2, &[1, column], &[0, column]))?;
    }
    // Nothing there, nothing done.
    wait(writer.carry(2, &[7, 7], &[7, 7]))?;
    wait(writer.commit())?;
    check_own(place, &new, "carried")?;
    wait(sink().sweep(place))?;
    check_own(place, &new, "carried and swept")
}

/// What was never seen and what is not seen any more goes; what is seen and notes stay.
fn sweeping_and_removing(place: &Location) -> Result<(), Failed> {
    assert_eq!(
        wait(sink().sweep(place)).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        wait(sink().remove(place)).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let filled = cube(4, 1.0);
    wait(write(place, &filled, &[], None))?;
    let seen = names(place);
    for name in [
        "v/c/9/0",
        "v/c.0.0",
        "v/0.0",
        "v/d/0",
        "v/c/0/9",
        "v/.zarray",
        "old/zarr.json",
        "old/c/0",
        "README",
        ".zmetadata",
        "v/c/00/0",
    ] {
        wait(place.store.put(&place.child(name).path, "12".into()))?;
    }
    let note = sink().notes(place).child("claim");
    wait(place.store.put(&note.path, "12".into()))?;
    assert_eq!(wait(sink().sweep(place))?, (11, 22));
    let mut expected = seen.clone();
    expected.push(".graticule/claim".to_string());
    expected.sort();
    assert_eq!(names(place), expected);
    check_own(place, &filled, "swept")?;
    wait(sink().remove(place))?;
    assert!(names(place).is_empty());
    assert_eq!(wait(sink().version(place))?, None);
    Ok(())
}

/// On a disk there are also files in the making and empty folders.
fn nothing_stays_on_the_disk() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("x.zarr");
    let place = local(&root);
    let filled = cube(4, 1.0);
    let version = wait(write(&place, &filled, &[], None))?;
    wait(write(&place, &cube(4, 7.0), &[], Some(&version)))?;
    std::fs::write(root.join("v/c.0.0#12"), "12")?;
    let files = |root: &Path| {
        let entries = std::fs::read_dir(root.join("v")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&root).len(), 1 + 1 + 4 + 1);
    let (objects, _) = wait(sink().sweep(&place))?;
    assert_eq!(objects, 6 + 1);
    let mut left = files(&root);
    left.sort();
    assert_eq!(left, ["c.0.0", "c.0.1", "c.1.0", "c.1.1", "zarr.json"]);
    wait(sink().remove(&place))?;
    assert!(!root.exists());
    Ok(())
}

/// Folders that are no cubes are left alone.
fn folders_of_others_are_left_alone(place: &Location) -> Result<(), Failed> {
    let file = place.child("v/letter.txt");
    wait(place.store.put(&file.path, "dear".into()))?;
    let filled = cube(4, 1.0);
    let error = wait(write(place, &filled, &[], None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("not empty"), "{error}");
    for error in [
        wait(sink().sweep(place)).unwrap_err(),
        wait(sink().remove(place)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(names(place), ["v/letter.txt"]);
    Ok(())
}

/// A cube of Zarr 2 is written once, and a state of Zarr 3 may take its place.
fn from_version_2_to_3(place: &Location) -> Result<(), Failed> {
    let (old, new) = (cube(4, 1.0), cube(6, 901.0));
    let v2 = [("zarr_version", "2")];
    let version = wait(write(place, &old, &v2, None))?;
    check_own(place, &old, "version 2")?;
    let error = wait(write(place, &new, &v2, Some(&version))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let version = wait(write(place, &new, &[], Some(&version)))?;
    assert_eq!(wait(sink().version(place))?, Some(version));
    check_own(place, &new, "version 3")?;
    let (objects, _) = wait(sink().sweep(place))?;
    assert_eq!(objects, 3 + 2 * 3 + 4 + 2);
    check_own(place, &new, "version 3, swept")
}

/// What cannot be written is an error before anything is.
fn bad_targets_are_refused() -> Result<(), Failed> {
    let place = in_memory();
    type Change = fn(&mut TargetCube);
    let cases: [(Change, &[(&str, &str)], &str); 14] = [
        (|_| {}, &[("zarr_version", "4")], "no version \"4\""),
        (|cube| cube.arrays.clear(), &[], "without arrays"),
        (
            |cube| cube.arrays[2].codec = Some("lz4".into()),
            &[],
            "blosc:lz4",
        ),
        (
            |cube| cube.arrays[2].data_type = DataType::Date32,
            &[],
            "Date32 cannot be stored",
        ),
        (|cube| cube.arrays[2].chunks = vec![2], &[], "1 chunk sizes"),
        (
            |cube| cube.arrays[2].chunks = vec![0, 3],
            &[],
            "a chunk size is 0",
        ),
        (
            |cube| cube.arrays[2].chunks = vec![1 << 20, 1 << 20],
            &[],
            "larger than",
        ),
        (
            |cube| cube.arrays[2].shards = Some(vec![3, 3]),
            &[],
            "cannot be cut into chunks",
        ),
        (
            |cube| cube.arrays[2].shards = Some(vec![4, 6]),
            &[("zarr_version", "2")],
            "no shards",
        ),
        (
            |cube| cube.arrays[2].fill_value = json!("x"),
            &[],
            "fill value \"x\"",
        ),
        (
            |cube| cube.arrays[0].fill_value = json!(1.5),
            &[],
            "fill value 1.5",
        ),
        (|cube| cube.arrays[2].name = "a/b".into(), &[], "slash"),
        (
            |cube| cube.arrays[2].name = "zarr.json".into(),
            &[],
            "meaning in Zarr",
        ),
        (|cube| cube.arrays[2].name = "y".into(), &[], "two arrays"),
    ];
    for (change, pairs, part) in cases {
        let mut filled = cube(4, 1.0);
        change(&mut filled.cube);
        let error = sink().check(&filled.cube, &options(pairs)).unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(wait(sink().open(&place, &filled.cube, &options(pairs), None)).is_err());
    }
    let filled = cube(4, 1.0);
    let writer = wait(sink().open(&place, &filled.cube, &options(&[]), None))?;
    let nulls: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, None, None]));
    for (values, index, extent, part) in [
        (&nulls, vec![0], vec![4], "NULL"),
        (&filled.values[2], vec![0], vec![4], "Float32, not Int32"),
        (&filled.values[0], vec![0], vec![3], "no shard"),
        (&filled.values[0], vec![1], vec![4], "no shard"),
        (&filled.values[0], vec![0, 0], vec![4], "no shard"),
        (&filled.values[1], vec![0], vec![4], "1 values cannot be"),
    ] {
        let error = writer.encode(0, &index, values, &extent).unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert!(writer.encode(3, &[], &filled.values[1], &[]).is_err());
    assert!(names(&place).is_empty());
    Ok(())
}

#[cfg(unix)]
fn disks_that_cannot_be_written() -> Result<(), Failed> {
    let filled = cube(4, 1.0);
    // A folder where every file is one of the kernel's.
    let error = wait(write(&local(Path::new("/proc/x.zarr")), &filled, &[], None)).unwrap_err();
    assert!(error.to_string().contains("/proc/x.zarr"), "{error}");
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "")?;
    let inside = folder.path().join("file/x.zarr");
    let error = wait(write(&local(&inside), &filled, &[], None)).unwrap_err();
    assert!(error.to_string().contains("file/x.zarr"), "{error}");
    Ok(())
}

pub(super) fn trials() -> Vec<Trial> {
    let here = |name: &str, check: fn(&Location) -> Result<(), Failed>| {
        Trial::test(format!("zarr_writing::{name}"), move || everywhere(check))
    };
    vec![
        here("states_follow_each_other", states_follow_each_other),
        here("one_of_two_writers_wins", one_of_two_writers_wins),
        here(
            "a_writer_dies_before_its_commit",
            a_writer_dies_before_its_commit,
        ),
        here(
            "a_writer_dies_within_its_commit",
            a_writer_dies_within_its_commit,
        ),
        here("objects_are_carried", objects_are_carried),
        here("sweeping_and_removing", sweeping_and_removing),
        here(
            "folders_of_others_are_left_alone",
            folders_of_others_are_left_alone,
        ),
        here("from_version_2_to_3", from_version_2_to_3),
        Trial::test(
            "zarr_writing::nothing_stays_on_the_disk",
            nothing_stays_on_the_disk,
        ),
        Trial::test(
            "zarr_writing::bad_targets_are_refused",
            bad_targets_are_refused,
        ),
        #[cfg(unix)]
        Trial::test(
            "zarr_writing::disks_that_cannot_be_written",
            disks_that_cannot_be_written,
        ),
    ]
}
