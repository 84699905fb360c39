//! Stores against servers: a faulty one of ours, and real ones of others.
//!
//! ```text
//!  cubes, faults, secrets ──▶ connector ──▶ faulty_server: a script of answers, all requests kept
//!  s3, s3_writing ──────────▶ connector ──▶ s3_server: SeaweedFS, keys and an open bucket
//!  s3_write_faults ─────────▶ connector ──▶ faulty_proxy: spoils some requests ──▶ s3_server
//!  references ──────────────▶ sets of kerchunk, whose files are on faulty_server
//!  azure ───────────────────▶ connector ──▶ azure_server: Azurite, keys, signatures, an open container
//!  gcs ─────────────────────▶ connector ──▶ gcs_server: fake-gcs-server, open to everybody
//! ```
//!
//! All servers listen on 127.0.0.1 and end with their trial.

mod azure;
mod azure_server;
mod contents;
mod cubes;
mod faults;
mod faulty_proxy;
mod faulty_server;
mod gcs;
mod gcs_server;
mod references;
mod s3;
mod s3_server;
mod s3_statistics;
mod s3_write_faults;
mod s3_writing;
mod secrets;
mod server_process;

use std::future::Future;
use std::ops::Range;

use datafusion::object_store::ObjectStoreExt;
use graticule_connectors::stores::{connector_for, store_error};
use graticule_engine::error::CubeResult;
use graticule_engine::source::{Location, Options};
use libtest_mimic::{Failed, Trial};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = cubes::trials();
    trials.extend(faults::trials());
    trials.extend(secrets::trials());
    trials.extend(s3::trials());
    trials.extend(s3_statistics::trials());
    trials.extend(s3_writing::trials());
    trials.extend(s3_write_faults::trials());
    trials.extend(azure::trials());
    trials.extend(gcs::trials());
    trials.extend(references::trials());
    trials.push(Trial::test("stores::names_are_kept", || {
        run(names_are_kept())
    }));
    trials
}

/// Below a location, names are those of the files, whatever characters they have.
async fn names_are_kept() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let root = connect(&folder.path().display().to_string(), &[])?;
    for name in [
        "plain", "a b", "a~b", "100%", "a%20b", "[1]", "#2", "{x}", "t=1", "ä",
    ] {
        std::fs::create_dir(folder.path().join(name))?;
        std::fs::write(folder.path().join(name).join("0.0"), name)?;
        let chunk = root.child(name).child("0.0");
        assert_eq!(read(&chunk, None).await?, name.as_bytes());
        assert_eq!(chunk.url, format!("{}/{name}/0.0", root.url));
    }
    Ok(())
}

/// The store at `url`, with `options`.
fn connect(url: &str, options: &[(&str, &str)]) -> CubeResult<Location> {
    let options: Options = options
        .iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect();
    connector_for(url)?.connect(url, &options)
}

/// Reads the object at `location`, whole or in part.
async fn read(location: &Location, range: Option<Range<u64>>) -> CubeResult<Vec<u8>> {
    let store = &location.store;
    let bytes = match range {
        Some(range) => store.get_range(&location.path, range).await,
        None => match store.get(&location.path).await {
            Ok(object) => object.bytes().await,
            Err(error) => Err(error),
        },
    };
    bytes
        .map(|bytes| bytes.to_vec())
        .map_err(|error| store_error(&location.url, &error))
}

/// Runs a trial's future on a runtime of its own, which ends with it.
fn run(trial: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(trial)
}
