//! How a cube shall be written, as `WITH (…)` and `OPTIONS (…)` say it: [`WriteOptions`].
//!
//! ```text
//!  chunks = 'time=8,lat=256,lon=256'     of all variables
//!  chunks = 'time=all'                   as long as the dimension
//!  dtype = 'int16'                       of all variables
//!  "chl.dtype" = 'int16'                 of one
//!  "chl.chunks" = 'lat=64,lon=64'        of one, the other dimensions as for all
//!  "area.dims" = 'lat,lon'               of one, which has these dimensions only
//!  "attribute.title" = '…'               of the cube
//!  "chl.attribute.units" = 'mg m-3'      of one variable
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::cube::conventions::is_of_storage_or_structure;
use crate::cube::encoding::ENCODING_OPTIONS;
use crate::cube::metadata::UNITS;
use crate::error::{CubeError, CubeResult};
use crate::overviews::OverviewMethods;
use crate::source::{Attributes, Options};
use crate::sql::suggestions::with_nearest;

/// Options of the whole cube.
const OF_CUBE: [(&str, &str); 9] = [
    (
        "format",
        "Format, such as zarr; the suffix of the location decides otherwise",
    ),
    (
        "location",
        "Where the cube is written, for a table outside of a store",
    ),
    (
        "dims",
        "Dimensions in storage order, such as 'time,lat,lon'",
    ),
    (
        "chunks",
        "Cells of a chunk along the dimensions, such as 'time=8,lat=256,lon=256'; 'time=all' for the whole length",
    ),
    (
        "shards",
        "Cells of a shard, a multiple of a chunk's; 'none' for an object per chunk",
    ),
    (
        "optimize_for",
        "What chunks are chosen for: map, series, or both",
    ),
    (
        "memory",
        "Memory for the cells being written at a time, such as 512MB",
    ),
    (
        "overviews",
        "Make overviews, too, by these methods, such as 'mean' or 'mean, flags=mode'",
    ),
    ("overwrite", "COPY only: true replaces a cube that is there"),
];

/// The option of variables that the format reads; the others are [`ENCODING_OPTIONS`]. For all variables, or
/// with a name in front for one.
const CODEC: (&str, &str) = (
    "codec",
    "Compression, such as zstd:3, blosc:lz4:5:shuffle, gzip:6, none",
);

/// The options of the whole cube that may be those of one variable, too.
const LAYOUT: [&str; 3] = ["chunks", "shards", "dims"];

/// All options of variables.
fn of_variable() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    std::iter::once(&CODEC).chain(ENCODING_OPTIONS)
}

/// Marks an option that is an attribute.
const ATTRIBUTE: &str = "attribute";

/// The name of an option as it is looked up: in lower case, but for the names of variables and attributes, which
/// keep theirs as quoted identifiers do: `"Chl.dtype"`, `"Chl.attribute.DOI"`.
pub(crate) fn option_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let mark = format!("{ATTRIBUTE}.");
    if lower.starts_with(&mark) {
        return format!("{mark}{}", &name[mark.len()..]);
    }
    let of_variable = lower.find(&format!(".{mark}")).map(|at| at + 1);
    if let Some(at) = of_variable {
        return format!("{}{mark}{}", &name[..at], &name[at + mark.len()..]);
    }
    match name.rsplit_once('.') {
        Some((variable, option)) => format!("{variable}.{}", option.to_lowercase()),
        None => name.to_lowercase(),
    }
}

/// What the chunks of a cube are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Purpose {
    /// All of the map at one time.
    Map,
    /// All of the time at one place.
    Series,
    /// Either.
    #[default]
    Both,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Series => "series",
            Self::Both => "both",
        })
    }
}

/// How a cube shall be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WriteOptions {
    pub(crate) format: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) dims: Option<Vec<String>>,
    pub(crate) chunks: BTreeMap<String, u64>,
    pub(crate) shards: Shards,
    pub(crate) purpose: Purpose,
    /// In bytes.
    pub(crate) memory: Option<u64>,
    pub(crate) overwrite: bool,
    /// The overviews that are made, too.
    pub(crate) overviews: Option<OverviewMethods>,
    /// Attributes of the cube.
    pub(crate) attributes: Attributes,
    /// Attributes of variables.
    pub(crate) variable_attributes: BTreeMap<String, Attributes>,
    /// Options that the format or the store may know.
    pub(crate) others: Options,
    /// Chunks and shards of variables that have their own.
    pub(super) own_chunks: BTreeMap<String, BTreeMap<String, u64>>,
    pub(super) own_shards: BTreeMap<String, Shards>,
    /// Dimensions of variables that do not have all.
    pub(super) own_dims: BTreeMap<String, Vec<String>>,
    /// Options of variables that have none of their own.
    pub(super) of_all: Options,
    pub(super) of_one: BTreeMap<String, Options>,
}

/// Whether chunks share objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Shards {
    /// When the cube is large.
    #[default]
    Automatic,
    /// Each chunk is an object.
    None,
    /// Cells along dimensions.
    Of(BTreeMap<String, u64>),
}

impl Shards {
    fn parse(name: &str, value: &str) -> CubeResult<Self> {
        match value.eq_ignore_ascii_case("none") {
            true => Ok(Self::None),
            false => lengths(name, value).map(Self::Of),
        }
    }

    fn dims(&self) -> impl Iterator<Item = &String> {
        let dims = match self {
            Self::Of(dims) => Some(dims.keys()),
            Self::Automatic | Self::None => None,
        };
        dims.into_iter().flatten()
    }
}

/// What is asked of the chunks and shards of a variable.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayoutOptions {
    /// Cells of a chunk along the dimensions that are named.
    pub(crate) chunks: BTreeMap<String, u64>,
    pub(crate) shards: Shards,
    pub(crate) purpose: Purpose,
    /// Cells of a shard that nobody asked for, at most, so that it can be computed in memory.
    pub(crate) most_cells: Option<u64>,
}

impl WriteOptions {
    /// Reads options, whose names are those of [`option_name`].
    ///
    /// # Errors
    /// A value that makes no sense. Names that are not known are left to [`WriteOptions::others`].
    pub(crate) fn parse(options: &Options) -> CubeResult<Self> {
        let mut parsed = Self::default();
        for (name, value) in options {
            parsed.read(name, value)?;
        }
        Ok(parsed)
    }

    fn read(&mut self, name: &str, value: &str) -> CubeResult<()> {
        match name {
            "format" => self.format = Some(value.to_string()),
            "location" => self.location = Some(value.to_string()),
            "dims" => self.dims = Some(names(value)),
            "chunks" => self.chunks = lengths(name, value)?,
            "overviews" => self.overviews = Some(OverviewMethods::parse(value)?),
            "shards" => self.shards = Shards::parse(name, value)?,
            "optimize_for" => {
                self.purpose = match value.to_lowercase().as_str() {
                    "map" => Purpose::Map,
                    "series" => Purpose::Series,
                    "both" => Purpose::Both,
                    _ => return Err(wrong(name, value, "say map, series or both")),
                }
            }
            "memory" => {
                let bytes = crate::bytes::parse_bytes(value);
                self.memory = Some(bytes.map_err(|cause| CubeError::invalid("", cause))?);
            }
            "overwrite" => {
                self.overwrite = match value.to_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(wrong(name, value, "say true or false")),
                }
            }
            _ => self.read_compound(name, value)?,
        }
        Ok(())
    }

    fn read_compound(&mut self, name: &str, value: &str) -> CubeResult<()> {
        let is_of_variable = |name: &str| of_variable().any(|(known, _)| *known == name);
        if is_of_variable(name) {
            self.of_all.insert(name.to_string(), value.to_string());
            return Ok(());
        }
        if let Some(attribute) = name.strip_prefix(&format!("{ATTRIBUTE}.")) {
            self.attributes
                .insert(attribute.to_string(), attribute_value(value));
            return Ok(());
        }
        // Before options of variables: attributes may be called as they are, such as `units`.
        if let Some((variable, attribute)) = name.split_once(&format!(".{ATTRIBUTE}.")) {
            let attributes = self.variable_attributes.entry(variable.to_string());
            attributes
                .or_default()
                .insert(attribute.to_string(), attribute_value(value));
            return Ok(());
        }
        if let Some((variable, option)) = name.rsplit_once('.')
            && LAYOUT.contains(&option)
        {
            let variable = variable.to_string();
            match option {
                "chunks" => drop(self.own_chunks.insert(variable, lengths(name, value)?)),
                "dims" => drop(self.own_dims.insert(variable, names(value))),
                _ => drop(
                    self.own_shards
                        .insert(variable, Shards::parse(name, value)?),
                ),
            }
            return Ok(());
        }
        if let Some((variable, option)) = name.rsplit_once('.')
            && is_of_variable(option)
        {
            let options = self.of_one.entry(variable.to_string()).or_default();
            options.insert(option.to_string(), value.to_string());
            return Ok(());
        }
        self.others.insert(name.to_string(), value.to_string());
        Ok(())
    }

    /// Is nothing asked for but attributes?
    pub(crate) fn is_of_attributes(&self) -> bool {
        let rest = Self {
            attributes: Attributes::new(),
            variable_attributes: BTreeMap::new(),
            ..self.clone()
        };
        rest == Self::default() && rest != *self
    }

    /// The options of a variable: its own, else those of all.
    pub(crate) fn of_variable(&self, variable: &str) -> Options {
        let mut options = self.of_all.clone();
        options.extend(self.of_one.get(variable).cloned().unwrap_or_default());
        options
    }

    /// What is asked of the layout of a variable: its own options, else those of all.
    pub(crate) fn layout_of(&self, variable: &str) -> LayoutOptions {
        let mut chunks = self.chunks.clone();
        chunks.extend(self.own_chunks.get(variable).cloned().unwrap_or_default());
        let shards = self.own_shards.get(variable).unwrap_or(&self.shards);
        LayoutOptions {
            chunks,
            shards: shards.clone(),
            purpose: self.purpose,
            most_cells: None,
        }
    }

    /// Checks that every option that names a dimension or a variable names one of the cube, and that
    /// no option is left over that neither the format (`known`) nor anyone else knows.
    ///
    /// # Errors
    /// The first name that is unknown, and the nearest one that is not.
    pub(crate) fn check(
        &self,
        dims: &[String],
        variables: &[String],
        known: &[(&'static str, &'static str)],
    ) -> CubeResult<()> {
        if let Some(name) = self
            .others
            .keys()
            .find(|name| !known.iter().any(|(known, _)| known == name))
        {
            let ours = OF_CUBE.iter().chain(of_variable()).map(|(name, _)| *name);
            let names: Vec<&str> = ours.chain(known.iter().map(|(name, _)| *name)).collect();
            return Err(unknown("option", name, &names));
        }
        let dims: Vec<&str> = dims.iter().map(String::as_str).collect();
        let chunks = [&self.chunks].into_iter().chain(self.own_chunks.values());
        let shards = [&self.shards].into_iter().chain(self.own_shards.values());
        let named = chunks.flat_map(BTreeMap::keys);
        for name in named.chain(shards.flat_map(Shards::dims)) {
            if !dims.contains(&name.as_str()) {
                return Err(unknown("dimension", name, &dims));
            }
        }
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let own = self.own_chunks.keys().chain(self.own_shards.keys());
        let own = own.chain(self.own_dims.keys());
        let named = self.of_one.keys().chain(self.variable_attributes.keys());
        for name in named.chain(own) {
            if !variables.contains(&name.as_str()) {
                return Err(unknown("variable", name, &variables));
            }
        }
        Ok(())
    }
}

/// May an array that says `there` of itself say what is `asked`, too? What tells how its numbers are read goes with
/// the way in which they are written.
///
/// # Errors
/// It may not.
pub(super) fn check_attributes(
    array: &str,
    asked: &Attributes,
    there: &Attributes,
) -> CubeResult<()> {
    let is_of_times = |attributes: &Attributes| {
        let units = attributes.get(UNITS).and_then(Value::as_str);
        units.is_some_and(|units| units.contains(" since "))
    };
    for name in asked.keys() {
        let is_of_times = name == UNITS && (is_of_times(asked) || is_of_times(there));
        if !is_of_times && !is_of_storage_or_structure(name) {
            continue;
        }
        let cause = format!("the attribute {name} of {array} says how its stored numbers are read");
        let mut options = ENCODING_OPTIONS.iter().map(|(option, _)| *option);
        let error = CubeError::invalid("", cause);
        return Err(match options.find(|option| option == name) {
            Some(option) => error.remedy(format!(
                "to have them written so, say \"{array}.{option}\" instead of \"{array}.{ATTRIBUTE}.{option}\""
            )),
            None => error.remedy("change the values in the query"),
        });
    }
    Ok(())
}

/// `time,lat`
fn names(text: &str) -> Vec<String> {
    text.split(',')
        .map(|name| name.trim().to_string())
        .collect()
}

/// As many cells as there are along the dimension.
pub(super) const ALL: u64 = u64::MAX;

/// `time=8,lat=256`, `time=all`
fn lengths(name: &str, text: &str) -> CubeResult<BTreeMap<String, u64>> {
    let mut lengths = BTreeMap::new();
    for part in text.split(',') {
        let length = part.split_once('=').and_then(|(dim, length)| {
            let length: u64 = match length.trim() {
                all if all.eq_ignore_ascii_case("all") => ALL,
                number => number.parse().ok()?,
            };
            (length > 0 && !dim.trim().is_empty()).then(|| (dim.trim().to_string(), length))
        });
        let Some((dim, length)) = length else {
            return Err(wrong(
                name,
                text,
                &format!("write {name} = 'time=8,lat=256,lon=256'"),
            ));
        };
        if lengths.insert(dim.clone(), length).is_some() {
            return Err(wrong(name, text, &format!("name {dim} once")));
        }
    }
    Ok(lengths)
}

/// Numbers, lists and objects as they are written in JSON, and texts in its quotes, so that `"1.0"` is no number;
/// everything else as text.
fn attribute_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::String(_))) => {
            value
        }
        _ => Value::String(text.to_string()),
    }
}

fn wrong(name: &str, value: &str, remedy: &str) -> CubeError {
    CubeError::invalid("", format!("option {name} = '{value}' makes no sense")).remedy(remedy)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> CubeError {
    let error = CubeError::invalid("", format!("there is no {what} {name}"));
    with_nearest(error, name, known.iter().copied(), "there are")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn options_of_one_variable_come_before_those_of_all() {
        let parsed = WriteOptions::parse(&options(&[
            ("dtype", "int16"),
            ("n.dtype", "uint8"),
            ("chunks", "time=8, lat=256"),
            ("n.chunks", "lat=16"),
            ("n.shards", "none"),
            ("attribute.title", "Chlorophyll"),
            ("chl.attribute.valid_min", "0.5"),
            ("chl.attribute.units", "mg m-3"),
        ]))
        .unwrap();
        assert_eq!(parsed.of_variable("chl")["dtype"], "int16");
        assert_eq!(parsed.of_variable("n")["dtype"], "uint8");
        assert_eq!(parsed.chunks["lat"], 256);
        let layout = parsed.layout_of("n");
        assert_eq!((layout.chunks["time"], layout.chunks["lat"]), (8, 16));
        assert_eq!(layout.shards, Shards::None);
        assert_eq!(parsed.layout_of("chl").chunks["lat"], 256);
        assert_eq!(parsed.attributes["title"], "Chlorophyll");
        assert_eq!(parsed.variable_attributes["chl"]["valid_min"], 0.5);
        assert_eq!(parsed.variable_attributes["chl"]["units"], "mg m-3");
    }

    #[test]
    fn variables_and_attributes_are_called_as_they_are() {
        for (name, expected) in [
            ("CHUNKS", "chunks"),
            ("Chl.Scale_Factor", "Chl.scale_factor"),
            ("Größe.DTYPE", "Größe.dtype"),
            ("Attribute.DOI", "attribute.DOI"),
            ("V.Attribute._FillValue", "V.attribute._FillValue"),
            ("v.attribute.A.Attribute.B", "v.attribute.A.Attribute.B"),
            ("Attributes.DOI", "Attributes.doi"),
            ("attribute", "attribute"),
        ] {
            assert_eq!(option_name(name), expected);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let dims = ["time".to_string(), "lat".to_string()];
        let variables = ["chl".to_string()];
        for (name, value, expected) in [
            ("chunks", "time", "option chunks = 'time' makes no sense"),
            ("chunks", "time=0", "makes no sense"),
            ("chunks", "time=1,time=2", "name time once"),
            (
                "chunks",
                "tine=1",
                "there is no dimension tine; did you mean time?",
            ),
            ("shards", "lon=1", "there is no dimension lon"),
            ("chl.chunks", "lon=1", "there is no dimension lon"),
            (
                "chk.shards",
                "none",
                "there is no variable chk; did you mean chl?",
            ),
            ("optimize_for", "maps", "say map, series or both"),
            ("memory", "lots", "no amount of memory"),
            (
                "chnuks",
                "time=1",
                "there is no option chnuks; did you mean chunks?",
            ),
            (
                "chlo.dtype",
                "int8",
                "there is no variable chlo; did you mean chl?",
            ),
        ] {
            let parsed = WriteOptions::parse(&options(&[(name, value)]));
            let checked = parsed.and_then(|parsed| parsed.check(&dims, &variables, &[]));
            let error = checked.unwrap_err().to_string();
            assert!(error.contains(expected), "{name} = {value}: {error}");
        }
    }
}
