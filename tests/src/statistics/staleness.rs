//! A chunk that changes after ANALYZE is read again, however the change is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use futures::TryStreamExt;
use graticule_engine::Engine;
use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables};
use crate::watched::until;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("statistics::changed_chunks_are_read_again", || {
            block_on(changed_chunks_are_read_again())
        }),
        Trial::test("statistics::a_cube_that_grows_keeps_what_is_known", || {
            block_on(a_cube_that_grows_keeps_what_is_known())
        }),
        Trial::test("statistics::queries_leave_them_behind_where_asked", || {
            block_on(queries_leave_them_behind_where_asked())
        }),
        Trial::test("statistics::a_cancelled_analysis_leaves_nothing", || {
            block_on(a_cancelled_analysis_leaves_nothing())
        }),
    ]
}

pub(super) fn block_on(trial: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(trial)
}

/// A session of an engine that keeps its statistics in `$SCRATCH/statistics`.
pub(super) fn client() -> Result<Client, Failed> {
    let variables = Variables::of("")?;
    Ok(Client::new(&engine(&variables)?, variables))
}

pub(super) fn engine(variables: &Variables) -> Result<Engine, Failed> {
    Ok(Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .statistics_folder(variables.to_folders("$SCRATCH/statistics"))
        .build()?)
}

pub(super) fn cube(client: &Client) -> PathBuf {
    PathBuf::from(client.variables.to_folders("$SCRATCH/c.zarr"))
}

/// A Zarr 2 cube of `chunks` chunks of three cells each.
pub(super) fn write_cube(folder: &Path, chunks: &[[i16; 3]]) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("v"))?;
    fs::write(folder.join(".zgroup"), r#"{"zarr_format": 2}"#)?;
    write_attributes(folder, 10.0)?;
    let length = 3 * chunks.len();
    fs::write(
        folder.join("v/.zarray"),
        format!(
            r#"{{"zarr_format": 2, "shape": [{length}], "chunks": [3], "dtype": "<i2",
            "compressor": null, "fill_value": -1, "order": "C", "filters": null}}"#
        ),
    )?;
    for (number, chunk) in chunks.iter().enumerate() {
        write_chunk(folder, number, *chunk)?;
    }
    Ok(())
}

fn write_attributes(folder: &Path, scale: f64) -> std::io::Result<()> {
    let attributes = format!(r#"{{"_ARRAY_DIMENSIONS": ["x"], "scale_factor": {scale:?}}}"#);
    fs::write(folder.join("v/.zattrs"), attributes)
}

fn bytes(values: [i16; 3]) -> Vec<u8> {
    values.map(i16::to_le_bytes).concat()
}

fn write_chunk(folder: &Path, number: usize, values: [i16; 3]) -> std::io::Result<()> {
    fs::write(folder.join(format!("v/{number}")), bytes(values))
}

/// Smallest and largest value, number of values and of values above 100.
pub(super) async fn ask(client: &Client) -> Result<(f64, f64, i64, i64), Failed> {
    let sql =
        "SELECT CAST(min(v) AS DOUBLE), CAST(max(v) AS DOUBLE), count(v) FROM '$SCRATCH/c.zarr'";
    let (_, batches) = client.run(sql).await?;
    let batch = batches.first().ok_or("no rows")?;
    let float = |column: usize| batch.column(column).as_primitive::<Float64Type>().value(0);
    let sql = "SELECT count(*) FROM '$SCRATCH/c.zarr' WHERE v > 100";
    let (_, above) = client.run(sql).await?;
    let above = above.first().ok_or("no rows")?;
    let whole = |batch: &arrow::array::RecordBatch, column: usize| {
        batch.column(column).as_primitive::<Int64Type>().value(0)
    };
    Ok((float(0), float(1), whole(batch, 2), whole(above, 0)))
}

/// How many chunks `ANALYZE` reads.
pub(super) async fn analyze(client: &Client) -> Result<i64, Failed> {
    let (_, batches) = client.run("ANALYZE '$SCRATCH/c.zarr'").await?;
    let batch = batches.first().ok_or("no rows")?;
    Ok(batch.column(2).as_primitive::<Int64Type>().value(0))
}

type Change = fn(&Path) -> std::io::Result<()>;

/// What happens to chunk 1, which was 4, 5, 6, and what is there afterwards.
const CHANGES: &[(&str, Change, (f64, f64, i64, i64))] = &[
    (
        "rewritten with as many bytes",
        |folder| write_chunk(folder, 1, [40, 5, 6]),
        (10.0, 400.0, 9, 1),
    ),
    (
        "rewritten with as many bytes and the time of the last change set back",
        |folder| {
            let file = folder.join("v/1");
            let before = fs::metadata(&file)?.modified()?;
            write_chunk(folder, 1, [40, 5, 6])?;
            fs::File::options()
                .write(true)
                .open(&file)?
                .set_modified(before)
        },
        (10.0, 400.0, 9, 1),
    ),
    (
        "replaced by another file with the same time",
        |folder| {
            let file = folder.join("v/1");
            let before = fs::metadata(&file)?.modified()?;
            fs::write(folder.join("v/new"), bytes([4, 50, 60]))?;
            fs::File::options()
                .write(true)
                .open(folder.join("v/new"))?
                .set_modified(before)?;
            fs::rename(folder.join("v/new"), file)
        },
        (10.0, 600.0, 9, 2),
    ),
    (
        "removed, so that its cells are missing",
        |folder| fs::remove_file(folder.join("v/1")),
        (10.0, 90.0, 6, 0),
    ),
    (
        "scaled in another way, by its attributes alone",
        |folder| write_attributes(folder, 20.0),
        (20.0, 180.0, 9, 4),
    ),
];

async fn changed_chunks_are_read_again() -> Result<(), Failed> {
    for (change, make, expected) in CHANGES {
        let client = client()?;
        let folder = cube(&client);
        write_cube(&folder, &[[1, 2, 3], [4, 5, 6], [7, 8, 9]])?;
        assert_eq!(analyze(&client).await?, 3, "{change}");
        assert_eq!(ask(&client).await?, (10.0, 90.0, 9, 0), "{change}");
        make(&folder)?;
        assert_eq!(&ask(&client).await?, expected, "{change}");
        // And what is known is brought up to date.
        let read = analyze(&client).await?;
        assert_eq!(
            read,
            if change.starts_with("scaled") { 3 } else { 1 },
            "{change}"
        );
        assert_eq!(&ask(&client).await?, expected, "{change}");
        assert_eq!(analyze(&client).await?, 0, "{change}");
        // Without reading: the chunks could not be decoded.
        for number in 0..3 {
            let file = folder.join(format!("v/{number}"));
            if file.exists() {
                fs::write(&file, "x")?;
            }
        }
        assert!(
            ask(&client).await.is_err(),
            "{change}: damaged chunks were not read"
        );
    }
    Ok(())
}

async fn a_cube_that_grows_keeps_what_is_known() -> Result<(), Failed> {
    let client = client()?;
    let folder = cube(&client);
    let chunks = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [30, 31, -1]];
    write_cube(&folder, &chunks[..3])?;
    assert_eq!(analyze(&client).await?, 3);
    let metadata = fs::read_to_string(folder.join("v/.zarray"))?;
    fs::write(folder.join("v/.zarray"), metadata.replace("[9]", "[12]"))?;
    write_chunk(&folder, 3, chunks[3])?;
    assert_eq!(ask(&client).await?, (10.0, 310.0, 11, 2));
    assert_eq!(analyze(&client).await?, 1);
    assert_eq!(ask(&client).await?, (10.0, 310.0, 11, 2));
    Ok(())
}

async fn a_cancelled_analysis_leaves_nothing() -> Result<(), Failed> {
    let client = client()?;
    let chunks: Vec<[i16; 3]> = (0..4000).map(|n| [n, n + 1, n + 2]).collect();
    write_cube(&cube(&client), &chunks)?;
    let statement = client.variables.to_folders("ANALYZE '$SCRATCH/c.zarr'");
    let engine = engine(&client.variables)?;
    let query = engine.session().run(&statement).await?;
    let progress = Arc::clone(&query.progress);
    let done = || progress.snapshot().chunks_done as usize;
    let running = tokio::spawn(query.stream.try_collect::<Vec<_>>());
    until(100, done).await?;
    running.abort();
    let stopped = running.await.is_err_and(|error| error.is_cancelled());
    assert!(stopped, "the analysis was done before it was cancelled");
    let dropped = done();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let later = done();
    assert!(
        later < dropped + 32,
        "{dropped} chunks at the drop, {later} later"
    );
    assert!(later < chunks.len());
    let folder = PathBuf::from(client.variables.to_folders("$SCRATCH/statistics"));
    assert_eq!(files_below(&folder)?, 0);
    // A later one starts again, and its statistics are right.
    assert_eq!(analyze(&client).await?, 4000);
    assert_eq!(files_below(&folder)?, 1);
    assert_eq!(ask(&client).await?, (0.0, 40_010.0, 12_000, 11_970));
    Ok(())
}

/// Files in a folder and the folders in it; none where it does not exist.
fn files_below(folder: &Path) -> std::io::Result<usize> {
    if !folder.exists() {
        return Ok(0);
    }
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        count += if path.is_dir() {
            files_below(&path)?
        } else {
            1
        };
    }
    Ok(count)
}

async fn queries_leave_them_behind_where_asked() -> Result<(), Failed> {
    for (asked, read) in [(false, 3), (true, 1)] {
        let client = client()?;
        let folder = cube(&client);
        write_cube(&folder, &[[1, 2, 3], [4, 5, 6], [7, 8, 9]])?;
        // The clock of the file system ticks: what was just written is not recorded.
        tokio::time::sleep(Duration::from_millis(100)).await;
        client
            .run(&format!("SET cube.collect_statistics = {asked}"))
            .await?;
        client
            .run("SELECT sum(v) FROM '$SCRATCH/c.zarr' WHERE x < 6")
            .await?;
        assert_eq!(analyze(&client).await?, read, "asked: {asked}");
        assert_eq!(ask(&client).await?, (10.0, 90.0, 9, 0), "asked: {asked}");
    }
    Ok(())
}
