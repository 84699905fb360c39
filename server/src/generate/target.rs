//! How the wanted cube is written: [`Target`], a table and the options of `CREATE TABLE`.
//!
//! | of the request | option |
//! |---|---|
//! | `output_config.data_id`, `writer_id` | `format`, `location` |
//! | `cube_config.chunks`, `tile_size` | `chunks = 'time=1,lat=512,lon=512'` |
//! | `cube_config.metadata` | `"attribute.title" = '…'` |
//! | `cube_config.variable_metadata` | `"chl.attribute.units" = '…'` |
//! | `output_config.write_params` | see [`super::write_params`] |

use graticule_engine::cube::AxisRole;
use serde_json::Value;

use super::grid::{X, Y};
use super::inputs::{FORMATS, table, without_suffix};
use super::remarks::Remarks;
use super::request::{CubeConfig, Fields, OutputConfig, Sizes};
use super::stores::{Place, Store};
use super::text::{identifier, literal};
use super::write_params::read_write_params;
use crate::nearest::nearest;

/// The chunk that is as long as its dimension.
const ALL: &str = "all";

/// The option that says where a cube outside of stores is.
const LOCATION: &str = "location";

/// Where and how the cube is written.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// The table, as the statement names it.
    table: String,
    /// `zarr` and the like.
    pub(super) format: String,
    replaces: bool,
    /// Names and values, in the order in which they are written.
    options: Vec<(String, String)>,
}

/// A dimension of the wanted cube.
#[derive(Debug, Clone)]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) role: AxisRole,
}

impl Dimension {
    /// Is there one of its name?
    pub(super) fn is_among(&self, others: &[Self]) -> bool {
        others.iter().any(|other| other.name == self.name)
    }
}

impl Target {
    /// The target at `place`.
    pub(super) fn of(
        output: &OutputConfig,
        place: Option<&Place>,
        stores: &[Store],
        remarks: &mut Remarks,
    ) -> Self {
        let Some(place) = place else {
            return Self {
                table: "output".to_string(),
                ..Self::default()
            };
        };
        let (format, suffix) = format(output, place, remarks);
        let mut target = Self {
            table: match place.store.and_then(|store| stores.get(store)) {
                Some(store) => table(store, place),
                None => {
                    let name = without_suffix(&place.path);
                    identifier(name.rsplit('/').next().unwrap_or(name))
                }
            },
            replaces: output.replace.unwrap_or(false),
            ..Self::default()
        };
        target.set("format", &format);
        if place.store.is_none() {
            let location = format!("{}{suffix}", without_suffix(&place.path));
            target.set(LOCATION, location);
        }
        target.format = format;
        if let Some(params) = &output.write_params {
            read_write_params(params, &mut target, remarks);
        }
        target
    }

    /// Sets an option, if it is not set.
    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        if !self.options.iter().any(|(set, _)| *set == name) {
            self.options.push((name, value.into()));
        }
    }

    /// What `config` says about chunks, for a cube with these dimensions.
    pub(super) fn chunk(
        &mut self,
        config: &CubeConfig,
        dimensions: &[Dimension],
        remarks: &mut Remarks,
    ) {
        if dimensions.is_empty() {
            return;
        }
        let mut chunks: Vec<(String, String)> = Vec::new();
        for (name, length) in config.chunks.iter().flatten() {
            let field = format!("cube_config.chunks.{name}");
            let mut known = dimensions.iter().map(|dimension| dimension.name.as_str());
            if !known.any(|known| known == name) {
                let names: Vec<&str> = dimensions
                    .iter()
                    .map(|dimension| dimension.name.as_str())
                    .collect();
                let hint = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", names.join(", ")),
                };
                remarks.refuse(field, format!("the cube has no such dimension; {hint}"));
                continue;
            }
            let length = match length {
                Value::Null => Some(ALL.to_string()),
                length => length
                    .as_u64()
                    .filter(|length| *length > 0)
                    .map(|length| length.to_string()),
            };
            match length {
                Some(length) => chunks.push((name.clone(), length)),
                None => remarks.refuse(
                    field,
                    "a chunk has a whole number of cells, or null for all along the dimension",
                ),
            }
        }
        if let Some(tile) = config.tile_size {
            self.tile(tile, &mut chunks, dimensions, remarks);
        }
        if !chunks.is_empty() {
            let of_dimension = |dimension: &Dimension| {
                let (name, length) = chunks.iter().find(|(name, _)| *name == dimension.name)?;
                Some(format!("{name}={length}"))
            };
            let chunks: Vec<String> = dimensions.iter().filter_map(of_dimension).collect();
            self.set("chunks", chunks.join(","));
        }
    }

    /// A tile is a chunk of the map.
    fn tile(
        &self,
        tile: Sizes<u64>,
        chunks: &mut Vec<(String, String)>,
        dimensions: &[Dimension],
        remarks: &mut Remarks,
    ) {
        let mut is_used = false;
        for (roles, cells) in [X, Y].into_iter().zip(tile.both()) {
            let dimension = dimensions
                .iter()
                .find(|dimension| roles.contains(&dimension.role));
            let Some(Dimension { name, .. }) = dimension else {
                continue;
            };
            if !chunks.iter().any(|(known, _)| known == name) {
                chunks.push((name.clone(), cells.max(1).to_string()));
                is_used = true;
            }
        }
        if !is_used {
            remarks.pass_over(
                "cube_config.tile_size",
                "chunks says otherwise; leave one of them out",
            );
        }
    }

    /// What `config` says that the cube says of itself.
    pub(super) fn describe(&mut self, config: &CubeConfig, remarks: &mut Remarks) {
        if let Some(attributes) = &config.metadata {
            self.attributes("", attributes, "cube_config.metadata", remarks);
        }
        for (variable, attributes) in config.variable_metadata.iter().flatten() {
            let field = format!("cube_config.variable_metadata.{variable}");
            match attributes {
                Value::Object(attributes) => {
                    self.attributes(&format!("{variable}."), attributes, &field, remarks);
                }
                _ => remarks.refuse(
                    field,
                    "attributes of a variable are an object; write {\"units\": \"K\"}",
                ),
            }
        }
    }

    fn attributes(&mut self, of: &str, attributes: &Fields, field: &str, remarks: &mut Remarks) {
        for (name, value) in attributes {
            match attribute(value) {
                Some(text) => self.set(format!("{of}attribute.{name}"), text),
                None => remarks.pass_over(
                    format!("{field}.{name}"),
                    "no attribute is null; leave it out",
                ),
            }
        }
    }

    /// The statement that makes the cube of `query`.
    pub(super) fn create(&self, query: &str) -> String {
        let create = match self.replaces {
            true => "CREATE OR REPLACE TABLE",
            false => "CREATE TABLE",
        };
        format!(
            "{create} {} WITH (\n  {}\n) AS\n{query}",
            self.table,
            self.written_options()
        )
    }

    /// The statement that says what would be made, whatever is there already, and whether its folder is there or not.
    pub(super) fn explain(&self, query: &str) -> String {
        let mut options = self.options.clone();
        for (name, value) in &mut options {
            if name == LOCATION
                && let Some((_, file)) = value.rsplit_once('/')
            {
                *value = file.to_string();
            }
        }
        let explained = Self {
            table: self.table.clone(),
            format: self.format.clone(),
            replaces: true,
            options,
        };
        format!("EXPLAIN {}", explained.create(query))
    }

    /// The folder of a cube that lies in no store.
    pub(super) fn folder(&self) -> Option<&str> {
        let (_, location) = self.options.iter().find(|(name, _)| name == LOCATION)?;
        location
            .rsplit_once('/')
            .map(|(folder, _)| folder)
            .filter(|folder| !folder.is_empty())
    }

    fn written_options(&self) -> String {
        let written = |(name, value): &(String, String)| {
            let name = match name.contains(|c: char| !c.is_ascii_lowercase() && c != '_') {
                true => format!("\"{}\"", name.replace('"', "\"\"")),
                false => name.clone(),
            };
            format!("{name} = {}", literal(value))
        };
        let options: Vec<String> = self.options.iter().map(written).collect();
        options.join(",\n  ")
    }
}

/// The format, and what must be added to the path for it.
fn format(output: &OutputConfig, place: &Place, remarks: &mut Remarks) -> (String, &'static str) {
    let of_suffix = FORMATS
        .iter()
        .find(|(suffix, _)| place.path.ends_with(suffix));
    if let Some((suffix, format)) = of_suffix {
        return (format.to_string(), suffix);
    }
    let named = output
        .writer_id
        .as_deref()
        .and_then(|writer| writer.split(':').nth(1));
    let named = named.unwrap_or("zarr");
    match FORMATS.iter().find(|(_, format)| *format == named) {
        Some((suffix, format)) => {
            let text = format!(
                "names of cubes end with their format; it is written as {}{suffix}",
                place.path
            );
            remarks.pass_over("output_config.data_id", text);
            (format.to_string(), suffix)
        }
        None => {
            let formats: Vec<&str> = FORMATS.iter().map(|(_, format)| *format).collect();
            let text = format!(
                "{named} is no format that is written; choose one of {}",
                formats.join(", ")
            );
            remarks.refuse("output_config.writer_id", text);
            ("zarr".to_string(), ".zarr")
        }
    }
}

/// An attribute as an option has it: numbers, lists and objects as JSON, and texts that look like these in the
/// quotes of JSON.
fn attribute(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => {
            let looks_like_json = serde_json::from_str::<Value>(text).is_ok_and(|value| {
                matches!(
                    value,
                    Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::String(_)
                )
            });
            Some(match looks_like_json {
                true => value.to_string(),
                false => text.clone(),
            })
        }
        _ => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::attribute;

    #[test]
    fn attributes_keep_their_types() {
        let cases = [
            (json!("Sea"), Some("Sea")),
            (json!("1.0"), Some("\"1.0\"")),
            (json!("\"x\""), Some("\"\\\"x\\\"\"")),
            (json!(1.5), Some("1.5")),
            (json!([1, 2]), Some("[1,2]")),
            (json!({"a": 1}), Some("{\"a\":1}")),
            (json!(true), Some("true")),
            (json!(null), None),
        ];
        for (value, expected) in cases {
            assert_eq!(attribute(&value).as_deref(), expected);
        }
    }
}
