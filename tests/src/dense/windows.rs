//! Random SELECT statements with window functions along an axis of the cube.
//!
//! ```text
//!  over()  PARTITION BY, ORDER BY ─┐
//!  frames() ───────────────────────┼──▶ FUNCTIONS ──▶ Statement { sql, keys: time, lat, lon, tolerances }
//!  statements::conditions ──▶ WHERE┘
//! ```
//! Results that SQL leaves open are not asked for: coordinates are unique, so that every order is one.

use proptest::prelude::*;
use proptest::sample::select;

use super::statements::{Statement, Tolerance};
use crate::pruning::{Calendar, conditions};

/// What a window function reads, and how far its values are from 0.
#[derive(Debug, Clone, Copy)]
struct Argument {
    sql: &'static str,
    magnitude: f64,
}

const fn argument(sql: &'static str, magnitude: f64) -> Argument {
    Argument { sql, magnitude }
}

/// Finite numbers: DataFusion's moving sums do not recover from an infinity, ours do.
const NUMBERS: &[Argument] = &[
    argument("v", 101.0),
    argument("w", 51.0),
    argument("turned", 202.0),
    argument("gaps", 12.8),
    argument("packed", 284.0),
    argument("counts", 500.0),
    argument("i8", 128.0),
    argument("i16", 4e4),
    argument("u8", 256.0),
    argument("u16", 7e4),
    argument("u32", 5e9),
    argument("series", 5.0),
    argument("zonal", 1.0),
    argument("height", 2.0),
    argument("lat", 60.0),
    argument("v - gaps", 120.0),
    argument("CASE WHEN w > 10 THEN v END", 101.0),
    argument("CAST(gaps AS REAL)", 12.8),
];

/// Values of any kind, for functions that pick one.
const VALUES: &[&str] = &[
    "v",
    "gaps",
    "wild",
    "packed",
    "counts",
    "u64",
    "i64",
    "flag",
    "series",
    "zonal",
    "time",
    "lon",
    "-gaps",
    "CAST(counts AS VARCHAR)",
];

/// `{x}` is a number, `{a}` any value, `{over}` has a frame, `{order}` has none.
const FUNCTIONS: &[(&str, Rounding)] = &[
    ("count({a}) OVER ({over})", Rounding::None),
    ("count(*) OVER ({over})", Rounding::None),
    ("sum({x}) OVER ({over})", Rounding::Sum),
    ("avg({x}) OVER ({over})", Rounding::Mean),
    ("min({x}) OVER ({over})", Rounding::None),
    ("max({x}) OVER ({over})", Rounding::None),
    ("first_value({a}) OVER ({over})", Rounding::None),
    ("last_value({a}) OVER ({over})", Rounding::None),
    (
        "first_value({a}) IGNORE NULLS OVER ({over})",
        Rounding::None,
    ),
    ("last_value({a}) IGNORE NULLS OVER ({over})", Rounding::None),
    ("nth_value({a}, 2) OVER ({over})", Rounding::None),
    ("lag({a}) OVER ({order})", Rounding::None),
    ("lag({x}, 2, 7) OVER ({order})", Rounding::None),
    ("lead({a}, 3) OVER ({order})", Rounding::None),
    ("lead({x}, -1, 0) OVER ({order})", Rounding::None),
    ("lag({a}) IGNORE NULLS OVER ({order})", Rounding::None),
    ("row_number() OVER ({order})", Rounding::None),
    ("rank() OVER ({order})", Rounding::None),
    ("ntile(3) OVER ({order})", Rounding::None),
    ("stddev({x}) OVER ({over})", Rounding::Loose),
    (
        "avg({x}) FILTER (WHERE w > 10) OVER ({over})",
        Rounding::Mean,
    ),
    ("fill({a}) OVER ({order})", Rounding::None),
    ("fill({a}, 2) OVER ({order})", Rounding::None),
    ("interpolate({x}) OVER ({order})", Rounding::Line),
    ("interpolate({x}, 1) OVER ({order})", Rounding::Line),
];

/// Where two right answers may differ.
#[derive(Debug, Clone, Copy)]
enum Rounding {
    None,
    Sum,
    Mean,
    Line,
    Loose,
}

impl Rounding {
    fn tolerance(self, magnitude: f64) -> Tolerance {
        // DataFusion subtracts what leaves a frame, so that its sums drift with all values before.
        match self {
            Self::None => Tolerance::Exact,
            Self::Sum => Tolerance::Absolute(1e-9 * magnitude),
            Self::Mean => Tolerance::Absolute(1e-11 * magnitude),
            // The axis is the same, but single precision may round either way.
            Self::Line => Tolerance::Absolute(1e-6 * magnitude),
            Self::Loose => Tolerance::OfSquares(1e-9 * magnitude * magnitude),
        }
    }
}

/// PARTITION BY and the axis of ORDER BY.
const ORDERED: &[(&str, &str)] = &[
    ("lat, lon", "time"),
    ("lon, lat", "time"),
    ("lon, lat", "time"),
    ("lat, lon, 1", "time"),
    ("date_part('month', time), lat, lon", "time"),
    ("date_trunc('year', time), lat, lon", "time"),
    ("time, lon", "lat"),
    ("lat, time", "lon"),
    ("time, lat, floor(lat)", "lon"),
    // Left to rows.
    ("lat", "time, lon"),
];

/// Keys of PARTITION BY that are not mere columns.
const COMPUTED: &[&str] = &["BY date_", "BY season", "floor(lat)"];

/// PARTITION BY without an order.
const WHOLE: &[&str] = &[
    "PARTITION BY lat, lon",
    "PARTITION BY date_part('month', time), lat, lon",
    "PARTITION BY season(time), lat, lon",
    "PARTITION BY lat",
    "PARTITION BY time",
    "PARTITION BY time, floor(lat)",
    "PARTITION BY time, lat, lon",
    "PARTITION BY flag",
    "",
];

const FRAMES: &[&str] = &[
    "",
    "",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING",
    "ROWS 3 PRECEDING",
    "ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    "ROWS BETWEEN 1 FOLLOWING AND 4 FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
];

const TIMES: &[&str] = &[
    "RANGE BETWEEN INTERVAL '30 days' PRECEDING AND INTERVAL '15 days' FOLLOWING",
    "RANGE BETWEEN INTERVAL '2 months' PRECEDING AND INTERVAL '1 month' PRECEDING",
];

/// A window with a frame, and the same without one.
fn over(calendar: Calendar) -> impl Strategy<Value = (String, String)> {
    let has_intervals = matches!(calendar, Calendar::Standard);
    let ordered = (select(ORDERED), select(&["", " DESC"][..]), any::<bool>());
    let ordered = ordered.prop_flat_map(move |((partition, key), direction, interval)| {
        let frames = match key {
            "time" if interval && has_intervals => TIMES,
            _ => FRAMES,
        };
        select(frames).prop_map(move |frame| {
            // A range is measured along one key.
            let frame = match key.contains(',') && frame.starts_with("RANGE BETWEEN INT") {
                true => "",
                false => frame,
            };
            let order = format!("PARTITION BY {partition} ORDER BY {key}{direction}");
            (format!("{order} {frame}"), order)
        })
    });
    let whole = select(WHOLE).prop_map(|partition| {
        let order = format!("{partition} ORDER BY time, lat, lon");
        (partition.to_string(), order)
    });
    prop_oneof![4 => ordered, 1 => whole]
}

fn windows(calendar: Calendar) -> impl Strategy<Value = (String, Tolerance)> {
    let over = prop::collection::vec(over(calendar), 1..3);
    let column = (select(FUNCTIONS), select(NUMBERS), select(VALUES), over);
    column.prop_map(|((function, rounding), number, value, over)| {
        let (framed, order) = &over[0];
        let is_picked_in_order = !framed.contains("ORDER BY") && function.contains("_value");
        let framed = if is_picked_in_order { order } else { framed };
        let sql = function
            .replace("{over}", framed)
            .replace("{order}", order)
            .replace("{x}", number.sql)
            .replace("{a}", value);
        (sql, rounding.tolerance(number.magnitude))
    })
}

/// Statements over a cube whose coordinates are unique.
pub(super) fn statements(calendar: Calendar) -> impl Strategy<Value = Statement> {
    let columns = prop::collection::vec(windows(calendar), 1..5);
    let conditions = prop_oneof![
        2 => Just(vec![]),
        2 => prop::collection::vec(conditions(calendar), 1..3),
    ];
    (columns, conditions).prop_map(|(mut columns, conditions)| {
        // Two windows with the same computed key: DataFusion 55 names the key once for both, but not in both,
        // and a debug assertion of its planner fails.
        let mut computed = 0;
        columns.retain(|(sql, _)| {
            let is_computed = COMPUTED.iter().any(|key| sql.contains(key));
            computed += usize::from(is_computed);
            !is_computed || computed == 1
        });
        let named = columns.iter().enumerate();
        let named: Vec<String> = named
            .map(|(number, (sql, _))| format!("{sql} AS value{number}"))
            .collect();
        let mut sql = format!("SELECT time, lat, lon, {} FROM cube", named.join(", "));
        if !conditions.is_empty() {
            sql += &format!(" WHERE {}", conditions.join(" AND "));
        }
        Statement {
            sql,
            keys: 3,
            tolerances: columns
                .into_iter()
                .map(|(_, tolerance)| tolerance)
                .collect(),
        }
    })
}
