//! Values that somebody else computed: Python scripts with xarray, netCDF4, NumPy and cftime.
//!
//! ```text
//!  oracle("calendars.py") ── content seen before? ──▶ cache/oracle/calendars-5f0c…/
//!                               └ no: python tests/oracle/calendars.py <empty folder> ─▶ renamed there
//! ```
//!
//! A script gets one argument, an empty folder, and writes there what its tests read: cubes, JSON
//! with expected values. It finds the large data (if any) under `GRATICULE_TEST_DATA` and the sample
//! files under `GRATICULE_SAMPLES`. The folder is reused until the script, a module beside it that it
//! imports, or `tools/requirements.txt` change; tests must not write to it. Safe when many test
//! processes ask at once: a lock file lets one of them run the script.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::places;

/// The folder that `tests/oracle/<script>` has filled.
///
/// # Errors
/// The script does not exist or fails; its standard error is in the message.
pub(crate) fn oracle(script: &str) -> Result<PathBuf, Failed> {
    let source = places::repository().join("tests/oracle").join(script);
    produce(&source, &places::cache().join("oracle"))
}

fn produce(source: &Path, results: &Path) -> Result<PathBuf, Failed> {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let output = results.join(format!("{stem}-{:016x}", fingerprint(source)?));
    fs::create_dir_all(results)?;
    let lock = File::create(output.with_extension("lock"))?;
    lock.lock()?;
    if output.is_dir() {
        return Ok(output);
    }
    let unfinished = tempfile::tempdir_in(results)?;
    run(source, unfinished.path())?;
    fs::rename(unfinished.keep(), &output)?;
    Ok(output)
}

/// Changes when the result may change: the script, the modules beside it that it imports, the
/// libraries, and where the data are.
fn fingerprint(source: &Path) -> Result<u64, Failed> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let script = read(source)?;
    let libraries = read(&places::repository().join("tools/requirements.txt"))?;
    let mut hasher = DefaultHasher::new();
    (&script, libraries, places::data(), places::samples()).hash(&mut hasher);
    for line in script.lines() {
        let mut words = line.split_whitespace();
        if let (Some("import" | "from"), Some(module)) = (words.next(), words.next()) {
            let beside = source.with_file_name(format!("{module}.py"));
            if beside.is_file() {
                read(&beside)?.hash(&mut hasher);
            }
        }
    }
    Ok(hasher.finish())
}

fn run(source: &Path, output: &Path) -> Result<(), Failed> {
    let python = places::python();
    let outcome = Command::new(&python)
        .arg(source)
        .arg(output)
        .env("GRATICULE_SAMPLES", places::samples())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .map_err(|error| format!("{}: {error}; run `make setup`", python.display()))?;
    if outcome.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&outcome.stderr).into_owned();
    Err(format!("{} failed:\n{complaint}", source.display()).into())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("oracle::runs_a_script_once", || {
            let folder = tempfile::tempdir()?;
            let script = folder.path().join("count.py");
            fs::write(
                &script,
                "import os, sys\n\
                 open(os.path.join(sys.argv[1], 'answer'), 'w').write('42')\n\
                 open(os.path.join(os.path.dirname(__file__), 'runs'), 'a').write('x')\n",
            )?;
            for _ in 0..2 {
                let output = produce(&script, folder.path())?;
                assert_eq!(fs::read_to_string(output.join("answer"))?, "42");
            }
            assert_eq!(fs::read_to_string(folder.path().join("runs"))?, "x");
            Ok(())
        }),
        Trial::test("oracle::reports_why_a_script_failed", || {
            let folder = tempfile::tempdir()?;
            let script = folder.path().join("broken.py");
            fs::write(&script, "raise SystemExit('no such cube')\n")?;
            let failure = produce(&script, folder.path()).expect_err("the script fails");
            assert!(
                failure
                    .message()
                    .is_some_and(|text| text.contains("no such cube"))
            );
            Ok(())
        }),
    ]
}
