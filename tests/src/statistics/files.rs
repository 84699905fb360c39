//! The files in which statistics are kept: damaged ones are ignored, several processes share them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use graticule_engine::source::Options;
use libtest_mimic::{Failed, Trial};

use super::staleness::{analyze, ask, block_on, client, cube, engine, write_cube};
use crate::client::Client;
use crate::places;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "statistics::damaged_files_are_ignored_with_a_notice",
            || block_on(damaged_files_are_ignored_with_a_notice()),
        ),
        Trial::test("statistics::several_processes_share_the_files", || {
            block_on(several_processes_share_the_files())
        }),
        Trial::test(
            "statistics::the_range_of_values_is_known_for_colours",
            || block_on(the_range_of_values_is_known_for_colours()),
        ),
    ]
}

/// The one file of statistics.
fn file(client: &Client) -> Result<PathBuf, Failed> {
    let folder = client.variables.to_folders("$SCRATCH/statistics");
    let cubes: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    assert_eq!(cubes.len(), 1);
    let files: Vec<_> = fs::read_dir(cubes[0].path())?.collect::<Result<_, _>>()?;
    assert_eq!(files.len(), 1, "{files:?}");
    Ok(files[0].path())
}

async fn explain(client: &Client) -> Result<String, Failed> {
    let sql = "EXPLAIN SELECT count(*) FROM '$SCRATCH/c.zarr' WHERE v > 100";
    let (_, batches) = client.run(sql).await?;
    Ok(arrow::util::pretty::pretty_format_batches(&batches)?.to_string())
}

async fn damaged_files_are_ignored_with_a_notice() -> Result<(), Failed> {
    let client = client()?;
    write_cube(&cube(&client), &[[1, 2, 3], [4, 5, 6]])?;
    assert_eq!(analyze(&client).await?, 2);
    let file = file(&client)?;
    let good = fs::read(&file)?;
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        bytes
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "not a file of statistics"),
        (
            b"something else entirely".to_vec(),
            "not a file of statistics",
        ),
        (good[..good.len() / 2].to_vec(), "damaged"),
        (flipped(good.len() / 2), "damaged"),
        (flipped(good.len() - 1), "damaged"),
        (flipped(3), "not a file of statistics"),
        (
            String::from_utf8_lossy(&good)
                .replacen(" 1 ", " 2 ", 1)
                .into_bytes(),
            "version 2",
        ),
    ];
    for (bytes, reason) in cases {
        fs::write(&file, bytes)?;
        assert_eq!(ask(&client).await?, (10.0, 60.0, 6, 0), "{reason}");
        let plan = explain(&client).await?;
        assert!(plan.contains("statistics of v ignored"), "{reason}: {plan}");
        assert!(plan.contains(reason), "{reason}: {plan}");
    }
    assert_eq!(analyze(&client).await?, 2);
    let plan = explain(&client).await?;
    assert!(
        plan.contains("statistics: 0 of 2 chunks can match"),
        "{plan}"
    );
    // A folder that cannot be written is an error of ANALYZE, and of nothing else.
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    assert!(analyze(&client).await.is_err());
    assert_eq!(ask(&client).await?, (10.0, 60.0, 6, 0));
    Ok(())
}

async fn several_processes_share_the_files() -> Result<(), Failed> {
    let client = client()?;
    let folder = cube(&client);
    let chunks: Vec<[i16; 3]> = (0..40).map(|chunk| [chunk, chunk + 1, -1]).collect();
    write_cube(&folder, &chunks)?;
    let configuration = client.variables.to_folders("$SCRATCH/graticule.toml");
    fs::write(&configuration, "[engine]\nstatistics = \"statistics\"\n")?;
    let url = folder.display();
    let statements =
        format!("ANALYZE '{url}'; SELECT min(v), max(v), count(v) FROM '{url}'; ANALYZE '{url}'");
    let run = || {
        let mut command = Command::new(places::binary());
        command.args([
            "sql",
            "--config",
            &configuration,
            "--format",
            "csv",
            "-c",
            &statements,
        ]);
        command.stdout(std::process::Stdio::piped());
        command.spawn()
    };
    let running: Vec<_> = (0..6).map(|_| run()).collect::<Result<_, _>>()?;
    for process in running {
        let output = process.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("0.0,400.0,80"),
            "{text}"
        );
    }
    // This process sees what the others have found.
    assert_eq!(analyze(&client).await?, 0);
    assert_eq!(ask(&client).await?, (0.0, 400.0, 80, 59));
    file(&client)?;
    Ok(())
}

async fn the_range_of_values_is_known_for_colours() -> Result<(), Failed> {
    let client = client()?;
    let folder = cube(&client);
    write_cube(&folder, &[[1, 2, 3], [4, 5, 6]])?;
    let other = engine(&client.variables)?;
    let cubes = other
        .open(&folder.display().to_string(), &Options::new())
        .await?;
    let range = || other.statistics().value_range(&cubes[0], "v");
    assert!(range().is_none());
    analyze(&client).await?;
    let found = range().ok_or("nothing is known")?;
    assert_eq!((found.minimum, found.maximum), (10.0, 60.0));
    assert_eq!((found.known_chunks, found.chunks), (2, 2));
    assert!(other.statistics().value_range(&cubes[0], "x").is_none());
    Ok(())
}
