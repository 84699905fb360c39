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

/// In the form of a verifier; no password fits it.
const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdA==$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";

#[test]
fn one_user_does_not_take_all_places_unless_that_is_meant() {
    for (text, per_user, timeout) in [
        ("", 12, None),
        ("queries = 4\nstatement_timeout = '5s'", 3, Some(5)),
        ("queries = 1\nstatement_timeout = '0'", 1, None),
        ("queries_per_user = 16\nstatement_timeout = 0", 16, None),
    ] {
        let limits = read(&format!("[server]\n{text}\n")).unwrap().server.limits;
        assert_eq!(limits.queries_per_user, per_user, "{text}");
        let seconds = limits.statement_timeout.map(|timeout| timeout.as_secs());
        assert_eq!(seconds, timeout, "{text}");
    }
}

#[test]
fn reads_users_roles_and_issuers() {
    let hash = format!("sha256:{}", "0f".repeat(32));
    let access = read(&format!(
        "[users.ada]\npassword = '{VERIFIER}'\nroles = ['a']\napi_keys = ['{hash}']\n\
         [users.bob]\nlogin = false\n\
         [roles.a]\ngrants = ['SELECT ON STORE lake', 'ADMIN']\nroles = ['b']\n[roles.b]\n\
         [oidc]\nissuer = 'i'\naudience = 'a'\njwks_file = 'keys.json'\nroles_claim = 'x.y'\n[oidc.roles]\nstaff = 'a'\n\
         [server]\nopen = true\n"
    ))
    .unwrap();
    assert!(access.server.is_meant_open);
    let access = access.access;
    let (ada, bob) = (&access.users[0], &access.users[1]);
    assert_eq!(
        (ada.name.as_str(), ada.keys.len(), ada.may_log_in),
        ("ada", 1, true)
    );
    assert!(ada.verifier.is_some() && bob.verifier.is_none() && !bob.may_log_in);
    assert_eq!(access.roles["a"].grants.len(), 2);
    let oidc = access.oidc.unwrap();
    assert_eq!(
        (oidc.user_claim.as_str(), oidc.roles_claim.as_str()),
        ("sub", "x.y")
    );
}

#[test]
fn mistakes_about_users_name_the_line_and_no_secret() {
    for (text, expected) in [
        (
            "[users.ada]\npassword = 'hush'",
            ":2: a password stands here as SCRAM-SHA-256$",
        ),
        (
            "[users.ada]\npassword_file = 'secret'",
            ":2: a password stands here as",
        ),
        (
            "[users.ada]\napi_keys = ['hush']",
            ":2: an API key stands here as its hash",
        ),
        (
            "[users.ada]\nroles = ['nosuch']",
            ":2: there is no role nosuch",
        ),
        ("[users.ada]\nroles = 'a'", ":2: roles is a list of texts"),
        ("[users.ada]\nlogin = 'no'", ":2: login is true or false"),
        (
            "[users.operator]\nlogin = true",
            ":1: operator is who runs the command line",
        ),
        (
            "[users.ada]\nrole = ['a']",
            ":2: there is no setting of a user `role`; did you mean `roles`?",
        ),
        ("[roles.a]\nroles = ['b']", ":2: there is no role b"),
        (
            "[roles.a]\ngrants = ['SELECT ON STORE lake.t']",
            ":2: SELECT ON STORE lake.t is no privilege",
        ),
        (
            "[roles.a]\ngrant = []",
            ":2: there is no setting of a role `grant`; did you mean `grants`?",
        ),
        ("[oidc]\nissuer = 'i'", ":1: [oidc] needs an audience"),
        (
            "[oidc]\njwks_url = 'http://keys.example.org'",
            ":2: jwks_url begins with https://",
        ),
        (
            "[oidc]\njwks_url = 'http://localhost.example.org/'",
            ":2: jwks_url begins with https://",
        ),
        (
            "[oidc]\njwks_url = 'https://k'\njwks_file = 'k'",
            ":2: keys are in a jwks_file or at a jwks_url, not both",
        ),
        (
            "[oidc.roles]\nstaff = 'nosuch'",
            ":1: [oidc] needs an issuer",
        ),
    ] {
        let mistake = read(text).expect_err(text);
        assert!(mistake.contains(expected), "{text}: {mistake}");
        assert!(!mistake.contains("hush"), "{text}: {mistake}");
    }
}
