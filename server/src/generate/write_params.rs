//! What parameters of xcube's writers are called here.
//!
//! | of xcube | option |
//! |---|---|
//! | `num_levels`, `agg_methods` | `levels`, `agg_methods`: of xcube's levels |
//! | `zarr_format` | `zarr_version` |
//! | `encoding.chl.dtype`, `scale_factor`, … | `"chl.dtype"`, `"chl.scale_factor"`, … |

use serde_json::Value;

use super::parameters::as_option;
use super::remarks::Remarks;
use super::request::Fields;
use super::target::Target;

/// Where they stand in the request.
const PLACE: &str = "output_config.write_params";

/// Names of xcube, and those of options of all formats.
const RENAMED: [(&str, &str, &str); 4] = [
    ("zarr", "zarr_format", "zarr_version"),
    ("zarr", "zarr_version", "zarr_version"),
    ("levels", "num_levels", "levels"),
    ("levels", "agg_methods", "agg_methods"),
];

/// What nothing depends on, and why.
const IDLE: [(&str, &str); 4] = [
    ("consolidated", "metadata are always consolidated"),
    ("engine", "the format decides"),
    (
        "use_saved_levels",
        "a level is always made of the one below it",
    ),
    ("replace", "output_config.replace decides"),
];

/// What cannot be done, and what to do instead.
const IMPOSSIBLE: [(&str, &str); 4] = [
    (
        "append_dim",
        "a request makes a cube; to add to one, write INSERT INTO … SELECT …, with the SELECT above",
    ),
    (
        "group",
        "a cube is the root of its store; give it a name of its own",
    ),
    ("base_dataset_id", "level 0 is always written; leave it out"),
    (
        "compressor",
        "write the codec as Graticule calls it: WITH (codec = 'zstd:3'), in the statement above",
    ),
];

/// Names of the encoding of a variable in xarray, and those of options.
const ENCODING: [(&str, &str); 4] = [
    ("dtype", "dtype"),
    ("scale_factor", "scale_factor"),
    ("add_offset", "add_offset"),
    ("_FillValue", "fill_value"),
];

/// Sets the options of `target` that `params` are.
pub(super) fn read_write_params(params: &Fields, target: &mut Target, remarks: &mut Remarks) {
    for (name, value) in params {
        let field = format!("{PLACE}.{name}");
        if value.is_null() {
            continue;
        }
        let of_format =
            |(format, xcube, _): &&(&str, &str, &str)| *format == target.format && xcube == name;
        if let Some((_, _, option)) = RENAMED.iter().find(of_format) {
            let option = option.to_string();
            match pairs(value).or_else(|| as_option(value)) {
                Some(text) => target.set(option, text),
                None => remarks.refuse(
                    field,
                    "this is no text, number or truth value; write it as one",
                ),
            }
        } else if let ("encoding", Value::Object(variables)) = (name.as_str(), value) {
            for (variable, encoding) in variables {
                read_encoding(variable, encoding, target, remarks);
            }
        } else if let Some((_, reason)) = IDLE.iter().find(|(known, _)| known == name) {
            remarks.pass_over(field, format!("{reason}; leave it out"));
        } else {
            let mut impossible = IMPOSSIBLE.iter();
            let text = impossible
                .find(|(known, _)| known == name)
                .map(|(_, text)| *text);
            let unknown = "nobody here knows what it means; leave it out, or say it as an option in the statement above";
            remarks.refuse(field, text.unwrap_or(unknown));
        }
    }
}

fn read_encoding(variable: &str, encoding: &Value, target: &mut Target, remarks: &mut Remarks) {
    for (name, value) in encoding.as_object().into_iter().flatten() {
        let field = format!("{PLACE}.encoding.{variable}.{name}");
        let option = ENCODING.iter().find(|(xarray, _)| xarray == name);
        match (option, as_option(value)) {
            (_, None) if value.is_null() => {}
            (Some((_, option)), Some(text)) => target.set(format!("{variable}.{option}"), text),
            _ => remarks.refuse(field, "this part of an encoding has no option of that name; see the options in the README of Graticule, and say it in the statement above"),
        }
    }
}

/// `{"chl": "mean", "*": "first"}` as `chl=mean,…`; a method for all others has no name here.
fn pairs(value: &Value) -> Option<String> {
    let pairs = value.as_object()?.iter();
    let pairs: Option<Vec<String>> = pairs
        .map(|(name, method)| Some(format!("{name}={}", method.as_str()?)))
        .collect();
    pairs.map(|pairs| pairs.join(","))
}
