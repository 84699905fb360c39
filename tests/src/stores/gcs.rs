//! Reading and listing through a server that speaks Google Cloud Storage.

use graticule_engine::error::{CubeResult, ErrorKind};
use graticule_engine::source::Location;
use libtest_mimic::{Failed, Trial};

use super::contents::{OBJECTS, Outcome, check_listings, check_read};
use super::cubes::{check_same, cube_file};
use super::gcs_server::GcsServer;
use super::{connect, run};

/// Bucket, path, range, and what comes of it.
const ROWS: &[(&str, Option<(u64, u64)>, Outcome)] = &[
    ("open/cube.zarr/0.0", None, Ok(b"0123456789")),
    ("open/cube.zarr/0.0", Some((3, 5)), Ok(b"34")),
    ("open/cube.zarr/0.0", Some((0, 1)), Ok(b"0")),
    ("open/cube.zarr/0.0", Some((8, 20)), Ok(b"89")),
    ("open/a b%20c~d=1/+", None, Ok(b"odd name")),
    ("open/cube.zarr/9.9", None, Err(ErrorKind::NotFound)),
    ("open/cube.zarr", None, Err(ErrorKind::NotFound)),
    ("absent/cube.zarr/0.0", None, Err(ErrorKind::NotFound)),
    (
        "open/cube.zarr/0.0",
        Some((30, 40)),
        Err(ErrorKind::Corrupt),
    ),
];

fn connect_gcs(server: &GcsServer, path: &str) -> CubeResult<Location> {
    let options = [
        ("endpoint", server.endpoint.as_str()),
        ("allow_http", "true"),
        ("anonymous", "true"),
        ("max_retries", "2"),
    ];
    connect(&format!("gs://{path}"), &options)
}

async fn real_server() -> Result<(), Failed> {
    let mut objects: Vec<(String, Vec<u8>)> = OBJECTS
        .iter()
        .map(|(path, object)| (format!("open/{path}"), object.to_vec()))
        .collect();
    objects.push(("cubes/ostia.nc".into(), std::fs::read(cube_file())?));
    let server = GcsServer::start(&objects).await?;
    for (path, range, expected) in ROWS {
        let row = format!("{path} {range:?}");
        check_read(&connect_gcs(&server, path)?, *range, *expected, &[], &row).await;
    }
    check_listings(&connect_gcs(&server, "open")?, "open").await?;
    check_same(&connect_gcs(&server, "cubes/ostia.nc")?).await
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("stores::gcs::real_server", || {
        run(real_server())
    })]
}
