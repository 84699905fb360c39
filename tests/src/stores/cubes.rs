//! The same cube in every kind of store reads the same, also through a server that fails often.

use std::fs;

use arrow::array::ArrayRef;
use datafusion::object_store::ObjectStoreExt;
use graticule_connectors::formats;
use graticule_engine::error::CubeResult;
use graticule_engine::source::{Location, Options};
use libtest_mimic::{Failed, Trial};

use super::faulty_server::{Answer, FaultyServer};
use super::{connect, run};
use crate::places;

/// A NetCDF-4 file with nine arrays, one of them in 54 compressed chunks.
pub(super) fn cube_file() -> std::path::PathBuf {
    places::samples().join("ostia_monthly.nc")
}

/// What a store must give: the values of all chunks along the first dimension of every array, in
/// the file's order.
pub(super) async fn values(location: &Location) -> CubeResult<Vec<(String, Vec<ArrayRef>)>> {
    let formats = formats();
    let netcdf = formats
        .iter()
        .find(|format| format.name() == "NETCDF")
        .expect("the NetCDF format");
    let mut found = Vec::new();
    for group in netcdf.open(location, &Options::new()).await? {
        for array in group.arrays {
            let description = array.description();
            let count = description.chunks.first().map_or(1, |axis| axis.count());
            let mut chunks = Vec::new();
            for first in 0..count {
                let mut index = vec![0; description.chunks.len()];
                if let Some(start) = index.first_mut() {
                    *start = first;
                }
                if let Some(chunk) = array.fetch(&index).await? {
                    chunks.push(array.decode(&index, chunk)?.values);
                }
            }
            found.push((description.name.clone(), chunks));
        }
    }
    Ok(found)
}

/// Reads the cube at `location` and compares it with the file.
pub(super) async fn check_same(location: &Location) -> Result<(), Failed> {
    let file = connect(&cube_file().display().to_string(), &[])?;
    let (expected, found) = (values(&file).await?, values(location).await?);
    let chunks: usize = expected.iter().map(|(_, chunks)| chunks.len()).sum();
    assert!(expected.len() == 9 && chunks >= 54, "{expected:?}");
    assert!(found == expected, "{} reads otherwise", location.url);
    Ok(())
}

async fn memory() -> Result<(), Failed> {
    let location = connect("memory://stores/ostia.nc", &[])?;
    let object = fs::read(cube_file())?;
    location.store.put(&location.path, object.into()).await?;
    check_same(&location).await
}

/// Every fourth answer is a fault.
async fn faulty_server() -> Result<(), Failed> {
    let faults = [
        Answer::Break(700),
        Answer::Status(503, String::new()),
        Answer::Nothing,
        Answer::Status(429, "Retry-After: 0".into()),
    ];
    let three_fine = || [Answer::Object, Answer::Object, Answer::Object];
    let answers: Vec<Answer> = (0..100)
        .flat_map(|i| three_fine().into_iter().chain([faults[i % 4].clone()]))
        .collect();
    for tag in ["\"strong\"", ""] {
        let server = FaultyServer::start(&fs::read(cube_file())?, &[tag], &answers).await;
        check_same(&connect(&format!("{}/ostia.nc", server.url), &[])?).await?;
        assert!(server.requests().len() > 20);
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("stores::cubes::memory", || run(memory())),
        Trial::test("stores::cubes::faulty_server", || run(faulty_server())),
    ]
}
