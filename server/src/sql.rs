//! `graticule sql`: a script from -c, -f or standard input, or the shell.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

use crate::arguments::{Format, SqlArguments};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::Destination;
use crate::runner::{Runner, cannot_write};
use crate::statement_end::is_complete;
use crate::{shell, startup};

/// Runs the command.
///
/// # Errors
/// The first failure of a script. Failures in the shell are shown there.
pub(crate) fn run(arguments: &SqlArguments) -> Result<(), Failure> {
    let interactive =
        arguments.commands.is_empty() && arguments.file.is_none() && io::stdin().is_terminal();
    let format = format_of(arguments)?;
    let startup = startup::start(&arguments.engine)?;
    let mut runner = Runner {
        runtime: startup.runtime,
        session: startup.session,
        destination: destination_of(arguments)?,
        format,
        null: arguments.null.clone(),
        rows: arguments.rows.0,
        expanded: false,
        timing: arguments.timing || interactive,
        interactive,
        results: 0,
    };
    if interactive {
        shell::run(&mut runner)?;
    } else if let Some(file) = &arguments.file {
        runner.run_script(&read_script(file)?, Some(file))?;
    } else if arguments.commands.is_empty() {
        run_standard_input(&mut runner)?;
    } else {
        for command in &arguments.commands {
            runner.run_script(command, None)?;
        }
    }
    runner
        .destination
        .commit()
        .or_else(|error| match runner.destination.reader_is_gone() {
            true => Ok(()),
            false => Err(cannot_write(&error)),
        })
}

/// Runs what arrives on standard input as soon as a line ends a statement, so that a program at the
/// other end of the pipe has one result before it writes the next statement.
fn run_standard_input(runner: &mut Runner) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    let mut pending = String::new();
    let mut lines_above = 0;
    loop {
        let start = pending.len();
        let read = input.read_line(&mut pending).map_err(no_standard_input)?;
        let line = pending.get(start..).unwrap_or_default();
        // Looking at the whole text again is left to the lines that may end it.
        let whole = line.trim_end().ends_with(';') && is_complete(&pending);
        if read > 0 && !whole {
            continue;
        }
        runner
            .run_script(&pending, None)
            .map_err(|failure| failure.below(lines_above))?;
        if read == 0 || runner.destination.reader_is_gone() {
            return Ok(());
        }
        lines_above += pending.matches('\n').count();
        pending.clear();
    }
}

fn format_of(arguments: &SqlArguments) -> Result<Format, Failure> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    let Some(output) = &arguments.output else {
        return Ok(Format::Table);
    };
    let suffix = output.extension().unwrap_or_default().to_string_lossy();
    Format::of_suffix(&suffix).ok_or_else(|| {
        let text = format!(
            "cannot tell the format of {} by its suffix; add --format",
            output.display()
        );
        Failure::new(ExitCode::Usage, text)
    })
}

fn destination_of(arguments: &SqlArguments) -> Result<Destination, Failure> {
    let Some(path) = &arguments.output else {
        return Ok(Destination::standard_output());
    };
    Destination::create(path).map_err(|error| {
        let text = format!("cannot write {}: {error}", path.display());
        Failure::new(of_io(&error), text)
    })
}

/// The script in `file`; `-` is standard input.
///
/// # Errors
/// The file cannot be read, or is no UTF-8.
pub(crate) fn read_script(file: &Path) -> Result<String, Failure> {
    if file == Path::new("-") {
        return read_standard_input();
    }
    fs::read_to_string(file).map_err(|error| {
        let text = format!("cannot read {}: {error}", file.display());
        Failure::new(of_io(&error), text)
    })
}

fn read_standard_input() -> Result<String, Failure> {
    let mut script = String::new();
    let read = io::stdin().read_to_string(&mut script);
    read.map_err(no_standard_input)?;
    Ok(script)
}

fn no_standard_input(error: io::Error) -> Failure {
    let text = format!("cannot read standard input: {error}");
    Failure::new(of_io(&error), text)
}

fn of_io(error: &io::Error) -> ExitCode {
    match error.kind() {
        io::ErrorKind::NotFound => ExitCode::NotFound,
        io::ErrorKind::PermissionDenied => ExitCode::Denied,
        _ => ExitCode::Unavailable,
    }
}
