//! Where tests find things: data, samples, the Python interpreter, the built binary, the cache.
//!
//! | place | environment variable | without the variable |
//! |---|---|---|
//! | [`data`]: large real data | `GRATICULE_TEST_DATA` | tests that need it are ignored |
//! | [`samples`]: files of iris-sample-data | `GRATICULE_SAMPLES` | `samples` in the cache folder |
//! | [`python`]: interpreter with xarray and friends | `GRATICULE_PYTHON` | `venv/bin/python` in the cache folder |
//! | [`binary`]: the `graticule` under test | `GRATICULE_BINARY` | the one beside this test binary |
//! | [`cache`]: the cache folder | `XDG_CACHE_HOME` | `~/.cache`; always its subfolder `graticule` |
//!
//! `make setup` fills the cache folder. Nothing is ever written into the repository.

use std::env;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_path_buf()
}

/// The folder of large real data, where this machine has it.
pub(crate) fn data() -> Option<PathBuf> {
    from_environment("GRATICULE_TEST_DATA")
}

/// The plain NetCDF files of the Python package iris-sample-data.
pub(crate) fn samples() -> PathBuf {
    from_environment("GRATICULE_SAMPLES").unwrap_or_else(|| cache().join("samples"))
}

/// The Python interpreter that has xarray, netCDF4, NumPy, cftime and the servers of object stores.
pub(crate) fn python() -> PathBuf {
    from_environment("GRATICULE_PYTHON").unwrap_or_else(|| cache().join("venv/bin/python"))
}

/// The folder that makes [`python`] one with another reader of cubes, as its `PYTHONPATH`: `zarr2` or `xcube`.
pub(crate) fn reader(name: &str) -> PathBuf {
    cache().join("readers").join(name)
}

/// Clients of the network doors: packages of [`python`] in `python`, PostgreSQL's driver for Java in `debian`.
pub(crate) fn clients() -> PathBuf {
    cache().join("clients")
}

/// Where the packages of [`python`] are.
pub(crate) fn packages() -> PathBuf {
    let python = python();
    let environment = python.ancestors().nth(2).unwrap_or(&python);
    environment.join("lib/python3.11/site-packages")
}

/// The `graticule` binary under test.
pub(crate) fn binary() -> PathBuf {
    from_environment("GRATICULE_BINARY").unwrap_or_else(|| {
        let this = env::current_exe().expect("the path of the test binary");
        // target/debug/deps/all-1234 → target/debug/graticule
        this.ancestors()
            .nth(2)
            .unwrap_or(&this)
            .join(format!("graticule{}", env::consts::EXE_SUFFIX))
    })
}

/// The user's cache folder for Graticule: outside the repository, kept between runs.
pub(crate) fn cache() -> PathBuf {
    from_environment("XDG_CACHE_HOME")
        .or_else(|| from_environment("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("graticule")
}

/// A trial that gets the folder of large real data; ignored where there is none.
pub(crate) fn with_data(
    name: impl Into<String>,
    check: impl FnOnce(&Path) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let folder = data();
    let absent = folder.is_none();
    Trial::test(name, move || check(&folder.unwrap_or_default())).with_ignored_flag(absent)
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("places::repository_holds_the_workspace", || {
            let manifest = std::fs::read_to_string(repository().join("Cargo.toml"))?;
            assert!(manifest.contains("[workspace]"));
            Ok(())
        }),
        Trial::test("places::samples_are_set_up", || {
            let file = samples().join("ostia_monthly.nc");
            assert!(
                file.is_file(),
                "{} is missing: run `make setup`",
                file.display()
            );
            Ok(())
        }),
        with_data("places::data_are_complete", |data| {
            assert!(data.join("olci-sns/cube-1-250-250.zarr").is_dir());
            Ok(())
        }),
    ]
}
