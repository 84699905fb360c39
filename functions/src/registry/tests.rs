//! Runs every function's example as documented, and checks what users see of functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeSet, HashMap};

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{
    ArrayRef, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
};
use arrow::datatypes::{Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::Documentation;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;
use crate::calendar::{Calendar, parse_civil};
use crate::metadata::{CALENDAR, CELL_SIZE, FLAG_MASKS, FLAG_MEANINGS};

fn register(
    session: &SessionContext,
    table: &str,
    columns: Vec<(&str, ArrayRef, &[(&str, &str)])>,
) {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, array, metadata)| {
            let metadata: HashMap<String, String> = metadata
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            let field = Field::new(name, array.data_type().clone(), true).with_metadata(metadata);
            (field, array)
        })
        .unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    session.register_batch(table, batch).unwrap();
}

fn micros(calendar: Calendar, texts: &[&str]) -> Vec<i64> {
    let micros = |text: &&str| calendar.micros(&parse_civil(text).unwrap().0).unwrap();
    texts.iter().map(micros).collect()
}

/// A session with our functions and the tables that examples use.
pub(crate) fn session() -> SessionContext {
    let config = SessionConfig::new()
        .with_information_schema(true)
        .with_target_partitions(1);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_expr_planners(expr_planners())
        .with_default_features()
        .build();
    let session = SessionContext::new_with_state(state);
    for function in scalar_functions() {
        session.register_udf(function.as_ref().clone());
    }
    for function in aggregate_functions() {
        session.register_udaf(function.as_ref().clone());
    }
    for function in window_functions() {
        session.register_udwf(function.as_ref().clone());
    }
    let days = [19723, 19724, 19725, 19727, 19728];
    register(
        &session,
        "buoy",
        vec![
            ("day", Arc::new(Date32Array::from(days.to_vec())), &[]),
            (
                "v",
                Arc::new(Float64Array::from(vec![
                    None,
                    Some(3.0),
                    None,
                    None,
                    Some(7.0),
                ])),
                &[],
            ),
        ],
    );
    let model = micros(
        Calendar::Day360,
        &["2010-01-30 12:00", "2010-02-30 12:00", "2010-03-30 12:00"],
    );
    register(
        &session,
        "model",
        vec![
            (
                "time",
                Arc::new(Int64Array::from(model)),
                &[(CALENDAR, "360_day")],
            ),
            ("number", Arc::new(Int64Array::from(vec![1, 2, 3])), &[]),
        ],
    );
    let noleap = micros(
        Calendar::ProlepticGregorian,
        &["2000-02-28", "2000-03-01", "2000-12-31 12:00"],
    );
    let noleap = TimestampMicrosecondArray::from(noleap);
    register(
        &session,
        "noleap",
        vec![("time", Arc::new(noleap), &[(CALENDAR, "noleap")])],
    );
    register(
        &session,
        "scene",
        vec![(
            "quality",
            Arc::new(Int32Array::from(vec![Some(0), Some(1), Some(6), None])),
            &[
                (FLAG_MEANINGS, "LAND CLOUD SUNGLINT"),
                (FLAG_MASKS, "[1, 2, 4]"),
            ],
        )],
    );
    register(
        &session,
        "places",
        vec![
            (
                "lon",
                Arc::new(Float32Array::from(vec![Some(0.5), Some(2.0), None])),
                &[],
            ),
            (
                "lat",
                Arc::new(Float64Array::from(vec![0.5, 0.5, 0.5])),
                &[],
            ),
        ],
    );
    register(
        &session,
        "grid",
        vec![
            (
                "lat",
                Arc::new(Float32Array::from(vec![0.5, 60.5, 89.5])),
                &[(CELL_SIZE, "1"), ("units", "degrees_north")],
            ),
            (
                "lon",
                Arc::new(Float64Array::from(vec![0.0, 0.0, 0.0])),
                &[(CELL_SIZE, "1"), ("units", "degrees_east")],
            ),
            (
                "warming",
                Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])),
                &[],
            ),
        ],
    );
    session
}

async fn answer(session: &SessionContext, query: &str) -> Result<String> {
    let batches = session.sql(query).await?.collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

/// The queries of an example, each with the answer that it promises.
fn examples(text: &str) -> Vec<(String, String)> {
    let text = text
        .trim()
        .trim_start_matches("```sql")
        .trim_end_matches("```");
    text.split("> SELECT")
        .skip(1)
        .map(|example| {
            let (query, table) = example
                .split_once(";\n")
                .expect("a query ends with a semicolon");
            (format!("SELECT{query}"), table.trim().to_string())
        })
        .collect()
}

/// Names and documentation of our own functions.
fn documented() -> Vec<(String, Option<Documentation>)> {
    let own = own_functions();
    let rows = own.iter();
    let rows = rows.map(|function| {
        (
            function.name().to_string(),
            function.documentation().cloned(),
        )
    });
    let windows = window_functions();
    let windows = windows.iter();
    let windows = windows.map(|function| {
        (
            function.name().to_string(),
            function.documentation().cloned(),
        )
    });
    let aggregates = own_aggregates();
    let aggregates = aggregates.iter();
    let aggregates = aggregates.map(|function| {
        (
            function.name().to_string(),
            function.documentation().cloned(),
        )
    });
    rows.chain(windows).chain(aggregates).collect()
}

#[tokio::test]
async fn examples_are_true() {
    let session = session();
    for (name, documentation) in documented() {
        let documentation = documentation.expect("every function has documentation");
        let example = documentation.sql_example.as_deref().unwrap_or_default();
        let examples = examples(example);
        assert!(!examples.is_empty(), "{name} has no example");
        for (query, expected) in examples {
            let answer = answer(&session, &query).await;
            let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
            assert_eq!(answer, expected, "{query}\n{answer}");
            assert!(
                query.contains(&name) || query.contains("extract"),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn functions_are_listed() {
    let session = session();
    let functions = session.sql("SHOW FUNCTIONS").await.unwrap();
    let batches = functions.collect().await.unwrap();
    let listed: BTreeSet<String> = batches
        .iter()
        .flat_map(|batch| {
            let names =
                arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
            let names = arrow::array::AsArray::as_string::<i32>(&names).clone();
            names.iter().flatten().map(String::from).collect::<Vec<_>>()
        })
        .collect();
    for (name, _) in documented() {
        assert!(listed.contains(&name), "{name} is not listed");
    }
}

/// On timestamps the functions that replace stock ones do what these do, down to the plan.
#[tokio::test]
async fn stock_behaviour_stays() {
    let (ours, stock) = (session(), SessionContext::new());
    let times = || {
        TimestampMicrosecondArray::from(micros(
            Calendar::ProlepticGregorian,
            &["2024-05-01", "2023-12-31 10:11:12.131415"],
        ))
    };
    for session in [&ours, &stock] {
        register(session, "times", vec![("time", Arc::new(times()), &[])]);
    }
    let cases = [
        "SELECT date_part('week', TIMESTAMP '2024-05-01')",
        "SELECT datepart('month', '2024-05-01')",
        "SELECT extract(epoch FROM DATE '1970-01-02')",
        "SELECT extract(isodow FROM time), date_part('microsecond', time) FROM times",
        "SELECT date_part('hour', INTERVAL '5 hours')",
        "SELECT date_part('year', NULL)",
        "SELECT date_part('fortnight', time) FROM times",
        "SELECT date_trunc('week', DATE '2024-05-01'), date_trunc('hour', TIME '10:11:12')",
        "SELECT date_trunc('week', time) FROM times",
        "SELECT datetrunc('month', TIMESTAMP '2024-05-01T10:00:00+02:00')",
        "SELECT date_bin(INTERVAL '1 day', '2024-05-01T10:00:00')",
        "SELECT to_char(time, '%A %d'), date_format(time, '%Y') FROM times",
        "SELECT to_char(DATE '2024-05-01', NULL), to_char(arrow_cast(5, 'Duration(Second)'), 'pretty')",
        "SELECT date_bin(INTERVAL '7 days', time, '2024-01-01T06:00:00') FROM times",
        "SELECT max(time), min(time) FROM times GROUP BY time ORDER BY max(time)",
        "SELECT max(time) OVER (ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM times",
        "EXPLAIN SELECT max(time), min(time) FROM times",
        "EXPLAIN SELECT time FROM times WHERE date_part('year', time) = 2024 AND date_trunc('month', time) >= '2023-01-01'",
    ];
    for query in cases {
        let answers = [answer(&ours, query).await, answer(&stock, query).await];
        let [ours, stock] = answers.map(|answer| answer.map_err(|error| error.strip_backtrace()));
        assert_eq!(ours, stock, "{query}");
    }
}

/// Queries and the rows that they answer, without header.
#[tokio::test]
async fn answers() {
    let session = session();
    let cases: &[(&str, &[&str])] = &[
        // 360_day
        (
            "SELECT date_part('doy', time) FROM model",
            &["30", "60", "90"],
        ),
        (
            "SELECT extract(year FROM time) FROM model LIMIT 1",
            &["2010"],
        ),
        (
            "SELECT date_part('epoch', time) FROM model LIMIT 1",
            &["1246708800.0"],
        ),
        (
            "SELECT calendar_text(date_trunc('day', time)) FROM model LIMIT 1",
            &["2010-01-30T00:00:00"],
        ),
        (
            "SELECT calendar_text(time_bucket('1 month', time)) FROM model LIMIT 1",
            &["2010-01-01T00:00:00"],
        ),
        (
            "SELECT calendar_text(time_bucket(INTERVAL '40 days', time, 'YEAR')) FROM model",
            &[
                "2010-01-01T00:00:00",
                "2010-02-11T00:00:00",
                "2010-03-21T00:00:00",
            ],
        ),
        (
            "SELECT calendar_text(time_bucket(INTERVAL '2 month', time, TIMESTAMP '2009-12-01')) FROM model",
            &[
                "2009-12-01T00:00:00",
                "2010-02-01T00:00:00",
                "2010-02-01T00:00:00",
            ],
        ),
        ("SELECT season(time) FROM model", &["DJF", "DJF", "MAM"]),
        (
            "SELECT year_fraction(date_trunc('month', time)) FROM model LIMIT 1",
            &["2010.0"],
        ),
        (
            "SELECT calendar_text(time + INTERVAL '1 month 1 day') FROM model",
            &[
                "2010-03-01T12:00:00",
                "2010-04-01T12:00:00",
                "2010-05-01T12:00:00",
            ],
        ),
        (
            "SELECT calendar_text(INTERVAL '1 year' + time) FROM model LIMIT 1",
            &["2011-01-30T12:00:00"],
        ),
        (
            "SELECT calendar_text(time - INTERVAL '36 hours') FROM model LIMIT 1",
            &["2010-01-29T00:00:00"],
        ),
        (
            "SELECT calendar_text(min(time)) FROM model",
            &["2010-01-30T12:00:00"],
        ),
        (
            "SELECT calendar_text(max(time)) AS last FROM model GROUP BY season(time) ORDER BY last",
            &["2010-02-30T12:00:00", "2010-03-30T12:00:00"],
        ),
        (
            "SELECT calendar_text(max(time) OVER (ORDER BY time)) FROM model LIMIT 1",
            &["2010-01-30T12:00:00"],
        ),
        ("SELECT max(number) - min(number) FROM model", &["2"]),
        (
            "SELECT date_format(time, '%j') FROM model",
            &["030", "060", "090"],
        ),
        (
            "SELECT to_char(time, '%m-%d %j') FROM noleap",
            &["02-28 059", "03-01 060", "12-31 365"],
        ),
        // noleap is a timestamp with shorter years
        (
            "SELECT date_part('doy', time) FROM noleap",
            &["59", "60", "365"],
        ),
        (
            "SELECT date_part('day', time) FROM noleap",
            &["28", "1", "31"],
        ),
        (
            "SELECT date_bin(INTERVAL '2 days', time, TIMESTAMP '2000-02-27') FROM noleap",
            &[
                "2000-02-27T00:00:00",
                "2000-03-01T00:00:00",
                "2000-12-30T00:00:00",
            ],
        ),
        (
            "SELECT time_bucket(INTERVAL '30 days', time, 'year') FROM noleap",
            &[
                "2000-01-31T00:00:00",
                "2000-01-31T00:00:00",
                "2000-12-27T00:00:00",
            ],
        ),
        // other times
        ("SELECT season(DATE '2024-10-01')", &["SON"]),
        ("SELECT season(NULL)", &[""]),
        ("SELECT time_bucket(INTERVAL '1 day', NULL)", &[""]),
        (
            "SELECT time_bucket(INTERVAL '1 day', TIMESTAMP '2024-05-01 10:00:00', '2024-04-01 06:00')",
            &["2024-05-01T06:00:00"],
        ),
        // flags
        (
            "SELECT count(*) FROM scene WHERE has_flag(quality, 'CLOUD')",
            &["1"],
        ),
        (
            "SELECT has_flag(quality, 'SUNGLINT') IS NULL FROM scene",
            &["false", "false", "false", "true"],
        ),
        // geometry, with the constant on either side
        (
            "SELECT ST_Covers(ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))'), ST_Point(lon, lat)) FROM places",
            &["true", "false", ""],
        ),
        (
            "SELECT ST_CoveredBy(ST_Point(lon, lat), ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))')) FROM places",
            &["true", "false", ""],
        ),
        (
            "SELECT ST_Contains(ST_Point(lon, lat), ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))')) FROM places",
            &["false", "false", ""],
        ),
        (
            "SELECT ST_Within(ST_GeomFromText('POINT(0.5 0.5)'), ST_Point(lon, lat)) FROM places",
            &["true", "false", ""],
        ),
        (
            "SELECT ST_Intersects(ST_GeomFromText('LINESTRING(0 0, 1 1)'), ST_Point(lon, lat)) FROM places",
            &["true", "false", ""],
        ),
        (
            "SELECT ST_Contains(ST_GeomFromText(NULL), ST_Point(lon, lat)) FROM places",
            &["", "", ""],
        ),
        (
            "SELECT ST_Contains(ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))'), ST_GeomFromText('POINT(0.5 0.5)'))",
            &["true"],
        ),
        (
            "SELECT ST_Contains(ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))'), ST_Point(lon, lat)) FROM places WHERE lon IS NOT NULL",
            &["true", "false"],
        ),
        (
            "SELECT count(*) FROM places WHERE ST_Contains(ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))'), ST_Point(lon, lat))",
            &["1"],
        ),
        (
            "SELECT count(*) FROM places WHERE ST_Within(ST_Point(lon, lat), ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))'))",
            &["1"],
        ),
        (
            "SELECT count(*) FROM places WHERE in_box(lon, lat, 359, 0, 1, 1)",
            &["1"],
        ),
        (
            "SELECT year_fraction(time) FROM model WHERE number = 2",
            &["2010.1652777777779"],
        ),
        (
            "SELECT year_fraction(TIMESTAMP '2000-03-01T06:00:00')",
            &["2000.1646174863388"],
        ),
        (
            "SELECT lon_between(lon, 0, 1) FROM places",
            &["true", "false", ""],
        ),
    ];
    check_answers(&session, cases).await;
}

/// Queries and the rows that they answer, without header.
pub(crate) async fn check_answers(session: &SessionContext, cases: &[(&str, &[&str])]) {
    for (query, expected) in cases {
        let answer = answer(session, query)
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"));
        let rows: Vec<&str> = answer
            .lines()
            .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
            .map(str::trim)
            .skip(1)
            .collect();
        assert_eq!(&rows, expected, "{query}");
    }
}

#[tokio::test]
async fn refusals_say_why() {
    let session = session();
    let cases = [
        (
            "SELECT date_part('week', time) FROM model",
            "a week is not defined in the 360_day calendar",
        ),
        (
            "SELECT date_part('fortnight', time) FROM model",
            "does not know the part 'fortnight'",
        ),
        (
            "SELECT date_trunc('week', time) FROM model",
            "a week is not defined",
        ),
        (
            "SELECT date_trunc('century', time) FROM model",
            "does not know the precision 'century'",
        ),
        (
            "SELECT date_part('month', number) FROM model",
            "'number' is no time",
        ),
        ("SELECT season(number) FROM model", "'number' is no time"),
        (
            "SELECT time_bucket(INTERVAL '0 days', time) FROM model",
            "use a positive interval",
        ),
        (
            "SELECT time_bucket(INTERVAL '1 day', time, 'month') FROM model",
            "'month' is not a date",
        ),
        (
            "SELECT date_bin(INTERVAL '1 month 2 days', time) FROM model",
            "use a positive interval",
        ),
        (
            "SELECT date_bin(INTERVAL '1 day', time, '2010-01-31') FROM model",
            "does not exist in the 360_day calendar",
        ),
        (
            "SELECT has_flag(quality, 'WATER') FROM scene",
            "its flags are LAND, CLOUD, SUNGLINT",
        ),
        (
            "SELECT has_flag(quality + 1, 'LAND') FROM scene",
            "lacks the attribute flag_meanings",
        ),
        (
            "SELECT has_flag(quality, quality) FROM scene",
            "constant names",
        ),
        (
            "SELECT has_flag(quality) FROM scene",
            "needs a column and the name",
        ),
        (
            "SELECT in_box(lon, lat, 0, 50, 10, 40) FROM places",
            "southern bound",
        ),
        ("SELECT ST_GeomFromText('POLYGON(')", "WKT"),
        (
            "SELECT ST_Simplify(ST_GeomFromText('POINT(1 1)'), NULL)",
            "st_simplify cannot take these arguments",
        ),
    ];
    check_refusals(&session, &cases).await;
}

/// Queries and what their errors say.
pub(crate) async fn check_refusals(session: &SessionContext, cases: &[(&str, &str)]) {
    for (query, expected) in cases {
        let error = answer(session, query).await.expect_err(query).to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
}

#[tokio::test]
async fn boxes_become_one_predicate_per_axis() {
    let session = session();
    let query = "SELECT * FROM places WHERE in_box(lon, lat, 170, -25, -170, -10)";
    let plan = session
        .sql(query)
        .await
        .unwrap()
        .into_optimized_plan()
        .unwrap();
    let plan = plan.to_string();
    assert!(!plan.contains("in_box"), "{plan}");
    assert!(
        plan.contains("lon_between(CAST(places.lon AS Float64), Float64(170), Float64(-170))"),
        "{plan}"
    );
    assert!(plan.contains("places.lat >= Float64(-25)"), "{plan}");
}
