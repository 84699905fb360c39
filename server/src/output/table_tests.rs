//! What tables look like on terminals and elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, NullArray, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::arguments::Format;
use crate::output::writer;

fn column(name: &str, values: ArrayRef) -> (Field, ArrayRef) {
    (Field::new(name, values.data_type().clone(), true), values)
}

fn text(name: &str, values: &[Option<&str>]) -> (Field, ArrayRef) {
    column(name, Arc::new(StringArray::from(values.to_vec())))
}

fn number(name: &str, values: &[Option<f64>]) -> (Field, ArrayRef) {
    column(name, Arc::new(Float64Array::from(values.to_vec())))
}

fn render(format: Format, style: &TableStyle, columns: Vec<(Field, ArrayRef)>) -> String {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let mut bytes = Vec::new();
    let mut writer = writer(format, &schema, style, false, Box::new(&mut bytes)).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn check(style: &TableStyle, columns: Vec<(Field, ArrayRef)>, expected: &str) {
    assert_eq!(render(Format::Table, style, columns), expected);
}

fn on_terminal(width: usize) -> TableStyle {
    TableStyle {
        width: Some(width),
        ..TableStyle::default()
    }
}

#[test]
fn numbers_stand_right_and_text_left() {
    let times = TimestampMicrosecondArray::from(vec![Some(1_484_561_361_000_000), None]);
    check(
        &TableStyle::default(),
        vec![
            column("time", Arc::new(times)),
            number("lat", &[Some(52.5), Some(-0.25)]),
            text("name", &[Some("Ä°"), Some("buoy 7")]),
        ],
        concat!(
            " time                |   lat | name\n",
            "---------------------+-------+--------\n",
            " 2017-01-16T10:09:21 |  52.5 | Ä°\n",
            "                     | -0.25 | buoy 7\n",
        ),
    );
}

#[test]
fn null_is_configurable() {
    let style = TableStyle {
        null: "·".into(),
        ..TableStyle::default()
    };
    let expected = " v\n---\n ·\n";
    check(&style, vec![text("v", &[None])], expected);
    check(
        &style,
        vec![column("v", Arc::new(NullArray::new(1)))],
        expected,
    );
}

#[test]
fn dates_of_model_calendars_are_dates() {
    let field = Field::new("time", DataType::Int64, true).with_metadata(HashMap::from([(
        "calendar".to_string(),
        "360_day".to_string(),
    )]));
    // 30 February 1970 in a calendar of twelve months of 30 days.
    let values: ArrayRef = Arc::new(Int64Array::from(vec![59 * 86_400_000_000_i64]));
    let columns = || vec![(field.clone(), Arc::clone(&values))];
    let style = TableStyle::default();
    check(
        &style,
        columns(),
        concat!(
            " time\n",
            "---------------------\n",
            " 1970-02-30T00:00:00\n",
        ),
    );
    assert_eq!(
        render(Format::Csv, &style, columns()),
        "time\n1970-02-30T00:00:00\n"
    );
    assert_eq!(
        render(Format::Json, &style, columns()),
        "[{\"time\":\"1970-02-30T00:00:00\"}]\n"
    );
}

#[test]
fn text_wraps_at_the_edge_of_a_terminal() {
    let plan = "Projection: a\n  Filter: b IS NOT NULL AND c > 1";
    check(
        &on_terminal(30),
        vec![number("n", &[Some(1.0)]), text("plan", &[Some(plan)])],
        concat!(
            "   n | plan\n",
            "-----+------------------------\n",
            " 1.0 | Projection: a\n",
            "     |   Filter: b IS NOT\n",
            "     |   NULL AND c > 1\n",
        ),
    );
}

#[test]
fn columns_in_the_middle_give_way() {
    let columns = ["a", "b", "c", "d"]
        .map(|name| number(name, &[Some(0.123_456_789)]))
        .to_vec();
    check(
        &on_terminal(34),
        columns,
        concat!(
            "           a | … |           d\n",
            "-------------+---+-------------\n",
            " 0.123456789 | … | 0.123456789\n",
            "(2 columns not shown for lack of\n",
            "width: b, c; \\x shows them below\n",
            "each other)\n",
        ),
    );
}

#[test]
fn rows_can_be_limited() {
    let style = TableStyle {
        rows: Some(1),
        ..TableStyle::default()
    };
    let expected = "   v\n-----\n 1.0\n";
    check(&style, vec![number("v", &[Some(1.0), Some(2.0)])], expected);
}

#[test]
fn expanded_rows_have_a_line_per_cell() {
    let style = TableStyle {
        expanded: true,
        width: Some(20),
        ..TableStyle::default()
    };
    check(
        &style,
        vec![
            number("lat", &[Some(52.5)]),
            text("long_name", &[Some("chlorophyll a")]),
        ],
        concat!(
            "-[ row 1 ]------------------------------\n",
            "lat       | 52.5\n",
            "long_name | chloroph\n",
            "          | yll a\n",
        ),
    );
}

#[test]
fn text_is_wrapped_at_spaces() {
    let cases: [(&str, usize, &[&str]); 7] = [
        ("", 5, &[""]),
        ("abc", 5, &["abc"]),
        ("abc def ghi", 7, &["abc def", "ghi"]),
        ("abcdefgh", 3, &["abc", "def", "gh"]),
        ("  indented text\n", 10, &["  indented", "  text"]),
        ("海洋温度", 4, &["海洋", "温度"]),
        ("海", 1, &["海"]),
    ];
    for (text, limit, expected) in cases {
        assert_eq!(wrap(text, limit), expected, "{text}");
    }
}
