//! What the configuration file may say, and what is said about its mistakes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use graticule_engine::configuration::DEFAULT_DEPTH;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::Location;

use super::*;

/// A kind of store that is never opened.
#[derive(Debug)]
struct Kind(
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

impl StoreConnector for Kind {
    fn kinds(&self) -> &'static [&'static str] {
        self.0
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.0
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        self.1
    }

    fn connect(&self, url: &str, _: &Options) -> CubeResult<Location> {
        Err(CubeError::unsupported(
            url,
            "stores of this test do not open",
        ))
    }
}

/// Reads `text` as `graticule.toml` in a folder that also holds the file `secret`.
fn read(text: &str) -> Result<Configuration, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graticule.toml");
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("secret"), "hush\n").unwrap();
    let kinds: Vec<Arc<dyn StoreConnector>> = vec![
        Arc::new(Kind(&["file"], &[])),
        Arc::new(Kind(
            &["s3"],
            &[("region", ""), ("anon", ""), ("secret_access_key", "")],
        )),
    ];
    let here = folder.path().display().to_string();
    Configuration::load(Some(&path), &kinds, &[])
        .map(|mut configuration| {
            for store in &mut configuration.stores {
                store.url = store.url.replace(&here, "HERE");
            }
            configuration
        })
        .map_err(|failure| {
            assert_eq!(failure.code, ExitCode::Configuration);
            failure.to_string().replace(&here, "HERE")
        })
}

#[test]
fn reads_every_setting() {
    let configuration = read(
        "[engine]\nmemory = '8GB'\nthreads = 4\ncache = 1000\nproj_data = 'grids'\n\
         [stores.zone]\ntype = 'file'\npath = 'data'\nmax_depth = 2\ndrop_variables = 'a'\n\
         [stores.lake]\ntype = 'S3'\nurl = 's3://bucket'\nanon = true\nsecret_access_key_file = 'secret'\n",
    )
    .unwrap();
    let engine = (
        configuration.memory,
        configuration.threads,
        configuration.cache,
    );
    assert_eq!(engine, (Some(8_000_000_000), Some(4), Some(1000)));
    let grids = configuration.proj_data.as_slice();
    assert!(matches!(grids, [folder] if folder.is_absolute() && folder.ends_with("grids")));
    let stores: Vec<_> = configuration
        .stores
        .iter()
        .map(|store| {
            (
                &*store.name,
                store.kind.as_deref(),
                &*store.url,
                &store.options,
            )
        })
        .collect();
    let options = |pairs: &[(&str, &str)]| -> Options {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    };
    assert_eq!(
        stores,
        [
            (
                "zone",
                Some("file"),
                "HERE/data",
                &options(&[("drop_variables", "a")])
            ),
            (
                "lake",
                Some("s3"),
                "s3://bucket",
                &options(&[("anon", "true"), ("secret_access_key", "hush")])
            ),
        ]
    );
    let depths: Vec<usize> = configuration
        .stores
        .iter()
        .map(|store| store.max_depth)
        .collect();
    assert_eq!(depths, [2, DEFAULT_DEPTH]);
}

#[test]
fn explains_mistakes() {
    let cases = [
        (
            "[engine]\nmemroy = '8GB'",
            ":2: there is no setting `memroy`; did you mean `memory`?",
        ),
        (
            "[engine]\nmemory = 'lots'",
            ":2: `lots` is no amount of memory such as 8GB or 512MiB",
        ),
        (
            "[engine]\nthreads = 0",
            ":2: threads is a whole number from 1 to 65535",
        ),
        (
            "\n[store.a]",
            ":2: there is no section `store`; did you mean `stores`?",
        ),
        ("stores = 1", ":1: `stores` is a section: write [stores]"),
        ("[engine", ":1: unclosed table, expected `]`"),
        (
            "[stores.a]\npath = 'x'",
            ":1: store a needs a type, such as \"file\" or \"s3\"",
        ),
        (
            "[stores.a]\ntype = 'ftp'",
            ":2: there is no store type `ftp`; the types are file, s3",
        ),
        (
            "[stores.a]\ntype = 'file'",
            ":1: store a needs a path or a url",
        ),
        (
            "[stores.a]\ntype = 's3'\nurl = 's3://b'\nregoin = 'x'",
            ":4: there is no option of a store of type s3 `regoin`; did you mean `region`?",
        ),
        (
            "[stores.a]\ntype = 's3'\nurl = 's3://b'\nregion = [1]",
            ":4: `region` is a text, a number or a boolean",
        ),
        (
            "[stores.a]\ntype = 's3'\nurl = 's3://b'\nregion_env = 'GRATICULE_TEST_UNSET'",
            ":4: the environment variable GRATICULE_TEST_UNSET is not set",
        ),
        (
            "[stores.a]\ntype = 'file'\npath = 'x'\nurl = 'y'",
            ":4: a store has a path or a url, not both",
        ),
    ];
    for (text, expected) in cases {
        let mistake = read(text).expect_err(text);
        assert_eq!(
            mistake,
            format!("error: HERE/graticule.toml{expected}"),
            "{text}"
        );
    }
}

#[test]
fn a_secret_is_in_no_message() {
    let mistake = read("[stores.a]\ntype = 's3'\nsecret_access_key = 'hush'").expect_err("no url");
    assert!(!mistake.contains("hush"), "{mistake}");
}

#[test]
fn a_file_that_was_asked_for_must_exist() {
    let failure =
        Configuration::load(Some(Path::new("/nowhere/graticule.toml")), &[], &[]).unwrap_err();
    assert_eq!(failure.code, ExitCode::Configuration);
}
