//! The rules of the workspace that a program can check: layers, module docs, file length, forbidden text.
//!
//! Each rule looks at all files that git tracks or would track (without git: at all files), and names
//! every offender. There are no exceptions to any rule; a rule that needs one is to be changed for all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::places;

/// No file is longer than can be read in one sitting.
const MAX_LINES: usize = 600;

/// Which crates of ours each crate may depend on: `functions ← engine ← connectors ← server`.
const LAYERS: &[(&str, &[&str])] = &[
    ("functions", &[]),
    ("engine", &["graticule-functions"]),
    ("connectors", &["graticule-functions", "graticule-engine"]),
    (
        "server",
        &[
            "graticule-functions",
            "graticule-engine",
            "graticule-connectors",
        ],
    ),
];

/// What a crate must not know of: libraries of formats and protocols, by the names they have in code.
const ABSENT: &[(&str, &[&str])] = &[
    ("functions", &["tokio", "object_store", "async"]),
    (
        "engine",
        &[
            "zarrs",
            "netcdf_reader",
            "hdf5_reader",
            "icechunk",
            "rusqlite",
            "pgwire",
            "axum",
            "tch",
            "reqwest",
        ],
    ),
    ("connectors", &["pgwire", "axum", "tch"]),
];

/// Paths of the machine on which something was written, and hosts that a mirror may replace. In
/// two parts each, so that this file does not offend itself.
const FOREIGN: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("crates", ".io"),
    ("pypi", ".org"),
    ("python", "hosted.org"),
    ("npm", "js.org"),
    ("deb.", "debian.org"),
];

type Rule = fn(&[File]) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    ("every_rust_file_says_what_it_is", module_docs),
    ("no_file_is_too_long", length),
    ("crates_depend_downwards_only", layers),
    ("crates_do_not_name_what_they_must_not_know", absent),
    ("no_machine_or_registry_is_named", foreign),
    ("no_test_is_switched_off", switched_off),
    ("every_open_task_has_an_owner", open_tasks),
    ("text_ends_in_one_line_break_and_no_spaces", spaces),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test(
        "tidy::every_rule_finds_its_offender",
        offenders,
    )];
    trials.push(Trial::test(
        "tidy::files_are_found_without_git",
        without_git,
    ));
    trials.extend(repository_trials());
    trials
}

fn repository_trials() -> impl Iterator<Item = Trial> {
    RULES.iter().map(|(name, rule)| {
        Trial::test(format!("tidy::{name}"), move || {
            let offences = rule(&files()?);
            if offences.is_empty() {
                Ok(())
            } else {
                Err(offences.join("\n").into())
            }
        })
    })
}

/// Gives each rule a file that breaks it.
fn offenders() -> Result<(), Failed> {
    let cases: &[(Rule, &str, &str)] = &[
        (module_docs, "engine/src/a.rs", "// What it is.\n"),
        (
            length,
            "engine/src/a.rs",
            &"//! A line.\n".repeat(MAX_LINES + 1),
        ),
        (
            layers,
            "functions/Cargo.toml",
            "graticule-engine.workspace = true\n",
        ),
        (
            absent,
            "engine/Cargo.toml",
            "netcdf-reader.workspace = true\n",
        ),
        (absent, "engine/src/a.rs", "use zarrs::array::Array;\n"),
        (foreign, "README.md", concat!("cd /ho", "me/ada\n")),
        (switched_off, "engine/src/a.rs", concat!("#[", "ignore]\n")),
        (open_tasks, "README.md", concat!("TO", "DO: say more\n")),
        (spaces, "README.md", "Two spaces  \n"),
        (spaces, "README.md", "No line break"),
    ];
    for (rule, path, text) in cases {
        let file = File {
            path: path.to_string(),
            text: text.to_string(),
        };
        let offences = rule(&[file]);
        assert!(
            offences.iter().any(|offence| offence.starts_with(path)),
            "no offence found in {path}: {text}"
        );
    }
    Ok(())
}

/// A text file of the repository.
struct File {
    /// Path below the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_of(&self, crate_folder: &str) -> bool {
        self.path
            .strip_prefix(crate_folder)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// What is not only for tests: test modules stand at the end of a file or in `tests.rs`.
    fn without_tests(&self) -> File {
        let marks = ["#[cfg(test)]", "[dev-dependencies]"];
        let ends = marks.iter().filter_map(|mark| self.text.find(mark)).min();
        let text = match ends {
            _ if self.path.ends_with("tests.rs") => "",
            Some(end) => &self.text[..end],
            None => &self.text,
        };
        File {
            path: self.path.clone(),
            text: text.to_string(),
        }
    }

    /// Offences by line: `path:line: text` wherever `offends`.
    fn lines_where(&self, offends: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        lines
            .filter(|(_, line)| offends(line))
            .map(|(number, line)| format!("{}:{}: {}", self.path, number + 1, line.trim()))
            .collect()
    }
}

fn files() -> Result<Vec<File>, Failed> {
    let root = places::repository();
    let paths = match tracked(&root) {
        Some(paths) => paths,
        None => below(&root)?,
    };
    let files: Vec<File> = paths
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(root.join(&path)).ok()?;
            Some(File { path, text })
        })
        .collect();
    assert!(files.iter().any(File::is_rust), "there is no Rust file");
    Ok(files)
}

/// What git tracks or would track, if there is git and this is a clone.
fn tracked(root: &Path) -> Option<BTreeSet<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()?;
    let paths = String::from_utf8(listing.stdout).ok()?;
    listing
        .status
        .success()
        .then(|| paths.lines().map(String::from).collect())
}

/// All files, as they come out of an archive.
fn below(root: &Path) -> Result<BTreeSet<String>, Failed> {
    let mut paths = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.file_name().and_then(OsStr::to_str) {
                Some(".git" | "target") => {}
                _ if path.is_dir() => folders.push(path),
                _ => drop(paths.insert(path.strip_prefix(root)?.display().to_string())),
            }
        }
    }
    Ok(paths)
}

/// An archive of this repository has the files that git knows.
fn without_git() -> Result<(), Failed> {
    let root = places::repository();
    if let Some(tracked) = tracked(&root) {
        let below = below(&root)?;
        let missing: Vec<&String> = tracked
            .iter()
            .filter(|path| root.join(path).exists() && !below.contains(*path))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    Ok(())
}

fn module_docs(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//! "))
        .map(|file| format!("{} does not start with `//! `", file.path))
        .collect()
}

fn length(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && file.text.lines().count() > MAX_LINES)
        .map(|file| format!("{} has more than {MAX_LINES} lines", file.path))
        .collect()
}

fn layers(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for (folder, allowed) in LAYERS {
        let manifest = format!("{folder}/Cargo.toml");
        match files.iter().find(|file| file.path == manifest) {
            None => offences.push(format!("{manifest} is missing")),
            Some(file) => offences.extend(file.lines_where(|line| {
                line.starts_with("graticule-")
                    && !allowed
                        .iter()
                        .any(|name| line.starts_with(&format!("{name}.")))
            })),
        }
    }
    offences
}

fn absent(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for (folder, names) in ABSENT {
        for file in files.iter().filter(|file| file.is_of(folder)) {
            let file = file.without_tests();
            offences.extend(if file.is_rust() {
                file.lines_where(|line| {
                    let code = !line.trim_start().starts_with("//");
                    code && words(line).any(|word| names.contains(&word))
                })
            } else if file.path.ends_with("Cargo.toml") {
                file.lines_where(|line| {
                    let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
                    names.contains(&dependency.replace('-', "_").as_str())
                })
            } else {
                Vec::new()
            });
        }
    }
    offences
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
}

fn foreign(files: &[File]) -> Vec<String> {
    let names: Vec<String> = FOREIGN.iter().map(|(a, b)| format!("{a}{b}")).collect();
    files
        .iter()
        .filter(|file| file.path != "Cargo.lock")
        .flat_map(|file| file.lines_where(|line| names.iter().any(|name| line.contains(name))))
        .collect()
}

fn switched_off(files: &[File]) -> Vec<String> {
    let attribute = concat!("#[", "ignore");
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(|file| file.lines_where(|line| line.contains(attribute)))
        .collect()
}

fn open_tasks(files: &[File]) -> Vec<String> {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    files
        .iter()
        .filter(|file| file.is_rust() || file.path.ends_with(".md"))
        .flat_map(|file| {
            file.lines_where(|line| {
                marks.iter().any(|mark| {
                    words(line).any(|word| word == *mark) && !line.contains(&format!("{mark}("))
                })
            })
        })
        .collect()
}

fn spaces(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.is_rust() || file.path.ends_with(".md"))
    {
        offences.extend(file.lines_where(|line| line.ends_with([' ', '\t'])));
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            offences.push(format!("{} does not end in one line break", file.path));
        }
    }
    offences
}
