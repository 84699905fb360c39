//! Reading, listing and being refused by a server that speaks Azure Blob Storage.

use datafusion::object_store::ObjectStoreExt;
use graticule_engine::error::{CubeResult, ErrorKind};
use graticule_engine::source::Location;
use libtest_mimic::{Failed, Trial};

use super::azure_server::{ACCESS_KEY, ACCOUNT, AzureServer};
use super::contents::{OBJECTS, Outcome, check_listings, check_no_listing, check_read};
use super::cubes::{check_same, cube_file};
use super::{connect, run};

/// What requests are authorised with.
#[derive(Debug, Clone, Copy)]
enum Authorisation {
    Key(&'static str),
    /// A shared access signature, by its name in `tests/oracle/azure_signatures.py`.
    Signature(&'static str),
    Anonymous,
}
use Authorisation::{Anonymous, Key, Signature};

const SIGNED: Authorisation = Key(ACCESS_KEY);
/// "s3cr3t" in base64.
const WRONG_KEY: Authorisation = Key("czNjcjN0");

/// Container, path, authorisation, range, and what comes of it.
type Row = (&'static str, Authorisation, Option<(u64, u64)>, Outcome);

const WHOLE: Outcome = Ok(b"0123456789");
const DENIED: Outcome = Err(ErrorKind::Denied);
const NOT_FOUND: Outcome = Err(ErrorKind::NotFound);

const ROWS: &[Row] = &[
    ("open/cube.zarr/0.0", SIGNED, None, WHOLE),
    ("open/cube.zarr/0.0", Anonymous, None, WHOLE),
    ("open/cube.zarr/0.0", Signature("read"), None, WHOLE),
    ("open/cube.zarr/0.0", SIGNED, Some((3, 5)), Ok(b"34")),
    ("open/cube.zarr/0.0", Anonymous, Some((0, 1)), Ok(b"0")),
    ("open/cube.zarr/0.0", SIGNED, Some((8, 20)), Ok(b"89")),
    ("open/a b%20c~d=1/+", SIGNED, None, Ok(b"odd name")),
    ("open/a b%20c~d=1/+", Anonymous, None, Ok(b"odd name")),
    (
        "open/a b%20c~d=1/+",
        Signature("read"),
        None,
        Ok(b"odd name"),
    ),
    ("closed/cube.zarr/0.0", SIGNED, None, WHOLE),
    ("closed/cube.zarr/0.0", Signature("read"), None, WHOLE),
    ("closed/cube.zarr/0.0", WRONG_KEY, None, DENIED),
    ("closed/cube.zarr/0.0", Signature("expired"), None, DENIED),
    ("closed/cube.zarr/0.0", Signature("forged"), None, DENIED),
    ("closed/cube.zarr/0.0", Signature("write"), None, DENIED),
    ("closed/cube.zarr/0.0", Anonymous, None, DENIED),
    ("open/cube.zarr/9.9", SIGNED, None, NOT_FOUND),
    ("open/cube.zarr/9.9", Anonymous, None, NOT_FOUND),
    ("absent/cube.zarr/0.0", SIGNED, None, NOT_FOUND),
    (
        "open/cube.zarr/0.0",
        SIGNED,
        Some((30, 40)),
        Err(ErrorKind::Corrupt),
    ),
];

fn connect_azure(
    server: &AzureServer,
    path: &str,
    authorisation: Authorisation,
) -> CubeResult<Location> {
    let options = [
        ("account", ACCOUNT),
        ("endpoint", server.endpoint.as_str()),
        ("allow_http", "true"),
        ("max_retries", "2"),
        match authorisation {
            Key(key) => ("access_key", key),
            Signature(name) => ("sas_token", server.signature(name)),
            Anonymous => ("anonymous", "true"),
        },
    ];
    connect(&format!("az://{path}"), &options)
}

async fn put(location: &Location, object: Vec<u8>) -> Result<(), Failed> {
    location.store.put(&location.path, object.into()).await?;
    Ok(())
}

async fn real_server() -> Result<(), Failed> {
    let server = AzureServer::start().await?;
    server.make_container("open", true).await?;
    server.make_container("closed", false).await?;
    for (path, object) in OBJECTS {
        let location = connect_azure(&server, &format!("open/{path}"), SIGNED)?;
        put(&location, object.to_vec()).await?;
    }
    let closed = connect_azure(&server, "closed/cube.zarr/0.0", SIGNED)?;
    put(&closed, b"0123456789".to_vec()).await?;

    for (path, authorisation, range, expected) in ROWS {
        let row = format!("{path} {authorisation:?} {range:?}");
        let location = connect_azure(&server, path, *authorisation)?;
        let mut secrets = vec![ACCESS_KEY, "czNjcjN0", "sig="];
        if let Signature(name) = authorisation {
            secrets.push(server.signature(name));
        }
        check_read(&location, *range, *expected, &secrets, &row).await;
    }
    for authorisation in [SIGNED, Signature("read"), Anonymous] {
        let root = connect_azure(&server, "open", authorisation)?;
        check_listings(&root, &format!("{authorisation:?}")).await?;
    }
    for (authorisation, kind) in [
        (WRONG_KEY, ErrorKind::Denied),
        (Signature("expired"), ErrorKind::Denied),
        (Anonymous, ErrorKind::Denied),
    ] {
        let root = connect_azure(&server, "closed", authorisation)?;
        check_no_listing(&root, kind, &format!("{authorisation:?}")).await;
    }

    let cube = connect_azure(&server, "open/ostia.nc", SIGNED)?;
    put(&cube, std::fs::read(cube_file())?).await?;
    for authorisation in [SIGNED, Signature("read"), Anonymous] {
        check_same(&connect_azure(&server, "open/ostia.nc", authorisation)?).await?;
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("stores::azure::real_server", || {
        run(real_server())
    })]
}
