//! Tables of regions, and random joins of a cube with them: polygons, boxes of coordinates, cells.
//!
//! ```text
//!  shapes() ─┐
//!  bounds() ─┼─▶ Region ─▶ table()      CONDITIONS ─▶ FROM cube JOIN regions ON …
//!  cells() ──┘
//! ```
//! Vertices and bounds lie on the grid's coordinates as often as beside them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use proptest::prelude::*;
use proptest::sample::select;

use super::statements::{Source, Statement};
use crate::pruning::{Calendar, conditions, latitudes, longitudes};

/// One row of a table of regions.
#[derive(Debug, Clone)]
pub(super) struct Region {
    name: &'static str,
    kind: i64,
    shape: String,
    /// Two latitudes and two longitudes, in any order, some of them missing.
    bounds: [Option<f64>; 4],
    /// Coordinates of a cell of the grid, or of none.
    cell: (Option<f64>, f32),
    /// Days.
    begins: i64,
    ends: i64,
}

fn rectangle((west, south): (i32, f64), width: i32, height: f64) -> String {
    let (east, north) = (west + width, south + height);
    format!("({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south})")
}

fn shapes() -> impl Strategy<Value = String> {
    let corner = || (longitudes(), latitudes());
    let size = || (1i32..9, (1i32..12).prop_map(|step| f64::from(step) * 0.25));
    prop_oneof![
        3 => (corner(), corner(), corner()).prop_map(|((a, b), (c, d), (e, f))| {
            format!("POLYGON (({a} {b}, {c} {d}, {e} {f}, {a} {b}))")
        }),
        2 => (corner(), size()).prop_map(|(corner, (width, height))| {
            format!("POLYGON ({})", rectangle(corner, width * 10, height))
        }),
        // A hole.
        2 => (corner(), size()).prop_map(|((west, south), (width, height))| {
            let outer = rectangle((west, south), width + 2, height + 1.0);
            let hole = rectangle((west + 1, south + 0.5), width, height);
            format!("POLYGON ({outer}, {hole})")
        }),
        // Two parts.
        2 => (corner(), size()).prop_map(|((west, south), (width, height))| {
            let one = rectangle((west, south), width, height);
            let other = rectangle((west + width + 1, south - 0.25), width, height);
            format!("MULTIPOLYGON (({one}), ({other}))")
        }),
        1 => corner().prop_map(|(x, y)| format!("POINT ({x} {y})")),
        1 => (corner(), corner()).prop_map(|((a, b), (c, d))| format!("LINESTRING ({a} {b}, {c} {d})")),
    ]
}

fn region() -> impl Strategy<Value = Region> {
    let bound = |values: BoxedStrategy<f64>| prop::option::weighted(0.95, values);
    let latitude = || bound(latitudes().boxed());
    let longitude = || bound(longitudes().prop_map(f64::from).boxed());
    let cell_latitude = prop::option::weighted(
        0.9,
        (-1i32..10).prop_map(|step| 50.0 + f64::from(step) * 0.5),
    );
    let cell = (
        cell_latitude,
        longitudes().prop_map(|longitude| longitude as f32),
    );
    let days = (0i64..700, 0i64..400);
    let name = select(&["a", "b", "c", "d"][..]);
    let bounds = (latitude(), latitude(), longitude(), longitude());
    (name, 0i64..3, shapes(), bounds, cell, days).prop_map(
        |(name, kind, shape, (south, north, west, east), cell, (begins, days))| Region {
            name,
            kind,
            shape,
            bounds: [south, north, west, east],
            cell,
            begins,
            ends: begins + days,
        },
    )
}

/// A few regions, or cells by the dozen.
pub(super) fn regions() -> impl Strategy<Value = Vec<Region>> {
    prop_oneof![
        4 => prop::collection::vec(region(), 0..6),
        1 => prop::collection::vec(region(), 30..60),
    ]
}

/// The table of regions.
pub(super) fn table(regions: &[Region]) -> MemTable {
    let texts = |of: &dyn Fn(&Region) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(regions.iter().map(of)))
    };
    let floats = |of: &dyn Fn(&Region) -> Option<f64>| -> ArrayRef {
        Arc::new(regions.iter().map(of).collect::<Float64Array>())
    };
    let integers = |of: &dyn Fn(&Region) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(regions.iter().map(of)))
    };
    let longitudes = Float32Array::from_iter_values(regions.iter().map(|region| region.cell.1));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("name", texts(&|region| region.name.to_string()), true),
        ("kind", integers(&|region| region.kind), true),
        ("shape", texts(&|region| region.shape.clone()), true),
        ("south", floats(&|region| region.bounds[0]), true),
        ("north", floats(&|region| region.bounds[1]), true),
        ("west", floats(&|region| region.bounds[2]), true),
        ("east", floats(&|region| region.bounds[3]), true),
        ("at_lat", floats(&|region| region.cell.0), true),
        ("at_lon", Arc::new(longitudes), true),
        ("begins", integers(&|region| region.begins), true),
        ("ends", integers(&|region| region.ends), true),
    ])
    .unwrap();
    MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap()
}

const POINT: &str = "ST_Point(lon, lat)";

/// What selects cells; `{shape}` is a geometry and `{point}` a cell.
const CONDITIONS: &[&str] = &[
    "ST_Contains({shape}, {point})",
    "ST_Contains({shape}, {point})",
    "ST_Within({point}, {shape})",
    "ST_Intersects({point}, {shape})",
    "ST_Intersects({shape}, {point})",
    "ST_Covers({shape}, {point})",
    "ST_CoveredBy({point}, {shape})",
    "ST_Contains({shape}, {point}) AND lat > south",
    "ST_Intersects({shape}, ST_Point(lon - 2, lat + 0.25))",
    "ST_Contains({shape}, ST_Point(CASE WHEN lon > 180 THEN lon - 360 ELSE lon END, lat))",
    "ST_Contains({shape}, ST_Point(lat, lon))",
    "ST_Covers({shape}, {point}) AND date_part('month', time) > kind * 3",
    "lat BETWEEN south AND north AND lon BETWEEN west AND east",
    "lat BETWEEN south AND north",
    "lat >= south AND lon < east AND lon <> at_lon",
    "lon BETWEEN least(west, east) AND greatest(west, east)",
    "lat = at_lat AND lon = at_lon",
    "lat = at_lat AND lon = at_lon",
    "lon = at_lon",
    "(lat IS NOT DISTINCT FROM at_lat) AND lon = at_lon",
    "date_part('month', time) = kind",
    "lat = at_lat AND date_part('year', time) = 2001 + kind",
    "lat BETWEEN south AND north AND date_part('doy', time) BETWEEN begins % 300 AND ends % 300",
    "(lat - at_lat) * (lat - at_lat) + (lon - at_lon) * (lon - at_lon) < 9",
    "abs(lat + lon - south - west) < 4 OR lat = north",
    "lat BETWEEN south AND north AND v > kind * 30",
    "lat = at_lat AND i8 = kind",
];

fn condition() -> impl Strategy<Value = String> {
    let shape = select(&["ST_GeomFromText(shape)", "shape"][..]);
    (select(CONDITIONS), shape).prop_map(|(condition, shape)| {
        condition
            .replace("{shape}", shape)
            .replace("{point}", POINT)
    })
}

const KEYS: &[&str] = &[
    "name",
    "name",
    "kind",
    "name || kind",
    "south",
    "at_lat",
    "kind + 1",
];

/// Aggregates over the cells of regions.
pub(super) fn source() -> impl Strategy<Value = Source> {
    let tables = select(&["cube JOIN regions", "regions JOIN cube"][..]);
    (tables, condition()).prop_map(|(tables, condition)| Source {
        from: format!("{tables} ON {condition}"),
        keys: KEYS,
    })
}

/// Rows of joins, all columns of which are keys.
pub(super) fn rows(calendar: Calendar) -> impl Strategy<Value = Statement> {
    let joins = [
        ("cube JOIN regions ON {on}", true, true),
        ("regions JOIN cube ON {on}", true, true),
        ("regions LEFT JOIN cube ON {on}", true, true),
        ("cube RIGHT JOIN regions ON {on}", true, true),
        ("cube LEFT JOIN regions ON {on}", true, true),
        ("cube FULL JOIN regions ON {on}", true, true),
        (
            "cube WHERE EXISTS (SELECT 1 FROM regions WHERE {on})",
            true,
            false,
        ),
        (
            "cube WHERE NOT EXISTS (SELECT 1 FROM regions WHERE {on})",
            true,
            false,
        ),
        (
            "regions WHERE EXISTS (SELECT 1 FROM cube WHERE {on})",
            false,
            true,
        ),
        (
            "regions WHERE NOT EXISTS (SELECT 1 FROM cube WHERE {on})",
            false,
            true,
        ),
        (
            "(SELECT *, 7 AS seven FROM cube) RIGHT JOIN regions ON {on}",
            true,
            true,
        ),
    ];
    let filter = prop::option::weighted(0.5, conditions(calendar));
    (select(joins.to_vec()), condition(), filter).prop_map(
        |((from, cells, regions), on, filter)| {
            let mut columns = Vec::new();
            if cells {
                columns.extend(["time", "lat", "lon", "v", "i8", "v + w", "mask"]);
            }
            if cells && regions {
                columns.push("v + kind");
            }
            if regions {
                columns.extend(["name", "kind", "shape", "south"]);
            }
            if from.contains("seven") {
                columns.push("seven");
            }
            let keys = columns.len();
            let mut sql = format!(
                "SELECT {} FROM {}",
                columns.join(", "),
                from.replace("{on}", &on)
            );
            if let Some(filter) = filter.filter(|_| cells) {
                let word = if from.contains("WHERE") {
                    "AND"
                } else {
                    "WHERE"
                };
                sql += &format!(" {word} {filter}");
            }
            Statement {
                sql,
                keys,
                tolerances: Vec::new(),
            }
        },
    )
}
