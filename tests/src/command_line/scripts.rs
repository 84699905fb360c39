//! Scripts: flags, exit codes, what is on standard output and what on standard error.

use std::io::{BufRead, BufReader, Read};

use libtest_mimic::{Failed, Trial};

use super::{Desk, text};
use crate::places;

/// A run of the program and what it must do.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Standard input.
    input: &'static str,
    code: i32,
    stdout: Expected,
    stderr: Expected,
}

/// What a stream must hold.
enum Expected {
    Exactly(&'static str),
    /// All of these.
    Has(&'static [&'static str]),
}

use Expected::{Exactly, Has};

/// Files in the working directory of every case.
const FILES: &[(&str, &str)] = &[
    (
        "two.sql",
        "-- a comment; with a semicolon\nSELECT 1 AS a;\n\nSELECT 'x;y' AS b",
    ),
    (
        "broken.sql",
        "SELECT 1 AS a;\n\n-- next\nSELECT\n  nope\nFROM generate_series(1, 2);",
    ),
    ("wrong.toml", "[engine]\nmemory = '1GB'\nthread = 2\n"),
    ("right.toml", "[engine]\nmemory = '1GB'\nthreads = 2\n"),
];

const CASES: &[Case] = &[
    Case {
        name: "one_statement",
        arguments: &["sql", "-c", "SELECT 1 AS a, 'x' AS b, NULL AS c"],
        input: "",
        code: 0,
        stdout: Exactly(" a | b | c\n---+---+---\n 1 | x |\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "a_new_file_in_the_current_folder",
        arguments: &[
            "sql",
            "-c",
            "COPY (SELECT value AS x, value * 2 AS v FROM generate_series(1, 3)) TO 'new.nc' OPTIONS ('dims' 'x')",
            "-c",
            "SELECT sum(v) AS total FROM 'new.nc'",
        ],
        input: "",
        code: 0,
        stdout: Has(&["new.nc |     3 |", " total\n-------\n    12\n"]),
        stderr: Exactly(""),
    },
    Case {
        name: "several_commands_in_turn",
        arguments: &[
            "sql",
            "-c",
            "SELECT 1 AS a",
            "-c",
            "SELECT 2 AS b; SELECT 3 AS c",
            "--format",
            "csv",
        ],
        input: "",
        code: 0,
        stdout: Exactly("a\n1\nb\n2\nc\n3\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "script_from_a_file",
        arguments: &["sql", "-f", "two.sql", "--format", "ndjson"],
        input: "",
        code: 0,
        stdout: Exactly("{\"a\":1}\n{\"b\":\"x;y\"}\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "script_from_standard_input",
        arguments: &["sql", "--format", "json"],
        input: "SELECT 1 AS a, NULL AS b;",
        code: 0,
        stdout: Exactly("[{\"a\":1,\"b\":null}]\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "standard_input_by_name",
        arguments: &["sql", "-f", "-", "--format", "csv"],
        input: "SELECT 1 AS a",
        code: 0,
        stdout: Exactly("a\n1\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "nothing_to_do",
        arguments: &["sql"],
        input: " -- nothing\n",
        code: 0,
        stdout: Exactly(""),
        stderr: Exactly(""),
    },
    Case {
        name: "null_as_one_likes_it",
        arguments: &[
            "sql",
            "--null",
            "NA",
            "--format",
            "csv",
            "-c",
            "SELECT NULL AS a, 1 AS b",
        ],
        input: "",
        code: 0,
        stdout: Exactly("a,b\nNA,1\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "empty_results_have_a_header",
        arguments: &["sql", "--format", "csv", "-c", "SELECT 1 AS a WHERE false"],
        input: "",
        code: 0,
        stdout: Exactly("a\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "empty_results_are_an_empty_array",
        arguments: &["sql", "--format", "json", "-c", "SELECT 1 AS a WHERE false"],
        input: "",
        code: 0,
        stdout: Exactly("[]\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "tables_elsewhere_than_on_a_terminal_have_all_rows",
        arguments: &[
            "sql",
            "--rows",
            "2",
            "-c",
            "SELECT * FROM generate_series(1, 4) AS t(a)",
        ],
        input: "",
        code: 0,
        stdout: Exactly(" a\n---\n 1\n 2\n 3\n 4\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "timing_is_on_standard_error",
        arguments: &["sql", "--timing", "--format", "csv", "-c", "SELECT 1 AS a"],
        input: "",
        code: 0,
        stdout: Exactly("a\n1\n"),
        stderr: Has(&["(1 row, ", "s)"]),
    },
    Case {
        name: "threads_and_memory",
        arguments: &[
            "sql",
            "--threads",
            "1",
            "--memory",
            "100MB",
            "--format",
            "csv",
            "-c",
            "SELECT 1 AS a",
        ],
        input: "",
        code: 0,
        stdout: Exactly("a\n1\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "configuration",
        arguments: &[
            "sql",
            "--config",
            "right.toml",
            "--format",
            "csv",
            "-c",
            "SELECT 1 AS a",
        ],
        input: "",
        code: 0,
        stdout: Exactly("a\n1\n"),
        stderr: Exactly(""),
    },
    Case {
        name: "wrong_configuration",
        arguments: &["sql", "--config", "wrong.toml", "-c", "SELECT 1"],
        input: "",
        code: 3,
        stdout: Exactly(""),
        stderr: Exactly(
            "error: wrong.toml:3: there is no setting `thread`; did you mean `threads`?\n",
        ),
    },
    Case {
        name: "absent_configuration",
        arguments: &["sql", "--config", "absent.toml", "-c", "SELECT 1"],
        input: "",
        code: 3,
        stdout: Exactly(""),
        stderr: Has(&["error: cannot read absent.toml: No such file"]),
    },
    Case {
        name: "syntax_error",
        arguments: &["sql", "-c", "SELCT 1"],
        input: "",
        code: 1,
        stdout: Exactly(""),
        stderr: Has(&["error: syntax error", "line 1: SELCT 1\n        ^^^^^\n"]),
    },
    Case {
        name: "error_in_a_file_has_its_line",
        arguments: &["sql", "-f", "broken.sql", "--format", "csv"],
        input: "",
        code: 1,
        stdout: Exactly("a\n1\n"),
        stderr: Has(&[
            "error: broken.sql: there is no column nope",
            "line 5:   nope\n          ^^^^\n",
        ]),
    },
    Case {
        name: "the_first_error_ends_the_run",
        arguments: &["sql", "-c", "SELECT 1 % 0", "-c", "SELECT 2"],
        input: "",
        code: 1,
        stdout: Exactly(""),
        stderr: Exactly("error: division by zero\n"),
    },
    Case {
        name: "unknown_table",
        arguments: &["sql", "-c", "SELECT * FROM nowhere"],
        input: "",
        code: 4,
        stdout: Exactly(""),
        stderr: Has(&[
            "error: there is no table nowhere; ",
            "SELECT * FROM nowhere\n                      ^^^^^^^\n",
        ]),
    },
    Case {
        name: "absent_script",
        arguments: &["sql", "-f", "absent.sql"],
        input: "",
        code: 4,
        stdout: Exactly(""),
        stderr: Has(&["error: cannot read absent.sql: No such file"]),
    },
    Case {
        name: "absent_cube",
        arguments: &["sql", "-c", "SELECT * FROM 'absent.zarr'"],
        input: "",
        code: 4,
        stdout: Exactly(""),
        stderr: Has(&["error: ", "absent.zarr"]),
    },
    Case {
        name: "unknown_flag",
        arguments: &["sql", "--fromat", "csv"],
        input: "",
        code: 2,
        stdout: Exactly(""),
        stderr: Has(&["--format"]),
    },
    Case {
        name: "senseless_memory",
        arguments: &["sql", "--memory", "lots"],
        input: "",
        code: 2,
        stdout: Exactly(""),
        stderr: Has(&["`lots` is no amount of memory such as 8GB"]),
    },
    Case {
        name: "output_without_known_suffix",
        arguments: &["sql", "-c", "SELECT 1", "--output", "x.doc"],
        input: "",
        code: 2,
        stdout: Exactly(""),
        stderr: Has(&["error: cannot tell the format of x.doc by its suffix; add --format"]),
    },
    Case {
        name: "two_results_in_one_json_document",
        arguments: &[
            "sql",
            "-c",
            "SELECT 1 AS a; SELECT 2 AS a",
            "--output",
            "x.json",
        ],
        input: "",
        code: 2,
        stdout: Exactly(""),
        stderr: Has(&["error: json output holds one result", "ndjson"]),
    },
    Case {
        name: "version",
        arguments: &["--version"],
        input: "",
        code: 0,
        stdout: Has(&["graticule 0."]),
        stderr: Exactly(""),
    },
    Case {
        name: "help_lists_exit_codes",
        arguments: &["--help"],
        input: "",
        code: 0,
        stdout: Has(&["Exit codes:", "130  interrupted", "sql", "inspect"]),
        stderr: Exactly(""),
    },
    Case {
        name: "help_has_examples",
        arguments: &["sql", "--help"],
        input: "",
        code: 0,
        stdout: Has(&["Examples:", "graticule sql -c", "--memory <SIZE>"]),
        stderr: Exactly(""),
    },
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = CASES
        .iter()
        .map(|case| {
            Trial::test(format!("command_line::script::{}", case.name), || {
                check(case)
            })
        })
        .collect();
    trials.push(Trial::test(
        "command_line::script::a_reader_may_leave",
        a_reader_may_leave,
    ));
    trials.push(Trial::test(
        "command_line::script::ctrl_c_ends_with_130",
        ctrl_c_ends_with_130,
    ));
    trials
}

fn check(case: &Case) -> Result<(), Failed> {
    let output = Desk::with(FILES)?.graticule(case.arguments, case.input)?;
    let streams = [
        ("standard output", text(&output.stdout), &case.stdout),
        ("standard error", text(&output.stderr), &case.stderr),
    ];
    for (name, found, expected) in streams {
        match expected {
            Exactly(expected) => assert_eq!(found, *expected, "{name}"),
            Has(parts) => {
                for part in *parts {
                    assert!(found.contains(part), "{name} lacks {part:?}:\n{found}");
                }
            }
        }
    }
    assert_eq!(output.status.code(), Some(case.code));
    Ok(())
}

/// `graticule … | head -1` ends at once, quietly and with success.
fn a_reader_may_leave() -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let endless = "SELECT * FROM generate_series(1, 1000000000000)";
    for format in ["csv", "ndjson", "table"] {
        let mut child = desk
            .command(places::binary())
            .args(["sql", "--format", format, "-c", endless])
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        assert!(!line.is_empty());
        let mut complaint = String::new();
        child
            .stderr
            .take()
            .ok_or("no standard error")?
            .read_to_string(&mut complaint)?;
        assert_eq!(complaint, "", "{format}");
        assert_eq!(child.wait()?.code(), Some(0), "{format}");
    }
    Ok(())
}

/// Ctrl-C ends a script, and an unfinished file does not appear.
fn ctrl_c_ends_with_130() -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let outcome = desk.python(
        "import os, signal, subprocess, sys, time\n\
         endless = 'SELECT * FROM generate_series(1, 1000000000000)'\n\
         p = subprocess.Popen([sys.argv[1], 'sql', '-c', endless, '--output', 'x.csv'],\n\
                              stderr=subprocess.PIPE, text=True)\n\
         while not (os.path.exists('x.csv.partial') and os.path.getsize('x.csv.partial')):\n\
         \x20   time.sleep(0.05)\n\
         p.send_signal(signal.SIGINT)\n\
         print(p.stderr.read().strip(), p.wait(20), sorted(os.listdir('.')))\n",
        &[&places::binary().to_string_lossy()],
    )?;
    assert_eq!(outcome, "cancelled 130 []\n");
    Ok(())
}
