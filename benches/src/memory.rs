//! The largest resident size of the program while it answers questions to a cube several times larger
//! than the memory that it may use.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use datafusion::error::{DataFusionError, Result};

use crate::questions::{QUESTIONS, Question};
use crate::{Setup, product};

/// What the program may use, and must stay below as a whole.
const LIMIT_MB: u64 = 512;

/// Questions that hold much, beside those of the rooflines.
const MORE: &[(&str, &str)] = &[
    (
        "top 10",
        "SELECT t2m FROM cube WHERE t2m IS NOT NULL ORDER BY t2m DESC LIMIT 10",
    ),
    (
        "anomaly",
        "SELECT avg(a * a) FROM (SELECT t2m - avg(t2m) OVER (PARTITION BY date_part('month', time), lat, lon) AS a FROM cube)",
    ),
    (
        "moving average",
        "SELECT avg(w) FROM (SELECT avg(t2m) OVER (PARTITION BY lat, lon ORDER BY time ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING) AS w FROM cube)",
    ),
    (
        "all cells sorted",
        "SELECT max(t2m) FROM (SELECT t2m FROM cube ORDER BY t2m OFFSET 1000)",
    ),
];

/// How a question ended.
struct Outcome {
    peak_mb: u64,
    /// What the program said when it gave up.
    error: Option<String>,
}

/// Prints the peak of every question, and what came of it.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    let Some(path) = &setup.large_cube else {
        println!("memory: set GRATICULE_BENCH_LARGE_CUBE to a Zarr cube (see benches/README.md)");
        return Ok(());
    };
    println!(
        "memory: peak resident size with --memory {LIMIT_MB}MB, each question in a process of its own"
    );
    let questions = QUESTIONS
        .iter()
        .filter(|question| question.target.is_some())
        .map(|Question { name, sql, .. }| (*name, *sql));
    for (name, sql) in questions.chain(MORE.iter().copied()) {
        if !setup.asks(name) {
            continue;
        }
        let outcome = ask(path, sql)?;
        let verdict = match outcome.peak_mb > LIMIT_MB {
            true => "over the limit, ",
            false => "",
        };
        let end = outcome.error.unwrap_or_else(|| "answered".to_string());
        println!("  {name:<22} {:>6} MB  {verdict}{end}", outcome.peak_mb);
    }
    Ok(())
}

fn ask(path: &Path, sql: &str) -> Result<Outcome> {
    let program = std::env::current_exe()?.with_file_name("graticule");
    let mut child = Command::new(&program)
        .args(["sql", "--format", "csv"])
        .arg(format!("--memory={LIMIT_MB}MB"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            DataFusionError::External(format!("{}: {error}", program.display()).into())
        })?;
    let process = child.id();
    let ended = AtomicBool::new(false);
    let (peak_mb, error) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut highest = 0;
            while !ended.load(Relaxed) {
                highest = highest.max(peak(process));
                std::thread::sleep(Duration::from_millis(5));
            }
            highest
        });
        let error = converse(&mut child, path, sql);
        let at_the_end = peak(process);
        ended.store(true, Relaxed);
        (watch.join().unwrap_or(0).max(at_the_end), error)
    });
    child.kill()?;
    child.wait()?;
    Ok(Outcome {
        peak_mb,
        error: error?,
    })
}

/// Sends the statement and, behind it, a question with a known answer: once that is read the statement
/// is done, and the program waits for more, so that its peak is still known. Otherwise returns what it
/// complained about.
fn converse(child: &mut Child, path: &Path, sql: &str) -> Result<Option<String>> {
    const DONE: &str = "no more rows of the statement before";
    if let (Some(input), Some(output)) = (&mut child.stdin, &mut child.stdout) {
        let table = product::create_table(path);
        write!(input, "{table};\n{sql};\nSELECT '{DONE}' AS done;\n")?;
        for line in BufReader::new(output).lines() {
            if line? == DONE {
                return Ok(None);
            }
        }
    }
    let mut complaint = String::new();
    if let Some(errors) = &mut child.stderr {
        errors.read_to_string(&mut complaint)?;
    }
    let first = complaint.lines().next().unwrap_or("it crashed");
    Ok(Some(first.to_string()))
}

/// The largest resident size of a process so far in MB, which Linux keeps; 0 once it has ended.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024 / 1_000_000
}
