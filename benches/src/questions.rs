//! The questions that are measured on the large cube, what each has to read at least, and how close
//! to that it should come.

/// A question and its floor.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// The variables that it cannot do without.
    pub(crate) variables: &'static [&'static str],
    /// The cells that it asks for.
    pub(crate) region: Region,
    /// Times the floor; none for what is only watched.
    pub(crate) target: Option<f64>,
}

/// South, north, west and east of the cells that a question asks for; everything without.
pub(crate) type Region = Option<[f64; 4]>;

const EVERYWHERE: Region = None;
const BOX: Region = Some([35.0, 60.0, 0.0, 40.0]);
const POINT: Region = Some([50.0, 50.0, 10.0, 10.0]);

pub(crate) const T2M: &[&str] = &["t2m"];
const NDVI: &[&str] = &["ndvi"];
const BOTH: &[&str] = &["t2m", "ndvi"];

const fn question(
    name: &'static str,
    target: f64,
    variables: &'static [&'static str],
    region: Region,
    sql: &'static str,
) -> Question {
    Question {
        name,
        sql,
        variables,
        region,
        target: if target > 0.0 { Some(target) } else { None },
    }
}

/// Statistics of a full scan.
pub(crate) const STATISTICS: Question = question(
    "statistics",
    1.1,
    T2M,
    EVERYWHERE,
    "SELECT count(t2m), avg(t2m), min(t2m), max(t2m), stddev(t2m) FROM cube",
);

/// All questions.
pub(crate) const QUESTIONS: &[Question] = &[
    STATISTICS,
    question(
        "statistics with gaps",
        1.1,
        NDVI,
        EVERYWHERE,
        "SELECT count(*), count(ndvi), avg(ndvi), min(ndvi), max(ndvi), stddev(ndvi) FROM cube",
    ),
    question(
        "by latitude",
        1.2,
        T2M,
        EVERYWHERE,
        "SELECT lat, avg(t2m), stddev(t2m) FROM cube GROUP BY lat",
    ),
    question(
        "by time",
        1.2,
        T2M,
        EVERYWHERE,
        "SELECT time, avg(t2m) FROM cube GROUP BY time",
    ),
    question(
        "by month",
        1.2,
        T2M,
        EVERYWHERE,
        "SELECT date_trunc('month', time), avg(t2m), max(t2m) FROM cube GROUP BY 1",
    ),
    question(
        "by month and hour",
        1.2,
        T2M,
        EVERYWHERE,
        "SELECT date_part('month', time), date_part('hour', time), avg(t2m) FROM cube GROUP BY 1, 2",
    ),
    question(
        "time-mean map",
        1.25,
        T2M,
        EVERYWHERE,
        "SELECT lat, lon, avg(t2m) FROM cube GROUP BY lat, lon",
    ),
    question(
        "monthly climatology",
        1.25,
        T2M,
        EVERYWHERE,
        "SELECT date_part('month', time), lat, lon, avg(t2m), stddev(t2m) FROM cube GROUP BY 1, 2, 3",
    ),
    question(
        "8-day resample",
        1.25,
        T2M,
        EVERYWHERE,
        "SELECT date_bin(INTERVAL '8 days', time, TIMESTAMP '2019-01-01'), lat, lon, avg(t2m) FROM cube GROUP BY 1, 2, 3",
    ),
    question(
        "10-degree boxes",
        1.25,
        NDVI,
        EVERYWHERE,
        "SELECT time, floor((90 - lat) / 10), floor(lon / 10), avg(ndvi) FROM cube GROUP BY 1, 2, 3",
    ),
    question(
        "expression",
        1.3,
        BOTH,
        EVERYWHERE,
        "SELECT count(e), avg(e), max(e) FROM (SELECT (t2m - 273.15) * greatest(least(ndvi, 1), 0) AS e FROM cube WHERE ndvi IS NOT NULL)",
    ),
    question(
        "area-weighted mean",
        1.3,
        T2M,
        EVERYWHERE,
        "SELECT time, sum(t2m * cos(radians(lat))) / sum(CASE WHEN t2m IS NOT NULL THEN cos(radians(lat)) END) FROM cube GROUP BY time",
    ),
    question(
        "value predicate",
        1.3,
        BOTH,
        EVERYWHERE,
        "SELECT lat, count(*), avg(t2m) FROM cube WHERE ndvi > 0.2 GROUP BY lat",
    ),
    question(
        "correlation",
        1.3,
        BOTH,
        EVERYWHERE,
        "SELECT lat, corr(t2m, ndvi) FROM cube GROUP BY lat",
    ),
    question(
        "regression map",
        1.3,
        T2M,
        EVERYWHERE,
        "SELECT lat, lon, regr_slope(t2m, date_part('epoch', time)) FROM cube GROUP BY lat, lon",
    ),
    question(
        "median map of a box",
        1.5,
        T2M,
        BOX,
        "SELECT lat, lon, median(t2m) FROM cube WHERE lat BETWEEN 35 AND 60 AND lon BETWEEN 0 AND 40 GROUP BY lat, lon",
    ),
    question(
        "median map",
        1.5,
        T2M,
        EVERYWHERE,
        "SELECT lat, lon, median(t2m) FROM cube GROUP BY lat, lon",
    ),
    question(
        "point series",
        1.2,
        T2M,
        POINT,
        "SELECT time, t2m FROM cube WHERE lat = 50 AND lon = 10 ORDER BY time",
    ),
    question(
        "values as rows",
        0.0,
        NDVI,
        EVERYWHERE,
        "SELECT ndvi FROM cube",
    ),
    question(
        "cells as rows",
        0.0,
        NDVI,
        EVERYWHERE,
        "SELECT time, lat, lon, ndvi FROM cube",
    ),
];
