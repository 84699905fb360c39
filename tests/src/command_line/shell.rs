//! The shell on a pseudo-terminal: `terminal.py` types, waits for answers, and reports the screen.

use std::process::Output;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{Desk, feed, text};
use crate::places;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";

/// What is typed, and a regular expression of what must then appear.
type Step = (&'static str, &'static str);

const CASES: &[(&str, &[Step])] = &[
    (
        "answers",
        &[(
            "SELECT 6 * 7 AS answer;\r",
            r"answer\s+-+\s+42\s+\(1 row, \d+ ms\)",
        )],
    ),
    (
        "statements_span_lines",
        &[("SELECT 40\r", ""), ("+ 3 AS answer;\r", r"\n\s+43\n")],
    ),
    (
        "several_statements_in_a_line",
        &[(
            "SELECT 10 + 1 AS a; SELECT 20 + 2 AS b;\r",
            r"\n\s+11\n(.|\n)*\n\s+22\n",
        )],
    ),
    (
        "lines_may_be_typed_ahead",
        &[("SELECT 1;\rSELECT 6 * 7;\r", r"\n\s+42\n")],
    ),
    (
        "errors_leave_the_shell_usable",
        &[
            (
                "SELECT nope;\r",
                r"error: there is no column nope(.|\n)*\^\^\^\^",
            ),
            ("SELECT 6 * 7;\r", r"\n\s+42\n"),
        ],
    ),
    (
        "history_by_arrow",
        &[
            ("SELECT 6 * 7;\r", r"\n\s+42\n"),
            (concat!("\x1b[A", "\r"), r"\n\s+42\n"),
        ],
    ),
    (
        "completes_functions",
        &[(
            "SELECT date_tru\t('year', TIMESTAMP '2017-05-06');\r",
            r"\n\s*2017-01-01T00:00:00\n",
        )],
    ),
    ("completes_keywords", &[("SEL\t 6 * 7;\r", r"\n\s+42\n")]),
    (
        "completes_commands",
        &[("\\timin\t off\r", "Timing is off")],
    ),
    (
        "ctrl_c_cancels_the_query_and_not_the_shell",
        &[
            (
                "SELECT count(*) FROM generate_series(1, 1000000000000);\r",
                r"\d\.\d s",
            ),
            (CTRL_C, "cancelled"),
            ("SELECT 6 * 7;\r", r"\n\s+42\n"),
        ],
    ),
    (
        "ctrl_c_clears_the_line",
        &[
            ("SELECT nonsense", "nonsense"),
            (CTRL_C, ""),
            ("SELECT 6 * 7;\r", r"\n\s+42\n"),
        ],
    ),
    (
        "long_results_are_limited",
        &[
            (
                "SELECT * FROM generate_series(1, 1000000000000);\r",
                r"\n\s+40\n\(first 40 rows, more follow, .*; \\rows all",
            ),
            ("\\rows 2\r", "2 rows"),
            (
                "SELECT * FROM generate_series(1, 3);\r",
                r"\n\s+2\n\(first 2 rows, more",
            ),
            (
                "SELECT * FROM generate_series(1, 2);\r",
                r"\n\s+2\n\(2 rows",
            ),
        ],
    ),
    (
        "expanded",
        &[
            ("\\x\r", "is on"),
            (
                "SELECT 1 AS a, 2 AS bb;\r",
                r"-\[ row 1 \]-+\na  \| 1\nbb \| 2\n",
            ),
        ],
    ),
    (
        "null",
        &[
            ("\\null nil\r", "nil"),
            ("SELECT NULL AS a;\r", r"\n nil\n"),
        ],
    ),
    (
        "format",
        &[
            ("\\format csv\r", "Csv"),
            ("SELECT 1 AS a, 2 AS b;\r", r"\na,b\n1,2\n"),
        ],
    ),
    (
        "timing_off",
        &[
            ("\\timing off\r", "off"),
            ("SELECT 6 * 7;\r", r"\n\s+42\n\(1 row\)\n"),
        ],
    ),
    (
        "includes_scripts",
        &[
            ("\\i script.sql\r", r"\n\s+42\n"),
            ("\\i absent.sql\r", "error: cannot read absent.sql"),
        ],
    ),
    ("lists_functions", &[("\\df date_trun\r", "date_trunc")]),
    (
        "lists_tables",
        &[
            ("CREATE VIEW abc AS SELECT 1 AS a;\r", "done"),
            ("\\d\r", "abc"),
            ("\\d abc\r", r"\n\s*a\s"),
        ],
    ),
    ("lists_schemas", &[("\\dn\r", "public")]),
    (
        "helps",
        &[
            ("\\?\r", r"\\timing"),
            ("\\nonsense\r", r"error: there is no command \\nonsense"),
        ],
    ),
];

/// How to leave.
const EXITS: &[(&str, &[Step])] = &[
    ("backslash_q", &[("\\q\r", "")]),
    ("quit", &[("quit\r", "")]),
    ("ctrl_d", &[(CTRL_D, "")]),
    (
        "ctrl_c_twice",
        &[(CTRL_C, "(?s)Ctrl-C again.*graticule> "), (CTRL_C, "")],
    ),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, steps) in CASES {
        trials.push(Trial::test(format!("command_line::shell::{name}"), || {
            let desk = Desk::with(&[("script.sql", "SELECT 6 * 7;")])?;
            let mut steps = steps.to_vec();
            steps.push(("\\q\r", ""));
            converse(&desk, 100, &steps).map(|_| ())
        }));
    }
    for (name, steps) in EXITS {
        trials.push(Trial::test(
            format!("command_line::shell::leaves_by_{name}"),
            || converse(&Desk::with(&[])?, 100, steps).map(|_| ()),
        ));
    }
    for width in [60, 80, 200] {
        trials.push(Trial::test(
            format!("command_line::shell::tables_fit_{width}_columns"),
            move || tables_fit(width),
        ));
    }
    trials.push(Trial::test(
        "command_line::shell::history_outlives_the_session",
        history,
    ));
    trials.push(Trial::test(
        "command_line::shell::secrets_are_not_remembered",
        secrets,
    ));
    trials
}

/// Types the steps into a shell on a terminal that is `width` columns wide; what was on the screen.
fn converse(desk: &Desk, width: usize, steps: &[Step]) -> Result<String, Failed> {
    let steps: Vec<Value> = steps
        .iter()
        .map(|(send, expect)| json!([send, expect]))
        .collect();
    let script = places::repository().join("tests/src/command_line/terminal.py");
    let Output {
        status,
        stdout,
        stderr,
    } = feed(
        desk.command(places::python())
            .arg(script)
            .arg(width.to_string())
            .arg(places::binary())
            .arg("sql"),
        &Value::from(steps).to_string(),
    )?;
    if status.success() {
        Ok(text(&stdout))
    } else {
        Err(format!("{}\n{}", text(&stderr), text(&stdout)).into())
    }
}

fn tables_fit(width: usize) -> Result<(), Failed> {
    let wide = "SELECT 1.0/3 AS first, repeat('lorem ipsum ', 30) AS words, 2.0/3 AS b, 3.0/7 AS c, \
        4.0/7 AS d, 5.0/7 AS e, 6.0/7 AS f, TIMESTAMP '2017-01-16T10:09:21' AS time, 8.0/7 AS last;\r";
    let screen = converse(
        &Desk::with(&[])?,
        width,
        &[
            (wide, r"\(1 row"),
            ("EXPLAIN SELECT 1 AS x;\r", r"\(2 rows"),
            ("\\q\r", ""),
        ],
    )?;
    let table: Vec<&str> = screen.lines().filter(|line| line.contains(" | ")).collect();
    assert!(table.len() > 3, "no table in\n{screen}");
    for line in &table {
        assert!(line.chars().count() <= width, "wider than {width}: {line}");
    }
    let header = table.first().unwrap_or(&"");
    assert!(
        header.contains("first") && header.contains("last"),
        "{header}"
    );
    assert_eq!(header.contains('…'), width < 200, "{header}");
    Ok(())
}

fn history() -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    converse(
        &desk,
        100,
        &[("SELECT 6 * 7;\r", r"\n\s+42\n"), ("\\q\r", "")],
    )?;
    let again: &[Step] = &[
        (UP, r"\\q"),
        (UP, r"SELECT 6 \* 7;"),
        ("\r", r"\n\s+42\n"),
        ("\\q\r", ""),
    ];
    converse(&desk, 100, again).map(|_| ())
}

fn secrets() -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let statement = "SELECT 'hush' AS secret_access_key;\r";
    converse(
        &desk,
        100,
        &[
            ("SELECT 1 AS plain;\r", "plain"),
            (statement, "row"),
            ("\\q\r", ""),
        ],
    )?;
    let kept = desk.python("print(open('state/graticule/history').read())", &[])?;
    assert!(kept.contains("plain") && !kept.contains("hush"), "{kept}");
    Ok(())
}
