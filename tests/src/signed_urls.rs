//! Query strings of URLs are secrets: they reach the server, and nobody's eyes.

use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};

pub(crate) fn trials() -> Vec<Trial> {
    CASES
        .iter()
        .map(|(name, statement, expected)| {
            Trial::test(format!("signed_urls::{name}"), || {
                check(statement, expected)
            })
        })
        .collect()
}

/// Name, statement and a part of its error. Port 9 of this machine answers to nobody.
const CASES: &[(&str, &str, &str)] = &[
    (
        "cube",
        "SELECT * FROM 'http://127.0.0.1:9/x.nc?sig=s3cr3t'",
        "(in http://127.0.0.1:9/x.nc)",
    ),
    (
        "folder",
        "SELECT * FROM 'http://127.0.0.1:9/x.zarr/?sig=s3cr3t&sp=r/w'",
        "(in http://127.0.0.1:9/x.zarr",
    ),
    (
        "explained",
        "EXPLAIN SELECT * FROM 'http://127.0.0.1:9/x.nc?sig=s3cr3t' AS x",
        "(in http://127.0.0.1:9/x.nc)",
    ),
    (
        "described",
        "DESCRIBE 'http://127.0.0.1:9/x.nc?sig=s3cr3t'",
        "(in http://127.0.0.1:9/x.nc)",
    ),
    (
        "sampled",
        "SELECT * FROM 'http://127.0.0.1:9/x.nc?sig=s3cr3t' TABLESAMPLE (1)",
        "(in http://127.0.0.1:9/x.nc)",
    ),
    (
        "unknown_suffix",
        "SELECT * FROM 'http://127.0.0.1:9/x.xyz?sig=s3cr3t.nc'",
        "no suffix of a known format (in http://127.0.0.1:9/x.xyz)",
    ),
    (
        "two_signatures",
        "SELECT * FROM 'http://127.0.0.1:9/x.nc?sig=s3cr3t' a, 'http://127.0.0.1:9/x.nc?sig=s3cr3t2' b",
        "two query strings",
    ),
    (
        "other_file",
        "SELECT * FROM 'http://127.0.0.1:9/x.parquet?sig=s3cr3t'",
        "only cubes can be read from an address with a query string",
    ),
    (
        "external_table",
        "CREATE EXTERNAL TABLE x STORED AS NETCDF LOCATION 'http://127.0.0.1:9/x.nc?sig=s3cr3t'",
        "would be written into the catalogue",
    ),
    (
        "view",
        "CREATE VIEW x AS SELECT * FROM 'http://127.0.0.1:9/x.nc?sig=s3cr3t'",
        "would be written into the catalogue",
    ),
    (
        "syntax_error",
        "SELECT * FROM t x 'http://127.0.0.1:9/x.nc?sig=s3cr3t'",
        "'http://127.0.0.1:9/x.nc",
    ),
    (
        "on_another_grid",
        "SELECT * FROM reproject('http://127.0.0.1:9/x.nc?sig=s3cr3t', crs => 'EPSG:3035')",
        "(in http://127.0.0.1:9/x.nc)",
    ),
    (
        "on_the_grid_of_another",
        "SELECT * FROM reproject(coarsen('http://127.0.0.1:9/x.nc?sig=s3cr3t', lat => 2), like => 'http://127.0.0.1:9/y.nc?sig=s3cr3t')",
        "(in http://127.0.0.1:9/x.nc)",
    ),
    (
        "view_of_another_grid",
        "CREATE VIEW x AS SELECT * FROM reproject('http://127.0.0.1:9/x.nc?sig=s3cr3t', crs => 'EPSG:3035')",
        "would be written into the catalogue",
    ),
    (
        "store",
        "ATTACH 'http://127.0.0.1:9/x.nc?sig=s3cr3t' AS x (nosuch 1)",
        "unknown option nosuch",
    ),
];

fn check(statement: &str, expected: &str) -> Result<(), Failed> {
    let client = Client::new(&engine()?, Variables::of("")?);
    let runtime = tokio::runtime::Runtime::new()?;
    let error = match runtime.block_on(client.run(statement)) {
        Ok(_) => return Err("it works without a server".into()),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains("s3cr3t"), "{error}");
    Ok(())
}
