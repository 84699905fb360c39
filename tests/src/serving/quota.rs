//! What one user may use, asked through all doors of one server.

use std::io::Write;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Map, Value};

use super::{Server, client_script};
use crate::places;

/// Users by their names, with what their sections say and their roles.
const USERS: [(&str, &str); 5] = [
    ("free", "roles = [\"boss\"]"),
    (
        "small",
        "memory = \"4MB\"\nscan = \"1kB\"\nroles = [\"reader\"]",
    ),
    ("quick", "statement_timeout = \"400ms\""),
    ("single", "queries = 1"),
    ("rated", "rate = 1\nroles = [\"often\", \"seldom\"]"),
];

const ROLES: &str = "[roles.boss]\ngrants = [\"ADMIN\"]\n\
    [roles.reader]\ngrants = [\"SELECT ON STORE samples\"]\n\
    [roles.often]\nrate = 3\n[roles.seldom]\nrate = 2\n";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("serving::quota_holds_in_every_door", || {
            let mut passwords = Map::new();
            let mut configuration = format!(
                "[server]\nqueue_timeout = \"500ms\"\n[stores.samples]\ntype = \"file\"\npath = {:?}\n{ROLES}",
                places::samples().display().to_string()
            );
            for (name, section) in USERS {
                let password = format!("the word of {name}");
                let verifier = verifier(&password)?;
                configuration.push_str(&format!(
                    "[users.{name}]\npassword = \"{verifier}\"\n{section}\n"
                ));
                passwords.insert(name.to_string(), Value::from(password));
            }
            let server = Server::start(&configuration, &["pg", "http", "flight"], &[])?;
            let urls = ["postgresql", "http", "grpc"].map(|scheme| server.url(scheme));
            let passwords = Value::from(passwords).to_string();
            let said = client_script("quota.py", &[urls[0], urls[1], urls[2], &passwords])?;
            assert_eq!(said.trim(), "ok");
            Ok(())
        }),
        Trial::test("serving::quota_is_more_than_nothing", || {
            for (written, expected) in [
                ("memory = 0", "`0` is no amount of memory"),
                ("scan = \"0\"", "`0` is no amount of memory"),
                (
                    "statement_timeout = \"0s\"",
                    "statement_timeout is more than nothing",
                ),
                ("queries = 0", "queries is a whole number from 1"),
                ("rate = \"often\"", "rate is a whole number from 1"),
                ("querys = 1", "did you mean `queries`?"),
            ] {
                for section in ["users", "roles"] {
                    let configuration = format!("[{section}.ada]\n{written}\n");
                    let text = match Server::start(&configuration, &["pg"], &[]) {
                        Ok(_) => "it started".to_string(),
                        Err(failed) => failed.message().unwrap_or_default().to_string(),
                    };
                    assert!(text.contains(expected), "{configuration}: {text}");
                    assert!(text.contains("graticule.toml:2"), "{configuration}: {text}");
                }
            }
            Ok(())
        }),
    ]
}

/// What the configuration file keeps of a password.
pub(crate) fn verifier(password: &str) -> Result<String, Failed> {
    let mut process = Command::new(places::binary())
        .arg("password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = process.stdin.take() {
        writeln!(stdin, "{password}")?;
    }
    let output = process.wait_with_output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?.trim().to_string())
}
