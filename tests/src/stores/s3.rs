//! Reading, listing and being refused by a real S3 server.

use std::time::Duration;

use datafusion::object_store::ObjectStoreExt;
use graticule_engine::error::{CubeResult, ErrorKind};
use graticule_engine::source::Location;
use libtest_mimic::{Failed, Trial};

use super::contents::{OBJECTS, Outcome, check_listings, check_no_listing, check_read};
use super::cubes::{check_same, cube_file};
use super::s3_server::{ACCESS_KEY_ID, S3Server, SECRET_ACCESS_KEY};
use super::{connect, run};

pub(super) type Keys = &'static [(&'static str, &'static str)];

pub(super) const SIGNED: Keys = &[
    ("access_key_id", ACCESS_KEY_ID),
    ("secret_access_key", SECRET_ACCESS_KEY),
];
const WRONG_SECRET: Keys = &[
    ("access_key_id", ACCESS_KEY_ID),
    ("secret_access_key", "s3cr3t"),
];
const UNKNOWN_KEY: Keys = &[("access_key_id", "nobody"), ("secret_access_key", "s3cr3t")];
const ANONYMOUS: Keys = &[("anonymous", "true")];

/// Bucket, path, keys, range, and what comes of it.
type Row = (&'static str, Keys, Option<(u64, u64)>, Outcome);

const ROWS: &[Row] = &[
    ("open/cube.zarr/0.0", SIGNED, None, Ok(b"0123456789")),
    ("open/cube.zarr/0.0", ANONYMOUS, None, Ok(b"0123456789")),
    ("open/cube.zarr/0.0", SIGNED, Some((3, 5)), Ok(b"34")),
    ("open/cube.zarr/0.0", ANONYMOUS, Some((0, 1)), Ok(b"0")),
    ("open/cube.zarr/0.0", SIGNED, Some((8, 20)), Ok(b"89")),
    ("open/a b%20c~d=1/+", SIGNED, None, Ok(b"odd name")),
    ("open/a b%20c~d=1/+", ANONYMOUS, None, Ok(b"odd name")),
    ("closed/cube.zarr/0.0", SIGNED, None, Ok(b"0123456789")),
    (
        "closed/cube.zarr/0.0",
        ANONYMOUS,
        None,
        Err(ErrorKind::Denied),
    ),
    (
        "closed/cube.zarr/0.0",
        WRONG_SECRET,
        None,
        Err(ErrorKind::Denied),
    ),
    (
        "closed/cube.zarr/0.0",
        UNKNOWN_KEY,
        None,
        Err(ErrorKind::Denied),
    ),
    ("open/cube.zarr/9.9", SIGNED, None, Err(ErrorKind::NotFound)),
    (
        "open/cube.zarr/9.9",
        ANONYMOUS,
        None,
        Err(ErrorKind::NotFound),
    ),
    (
        "absent/cube.zarr/0.0",
        SIGNED,
        None,
        Err(ErrorKind::NotFound),
    ),
    (
        "open/cube.zarr/0.0",
        SIGNED,
        Some((30, 40)),
        Err(ErrorKind::Corrupt),
    ),
];

pub(super) fn connect_s3(server: &S3Server, path: &str, keys: Keys) -> CubeResult<Location> {
    let mut options = vec![
        ("endpoint", server.endpoint.as_str()),
        ("allow_http", "true"),
        ("max_retries", "2"),
    ];
    options.extend(keys);
    connect(&format!("s3://{path}"), &options)
}

/// The server listens before it can store, and makes a bucket when the first object comes.
pub(super) async fn put(location: &Location, object: Vec<u8>) -> Result<(), Failed> {
    for _ in 0..100 {
        if location
            .store
            .put(&location.path, object.clone().into())
            .await
            .is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(format!("cannot write {}", location.url).into())
}

async fn real_server() -> Result<(), Failed> {
    let server = S3Server::start().await?;
    for (path, object) in OBJECTS {
        put(
            &connect_s3(&server, &format!("open/{path}"), SIGNED)?,
            object.to_vec(),
        )
        .await?;
    }
    put(
        &connect_s3(&server, "closed/cube.zarr/0.0", SIGNED)?,
        b"0123456789".to_vec(),
    )
    .await?;
    for (path, keys, range, expected) in ROWS {
        let row = format!("{path} {keys:?} {range:?}");
        let location = connect_s3(&server, path, keys)?;
        let secrets = ["s3cr3t", SECRET_ACCESS_KEY];
        check_read(&location, *range, *expected, &secrets, &row).await;
    }
    for keys in [SIGNED, ANONYMOUS] {
        let root = connect_s3(&server, "open", keys)?;
        check_listings(&root, &format!("{keys:?}")).await?;
    }
    let closed = connect_s3(&server, "closed", ANONYMOUS)?;
    check_no_listing(&closed, ErrorKind::Denied, "anonymous").await;

    let cube = connect_s3(&server, "open/ostia.nc", SIGNED)?;
    let object = std::fs::read(cube_file())?;
    cube.store.put(&cube.path, object.into()).await?;
    for keys in [SIGNED, ANONYMOUS] {
        check_same(&connect_s3(&server, "open/ostia.nc", keys)?).await?;
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "stores::s3::real_server",
        || run(real_server()),
    )]
}
