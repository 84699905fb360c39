//! A program that talks to one long-running `graticule sql` through pipes: a statement, its result, the
//! next statement.

use libtest_mimic::{Failed, Trial};

use super::Desk;
use crate::places;

/// Starts the program, and has `ask` send a statement and read the Arrow stream that answers it.
const CLIENT: &str = "
import subprocess, sys, pyarrow as pa
p = subprocess.Popen([sys.argv[1], 'sql', '--format', 'arrow'],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
def send(text):
    p.stdin.write(text.encode())
    p.stdin.flush()
def ask(text):
    send(text)
    return pa.ipc.open_stream(p.stdout).read_all().to_pylist()
";

/// Name of the trial, what the client does, what it prints.
const CASES: &[(&str, &str, &str)] = &[
    (
        "an_answer_comes_before_the_next_statement",
        "n = ask('SELECT 41 AS n;\\n')[0]['n']\n\
         send('CREATE VIEW v AS\\n  SELECT 1 AS a, \\';\\n\\' AS b; -- more\\n')\n\
         print(n, ask(f'SELECT {n} + a AS n, b FROM v;\\n'), ask('SELECT 2 AS c WHERE false;\\n'))\n\
         p.stdin.close()\n\
         print(p.stdout.read(), p.stderr.read(), p.wait())\n",
        "41 [{'n': 42, 'b': ';\\n'}] []\nb'' b'' 0\n",
    ),
    (
        "the_last_statement_needs_no_semicolon",
        "send('SELECT 1 AS a')\np.stdin.close()\nprint(pa.ipc.open_stream(p.stdout).read_all().to_pylist(), p.wait())\n",
        "[{'a': 1}] 0\n",
    ),
    (
        "a_failure_names_its_line_and_ends_the_program",
        "print(ask('SELECT 1 AS a;\\n'))\nsend('\\nSELECT 2 AS b,\\n  nope;\\n')\n\
         print(p.stdout.read(), p.wait(), 'line 4' in p.stderr.read().decode())\n",
        "[{'a': 1}]\nb'' 1 True\n",
    ),
];

pub(super) fn trials() -> Vec<Trial> {
    let trial = |(name, script, expected): &(&str, &str, &'static str)| {
        let (script, expected) = (format!("{CLIENT}{script}"), *expected);
        Trial::test(format!("command_line::pipe::{name}"), move || {
            check(&script, expected)
        })
    };
    CASES.iter().map(trial).collect()
}

fn check(script: &str, expected: &str) -> Result<(), Failed> {
    let binary = places::binary();
    let printed = Desk::with(&[])?.python(script, &[&binary.to_string_lossy()])?;
    assert_eq!(printed, expected);
    Ok(())
}
