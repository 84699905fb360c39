//! Who may read a part of a cube gets what a copy of that part gives, whatever computes it.
//!
//! The copy is another cube, made by the operator: it never held the rest.

use libtest_mimic::Failed;

use super::{Asks, Lake, SECRET};

/// Conditions; under all of them the secret is hidden.
const CONDITIONS: [&str; 5] = [
    "lat < 4",
    "lat < 4 AND time >= TIMESTAMP '2020-01-03' AND time < TIMESTAMP '2020-01-07'",
    "lat BETWEEN 1 AND 3 AND lon IN (0, 1, 5, 6)",
    "(lat < 1 OR lat = 3) AND date_part('day', time) % 2 = 1",
    "lat < 4 AND time < now() - INTERVAL '30 days'",
];

/// Everything that could look past a condition: aggregates, shortcuts, pruning, windows, joins, grids, errors.
const STATEMENTS: &[&str] = &[
    "SELECT * FROM {t} ORDER BY time, lat, lon",
    "SELECT count(*) FROM {t}",
    "SELECT min(v), max(v), sum(v), avg(v), count(v) FROM {t}",
    "SELECT min(lat), max(lat), min(time), max(time) FROM {t}",
    "SELECT DISTINCT lat FROM {t} ORDER BY lat",
    "SELECT DISTINCT time, lon FROM {t} ORDER BY time, lon",
    "SELECT lat, avg(v), median(v) FROM {t} GROUP BY lat ORDER BY lat",
    "SELECT date_trunc('month', time) AS m, max(v) FROM {t} GROUP BY m ORDER BY m",
    "SELECT max(v) FROM {t} WHERE lat > 2",
    "SELECT count(*) FROM {t} WHERE v > 66613000",
    "SELECT count(*) FROM {t} WHERE lat >= 4",
    "SELECT count(*) FROM {t} WHERE lat < 4 OR 1 / (v - v) > 0 OR true",
    "SELECT count(*) FROM {t} WHERE CAST(CASE WHEN v > 66613 THEN 'x' ELSE '1' END AS INT) = 1",
    "SELECT count(*) FROM {t} WHERE CAST(CASE WHEN lat > 3 THEN 'x' ELSE '1' END AS INT) = 1",
    "SELECT v FROM {t} ORDER BY v DESC LIMIT 3",
    "SELECT time, lat, lon, avg(v) OVER (PARTITION BY lat, lon ORDER BY time ROWS 2 PRECEDING) FROM {t} ORDER BY 1, 2, 3",
    "SELECT time, lat, lon, lead(v) OVER (PARTITION BY time, lon ORDER BY lat) FROM {t} ORDER BY 1, 2, 3",
    "SELECT sum(a.v + b.v) FROM {t} a JOIN {t} b USING (time, lat, lon)",
    "SELECT count(*), max(o.w + s.v) FROM lake.ocean o JOIN {t} s ON o.time = s.time AND o.lat = s.lat AND o.lon = s.lon",
    "SELECT count(o.w), count(s.v) FROM lake.ocean o LEFT JOIN {t} s ON o.time = s.time AND o.lat = s.lat AND o.lon = s.lon",
    "SELECT a.lat, max(a.v - m.mean) FROM {t} a JOIN (SELECT lat, avg(v) AS mean FROM {t} GROUP BY lat) m ON a.lat = m.lat GROUP BY a.lat ORDER BY 1",
    "SELECT * FROM coarsen({t}, lat => 2, lon => 2) ORDER BY time, lat, lon",
    "SELECT * FROM coarsen({t}, lat => 2, lon => 2, methods => 'v=max') ORDER BY time, lat, lon",
    "SELECT count(*), max(v) FROM reproject({t}, resolution => 2)",
    "SELECT count(*), max(v) FROM reproject({t}, bbox => [0, 0, 8, 8], size => [4, 4])",
    "SELECT * FROM sample({t}, (SELECT CAST(value AS DOUBLE) AS lat, 1.0 AS lon FROM generate_series(0, 7))) ORDER BY 1, 2, 3",
    "SELECT count(*), max(v) FROM {t} TABLESAMPLE BERNOULLI (100)",
    "SELECT count(*), max(c.v) FROM {t} c JOIN (SELECT 0.0 AS south, 8.0 AS north) b ON c.lat BETWEEN b.south AND b.north",
    "SELECT approx_distinct(v), stddev(v) FROM {t}",
];

pub(super) async fn check() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    let mut differences = Vec::new();
    for condition in CONDITIONS {
        lake.done(&format!(
            "CREATE OR REPLACE TABLE lake.hidden_b WITH (dims = 'time,lat,lon', chunks = 'time=3,lat=3,lon=4') \
             AS SELECT time, lat, lon, v, w FROM lake.ocean WHERE {condition}"
        ))
        .await?;
        let grants = [
            format!("SELECT (time, lat, lon, v, w) ON lake.hidden_a WHERE {condition}"),
            "SELECT (time, lat, lon, w) ON lake.ocean".to_string(),
        ];
        let user = lake.user("limited", &grants.each_ref().map(String::as_str));
        let mut answered = 0;
        for statement in STATEMENTS {
            let on_part = statement.replace("{t}", "lake.hidden_a");
            let on_copy = statement.replace("{t}", "lake.hidden_b");
            let found = user.ask(&on_part).await;
            let expected = lake.operator.ask(&on_copy).await;
            answered += usize::from(found.is_ok());
            let named = |text: &String| text.replace("hidden_b", "hidden_a");
            let is_same = match (&found, &expected) {
                (Ok(found), Ok(expected)) => *found == named(expected),
                (found, expected) => found.is_err() && expected.is_err(),
            };
            let (Ok(said) | Err(said)) = &found;
            if !is_same || said.contains(SECRET) {
                differences.push(format!("{condition}: {statement}\n{found:?}\n{expected:?}"));
            }
        }
        // Where the longitudes are uneven there are no grids to put the cube on.
        assert!(answered * 2 > STATEMENTS.len(), "{condition}: {answered}");
        let shape = "SELECT dims, shape, variables FROM cube.tables WHERE table_name = '{n}'";
        let found = user.ask(&shape.replace("{n}", "hidden_a")).await?;
        let expected = lake.done(&shape.replace("{n}", "hidden_b")).await?;
        assert_eq!(found, expected, "{condition}");
        for told in [
            "tables",
            "variables",
            "dimensions",
            "chunks",
            "versions",
            "overviews",
        ] {
            let said = user.ask(&format!("SELECT * FROM cube.{told}")).await?;
            assert!(
                !said.contains("hush") && !said.contains(SECRET),
                "{condition}: {told}\n{said}"
            );
        }
        let plan = user
            .ask("EXPLAIN ANALYZE SELECT max(v) FROM lake.hidden_a")
            .await?;
        assert!(!plan.contains("hush") && !plan.contains(SECRET), "{plan}");
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    // Where no cell is left there are no rows, and no error.
    let nothing = lake.user("nothing", &["SELECT ON lake.hidden_a WHERE lat > 100"]);
    let found = nothing
        .ask("SELECT count(*) AS n FROM lake.hidden_a")
        .await?;
    assert!(found.contains("| 0 |"), "{found}");
    Ok(())
}

pub(super) async fn check_columns() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    for (columns, others) in [
        ("time, lat, lon, w", &["v", "hush"][..]),
        ("time, lat, lon, v", &["w", "hush"]),
    ] {
        let user = lake.user("some", &[&format!("SELECT ({columns}) ON lake.ocean")]);
        let all = format!("SELECT * FROM lake.ocean ORDER BY {columns}");
        let copy = format!("SELECT {columns} FROM lake.ocean ORDER BY {columns}");
        assert_eq!(user.ask(&all).await?, lake.done(&copy).await?, "{columns}");
        for column in others {
            for statement in [
                "SELECT {c} FROM lake.ocean",
                "SELECT lake.ocean.{c} FROM lake.ocean",
                "SELECT lat FROM lake.ocean WHERE {c} IS NOT NULL",
                "SELECT lat FROM lake.ocean ORDER BY {c}",
                "SELECT max({c}) FROM lake.ocean",
                "SELECT lat FROM lake.ocean GROUP BY lat, {c}",
                "SELECT o.lat FROM lake.ocean o JOIN (SELECT 1.0 AS {c}) p USING ({c})",
                "SELECT (SELECT max(o.{c})) FROM lake.ocean o",
                "ANALYZE lake.ocean ({c})",
            ] {
                let of = |name: &str| statement.replace("{c}", name);
                let hidden = user.ask(&of(column)).await.unwrap_err();
                let absent = user.ask(&of("qqqq")).await.unwrap_err();
                // Nearest names depend on the name that was asked for.
                let cause = |said: &str| said.split(';').next().unwrap_or_default().to_string();
                assert_eq!(
                    cause(&hidden).replace(column, "qqqq"),
                    cause(&absent).replace(column, "qqqq"),
                    "{statement}"
                );
            }
        }
        for told in [
            "DESCRIBE lake.ocean",
            "SELECT * FROM information_schema.columns",
            "SELECT * FROM cube.variables",
        ] {
            let said = user.ask(told).await?;
            assert!(!said.contains("hush"), "{columns}: {told}\n{said}");
        }
    }
    Ok(())
}

pub(super) async fn check_unclear() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    lake.done("CREATE VIEW plain AS SELECT 1 AS lat").await?;
    for (grant, table) in [
        ("SELECT ON lake.ocean WHERE lat + lon > 3", "lake.ocean"),
        ("SELECT ON lake.ocean WHERE v < 1000", "lake.ocean"),
        (
            "SELECT ON lake.ocean WHERE lat < 4 OR lon < 4",
            "lake.ocean",
        ),
        ("SELECT ON lake.ocean WHERE nosuch > 3", "lake.ocean"),
        (
            "SELECT ON lake.ocean WHERE lat < random() * 4",
            "lake.ocean",
        ),
        (
            "SELECT ON lake.ocean WHERE lat IN (SELECT lat FROM lake.hidden_a)",
            "lake.ocean",
        ),
        ("SELECT ON plain WHERE lat < 4", "plain"),
        // A plan tells how many cells each axis has.
        ("SELECT (time, lat, w) ON lake.ocean", "lake.ocean"),
        ("SELECT (w) ON lake.ocean", "lake.ocean"),
    ] {
        let user = lake.user("limited", &[grant]);
        let error = user
            .ask(&format!("SELECT * FROM {table}"))
            .await
            .unwrap_err();
        assert!(error.contains("cannot be told"), "{grant}: {error}");
        assert!(!error.contains("hidden"), "{grant}: {error}");
    }
    Ok(())
}
