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
    for (role, value) in band.roles() {
        let place = Some((number, role.to_lowercase()));
        item(document, role, place, &value);
    }
    for (name, value) in band.items() {
        item(document, name, Some((number, String::new())), &value);
    }
}

impl Band<'_> {
    /// What GDAL knows by itself of a band, by its name for it.
    pub(super) fn roles(&self) -> Vec<(&'static str, String)> {
        let places = self.steps.iter();
        let places: Vec<String> = places
            .map(|(name, label)| format!(" {name}={label}"))
            .collect();
        let description = format!("{}{}", self.variable, places.concat());
        let mut roles = vec![("DESCRIPTION", description)];
        for (role, attribute) in [
            ("SCALE", "scale_factor"),
            ("OFFSET", "add_offset"),
            ("UNITTYPE", "units"),
        ] {
            let value = self.attributes.get(attribute);
            roles.extend(value.map(|value| (role, text(value))));
        }
        roles
    }

    /// All else that is said of a band: coordinates and attributes.
    pub(super) fn items(&self) -> Vec<(&str, String)> {
        let mut items = vec![("variable", self.variable.to_string())];
        let steps = self.steps.iter();
        items.extend(steps.map(|(name, label)| (*name, (*label).to_string())));
        for (name, value) in self.attributes {
            let is_taken = items.iter().any(|(taken, _)| taken == name);
            if !is_taken && !ELSEWHERE.contains(&name.as_str()) {
                items.push((name, text(value)));
            }
        }
        items
    }
}

fn item(document: &mut String, name: &str, of_band: Option<(usize, String)>, value: &str) {
    let place = match of_band {
        None => String::new(),
        Some((band, role)) if role.is_empty() => format!(" sample=\"{band}\""),
        Some((band, role)) => format!(" sample=\"{band}\" role=\"{role}\""),
    };
    // GDAL escapes values twice, and undoes it twice.
    let (name, value) = (escaped(name), escaped(&escaped(value)));
    // Writing to a text does not fail.
    let _ = writeln!(document, "  <Item name=\"{name}\"{place}>{value}</Item>");
}

/// Texts as they are, everything else as in JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As XML has it; characters that it cannot have are spaces.
pub(super) fn escaped(text: &str) -> String {
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
