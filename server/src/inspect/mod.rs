//! `graticule inspect`: what a cube, or a folder of cubes, holds.

mod description;
mod text;

use std::io::{self, Write};

use futures::StreamExt;
use graticule_engine::Session;
use graticule_engine::source::Options;
use serde_json::{Value, json};

use crate::arguments::{Format, InspectArguments, InspectFormat};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::{TableStyle, writer};
use crate::startup::{self, Startup};
use description::Description;

/// Runs the command.
///
/// # Errors
/// The configuration, or what the engine says about the cube.
pub(crate) fn run(arguments: &InspectArguments) -> Result<(), Failure> {
    let startup = startup::start(&arguments.engine)?;
    let location = arguments.location.to_string_lossy().into_owned();
    let options: Options = arguments.options.iter().cloned().collect();
    let report = startup.runtime.block_on(async {
        tokio::select! {
            report = report(&startup, &location, &options, arguments.format) => report,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        }
    })?;
    match io::stdout().write_all(report.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(crate::runner::cannot_write(&error))
        }
        _ => Ok(()),
    }
}

async fn report(
    startup: &Startup,
    location: &str,
    options: &Options,
    format: InspectFormat,
) -> Result<String, Failure> {
    if !names_a_cube(startup, location) {
        return folder(startup, location, options, format).await;
    }
    let cubes = startup.engine.open(location, options).await?;
    let cubes: Vec<Description> = cubes.iter().map(|cube| Description::of(cube)).collect();
    Ok(match format {
        InspectFormat::Text => cubes
            .iter()
            .map(text::describe)
            .collect::<Vec<_>>()
            .join("\n\n"),
        InspectFormat::Json => {
            let cubes: Vec<Value> = cubes.iter().map(Description::to_json).collect();
            pretty(&json!({ "url": location, "cubes": cubes }))
        }
    })
}

/// Does the location end as cubes do?
fn names_a_cube(startup: &Startup, location: &str) -> bool {
    let location = location.trim_end_matches('/');
    suffixes(startup).any(|suffix| location.ends_with(suffix))
}

/// How the names of cubes end.
fn suffixes(startup: &Startup) -> impl Iterator<Item = &'static str> {
    let formats = startup.engine.formats().iter();
    formats.flat_map(|format| format.suffixes()).copied()
}

/// Lists the cubes in a folder: attached as a store, they are tables of the schema `cube`.
async fn folder(
    startup: &Startup,
    location: &str,
    options: &Options,
    format: InspectFormat,
) -> Result<String, Failure> {
    let session = startup.session.as_ref();
    let options: Vec<String> = options
        .iter()
        .map(|(name, value)| format!("{name} {}", literal(value)))
        .collect();
    let options = match options.is_empty() {
        true => String::new(),
        false => format!("({})", options.join(", ")),
    };
    let attach = format!("ATTACH {} AS {SCHEMA} {options}", literal(location));
    collect(session, &attach, Format::Table).await?;
    let count = format!("SELECT 1 FROM cube.tables WHERE table_schema = '{SCHEMA}' LIMIT 1");
    if collect(session, &count, Format::Ndjson).await?.is_empty() {
        return Err(Failure::new(
            ExitCode::NotFound,
            format!(
                "there is no cube in {location}; names of cubes end in {}",
                suffixes(startup).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    let list = format!("{LIST} WHERE table_schema = '{SCHEMA}' ORDER BY table_name");
    match format {
        InspectFormat::Text => collect(session, &list, Format::Table).await,
        InspectFormat::Json => {
            let rows = collect(session, &list, Format::Json).await?;
            let rows: Value = serde_json::from_str(&rows)
                .map_err(|error| Failure::new(ExitCode::Statement, error.to_string()))?;
            Ok(pretty(&json!({ "url": location, "tables": rows })))
        }
    }
}

/// The schema that stands for the folder.
const SCHEMA: &str = "inspected";
const LIST: &str = "SELECT table_name AS name, array_to_string(dims, ', ') AS dimensions, \
    array_to_string(shape, ' × ') AS shape, variables, format, error FROM cube.tables";

/// The whole result of a statement as text.
async fn collect(session: &Session, statement: &str, format: Format) -> Result<String, Failure> {
    let failed = |error| Failure::of_statement(&error, "");
    let mut query = session.run(statement).await.map_err(failed)?;
    let mut bytes = Vec::new();
    let style = TableStyle::default();
    let mut writer = writer(format, &query.schema, &style, false, Box::new(&mut bytes))
        .map_err(|error| failed(error.into()))?;
    while let Some(batch) = query.stream.next().await {
        writer
            .write(&batch.map_err(failed)?)
            .map_err(|error| failed(error.into()))?;
    }
    writer.finish().map_err(|error| failed(error.into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
