//! A server of somebody else's for one trial.
//!
//! ```text
//!  trial ── pipe ──▶ sh: starts the server, waits for the end of the pipe, kills the server
//! ```
//!
//! The pipe ends with the trial, also when the trial panics or the whole test process is killed; so
//! no server outlives its tests.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

const LONGEST_START: Duration = Duration::from_secs(60);

/// A running server and its folder. It stops when dropped.
pub(super) struct ServerProcess {
    guard: Child,
    _folder: TempDir,
}

impl ServerProcess {
    /// Starts `program` in `folder`, and waits until it listens on `port`.
    pub(super) async fn start(
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
        folder: TempDir,
        port: u16,
    ) -> Result<Self, Failed> {
        let log = folder.path().join("log");
        let guard = Command::new("sh")
            .args([
                "-c",
                r#""$0" "$@" & server=$!; read -r _; kill -9 $server; wait"#,
            ])
            .arg(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let server = Self {
            guard,
            _folder: folder,
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > LONGEST_START {
                let log = fs::read_to_string(log)?;
                let program = program.display();
                return Err(format!(
                    "{program} did not start; run `make setup` if it is missing:\n{log}"
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(server)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // There is nobody left to tell if this fails.
        let _ = self.guard.wait();
    }
}

/// Ports that nobody listens on at the moment.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>, Failed> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<_, _>>()?;
    let mut ports = Vec::new();
    for listener in &listeners {
        ports.push(listener.local_addr()?.port());
    }
    Ok(ports)
}
