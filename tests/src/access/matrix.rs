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

/// Statements that name a table, `{t}`, or a part of its name, `?`; one a line. The scripts of the doors read them, too.
const STATEMENTS: &str = include_str!("../../clients/statements_of_a_table.txt");

/// The grants of those who do not see the cube, with their names.
pub(super) const STRANGERS: [(&str, &[&str]); 5] = [
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
        for statement in STATEMENTS.lines() {
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
