//! The door `pg` with the clients that people use: psql, psycopg, asyncpg, SQLAlchemy, pandas, polars, ADBC and
//! PostgreSQL's driver for Java; what no client sends is in [`wire`].

mod psql;
mod wire;

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{Server, client_script};
use crate::places;

/// The hash of the API key that `postgres_tokens.py` shows.
const KEY_HASH: &str = "sha256:afe594794b739149a7a61d95feaf69d6bf27d4ec1753071a48567965f09376cb";

/// A configuration with the samples as a store.
fn configuration() -> String {
    let samples = places::samples();
    format!(
        "[stores.samples]\ntype = \"file\"\npath = \"{}\"\n",
        samples.display()
    )
}

/// A server whose only door is this one.
fn server() -> Result<Server, Failed> {
    Server::start(&configuration(), &["pg"], &[])
}

/// Is a program there, which is asked for its version?
fn has(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).output();
    found.is_ok_and(|output| output.status.success())
}

/// A trial with a script of `tests/clients/`, which is told where the server is.
fn script(name: &'static str, extra: fn() -> Vec<String>) -> Trial {
    let trial = name.trim_end_matches(".py").replace("postgres_", "");
    Trial::test(format!("serving::postgres::{trial}"), move || {
        let server = server()?;
        let url = server.url("postgresql").to_string();
        let extra = extra();
        let mut arguments = vec![url.as_str()];
        arguments.extend(extra.iter().map(String::as_str));
        let said = client_script(name, &arguments)?;
        assert!(!said.is_empty());
        Ok(())
    })
}

/// A server whose store `lake` may be written to.
fn writable() -> Result<Server, Failed> {
    let folder = TempDir::new()?;
    std::fs::create_dir(folder.path().join("lake"))?;
    let text = "[stores.lake]\ntype = \"file\"\npath = \"lake\"\n";
    std::fs::write(folder.path().join("graticule.toml"), text)?;
    Server::start_in(folder, &["pg"], &[])
}

/// Rows that clients copy in; `name` is a script of `tests/clients/`.
fn copying(name: &'static str, is_absent: bool) -> Trial {
    let trial = name.trim_end_matches(".py").replace("postgres_", "");
    Trial::test(format!("serving::postgres::{trial}"), move || {
        let server = writable()?;
        let said = client_script(name, &[server.url("postgresql")])?;
        assert!(!said.is_empty());
        Ok(())
    })
    .with_ignored_flag(is_absent)
}

/// Tokens and API keys over TLS, and without it on this machine.
fn tokens() -> Trial {
    Trial::test("serving::postgres::tokens", || {
        for is_encrypted in [false, true] {
            let folder = TempDir::new()?;
            let path = folder.path().display().to_string();
            client_script("postgres_tokens.py", &["prepare", &path])?;
            psql::certificate(folder.path())?;
            let tls = match is_encrypted {
                true => "[server]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n",
                false => "",
            };
            let text = format!(
                "{tls}[oidc]\nissuer = \"https://login.example.org\"\naudience = \"graticule\"\n\
                 jwks_file = \"keys.json\"\n[oidc.roles]\nstaff = \"analyst\"\n[roles.analyst]\ngrants = []\n\
                 [users.ada]\npassword = \"{}\"\napi_keys = [\"{}\"]\n",
                psql::VERIFIER,
                KEY_HASH
            );
            std::fs::write(folder.path().join("graticule.toml"), text)?;
            let server = Server::start_in(folder, &["pg"], &[])?;
            let certificate = server.folder.path().join("server.pem");
            let mut arguments = vec!["check", server.url("postgresql"), &path];
            let certificate = certificate.display().to_string();
            if is_encrypted {
                arguments.push(&certificate);
            }
            client_script("postgres_tokens.py", &arguments)?;
        }
        Ok(())
    })
    .with_ignored_flag(!has("openssl", "version"))
}

/// Many connections that all work at once.
fn busy() -> Trial {
    Trial::test("serving::postgres::busy_connections", || {
        let text = format!(
            "{}[engine]\nmemory = \"512MB\"\n[server]\nqueue = 100\nqueue_timeout = \"10min\"\n",
            configuration()
        );
        let server = Server::start(&text, &["pg", "http"], &[])?;
        let file = places::samples().join("ostia_monthly.nc");
        let (file, process) = (file.display().to_string(), server.process().to_string());
        let (pg, http) = (server.url("postgresql"), server.url("http"));
        let said = client_script("postgres_busy.py", &[pg, http, &file, &process])?;
        assert!(said.contains("got their own answers"), "{said}");
        let (code, said) = server.stop()?;
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        Ok(())
    })
}

fn jdbc() -> Trial {
    let driver = places::clients().join("debian/usr/share/java/postgresql.jar");
    let is_absent = !has("java", "--version") || !driver.exists();
    Trial::test("serving::postgres::jdbc", move || {
        let server = server()?;
        let output = Command::new("java")
            .arg("-cp")
            .arg(driver)
            .arg(places::repository().join("tests/clients/PostgresJdbc.java"))
            .arg(format!("jdbc:{}", server.url("postgresql")))
            .output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{}{}", text(&output.stdout), text(&output.stderr)).into()),
        }
    })
    .with_ignored_flag(is_absent)
}

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        script("postgres_psycopg.py", || {
            let file = places::samples().join("ostia_monthly.nc");
            vec![file.display().to_string()]
        }),
        script("postgres_types.py", Vec::new),
        script("postgres_asyncpg.py", Vec::new),
        script("postgres_sqlalchemy.py", Vec::new),
        script("postgres_frames.py", Vec::new),
        script("postgres_adbc.py", Vec::new),
        copying("postgres_copy.py", false),
        copying(
            "postgres_copy_twin.py",
            !has("initdb", "--version") && !has("/usr/lib/postgresql/15/bin/initdb", "--version"),
        ),
        tokens(),
        busy(),
        jdbc(),
    ];
    trials.extend(psql::trials());
    trials.extend(wire::trials());
    trials
}
