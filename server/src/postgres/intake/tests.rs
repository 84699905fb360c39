//! Rows of clients in each form, cut at every byte, and what is wrong with them.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::*;
use crate::postgres::command::Command;

/// Reads `data`, cut into pieces of so many bytes, by `options`; rows of the columns `a bigint, b text`.
fn read(options: &str, data: &[u8], piece: usize) -> Result<Vec<String>, Failure> {
    let statement = format!("COPY t (a, b) FROM STDIN {options}");
    let Ok(Some(Command::CopyFrom(copy))) = Command::of(&statement) else {
        panic!("{statement}");
    };
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, false),
        Field::new("b", DataType::Utf8, true),
    ]));
    let mut intake = Intake::new(&copy, &schema)?;
    let mut rows = vec![];
    let mut take = |batch: RecordBatch| {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let texts = batch.column(1).as_string::<i32>();
        for (number, text) in numbers.iter().zip(texts.iter()) {
            rows.push(format!("{number:?} {text:?}").replace("Some", ""));
        }
    };
    for bytes in data.chunks(piece) {
        intake.extend(bytes);
        while let Some(batch) = intake.next(false)? {
            take(batch);
        }
    }
    while let Some(batch) = intake.next(true)? {
        take(batch);
    }
    Ok(rows)
}

#[test]
fn rows_are_read_whatever_pieces_they_come_in() {
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("", b"1\tx\n2\t\\N\n", &["(1) (\"x\")", "(2) None"]),
        (
            "",
            b"1\tx\r\n-2\t\\x41\\102\\tz",
            &["(1) (\"x\")", "(-2) (\"AB\\tz\")"],
        ),
        ("", b"1\ta\\\nb\n\\.\nnothing", &["(1) (\"a\\nb\")"]),
        (
            "",
            b"\\N\t\\\\N\r3\t\r",
            &["None (\"\\\\N\")", "(3) (\"\")"],
        ),
        (
            "(DELIMITER '|', NULL 'no')",
            b" 1 |no\n2|\\no\n",
            &["(1) None", "(2) (\"\\no\")"],
        ),
        ("(FORMAT csv)", b"1,\n2,\"\"\n3,\"a\n\"\"b\",\"\n", &[]),
        (
            "(FORMAT csv)",
            b"1,\n2,\"\"\n3,\"a\n\"\"b\"c\n",
            &["(1) None", "(2) (\"\")", "(3) (\"a\\n\\\"bc\")"],
        ),
        (
            "(FORMAT csv, HEADER match, QUOTE '''', ESCAPE '\\', FORCE_NULL (b))",
            b"a,b\r\n1,''\r\n2,'it\\'s, \\\\'\r\n",
            &["(1) None", "(2) (\"it's, \\\\\")"],
        ),
        (
            "(FORMAT binary)",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x01!\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x05\0\0\0\x02hi\
              \0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            &["(5) (\"hi\")", "None None"],
        ),
    ];
    for (options, data, expected) in cases {
        for piece in [1, 2, 3, 7, 1000] {
            let found = read(options, data, piece);
            match expected.is_empty() {
                true => assert!(found.is_err(), "{options} {piece}: {found:?}"),
                false => assert_eq!(&found.unwrap(), expected, "{options} {piece}"),
            }
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases: &[(&str, &[u8], &str, &str)] = &[
        (
            "",
            b"1\tx\n2\n",
            "22P04",
            "line 2: there is no value for the column b",
        ),
        (
            "",
            b"1\tx\n2\ty\tz\n",
            "22P04",
            "line 2: the row has 3 values",
        ),
        (
            "",
            b"1\tx\ntwo\ty\n3\n",
            "22P02",
            "line 2, column a: \"two\" is no int8",
        ),
        (
            "",
            b"1\tx\n99999999999999999999\ty\n",
            "22P02",
            "line 2, column a",
        ),
        ("", b"1\tx\n2\t\xff\n", "22021", "line 2, column b"),
        (
            "",
            b"1\tx\r\n2\ty\n",
            "22P04",
            "line 2: a newline is not how",
        ),
        (
            "(FORMAT csv)",
            b"1,a\n2,\"\n\n\"\nx,y\n",
            "22P02",
            "line 5, column a",
        ),
        ("(FORMAT csv)", b"1,a\n2,\"b", "22P04", "line 2"),
        (
            "(FORMAT csv, HEADER match)",
            b"b,a\n",
            "22P04",
            "line 1: the header",
        ),
        ("(FORMAT binary)", b"1\tx\n", "22P04", "line 1: this is not"),
        (
            "(FORMAT binary)",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x03",
            "22P04",
            "line 1: the row has 3",
        ),
        (
            "(FORMAT binary)",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x01x",
            "22P04",
            "line 1: the data end",
        ),
        (
            "(FORMAT binary)",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x01x\xff\xff\xff\xff",
            "22P03",
            "line 1, column a",
        ),
        (
            "(FORMAT binary)",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff!",
            "22P04",
            "behind their end",
        ),
    ];
    for (options, data, state, expected) in cases {
        for piece in [1, 5, 1000] {
            let failure = read(options, data, piece).unwrap_err();
            assert_eq!(failure.state.0, *state, "{options}: {failure}");
            let text = failure.message;
            assert!(
                text.starts_with("COPY t, line ") && text.contains(expected),
                "{text}"
            );
        }
    }
}
