//! `graticule password` and `graticule api-key`: what is kept of passwords and keys, for the configuration file.

use std::io::{IsTerminal, stdin};

use rustyline::DefaultEditor;

use super::keys::{hash, hash_text, new_key};
use super::scram::Verifier;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Reads a password, and prints what is kept of it.
///
/// # Errors
/// There is none, or the system gives no random numbers.
pub(crate) fn password() -> Result<(), Failure> {
    let password = read_password()?;
    if password.is_empty() {
        return Err(Failure::new(
            ExitCode::Usage,
            "the password is empty; write it into standard input, as one line",
        ));
    }
    let verifier = Verifier::of(&password).ok_or_else(no_random_numbers)?;
    println!("{}", verifier.text());
    Ok(())
}

/// Prints a new key and what is kept of it.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn api_key() -> Result<(), Failure> {
    let key = new_key().ok_or_else(no_random_numbers)?;
    println!("key:  {key}");
    println!("hash: {}", hash_text(&hash(&key)));
    Ok(())
}

/// The first line. A terminal shows what is typed: nothing here can keep it from that.
fn read_password() -> Result<String, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::new(
            ExitCode::Usage,
            format!("cannot read the password: {error}"),
        )
    };
    if stdin().is_terminal() {
        let mut editor = DefaultEditor::new().map_err(|error| cannot(&error))?;
        return editor
            .readline("password: ")
            .map_err(|error| cannot(&error));
    }
    let mut line = String::new();
    stdin()
        .read_line(&mut line)
        .map_err(|error| cannot(&error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}

fn no_random_numbers() -> Failure {
    Failure::new(ExitCode::Unavailable, "the system gives no random numbers")
}
