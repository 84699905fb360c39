//! Zarr, versions 2 and 3: [`ZarrFormat`].
//!
//! ```text
//!  hierarchy  which groups and arrays there are      few requests, JSON as it is
//!  metadata   what the JSON of an array says         grid, data_type, codecs
//!  array      ArrayReader: fetch and decode          objects, shards, decoding, values
//! ```
//!
//! Writing is in [`writing`].
//!
//! The crate zarrs decodes chunks and makes their keys; requests, metadata, shards and errors are
//! ours. So are the codecs that zarrs lacks, gets wrong, or decodes trusting the data: those in `own`.
//! In v3, codecs of numcodecs are called `numcodecs.…`.
//!
//! | codecs | decoded by | tested with chunks of |
//! |---|---|---|
//! | `bytes`, `transpose`, `crc32c`, `shuffle`, `fletcher32`, `adler32` | zarrs | zarr-python, numcodecs |
//! | `sharding_indexed` | `shards`; behind or inside of other codecs zarrs | zarr-python |
//! | `gzip`, `zstd`, `zlib`, `bz2`, `lz4`, `blosc` | `compressors` | zarr-python, numcodecs |
//! | `zarrs.gdeflate` | `gdeflate` | the encoder that zarrs uses, stored in the tests |
//! | `delta`, `fixedscaleoffset`, `astype`, `quantize`, `bitround` | `filters` | numcodecs |
//! | `packbits` of v3; of numcodecs | `packbits` | NumPy by the specification; numcodecs |
//! | `zfp`; `zfpy` | `zfp`, with the crate zfp-rs | zfpy; numcodecs |
//! | `pcodec` | `pcodec`, with the crate pco | numcodecs |
//! | `vlen-utf8`, `vlen-bytes`, `vlen-array` of v3, `zarrs.vlen_v2` | `texts` | zarr-python, numcodecs, zarrs |
//! | `zarrs.vlen` | `texts` | NumPy by the documentation of zarrs |
//! | `reshape`, `zarrs.squeeze` | zarrs | NumPy by the specification |
//! | `vlen-array` of v2 | `lists` | numcodecs |
//! | `zarrs.optional` | `masked` | zarrs; NumPy by its documentation |
//!
//! An array whose codecs are not known is described like any other and fails when it is read. An
//! array whose values have no Arrow type (complex numbers, structures) is left out, and the attribute
//! [`UNREADABLE`] of its group says why.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{ArrayReader, Attributes, CubeFormat, Group, Location, Options};
use serde_json::{Value, json};

use array::ZarrArray;
use hierarchy::{Hierarchy, Node, discover, parent};
use metadata::ArrayMetadata;
use opened_state::OpenedState;

mod array;
mod codecs;
mod compressors;
mod data_type;
mod decode_only;
mod decoding;
mod filters;
mod gdeflate;
mod grib_messages;
mod grid;
mod hierarchy;
pub(crate) mod json;
mod lists;
mod masked;
mod metadata;
mod numbers;
pub(crate) mod objects;
mod opened_state;
mod own;
mod packbits;
mod pcodec;
mod shards;
mod texts;
mod values;
pub mod writing;
mod zfp;

/// The folder in a cube for notes about writing it.
const NOTES: &str = ".graticule";

/// The folder in a cube for its overviews.
const OVERVIEWS: &str = "overviews";

/// The attribute of a group that lists the arrays that were left out, with the reasons.
pub const UNREADABLE: &str = "unreadable_arrays";

/// Reads Zarr stores. Option `variables`: the arrays to open, separated by commas, with the
/// coordinates of their dimensions; needed where the metadata are not consolidated and the store
/// cannot be listed.
#[derive(Debug)]
pub struct ZarrFormat;

#[async_trait]
impl CubeFormat for ZarrFormat {
    fn name(&self) -> &'static str {
        "ZARR"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".zarr"]
    }

    fn is_directory(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            "variables",
            "arrays of a Zarr cube to open, separated by commas, with the coordinates of their dimensions",
        )]
    }

    async fn open(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
        let variables = variables(location, options)?;
        let hierarchy = discover(location, variables.as_deref()).await?;
        groups(location, hierarchy, variables.is_some())
    }
}

/// The names in the option `variables`.
fn variables(location: &Location, options: &Options) -> CubeResult<Option<Vec<String>>> {
    let Some(text) = options.get("variables") else {
        return Ok(None);
    };
    let names = text.split(',').map(|name| name.trim().trim_matches('/'));
    let names: Vec<String> = names.map(str::to_string).collect();
    if names.iter().any(String::is_empty) {
        return Err(CubeError::invalid(
            &location.url,
            format!("the option variables = {text:?} has an empty name"),
        )
        .remedy("write names separated by commas, for example variables = 'sst,ice'"));
    }
    Ok(Some(names))
}

/// Puts the arrays into their groups. Where the arrays were `asked_for` by name, one that cannot be
/// read is an error.
fn groups(location: &Location, hierarchy: Hierarchy, asked_for: bool) -> CubeResult<Vec<Group>> {
    let format = format!("zarr {}", hierarchy.zarr_format);
    let opened = hierarchy
        .has_states
        .then(|| Arc::new(OpenedState::new(location, &hierarchy)));
    let mut attributes: BTreeMap<String, Attributes> = BTreeMap::new();
    let mut arrays: Vec<(String, Arc<dyn ArrayReader>)> = Vec::new();
    let mut left_out: Vec<(String, String, CubeError)> = Vec::new();
    for (path, node) in hierarchy.nodes {
        let group = parent(&path).to_string();
        let place = location.child(&path);
        let metadata = match node {
            Node::Group(found) => {
                attributes.insert(path, found);
                continue;
            }
            Node::ArrayV2(array, attributes) => {
                ArrayMetadata::of_v2(&array, attributes, &place.url)?
            }
            Node::ArrayV3(array) => ArrayMetadata::of_v3(array, &place.url)?,
        };
        let name = array_name(&path, location);
        match ZarrArray::new(&name, metadata, &place, opened.clone()) {
            Ok(array) => arrays.push((group, Arc::new(array))),
            Err(error) if asked_for => return Err(error),
            Err(error) => left_out.push((group, name, error)),
        }
    }
    if arrays.is_empty() {
        let nothing = || CubeError::not_found(&location.url, "the cube holds no arrays");
        let first = left_out.into_iter().next();
        return Err(first.map_or_else(nothing, |(_, _, error)| error));
    }
    for (group, name, error) in left_out {
        let attributes = attributes.entry(group).or_default();
        let reasons = attributes.entry(UNREADABLE).or_insert_with(|| json!({}));
        if let Value::Object(reasons) = reasons {
            reasons.insert(name, json!(error.to_string()));
        }
    }
    let mut groups: BTreeMap<String, Vec<Arc<dyn ArrayReader>>> = BTreeMap::new();
    for (group, array) in arrays {
        groups.entry(group).or_default().push(array);
    }
    let group = |(path, arrays): (String, _)| Group {
        attributes: attributes.remove(&path).unwrap_or_default(),
        arrays,
        url: location.child(&path).url,
        format: format.clone(),
        version: hierarchy.version.clone(),
        path,
    };
    Ok(groups.into_iter().map(group).collect())
}

/// The name of the array at `path` in its group. An array that is a store by itself is called like
/// its folder.
fn array_name(path: &str, location: &Location) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    if !name.is_empty() {
        return name.to_string();
    }
    let folder = location.path.filename().unwrap_or("data");
    folder.strip_suffix(".zarr").unwrap_or(folder).to_string()
}
