//! What the bands mean, as GDAL keeps it in the tag `GDAL_METADATA`: [`document`].
//!
//! ```text
//!  <GDALMetadata>
//!    <Item name="history">…</Item>                                        of the cube
//!    <Item name="DESCRIPTION" sample="0" role="description">sst time=2017-01-16T10:09:22Z</Item>
//!    <Item name="SCALE" sample="0" role="scale">0.01</Item>               what GDAL knows by itself
//!    <Item name="time" sample="0">2017-01-16T10:09:22Z</Item>             coordinates and attributes of a band
//! ```

use std::fmt::Write;

use graticule_engine::source::Attributes;
use serde_json::Value;

/// Attributes that have a role of their own, or speak of arrays that a file of images does not have.
const ELSEWHERE: [&str; 6] = [
    "scale_factor",
    "add_offset",
    "units",
    "_FillValue",
    "grid_mapping",
    "coordinates",
];

/// A band: a variable at one step of each of the other dimensions.
#[derive(Debug)]
pub(super) struct Band<'a> {
    pub(super) variable: &'a str,
    pub(super) attributes: &'a Attributes,
    /// Names of dimensions, and where the band is on them.
    pub(super) steps: Vec<(&'a str, &'a str)>,
}

/// The document about a cube with these attributes and bands.
pub(super) fn document<'a>(
    attributes: &Attributes,
    bands: impl Iterator<Item = Band<'a>>,
) -> String {
    let mut document = "<GDALMetadata>\n".to_string();
    for (name, value) in attributes {
        item(&mut document, name, None, &text(value));
    }
    for (number, band) in bands.enumerate() {
        of_band(&mut document, number, &band);
    }
    document.push_str("</GDALMetadata>\n");
    document
}

fn of_band(document: &mut String, number: usize, band: &Band<'_>) {
    let mut role = |name: &str, value: &str| {
        let role = name.to_lowercase();
        item(document, name, Some((number, &role)), value);
    };
    let places = band.steps.iter();
    let places: Vec<String> = places
        .map(|(name, label)| format!(" {name}={label}"))
        .collect();
    role(
        "DESCRIPTION",
        &format!("{}{}", band.variable, places.concat()),
    );
    for (name, attribute) in [
        ("SCALE", "scale_factor"),
        ("OFFSET", "add_offset"),
        ("UNITTYPE", "units"),
    ] {
        if let Some(value) = band.attributes.get(attribute) {
            role(name, &text(value));
        }
    }
    let mut plain = |name: &str, value: &str| item(document, name, Some((number, "")), value);
    plain("variable", band.variable);
    for (name, label) in &band.steps {
        plain(name, label);
    }
    for (name, value) in band.attributes {
        let is_taken = name == "variable" || band.steps.iter().any(|(step, _)| step == name);
        if !is_taken && !ELSEWHERE.contains(&name.as_str()) {
            plain(name, &text(value));
        }
    }
}

fn item(document: &mut String, name: &str, of_band: Option<(usize, &str)>, value: &str) {
    let place = match of_band {
        None => String::new(),
        Some((band, "")) => format!(" sample=\"{band}\""),
        Some((band, role)) => format!(" sample=\"{band}\" role=\"{role}\""),
    };
    // GDAL escapes values twice, and undoes it twice.
    let (name, value) = (escaped(name), escaped(&escaped(value)));
    // Writing to a text does not fail.
    let _ = writeln!(document, "  <Item name=\"{name}\"{place}>{value}</Item>");
}

/// Texts as they are, everything else as in JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As XML has it; characters that it cannot have are spaces.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
