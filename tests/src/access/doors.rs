//! The same through the doors of a server, with real clients: scripts of `tests/clients/`, which read the same
//! statements as [`super::matrix`].

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::matrix::STRANGERS;
use super::{OCEAN, SECRET};
use crate::places;
use crate::serving::{Server, client_script, verifier};

/// A user as the configuration file has it, and what the user's clients have.
struct Somebody {
    section: String,
    credentials: Value,
}

/// Asks one door of two servers over the same cubes; the second one lets in who does not say who they are.
pub(super) fn check(door: &str, scheme: &str, scripts: &[&str]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut users = Map::new();
    let mut configuration = format!(
        "[server]\nlog = \"json\"\n[stores.lake]\ntype = \"file\"\npath = {:?}\n",
        folder.path().join("lake").display().to_string()
    );
    let others: [(&str, &[&str]); 2] = [("boss", &["ADMIN"]), ("former", &["ADMIN"])];
    for (name, grants) in STRANGERS.into_iter().chain(others) {
        let somebody = somebody(name, grants)?;
        configuration.push_str(&somebody.section);
        users.insert(name.to_string(), somebody.credentials);
    }
    std::fs::create_dir(folder.path().join("lake"))?;
    fill(&folder, &configuration)?;
    let visited = format!("{configuration}[users.anonymous]\nroles = [\"reader\"]\n");
    let plain = start(&folder, &configuration, door)?;
    let visited = start(&folder, &visited, door)?;
    let names: Vec<&str> = STRANGERS.iter().map(|(name, _)| *name).collect();
    let about = json!({
        "users": users, "strangers": names, "folder": folder.path().join("out"),
        "servers": [plain.url(scheme), visited.url(scheme)],
    });
    let file = folder.path().join("about.json");
    std::fs::write(&file, about.to_string())?;
    for script in scripts {
        let said = client_script(script, &[&file.display().to_string()])?;
        assert_eq!(said.trim(), "ok", "{script}");
    }
    let (_, log) = plain.stop()?;
    assert!(log.contains("\"user\":\"limited\""), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    for secret in users
        .values()
        .flat_map(|user| [&user["password"], &user["key"]])
    {
        let secret = secret.as_str().ok_or("no text")?;
        assert!(!log.contains(secret), "{log}");
    }
    Ok(())
}

fn somebody(name: &str, grants: &[&str]) -> Result<Somebody, Failed> {
    let password = format!("the word of {name}");
    let verifier = verifier(&password)?;
    let ((key, hash), may) = (new_key()?, name != "former");
    let section = format!(
        "[users.{name}]\npassword = \"{verifier}\"\napi_keys = [\"{hash}\"]\nroles = [\"{name}\"]\nlogin = {may}\n\
         [roles.{name}]\ngrants = {grants:?}\n"
    );
    Ok(Somebody {
        section,
        credentials: json!({"password": password, "key": key}),
    })
}

/// A new API key and its hash.
fn new_key() -> Result<(String, String), Failed> {
    let output = Command::new(places::binary()).arg("api-key").output()?;
    let printed = String::from_utf8(output.stdout)?;
    let line = |start: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(start));
        let line = line.map(|line| line.trim().to_string());
        line.ok_or("graticule api-key has printed something else")
    };
    Ok((line("key:")?, line("hash:")?))
}

/// Makes the cubes and the view of [`super::Lake`], by the command line.
fn fill(folder: &TempDir, configuration: &str) -> Result<(), Failed> {
    std::fs::write(folder.path().join("graticule.toml"), configuration)?;
    let cube = |name: &str| {
        format!(
            "CREATE TABLE lake.{name} WITH (dims = 'time,lat,lon', chunks = 'time=3,lat=3,lon=4', \
             overviews = 'mean') AS {OCEAN}; ANALYZE lake.{name};"
        )
    };
    let view = "CREATE VIEW hidden_a AS SELECT * FROM lake.hidden_a";
    let script = format!("{}{}{view}", cube("ocean"), cube("hidden_a"));
    let output = Command::new(places::binary())
        .args(["sql", "--config", "graticule.toml", "-c", &script])
        .current_dir(folder.path())
        .env("XDG_CACHE_HOME", folder.path())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// A server with what [`fill`] has declared.
fn start(filled: &TempDir, configuration: &str, door: &str) -> Result<Server, Failed> {
    let folder = tempfile::tempdir()?;
    for declared in std::fs::read_dir(filled.path())? {
        let path = declared?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, Path::new(folder.path()).join(name))?;
        }
    }
    std::fs::write(folder.path().join("graticule.toml"), configuration)?;
    Server::start_in(folder, &[door], &[])
}
