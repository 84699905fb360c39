//! A `graticule serve` for a test: on ports that are free, stopped when it is dropped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::places;

/// How long a server may take to open its doors.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, with a folder of its own.
pub(crate) struct Server {
    process: Child,
    /// Its working folder, where `graticule.toml` is.
    pub(crate) folder: TempDir,
    urls: Vec<String>,
    said: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with this `graticule.toml` and these arguments; every door of `doors` (`pg`, `http`, `flight`)
    /// gets a free port of this machine.
    pub(crate) fn start(
        configuration: &str,
        doors: &[&str],
        arguments: &[&str],
    ) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("graticule.toml"), configuration)?;
        Self::start_in(folder, doors, arguments)
    }

    /// The same in a folder that holds a `graticule.toml` and whatever it names.
    pub(crate) fn start_in(
        folder: TempDir,
        doors: &[&str],
        arguments: &[&str],
    ) -> Result<Self, Failed> {
        let mut command = Command::new(places::binary());
        command.arg("serve").args(["--config", "graticule.toml"]);
        for door in doors {
            command.args([&format!("--{door}"), "127.0.0.1:0"]);
        }
        let mut process = command
            .args(arguments)
            .current_dir(folder.path())
            .env("XDG_CACHE_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = process.stderr.take().ok_or("no standard error")?;
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let mut server = Self {
            process,
            folder,
            urls: vec![],
            said,
            reading: Some(reading),
        };
        let begun = Instant::now();
        while server.urls.len() < doors.len() {
            if let Some(status) = server.process.try_wait()? {
                if let Some(reading) = server.reading.take() {
                    let _ = reading.join();
                }
                return Err(format!("the server ended with {status}: {}", server.said()).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the server opened no door: {}", server.said()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
            let said = server.said();
            let urls = said
                .lines()
                .filter_map(|line| line.strip_prefix("listening: "));
            server.urls = urls.map(str::to_string).collect();
        }
        Ok(server)
    }

    /// What a door is reached at, such as `postgresql://127.0.0.1:41233/graticule`.
    pub(crate) fn url(&self, scheme: &str) -> &str {
        let found = self.urls.iter().find(|url| url.starts_with(scheme));
        found.unwrap_or_else(|| panic!("no door of {scheme} in {:?}", self.urls))
    }

    /// The port of a door.
    pub(crate) fn port(&self, scheme: &str) -> u16 {
        let url = self.url(scheme);
        let address = url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let port = address.and_then(|address| address.rsplit(':').next());
        port.and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("no port in {url}"))
    }

    /// What it has written on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Tells it to read its configuration again, and waits; the line that it says of it.
    pub(crate) fn hang_up(&self) -> Result<String, Failed> {
        let lines = || -> Vec<String> {
            let said = self.said();
            let lines = said.lines().filter(|line| line.contains("reloaded"));
            lines.map(str::to_string).collect()
        };
        let before = lines().len();
        let signalled = Command::new("kill")
            .args(["-HUP", &self.process.id().to_string()])
            .status()?;
        assert!(signalled.success(), "the server was gone before");
        let begun = Instant::now();
        loop {
            if let Some(line) = lines().get(before) {
                return Ok(line.clone());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the server reloads nothing: {}", self.said()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop as an operator does, and waits; its exit code and all that it said.
    pub(crate) fn stop(mut self) -> Result<(Option<i32>, String), Failed> {
        let signalled = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()?;
        if !signalled.success() {
            return Err("the server was gone before".into());
        }
        let status = self.process.wait()?;
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
        Ok((status.code(), self.said()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a Python script of `tests/clients/` with the clients of the network doors; its standard output.
///
/// # Errors
/// The script failed: what it wrote on standard error.
pub(crate) fn client_script(name: &str, arguments: &[&str]) -> Result<String, Failed> {
    let script = places::repository().join("tests/clients").join(name);
    let output = Command::new(places::python())
        .arg(script)
        .args(arguments)
        .env("PYTHONPATH", places::clients().join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{name}: {}{}", text(&output.stdout), text(&output.stderr)).into()),
    }
}

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("serving::opens_its_doors_and_stops", || {
            let server = Server::start("", &["pg", "http", "flight"], &[])?;
            assert!(server.port("postgresql") > 0 && server.port("http") > 0);
            let (code, said) = server.stop()?;
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("warning: no users are configured"), "{said}");
            Ok(())
        }),
        Trial::test("serving::mistakes_stop_the_start", || {
            for (configuration, expected) in [
                (
                    "[server]\npg = \"here\"",
                    "graticule.toml:2: pg is an address and a port",
                ),
                (
                    "[server]\nqueue_timeout = \"soon\"",
                    "graticule.toml:2: queue_timeout is a time",
                ),
                (
                    "[server]\norigins = \"https://a.org/page\"",
                    "graticule.toml:2: origins are such as",
                ),
                ("[server]\nlog = \"xml\"", "log is \"text\" or \"json\""),
                ("[server]\nhtpp = \"127.0.0.1:1\"", "did you mean `http`?"),
                ("[server]\ncertificate = \"a.pem\"", "TLS needs both"),
                (
                    "[server]\ncertificate = \"a.pem\"\nprivate_key = \"a.key\"",
                    "a.pem for TLS",
                ),
            ] {
                let outcome = Server::start(configuration, &["pg"], &[]);
                let text = match outcome {
                    Ok(_) => "it started".to_string(),
                    Err(failed) => failed.message().unwrap_or_default().to_string(),
                };
                assert!(text.contains(expected), "{configuration}: {text}");
            }
            Ok(())
        }),
    ]
}
