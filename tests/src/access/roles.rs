//! Roles, users and privileges that statements make, and who may make them.

use std::sync::Arc;

use graticule_engine::Session;
use graticule_engine::access::{Directory, Grant, Roster};
use libtest_mimic::Failed;

use super::{Asks, Lake};
use crate::client::engine_of;

/// That of the password `pencil`.
const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

/// A session of a user of the directory.
fn session(lake: &Lake, name: &str) -> Result<Session, Failed> {
    let user = lake.engine.directory().user(name);
    let user = user.ok_or_else(|| format!("there is no user {name}"))?;
    Ok(lake.engine.session_as(Arc::new(user)))
}

/// What is granted is there for an open session at once, and what is revoked is gone, each in every form.
pub(super) async fn check() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    lake.done("CREATE VIEW shown AS SELECT 1 AS a").await?;
    lake.done("CREATE ROLE reader").await?;
    lake.done("CREATE ROLE analyst").await?;
    lake.done("CREATE USER ada").await?;
    lake.done("GRANT reader TO analyst").await?;
    lake.done("GRANT analyst TO ada").await?;
    let ada = session(&lake, "ada")?;
    for (given, question) in [
        ("SELECT ON lake.ocean", "SELECT count(*) FROM lake.ocean"),
        ("SELECT ON STORE lake", "SELECT count(*) FROM lake.hidden_a"),
        (
            "SELECT (w, time, lat, lon) ON lake.ocean",
            "SELECT max(w) FROM lake.ocean",
        ),
        (
            "SELECT ON lake.ocean WHERE lat < 4",
            "SELECT max(v) FROM lake.ocean",
        ),
        (
            "SELECT (v, time, lat, lon) ON lake.ocean WHERE lat < 4 AND time < now() - INTERVAL '30 days'",
            "SELECT max(v) FROM lake.ocean",
        ),
        ("SELECT ON shown", "SELECT * FROM shown"),
        ("INSERT ON lake.ocean", "ANALYZE lake.ocean"),
        ("ALL ON STORE lake", "VACUUM lake"),
        ("FILES", "SELECT count(*) FROM 'PATH/ocean.zarr'"),
        ("WRITE FILES", "COPY (SELECT 1 AS a) TO 'PATH/out.parquet'"),
        ("ADMIN", "CREATE ROLE r"),
        ("ADMIN", "DROP ROLE r"),
    ] {
        let question = question.replace("PATH", &lake.path());
        for role in ["reader", "analyst", "ada"] {
            let refused = ada.ask(&question).await;
            assert!(refused.is_err(), "{question}: {refused:?}");
            lake.done(&format!("GRANT {given} TO {role}")).await?;
            // Twice is once.
            lake.done(&format!("GRANT {given} TO {role}")).await?;
            let done = ada.ask(&question).await;
            assert!(
                done.is_ok() || question.ends_with("ROLE r"),
                "{given}: {done:?}"
            );
            lake.done(&format!("REVOKE {given} FROM {role}")).await?;
        }
        let refused = ada.ask(&question).await;
        assert!(refused.is_err(), "{question}: {refused:?}");
    }
    // Several at once, or none of them.
    lake.done("CREATE ROLE other").await?;
    let all = "FILES, SELECT ON lake.ocean WHERE lat IN (1, 2) AND lat IS DISTINCT FROM 3, other";
    lake.done(&format!("GRANT {all} TO reader, ada")).await?;
    let listed = "SELECT string_agg(grantee || ' ' || privilege, ',' ORDER BY grantee, privilege) FROM cube.grants \
                  WHERE grantee IN ('reader', 'ada') AND coalesce(object, '') <> 'analyst'";
    let given = lake.done(listed).await?;
    assert!(
        given.contains("ada FILES,ada ROLE,ada SELECT,reader FILES,reader ROLE,reader SELECT"),
        "{given}"
    );
    let half = lake.operator.ask("REVOKE FILES, ADMIN FROM ada, reader");
    assert!(half.await.is_err());
    assert_eq!(given, lake.done(listed).await?);
    lake.done(&format!("REVOKE {all} FROM ada, reader")).await?;
    let given = lake.done(listed).await?;
    assert!(
        !given.contains("ada") && !given.contains("reader"),
        "{given}"
    );
    // What a role of a role gives ends with any link between.
    lake.done("GRANT SELECT ON lake.ocean TO reader").await?;
    let question = "SELECT count(*) FROM lake.ocean";
    ada.ask(question).await?;
    for (ends, begins) in [
        ("REVOKE analyst FROM ada", "GRANT analyst TO ada"),
        ("REVOKE reader FROM analyst", "GRANT reader TO analyst"),
        ("DROP USER ada", ""),
    ] {
        lake.done(ends).await?;
        assert!(ada.ask(question).await.is_err(), "{ends}");
        if !begins.is_empty() {
            lake.done(begins).await?;
            ada.ask(question).await?;
        }
    }
    Ok(())
}

/// What is wrong: the statement, and a part of what is said. Nothing has changed afterwards.
const REFUSED: &[(&str, &str)] = &[
    ("CREATE ROLE one", "the role one is there"),
    ("CREATE ROLE ada", "the user ada is there"),
    ("CREATE USER one", "the role one is there"),
    ("CREATE ROLE admin", "ADMIN is the name of a privilege"),
    ("CREATE USER operator", "who runs the command line"),
    ("CREATE USER u 'pencil'", "PASSWORD"),
    ("CREATE ROLE r s", "end of the statement"),
    ("CREATE USER u WITH PASSWORD 'pencil'", "graticule password"),
    ("CREATE USER u PASSWORD pencil", "graticule password"),
    ("CREATE USER u WITH PASSWORD", "graticule password"),
    ("CREATE USER u SUPERUSER", "PASSWORD"),
    ("ALTER USER ada PASSWORD E'pencil'", "graticule password"),
    ("ALTER USER nobody PASSWORD 'VERIFIER'", "no user nobody"),
    (
        "ALTER USER fixed_user PASSWORD 'VERIFIER'",
        "configuration file",
    ),
    ("ALTER ROLE one PASSWORD 'pencil'", "nothing of a role"),
    ("DROP ROLE nobody", "no role nobody"),
    ("DROP ROLE ada", "no role ada"),
    ("DROP USER one", "no user one"),
    ("DROP ROLE fixed", "configuration file"),
    ("DROP USER fixed_user", "configuration file"),
    ("GRANT one TO one", "would contain itself"),
    ("GRANT two TO one", "would contain itself"),
    ("GRANT ada TO one", "no role ada"),
    ("GRANT nobody TO one", "no role nobody"),
    ("GRANT one TO nobody", "no role or user nobody"),
    (
        "GRANT SELECT ON lake.ocean TO nobody",
        "no role or user nobody",
    ),
    ("GRANT SELECT TO one", "ON"),
    ("GRANT DELETE ON lake.ocean TO one", "TO"),
    (
        "GRANT ALL ON lake.ocean WHERE lat < 4 TO one",
        "SELECT only",
    ),
    (
        "GRANT SELECT (v) ON lake.ocean WHERE lat < 4 TO one",
        "reads lat",
    ),
    ("GRANT FILES FROM one", "TO"),
    ("REVOKE FILES FROM one", "has not been given FILES"),
    ("REVOKE one FROM ada", "has not been given one"),
    (
        "REVOKE SELECT ON lake.ocean FROM two",
        "has not been given SELECT",
    ),
    (
        "REVOKE FILES FROM fixed",
        "the configuration file gives FILES",
    ),
    (
        "REVOKE fixed FROM fixed_user",
        "the configuration file gives fixed",
    ),
    ("SHOW GRANTS FOR nobody", "no role or user nobody"),
];

fn roster() -> Roster {
    let mut roster = Roster::default();
    roster.describe_role("fixed", &[Grant::Files], &[]);
    roster.describe_user("fixed_user", &["fixed".to_string()]);
    roster
}

pub(super) async fn check_refused() -> Result<(), Failed> {
    let lake = Lake::of(engine_of(|builder| builder.roster(roster()))?).await?;
    for statement in [
        "CREATE ROLE one",
        "CREATE ROLE two",
        "CREATE USER ada",
        "GRANT one TO two",
        "GRANT SELECT ON lake.ocean WHERE (lat < 4) TO two",
        "DROP ROLE IF EXISTS nobody",
        "DROP USER IF EXISTS nobody",
    ] {
        lake.done(statement).await?;
    }
    let before = lake.done("SHOW GRANTS").await?;
    for (statement, expected) in REFUSED {
        let statement = statement.replace("VERIFIER", VERIFIER);
        let error = lake.operator.ask(&statement);
        match error.await {
            Ok(found) => return Err(format!("{statement} is not refused:\n{found}").into()),
            Err(error) => {
                assert!(error.contains(expected), "{statement}: {error}");
                assert!(!error.contains("pencil"), "{statement}: {error}");
            }
        }
    }
    assert_eq!(before, lake.done("SHOW GRANTS").await?);
    let listed = lake
        .done("SELECT statement, error FROM cube.queries")
        .await?;
    assert!(
        !listed.contains("pencil") && !listed.contains("SCRAM-SHA-256$4"),
        "{listed}"
    );
    // Who is no administrator changes nothing, and sees what they have themselves.
    lake.done("GRANT two TO ada").await?;
    let ada = session(&lake, "ada")?;
    for (statement, _) in REFUSED.iter().filter(|(text, _)| !text.starts_with("SHOW")) {
        assert!(
            ada.ask(&statement.replace("VERIFIER", VERIFIER))
                .await
                .is_err()
        );
    }
    for statement in [
        "CREATE ROLE r",
        "DROP ROLE IF EXISTS nobody",
        "CREATE USER u",
        "GRANT ADMIN TO ada",
        "GRANT fixed TO ada",
        "REVOKE one FROM two",
        "DROP USER ada",
    ] {
        let error = ada.ask(statement).await.expect_err(statement);
        assert!(error.contains("ADMIN"), "{statement}: {error}");
    }
    let seen = ada
        .ask("SELECT DISTINCT grantee FROM cube.grants ORDER BY 1")
        .await?;
    assert!(seen.contains("ada") && seen.contains("two"), "{seen}");
    assert!(!seen.contains("fixed"), "{seen}");
    assert!(ada.ask("SHOW GRANTS FOR two").await?.contains("lat < 4"));
    let error = ada
        .ask("SHOW GRANTS FOR fixed")
        .await
        .expect_err("fixed is hidden");
    assert!(error.contains("there is no role or user fixed"), "{error}");
    Ok(())
}

/// What statements made is there after a restart, with what the configuration file says then.
pub(super) async fn check_kept() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("graticule.access.sql");
    let open = || engine_of(|builder| builder.roster(roster()).access_file(&file));
    let operator = open()?.session();
    for statement in [
        "CREATE ROLE \"Grün\"",
        "CREATE ROLE gone",
        &format!("CREATE USER ada WITH PASSWORD '{VERIFIER}'"),
        "GRANT \"Grün\" TO ada",
        "GRANT fixed TO \"Grün\"",
        "GRANT gone TO ada",
        "GRANT SELECT (v, \"Lat\") ON lake.\"cube-1\" WHERE \"Lat\" > 5 AND \"Lat\" < 9 TO \"Grün\"",
        "GRANT INSERT ON STORE public TO fixed_user",
        "DROP ROLE gone",
    ] {
        operator.ask(statement).await?;
    }
    let before = operator.ask("SHOW GRANTS").await?;
    assert!(!before.contains("gone"), "{before}");
    let again = open()?;
    assert_eq!(before, again.session().ask("SHOW GRANTS").await?);
    let verifier = again.directory().verifier("ada");
    assert_eq!(
        verifier.map(|verifier| verifier.text().to_string()),
        Some(VERIFIER.to_string())
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Without the role that it builds on the file says what cannot be.
    let error = Directory::new(Roster::default(), Some(file.clone())).expect_err("fixed is gone");
    assert!(error.to_string().contains("no role fixed"), "{error}");
    assert!(
        error.to_string().contains("graticule.access.sql"),
        "{error}"
    );
    std::fs::write(&file, "DROP ROLE one;")?;
    assert!(Directory::new(roster(), Some(file)).is_err());
    Ok(())
}
