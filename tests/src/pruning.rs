//! Any predicate over axes and values gives the same rows with pruning on, with pruning off, and on
//! a plain copy of the cube's rows that DataFusion filters and sorts by itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use graticule_engine::cache::BlockCache;
use graticule_engine::cube::conventions::interpret;
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use graticule_engine::source::{Attributes, Group, Options};
use libtest_mimic::Trial;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// How one synthetic cube is cut.
#[derive(Debug, Clone)]
struct Layout {
    shape: [u64; 3],
    chunks: [u64; 3],
    other_chunks: [u64; 3],
    descending: bool,
}

fn layouts() -> impl Strategy<Value = Layout> {
    let axis =
        |longest: u64| (1..=longest).prop_flat_map(|length| (Just(length), 1..=length, 1..=length));
    (axis(40), axis(9), axis(11), any::<bool>()).prop_map(|(time, lat, lon, descending)| Layout {
        shape: [time.0, lat.0, lon.0],
        chunks: [time.1, lat.1, lon.1],
        other_chunks: [time.2, lat.2, lon.2],
        descending,
    })
}

/// A cube of `v` and `w` (chunked differently, with gaps and a chunk that is not stored), a mask over
/// lat and lon, a series over time and a constant.
fn group(layout: &Layout) -> Group {
    let [time, lat, lon] = layout.shape;
    let cells = (time * lat * lon) as usize;
    let floats = |scale: f32| -> Vec<f32> {
        (0..cells)
            .map(|cell| {
                if cell % 7 == 3 {
                    f32::NAN
                } else {
                    ((cell * 37) % 101) as f32 * scale
                }
            })
            .collect()
    };
    let axis = |name: &str, length: u64, values: ArrayRef, attributes: serde_json::Value| {
        MemoryArray::new(name, &[name], &[length], values)
            .with_attributes(attributes)
            .shared()
    };
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..time as i64).map(|step| step * 17),
    ));
    let lats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..lat).map(|row| {
        let row = if layout.descending {
            lat - 1 - row
        } else {
            row
        };
        50.0 + row as f64 * 0.5
    })));
    let lons: ArrayRef = Arc::new(Float32Array::from_iter_values(
        (0..lon).map(|column| column as f32 - 4.0),
    ));
    let all = ["time", "lat", "lon"];
    let mask: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..(lat * lon) as i64).map(|cell| cell % 3),
    ));
    let series: ArrayRef = Arc::new(Float64Array::from_iter_values(
        (0..time).map(|step| step as f64 / 8.0),
    ));
    let height: ArrayRef = Arc::new(Float64Array::from(vec![2.0]));
    Group {
        path: String::new(),
        attributes: Attributes::new(),
        arrays: vec![
            axis(
                "time",
                time,
                times,
                serde_json::json!({"units": "days since 2001-01-01"}),
            ),
            axis(
                "lat",
                lat,
                lats,
                serde_json::json!({"units": "degrees_north"}),
            ),
            axis(
                "lon",
                lon,
                lons,
                serde_json::json!({"units": "degrees_east"}),
            ),
            MemoryArray::floats("v", &all, &layout.shape, floats(1.0))
                .with_chunks(&layout.chunks)
                .with_fill(serde_json::json!(5.0), &[&[0, 0, 0]])
                .shared(),
            MemoryArray::floats("w", &all, &layout.shape, floats(0.5))
                .with_chunks(&layout.other_chunks)
                .shared(),
            MemoryArray::new("mask", &["lat", "lon"], &[lat, lon], mask).shared(),
            MemoryArray::new("series", &["time"], &[time], series).shared(),
            MemoryArray::new("height", &[], &[], height).shared(),
        ],
        url: "memory".to_string(),
        format: "memory".to_string(),
        version: format!("{layout:?}"),
    }
}

/// One condition of a WHERE clause.
fn conditions() -> impl Strategy<Value = String> {
    let comparison = prop_oneof![
        Just("<"),
        Just("<="),
        Just("="),
        Just(">="),
        Just(">"),
        Just("<>")
    ];
    let number = -6i32..70;
    prop_oneof![
        (comparison.clone(), 0i64..700).prop_map(|(op, day)| format!("time {op} TIMESTAMP '2001-01-01' + INTERVAL '{day} days'")),
        (1u32..13, comparison.clone()).prop_map(|(month, op)| format!("date_part('month', time) {op} {month}")),
        (0i64..700).prop_map(|day| format!("date_trunc('month', time) = date_trunc('month', TIMESTAMP '2001-01-01' + INTERVAL '{day} days')")),
        (comparison.clone(), 0i32..10).prop_map(|(op, row)| format!("lat {op} {}", 50.0 + f64::from(row) * 0.25)),
        (number.clone(), number.clone()).prop_map(|(low, high)| format!("lon BETWEEN {low} AND {high}")),
        prop::collection::vec(-5i32..8, 1..4).prop_map(|values| format!("lon IN ({})", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
        (comparison.clone(), -5i32..60).prop_map(|(op, sum)| format!("lat + lon {op} {sum}")),
        (comparison.clone(), -5i32..60).prop_map(|(op, sum)| format!("extract(day from time) + lon {op} {sum}")),
        (comparison.clone(), 0i32..100).prop_map(|(op, value)| format!("v {op} {value}")),
        (comparison.clone(), 0i32..50).prop_map(|(op, value)| format!("w * 2 - v {op} {value}")),
        Just("v IS NULL".to_string()),
        Just("w IS NOT NULL AND mask = 1".to_string()),
        Just("mask <> 1".to_string()),
        comparison.clone().prop_map(|op| format!("series {op} 1.5")),
        Just("height = 2".to_string()),
        (comparison.clone(), comparison).prop_map(|(first, second)| format!("(lon {first} 0 OR lat {second} 51)")),
        Just("false".to_string()),
        Just("lon = NULL".to_string()),
    ]
}

fn queries() -> impl Strategy<Value = String> {
    let columns = prop_oneof![
        Just("*"),
        Just("count(*)"),
        Just("time, lat, lon, v"),
        Just("w, mask, lon"),
        Just("count(v), min(w), max(mask), min(lat), max(time), max(series)"),
        Just("v + w AS total, height"),
        Just("DISTINCT lat"),
        Just("DISTINCT date_part('month', time), lon"),
        Just("series, lat"),
        Just("count(DISTINCT lon)"),
    ];
    let order = prop_oneof![
        3 => Just(""),
        1 => Just(" ORDER BY time, lat, lon"),
        1 => Just(" ORDER BY time DESC, lat DESC, lon DESC"),
        1 => Just(" ORDER BY time DESC, lat, lon LIMIT 7"),
        1 => Just(" ORDER BY time, lat DESC, lon LIMIT 5 OFFSET 3"),
        1 => Just(" ORDER BY lat, time, lon"),
    ];
    (columns, prop::collection::vec(conditions(), 0..4), order).prop_map(
        |(columns, conditions, order)| {
            let filter = if conditions.is_empty() {
                String::new()
            } else {
                format!(" WHERE {}", conditions.join(" AND "))
            };
            let rows_only = columns == "*" || columns == "time, lat, lon, v";
            format!(
                "SELECT {columns} FROM cube{filter}{}",
                if rows_only { order } else { "" }
            )
        },
    )
}

fn context(options: CubeOptions, partitions: usize, batch: usize) -> SessionContext {
    let config = SessionConfig::new()
        .with_option_extension(options)
        .with_target_partitions(partitions)
        .with_batch_size(batch);
    SessionContext::new_with_config(config)
}

/// The rows as text, in order where the query asks for one.
async fn rows(context: &SessionContext, query: &str) -> Result<Vec<String>, String> {
    let batches = context
        .sql(query)
        .await
        .map_err(|e| e.to_string())?
        .collect()
        .await
        .map_err(|e| e.to_string())?;
    let mut rows: Vec<String> = batches.iter().flat_map(text).collect();
    if !query.contains("ORDER BY") {
        rows.sort_unstable();
    }
    Ok(rows)
}

fn text(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}

async fn compare(layout: Layout, queries: Vec<String>, batch: usize) -> Result<(), String> {
    let cubes = interpret(&group(&layout), "cube", &Options::new())
        .await
        .map_err(|e| e.to_string())?;
    let cube = Arc::new(cubes.into_iter().next().expect("the main cube"));
    let blocks = Arc::new(BlockCache::new(1 << 20, None));
    let table = Arc::new(CubeTable::new(cube, blocks));
    let pruned = context(CubeOptions::default(), 3, batch);
    let mut off = CubeOptions::default();
    (off.pruning, off.cache, off.distinct_axes, off.grid_order) = (false, false, false, false);
    let unpruned = context(off, 1, 8192);
    let copied = context(CubeOptions::default(), 1, 8192);
    pruned.register_table("cube", table.clone()).unwrap();
    unpruned.register_table("cube", table).unwrap();
    let all = unpruned
        .table("cube")
        .await
        .unwrap()
        .collect()
        .await
        .map_err(|e| e.to_string())?;
    let copy = MemTable::try_new(all[0].schema(), vec![all]).unwrap();
    copied.register_table("cube", Arc::new(copy)).unwrap();
    for query in &queries {
        let expected = rows(&copied, query)
            .await
            .map_err(|error| format!("{query}: on the copy: {error}"))?;
        for (name, context) in [("pruning on", &pruned), ("pruning off", &unpruned)] {
            let found = rows(context, query)
                .await
                .map_err(|error| format!("{query}: {name}: {error}"))?;
            if found != expected {
                let (found_rows, expected_rows) = (found.len(), expected.len());
                let first = found
                    .iter()
                    .zip(&expected)
                    .find(|(found, expected)| found != expected);
                return Err(format!(
                    "{query}: {name}: {found_rows} rows, not {expected_rows}; first difference {first:?}"
                ));
            }
        }
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "pruning::any_predicate_gives_the_same_rows",
        || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            let mut runner = TestRunner::new(Config {
                cases: 40,
                failure_persistence: None,
                ..Config::default()
            });
            let cases = (
                layouts(),
                prop::collection::vec(queries(), 6),
                prop_oneof![Just(5usize), Just(64), Just(8192)],
            );
            runner.run(&cases, |(layout, queries, batch)| {
                runtime
                    .block_on(compare(layout, queries, batch))
                    .map_err(TestCaseError::fail)
            })?;
            Ok(())
        },
    )]
}
