//! The bytes that queries read of overviews, beside those of the cube that they stand for.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::places::{binary, with_data};

pub(crate) fn trials() -> Vec<Trial> {
    vec![with_data("grids::bytes_of_overviews", fewer_bytes)]
}

/// The cells of level n are 4ⁿ times fewer than those of the cube, and so are the bytes: of means and of flags, with the
/// counts that means are weighed by and without them. Most of the cube is missing, and its chunks are small.
fn fewer_bytes(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let source = data.join("olci-sns");
    let levels = folder.path().join("levels");
    let attach = format!(
        "ATTACH '{}' AS olci (overviews '{}')",
        source.display(),
        levels.display()
    );
    run(&[
        &attach,
        "CREATE OVERVIEWS ON olci.\"cube-1-250-250\" WITH (levels = 3)",
    ])?;
    let means = "conc_chl, conc_tsm, kd489";
    for level in 1..=3 {
        let cells = 1 << level;
        let coarsened = format!("coarsen(olci.\"cube-1-250-250\", lat => {cells}, lon => {cells})");
        // Eight cells of the level along a side.
        let size = 0.0025 * f64::from(8 * cells);
        let weighed = format!(
            "reproject(olci.\"cube-1-250-250\", resolution => {size}, method => 'average')"
        );
        for (columns, from) in [
            (means, &coarsened),
            (means, &weighed),
            ("c2rcc_flags, quality_flags", &coarsened),
        ] {
            let explain = format!("EXPLAIN ANALYZE SELECT {columns} FROM {from}");
            let of_level = run(&[&attach, &explain])?;
            if !of_level.contains(&format!("overview {level}")) {
                return Err(format!("{from} does not read level {level}: {of_level}").into());
            }
            let of_cube = run(&[&attach, "SET cube.overviews = false", &explain])?;
            let (few, many) = (fetched(&of_level)?, fetched(&of_cube)?);
            println!(
                "level {level}, {columns} of {from}: {few:.0} bytes, 1/{:.1}",
                many / few
            );
            if few * f64::from(cells * cells) > many {
                return Err(
                    format!("{from}: {few} bytes of level {level}, {many} of the cube").into(),
                );
            }
        }
    }
    Ok(())
}

/// What the binary prints for `statements`, as CSV.
fn run(statements: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(binary());
    command.args(["sql", "--format", "csv"]);
    for statement in statements {
        command.args(["-c", statement]);
    }
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).to_string()),
        false => Err(String::from_utf8_lossy(&output.stderr).to_string().into()),
    }
}

/// The bytes that a scan has fetched, as its metrics say: `bytes_fetched=1.2 M`.
fn fetched(explained: &str) -> Result<f64, Failed> {
    let missing = || format!("no bytes in {explained}");
    let (_, rest) = explained.split_once("bytes_fetched=").ok_or_else(missing)?;
    let text = rest.split([',', ']']).next().unwrap_or_default().trim();
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" | "B" => 1.0,
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        other => return Err(format!("bytes in {other}").into()),
    };
    Ok(number.parse::<f64>()? * factor)
}
