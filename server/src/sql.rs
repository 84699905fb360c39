//! `graticule sql`: a script from -c, -f or standard input, or the shell.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use crate::arguments::{Format, SqlArguments};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::Destination;
use crate::runner::{Runner, cannot_write};
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
        runner.run_script(&read_standard_input()?, None)?;
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
    io::stdin().read_to_string(&mut script).map_err(|error| {
        Failure::new(
            of_io(&error),
            format!("cannot read standard input: {error}"),
        )
    })?;
    Ok(script)
}

fn of_io(error: &io::Error) -> ExitCode {
    match error.kind() {
        io::ErrorKind::NotFound => ExitCode::NotFound,
        io::ErrorKind::PermissionDenied => ExitCode::Denied,
        _ => ExitCode::Unavailable,
    }
}
