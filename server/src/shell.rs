//! The shell: `graticule sql` at a terminal.
//!
//! A statement may span lines and ends with `;`. Ctrl-C cancels a running query; at the prompt it
//! clears what was typed, and on an empty prompt, twice, it leaves.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext,
    EventHandler, KeyEvent, Movement, RepeatCount,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::completion::ShellHelper;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::meta_commands::{MetaCommand, help};
use crate::runner::Runner;
use crate::sql::read_script;

const PROMPT: &str = "graticule> ";

type LineEditor = Editor<ShellHelper, FileHistory>;

/// Reads and runs statements until the user leaves.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) fn run(runner: &mut Runner) -> Result<(), Failure> {
    let mut editor = line_editor(runner).map_err(|error| no_terminal(&error))?;
    let history = history_file();
    if let Some(path) = &history {
        // The first session has no history yet.
        let _ = editor.load_history(path);
    }
    println!(
        "Graticule {}. \\? lists the commands, \\q leaves.",
        env!("CARGO_PKG_VERSION")
    );
    let signals = count_interrupts(runner)?;
    let mut interrupted = false;
    let mut seen = 0;
    loop {
        // Between prompts the terminal turns Ctrl-C into a signal.
        if interrupted && signals.load(Relaxed) != seen {
            return Ok(());
        }
        match editor.readline(PROMPT) {
            Ok(text) => {
                interrupted = false;
                remember(&mut editor, &text, history.as_ref());
                if obey(runner, text.trim()) == Next::Leave {
                    return Ok(());
                }
                if let Some(helper) = editor.helper() {
                    helper.forget_names();
                }
            }
            Err(ReadlineError::Interrupted) if !interrupted => {
                interrupted = true;
                seen = signals.load(Relaxed);
                println!("(Ctrl-C again, Ctrl-D or \\q leaves)");
            }
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(no_terminal(&error)),
        }
    }
}

/// Counts the interrupts that come as signals, and keeps them from ending the program.
fn count_interrupts(runner: &Runner) -> Result<Arc<AtomicU64>, Failure> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let _inside = runner.runtime.enter();
    let mut signals =
        signal(SignalKind::interrupt()).map_err(|error| no_terminal(&error.into()))?;
    runner.runtime.spawn(async move {
        while signals.recv().await.is_some() {
            counted.fetch_add(1, Relaxed);
        }
    });
    Ok(count)
}

#[derive(PartialEq, Eq)]
enum Next {
    Stay,
    Leave,
}

/// Does what a line says and shows what went wrong with it.
fn obey(runner: &mut Runner, text: &str) -> Next {
    let command = match text {
        "exit" | "quit" => Ok(MetaCommand::Quit),
        "help" => Ok(MetaCommand::Help),
        _ if text.starts_with('\\') => MetaCommand::parse(text),
        statements => {
            show(runner.run_script(statements, None));
            return Next::Stay;
        }
    };
    match command {
        Ok(MetaCommand::Quit) => return Next::Leave,
        Ok(command) => show(execute(runner, command)),
        Err(mistake) => eprintln!("error: {mistake}"),
    }
    Next::Stay
}

fn execute(runner: &mut Runner, command: MetaCommand) -> Result<(), Failure> {
    match command {
        MetaCommand::Query(statement) => return runner.run_statement(&statement),
        MetaCommand::Include(file) => {
            return runner.run_script(&read_script(&file)?, Some(&file));
        }
        MetaCommand::Timing(value) => {
            runner.timing = value.unwrap_or(!runner.timing);
            println!("Timing is {}.", on_or_off(runner.timing));
        }
        MetaCommand::Expanded(value) => {
            runner.expanded = value.unwrap_or(!runner.expanded);
            println!("One cell a line is {}.", on_or_off(runner.expanded));
        }
        MetaCommand::Rows(rows) => {
            runner.rows = rows;
            match rows {
                Some(rows) => println!("A result shows {rows} rows."),
                None => println!("A result shows all rows."),
            }
        }
        MetaCommand::Null(text) => {
            println!("NULL looks like '{text}'.");
            runner.null = text;
        }
        MetaCommand::Format(format) => {
            println!("Results are written as {format:?}.");
            runner.format = format;
        }
        MetaCommand::Help => print!("{}", help()),
        MetaCommand::Quit => {}
    }
    Ok(())
}

fn on_or_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn show(outcome: Result<(), Failure>) {
    if let Err(failure) = outcome {
        eprintln!("{failure}\n");
    }
}

fn line_editor(runner: &Runner) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(10_000)?
        .build();
    let mut editor = Editor::with_config(config)?;
    let session = runner.session.clone();
    editor.set_helper(Some(ShellHelper::new(
        session,
        runner.runtime.handle().clone(),
    )));
    editor.bind_sequence(
        KeyEvent::ctrl('C'),
        EventHandler::Conditional(Box::new(ClearOrInterrupt)),
    );
    Ok(editor)
}

/// Ctrl-C: clears what was typed; there is something to interrupt only if nothing was.
struct ClearOrInterrupt;

impl ConditionalEventHandler for ClearOrInterrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        if context.line().is_empty() {
            Some(Cmd::Interrupt)
        } else {
            Some(Cmd::Kill(Movement::WholeBuffer))
        }
    }
}

/// Keeps a line for the next session, unless it may hold a secret.
fn remember(editor: &mut LineEditor, text: &str, file: Option<&PathBuf>) {
    let lower = text.to_lowercase();
    let confidential = ["secret", "password", "token", "_key"]
        .iter()
        .any(|word| lower.contains(word));
    if text.trim().is_empty() || confidential {
        return;
    }
    let added = editor.add_history_entry(text.trim_end()).unwrap_or(false);
    if let (true, Some(file)) = (added, file) {
        // A history that cannot be written is no reason to disturb the work.
        let _ = editor.append_history(file);
    }
}

/// `graticule/history` in the user's folder for state, which is created.
fn history_file() -> Option<PathBuf> {
    let folder = env::var_os("XDG_STATE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".local/state")))?
        .join("graticule");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn no_terminal(error: &ReadlineError) -> Failure {
    Failure::new(
        ExitCode::Unavailable,
        format!("the terminal cannot be used: {error}; run statements with -c or -f"),
    )
}
