//! The door `flight` with the clients that people use: ADBC's driver, and Arrow's own client of Flight.
//!
//! Each trial is a script of `tests/clients/`, which says what it expects; here is the server that it talks to.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{Server, client_script, verifier};
use crate::places;

/// A server over the store `olci` of real data, with a view, and a store `broken` with a file that cannot be opened.
fn start(data: &Path, section: &str) -> Result<Server, Failed> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("broken"))?;
    std::fs::write(folder.path().join("broken/broken.nc"), "no file at all")?;
    let olci = data.join("olci-sns");
    let configuration = format!(
        "[stores.olci]\ntype = \"file\"\npath = {olci:?}\n\
         [stores.broken]\ntype = \"file\"\npath = \"broken\"\n{section}"
    );
    std::fs::write(folder.path().join("graticule.toml"), configuration)?;
    command_line(&folder, "CREATE VIEW warm AS SELECT 1 AS a")?;
    Server::start_in(folder, &["flight"], &[])
}

fn command_line(folder: &TempDir, statement: &str) -> Result<(), Failed> {
    let output = Command::new(places::binary())
        .args(["sql", "--config", "graticule.toml", "-c", statement])
        .current_dir(folder.path())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// Runs a script with the URL of a server, and further arguments.
fn agrees(server: &Server, script: &str, arguments: &[&str]) -> Result<(), Failed> {
    let arguments = [&[server.url("grpc")], arguments].concat();
    let said = client_script(script, &arguments)?;
    assert_eq!(said.trim(), "ok", "{script}");
    Ok(())
}

/// A certificate for this machine that no authority has signed.
fn certify(folder: &Path) -> Result<(), Failed> {
    let output = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-keyout",
            "server.key",
            "-out",
            "server.pem",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(folder)
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

pub(super) fn trials() -> Vec<Trial> {
    let in_folder = |script: &'static str| {
        places::with_data(format!("serving::flight::{script}"), move |data| {
            let server = start(data, "")?;
            let folder = server.folder.path().display().to_string();
            agrees(&server, &format!("flight_{script}.py"), &[&folder])
        })
    };
    vec![
        in_folder("queries"),
        in_folder("prepared"),
        in_folder("browsing"),
        in_folder("sessions"),
        in_folder("faults"),
        places::with_data("serving::flight::stopping", |data| {
            let server = start(data, "")?;
            let process = server.process().to_string();
            agrees(&server, "flight_stopping.py", &[&process])?;
            let (code, said) = server.stop()?;
            assert_eq!(code, Some(0), "{said}");
            Ok(())
        }),
        places::with_data("serving::flight::limits", |data| {
            let section = "[server]\nconnections = 2\nqueries = 1\nqueue_timeout = \"200ms\"\nstatement_timeout = \"3s\"\n";
            agrees(&start(data, section)?, "flight_limits.py", &[])
        }),
        places::with_data("serving::flight::parts", |data| {
            let mut section = "[engine]\nthreads = 4\n\
                [server]\nqueries = 1\nqueries_per_user = 1\nqueue_timeout = \"200ms\"\n\
                [roles.boss]\ngrants = [\"ADMIN\"]\n"
                .to_string();
            for name in ["ada", "bob"] {
                let verifier = verifier(&format!("the word of {name}"))?;
                let user =
                    format!("[users.{name}]\npassword = \"{verifier}\"\nroles = [\"boss\"]\n");
                section.push_str(&user);
            }
            let server = start(data, &section)?;
            let folder = server.folder.path().display().to_string();
            agrees(&server, "flight_parts.py", &[&folder])
        }),
        Trial::test("serving::flight::tokens", || {
            let section = "[oidc]\nissuer = \"https://issuer\"\naudience = \"graticule\"\n\
                jwks_file = \"keys.json\"\nleeway = \"0s\"\n[oidc.roles]\nstaff = \"boss\"\n\
                [roles.boss]\ngrants = [\"ADMIN\"]\n";
            let server = Server::start(section, &["flight"], &[])?;
            let folder = server.folder.path().display().to_string();
            agrees(&server, "flight_tokens.py", &[&folder])
        }),
        Trial::test("serving::flight::tls", || {
            let folder = tempfile::tempdir()?;
            certify(folder.path())?;
            let section = "[server]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";
            std::fs::write(folder.path().join("graticule.toml"), section)?;
            let server = Server::start_in(folder, &["flight"], &[])?;
            let certificate = server.folder.path().join("server.pem");
            agrees(
                &server,
                "flight_tls.py",
                &[&certificate.display().to_string()],
            )
        }),
        // Whoever stops the server must not wait for clients that keep their connections open.
        Trial::test("serving::flight::stops_under_clients", || {
            let server = Server::start("", &["flight"], &[])?;
            let (url, process) = (server.url("grpc").to_string(), server.process().to_string());
            let said = client_script("flight_shutdown.py", &[&url, &process])?;
            assert_eq!(said.trim(), "ok");
            Ok(())
        }),
    ]
}
