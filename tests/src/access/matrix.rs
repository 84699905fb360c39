//! Every statement that can name a cube, of a cube that is hidden, says what it says of one that is not there.

use libtest_mimic::Failed;

use super::{Asks, Lake, SECRET};

/// How a table can be written, with the last letter of its name open.
const SPELLINGS: [&str; 5] = [
    "lake.hidden_?",
    "graticule.lake.hidden_?",
    "\"lake\".\"hidden_?\"",
    "LAKE.HIDDEN_?",
    "hidden_?",
];

/// Statements that name a table, `{t}`, or ask for a name, `{n}`.
pub(super) const STATEMENTS: &[&str] = &[
    "SELECT * FROM {t}",
    "TABLE {t}",
    "SELECT count(*) FROM {t}",
    "SELECT max(v) FROM {t}",
    "SELECT DISTINCT lat FROM {t}",
    "SELECT s.v FROM (SELECT * FROM {t}) s",
    "WITH s AS (SELECT * FROM {t}) SELECT * FROM s",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM {t})",
    "SELECT (SELECT max(v) FROM {t})",
    "SELECT 1 AS one UNION ALL SELECT v FROM {t}",
    "SELECT o.v FROM lake.ocean o JOIN {t} h USING (time, lat, lon)",
    "SELECT v FROM lake.ocean WHERE v IN (SELECT v FROM {t})",
    "SELECT o.v FROM lake.ocean o, LATERAL (SELECT v FROM {t} h WHERE h.lat = o.lat) l",
    "SELECT * FROM {t} TABLESAMPLE BERNOULLI (50) REPEATABLE (1)",
    "SELECT * FROM {t} FOR VERSION AS OF 'v1'",
    "SELECT * FROM {t} FOR TIMESTAMP AS OF '2020-01-01'",
    "SELECT * FROM coarsen({t}, lat => 2)",
    "SELECT * FROM coarsen((SELECT * FROM {t}), lat => 2)",
    "SELECT * FROM coarsen(coarsen({t}, lat => 2), lon => 2)",
    "SELECT * FROM reproject({t}, resolution => 2)",
    "SELECT * FROM reproject(lake.ocean, like => {t})",
    "SELECT * FROM nearest({t}, lat => 1.2)",
    "SELECT * FROM sample({t}, (SELECT 1.0 AS lat, 1.0 AS lon))",
    "SELECT * FROM sample(lake.ocean, (SELECT lat, lon FROM {t}))",
    "SELECT * FROM transect({t}, line => [[0, 0], [5, 5]])",
    "EXPLAIN SELECT * FROM {t}",
    "EXPLAIN ANALYZE SELECT * FROM {t}",
    "DESCRIBE {t}",
    "DESC {t}",
    "ANALYZE {t}",
    "ANALYZE {t} (v)",
    "SHOW COLUMNS FROM {t}",
    "PREPARE p AS SELECT * FROM {t}",
    "COPY {t} TO 'PATH/copy.parquet'",
    "COPY (SELECT * FROM {t}) TO 'PATH/copy.zarr'",
    "EXPLAIN ANALYZE COPY (SELECT * FROM {t}) TO 'PATH/copy.csv'",
    "CREATE TABLE lake.mine AS SELECT * FROM {t}",
    "EXPLAIN CREATE TABLE lake.mine AS SELECT * FROM {t}",
    "INSERT INTO {t} SELECT * FROM lake.ocean",
    "INSERT INTO lake.ocean SELECT * FROM {t}",
    "EXPLAIN INSERT INTO {t} SELECT * FROM lake.ocean",
    "DELETE FROM {t} WHERE lat > 3",
    "EXPLAIN DELETE FROM {t} WHERE lat > 3",
    "ALTER TABLE {t} SET (\"attribute.title\" = 'x')",
    "ALTER TABLE {t} RENAME COLUMN v TO u",
    "ALTER TABLE {t} CREATE TAG 'x'",
    "ALTER TABLE {t} CREATE BRANCH 'x' FROM 'y'",
    "ALTER TABLE {t} DROP TAG 'x'",
    "DROP TABLE {t}",
    "DROP TABLE IF EXISTS {t}",
    "DROP VIEW {t}",
    "DROP VIEW IF EXISTS {t}",
    "CREATE OVERVIEWS ON {t}",
    "EXPLAIN CREATE OVERVIEWS ON {t}",
    "DROP OVERVIEWS ON {t}",
    "VACUUM {t}",
    "REFRESH TABLE {t}",
    "CREATE VIEW mine AS SELECT * FROM {t}",
    "CREATE TABLE {t} AS SELECT * FROM lake.ocean",
    "CREATE TABLE IF NOT EXISTS {t} AS SELECT * FROM lake.ocean",
    "CREATE OR REPLACE TABLE {t} AS SELECT * FROM lake.ocean",
    "CREATE OR REPLACE VIEW hidden_? AS SELECT 1 AS a",
    "CREATE VIEW hidden_? AS SELECT 1 AS a",
    "SHOW TABLES LIKE 'hidden_?'",
    "SHOW TABLES FROM lake LIKE 'hidden_?'",
    "SELECT * FROM cube.tables WHERE table_name = 'hidden_?'",
    "SELECT * FROM cube.variables WHERE table_name = 'hidden_?'",
    "SELECT * FROM cube.dimensions WHERE table_name = 'hidden_?'",
    "SELECT * FROM cube.chunks WHERE table_name = 'hidden_?'",
    "SELECT * FROM cube.overviews WHERE table_name = 'hidden_?'",
    "SELECT * FROM cube.versions WHERE table_name = 'hidden_?'",
    "SELECT * FROM information_schema.tables WHERE table_name = 'hidden_?'",
    "SELECT * FROM information_schema.columns WHERE table_name = 'hidden_?'",
    "SELECT * FROM information_schema.views WHERE table_name = 'hidden_?'",
    "SELECT * FROM hidden",
    "SELECT * FROM lake.hiden_a",
];

/// The grants of those who do not see the cube, with their names.
const STRANGERS: [(&str, &[&str]); 5] = [
    ("nobody", &[]),
    ("reader", &["SELECT ON lake.ocean"]),
    (
        "limited",
        &["SELECT (v, time, lat, lon) ON lake.ocean WHERE lat < 4"],
    ),
    (
        "writer",
        &["ALL ON lake.ocean", "INSERT ON lake.mine", "INSERT ON mine"],
    ),
    ("filer", &["SELECT ON lake.ocean", "FILES", "WRITE FILES"]),
];

pub(super) async fn check() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    let before = contents(&lake).await?;
    for (number, (name, grants)) in STRANGERS.into_iter().enumerate() {
        let user = lake.user(name, grants);
        // How a name is written does not depend on who writes it.
        let spellings = match number {
            0 | 1 => &SPELLINGS[..],
            _ => &SPELLINGS[..1],
        };
        for statement in STATEMENTS {
            for spelling in spellings {
                let of = |letter: &str| {
                    let upper = letter.to_uppercase();
                    let spelling = match spelling.contains("HIDDEN") {
                        true => spelling.replace('?', &upper),
                        false => spelling.replace('?', letter),
                    };
                    let statement = statement.replace("{t}", &spelling).replace('?', letter);
                    statement.replace("PATH", &format!("{}/{letter}", lake.path()))
                };
                let (hidden, absent) = (user.ask(&of("a")).await, user.ask(&of("z")).await);
                let plain = |answer: Result<String, String>| {
                    let path = lake.path();
                    let text = |text: String| {
                        let text = text.replace(&format!("{path}/z"), &format!("{path}/a"));
                        text.replace("hidden_z", "hidden_a")
                            .replace("HIDDEN_Z", "HIDDEN_A")
                    };
                    answer.map(text).map_err(text)
                };
                assert_eq!(plain(hidden.clone()), plain(absent), "{name}: {}", of("a"));
                let is_done = hidden.is_ok();
                let (Ok(said) | Err(said)) = hidden;
                assert!(
                    !said.contains(SECRET) || name != "limited",
                    "{name}: {}\n{said}",
                    of("a")
                );
                // What a statement has made must not make the next one another.
                if is_done && statement.contains("CREATE") {
                    for made in ["lake.mine", "mine", "lake.hidden_z"] {
                        let _ = lake
                            .operator
                            .ask(&format!("DROP TABLE IF EXISTS {made}"))
                            .await;
                        let _ = lake
                            .operator
                            .ask(&format!("DROP VIEW IF EXISTS {made}"))
                            .await;
                    }
                }
            }
        }
        let known = user.completions().await.join("\n");
        assert!(
            !known.contains("hidden"),
            "{name} may complete what is hidden"
        );
        for everything in ["SHOW TABLES", "SELECT * FROM cube.jobs", "SHOW FUNCTIONS"] {
            let (Ok(said) | Err(said)) = user.ask(everything).await;
            assert!(!said.contains("hidden"), "{name}: {everything}\n{said}");
        }
    }
    assert_eq!(before, contents(&lake).await?, "something has changed");
    Ok(())
}

/// What a hidden cube holds, and whether it is there at all.
async fn contents(lake: &Lake) -> Result<String, Failed> {
    lake.done("SELECT count(*), sum(v), sum(w), min(hush), max(lat) FROM lake.hidden_a")
        .await
}

/// The same statements say something where it is granted: else the test above could not fail.
pub(super) async fn check_granted() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    let user = lake.user("reader", &["SELECT ON STORE lake", "SELECT ON hidden_a"]);
    for statement in [
        "SELECT count(*) FROM {t}",
        "SELECT max(v) FROM {t}",
        "WITH s AS (SELECT * FROM {t}) SELECT count(*) FROM s",
        "SELECT count(*) FROM coarsen({t}, lat => 2)",
        "DESCRIBE {t}",
        "SELECT dims, shape FROM cube.tables WHERE table_name = 'hidden_a' ORDER BY dims",
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'hidden_a'",
        "SELECT level, variable, method FROM cube.overviews WHERE table_name = 'hidden_a'",
    ] {
        let statement = statement.replace("{t}", "lake.hidden_a");
        let found = user.ask(&statement).await;
        assert_eq!(found, lake.operator.ask(&statement).await, "{statement}");
        assert!(
            found.is_ok_and(|found| found.lines().count() > 4),
            "{statement}"
        );
    }
    let through_a_view = user.ask("SELECT count(*) FROM hidden_a").await?;
    assert!(through_a_view.contains("512"), "{through_a_view}");
    // A view shows its reader what the reader may see.
    let stranger = lake.user("stranger", &["SELECT ON hidden_a"]);
    let error = stranger.ask("SELECT * FROM hidden_a").await.unwrap_err();
    assert!(error.contains("the view cannot be read"), "{error}");
    assert!(!error.contains("lake"), "{error}");
    Ok(())
}
