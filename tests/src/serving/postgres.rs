//! The door `pg` with the clients that people use: psql, psycopg, asyncpg, SQLAlchemy, pandas, polars, ADBC and
//! PostgreSQL's driver for Java; what no client sends is in [`wire`].

mod psql;
mod wire;

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::{Server, client_script};
use crate::places;

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
        jdbc(),
    ];
    trials.extend(psql::trials());
    trials.extend(wire::trials());
    trials
}
