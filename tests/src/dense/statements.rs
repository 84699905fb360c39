//! Random SELECT statements with aggregates, and how exactly each of their columns is determined.
//!
//! ```text
//!  NUMBERS ─┐
//!  AGGREGATES ──▶ value columns, some with FILTER ─┐
//!  keys() ──▶ GROUP BY ────────────────────────────┼──▶ Statement { sql, keys, tolerances }
//!  pruning::conditions ──▶ WHERE ──────────────────┘
//! ```

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

use crate::pruning::{Calendar, conditions};

/// A statement whose first `keys` columns identify its rows.
#[derive(Clone)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) keys: usize,
    /// For each of the other columns.
    pub(super) tolerances: Vec<Tolerance>,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

/// How far two right answers may be apart, because floats are added in another order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tolerance {
    /// Not at all.
    Exact,
    /// By this much.
    Absolute(f64),
    /// Their squares by this much.
    OfSquares(f64),
    /// By this much, integers too.
    Estimate(f64),
}

/// What may be aggregated.
#[derive(Debug, Clone, Copy)]
struct Number {
    sql: &'static str,
    kind: Kind,
    /// No value is further from 0.
    magnitude: f64,
    /// No two values are further apart.
    spread: f64,
    /// Two different values are hardly ever closer.
    step: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Integer,
    /// Floats whose squares are summed without an error in 64 bits, so that DataFusion's plain sums
    /// tell equal values from different ones.
    Exact,
    Float,
    /// Has infinities or NaN, which DataFusion's min, max and sorts treat in several ways.
    Special,
}

const fn number(sql: &'static str, kind: Kind, magnitude: f64, spread: f64, step: f64) -> Number {
    Number {
        sql,
        kind,
        magnitude,
        spread,
        step,
    }
}

const NUMBERS: &[Number] = &[
    number("v", Kind::Exact, 101.0, 101.0, 1.0),
    number("w", Kind::Exact, 51.0, 51.0, 0.5),
    number("turned", Kind::Exact, 202.0, 202.0, 1.0),
    number("gaps", Kind::Float, 12.8, 25.6, 0.1),
    number("single", Kind::Float, 12.8, 25.6, 0.1),
    number("CAST(single AS DOUBLE)", Kind::Float, 12.8, 25.6, 0.1),
    number("wild", Kind::Special, 2.0, 4.0, 1.0),
    number("large", Kind::Float, 1e8, 100.0, 0.125),
    number("packed", Kind::Float, 284.0, 20.0, 0.01),
    number("counts", Kind::Integer, 500.0, 1e3, 1.0),
    number("i8", Kind::Integer, 128.0, 256.0, 1.0),
    number("i16", Kind::Integer, 4e4, 7e4, 1.0),
    number("i64", Kind::Integer, 1e19, 2e19, 1e16),
    number("u8", Kind::Integer, 256.0, 256.0, 1.0),
    number("u16", Kind::Integer, 7e4, 7e4, 1.0),
    number("u32", Kind::Integer, 5e9, 5e9, 1e6),
    number("u64", Kind::Integer, 2e19, 2e19, 1e16),
    number("mask", Kind::Integer, 2.0, 2.0, 1.0),
    number("series", Kind::Exact, 5.0, 5.0, 0.125),
    number("zonal", Kind::Float, 1.0, 1.0, 0.1),
    number("height", Kind::Exact, 2.0, 2.0, 1.0),
    number("lat", Kind::Exact, 60.0, 10.0, 0.5),
    number("lon", Kind::Exact, 360.0, 360.0, 1.0),
    number("v - 273.15", Kind::Float, 300.0, 101.0, 1.0),
    number("(v - 50) * w", Kind::Exact, 3e3, 5e3, 0.5),
    number("v * cos(radians(lat))", Kind::Float, 101.0, 101.0, 1e-3),
    number("abs(gaps)", Kind::Float, 12.8, 12.8, 0.1),
    number("-gaps", Kind::Float, 12.8, 25.6, 0.1),
    number("sqrt(v)", Kind::Float, 11.0, 11.0, 0.05),
    number("greatest(least(w, 30), 2)", Kind::Exact, 30.0, 30.0, 0.5),
    number(
        "CASE WHEN w > 10 THEN v END",
        Kind::Exact,
        101.0,
        101.0,
        1.0,
    ),
    number(
        "CASE WHEN lat > 51 THEN v ELSE gaps END",
        Kind::Float,
        101.0,
        120.0,
        0.1,
    ),
    number(
        "CASE WHEN flag THEN counts ELSE -1 END",
        Kind::Integer,
        500.0,
        1e3,
        1.0,
    ),
    number(
        "CASE WHEN gaps IS NULL THEN NULL WHEN counts IN (1, 3, 7) THEN v ELSE -w END",
        Kind::Exact,
        101.0,
        152.0,
        0.5,
    ),
    number("floor(gaps) + ceil(w)", Kind::Exact, 70.0, 80.0, 0.5),
    number("power(w, 2) - v", Kind::Exact, 2.7e3, 2.7e3, 0.25),
    number("coalesce(gaps, series)", Kind::Float, 13.0, 26.0, 0.1),
    number("nullif(v, 5)", Kind::Exact, 101.0, 101.0, 1.0),
    number("v + i8", Kind::Exact, 230.0, 360.0, 1.0),
    number("counts * 2 + u8", Kind::Integer, 2e3, 3e3, 1.0),
    number("i64 + 1", Kind::Integer, 1e19, 2e19, 1e16),
    number("CAST(gaps AS REAL)", Kind::Float, 12.8, 25.6, 0.1),
    number("CAST(packed AS BIGINT)", Kind::Integer, 284.0, 20.0, 1.0),
    number("v / w", Kind::Special, 1e3, 1e3, 0.1),
    number("lon + lat", Kind::Exact, 420.0, 370.0, 0.5),
    number("2.5", Kind::Exact, 2.5, 1.0, 1.0),
];

/// What an aggregate takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Takes {
    Any,
    Finite,
    Exact,
    Integers,
}

/// What an error of rounding in the sums does to a result.
#[derive(Debug, Clone, Copy)]
enum Rounding {
    /// Nothing.
    None,
    /// The result is a sum of values.
    Sum,
    /// Like a mean or a percentile.
    Mean,
    /// Like a variance or covariance.
    Square,
    /// Like a standard deviation.
    Deviation,
    /// A sum of squares.
    Squares,
    /// A correlation.
    Correlation,
    /// A slope of y over x.
    Slope,
    /// The intercept with it.
    Intercept,
    /// A sketch, which depends on the order of its input.
    Sketch,
}

/// `{x}` and `{y}` are numbers, `{b}` a truth, `{order}` what makes the order of rows unique.
const AGGREGATES: &[(&str, Takes, Rounding)] = &[
    ("count({x})", Takes::Any, Rounding::None),
    ("count(*)", Takes::Any, Rounding::None),
    ("sum({x})", Takes::Any, Rounding::Sum),
    ("sum({x})", Takes::Integers, Rounding::Sum),
    ("avg({x})", Takes::Any, Rounding::Mean),
    ("avg({x})", Takes::Any, Rounding::Mean),
    ("min({x})", Takes::Finite, Rounding::None),
    ("max({x})", Takes::Finite, Rounding::None),
    ("var_samp({x})", Takes::Any, Rounding::Square),
    ("var_pop({x})", Takes::Any, Rounding::Square),
    ("stddev({x})", Takes::Any, Rounding::Deviation),
    ("stddev_pop({x})", Takes::Any, Rounding::Deviation),
    ("covar_samp({x}, {y})", Takes::Finite, Rounding::Square),
    ("covar_pop({x}, {y})", Takes::Finite, Rounding::Square),
    ("corr({x}, {y})", Takes::Exact, Rounding::Correlation),
    ("regr_slope({y}, {x})", Takes::Exact, Rounding::Slope),
    (
        "regr_intercept({y}, {x})",
        Takes::Exact,
        Rounding::Intercept,
    ),
    ("regr_r2({y}, {x})", Takes::Exact, Rounding::Correlation),
    ("regr_count({y}, {x})", Takes::Any, Rounding::None),
    ("regr_avgx({y}, {x})", Takes::Finite, Rounding::Mean),
    ("regr_sxy({y}, {x})", Takes::Finite, Rounding::Squares),
    ("regr_sxx({y}, {x})", Takes::Finite, Rounding::Squares),
    (
        "first_value({x} ORDER BY {order})",
        Takes::Any,
        Rounding::None,
    ),
    (
        "last_value({x} ORDER BY {order})",
        Takes::Any,
        Rounding::None,
    ),
    (
        "first_value({x} ORDER BY {order}) IGNORE NULLS",
        Takes::Any,
        Rounding::None,
    ),
    (
        "last_value({x} ORDER BY {order}) IGNORE NULLS",
        Takes::Any,
        Rounding::None,
    ),
    ("bool_and({b})", Takes::Any, Rounding::None),
    ("bool_or({b})", Takes::Any, Rounding::None),
    ("bit_and({x})", Takes::Integers, Rounding::None),
    ("bit_or({x})", Takes::Integers, Rounding::None),
    ("bit_xor({x})", Takes::Integers, Rounding::None),
    ("median({x})", Takes::Finite, Rounding::Mean),
    (
        "percentile_cont(0.3) WITHIN GROUP (ORDER BY {x})",
        Takes::Any,
        Rounding::Mean,
    ),
    ("median({x})", Takes::Finite, Rounding::Mean),
    ("percentile_cont({x}, 0.9)", Takes::Any, Rounding::Mean),
    ("quantile_cont({x}, 0.5)", Takes::Finite, Rounding::Mean),
    (
        "percentile_cont(0.25) WITHIN GROUP (ORDER BY {x} DESC)",
        Takes::Any,
        Rounding::Mean,
    ),
    (
        "approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY {x})",
        Takes::Finite,
        Rounding::Sketch,
    ),
    ("approx_distinct({x})", Takes::Integers, Rounding::None),
    ("count(DISTINCT {x})", Takes::Integers, Rounding::None),
    ("sum(DISTINCT {x})", Takes::Integers, Rounding::None),
    ("min(time)", Takes::Any, Rounding::None),
    ("max(time)", Takes::Any, Rounding::None),
];

const TRUTHS: &[&str] = &[
    "flag",
    "v > 50",
    "gaps > 0",
    "lat < 52 AND w <> 3",
    "gaps IS NULL OR counts NOT IN (2, 5)",
    "NOT (v >= 20 AND gaps < 3)",
    "NOT flag",
];

fn tolerance(rounding: Rounding, x: &Number, y: &Number) -> Tolerance {
    /// More cells than any cube has.
    const CELLS: f64 = 5e3;
    // Relative to the inputs, far above what thousands of roundings add up to.
    const RELATIVE: f64 = 2e-12;
    let squares =
        1e-9 * x.spread * y.spread + 1e-14 * (x.magnitude * y.spread + y.magnitude * x.spread);
    let ratio = 1e-9 + 2e-14 * (x.magnitude / x.step + y.magnitude / y.step);
    let own = 1e-9 * x.spread * x.spread + 2e-14 * x.magnitude * x.spread;
    let slope = ratio * y.spread / x.step;
    match rounding {
        Rounding::None => Tolerance::Exact,
        Rounding::Sum => Tolerance::Absolute(RELATIVE * CELLS * x.magnitude),
        Rounding::Mean => Tolerance::Absolute(RELATIVE * x.magnitude),
        Rounding::Square => Tolerance::Absolute(own.max(squares)),
        Rounding::Deviation => Tolerance::OfSquares(own),
        Rounding::Squares => Tolerance::Absolute(CELLS * own.max(squares)),
        Rounding::Correlation => Tolerance::Absolute(ratio),
        Rounding::Slope => Tolerance::Absolute(slope),
        Rounding::Intercept => Tolerance::Absolute(slope * x.magnitude + ratio * y.magnitude),
        Rounding::Sketch => Tolerance::Estimate(0.1 * x.spread),
    }
}

fn numbers(takes: Takes) -> impl Strategy<Value = Number> {
    let fitting = NUMBERS.iter().filter(|number| match takes {
        Takes::Any => true,
        Takes::Finite => number.kind != Kind::Special,
        Takes::Exact => matches!(number.kind, Kind::Integer | Kind::Exact),
        Takes::Integers => number.kind == Kind::Integer,
    });
    select(fitting.copied().collect::<Vec<_>>())
}

/// A column and how exactly it is determined.
fn aggregates(calendar: Calendar, repeats: bool) -> impl Strategy<Value = (String, Tolerance)> {
    let order = match repeats {
        true => vec!["serial", "serial DESC"],
        false => vec![
            "time, lat, lon",
            "time DESC, lon, lat DESC",
            "lat, lon DESC, time",
        ],
    };
    select(AGGREGATES).prop_flat_map(move |(template, takes, rounding)| {
        let filter = prop::option::weighted(0.2, conditions(calendar));
        let (truth, order) = (select(TRUTHS), select(order.clone()));
        let pieces = (numbers(takes), numbers(takes), truth, order, filter);
        pieces.prop_map(move |(x, y, truth, order, filter)| {
            let sql = template
                .replace("{x}", x.sql)
                .replace("{y}", y.sql)
                .replace("{b}", truth)
                .replace("{order}", order);
            let filter = filter.map(|condition| format!(" FILTER (WHERE {condition})"));
            let filter = filter.unwrap_or_default();
            let sql = match sql.strip_suffix(" IGNORE NULLS") {
                Some(call) => format!("{call}{filter} IGNORE NULLS"),
                None => sql + &filter,
            };
            (sql, tolerance(rounding, &x, &y))
        })
    })
}

/// Group keys: coordinates, what is computed from one axis, from two, from the plane, from values.
const KEYS: &[&str] = &[
    "time",
    "lat",
    "lon",
    "lat",
    "lon",
    "date_trunc('month', time)",
    "date_part('month', time)",
    "date_trunc('year', time)",
    "date_bin(INTERVAL '40 days', time, TIMESTAMP '2001-01-01')",
    "time_bucket(INTERVAL '60 days', time, 'year')",
    "season(time)",
    "floor(lat / 10)",
    "floor(lat * 0.7)",
    "floor(lon / 3)",
    "round(lon / 60) * 60",
    "CASE WHEN lon < 0 THEN 'west' WHEN lon > 100 THEN 'east' END",
    "nullif(lat, 50)",
    "lon * 0",
    "lon / lon",
    "lat > 51",
    "lat + lon",
    "date_part('month', time) * 10 + floor(lon / 100)",
    "ST_Contains(ST_GeomFromText('POLYGON ((-3 49, 6 50, 2 54, -3 49))'), ST_Point(lon, lat))",
    "mask",
    "series",
    "floor(series)",
    "zonal",
    "height",
    "1",
    "flag",
    "u8 % 3",
    "v > 50",
    "counts IS NULL",
];

/// What is aggregated.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// A FROM clause.
    pub(super) from: String,
    /// Group keys besides those of the cube.
    pub(super) keys: &'static [&'static str],
}

impl Source {
    /// The cube.
    pub(super) fn cube() -> Self {
        Self {
            from: "cube".to_string(),
            keys: &[],
        }
    }
}

/// Statements over `source`; `repeats` when coordinates occur twice.
pub(super) fn statements(
    source: Source,
    calendar: Calendar,
    repeats: bool,
) -> impl Strategy<Value = Statement> {
    let more = match source.keys {
        [] => Just(Vec::new()).boxed(),
        keys => prop::collection::vec(select(keys), 0..=2).boxed(),
    };
    let keys = prop_oneof![
        1 => Just(vec![]),
        2 => prop::collection::vec(select(KEYS), 1..=1),
        3 => prop::collection::vec(select(KEYS), 2..=3),
        // Maps, climatologies of maps, and cells.
        1 => Just(vec!["lat", "lon"]),
        1 => Just(vec!["date_part('month', time)", "lat", "lon"]),
        1 => Just(vec!["time", "lat", "lon"]),
    ];
    let columns = prop::collection::vec(aggregates(calendar, repeats), 0..5);
    let conditions = prop_oneof![
        2 => Just(vec![]),
        2 => prop::collection::vec(conditions(calendar), 1..3),
    ];
    let having = prop::option::weighted(0.1, select(&["count(*) > 3", "count(gaps) < 5"][..]));
    // Few of the cube's keys beside others: most can have codes only where regions do not read the axis.
    let keys = (keys, more).prop_map(|(keys, more)| match more.is_empty() {
        true => keys,
        false => more.into_iter().chain(keys.into_iter().take(1)).collect(),
    });
    let parts = (keys, columns, conditions, having);
    parts.prop_map(move |(keys, mut columns, conditions, having)| {
        if keys.is_empty() && columns.is_empty() {
            columns.push(("count(*)".to_string(), Tolerance::Exact));
        }
        let named = |name: &str, list: &mut dyn Iterator<Item = &str>| -> Vec<String> {
            list.enumerate()
                .map(|(number, sql)| format!("{sql} AS {name}{number}"))
                .collect()
        };
        let mut selected = named("key", &mut keys.iter().copied());
        selected.extend(named(
            "value",
            &mut columns.iter().map(|(sql, _)| sql.as_str()),
        ));
        let mut sql = format!("SELECT {} FROM {}", selected.join(", "), source.from);
        if !conditions.is_empty() {
            sql += &format!(" WHERE {}", conditions.join(" AND "));
        }
        if !keys.is_empty() {
            let numbers: Vec<String> = (1..=keys.len()).map(|key| key.to_string()).collect();
            sql += &format!(" GROUP BY {}", numbers.join(", "));
            if let Some(having) = having {
                sql += &format!(" HAVING {having}");
            }
        }
        Statement {
            sql,
            keys: keys.len(),
            tolerances: columns
                .into_iter()
                .map(|(_, tolerance)| tolerance)
                .collect(),
        }
    })
}
