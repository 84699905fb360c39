//! The command line: subcommands, flags and the texts of `--help`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit_code;
use graticule_engine::bytes::parse_bytes;

/// Everything that can be typed after `graticule`.
#[derive(Debug, Parser)]
#[command(
    name = "graticule",
    version,
    about = "A database for Earth-system data cubes: every Zarr, NetCDF, GRIB or GeoTIFF cube is a table.",
    after_help = exit_code::HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run SQL: from -c, from -f, from standard input, or line by line in the shell
    #[command(after_help = SQL_HELP, after_long_help = SQL_HELP)]
    Sql(SqlArguments),
    /// Show what a cube holds: dimensions, coordinates, variables, chunks, attributes
    #[command(after_help = INSPECT_HELP, after_long_help = INSPECT_HELP)]
    Inspect(InspectArguments),
    /// Run a request of xcube's generator (xcube gen2) as SQL, and print the SQL
    #[command(after_help = GENERATE_HELP, after_long_help = GENERATE_HELP)]
    Generate(GenerateArguments),
    /// Serve the database on the network: PostgreSQL's protocol, SQL over HTTP, Arrow Flight SQL
    #[command(after_help = SERVE_HELP, after_long_help = SERVE_HELP)]
    Serve(ServeArguments),
    /// Read a password, and print what the configuration file keeps of it
    #[command(after_help = PASSWORD_HELP)]
    Password,
    /// Print a new API key, and what the configuration file keeps of it
    #[command(after_help = API_KEY_HELP)]
    ApiKey,
}

const PASSWORD_HELP: &str = "\
Example:
  printf %s \"$PASSWORD\" | graticule password        one line, from standard input or the terminal

What is printed goes into the configuration file: [users.NAME] password = \"SCRAM-SHA-256$…\". It lets
nobody in, and is what PostgreSQL keeps, too.";

const API_KEY_HELP: &str = "\
The key goes to the program that will show it: Authorization: Bearer KEY. The hash goes into the
configuration file: [users.NAME] api_keys = [\"sha256:…\"]. Nobody can find the key again.";

const SQL_HELP: &str = "\
Examples:
  graticule sql                                      the shell; \\? shows its commands
  graticule sql -c \"SELECT * FROM 'sst.nc' LIMIT 5\"  a file is a table
  graticule sql -c \"ATTACH 'data' AS lake\" -c 'SHOW TABLES'
  graticule sql -c \"ANALYZE 'sst.zarr'\"              notes what each chunk holds: later queries skip some
  graticule sql -f monthly.sql --output monthly.parquet
  echo 'SELECT 1' | graticule sql --format json

Statements run one after the other; the first that fails ends the run. Results go to standard
output or to --output, everything else (errors, progress, --timing) to standard error.
`arrow` is the Arrow IPC stream on standard output and the Arrow IPC file in a file. Standard input
is read statement by statement: a program can write one, read its result, and write the next.

Exit codes: 0 done, 1 statement failed, 2 usage, 3 configuration, 4 not found, 5 denied,
6 unavailable, 130 interrupted.";

const INSPECT_HELP: &str = "\
Examples:
  graticule inspect sst.nc
  graticule inspect data/                            lists the cubes in a folder
  graticule inspect https://host/path/cube.zarr
  graticule inspect s3://bucket/cube.zarr --option anon=true
  graticule inspect sst.nc --format json | jq '.cubes[0].variables[].name'

Only metadata and coordinates are read, never the values of a variable.

Exit codes: 0 done, 2 usage, 3 configuration, 4 not found, 5 denied, 6 unavailable, 130 interrupted.";

const GENERATE_HELP: &str = "\
Examples:
  graticule generate request.json
  graticule generate request.yaml --stores stores.json
  graticule generate request.json --dry-run > cube.sql
  graticule generate request.json --info           shape, chunks and size of what would be made
  cat request.json | graticule generate -

The SQL is printed on standard output, then run. What it does not do as the request says is named on
standard error: `not honoured: FIELD: REASON; REMEDY`. If the cube would be another one, nothing is
made, and the exit code is 2. docs/from-xcube.md says what the fields of a request become.

Exit codes: 0 done, 1 statement failed, 2 usage, or a request that cannot be honoured,
3 configuration, 4 not found, 5 denied, 6 unavailable, 130 interrupted.";

const SERVE_HELP: &str = "\
Examples:
  graticule serve                                    all doors, open to this machine only
  graticule serve --config graticule.toml --pg 0.0.0.0:5432
  psql postgresql://127.0.0.1:5432/graticule         a client
  curl http://127.0.0.1:8080/sql -d 'SELECT 1'       another one

A door that is named neither here nor in the section [server] of the configuration file stays shut;
if none is named, all are open to this machine. Ctrl-C or SIGTERM stops the server: what runs has
shutdown_timeout to end.

Exit codes: 0 done, 2 usage, 3 configuration, 6 unavailable.";

/// Arguments of `graticule sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    /// Statements to run, separated by `;`; may be given several times
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub(crate) commands: Vec<String>,

    /// Script to run; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "commands")]
    pub(crate) file: Option<PathBuf>,

    /// How results are written [default: by the suffix of --output, else table]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// Write results to FILE, which appears once all is done
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Rows of a table shown on a terminal, or `all`; elsewhere all are written
    #[arg(long, value_name = "N", default_value = "40", value_parser = parse_rows)]
    pub(crate) rows: RowLimit,

    /// What a table and CSV show for NULL
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) null: String,

    /// Report rows, time and what was read after each statement, on standard error
    #[arg(long)]
    pub(crate) timing: bool,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Arguments of `graticule inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// URL or path of a cube, or of a folder with cubes
    #[arg(value_name = "URL-OR-PATH")]
    pub(crate) location: OsString,

    /// How the cube is described
    #[arg(long, value_enum, default_value_t = InspectFormat::Text)]
    pub(crate) format: InspectFormat,

    /// Option of the store or the format, such as `anon=true`; may be given several times
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = parse_option)]
    pub(crate) options: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Arguments of `graticule generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// The request: JSON or YAML; `-` is standard input
    #[arg(value_name = "REQUEST")]
    pub(crate) request: PathBuf,

    /// File of stores, JSON or YAML, which the request calls `@name`
    #[arg(long, value_name = "FILE")]
    pub(crate) stores: Option<PathBuf>,

    /// Print the SQL and do not run it
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Say what would be made, as the planner sees it, and do not make it
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(crate) info: bool,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Arguments of `graticule serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Where to listen for PostgreSQL's protocol, such as 127.0.0.1:5432; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) pg: Option<SocketAddr>,

    /// Where to listen for SQL over HTTP, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,

    /// Where to listen for Arrow Flight SQL, such as 127.0.0.1:50051
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) flight: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

/// Arguments about the engine itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArguments {
    /// Configuration file [default: ./graticule.toml if there is one]
    #[arg(
        long,
        value_name = "FILE",
        env = "GRATICULE_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Memory that queries may use, such as 8GB [default: most of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) memory: Option<u64>,

    /// Threads that compute [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) threads: Option<u16>,
}

/// Formats of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people
    Table,
    /// Comma-separated values with a header
    Csv,
    /// An array of objects
    Json,
    /// One object a line
    #[value(alias = "jsonl")]
    Ndjson,
    /// Arrow IPC
    Arrow,
    /// Apache Parquet
    Parquet,
}

/// Formats of descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InspectFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How many rows of a result are shown on a terminal; `None` is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowLimit(pub(crate) Option<usize>);

/// Reads a [`RowLimit`]: a number or `all`.
pub(crate) fn parse_rows(text: &str) -> Result<RowLimit, String> {
    match text {
        "all" => Ok(RowLimit(None)),
        number => number
            .parse()
            .map(|limit| RowLimit(Some(limit)))
            .map_err(|_| "expected a number of rows, or `all`".to_string()),
    }
}

fn parse_option(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_lowercase(), value.to_string()))
        .ok_or_else(|| "expected NAME=VALUE, such as anon=true".to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
