//! `fill` and `interpolate` on the rows of one partition.

use crate::registry::tests::{check_answers, check_refusals, session};

#[tokio::test]
async fn gaps_are_closed() {
    let cases: &[(&str, &[&str])] = &[
        (
            "SELECT fill(v, INTERVAL '1 day') OVER (ORDER BY day) FROM buoy ORDER BY day",
            &["", "3.0", "3.0", "", "7.0"],
        ),
        (
            "SELECT fill(v) OVER (ORDER BY day DESC) FROM buoy ORDER BY day",
            &["3.0", "3.0", "7.0", "7.0", "7.0"],
        ),
        (
            "SELECT fill(v, INTERVAL '1 day') OVER (ORDER BY day DESC) FROM buoy ORDER BY day",
            &["3.0", "3.0", "", "7.0", "7.0"],
        ),
        (
            "SELECT fill(CAST(v AS VARCHAR), 5) OVER (ORDER BY day) FROM buoy ORDER BY day",
            &["", "3.0", "3.0", "3.0", "7.0"],
        ),
        (
            "SELECT interpolate(v, INTERVAL '4 days') OVER (ORDER BY day) FROM buoy ORDER BY day",
            &["", "3.0", "4.0", "6.0", "7.0"],
        ),
        (
            "SELECT interpolate(v, INTERVAL '3 days') OVER (ORDER BY day DESC) FROM buoy ORDER BY day",
            &["", "3.0", "", "", "7.0"],
        ),
        (
            "SELECT interpolate(v, date_part('day', day), 2) OVER (ORDER BY day DESC) FROM buoy ORDER BY day",
            &["", "3.0", "4.0", "6.0", "7.0"],
        ),
        (
            "SELECT interpolate(nullif(number, 2)) OVER (ORDER BY time) FROM model ORDER BY time",
            &["1.0", "2.0", "3.0"],
        ),
        (
            "SELECT interpolate(nullif(number, 2), INTERVAL '59 days') OVER (ORDER BY time) FROM model ORDER BY time",
            &["1.0", "", "3.0"],
        ),
        (
            "SELECT fill(nullif(number, 2), INTERVAL '30 days') OVER (PARTITION BY number < 3 ORDER BY time) FROM model ORDER BY time",
            &["1", "1", "3"],
        ),
    ];
    check_answers(&session(), cases).await;
}

#[tokio::test]
async fn refusals_say_why() {
    let cases = [
        (
            "SELECT fill(v) OVER () FROM buoy",
            "write fill(…) OVER (PARTITION BY … ORDER BY time)",
        ),
        (
            "SELECT interpolate(v) OVER (PARTITION BY v) FROM buoy",
            "needs to know the order of the rows",
        ),
        (
            "SELECT fill(v, -1) OVER (ORDER BY day) FROM buoy",
            "a gap of -1 cells makes no sense",
        ),
        (
            "SELECT fill(v, 'long') OVER (ORDER BY day) FROM buoy",
            "has to be a number of cells or an interval",
        ),
        (
            "SELECT fill(v, day) OVER (ORDER BY day) FROM buoy",
            "the order of the rows is that of ORDER BY",
        ),
        (
            "SELECT fill(v) IGNORE NULLS OVER (ORDER BY day) FROM buoy",
            "leave them out",
        ),
        (
            "SELECT interpolate(v, day, 1, 2) OVER (ORDER BY day) FROM buoy",
            "at most one axis and at most one limit",
        ),
        (
            "SELECT interpolate('text') OVER (ORDER BY day) FROM buoy",
            "No function matches the given name and argument types 'interpolate(Utf8",
        ),
        (
            "SELECT interpolate(v, INTERVAL '1 day') OVER (ORDER BY v) FROM buoy",
            "needs an ORDER BY a time",
        ),
        (
            "SELECT fill(nullif(number, 2), INTERVAL '1 month') OVER (ORDER BY time) FROM model",
            "no fixed length in a model's calendar",
        ),
    ];
    check_refusals(&session(), &cases).await;
}
