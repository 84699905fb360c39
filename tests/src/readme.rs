//! The README is a test: its commands exist, and its query gives the output that stands below it.
//!
//! Commands stand in fences marked `sh`. `make` must name a target of the Makefile. `graticule` is
//! run in the folder of the sample files, and the next fence, marked `text`, is what it prints. A fence
//! marked `sql` makes a cube in the store `lake`.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::places;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("readme::commands_work", || {
        let readme = fs::read_to_string(places::repository().join("README.md"))?;
        let makefile = fs::read_to_string(places::repository().join("Makefile"))?;
        let fences = fences(&readme);
        let mut run = 0;
        for (position, (mark, text)) in fences.iter().enumerate() {
            if *mark == "sql" {
                makes_a_cube(text)?;
                run += 1;
            }
            if *mark != "sh" {
                continue;
            }
            let expected = fences
                .get(position + 1)
                .filter(|(mark, _)| *mark == "text")
                .map(|(_, text)| *text);
            for command in commands(text) {
                check(&command, expected, &makefile)?;
                run += 1;
            }
        }
        assert!(run >= 4, "the README has {run} commands");
        Ok(())
    })]
}

/// Runs a statement that makes a cube of the store `lake`, and opens the cube.
fn makes_a_cube(statement: &str) -> Result<(), Failed> {
    let lake = tempfile::tempdir()?;
    let name = statement
        .split_whitespace()
        .find(|word| word.starts_with("lake."))
        .ok_or("the statement makes no table of the store lake")?;
    let script = format!(
        "ATTACH '{}' AS lake; {statement}; SELECT count(*) > 0 AS has_cells FROM {name}",
        lake.path().display()
    );
    let outcome = Command::new(places::binary())
        .args(["sql", "--format", "csv", "-c", &script])
        .current_dir(places::samples())
        .output()?;
    let printed = String::from_utf8(outcome.stdout)?;
    match printed.contains("has_cells\ntrue") {
        true => Ok(()),
        false => Err(format!("{printed}{}", String::from_utf8_lossy(&outcome.stderr)).into()),
    }
}

/// The fenced blocks of a Markdown text: mark and content.
fn fences(markdown: &str) -> Vec<(&str, &str)> {
    let inside = markdown.split("```").skip(1).step_by(2);
    inside
        .map(|fence| fence.split_once('\n').unwrap_or((fence, "")))
        .collect()
}

/// One command per line; a quoted statement may span several.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in text.lines() {
        match commands.last_mut() {
            Some(open) if open.matches('"').count() % 2 == 1 => {
                open.push('\n');
                open.push_str(line);
            }
            _ => commands.push(line.to_string()),
        }
    }
    commands
}

fn check(command: &str, expected: Option<&str>, makefile: &str) -> Result<(), Failed> {
    let program = command.split_whitespace().next().unwrap_or_default();
    match (program, expected) {
        ("make", _) => {
            let target = command.trim_start_matches("make").trim();
            let defined = makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")));
            defined
                .then_some(())
                .ok_or_else(|| format!("the Makefile has no target {target}").into())
        }
        ("graticule", Some(expected)) => {
            let printed = printed(command)?;
            assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
            Ok(())
        }
        _ => Err(format!("nothing tests this command: {command}").into()),
    }
}

fn printed(command: &str) -> Result<String, Failed> {
    let binary = places::binary();
    let folder = binary.parent().unwrap_or(&binary);
    let path = std::env::var("PATH").unwrap_or_default();
    let outcome = Command::new("sh")
        .args(["-c", command])
        .current_dir(places::samples())
        .env("PATH", format!("{}:{path}", folder.display()))
        .output()?;
    if !outcome.status.success() {
        return Err(String::from_utf8_lossy(&outcome.stderr).into_owned().into());
    }
    Ok(String::from_utf8(outcome.stdout)?)
}
