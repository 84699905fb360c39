//! Grid functions ask for those chunks of their sources alone that lie under what a query wants.
//!
//! ```text
//!  WATCHED format ─▶ cubes of 180 × 360 degrees, chunks of 20 × 30, that record what is fetched
//!       statement ─▶ chunks fetched  =  chunks under the cells that it names, plus the cells around
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use async_trait::async_trait;
use futures::TryStreamExt;
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::error::CubeResult;
use graticule_engine::source::{ArrayReader, Attributes, CubeFormat, Group, Location, Options};
use graticule_engine::{Engine, Session};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::watched::{Shape, Work, require, trial};

/// Steps of time, rows and columns of a cube, and of its chunks.
const SHAPE: Shape = Shape {
    cells: [4, 180, 360],
    chunk: [1, 20, 30],
    fetch: std::time::Duration::ZERO,
    decode: std::time::Duration::ZERO,
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("grid_windows::of_grids_fetch_what_is_under_them", on_grids),
        trial(
            "grid_windows::of_swaths_fetch_what_is_under_them",
            on_swaths,
        ),
        trial(
            "grid_windows::of_mosaics_fetch_what_is_under_them",
            on_mosaics,
        ),
    ]
}

/// A cube whose variable records what is asked of it.
#[derive(Debug)]
struct Cube {
    coordinates: Vec<Arc<dyn ArrayReader>>,
    variable: Arc<dyn ArrayReader>,
    work: Arc<Work>,
}

/// The cubes, by the numbers that the names of their files begin with.
#[derive(Debug)]
struct WatchedFormat {
    cubes: Vec<Cube>,
}

#[async_trait]
impl CubeFormat for WatchedFormat {
    fn name(&self) -> &'static str {
        "WATCHED"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".watched"]
    }

    fn is_directory(&self) -> bool {
        false
    }

    async fn open(&self, location: &Location, _options: &Options) -> CubeResult<Vec<Group>> {
        let name = location.path.filename().unwrap_or_default();
        let number: usize = name.trim_end_matches(".watched").parse().unwrap();
        let cube = &self.cubes[number];
        let mut arrays = cube.coordinates.clone();
        arrays.push(Arc::clone(&cube.variable));
        Ok(vec![Group {
            path: String::new(),
            attributes: Attributes::new(),
            arrays,
            url: location.url.clone(),
            format: "watched".to_string(),
            version: location.url.clone(),
        }])
    }
}

/// A session, and files that stand for cubes.
struct Watched {
    session: Session,
    folder: tempfile::TempDir,
    works: Vec<Arc<Work>>,
}

impl Watched {
    fn new(cubes: Vec<Cube>) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        for number in 0..cubes.len() {
            std::fs::write(folder.path().join(format!("{number}.watched")), "watched")?;
        }
        let works = cubes.iter().map(|cube| Arc::clone(&cube.work)).collect();
        let mut formats = graticule_connectors::formats();
        formats.push(Arc::new(WatchedFormat { cubes }));
        let engine = Engine::builder()
            .store_connectors(graticule_connectors::store_connectors())
            .formats(formats)
            .cache(0)
            .threads(1)
            .build()?;
        Ok(Self {
            session: engine.session(),
            folder,
            works,
        })
    }

    /// The chunks of each cube that `sql` fetches, in which `$0` stands for the file of the first cube.
    async fn fetched(&self, sql: &str) -> Result<Vec<BTreeSet<Vec<u64>>>, Failed> {
        let mut sql = sql.to_string();
        for number in 0..self.works.len() {
            let file = self.folder.path().join(format!("{number}.watched"));
            sql = sql.replace(&format!("${number}"), &format!("'{}'", file.display()));
        }
        let query = self.session.run(&sql).await?;
        let batches: Vec<_> = query.stream.try_collect().await?;
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        require(rows > 0, || format!("{sql} gives no row"))?;
        Ok(self.works.iter().map(|work| work.newly_fetched()).collect())
    }
}

fn axis(name: &str, attributes: serde_json::Value, places: Vec<f64>) -> Arc<dyn ArrayReader> {
    let length = places.len() as u64;
    let places: ArrayRef = Arc::new(Float64Array::from(places));
    let array = MemoryArray::new(name, &[name], &[length], places);
    array.with_attributes(attributes).shared()
}

fn times() -> Arc<dyn ArrayReader> {
    let attributes = json!({"units": "days since 2020-01-01", "standard_name": "time"});
    axis(
        "time",
        attributes,
        (0..SHAPE.cells[0]).map(|day| day as f64).collect(),
    )
}

/// The globe from `west` on, cells of a degree, from north to south.
fn globe(west: f64) -> Cube {
    let (variable, work) = SHAPE.variable(["time", "lat", "lon"]);
    let lat = (0..180).map(|row| 89.5 - f64::from(row)).collect();
    let lon = (0..360)
        .map(|column| west + 0.5 + f64::from(column))
        .collect();
    Cube {
        coordinates: vec![
            times(),
            axis("lat", json!({"units": "degrees_north"}), lat),
            axis("lon", json!({"units": "degrees_east"}), lon),
        ],
        variable,
        work,
    }
}

/// Each combination of some steps, chunks of rows and chunks of columns.
fn chunks(steps: &[u64], rows: &[u64], columns: &[u64]) -> BTreeSet<Vec<u64>> {
    let mut all = BTreeSet::new();
    for step in steps {
        for row in rows {
            all.extend(columns.iter().map(|column| vec![*step, *row, *column]));
        }
    }
    all
}

const ALL: [u64; 4] = [0, 1, 2, 3];

async fn on_grids() -> Result<(), Failed> {
    let watched = Watched::new(vec![globe(-180.0)])?;
    // Rows 40 to 59 are those from 50 to 30 degrees north, columns 180 to 209 those from 0 to 30 degrees east.
    for (sql, expected) in [
        (
            "SELECT count(v) FROM reproject($0, resolution => 0.5, bbox => [2, 32, 8, 48])",
            chunks(&ALL, &[2], &[6]),
        ),
        // The cells around the outermost centres lie in the next chunks.
        (
            "SELECT count(v) FROM reproject($0, resolution => 0.5, bbox => [0, 32, 8, 48])",
            chunks(&ALL, &[2], &[5, 6]),
        ),
        (
            "SELECT count(v) FROM reproject($0, resolution => 0.5, bbox => [2, 32, 8, 48], method => 'nearest')",
            chunks(&ALL, &[2], &[6]),
        ),
        // Over the seam.
        (
            "SELECT count(v) FROM reproject($0, resolution => 0.5, bbox => [178, 32, 182, 48])",
            chunks(&ALL, &[2], &[0, 11]),
        ),
        (
            "SELECT count(v) FROM reproject($0, resolution => 0.5, bbox => [2, 32, 8, 48]) WHERE time = '2020-01-03'",
            chunks(&[2], &[2], &[6]),
        ),
        // Around 10 degrees east and 40 north of Lambert's equal areas.
        (
            "SELECT count(v) FROM reproject($0, crs => 'EPSG:3035', resolution => 10000, bbox => [4221000, 1800000, 4421000, 2000000])",
            chunks(&ALL, &[2], &[6]),
        ),
    ] {
        let found = &watched.fetched(sql).await?[0];
        require(*found == expected, || format!("{sql}: {found:?}"))?;
    }
    // Cells of tiles of the new grid that a predicate leaves out, or a limit does not reach, cost nothing.
    let whole = "reproject($0, resolution => 0.25, bbox => [-180, -90, 180, 90])";
    let all = watched
        .fetched(&format!("SELECT count(v) FROM {whole}"))
        .await?;
    let all = all[0].len();
    require(all == 4 * 9 * 12, || format!("{all} chunks of all"))?;
    for (what, of_all) in [
        (
            "count(v) FROM WHOLE WHERE lat BETWEEN 41 AND 49 AND lon BETWEEN 1 AND 9",
            2,
        ),
        ("count(v) FROM WHOLE WHERE time = '2020-01-02'", 4),
        ("v FROM WHOLE LIMIT 10", 2),
        (
            "count(v) FROM coarsen($0, lat => 2, lon => 2) WHERE time = '2020-01-02'",
            4,
        ),
    ] {
        let sql = format!("SELECT {}", what.replace("WHOLE", whole));
        let found = watched.fetched(&sql).await?[0].len();
        let is_part = found > 0 && found * of_all <= all;
        require(is_part, || format!("{sql}: {found} of {all} chunks"))?;
    }
    Ok(())
}

/// A swath that runs from north to south, its columns turned a little.
fn swath() -> Cube {
    let (variable, work) = SHAPE.variable(["time", "y", "x"]);
    let places = |place: &dyn Fn(f64, f64) -> f64| -> ArrayRef {
        let cells = (0..180).flat_map(|row| (0..360).map(move |column| (row, column)));
        let places = cells.map(|(row, column)| place(f64::from(row), f64::from(column)));
        Arc::new(Float64Array::from_iter_values(places))
    };
    let array = |name: &str, units: &str, values: ArrayRef| -> Arc<dyn ArrayReader> {
        let array = MemoryArray::new(name, &["y", "x"], &[180, 360], values);
        array
            .with_attributes(json!({"units": units, "standard_name": name}))
            .shared()
    };
    let north = |row: f64, column: f64| 60.0 - 0.1 * row + 0.002 * column;
    let east = |row: f64, column: f64| 0.1 * column + 0.002 * row;
    Cube {
        coordinates: vec![
            times(),
            array("latitude", "degrees_north", places(&north)),
            array("longitude", "degrees_east", places(&east)),
        ],
        variable,
        work,
    }
}

async fn on_swaths() -> Result<(), Failed> {
    let watched = Watched::new(vec![swath()])?;
    // Rows 45 to 55 and columns 100 to 110, and what is turned: in the chunks of rows 40 to 59 and columns 90 to 119.
    let sql =
        "SELECT count(v) FROM rectify($0, resolution => 0.1, bbox => [10.2, 54.8, 11.0, 55.6])";
    let found = &watched.fetched(sql).await?[0];
    let expected = chunks(&ALL, &[2], &[3]);
    require(*found == expected, || format!("{sql}: {found:?}"))
}

async fn on_mosaics() -> Result<(), Failed> {
    // The second lies east of the first.
    let watched = Watched::new(vec![globe(-180.0), globe(180.0)])?;
    for (sql, first, second) in [
        (
            "SELECT count(v) FROM mosaic($0, $1) WHERE lon BETWEEN 1 AND 29 AND lat BETWEEN 31 AND 49",
            chunks(&ALL, &[2], &[6]),
            BTreeSet::new(),
        ),
        (
            "SELECT count(v) FROM mosaic($0, $1) WHERE lon BETWEEN 170 AND 190 AND lat BETWEEN 31 AND 49 AND time = '2020-01-01'",
            chunks(&[0], &[2], &[11]),
            chunks(&[0], &[2], &[0]),
        ),
    ] {
        let found = watched.fetched(sql).await?;
        let is_right = found[0] == first && found[1] == second;
        require(is_right, || format!("{sql}: {found:?}"))?;
    }
    Ok(())
}
