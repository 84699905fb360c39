//! Sets of references against xarray, which reads the files that they lead to: `tests/oracle/kerchunk_sets.py`.
//!
//! What is wrong with a set is tested in `tests/slt/catalogue/kerchunk.slt`, sets in stores in `stores/references.rs`.

use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use futures::TryStreamExt;
use graticule_engine::Session;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::client::engine;
use crate::oracle::oracle;

const ORACLE: &str = "kerchunk_sets.py";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("kerchunk::cells_are_those_of_xarray", || wait(cells())),
        Trial::test("kerchunk::broken_sets_do_not_panic", || wait(broken())),
    ]
}

fn wait(trial: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(trial)
}

async fn run(session: &Session, query: &str) -> Result<Vec<RecordBatch>, Failed> {
    Ok(session.run(query).await?.stream.try_collect().await?)
}

/// Makes the set in `file` the store or table `name`, and names what is meant of it.
async fn attach(session: &Session, name: &str, file: &Path, table: &str) -> Result<String, Failed> {
    let place = file.display();
    if table.is_empty() {
        let create = format!("CREATE EXTERNAL TABLE {name} STORED AS KERCHUNK LOCATION '{place}'");
        run(session, &create).await?;
        return Ok(name.to_string());
    }
    let folder = file.parent().ok_or("no folder")?.display();
    run(session, &format!("ATTACH '{folder}' AS {name}")).await?;
    let set = file.file_name().ok_or("no name")?.to_string_lossy();
    let set = set.trim_end_matches(".kerchunk.json");
    Ok(format!("{name}.\"{set}/{table}\""))
}

async fn cells() -> Result<(), Failed> {
    let folder = oracle(ORACLE)?;
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let session = engine()?.session();
    for (number, case) in cases.iter().enumerate() {
        let set = case["set"].as_str().ok_or("no set")?;
        let table = case["table"].as_str().unwrap_or_default();
        let name = attach(&session, &format!("t{number}"), &folder.join(set), table).await?;
        let variables: Vec<&str> = case["variables"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let order = match set.starts_with("groups") {
            true => "time",
            false => "time, lat, lon",
        };
        let columns = variables.join(", ");
        let query = format!("SELECT {columns} FROM {name} ORDER BY {order}");
        let mut rows: Vec<Value> = Vec::new();
        for batch in run(&session, &query).await? {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| cast(column, &DataType::Float64))
                .collect::<Result<_, _>>()?;
            rows.extend((0..batch.num_rows()).map(|row| {
                let cell = |column: &std::sync::Arc<dyn Array>| match column.is_valid(row) {
                    true => Value::from(column.as_primitive::<Float64Type>().value(row)),
                    false => Value::Null,
                };
                columns.iter().map(cell).collect()
            }));
        }
        let expected = case["rows"].as_array().ok_or("no rows")?;
        assert_eq!(rows.len(), expected.len(), "{set}");
        for (row, (found, expected)) in rows.iter().zip(expected).enumerate() {
            assert_eq!(found, expected, "{set}, row {row}");
        }
    }
    Ok(())
}

/// Sets with one wrong byte, or cut off: what can be read may be wrong, but nothing panics.
async fn broken() -> Result<(), Failed> {
    let originals = oracle(ORACLE)?;
    let folder = tempfile::tempdir()?;
    let session = engine()?.session();
    // Places and bytes from a generator, the same ones in every run.
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % below
    };
    for name in [
        "rules.kerchunk.json",
        "days-templates.kerchunk.json",
        "days.parq",
    ] {
        let part = match name.ends_with(".parq") {
            true => {
                copy_folder(&originals.join(name), &folder.path().join(name))?;
                "days.parq/sst/refs.1.parq"
            }
            false => name,
        };
        let original = fs::read(originals.join(part))?;
        for _ in 0..200 {
            let mut bytes = original.clone();
            bytes[next(original.len())] = next(256) as u8;
            if next(3) == 0 {
                bytes.truncate(next(original.len()));
            }
            fs::write(folder.path().join(part), &bytes)?;
            let query = format!("SELECT * FROM '{}'", folder.path().join(name).display());
            if let Err(error) = run(&session, &query).await {
                let message = error.message().unwrap_or_default();
                let caught = message.contains("panic") || message.contains("Join Error");
                assert!(!caught, "{name}: {message}");
            }
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failed> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => {
                fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}
