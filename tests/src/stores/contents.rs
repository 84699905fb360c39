//! What the real servers hold, and what reading and listing it must give.

use datafusion::object_store::ObjectStore;
use datafusion::object_store::path::Path;
use graticule_connectors::stores::store_error;
use graticule_engine::error::ErrorKind;
use graticule_engine::source::Location;
use libtest_mimic::Failed;

use super::read;

/// The objects of the bucket or container `open`.
pub(super) const OBJECTS: &[(&str, &[u8])] = &[
    ("top", b"top"),
    ("cube.zarr/.zgroup", b"{}"),
    ("cube.zarr/0.0", b"0123456789"),
    ("cube.zarr/t/0", b"time"),
    ("a b%20c~d=1/+", b"odd name"),
];

/// Folders and objects below a prefix of `open`.
const LISTINGS: &[(Option<&str>, &[&str], &[&str])] = &[
    (None, &["a b%20c~d=1", "cube.zarr"], &["top"]),
    (
        Some("cube.zarr"),
        &["cube.zarr/t"],
        &["cube.zarr/.zgroup", "cube.zarr/0.0"],
    ),
    (Some("absent"), &[], &[]),
];

/// The object's bytes, or the kind of error.
pub(super) type Outcome = Result<&'static [u8], ErrorKind>;

/// Reads the object at `location`, whole or in part. Errors show none of `secrets`.
pub(super) async fn check_read(
    location: &Location,
    range: Option<(u64, u64)>,
    expected: Outcome,
    secrets: &[&str],
    row: &str,
) {
    let outcome = read(location, range.map(|(start, end)| start..end)).await;
    match (outcome, expected) {
        (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected, "{row}"),
        (Err(error), Err(kind)) => {
            assert_eq!(error.kind(), kind, "{row}: {error}");
            let text = format!("{error} {error:?} {location:?}");
            for secret in secrets {
                assert!(!text.contains(secret), "{row}: {text}");
            }
        }
        (outcome, _) => panic!("{row}: {outcome:?}"),
    }
}

/// Lists `open`, which is at `root`.
pub(super) async fn check_listings(root: &Location, row: &str) -> Result<(), Failed> {
    for (prefix, folders, objects) in LISTINGS {
        let prefix = prefix.map(|prefix| Path::parse(prefix).unwrap());
        let found = root.store.list_with_delimiter(prefix.as_ref()).await?;
        let names = |paths: &mut dyn Iterator<Item = Path>| {
            let mut names: Vec<String> = paths.map(|path| path.to_string()).collect();
            names.sort();
            names
        };
        let found_objects = names(&mut found.objects.iter().map(|object| object.location.clone()));
        assert_eq!(
            names(&mut found.common_prefixes.into_iter()),
            *folders,
            "{row}"
        );
        assert_eq!(found_objects, *objects, "{row}");
    }
    Ok(())
}

/// Listing what is at `root` fails with this kind of error.
pub(super) async fn check_no_listing(root: &Location, kind: ErrorKind, row: &str) {
    let error = root.store.list_with_delimiter(None).await.unwrap_err();
    let error = store_error(&root.url, &error);
    assert_eq!(error.kind(), kind, "{row}: {error}");
}
