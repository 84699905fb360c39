//! The `graticule` program.
//!
//! ```text
//!  arguments ─▶ configuration ─▶ startup: engine, session ─┬─▶ sql: script ─┐
//!                                                          │   shell ───────┴▶ runner ─▶ query ─▶ output
//!                                                          ├─▶ generate ──────▶ runner
//!                                                          ├─▶ serve: a service behind network doors
//!                                                          └─▶ inspect
//! ```

mod access;
mod arguments;
mod completion;
mod configuration;
mod count;
mod excerpt;
mod exit_code;
mod failure;
mod flight;
mod generate;
mod http;
mod inspect;
mod meta_commands;
mod nearest;
mod output;
mod postgres;
mod progress_bar;
mod query;
mod random;
mod runner;
mod serve;
mod shell;
mod sql;
mod startup;
mod statement_end;

use clap::Parser;

use arguments::{Arguments, Command};
use exit_code::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Sql(arguments) => sql::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Password => access::commands::password(),
        Command::ApiKey => access::commands::api_key(),
    };
    match outcome {
        Ok(()) => ExitCode::Success.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.code.into()
        }
    }
}
