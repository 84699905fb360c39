//! What changes in a store is seen after a refresh, and never mixed with what was there before.

use std::fs;
use std::path::Path;
use std::process::Command;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};
use crate::places;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("freshness::options_of_a_cube_are_its_own", || {
            block_on(options_of_a_cube_are_its_own())
        }),
        Trial::test("freshness::a_refresh_shows_rewritten_chunks", || {
            block_on(a_refresh_shows_rewritten_chunks())
        }),
        Trial::test("freshness::what_is_swept_away_is_not_missing", || {
            block_on(what_is_swept_away_is_not_missing())
        }),
        Trial::test(
            "freshness::names_of_a_state_that_come_again_are_not_mixed_up",
            || block_on(names_of_a_state_that_come_again_are_not_mixed_up()),
        ),
        Trial::test("freshness::a_replaced_file_is_noticed", || {
            block_on(a_replaced_file_is_noticed())
        }),
    ]
}

fn block_on(trial: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(trial)
}

/// A session, and the folder that `$SCRATCH` stands for.
fn client() -> Result<Client, Failed> {
    Ok(Client::new(&engine()?, Variables::of("")?))
}

async fn sum(client: &Client, table: &str) -> Result<f64, Failed> {
    let query = format!("SELECT CAST(sum(v) AS DOUBLE) FROM {table}");
    let (_, batches) = client.run(&query).await?;
    let batch = batches.first().ok_or("no rows")?;
    Ok(batch.column(0).as_primitive::<Float64Type>().value(0))
}

async fn options_of_a_cube_are_its_own() -> Result<(), Failed> {
    for stored_first in [false, true] {
        let client = client()?;
        write_cube(&client, [1, 2, 3])?;
        let external = "STORED AS ZARR LOCATION '$SCRATCH/c.zarr'";
        for statement in [
            format!("CREATE EXTERNAL TABLE decoded {external}"),
            format!("CREATE EXTERNAL TABLE stored {external} OPTIONS (mask_and_scale 'false')"),
        ] {
            client.run(&statement).await?;
        }
        let mut expected = [("decoded", 50.0), ("stored", 6.0)];
        if stored_first {
            expected.reverse();
        }
        for (table, expected) in expected {
            // The second of two scans may come from memory.
            for _ in 0..2 {
                assert_eq!(sum(&client, table).await?, expected, "{table}");
            }
        }
    }
    Ok(())
}

async fn a_refresh_shows_rewritten_chunks() -> Result<(), Failed> {
    let client = client()?;
    for statement in [
        "CREATE EXTERNAL TABLE c STORED AS ZARR LOCATION '$SCRATCH/c.zarr'",
        "ATTACH '$SCRATCH' AS lake",
    ] {
        write_cube(&client, [1, 2, 3])?;
        client.run(statement).await?;
    }
    let attach_again = ["DETACH lake", "ATTACH '$SCRATCH' AS lake"];
    for (table, refresh) in [
        ("c", &["REFRESH TABLE c"][..]),
        ("lake.c", &["REFRESH STORE lake"]),
        ("lake.c", &attach_again),
        ("'$SCRATCH/c.zarr'", &[]),
    ] {
        write_cube(&client, [1, 2, 3])?;
        for statement in refresh {
            client.run(statement).await?;
        }
        assert_eq!(sum(&client, table).await?, 50.0, "{table}");
        write_chunk(&client, [4, 5, 6])?;
        for statement in refresh {
            client.run(statement).await?;
        }
        assert_eq!(sum(&client, table).await?, 140.0, "{table} {refresh:?}");
    }
    Ok(())
}

/// A Zarr 2 cube of three cells, `10 v - 10 / 3` after decoding: only its chunk tells two cubes apart.
fn write_cube(client: &Client, values: [i16; 3]) -> std::io::Result<()> {
    let folder = client.variables.to_folders("$SCRATCH/c.zarr");
    let folder = Path::new(&folder);
    fs::create_dir_all(folder.join("v"))?;
    fs::write(folder.join(".zgroup"), r#"{"zarr_format": 2}"#)?;
    fs::write(
        folder.join("v/.zattrs"),
        r#"{"_ARRAY_DIMENSIONS": ["x"], "scale_factor": 10.0, "add_offset": -3.3333333333333335}"#,
    )?;
    fs::write(
        folder.join("v/.zarray"),
        r#"{"zarr_format": 2, "shape": [3], "chunks": [3], "dtype": "<i2",
            "compressor": null, "fill_value": null, "order": "C", "filters": null}"#,
    )?;
    write_chunk(client, values)
}

fn write_chunk(client: &Client, values: [i16; 3]) -> std::io::Result<()> {
    let chunk = client.variables.to_folders("$SCRATCH/c.zarr/v/0");
    fs::write(chunk, values.map(i16::to_le_bytes).concat())
}

/// Somebody else replaces a cube that is open here. What was opened is seen until it is swept away.
async fn what_is_swept_away_is_not_missing() -> Result<(), Failed> {
    let here = client()?;
    let there = Client::new(&engine()?, here.variables.clone());
    let create = |value: i32| {
        format!(
            "CREATE OR REPLACE TABLE lake.c WITH (dims = 'x', chunks = 'x=2') \
             AS SELECT value AS x, {value} AS v FROM generate_series(1, 5)"
        )
    };
    for client in [&here, &there] {
        client.run("ATTACH '$SCRATCH' AS lake").await?;
        client.run("SET cube.cache = false").await?;
    }
    there.run(&create(1)).await?;
    assert_eq!(sum(&here, "lake.c").await?, 5.0);
    there.run(&create(2)).await?;
    assert_eq!(sum(&here, "lake.c").await?, 5.0);
    there.run("VACUUM lake").await?;
    let failed = sum(&here, "lake.c").await.err().ok_or("no error")?;
    let complaint = failed.message().unwrap_or_default();
    assert!(
        complaint.contains("the cube has been changed since it was opened"),
        "{complaint}"
    );
    here.run("REFRESH STORE lake").await?;
    assert_eq!(sum(&here, "lake.c").await?, 10.0);
    there.run("DROP TABLE lake.c").await?;
    assert!(sum(&here, "lake.c").await.is_err());
    Ok(())
}

/// Objects of a later state may have the names of those of the state that is open here.
async fn names_of_a_state_that_come_again_are_not_mixed_up() -> Result<(), Failed> {
    for shards in ["", ", shards = 'x=4'"] {
        let here = client()?;
        let there = Client::new(&engine()?, here.variables.clone());
        for client in [&here, &there] {
            client.run("ATTACH '$SCRATCH' AS lake").await?;
            client.run("SET cube.cache = false").await?;
        }
        let mut first = None;
        for value in 1..=6 {
            let create = format!(
                "CREATE OR REPLACE TABLE lake.c WITH (dims = 'x', chunks = 'x=2'{shards}) \
                 AS SELECT value AS x, {value} AS v FROM generate_series(1, 5)"
            );
            there.run(&create).await?;
            let seen = sum(&here, "lake.c").await;
            let first = *first.get_or_insert(5.0 * f64::from(value));
            match seen {
                Ok(seen) => assert_eq!(seen, first, "{value}{shards}"),
                Err(error) => {
                    let complaint = error.message().unwrap_or_default();
                    let is_told = complaint.contains("the cube has been changed since");
                    assert!(value > 2 && is_told, "{value}: {complaint}");
                }
            }
        }
        assert!(sum(&here, "lake.c").await.is_err(), "{shards}");
        here.run("REFRESH STORE lake").await?;
        assert_eq!(sum(&here, "lake.c").await?, 30.0);
    }
    Ok(())
}

async fn a_replaced_file_is_noticed() -> Result<(), Failed> {
    let client = client()?;
    let write = |cells: &str| -> Result<(), Failed> {
        let file = client.variables.to_folders("$SCRATCH/f.nc");
        let script = format!(
            "import os, sys, numpy, netCDF4\n\
             d = netCDF4.Dataset(sys.argv[1] + '.new', 'w')\n\
             d.createDimension('x', {cells})\n\
             v = d.createVariable('v', 'f8', ('x',), zlib=True, chunksizes=(8,))\n\
             v[:] = numpy.arange({cells})\n\
             d.close()\n\
             os.replace(sys.argv[1] + '.new', sys.argv[1])"
        );
        let status = Command::new(places::python())
            .args(["-c", &script, &file])
            .status()?;
        assert!(status.success());
        Ok(())
    };
    write("64")?;
    client
        .run("CREATE EXTERNAL TABLE f STORED AS NETCDF LOCATION '$SCRATCH/f.nc'")
        .await?;
    assert_eq!(sum(&client, "f WHERE v < 8").await?, 28.0);
    for (cells, total) in [("96", 4560.0), ("16", 120.0)] {
        write(cells)?;
        client.run("SET cube.cache = false").await?;
        let error = sum(&client, "f")
            .await
            .err()
            .ok_or("old offsets were used")?;
        let error = error.message().unwrap_or_default().to_string();
        assert!(
            error.contains("the file changed since it was opened"),
            "{error}"
        );
        assert!(error.contains("REFRESH"), "{error}");
        client.run("REFRESH TABLE f").await?;
        assert_eq!(sum(&client, "f").await?, total);
    }
    Ok(())
}
