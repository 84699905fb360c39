//! Runs statements and writes their results: what scripts and the shell have in common.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::DataFusionError;
use graticule_engine::Session;
use graticule_engine::progress::ProgressSnapshot;
use tokio::runtime::Runtime;

use crate::arguments::Format;
use crate::count::{count_of, format_count};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::{self, Destination, TableStyle};
use crate::progress_bar::describe;
use crate::query::RunningQuery;

/// Runs statements in one session, writing to one destination.
pub(crate) struct Runner {
    pub(crate) runtime: Runtime,
    pub(crate) session: Arc<Session>,
    pub(crate) destination: Destination,
    pub(crate) format: Format,
    pub(crate) null: String,
    /// Rows of a table that a terminal shows.
    pub(crate) rows: Option<usize>,
    pub(crate) expanded: bool,
    /// Report after each statement what it took.
    pub(crate) timing: bool,
    /// Is the report part of what is read on the screen (the shell), or a note aside (scripts)?
    pub(crate) interactive: bool,
    /// Results written so far.
    pub(crate) results: usize,
}

/// What a statement did.
struct Summary {
    /// Rows of the result; `None` if the statement has none, as `CREATE VIEW`.
    rows: Option<u64>,
    /// Were rows held back?
    limited: bool,
    elapsed: Duration,
    read: ProgressSnapshot,
}

impl Runner {
    /// Runs all statements of a script; the first that fails ends it. `name` is the script's file.
    ///
    /// # Errors
    /// The first failure, with its line in the script.
    pub(crate) fn run_script(&mut self, script: &str, name: Option<&Path>) -> Result<(), Failure> {
        let label = |failure: Failure| match name {
            Some(name) => failure.within(&name.display().to_string()),
            None => failure,
        };
        let statements = self
            .session
            .split(script)
            .map_err(|error| label(Failure::of_statement(&error, script)))?;
        let mut place = 0;
        for statement in statements {
            let found = script.get(place..).and_then(|rest| rest.find(&statement));
            let start = place + found.unwrap_or(0);
            let lines_above = script
                .get(..start)
                .unwrap_or_default()
                .matches('\n')
                .count();
            self.run_statement(&statement)
                .map_err(|failure| label(failure.below(lines_above)))?;
            if self.destination.reader_is_gone() {
                break;
            }
            if found.is_some() {
                place = start + statement.len();
            }
        }
        Ok(())
    }

    /// Runs one statement and writes its result.
    ///
    /// # Errors
    /// The statement or the writing failed, or Ctrl-C. A reader that went away is no failure.
    pub(crate) fn run_statement(&mut self, statement: &str) -> Result<(), Failure> {
        let session = Arc::clone(&self.session);
        let handle = self.runtime.handle().clone();
        let outcome = handle.block_on(self.write_result(&session, statement));
        match outcome {
            Err(_) if self.destination.reader_is_gone() => Ok(()),
            Err(failure) => Err(failure),
            Ok(summary) => self.report(&summary),
        }
    }

    async fn write_result(
        &mut self,
        session: &Arc<Session>,
        statement: &str,
    ) -> Result<Summary, Failure> {
        let (mut query, schema) = RunningQuery::start(session, statement).await?;
        let mut summary = Summary {
            rows: None,
            limited: false,
            elapsed: Duration::ZERO,
            read: ProgressSnapshot::default(),
        };
        if schema.fields().is_empty() {
            while query.next().await?.is_some() {}
        } else {
            self.admit_result()?;
            let failed = |error| Failure::of_statement(&DataFusionError::from(error), statement);
            let style = self.style();
            let to_file = self.destination.is_file();
            let mut writer = output::writer(
                self.format,
                &schema,
                &style,
                to_file,
                Box::new(&mut self.destination),
            )
            .map_err(failed)?;
            let mut rows = 0;
            while let Some(batch) = query.next().await? {
                rows += batch.num_rows() as u64;
                query.bar.suspend(|| writer.write(&batch)).map_err(failed)?;
                if style.rows.is_some_and(|limit| rows > limit as u64) {
                    rows = style.rows.unwrap_or_default() as u64;
                    summary.limited = true;
                    break;
                }
            }
            query.bar.suspend(|| writer.finish()).map_err(failed)?;
            self.results += 1;
            summary.rows = Some(rows);
        }
        summary.elapsed = query.started.elapsed();
        summary.read = query.read();
        drop(query);
        self.destination
            .flush()
            .map_err(|error| cannot_write(&error))?;
        Ok(summary)
    }

    /// Refuses a second result where the format cannot hold it, and bytes on a terminal.
    fn admit_result(&self) -> Result<(), Failure> {
        let format = format!("{:?}", self.format).to_lowercase();
        let many = self.format.holds_many_results(self.destination.is_file());
        if self.results > 0 && !many {
            return Err(Failure::new(
                ExitCode::Usage,
                format!(
                    "{format} output holds one result and this is a second one; run the statements one by one, or use --format ndjson or csv"
                ),
            ));
        }
        if self.format.is_binary() && self.destination.is_terminal() {
            return Err(Failure::new(
                ExitCode::Usage,
                format!("{format} cannot be shown on a terminal; add --output FILE"),
            ));
        }
        Ok(())
    }

    fn style(&self) -> TableStyle {
        let terminal = self.destination.is_terminal();
        let table = self.format == Format::Table;
        TableStyle {
            width: terminal.then(terminal_width).flatten(),
            rows: self.rows.filter(|_| terminal && table),
            null: self.null.clone(),
            expanded: self.expanded,
        }
    }

    fn report(&mut self, summary: &Summary) -> Result<(), Failure> {
        let rows = match summary.rows {
            Some(rows) if summary.limited => {
                format!("first {} rows, more follow", format_count(rows))
            }
            Some(rows) => count_of(rows, "row"),
            None => "done".to_string(),
        };
        let mut text = rows;
        if self.timing {
            text = format!("{text}, {}", describe(&summary.read, summary.elapsed));
        }
        if summary.limited {
            let remedy = if self.interactive {
                "\\rows all"
            } else {
                "--rows all"
            };
            text = format!("{text}; {remedy} shows every row");
        }
        if self.interactive {
            writeln!(self.destination, "({text})\n")
                .and_then(|()| self.destination.flush())
                .map_err(|error| cannot_write(&error))?;
        } else if self.timing || summary.limited {
            eprintln!("({text})");
        }
        Ok(())
    }
}

/// The results cannot be written: a full disk, a closed terminal.
pub(crate) fn cannot_write(error: &std::io::Error) -> Failure {
    Failure::new(
        ExitCode::Unavailable,
        format!("cannot write the result: {error}"),
    )
}

fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size()?;
    (columns > 0).then_some(usize::from(columns))
}
