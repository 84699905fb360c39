//! `graticule generate`: requests of xcube's generator (`xcube gen2`) as SQL.
//!
//! ```text
//!  request.json ─▶ request: typed ─▶ stores: ATTACH ─▶ inputs: what the cubes say of themselves
//!                                                          │
//!     remarks: what is not honoured ◀─┬── grid, time ──────┤
//!                                     │                    ▼
//!                                     └── target ─▶ CREATE TABLE … WITH (…) AS select ─▶ printed ─▶ run
//! ```
//! What a request says is done, or named with the reason and what to do; what would make another cube stops the
//! command before anything is read.

mod grid;
mod inputs;
mod parameters;
mod remarks;
mod request;
mod script;
mod select;
mod stores;
mod target;
mod text;
mod time;
mod write_params;

use std::fs;
use std::io::{self, Write};

use crate::arguments::{Format, GenerateArguments};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::{Destination, cell_texts};
use crate::query::RunningQuery;
use crate::runner::{Runner, cannot_write};
use crate::startup;
use remarks::Remarks;
use request::{Definitions, Request};
use script::Script;

/// Runs the command.
///
/// # Errors
/// A request that cannot be read or not be honoured, or the first statement that fails.
pub(crate) fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    let (request, unknown): (Request, _) = request::read(&arguments.request)?;
    let (definitions, _): (Definitions, _) = match &arguments.stores {
        Some(file) => request::read(file)?,
        None => Default::default(),
    };
    // The cube becomes a table with the name of its file, which may be that of somebody's view.
    let startup = startup::start_without_catalogue(&arguments.engine)?;
    let mut remarks = Remarks::default();
    let script = startup.runtime.block_on(async {
        tokio::select! {
            script = Script::of(&startup.engine, &request, &unknown, definitions, &mut remarks) => script,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        }
    })?;
    print(&script.to_string())?;
    eprint!("{remarks}");
    remarks.check()?;
    if arguments.dry_run {
        return Ok(());
    }
    let mut runner = Runner {
        runtime: startup.runtime,
        session: startup.session,
        destination: Destination::standard_output(),
        format: Format::Table,
        null: String::new(),
        rows: None,
        expanded: false,
        timing: false,
        interactive: false,
        results: 0,
    };
    for attachment in &script.attachments {
        // Messages show the statement that was printed: the other one may hold secrets.
        let outcome = runner.runtime.block_on(runner.session.run(&attachment.run));
        outcome.map_err(|error| Failure::of_statement(&error, &attachment.printed))?;
    }
    if arguments.info {
        let text = info(&runner, &script.explain)?;
        return print(&text);
    }
    if let Some(folder) = &script.folder {
        fs::create_dir_all(folder).map_err(|error| {
            let text = format!("cannot make the folder {folder} of the cube: {error}; make it yourself, or choose another one");
            Failure::new(ExitCode::Unavailable, text)
        })?;
    }
    runner.run_statement(&script.create)?;
    runner
        .destination
        .flush()
        .map_err(|error| cannot_write(&error))
}

/// What the planner says that would be made.
fn info(runner: &Runner, explain: &str) -> Result<String, Failure> {
    let plan = runner.runtime.block_on(async {
        let (mut query, _) = RunningQuery::start(&runner.session, explain).await?;
        let mut rows = Vec::new();
        while let Some(batch) = query.next().await? {
            let texts = cell_texts(&batch, "");
            rows.extend(texts.map_err(|error| Failure::of_statement(&error.into(), explain))?);
        }
        Ok::<_, Failure>(rows)
    })?;
    // The first row is about the cube, the others are about the query.
    let first = plan.first().and_then(|row| row.get(1));
    Ok(format!("\n{}\n", first.map_or("", String::as_str)))
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot_write(&error)),
        _ => Ok(()),
    }
}
