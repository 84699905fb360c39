//! SIGHUP: the server takes over what the file says now, and nothing where it makes no sense.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{Server, verifier};
use crate::places;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("serving::reload_users_and_stores", users_and_stores),
        Trial::test("serving::reload_certificate", certificate),
    ]
}

/// An API key, and what the configuration file has of it.
fn key() -> Result<(String, String), Failed> {
    let output = Command::new(places::binary()).arg("api-key").output()?;
    let text = String::from_utf8(output.stdout)?;
    let value = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim().to_string())
    };
    Ok((
        value("key:").ok_or("no key")?,
        value("hash:").ok_or("no hash")?,
    ))
}

/// The status of a statement that whoever has this key sends.
fn ask(server: &Server, key: &str, statement: &str) -> Result<u16, Failed> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port("http")))?;
    let length = statement.len();
    write!(
        stream,
        "POST /sql?format=csv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {key}\r\nContent-Type: application/sql\r\nContent-Length: {length}\r\n\r\n{statement}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split_whitespace().nth(1);
    Ok(status.ok_or("no status")?.parse()?)
}

/// A session of PostgreSQL's protocol that stays open.
struct PgSession {
    process: Child,
    statements: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PgSession {
    fn open(server: &Server, user: &str, password: &str) -> Result<Self, Failed> {
        let script = places::repository().join("tests/clients/postgres_session.py");
        let mut process = Command::new(places::python())
            .arg(script)
            .args([server.url("postgresql"), user, password])
            .env("PYTHONPATH", places::clients().join("python"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            statements: process.stdin.take().ok_or("no standard input")?,
            answers: BufReader::new(process.stdout.take().ok_or("no standard output")?),
            process,
        })
    }

    fn ask(&mut self, statement: &str) -> Result<Value, Failed> {
        writeln!(self.statements, "{statement}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Replaces the file of a server, and lets it read that; what it says of it.
fn reload(server: &Server, configuration: &str) -> Result<String, Failed> {
    std::fs::write(server.folder.path().join("graticule.toml"), configuration)?;
    server.hang_up()
}

fn users_and_stores() -> Result<(), Failed> {
    const READ: &str = "SELECT count(*) FROM samples.ostia_monthly";
    const MORE: &str = "SELECT count(*) FROM more.ostia_monthly";
    const DONE: &str = "reloaded the configuration";
    let password = "a word";
    let verifier = verifier(password)?;
    let (boss, of_boss) = key()?;
    let (ada, of_ada) = key()?;
    let (eve, of_eve) = key()?;
    let samples = places::samples().display().to_string();
    let store = |name: &str| format!("[stores.{name}]\ntype = \"file\"\npath = {samples:?}\n");
    let everybody = format!(
        "{}[users.boss]\nroles = [\"boss\"]\napi_keys = [\"{of_boss}\"]\n[roles.boss]\ngrants = [\"ADMIN\"]\n",
        store("samples")
    );
    let user_ada = |more: &str| {
        format!(
            "[users.ada]\nroles = [\"reader\"]\napi_keys = [\"{of_ada}\"]\npassword = \"{verifier}\"\n{more}\n"
        )
    };
    let user_eve = format!("[users.eve]\napi_keys = [\"{of_eve}\"]\n");
    let reader = "[roles.reader]\ngrants = [\"SELECT ON STORE samples\"]\n";
    let no_reader = "[roles.reader]\n";

    let server = Server::start(
        &format!("{everybody}{}{reader}", user_ada("")),
        &["pg", "http"],
        &[],
    )?;
    let mut session = PgSession::open(&server, "ada", password)?;
    let before = session.ask(READ)?;
    assert!(before[0][0].as_u64().is_some(), "{before}");
    assert_eq!(ask(&server, &eve, "SELECT 1")?, 401);

    // A privilege less, a user and a store more. The session that is open sees it.
    let second = format!(
        "{everybody}{}{no_reader}{user_eve}{}",
        user_ada(""),
        store("more")
    );
    let engine = "[engine]\nthreads = 3\n";
    let said = reload(&server, &format!("{second}{engine}"))?;
    assert_eq!(said, format!("{DONE}; only a restart changes threads"));
    assert_eq!(session.ask(READ)?, json!("42P01"));
    assert_eq!(ask(&server, &eve, "SELECT 1")?, 200);
    assert_eq!(ask(&server, &boss, MORE)?, 200);
    // What statements attach and make stays.
    assert_eq!(ask(&server, &boss, "ATTACH 'memory://x' AS extra")?, 204);
    assert_eq!(ask(&server, &boss, "CREATE ROLE made")?, 204);
    assert_eq!(ask(&server, &boss, "GRANT made TO eve")?, 204);
    assert_eq!(reload(&server, &second)?, DONE);
    assert_eq!(ask(&server, &boss, "SHOW GRANTS FOR made")?, 200);
    assert_eq!(ask(&server, &boss, "SHOW TABLES FROM extra")?, 200);

    // Mistakes, found early and late: nothing of the rest of the file is taken over.
    let gives_again = format!("{everybody}{}{reader}{user_eve}", user_ada(""));
    let lines = gives_again.lines().count();
    for (written, expected) in [
        (
            "[users.joe]\nrolls = []\n".to_string(),
            format!("graticule.toml:{}: ", lines + 2),
        ),
        (store("extra"), "the schema extra is there".to_string()),
        (
            "[roles.made]\n".to_string(),
            "the role made is there".to_string(),
        ),
        (
            "[server]\ncertificate = \"a\"\n".to_string(),
            "TLS needs both".to_string(),
        ),
    ] {
        let said = reload(&server, &format!("{gives_again}{written}"))?;
        assert!(said.contains("not reloaded"), "{written}: {said}");
        assert!(said.contains(&expected), "{written}: {said}");
        assert_eq!(session.ask(READ)?, json!("42P01"), "{written}");
        assert_eq!(ask(&server, &boss, MORE)?, 200, "{written}");
        assert_eq!(ask(&server, &eve, "SELECT 1")?, 200, "{written}");
    }

    // The privilege is back, within limits, and the store is gone.
    assert_eq!(ask(&server, &boss, "REVOKE made FROM eve")?, 204);
    let limited = format!(
        "[server]\nlog = \"json\"\n{everybody}{}{reader}",
        user_ada("rate = 1")
    );
    assert_eq!(reload(&server, &limited)?, DONE);
    assert_eq!(session.ask(READ)?, before);
    assert_eq!(ask(&server, &boss, MORE)?, 404);
    assert_eq!(ask(&server, &eve, "SELECT 1")?, 401);
    assert_eq!(ask(&server, &ada, "SELECT 1")?, 200);
    assert_eq!(ask(&server, &ada, "SELECT 1")?, 429);

    // Who is no longer there may do nothing, and does not come in again.
    assert_eq!(reload(&server, &everybody)?, DONE);
    assert_eq!(session.ask(READ)?, json!("42P01"));
    assert_eq!(ask(&server, &ada, "SELECT 1")?, 401);
    // A server that was closed does not open.
    assert_eq!(reload(&server, &store("samples"))?, DONE);
    assert_eq!(ask(&server, &boss, "SELECT 1")?, 401);
    let (code, said) = server.stop()?;
    assert_eq!(code, Some(0), "{said}");
    // There was a log for a while.
    assert!(said.contains("\"outcome\":\"completed\""), "{said}");
    Ok(())
}

/// Makes a certificate and its key.
fn make_certificate(folder: &Path, name: &str) -> Result<(), Failed> {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-keyout", "server.key", "-out", "server.pem"])
        .current_dir(folder)
        .output()?;
    assert!(made.status.success(), "{made:?}");
    Ok(())
}

fn certificate() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_path_buf();
    let of_file = || std::fs::read_to_string(path.join("server.pem"));
    make_certificate(&path, "first")?;
    let first = of_file()?;
    let configuration = "[server]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";
    std::fs::write(path.join("graticule.toml"), configuration)?;
    let server = Server::start_in(folder, &["http", "flight"], &[])?;
    let shown = |scheme: &str| -> Result<String, Failed> {
        let script =
            "import ssl, sys; print(ssl.get_server_certificate(('127.0.0.1', int(sys.argv[1]))))";
        let output = Command::new(places::python())
            .args(["-c", script, &server.port(scheme).to_string()])
            .output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_string())
    };
    for scheme in ["https", "grpc"] {
        assert_eq!(shown(scheme)?, first.trim());
    }
    make_certificate(&path, "second")?;
    let second = of_file()?;
    assert_ne!(first, second);
    assert_eq!(server.hang_up()?, "reloaded the configuration");
    for scheme in ["https", "grpc"] {
        assert_eq!(shown(scheme)?, second.trim());
    }
    // A certificate without its key is none.
    std::fs::write(path.join("server.pem"), &first)?;
    let said = server.hang_up()?;
    assert!(
        said.contains("not reloaded") && said.contains("for TLS"),
        "{said}"
    );
    assert_eq!(shown("https")?, second.trim());
    // Nobody is served in clear all of a sudden.
    let said = reload(&server, "")?;
    assert!(
        said.ends_with("only a restart changes whether there is TLS"),
        "{said}"
    );
    assert_eq!(shown("https")?, second.trim());
    Ok(())
}
