//! No space, no permission: the error says so, readers see what they saw, and the statement run again
//! goes on where it stopped.
//!
//! Small file systems in memory are mounted for it, which only the administrator may do.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::workshop::{Workshop, whole};

const SOURCE: &str = "CREATE TABLE s.source WITH (dims = 'y,x', chunks = 'y=16,x=16') AS \
    SELECT y.value AS y, x.value AS x, (y.value * 7919 + x.value * 104729) % 65521 AS v \
    FROM generate_series(0, 63) AS y CROSS JOIN generate_series(0, 63) AS x";

/// About 150 objects.
const CREATE: &str = "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=4,x=8', codec = 'none', memory = '4kB') AS \
    SELECT y, x, v FROM s.source";

const SUM: &str = "SELECT count(v) AS cells, sum(v) AS total FROM s.t";

/// A file system that is unmounted in the end.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = mount("umount", &["-l"], self.0);
    }
}

fn mount(program: &str, arguments: &[&str], at: &Path) -> Result<(), String> {
    let outcome = Command::new(program).args(arguments).arg(at).output();
    let outcome = outcome.map_err(|error| format!("{program}: {error}"))?;
    match outcome.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&outcome.stderr).into_owned()),
    }
}

/// Why file systems cannot be mounted here.
fn obstacle() -> Option<String> {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Some(error.to_string()),
    };
    let mounted = mount(
        "mount",
        &["-t", "tmpfs", "-o", "size=64k", "tmpfs"],
        folder.path(),
    );
    match mounted {
        Ok(()) => mount("umount", &[], folder.path()).err(),
        Err(cause) => Some(cause),
    }
}

fn full(statement: &str, has_before: bool) -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    let size = |pages: u64| format!("size={}k", pages * 4);
    mount(
        "mount",
        &["-t", "tmpfs", "-o", &size(4000), "tmpfs"],
        &workshop.store,
    )?;
    let _mounted = Mounted(&workshop.store);
    workshop.rows(SOURCE)?;
    let expected = workshop.rows("SELECT count(v) AS cells, sum(v) AS total FROM s.source")?;
    let mut old = None;
    if has_before {
        workshop.rows(&CREATE.replace(" v FROM", " -v AS v FROM"))?;
        old = Some(workshop.rows(SUM)?);
    }
    // Room for the half of it.
    let used = used_kib(&workshop.store)?;
    let remount = |kib: u64| {
        let options = format!("remount,size={kib}k");
        mount("mount", &["-o", &options], &workshop.store)
    };
    remount(used + 300)?;
    let complaint = match workshop.run(statement)? {
        Err(complaint) => complaint,
        Ok(rows) => return Err(format!("there was room for all: {rows:?}").into()),
    };
    if !complaint.contains("the disk is full") || !complaint.contains("t.zarr") {
        return Err(format!("the error does not say what is full: {complaint}").into());
    }
    assert_eq!(
        workshop.run(SUM)?.ok(),
        old,
        "what readers see of a cube for which there was no room"
    );
    remount(used + 8000)?;
    let rows = workshop.rows(statement)?;
    let row = rows.first().ok_or("no result")?;
    let (kept, boxes) = (whole(row, "kept"), whole(row, "boxes"));
    assert!(0 < kept && kept < boxes, "{row}");
    assert_eq!(workshop.rows(SUM)?, expected);
    workshop.rows("VACUUM s")?;
    assert_eq!(workshop.rows(SUM)?, expected);
    Ok(())
}

/// What a file system holds, in KiB.
fn used_kib(folder: &Path) -> Result<u64, Failed> {
    let outcome = Command::new("df")
        .args(["-k", "--output=used"])
        .arg(folder)
        .output()?;
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let used = text
        .lines()
        .nth(1)
        .and_then(|line| line.trim().parse().ok());
    Ok(used.ok_or(text)?)
}

/// A file system that may be read only, as if the permission were revoked.
fn denied() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    mount(
        "mount",
        &["-t", "tmpfs", "-o", "size=16m", "tmpfs"],
        &workshop.store,
    )?;
    let _mounted = Mounted(&workshop.store);
    workshop.rows(SOURCE)?;
    let expected = workshop.rows("SELECT count(v) AS cells, sum(v) AS total FROM s.source")?;
    mount("mount", &["-o", "remount,ro"], &workshop.store)?;
    let complaint = match workshop.run(CREATE)? {
        Err(complaint) => complaint,
        Ok(rows) => return Err(format!("it was written all the same: {rows:?}").into()),
    };
    if !complaint.contains("Read-only file system") || !complaint.contains("t.zarr") {
        return Err(format!("the error does not say what is read-only: {complaint}").into());
    }
    assert!(workshop.files("t")?.is_empty());
    mount("mount", &["-o", "remount,rw"], &workshop.store)?;
    workshop.rows(CREATE)?;
    assert_eq!(workshop.rows(SUM)?, expected);
    Ok(())
}

pub(super) fn trials() -> Vec<Trial> {
    let obstacle = obstacle();
    let trial = |name: &str, check: fn() -> Result<(), Failed>| {
        // The reason stands where ignored trials are listed.
        let kind = obstacle.clone().unwrap_or_default();
        Trial::test(format!("writing::{name}"), check)
            .with_kind(kind.trim())
            .with_ignored_flag(obstacle.is_some())
    };
    vec![
        trial("no_space_for_a_new_cube", || full(CREATE, false)),
        trial("no_space_for_a_new_state", || {
            full(
                &CREATE.replace("CREATE TABLE", "CREATE OR REPLACE TABLE"),
                true,
            )
        }),
        trial("no_permission", denied),
    ]
}
