//! What a request of xcube's generator says, with its fields typed: [`Request`], and [`Definitions`] of stores.
//!
//! ```text
//!  JSON or YAML ─▶ Value ─▶ Request            a field of a wrong type is an error that names it
//!                     └───▶ fields that nobody knows, to be named
//! ```
//! The fields are those of `xcube gen2` (xcube 1.13, `core/gen2/request.py` and `config.py`).

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::sql::read_script;

/// A JSON object, in the order in which it is written.
pub(super) type Fields = Map<String, Value>;

/// A request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Request {
    pub(super) input_config: Option<InputConfig>,
    pub(super) input_configs: Option<Vec<InputConfig>>,
    pub(super) cube_config: Option<CubeConfig>,
    pub(super) code_config: Option<Value>,
    pub(super) output_config: Option<OutputConfig>,
    pub(super) callback_config: Option<Value>,
}

/// A cube that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InputConfig {
    pub(super) store_id: Option<String>,
    pub(super) opener_id: Option<String>,
    pub(super) data_id: Option<String>,
    pub(super) store_params: Option<Fields>,
    pub(super) open_params: Option<Fields>,
}

/// The cube that is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CubeConfig {
    pub(super) variable_names: Option<Vec<String>>,
    pub(super) crs: Option<String>,
    pub(super) bbox: Option<Vec<f64>>,
    pub(super) spatial_res: Option<Sizes<f64>>,
    pub(super) tile_size: Option<Sizes<u64>>,
    pub(super) time_range: Option<Vec<Option<String>>>,
    pub(super) time_period: Option<String>,
    pub(super) chunks: Option<serde_json::Map<String, Value>>,
    pub(super) metadata: Option<Fields>,
    pub(super) variable_metadata: Option<Map<String, Value>>,
}

/// One number for x and y, or one for each.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Sizes<T> {
    Same(T),
    Each([T; 2]),
}

impl<T: Copy> Sizes<T> {
    /// Along x and along y.
    pub(super) fn both(self) -> [T; 2] {
        match self {
            Self::Same(size) => [size, size],
            Self::Each(sizes) => sizes,
        }
    }
}

/// Where the cube is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputConfig {
    pub(super) store_id: Option<String>,
    pub(super) writer_id: Option<String>,
    pub(super) data_id: Option<String>,
    pub(super) store_params: Option<Fields>,
    pub(super) write_params: Option<Fields>,
    pub(super) replace: Option<bool>,
}

/// Stores with names, which requests call `@name`.
pub(super) type Definitions = Map<String, Value>;

/// Reads a request, or a file of stores: what it says, and the fields that are not known.
///
/// # Errors
/// The file cannot be read, is neither JSON nor YAML, or has a field of a wrong type.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<(T, Vec<String>), Failure> {
    let text = read_script(file)?;
    let name = match file == Path::new("-") {
        true => "standard input".to_string(),
        false => file.display().to_string(),
    };
    parse(&text).map_err(|cause| Failure::new(ExitCode::Usage, format!("{name}: {cause}")))
}

/// A text that begins with a brace is JSON, any other YAML.
fn parse<T: DeserializeOwned>(text: &str) -> Result<(T, Vec<String>), String> {
    let value: Value = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?,
        false => serde_saphyr::from_str(text).map_err(|error| {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            format!("this is neither JSON, which begins with a brace, nor YAML: {first}")
        })?,
    };
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(without_options(&path.to_string()));
    let reader = serde_ignored::Deserializer::new(value, &mut note);
    let read = serde_path_to_error::deserialize(reader).map_err(|error| {
        let place = error.path().to_string();
        format!("{place}: {}", error.into_inner())
    })?;
    Ok((read, unknown))
}

/// `cube_config.?.bbox`, where a field may be absent, is `cube_config.bbox` to those who write requests.
fn without_options(path: &str) -> String {
    path.replace("?.", "").replace(".?", "")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn json_and_yaml_say_the_same() {
        let json =
            r#"{"cube_config": {"bbox": [1, 2, 3, 4.5], "spatial_res": 0.5, "bboxx": 1}, "x": {}}"#;
        let yaml = "cube_config:\n  bbox: [1, 2, 3, 4.5]\n  spatial_res: [0.5, 0.5]\n  bboxx: 1\nx:\n  y: 1\n";
        for text in [json, yaml] {
            let (request, mut unknown): (Request, _) = parse(text).unwrap();
            let config = request.cube_config.unwrap();
            assert_eq!(config.bbox.unwrap(), [1.0, 2.0, 3.0, 4.5]);
            assert_eq!(config.spatial_res.unwrap().both(), [0.5, 0.5]);
            unknown.sort();
            assert_eq!(unknown, ["cube_config.bboxx", "x"]);
        }
    }

    #[test]
    fn mistakes_name_their_place() {
        let cases = [
            (
                r#"{"cube_config": {"bbox": [1, "2"]}}"#,
                "cube_config.bbox[1]: invalid type: string \"2\", expected f64",
            ),
            (
                "{\"cube_config\": ",
                "this is no JSON: EOF while parsing a value at line 1 column 16",
            ),
            ("cube_config: [1\n", "this is neither JSON"),
            ("", "invalid type"),
        ];
        for (text, expected) in cases {
            let error = parse::<Request>(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
