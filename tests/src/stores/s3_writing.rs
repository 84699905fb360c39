//! Writing a cube to a real S3 server: a new cube, a new state, one of two writers, large objects.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array};
use datafusion::object_store::ObjectStoreExt;
use datafusion::object_store::path::Path as StorePath;
use graticule_connectors::formats::icechunk::IcechunkFormat;
use graticule_connectors::formats::zarr::ZarrFormat;
use graticule_engine::error::{CubeResult, ErrorKind};
use graticule_engine::history::{AsOf, CubeHistory, NameKind};
use graticule_engine::source::{CubeFormat, Location};
use libtest_mimic::{Failed, Trial};

use super::s3_server::{ACCESS_KEY_ID, S3Server, SECRET_ACCESS_KEY};
use super::{connect, run};
use crate::zarr_writing::{Filled, options, put_all, sink, sink_of, small_cube, write, write_as};

fn connect_signed(server: &S3Server, path: &str) -> CubeResult<Location> {
    let options = [
        ("endpoint", server.endpoint.as_str()),
        ("allow_http", "true"),
        ("max_retries", "2"),
        ("access_key_id", ACCESS_KEY_ID),
        ("secret_access_key", SECRET_ACCESS_KEY),
    ];
    connect(&format!("s3://{path}"), &options)
}

/// The server listens before it can store, and makes a bucket when the first object comes.
async fn first_cube(place: &Location, filled: &Filled) -> Result<String, Failed> {
    first_cube_as("ZARR", place, filled).await
}

async fn first_cube_as(format: &str, place: &Location, filled: &Filled) -> Result<String, Failed> {
    let mut last = None;
    for _ in 0..100 {
        let other = StorePath::from("other");
        if place.store.put(&other, "here".into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        match write_as(format, place, filled, &[], None).await {
            Ok(version) => return Ok(version),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(format!("cannot write {}: {last:?}", place.url).into())
}

async fn states() -> Result<(), Failed> {
    let server = S3Server::start().await?;
    let place = connect_signed(&server, "closed/lake/x.zarr")?;
    let (first, second) = (small_cube(4, 1.0), small_cube(6, 901.0));
    let version = first_cube(&place, &first).await?;
    assert_eq!(sink().version(&place).await?.as_ref(), Some(&version));
    check(&place, &first).await?;

    let error = sink()
        .open(&place, &second.cube, &options(&[]), None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let open = |filled: Filled| {
        let (place, version) = (place.clone(), version.clone());
        async move {
            sink()
                .open(&place, &filled.cube, &options(&[]), Some(&version))
                .await
        }
    };
    let winner = open(second.clone()).await?;
    let loser = open(first.clone()).await?;
    winner.discard().await?;
    put_all(winner.as_ref(), &second).await?;
    // The server takes over an object of the old state.
    winner.carry(1, &[], &[]).await?;
    let mut expected = second.clone();
    expected.values[1] = first.values[1].clone();
    check(&place, &first).await?;
    let committed = winner.commit().await?;
    check(&place, &expected).await?;
    assert_eq!(sink().version(&place).await?, Some(committed.clone()));
    let error = loser.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(winner.commit().await?, committed);
    assert_eq!(sink().sweep(&place).await?.0, 6);
    sink().remove(&place).await?;
    assert_eq!(sink().version(&place).await?, None);
    Ok(())
}

/// Two states that differ in nothing have two versions, and a condition on the first one fails.
async fn equal_states() -> Result<(), Failed> {
    let server = S3Server::start().await?;
    let place = connect_signed(&server, "closed/same.zarr")?;
    let filled = small_cube(4, 1.0);
    let first = first_cube(&place, &filled).await?;
    let stale = sink()
        .open(&place, &filled.cube, &options(&[]), Some(&first))
        .await?;
    let second = write(&place, &filled, &[], Some(&first)).await?;
    let third = write(&place, &filled, &[], Some(&second)).await?;
    assert_ne!(first, third);
    assert_eq!(
        stale.commit().await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    check(&place, &filled).await
}

/// More than one request can hold.
async fn large_objects() -> Result<(), Failed> {
    let server = S3Server::start().await?;
    first_cube(
        &connect_signed(&server, "closed/small.zarr")?,
        &small_cube(4, 1.0),
    )
    .await?;
    let place = connect_signed(&server, "closed/large.zarr")?;
    let mut filled = small_cube(4, 1.0);
    filled.cube.arrays.truncate(1);
    let cells = 17 << 20;
    let array = &mut filled.cube.arrays[0];
    (array.shape, array.chunks) = (vec![cells], vec![cells]);
    array.codec = Some("none".to_string());
    let values: ArrayRef = Arc::new((0..cells as i32).collect::<Int32Array>());
    let writer = sink()
        .open(&place, &filled.cube, &options(&[]), None)
        .await?;
    let bytes = writer.encode(0, &[0], &values, &[cells as usize])?;
    writer
        .put(0, &[0], bytes.ok_or("nothing to store")?)
        .await?;
    writer.commit().await?;
    let groups = ZarrFormat.open(&place, &options(&[])).await?;
    let array = &groups[0].arrays[0];
    let chunk = array.fetch(&[0]).await?.ok_or("nothing is stored")?;
    assert_eq!(array.decode(&[0], chunk)?.values.as_ref(), values.as_ref());
    Ok(())
}

/// Versions of an Icechunk repository, a tag and a branch, and two writers of one version.
async fn icechunk_versions() -> Result<(), Failed> {
    let server = S3Server::start().await?;
    let place = connect_signed(&server, "closed/lake/x.icechunk")?;
    let at = |version: &str| Location {
        as_of: Some(AsOf::Version(version.to_string())),
        ..place.clone()
    };
    let (first, second) = (small_cube(4, 1.0), small_cube(6, 901.0));
    let version = first_cube_as("ICECHUNK", &place, &first).await?;
    check(&place, &first).await?;
    let history = &IcechunkFormat;
    history.create_name(&place, NameKind::Tag, "v1").await?;
    history.create_name(&place, NameKind::Branch, "dev").await?;
    let again = history.create_name(&place, NameKind::Tag, "v1").await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
    let sink = sink_of("ICECHUNK");
    let loser = sink
        .open(&place, &second.cube, &options(&[]), Some(&version))
        .await?;
    write_as("ICECHUNK", &place, &second, &[], Some(&version)).await?;
    assert_eq!(
        loser.commit().await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    check(&place, &second).await?;
    check(&at("v1"), &first).await?;
    check(&at("dev"), &first).await?;
    write_as("ICECHUNK", &at("dev"), &second, &[], Some(&version)).await?;
    check(&at("dev"), &second).await?;
    let versions = history.versions(&place).await?;
    assert_eq!(versions.len(), 4);
    history.drop_name(&place, NameKind::Branch, "dev").await?;
    assert_eq!(history.versions(&place).await?.len(), 3);
    sink.sweep(&place).await?;
    check(&at("v1"), &first).await?;
    sink.remove(&place).await?;
    assert_eq!(sink.version(&place).await?, None);
    Ok(())
}

async fn check(place: &Location, filled: &Filled) -> Result<(), Failed> {
    let (place, filled) = (place.clone(), filled.clone());
    let check = move || {
        crate::zarr_writing::check_own(&place, &filled, "on S3")
            .map_err(|failed| format!("{failed:?}"))
    };
    Ok(tokio::task::spawn_blocking(check).await??)
}

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("stores::s3_writing::states", || run(states())),
        Trial::test("stores::s3_writing::equal_states", || run(equal_states())),
        Trial::test("stores::s3_writing::large_objects", || run(large_objects())),
        Trial::test("stores::s3_writing::icechunk_versions", || {
            run(icechunk_versions())
        }),
    ]
}
