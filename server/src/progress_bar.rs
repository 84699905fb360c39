//! The progress of a long query on standard error: chunks, bytes and time.
//!
//! ```text
//!  [=========>          ] 1,204 of 2,400 chunks, 312 MB read, 4.1 s
//! ```

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use graticule_engine::progress::ProgressSnapshot;
use indicatif::{ProgressBar as Bar, ProgressStyle};

use crate::count::format_count;
use graticule_engine::bytes::format_bytes;

/// A query that ends sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often the bar should be updated.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Shows progress where somebody sits at a terminal.
pub(crate) struct ProgressBar {
    started: Instant,
    enabled: bool,
    bar: Option<Bar>,
}

impl ProgressBar {
    /// A bar that appears once [`PATIENCE`] is over, if standard error is a terminal.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            enabled: stderr().is_terminal(),
            bar: None,
        }
    }

    /// Shows what was read so far.
    pub(crate) fn update(&mut self, read: ProgressSnapshot) {
        if !self.enabled || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = Bar::no_length();
            bar.set_style(Self::style(read.chunks_total));
            bar
        });
        if bar.length() != Some(read.chunks_total) && read.chunks_total > 0 {
            bar.set_style(Self::style(read.chunks_total));
            bar.set_length(read.chunks_total);
        }
        bar.set_position(read.chunks_done);
        bar.set_message(describe(&read, self.started.elapsed()));
        bar.tick();
    }

    /// Takes the bar away while something else is written to the terminal.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn style(chunks: u64) -> ProgressStyle {
        let template = if chunks > 0 {
            "[{bar:30}] {msg}"
        } else {
            "{spinner} {msg}"
        };
        ProgressStyle::with_template(template)
            .map(|style| style.progress_chars("=> ").tick_chars("|/-\\ "))
            .unwrap_or_else(|_| ProgressStyle::default_bar())
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a query has read and how long it took: `12 of 40 chunks, 3.2 MB read, 1.2 s`. Of a statement that
/// makes a cube, how much of it is written.
pub(crate) fn describe(read: &ProgressSnapshot, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if read.boxes_total > 0 {
        parts.push(format!(
            "{} of {} parts written",
            format_count(read.boxes_done),
            format_count(read.boxes_total)
        ));
        let left = read.boxes_total.saturating_sub(read.boxes_done);
        if left > 0 && read.boxes_done > 0 {
            let each = elapsed.as_secs_f64() / read.boxes_done as f64;
            let left = Duration::from_secs_f64(each * left as f64);
            parts.push(format!("{} left", format_elapsed(left)));
        }
    } else if read.chunks_total > 0 {
        parts.push(format!(
            "{} of {} chunks",
            format_count(read.chunks_done),
            // A scan may read more than it meant to when filters come in while it runs.
            format_count(read.chunks_total.max(read.chunks_done))
        ));
    }
    if read.bytes_fetched > 0 {
        parts.push(format!("{} read", format_bytes(read.bytes_fetched)));
    }
    if read.bytes_written > 0 {
        parts.push(format!("{} written", format_bytes(read.bytes_written)));
    }
    parts.push(format_elapsed(elapsed));
    parts.join(", ")
}

fn format_elapsed(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    match elapsed.as_secs() {
        0 => format!("{:.0} ms", seconds * 1000.0),
        1..=59 => format!("{seconds:.1} s"),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_what_was_read() {
        let read = |chunks_total, chunks_done, bytes_fetched| ProgressSnapshot {
            chunks_total,
            chunks_done,
            bytes_fetched,
            ..ProgressSnapshot::default()
        };
        let cases = [
            (read(0, 0, 0), 12, "12 ms"),
            (
                read(4000, 1204, 3_200_000),
                4_100,
                "1,204 of 4,000 chunks, 3.2 MB read, 4.1 s",
            ),
            (read(1, 1, 0), 61_000, "1 of 1 chunks, 1 min 1 s"),
        ];
        for (read, milliseconds, expected) in cases {
            let text = describe(&read, Duration::from_millis(milliseconds));
            assert_eq!(text, expected);
        }
        let written = ProgressSnapshot {
            chunks_total: 90,
            chunks_done: 30,
            bytes_fetched: 2_000_000,
            boxes_total: 12,
            boxes_done: 4,
            bytes_written: 1_000_000,
            ..ProgressSnapshot::default()
        };
        let text = describe(&written, Duration::from_secs(10));
        let expected = "4 of 12 parts written, 20.0 s left, 2.0 MB read, 1.0 MB written, 10.0 s";
        assert_eq!(text, expected);
    }
}
