//! The memory of the binary while it puts a cube on another grid, measured from outside, against its limit.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::places::{binary, python, with_data};

/// Runs a command and prints the memory that it took at most, in kB.
pub(crate) const MEASURE: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

/// The limit, in MB.
const LIMIT: u64 = 128;

pub(crate) fn trials() -> Vec<Trial> {
    vec![with_data("grids::memory_of_large_targets", large_targets)]
}

/// Shards that nobody chose fit into memory, and four times the cells take no more of it.
fn large_targets(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let attach = format!("ATTACH '{}' AS lake", folder.path().display());
    let mut peaks = Vec::new();
    for resolution in [800, 400] {
        let create = format!(
            "CREATE TABLE lake.t{resolution} AS SELECT time, y, x, conc_chl FROM \
             reproject(olci.\"cube-1-250-250\", crs => 'EPSG:3035', resolution => {resolution})"
        );
        peaks.push(peak(data, &[&attach, &create])?);
    }
    // Of a cube that would be sharded by much more than the limit.
    let explain = "EXPLAIN CREATE TABLE lake.t AS SELECT time, y, x, conc_chl FROM \
         reproject(olci.\"cube-1-250-250\", crs => 'EPSG:3035', resolution => 50)";
    peak(data, &[&attach, explain])?;
    match peaks[1] * 4 < peaks[0] * 5 {
        true => Ok(()),
        false => Err(format!("{} kB, then {} kB", peaks[0], peaks[1]).into()),
    }
}

/// Memory of the binary that runs `statements`, in kB.
fn peak(data: &Path, statements: &[&str]) -> Result<u64, Failed> {
    let attach = format!("ATTACH '{}' AS olci", data.join("olci-sns").display());
    let mut command = Command::new(python());
    command.args(["-c", MEASURE]).arg(binary());
    command.args(["sql", "--memory", &format!("{LIMIT}MB"), "-c", &attach]);
    for statement in statements {
        command.args(["-c", statement]);
    }
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout).parse()?),
        false => Err(text(&output.stderr).into()),
    }
}
