//! What people type into psql, over plain connections and TLS, with and without passwords.

use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{configuration, has, server};
use crate::serving::Server;

/// A verifier of the password "pencil", made by PostgreSQL 15.
pub(super) const VERIFIER: &str = "SCRAM-SHA-256$4096:kzF6aNNWSc6Cmlg18DvzxQ==$GtbH85yOTqVjR70QTuCjcATUDjOxuOLajYk59Qx1jB4=:1vrGU192VwckSvemrHA+4q17qbvvieolfppo4f/FDZw=";

/// Runs psql with a connection and statements; rows without decoration.
fn psql(server: &Server, connection: &str, statements: &[&str]) -> Result<Output, Failed> {
    let port = server.port("postgresql");
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-d"]);
    command.arg(format!(
        "host=127.0.0.1 port={port} dbname=graticule {connection}"
    ));
    for statement in statements {
        command.args(["-c", statement]);
    }
    Ok(command.env_remove("PGPASSWORD").output()?)
}

/// What psql writes when all goes well.
fn answers(server: &Server, connection: &str, statements: &[&str]) -> Result<String, Failed> {
    let output = psql(server, connection, statements)?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!("{statements:?}: {}", errors(&output)).into()),
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn queries() -> Result<(), Failed> {
    let server = server()?;
    let cases: &[(&[&str], &str)] = &[
        (&["SELECT 1 AS one, 'two' AS two"], "1|two\n"),
        (
            &["SELECT count(*) > 0, max(surface_temperature) < 400 FROM samples.ostia_monthly"],
            "t|t\n",
        ),
        (&["SELECT 1; SELECT 2"], "1\n2\n"),
        (
            &["BEGIN; SELECT 1; COMMIT; ROLLBACK"],
            "BEGIN\n1\nCOMMIT\nROLLBACK\n",
        ),
        (&[""], ""),
        (&["SHOW server_version"], "15.0\n"),
        (
            &["SELECT current_user, current_database()"],
            "anonymous|graticule\n",
        ),
        (
            &[
                "ATTACH 'memory://x' AS x",
                "SELECT table_schema FROM cube.stores ORDER BY 1",
                "DETACH x",
            ],
            "ATTACH\nsamples\nx\nDETACH\n",
        ),
        (
            &[
                "DECLARE c CURSOR FOR SELECT value FROM generate_series(1, 5); FETCH 2 FROM c; MOVE 1 IN c; FETCH ALL FROM c; CLOSE c",
            ],
            "DECLARE CURSOR\n1\n2\nMOVE 1\n4\n5\nCLOSE CURSOR\n",
        ),
        (
            &["COPY (SELECT 1 AS a, 'x' AS b) TO STDOUT WITH CSV HEADER"],
            "a,b\n1,x\n",
        ),
    ];
    for (statements, expected) in cases {
        assert_eq!(
            &answers(&server, "user=ada", statements)?,
            expected,
            "{statements:?}"
        );
    }
    Ok(())
}

fn commands() -> Result<(), Failed> {
    let server = server()?;
    let cases: &[(&str, &[&str])] = &[
        ("\\dt samples.*", &["samples|ostia_monthly|table|"]),
        ("\\dn", &["samples|", "public|"]),
        ("\\l", &["graticule|"]),
        ("\\du", &[]),
        ("\\df nothing", &[]),
        ("\\dv", &["public|warm|view|"]),
        (
            "\\d samples.ostia_monthly",
            &[
                "time|timestamp without time zone|",
                "surface_temperature|real|",
                "latitude|real|",
            ],
        ),
        ("\\d+ samples.ostia_monthly", &["surface_temperature|real|"]),
        ("\\dT int4", &[]),
        ("\\conninfo", &["as user \"ada\""]),
        ("\\encoding", &["UTF8"]),
    ];
    let view = "CREATE VIEW warm AS SELECT 1 AS one";
    answers(&server, "user=ada", &[view])?;
    for (command, expected) in cases {
        let said = answers(&server, "user=ada", &[command])?;
        for line in *expected {
            assert!(said.contains(line), "{command} without {line}:\n{said}");
        }
    }
    Ok(())
}

fn mistakes() -> Result<(), Failed> {
    let server = server()?;
    for (statement, expected) in [
        (
            "SELECT surface_temperatur FROM samples.ostia_monthly",
            &[
                "ERROR:  42703:",
                "HINT:  ",
                "surface_temperature",
                "\n               ^",
            ][..],
        ),
        (
            "SELECT 1;\nSELECT é, nothing FROM\n samples.ostia_monthly",
            &["LINE 2: SELECT é, nothing FROM", "\n               ^"],
        ),
        ("SELECT 1 +", &["ERROR:  42601:"]),
        (
            "SELECT * FROM samples.nothing",
            &["ERROR:  42P01:", "samples.nothing"],
        ),
        ("COPY t FROM STDIN", &["ERROR:  42P01:"]),
        ("BEGIN; SELECT 1/0; SELECT 2", &["ERROR:  22012:"]),
        ("SET client_encoding TO 'LATIN1'", &["ERROR:  22023:"]),
        (
            "COPY (SELECT nothing FROM samples.ostia_monthly) TO STDOUT",
            &["^"],
        ),
    ] {
        let said = errors(&psql(&server, "user=ada", &[statement])?);
        for part in expected {
            assert!(said.contains(part), "{statement} without {part:?}:\n{said}");
        }
    }
    Ok(())
}

fn passwords() -> Result<(), Failed> {
    let users = format!(
        "{}[users.ada]\npassword = \"{VERIFIER}\"\n",
        configuration()
    );
    let server = Server::start(&users, &["pg"], &[])?;
    let asked = ["SELECT current_user"];
    assert_eq!(
        answers(&server, "user=ada password=pencil", &asked)?,
        "ada\n"
    );
    let mut refusals = vec![];
    for connection in ["user=ada password=pen", "user=eve password=pencil"] {
        let said = errors(&psql(&server, connection, &asked)?);
        assert!(said.contains("password authentication failed"), "{said}");
        refusals.push(said.replace("\"eve\"", "\"ada\""));
    }
    assert_eq!(refusals[0], refusals[1]);
    Ok(())
}

/// Writes a certificate for this machine, and its key.
pub(super) fn certificate(folder: &Path) -> Result<(), Failed> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-keyout", "server.key", "-out", "server.pem"])
        .current_dir(folder)
        .output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(errors(&made).into()),
    }
}

fn encrypted() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    certificate(folder.path())?;
    let text = format!(
        "{}[server]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n\
         [users.ada]\npassword = \"{VERIFIER}\"\n",
        configuration()
    );
    std::fs::write(folder.path().join("graticule.toml"), text)?;
    let server = Server::start_in(folder, &["pg"], &[])?;
    let root = server.folder.path().join("server.pem");
    let verified = format!(
        "user=ada password=pencil sslmode=verify-full sslrootcert={}",
        root.display()
    );
    assert_eq!(answers(&server, &verified, &["SELECT 1"])?, "1\n");
    let said = answers(&server, &verified, &["\\conninfo"])?;
    assert!(said.contains("TLSv1.3"), "{said}");
    // Clients take TLS where it is offered; who refuses it is told, whoever it is.
    let preferring = "user=ada password=pencil sslmode=prefer";
    assert_eq!(answers(&server, preferring, &["SELECT 1"])?, "1\n");
    for user in ["ada", "nobody", "anonymous", "token"] {
        let plain = format!("user={user} password=pencil sslmode=disable");
        let output = psql(&server, &plain, &["SELECT 1"])?;
        let said = errors(&output);
        assert!(!output.status.success(), "{said}");
        for part in [
            "FATAL:  the server takes encrypted",
            "HINT:  connect with sslmode=require",
        ] {
            assert!(said.contains(part), "{user} without {part}:\n{said}");
        }
    }
    Ok(())
}

/// `\copy` from a file, by somebody who may insert, and by others.
fn copied() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    std::fs::create_dir(folder.path().join("lake"))?;
    std::fs::write(folder.path().join("points.csv"), "a,id\n1.5,7\n,8\n")?;
    std::fs::write(folder.path().join("wrong.csv"), "a,id\n1.5,9\nx,10\n")?;
    let users =
        |name: &str| format!("[users.{name}]\npassword = \"{VERIFIER}\"\nroles = [\"{name}\"]\n");
    let text = format!(
        "[stores.lake]\ntype = \"file\"\npath = \"lake\"\n{}{}{}\
         [roles.writer]\ngrants = [\"ALL ON STORE lake\"]\n\
         [roles.reader]\ngrants = [\"SELECT ON STORE lake\"]\n\
         [roles.stranger]\ngrants = []\n",
        users("writer"),
        users("reader"),
        users("stranger")
    );
    std::fs::write(folder.path().join("graticule.toml"), text)?;
    let server = Server::start_in(folder, &["pg"], &[])?;
    let copy = |file: &str| {
        let path = server.folder.path().join(file);
        let path = path.display();
        format!("\\copy lake.points (a, id) from '{path}' with (format csv, header match)")
    };
    let make = "CREATE TABLE lake.points WITH (dims = 'id') AS \
                SELECT value AS id, CAST(value AS double) AS a FROM generate_series(0, 1)";
    let writer = "user=writer password=pencil";
    let said = answers(&server, writer, &[make, &copy("points.csv")])?;
    assert!(said.ends_with("COPY 2\n"), "{said}");
    for (user, file, expected) in [
        (
            "writer",
            "wrong.csv",
            "22P02: COPY lake.points, line 3, column a: \"x\"",
        ),
        ("reader", "points.csv", "42501:"),
        ("stranger", "points.csv", "42P01:"),
    ] {
        let connection = format!("user={user} password=pencil");
        let said = errors(&psql(&server, &connection, &[&copy(file)])?);
        assert!(said.contains(expected), "{user}: {said}");
    }
    let asked = ["SELECT id, a FROM lake.points ORDER BY id"];
    assert_eq!(answers(&server, writer, &asked)?, "0|0\n1|1\n7|1.5\n8|\n");
    Ok(())
}

pub(super) fn trials() -> Vec<Trial> {
    let is_absent = !has("psql", "--version");
    let trial = |name: &str, check: fn() -> Result<(), Failed>| {
        Trial::test(format!("serving::postgres::psql_{name}"), check).with_ignored_flag(is_absent)
    };
    vec![
        trial("queries", queries),
        trial("commands", commands),
        trial("mistakes", mistakes),
        trial("passwords", passwords),
        trial("copied", copied),
        trial("encrypted", encrypted).with_ignored_flag(is_absent || !has("openssl", "version")),
    ]
}
