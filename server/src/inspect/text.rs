//! A cube for people, in the order in which `ncdump -h` and xarray show it.
//!
//! ```text
//! cube-1-250-250: zarr 2, /data/cube-1-250-250.zarr
//! CRS EPSG:4326, 10,000,000 cells, 160 MB decoded
//!
//! Dimensions: time 5, lat 1,000, lon 2,000
//!
//! Coordinates:
//!   lat  float64  52.5 … 50.0, descending, degrees_north
//!
//! Variables:
//!   conc_chl  float32  (time, lat, lon)  mg m^-3  40 MB
//!       Chlorophyll concentration
//!       chunks 1 × 250 × 250 (160), blosc(lz4:5), fill NaN
//!
//! Attributes:
//!   title: …
//! ```

use std::fmt::Write;

use graticule_engine::source::Attributes;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::description::{CoordinateDescription, Description, VariableDescription};
use crate::count::{count_of, format_count};
use crate::output::printable;
use graticule_engine::bytes::format_bytes;

/// Longer attributes are cut.
const LONGEST_ATTRIBUTE: usize = 200;

/// The whole description of a cube.
pub(crate) fn describe(cube: &Description) -> String {
    let mut text = format!("{}: {}, {}\n", printable(&cube.name), cube.format, cube.url);
    if let Some(crs) = &cube.crs {
        append(&mut text, format_args!("CRS {}, ", printable(crs)));
    }
    append(
        &mut text,
        format_args!(
            "{}, {} decoded\n",
            count_of(cube.cells(), "cell"),
            format_bytes(cube.decoded_bytes())
        ),
    );
    let dimensions: Vec<String> = cube
        .dimensions
        .iter()
        .map(|(name, size)| format!("{} {}", printable(name), format_count(*size as u64)))
        .collect();
    append(
        &mut text,
        format_args!("\nDimensions: {}\n", dimensions.join(", ")),
    );
    if !cube.coordinates.is_empty() {
        text.push_str("\nCoordinates:\n");
        text.push_str(&aligned(cube.coordinates.iter().map(coordinate).collect()));
    }
    if !cube.variables.is_empty() {
        text.push_str("\nVariables:\n");
        let lines = aligned(cube.variables.iter().map(variable).collect());
        for (line, described) in lines.lines().zip(&cube.variables) {
            append(&mut text, format_args!("{line}\n{}", details(described)));
        }
    }
    if !cube.attributes.is_empty() {
        text.push_str("\nAttributes:\n");
        text.push_str(&attributes(&cube.attributes));
    }
    text
}

/// Appends to a text, which cannot fail.
fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

fn coordinate(axis: &CoordinateDescription) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some((first, last)) = &axis.range {
        facts.push(match axis.size {
            1 => first.clone(),
            _ => format!("{first} … {last}"),
        });
    }
    if axis.size > 1 {
        facts.push(axis.order.to_string());
    }
    facts.extend(axis.units.iter().map(|units| printable(units)));
    facts.extend(
        axis.calendar
            .iter()
            .map(|calendar| format!("calendar {calendar}")),
    );
    vec![
        printable(&axis.name),
        axis.data_type.clone(),
        facts.join(", "),
    ]
}

fn variable(variable: &VariableDescription) -> Vec<String> {
    vec![
        printable(&variable.name),
        variable.data_type.clone(),
        format!("({})", variable.dimensions.join(", ")),
        printable(variable.units.as_deref().unwrap_or("")),
        variable.decoded_bytes.map_or(String::new(), format_bytes),
    ]
}

/// The indented lines below a variable.
fn details(variable: &VariableDescription) -> String {
    let mut facts = Vec::new();
    if !variable.chunks.is_empty() {
        facts.push(format!(
            "chunks {} ({})",
            shape(&variable.chunks),
            format_count(variable.chunk_count)
        ));
    }
    facts.extend(
        variable
            .shards
            .iter()
            .map(|shard| format!("shards {}", shape(shard))),
    );
    facts.extend(
        variable
            .stored_type
            .iter()
            .map(|stored| format!("stored as {stored}")),
    );
    if !variable.codecs.is_empty() {
        facts.push(variable.codecs.clone());
    }
    facts.extend(
        variable
            .stored_bytes
            .map(|bytes| format!("{} stored", format_bytes(bytes))),
    );
    facts.extend(
        variable
            .fill
            .iter()
            .map(|fill| format!("fill {}", value(fill))),
    );
    let long_name = variable.long_name.iter().map(|name| printable(name));
    let lines = long_name.chain((!facts.is_empty()).then(|| facts.join(", ")));
    lines.map(|line| format!("      {line}\n")).collect()
}

fn shape(sizes: &[u64]) -> String {
    let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
    sizes.join(" × ")
}

fn attributes(attributes: &Attributes) -> String {
    attributes
        .iter()
        .map(|(name, attribute)| format!("  {}: {}\n", printable(name), value(attribute)))
        .collect()
}

/// An attribute on one line.
fn value(attribute: &Value) -> String {
    let text = match attribute {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = printable(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.chars().count() <= LONGEST_ATTRIBUTE {
        return line;
    }
    let start: String = line.chars().take(LONGEST_ATTRIBUTE).collect();
    format!("{start}…")
}

/// Rows with their columns under each other, indented by two.
fn aligned(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            line.push_str("  ");
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
