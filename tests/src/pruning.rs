//! Any predicate over axes and values gives the same rows with pruning on, with pruning off, and on
//! a plain copy of the cube's rows that DataFusion filters and sorts by itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array};
use datafusion::datasource::MemTable;
use graticule_engine::cache::BlockCache;
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use graticule_engine::source::{Attributes, Group};
use libtest_mimic::Trial;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::synthetic::{cube, rows, session};

/// The calendar of the time axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Calendar {
    Standard,
    Days360,
}

impl Calendar {
    /// A day after 2001-01-01, as SQL writes it.
    fn date(self, day: i64) -> String {
        match self {
            Self::Standard => format!("TIMESTAMP '2001-01-01' + INTERVAL '{day} days'"),
            Self::Days360 => {
                let (year, month, day) = (2001 + day / 360, day / 30 % 12 + 1, day % 30 + 1);
                format!("'{year}-{month:02}-{day:02}'")
            }
        }
    }

    /// The start of that day's month.
    fn month(self, day: i64) -> String {
        match self {
            Self::Standard => format!("date_trunc('month', {})", self.date(day)),
            Self::Days360 => self.date(day / 30 * 30),
        }
    }
}

/// The order of the coordinates along an axis.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Ascending,
    Descending,
    /// In no order, from three cells on: even steps first, then the odd ones backwards.
    Shuffled,
    /// Every coordinate but the middle ones twice, in no order.
    Repeated,
}

impl Order {
    fn steps(self, length: u64) -> Vec<u64> {
        match self {
            Self::Ascending => (0..length).collect(),
            Self::Descending => (0..length).rev().collect(),
            Self::Shuffled => {
                let even = (0..length).filter(|step| step % 2 == 0);
                even.chain((0..length).rev().filter(|step| step % 2 == 1))
                    .collect()
            }
            Self::Repeated => (0..length).map(|step| step % (length / 2 + 1)).collect(),
        }
    }
}

/// How one synthetic cube is cut, and what its axes are like.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) shape: [u64; 3],
    pub(crate) chunks: [u64; 3],
    pub(crate) other_chunks: [u64; 3],
    pub(crate) orders: [Order; 3],
    pub(crate) calendar: Calendar,
    /// Longitudes from 0 to 330 around the globe, rather than a few degrees around Greenwich.
    around_the_globe: bool,
}

pub(crate) fn layouts(calendar: Calendar) -> impl Strategy<Value = Layout> {
    let axis =
        |longest: u64| (1..=longest).prop_flat_map(|length| (Just(length), 1..=length, 1..=length));
    let order = prop_oneof![
        3 => Just(Order::Ascending),
        2 => Just(Order::Descending),
        1 => Just(Order::Shuffled),
    ];
    let orders = prop::array::uniform3(order);
    (axis(40), axis(9), axis(12), orders, any::<bool>()).prop_map(
        move |(time, lat, lon, orders, around_the_globe)| Layout {
            shape: [time.0, lat.0, lon.0],
            chunks: [time.1, lat.1, lon.1],
            other_chunks: [time.2, lat.2, lon.2],
            orders,
            calendar,
            around_the_globe,
        },
    )
}

/// A cube of `v` and `w` (chunked differently, with gaps and a chunk that is not stored), `turned`
/// with its dimensions the other way round, a mask over lat and lon, a series over time and a constant.
pub(crate) fn group(layout: &Layout) -> Group {
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
    let steps = |axis: usize| layout.orders[axis].steps(layout.shape[axis]).into_iter();
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(
        steps(0).map(|step| step as i64 * 17),
    ));
    let lats: ArrayRef = Arc::new(Float64Array::from_iter_values(
        steps(1).map(|step| 50.0 + step as f64 * 0.5),
    ));
    let longitude = |step: u64| match layout.around_the_globe {
        true => step as f32 * 30.0,
        false => step as f32 - 4.0,
    };
    let lons: ArrayRef = Arc::new(Float32Array::from_iter_values(steps(2).map(longitude)));
    let calendar = match layout.calendar {
        Calendar::Standard => "standard",
        Calendar::Days360 => "360_day",
    };
    let all = ["time", "lat", "lon"];
    let backwards = |[time, lat, lon]: [u64; 3]| [lon, lat, time];
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
                serde_json::json!({"units": "days since 2001-01-01", "calendar": calendar}),
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
            MemoryArray::floats(
                "turned",
                &["lon", "lat", "time"],
                &backwards(layout.shape),
                floats(2.0),
            )
            .with_chunks(&backwards(layout.other_chunks))
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

/// A longitude near Greenwich or anywhere on the globe, also beyond one turn.
pub(crate) fn longitudes() -> BoxedStrategy<i32> {
    prop_oneof![-6i32..9, (-8i32..15).prop_map(|step| step * 30)].boxed()
}

/// A latitude in and around the grid.
pub(crate) fn latitudes() -> impl Strategy<Value = f64> + Clone {
    (-2i32..22).prop_map(|step| 50.0 + f64::from(step) * 0.25)
}

/// A test of the grid's points against a triangle or a box.
fn shapes() -> impl Strategy<Value = String> {
    let corner = || (longitudes(), latitudes());
    let triangle = (corner(), corner(), corner()).prop_map(|(a, b, c)| vec![a, b, c]);
    let rectangle = (corner(), corner()).prop_map(|((west, south), (east, north))| {
        vec![(west, south), (east, south), (east, north), (west, north)]
    });
    let geometry = prop_oneof![triangle, rectangle].prop_map(|mut corners| {
        corners.extend(corners.first().copied());
        let corners: Vec<String> = corners.iter().map(|(x, y)| format!("{x} {y}")).collect();
        format!("ST_GeomFromText('POLYGON (({}))')", corners.join(", "))
    });
    (geometry, 0..4).prop_map(|(geometry, test)| match test {
        0 => format!("ST_Contains({geometry}, ST_Point(lon, lat))"),
        1 => format!("ST_Within(ST_Point(lon, lat), {geometry})"),
        2 => format!("ST_Intersects(ST_Point(lon, lat), {geometry})"),
        _ => format!("ST_Covers({geometry}, ST_Point(lon, lat))"),
    })
}

/// One condition on coordinates.
fn on_axes(calendar: Calendar) -> impl Strategy<Value = String> {
    let day = || prop_oneof![0i64..700, (0i64..40).prop_map(|step| step * 17)];
    let list = |values: Vec<String>| values.join(", ");
    let texts = |values: Vec<i32>| values.iter().map(ToString::to_string).collect();
    prop_oneof![
        (comparisons(), day())
            .prop_map(move |(op, day)| format!("time {op} {}", calendar.date(day))),
        (day(), day()).prop_map(move |(low, high)| format!(
            "time BETWEEN {} AND {}",
            calendar.date(low),
            calendar.date(high)
        )),
        prop::collection::vec(day(), 1..4).prop_map(move |days| format!(
            "time IN ({})",
            list(days.into_iter().map(|day| calendar.date(day)).collect())
        )),
        (1u32..13, comparisons())
            .prop_map(|(month, op)| format!("date_part('month', time) {op} {month}")),
        day().prop_map(move |day| format!("date_trunc('month', time) = {}", calendar.month(day))),
        prop_oneof![Just("DJF"), Just("MAM"), Just("JJA"), Just("SON")]
            .prop_map(|season| format!("season(time) = '{season}'")),
        (comparisons(), latitudes()).prop_map(|(op, lat)| format!("lat {op} {lat}")),
        (longitudes(), longitudes())
            .prop_map(|(low, high)| format!("lon BETWEEN {low} AND {high}")),
        prop::collection::vec(longitudes(), 1..4)
            .prop_map(move |values| format!("lon IN ({})", list(texts(values)))),
        (longitudes(), longitudes())
            .prop_map(|(west, east)| format!("lon_between(lon, {west}, {east})")),
        (longitudes(), longitudes(), latitudes(), latitudes()).prop_map(
            |(west, east, south, north)| format!(
                "in_box(lon, lat, {west}, {}, {east}, {})",
                south.min(north),
                south.max(north)
            )
        ),
        shapes(),
        shapes(),
        (comparisons(), -5i32..60).prop_map(|(op, sum)| format!("lat + lon {op} {sum}")),
        (comparisons(), -5i32..60)
            .prop_map(|(op, sum)| format!("extract(day from time) + lon {op} {sum}")),
        (comparisons(), comparisons())
            .prop_map(|(first, second)| format!("(lon {first} 0 OR lat {second} 51)")),
        Just("false".to_string()),
        Just("lon = NULL".to_string()),
    ]
}

/// One condition on values.
fn on_values() -> impl Strategy<Value = String> {
    prop_oneof![
        (comparisons(), 0i32..100).prop_map(|(op, value)| format!("v {op} {value}")),
        (comparisons(), 0i32..50).prop_map(|(op, value)| format!("w * 2 - v {op} {value}")),
        (comparisons(), 0i32..200).prop_map(|(op, value)| format!("turned {op} {value}")),
        Just("v IS NULL".to_string()),
        Just("w IS NOT NULL AND mask = 1".to_string()),
        Just("mask <> 1".to_string()),
        comparisons().prop_map(|op| format!("series {op} 1.5")),
        Just("height = 2".to_string()),
    ]
}

fn comparisons() -> impl Strategy<Value = &'static str> + Clone {
    prop_oneof![
        Just("<"),
        Just("<="),
        Just("="),
        Just(">="),
        Just(">"),
        Just("<>")
    ]
}

/// One condition of a WHERE clause.
pub(crate) fn conditions(calendar: Calendar) -> impl Strategy<Value = String> {
    let plain = prop_oneof![3 => on_axes(calendar).boxed(), 1 => on_values().boxed()];
    (plain, 0..5).prop_map(|(condition, kind)| match kind {
        0 => format!("NOT ({condition})"),
        _ => condition,
    })
}

fn queries(calendar: Calendar) -> impl Strategy<Value = String> {
    let columns = prop_oneof![
        Just("*"),
        Just("count(*)"),
        Just("time, lat, lon, v"),
        Just("w, mask, lon"),
        Just("turned, v, time"),
        Just("count(v), min(w), max(mask), min(lat), max(time), max(series), sum(turned)"),
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
    let conditions = prop::collection::vec(conditions(calendar), 0..4);
    (columns, conditions, order).prop_map(|(columns, conditions, order)| {
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
    })
}

async fn compare(layout: Layout, queries: Vec<String>, batch: usize) -> Result<(), String> {
    let cube = cube(&group(&layout)).await;
    let blocks = Arc::new(BlockCache::new(1 << 20, None));
    let table = Arc::new(CubeTable::new(cube, blocks));
    let pruned = session(CubeOptions::default(), 3, batch);
    let mut off = CubeOptions::default();
    (off.pruning, off.cache, off.distinct_axes, off.grid_order) = (false, false, false, false);
    let unpruned = session(off, 1, 8192);
    let copied = session(CubeOptions::default(), 1, 8192);
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
                cases: 60,
                failure_persistence: None,
                ..Config::default()
            });
            let calendars =
                prop_oneof![2 => Just(Calendar::Standard), 1 => Just(Calendar::Days360)];
            let cases = calendars.prop_flat_map(|calendar| {
                (
                    layouts(calendar),
                    prop::collection::vec(queries(calendar), 6),
                    prop_oneof![Just(5usize), Just(64), Just(8192)],
                )
            });
            runner.run(&cases, |(layout, queries, batch)| {
                runtime
                    .block_on(compare(layout, queries, batch))
                    .map_err(TestCaseError::fail)
            })?;
            Ok(())
        },
    )]
}
