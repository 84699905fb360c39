//! The door `http`, asked by Python's standard library; results are read by pyarrow, xarray and rasterio.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::{Server, client_script};
use crate::places;

fn configuration(server: &str) -> String {
    let samples = places::samples();
    format!(
        "[server]\n{server}\n[stores.samples]\ntype = \"file\"\npath = {:?}\n[stores.lake]\ntype = \"file\"\npath = \".\"\n",
        samples.display().to_string()
    )
}

fn start(server: &str) -> Result<Server, Failed> {
    Server::start(&configuration(server), &["http"], &[])
}

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("serving::http_formats", || {
            let server = start("")?;
            let binary = places::binary().display().to_string();
            let folder = server.folder.path().display().to_string();
            let samples = places::samples().display().to_string();
            client_script(
                "http_formats.py",
                &[server.url("http"), &binary, &folder, &samples],
            )?;
            assert!(!server.folder.path().join("out.nc").exists());
            Ok(())
        }),
        Trial::test("serving::http_statements", || {
            let server = start("")?;
            client_script("http_statements.py", &[server.url("http")])?;
            Ok(())
        }),
        Trial::test("serving::http_work", || {
            let server = start("")?;
            let process = server.process().to_string();
            client_script("http_work.py", &[server.url("http"), &process])?;
            Ok(())
        }),
        Trial::test("serving::http_operations", || {
            let server = start("origins = \"https://a.example.org\"")?;
            client_script("http_operations.py", &[server.url("http")])?;
            Ok(())
        }),
        Trial::test("serving::http_grid_files", || {
            let server = start("grid_files = \"8MB\"")?;
            let samples = places::samples().display().to_string();
            client_script("http_grid_files.py", &[server.url("http"), &samples])?;
            Ok(())
        }),
        Trial::test("serving::http_tls", tls),
        Trial::test("serving::http_log", log),
        Trial::test("serving::http_without_a_place", without_a_place),
    ]
}

/// A certificate of its own makes the server an `https`.
fn tls() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let certificate = folder.path().join("server.pem");
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-keyout", "server.key", "-out", "server.pem"])
        .current_dir(folder.path())
        .output()?;
    assert!(made.status.success(), "{made:?}");
    let server = "certificate = \"server.pem\"\nprivate_key = \"server.key\"";
    std::fs::write(folder.path().join("graticule.toml"), configuration(server))?;
    let server = Server::start_in(folder, &["http"], &[])?;
    let certificate = certificate.display().to_string();
    client_script("http_tls.py", &[server.url("https"), &certificate])?;
    Ok(())
}

/// A line per query, without secrets; what still runs when the server stops is in it, too.
fn log() -> Result<(), Failed> {
    let server = start("log = \"json\"")?;
    let ask = |statement: &str| -> Result<String, Failed> {
        let script = "import sys; from http_door import ask; print(ask(sys.argv[1] + '/sql', sys.argv[2])[0])";
        let output = Command::new(places::python())
            .args(["-c", script, server.url("http"), statement])
            .env("PYTHONPATH", places::repository().join("tests/clients"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    assert_eq!(ask("SELECT value FROM generate_series(1, 5)")?, "200");
    ask("SELECT * FROM 'https://user:word@127.0.0.1:1/a.zarr?sig=secret'")?;
    let (code, said) = server.stop()?;
    assert_eq!(code, Some(0), "{said}");
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(lines[0]["user"], "anonymous", "{said}");
    assert_eq!(lines[0]["door"], "http", "{said}");
    assert_eq!(lines[0]["rows"], 5, "{said}");
    assert_eq!(lines[0]["bytes"], 40, "{said}");
    assert_eq!(lines[0]["outcome"], "completed", "{said}");
    assert_eq!(lines[1]["outcome"], "failed", "{said}");
    assert!(
        !said.contains("secret") && !said.contains("word@"),
        "{said}"
    );
    Ok(())
}

/// Who comes when all places are taken is told so, and when to come again.
fn without_a_place() -> Result<(), Failed> {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let server = start("connections = 1")?;
    let _first = {
        let mut first = TcpStream::connect(("127.0.0.1", server.port("http")))?;
        first.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 12];
        first.read_exact(&mut answer)?;
        assert_eq!(&answer, b"HTTP/1.1 200");
        first
    };
    let mut second = TcpStream::connect(("127.0.0.1", server.port("http")))?;
    second.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    second.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 5"), "{answer}");
    Ok(())
}
