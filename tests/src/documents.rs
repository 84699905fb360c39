//! The pages in `docs` are tests: their statements and commands run, in order, and print what stands below them.
//!
//! | fence | what is done |
//! |---|---|
//! | `json` | becomes the file `request.json` |
//! | `sh` | is run |
//! | `sql` | is run with the folder `lake` as a store |
//! | `text`, right below one of these | is what it prints; `make bless` rewrites it |
//!
//! Each page has a folder of its own, in which the sample files lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::places;

/// Set to rewrite what is printed instead of checking it.
const BLESS: &str = "GRATICULE_BLESS";

const FENCE: &str = "```";

pub(crate) fn trials() -> Vec<Trial> {
    let folder = places::repository().join("docs");
    let pages = fs::read_dir(folder).expect("docs can be listed");
    let mut pages: Vec<PathBuf> = pages.filter_map(|page| Some(page.ok()?.path())).collect();
    pages.sort();
    pages
        .into_iter()
        .filter(|page| page.extension().is_some_and(|suffix| suffix == "md"))
        .map(|page| {
            let name = page.file_stem().unwrap_or_default().to_string_lossy();
            Trial::test(format!("documents::{name}"), move || check(&page))
        })
        .collect()
}

fn check(page: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(page)?;
    let desk = tempfile::tempdir()?;
    fs::create_dir(desk.path().join("lake"))?;
    for sample in fs::read_dir(places::samples())? {
        let sample = sample?;
        symlink(sample.path(), desk.path().join(sample.file_name()))?;
    }
    // Prose and fences take turns.
    let mut pieces: Vec<String> = text.split(FENCE).map(String::from).collect();
    let mut run = 0;
    for position in (1..pieces.len()).step_by(2) {
        let fence = pieces[position].clone();
        let (mark, content) = fence.split_once('\n').unwrap_or_default();
        let printed = match mark {
            "json" => {
                fs::write(desk.path().join("request.json"), content)?;
                continue;
            }
            "sh" => printed(desk.path(), &["-c", content])?,
            "sql" => {
                let script = format!("ATTACH 'lake' AS lake;\n{content}");
                fs::write(desk.path().join("page.sql"), script)?;
                printed(desk.path(), &["-c", "graticule sql -f page.sql"])?
            }
            _ => continue,
        };
        run += 1;
        let is_below = pieces
            .get(position + 1)
            .is_some_and(|prose| prose.trim().is_empty());
        let Some(expected) = pieces.get_mut(position + 2).filter(|_| is_below) else {
            continue;
        };
        let found = format!("text\n{}\n", printed.trim_end());
        if expected.starts_with("text\n") && *expected != found {
            if std::env::var_os(BLESS).is_none() {
                assert_eq!(found, *expected, "{fence}");
            }
            *expected = found;
        }
    }
    assert!(run > 0, "{} has nothing that is run", page.display());
    if std::env::var_os(BLESS).is_some() {
        fs::write(page, pieces.join(FENCE))?;
    }
    Ok(())
}

fn printed(folder: &Path, arguments: &[&str]) -> Result<String, Failed> {
    let binary = places::binary();
    let programs = binary.parent().unwrap_or(&binary);
    let path = std::env::var("PATH").unwrap_or_default();
    let outcome = Command::new("sh")
        .args(arguments)
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env_remove("GRATICULE_CONFIG")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()?;
    if !outcome.status.success() {
        let message = String::from_utf8_lossy(&outcome.stderr);
        return Err(format!("{}\n{message}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(outcome.stdout)?)
}
