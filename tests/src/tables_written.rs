//! Cells of cubes in files of tables, read by pyarrow, pandas and shapely (`oracle/tables_written.py`).

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::client::{Client, Variables, engine};
use crate::places::{self, with_data};

const CELLS: &str = "SELECT time, latitude, longitude, surface_temperature AS sst FROM samples.ostia_monthly WHERE time < '2006-07-01'";

const PLACES: &str = "SELECT latitude, longitude, ST_Point(longitude, latitude) AS place, \
    avg(surface_temperature) AS sst FROM samples.ostia_monthly GROUP BY 1, 2";

const ZONES: &str = "SELECT 1 AS number, ST_GeomFromText('POLYGON((0 0, 10 0, 10 10, 0 0))') AS zone \
    UNION ALL SELECT 2, ST_GeomFromText('POINT(1 2)') UNION ALL SELECT 3, ST_GeomFromText(NULL)";

fn others_read_them() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    runtime()?.block_on(async {
        let client = Client::new(&engine()?, Variables::of("")?);
        client.run("ATTACH '$SAMPLES' AS samples").await?;
        for (query, file) in [
            (CELLS, "cells.parquet"),
            (CELLS, "cells.csv"),
            (CELLS, "cells.arrow"),
            (PLACES, "places.geoparquet"),
            (ZONES, "zones.geoparquet"),
        ] {
            let target = folder.path().join(file);
            let copy = format!("COPY ({query}) TO '{}'", target.display());
            client
                .run(&copy)
                .await
                .map_err(|error| format!("{file}: {error}"))?;
        }
        Ok::<_, Failed>(())
    })?;
    let outcome = Command::new(places::python())
        .arg(places::repository().join("tests/oracle/tables_written.py"))
        .arg(folder.path())
        .arg(places::samples().join("ostia_monthly.nc"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&outcome.stderr).into_owned();
    match outcome.status.success() && said.contains("5 files are the same") {
        true => Ok(()),
        false => Err(format!("{said}{complaint}").into()),
    }
}

/// Longitudes and latitudes on WGS 84 are what GeoParquet means where it says nothing.
fn default_system(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (cube, file) = (
        data.join("olci-sns/cube-1-250-250.zarr"),
        folder.path().join("places.parquet"),
    );
    let copy = format!(
        "COPY (SELECT ST_Point(lon, lat) AS place, conc_chl FROM '{}' WHERE lat > 52.4) TO '{}' STORED AS GEOPARQUET",
        cube.display(),
        file.display()
    );
    runtime()?.block_on(async {
        let client = Client::new(&engine()?, Variables::of("")?);
        client.run(&copy).await?;
        Ok::<_, Failed>(())
    })?;
    let print = "import pyarrow.parquet as p, sys; f = p.read_metadata(sys.argv[1]); print(f.metadata[b'geo'].decode())";
    let outcome = Command::new(places::python())
        .args(["-c", print])
        .arg(file)
        .output()?;
    let mut geo: Value = serde_json::from_slice(&outcome.stdout)?;
    let column = geo["columns"]["place"].as_object_mut();
    let column = column.ok_or("the column is not described")?;
    column.remove("covering");
    // West, south, east, north: no place lies below the latitude that was asked for.
    let extent = column.remove("bbox").ok_or("there is no box around all")?;
    assert!(
        extent[1].as_f64().is_some_and(|south| south > 52.4),
        "{extent}"
    );
    let expected = json!({"version": "1.1.0", "primary_column": "place",
        "columns": {"place": {"encoding": "WKB", "geometry_types": ["Point"]}}});
    assert_eq!(geo, expected);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("tables_written::others_read_them", others_read_them),
        with_data("tables_written::default_system", default_system),
    ]
}
