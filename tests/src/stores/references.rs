//! Sets of references whose files are elsewhere, and what a set from elsewhere does not lead to.

use std::fs;
use std::path::Path;

use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::faulty_server::{Answer, FaultyServer};
use super::run;
use crate::client::engine;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("stores::references_lead_to_other_stores", || {
            run(other_stores())
        }),
        Trial::test("stores::references_from_elsewhere_stay_outside", || {
            run(from_elsewhere())
        }),
    ]
}

/// A set with eight bytes in two chunks, which are where `references` say.
fn set(references: [Value; 2]) -> String {
    let [first, second] = references;
    let array = json!({
        "zarr_format": 2, "shape": [8], "chunks": [4], "dtype": "|u1", "compressor": null,
        "filters": null, "fill_value": 0, "order": "C",
    });
    let set = json!({
        ".zgroup": {"zarr_format": 2},
        "v/.zarray": array,
        "v/.zattrs": {"_ARRAY_DIMENSIONS": ["x"]},
        "v/0": first,
        "v/1": second,
    });
    set.to_string()
}

/// The sum of the eight bytes.
async fn sum(place: &str, options: &str) -> Result<String, Failed> {
    let session = engine()?.session();
    let create = format!("CREATE EXTERNAL TABLE t STORED AS KERCHUNK LOCATION '{place}' {options}");
    let made: Vec<_> = session.run(&create).await?.stream.try_collect().await?;
    drop(made);
    let query = session.run("SELECT sum(v) AS s FROM t").await?;
    let batches: Vec<_> = query.stream.try_collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

fn in_file(folder: &Path, set: &str) -> Result<String, Failed> {
    let file = folder.join("set.json");
    fs::write(&file, set)?;
    Ok(file.display().to_string())
}

async fn other_stores() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("a.bin"), [1; 10])?;
    let server = FaultyServer::start(&[2; 10], &["\"1\""], &[Answer::Object]).await;
    let place = in_file(
        folder.path(),
        &set([
            json!(["a.bin", 6, 4]),
            json!([format!("{}/b.bin", server.url), 3, 4]),
        ]),
    )?;
    let found = sum(&place, "").await?;
    assert!(found.contains("| 12 |"), "{found}");
    let ranges: Vec<_> = server
        .requests()
        .iter()
        .filter_map(|request| request.header("range").map(str::to_string))
        .collect();
    assert_eq!(ranges, ["bytes=3-6"]);

    // Buckets are asked at the endpoint that the user names, and without a signature.
    let bucket = set([
        json!(["s3://bucket/b.bin", 0, 4]),
        json!(["s3://bucket/b.bin", 4, 4]),
    ]);
    let place = in_file(folder.path(), &bucket)?;
    let options = format!(
        "OPTIONS (remote_endpoint '{}', remote_allow_http 'true')",
        server.url
    );
    let found = sum(&place, &options).await?;
    assert!(found.contains("| 16 |"), "{found}");
    let requests = server.requests();
    let last = requests.last().ok_or("no request")?;
    assert_eq!(last.target(), "/bucket/b.bin");
    assert_eq!(last.header("authorization"), None);
    Ok(())
}

async fn from_elsewhere() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, [7; 8])?;
    let secret = secret.display().to_string();
    let inside = FaultyServer::start(&[7; 8], &[""], &[Answer::Object]).await;
    let own_network = format!("{}/x", inside.url);
    for (target, expected) in [
        (secret.clone(), "leads to a file of this machine"),
        (
            format!("file://{secret}"),
            "leads to a file of this machine",
        ),
        (own_network, "that only this machine's network reaches"),
    ] {
        let set = set([json!([target, 0, 4]), json!([target, 4, 4])]);
        let server = FaultyServer::start(set.as_bytes(), &[""], &[Answer::Object]).await;
        let place = format!("{}/set.json", server.url);
        let error = sum(&place, "").await.unwrap_err();
        let message = error.message().unwrap_or_default();
        assert!(message.contains(expected), "{target}: {message}");
    }
    assert!(inside.requests().is_empty());
    // What is beside the set is on the same server; a whole path is one of this machine.
    let beside = set([json!(["b.bin", 0, 4]), json!(["b.bin", 4, 4])]);
    let server = FaultyServer::start(beside.as_bytes(), &[""], &[Answer::Object]).await;
    sum(&format!("{}/x/set.json", server.url), "").await?;
    let requests = server.requests();
    let is_asked_for = |path: &str| requests.iter().any(|request| request.target() == path);
    assert!(is_asked_for("/x/b.bin"), "{requests:?}");
    let whole = set([json!(["b.bin", 0, 4]), json!(["/x/b.bin", 0, 4])]);
    let server = FaultyServer::start(whole.as_bytes(), &[""], &[Answer::Object]).await;
    let error = sum(&format!("{}/x/set.json", server.url), "").await;
    let error = error.unwrap_err();
    let message = error.message().unwrap_or_default();
    assert!(message.contains("/x/b.bin"), "{message}");
    Ok(())
}
