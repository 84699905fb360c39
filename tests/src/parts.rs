//! Parts of chunks: what is decoded of a chunk that no cache keeps, only as far as a query needs it, is what
//! decoding all of it gives.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};
use crate::values;
use crate::writing::Random;

/// Steps, rows and columns, of which some have no value.
const SOURCE: &str = "SELECT t.value AS t, y.value AS y, x.value AS x, \
    CASE WHEN (t.value * 7 + y.value * 3 + x.value) % 13 > 1 THEN CAST(sin(t.value * 0.3 + y.value * 0.02) * 50 + x.value AS FLOAT) END AS v \
    FROM generate_series(0, 69) AS t CROSS JOIN generate_series(0, 49) AS y CROSS JOIN generate_series(0, 59) AS x";

/// How the cube is stored; can a part of a chunk be decoded alone?
const STORED: &[(&str, bool)] = &[
    ("codec = 'blosc:zstd:3:bitshuffle'", true),
    ("codec = 'blosc:lz4:1:shuffle'", true),
    (
        "codec = 'blosc:zstd:1:shuffle', zarr_version = 2, dtype = 'int16', scale_factor = 0.01",
        true,
    ),
    ("codec = 'blosc:zstd:5:noshuffle', dtype = 'float64'", true),
    (
        "codec = 'blosc:lz4hc:1:bitshuffle', shards = 't=80,y=64,x=50'",
        true,
    ),
    ("codec = 'blosc:zlib:5:shuffle'", false),
    ("codec = 'zstd:1'", false),
];

const QUERIES: u64 = 30;

async fn rows(client: &Client, statement: &str) -> Result<Vec<Vec<String>>, Failed> {
    let (_, batches) = client
        .run(statement)
        .await
        .map_err(|error| format!("{statement}: {error}"))?;
    Ok(values::rows(&batches)?)
}

/// A range within `0..end`, often short.
fn range(random: &mut Random, end: u64) -> (u64, u64) {
    let start = random.below(end);
    let most = if random.below(2) == 0 { 3 } else { end };
    (start, (start + random.below(most)).min(end - 1))
}

fn query(random: &mut Random) -> String {
    let ((t0, t1), (y0, y1), (x0, x1)) = (range(random, 70), range(random, 50), range(random, 60));
    let steps = match random.below(3) {
        0 => format!("t IN ({t0}, {t1}, 38, 41)"),
        _ => format!("t BETWEEN {t0} AND {t1}"),
    };
    let place = format!("y BETWEEN {y0} AND {y1} AND x BETWEEN {x0} AND {x1}");
    match random.below(5) {
        0 => format!(
            "SELECT t, count(v), min(v), max(v) FROM s.c WHERE {steps} AND {place} GROUP BY t ORDER BY t"
        ),
        1 => format!(
            "SELECT t, y, x, v FROM s.c WHERE {steps} ORDER BY t, y, x LIMIT {}",
            1 + random.below(5000)
        ),
        2 => format!(
            "SELECT t, y, x, v FROM s.c WHERE {steps} AND {place} ORDER BY t DESC, y DESC, x"
        ),
        3 => format!(
            "SELECT t, y, x, v FROM s.c WHERE {steps} AND {place} AND v > 20 ORDER BY x, y, t"
        ),
        _ => format!(
            "SELECT y, x, lag(v) OVER (PARTITION BY y, x ORDER BY t) AS before FROM s.c WHERE {steps} AND {place} ORDER BY y, x, before"
        ),
    }
}

/// Bytes that a query of one step decodes.
async fn decoded(client: &Client) -> Result<String, Failed> {
    let plan = rows(client, "EXPLAIN ANALYZE SELECT sum(v) FROM s.c WHERE t = 3").await?;
    let text = plan.concat().concat();
    let figure = text.split("bytes_decoded=").nth(1);
    let figure = figure.and_then(|rest| rest.split([',', ']']).next());
    figure
        .map(str::to_string)
        .ok_or_else(|| format!("no decoded bytes: {text}").into())
}

fn check(stored: &str, has_parts: bool) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let variables = Variables::of("")?;
        let engine = engine()?;
        let [whole, part] = [0, 1].map(|_| Client::new(&engine, Arc::clone(&variables)));
        rows(&whole, "ATTACH '$SCRATCH' AS s").await?;
        rows(&whole, &format!("CREATE TABLE s.c WITH (dims = 't,y,x', chunks = 't=40,y=32,x=50', {stored}) AS {SOURCE}")).await?;
        rows(&part, "SET cube.cache = false").await?;
        let mut random = Random(stored.len() as u64);
        for _ in 0..QUERIES {
            let query = query(&mut random);
            if rows(&part, &query).await? != rows(&whole, &query).await? {
                return Err(format!("{query}: other rows than of whole chunks").into());
            }
        }
        let figure = decoded(&part).await?;
        // Four chunks of 40 × 32 × 50 cells, less at the edges.
        let cells = 40 * 50 * 60;
        let bytes = match stored {
            _ if stored.contains("float64") => 8 * cells,
            _ => 4 * cells,
        };
        let is_whole = parse(&figure).is_some_and(|found| found * 1.1 > f64::from(bytes));
        if is_whole == has_parts {
            return Err(format!("decoded {figure} of {bytes} bytes").into());
        }
        Ok(())
    })
}

/// A figure of `EXPLAIN ANALYZE` such as `12.3 K`.
fn parse(figure: &str) -> Option<f64> {
    let mut words = figure.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    Some(match words.next() {
        None | Some("B") => number,
        Some("K" | "KB" | "kB") => number * 1e3,
        Some("M" | "MB") => number * 1e6,
        Some(_) => return None,
    })
}

pub(crate) fn trials() -> Vec<Trial> {
    let all = STORED.iter().enumerate();
    let trial = |(number, (stored, has_parts)): (usize, &(&'static str, bool))| {
        let (stored, has_parts) = (*stored, *has_parts);
        Trial::test(format!("parts::{number}"), move || {
            check(stored, has_parts).map_err(|error| {
                format!("{stored}: {}", error.message().unwrap_or_default()).into()
            })
        })
    };
    all.map(trial).collect()
}
