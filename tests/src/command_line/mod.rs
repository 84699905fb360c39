//! The built `graticule` program as its users meet it: scripts, files, pipes and the shell.

mod datum_grids;
mod files;
mod generate;
mod inspect;
mod pipe;
mod scripts;
mod shell;
mod users;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::places;

pub(crate) fn trials() -> Vec<Trial> {
    [
        datum_grids::trials(),
        scripts::trials(),
        files::trials(),
        generate::trials(),
        inspect::trials(),
        pipe::trials(),
        shell::trials(),
        users::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A working directory of its own, with files if wanted, in which the program runs.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// An empty directory with `files` (name, text).
    fn with(files: &[(&str, &str)]) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            fs::write(folder.path().join(name), text)?;
        }
        Ok(Self { folder })
    }

    /// `program`, set up to run here and to know nothing of the user's own configuration.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_remove("GRATICULE_CONFIG")
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `graticule` with `arguments`, giving it `input` on standard input.
    fn graticule(&self, arguments: &[&str], input: &str) -> Result<Output, Failed> {
        feed(self.command(places::binary()).args(arguments), input)
    }

    /// Runs a Python script with `arguments`; what it prints. A script that fails is a failure.
    fn python(&self, script: &str, arguments: &[&str]) -> Result<String, Failed> {
        let mut command = self.command(places::python());
        let output = feed(command.args(["-c", script]).args(arguments), "")?;
        if !output.status.success() {
            return Err(text(&output.stderr).into());
        }
        Ok(text(&output.stdout))
    }
}

fn feed(command: &mut Command, input: &str) -> Result<Output, Failed> {
    let program = command.get_program().to_os_string();
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read its input closes the pipe.
        let _ = pipe.write_all(input.as_bytes());
    }
    Ok(child.wait_with_output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
