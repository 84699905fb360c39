//! Icechunk as Graticule writes it: read by icechunk-python and by ourselves, version after version, by
//! several writers, and broken off.
//!
//! ```text
//!  random cubes ─▶ the sink of Icechunk ─▶ repository ─┬─▶ icechunk, zarr-python, xarray (oracle/icechunk_written.py)
//!                                                      └─▶ IcechunkFormat
//! ```
//! What icechunk-python writes is read in `tests/slt/catalogue/versions.slt`.

use std::sync::Arc;

use graticule_connectors::formats::icechunk::IcechunkFormat;
use graticule_engine::error::ErrorKind;
use graticule_engine::history::{AsOf, CubeHistory, NameKind};
use graticule_engine::sink::CubeWriter;
use graticule_engine::source::Location;
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::zarr::wait;
use crate::zarr_writing::random::{Random, cube};
use crate::zarr_writing::{
    Filled, check_own, judge, local, options, put_all, sink_of, small_cube, stored, write_as,
};

const CUBES: u64 = 12;

const ICECHUNK: &str = "ICECHUNK";

fn at(place: &Location, version: &str) -> Location {
    Location {
        as_of: Some(AsOf::Version(version.to_string())),
        ..place.clone()
    }
}

/// A place for a repository in memory.
fn in_memory() -> Location {
    Location {
        path: "lake/x.icechunk".into(),
        url: "memory://lake/x.icechunk".to_string(),
        ..crate::zarr_writing::in_memory()
    }
}

/// Runs `check` on a repository in memory and on one in a folder.
fn everywhere(check: impl Fn(&Location) -> Result<(), Failed>) -> Result<(), Failed> {
    check(&in_memory())?;
    let folder = tempfile::tempdir()?;
    check(&local(&folder.path().join("x.icechunk")))
}

async fn begin(
    place: &Location,
    filled: &Filled,
    over: Option<&str>,
) -> Result<Arc<dyn CubeWriter>, Failed> {
    let sink = sink_of(ICECHUNK);
    Ok(sink.open(place, &filled.cube, &options(&[]), over).await?)
}

/// Random cubes, each over the one before; a tag keeps the first, a branch has one of its own.
fn others_read_them() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut manifest = Vec::new();
    for number in 0..CUBES {
        let name = format!("{number}.icechunk");
        let place = local(&folder.path().join(&name));
        let [first, second, third] =
            [0, 1, 2].map(|state| cube(&mut Random(number * 3 + state), true));
        let version = wait(write_as(ICECHUNK, &place, &first, &[], None))?;
        wait(IcechunkFormat.create_name(&place, NameKind::Tag, "first"))?;
        wait(IcechunkFormat.create_name(&place, NameKind::Branch, "dev"))?;
        wait(write_as(ICECHUNK, &place, &second, &[], Some(&version)))?;
        wait(write_as(
            ICECHUNK,
            &at(&place, "dev"),
            &third,
            &[],
            Some(&version),
        ))?;
        for (version, filled) in [("first", first), ("main", second), ("dev", third)] {
            check_own(
                &at(&place, version),
                &filled,
                &format!("cube {number}, {version}"),
            )?;
            for (array, values) in filled.cube.arrays.iter().zip(&filled.values) {
                manifest.push(json!({
                    "cube": name,
                    "version": version,
                    "array": array.name,
                    "shape": array.shape,
                    "dimensions": array.dimensions,
                    "chunks": array.chunks,
                    "shards": array.shards,
                    "type": array.data_type.to_string(),
                    "long_name": array.attributes["long_name"],
                    "values": stored(folder.path(), &format!("{name}-{version}-{}", array.name), values)?,
                }));
            }
        }
    }
    judge("icechunk_written.py", folder.path(), &manifest)
}

/// The second version of the format, by our own reader.
fn version_2(place: &Location) -> Result<(), Failed> {
    let (first, second) = (small_cube(5, 1.0), small_cube(7, 100.0));
    let two = [("icechunk_version", "2")];
    let version = wait(write_as(ICECHUNK, place, &first, &two, None))?;
    wait(IcechunkFormat.create_name(place, NameKind::Tag, "first"))?;
    wait(write_as(ICECHUNK, place, &second, &two, Some(&version)))?;
    check_own(place, &second, "newest")?;
    check_own(&at(place, "first"), &first, "tag")?;
    check_own(&at(place, &version), &first, "identifier")?;
    assert_eq!(wait(IcechunkFormat.versions(place))?.len(), 3);
    Ok(())
}

/// Of two writers of one version one commits; the other one is told.
fn one_of_two_commits(place: &Location) -> Result<(), Failed> {
    let (first, second) = (small_cube(5, 1.0), small_cube(7, 100.0));
    for over in [false, true] {
        let sink = sink_of(ICECHUNK);
        let version = wait(sink.version(place))?.filter(|_| over);
        let one = wait(begin(place, &first, version.as_deref()))?;
        wait(one.discard())?;
        wait(put_all(one.as_ref(), &first))?;
        let other = wait(begin(place, &second, version.as_deref()))?;
        wait(other.discard())?;
        wait(put_all(other.as_ref(), &second))?;
        wait(other.commit())?;
        let refused = wait(one.commit()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
        check_own(place, &second, "the one who was first")?;
        let late = wait(begin(place, &first, version.as_deref()));
        assert!(late.is_err(), "begun over a version that is gone");
    }
    Ok(())
}

/// A writer that was broken off is gone on with by another one; what was begun anew takes nothing over.
fn broken_off_and_gone_on_with(place: &Location) -> Result<(), Failed> {
    let (first, second) = (small_cube(5, 1.0), small_cube(7, 100.0));
    let one = wait(begin(place, &first, None))?;
    wait(one.discard())?;
    wait(put_all(one.as_ref(), &first))?;
    drop(one);
    assert_eq!(wait(sink_of(ICECHUNK).version(place))?, None);
    let other = wait(begin(place, &first, None))?;
    let version = wait(other.commit())?;
    check_own(place, &first, "gone on with")?;

    let one = wait(begin(place, &second, Some(&version)))?;
    wait(one.discard())?;
    wait(put_all(one.as_ref(), &second))?;
    check_own(place, &first, "while the next is written")?;
    let other = wait(begin(place, &second, Some(&version)))?;
    wait(other.discard())?;
    let version = wait(other.commit())?;
    let groups = crate::zarr::open(place, &[])?;
    assert_eq!(
        groups.iter().map(|group| group.arrays.len()).sum::<usize>(),
        second.cube.arrays.len()
    );
    let again = wait(sink_of(ICECHUNK).stored(place))?.ok_or("no cube")?;
    assert_eq!(again.version, version);
    let empty = wait(crate::zarr::read(
        crate::zarr::array(&groups, "", &second.cube.arrays[0].name).ok_or("no array")?,
    ))?;
    assert_ne!(
        &empty, &second.values[0],
        "taken over from a build that was given up"
    );
    Ok(())
}

/// Chunks of the version before, in other places: no bytes of them are written.
fn carried(place: &Location) -> Result<(), Failed> {
    let filled = small_cube(5, 1.0);
    let version = wait(write_as(ICECHUNK, place, &filled, &[], None))?;
    let next = wait(begin(place, &filled, Some(&version)))?;
    wait(next.discard())?;
    for (number, array) in filled.cube.arrays.iter().enumerate() {
        for index in crate::zarr_writing::shards(array) {
            wait(next.carry(number, &index, &index))?;
        }
    }
    wait(next.commit())?;
    check_own(place, &filled, "carried")?;
    let sink = sink_of(ICECHUNK);
    assert_eq!(wait(sink.sweep(place))?, (0, 0));
    check_own(place, &filled, "swept")?;
    check_own(&at(place, &version), &filled, "before")?;
    wait(sink.remove(place))?;
    assert_eq!(wait(sink.version(place))?, None);
    assert_eq!(
        wait(sink.remove(place)).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    Ok(())
}

/// A store of other things is not written into, and not removed.
fn folders_of_others_are_left_alone() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let place = local(&folder.path().join("x.icechunk"));
    std::fs::create_dir(folder.path().join("x.icechunk"))?;
    std::fs::write(folder.path().join("x.icechunk/letter.txt"), "dear")?;
    let refused = wait(begin(&place, &small_cube(5, 1.0), None))
        .err()
        .ok_or("it was begun")?;
    assert!(
        refused
            .message()
            .is_some_and(|text| text.contains("not empty")),
        "{refused:?}"
    );
    assert!(wait(sink_of(ICECHUNK).remove(&place)).is_err());
    assert!(folder.path().join("x.icechunk/letter.txt").exists());
    Ok(())
}

/// A chunk whose object is gone is not one that was never there. A plain web server, which lists nothing, is read.
fn lost_chunks_are_an_error() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("x.icechunk");
    let place = local(&root);
    let filled = small_cube(5, 1.0);
    wait(write_as(ICECHUNK, &place, &filled, &[], None))?;
    let unlisted = Location {
        listable: false,
        local: false,
        ..place.clone()
    };
    check_own(&unlisted, &filled, "not listed")?;
    let groups = crate::zarr::open(&place, &[])?;
    for chunk in std::fs::read_dir(root.join("chunks"))? {
        std::fs::remove_file(chunk?.path())?;
    }
    for array in &groups[0].arrays {
        let index = vec![0; array.description().shape.len()];
        let lost = wait(array.fetch(&index)).unwrap_err().to_string();
        assert!(lost.contains("of the repository is gone"), "{lost}");
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let cases: [(&str, fn(&Location) -> Result<(), Failed>); 4] = [
        ("version_2", version_2),
        ("one_of_two_commits", one_of_two_commits),
        ("broken_off_and_gone_on_with", broken_off_and_gone_on_with),
        ("carried", carried),
    ];
    let cases = cases.into_iter();
    let mut trials: Vec<Trial> = cases
        .map(|(name, check)| Trial::test(format!("icechunk::{name}"), move || everywhere(check)))
        .collect();
    trials.push(Trial::test("icechunk::others_read_them", others_read_them));
    trials.push(Trial::test(
        "icechunk::lost_chunks_are_an_error",
        lost_chunks_are_an_error,
    ));
    trials.push(Trial::test(
        "icechunk::folders_of_others_are_left_alone",
        folders_of_others_are_left_alone,
    ));
    trials
}
