//! The codecs of an array: named in metadata, shown to people, and put together to decode chunks.
//!
//! ```text
//!  v2 order, filters, compressor ┐
//!                                ├─▶ Vec<Codec> ─▶ pipeline() ─▶ zarrs' CodecChain
//!  v3 codecs                     ┘         └─────▶ describe() ─▶ "blosc(zstd:5, bitshuffle)"
//! ```

use std::sync::Arc;

use serde_json::{Map, Value, json};
use zarrs::array::{ArrayToBytesCodecTraits, Codec as ZarrsCodec, CodecChain};
use zarrs::metadata::v2::MetadataV2;
use zarrs::metadata::v3::MetadataV3;

use super::data_type::{ByteOrder, CellType};
use super::filters::Filter;
use super::lists::Lists;
use super::own::{NUMCODECS, own_codec, plain_name, register};

/// What people read where there is nothing to undo.
const NOTHING: &str = "none";

/// One codec as the metadata name it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codec {
    name: String,
    configuration: Map<String, Value>,
    /// Zarr v2 and v3 have codecs of the same name with different configurations.
    is_v2: bool,
}

/// How shards are cut into chunks and where their index is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sharding {
    /// Cells of an inner chunk.
    pub(super) chunk_shape: Vec<u64>,
    /// The codecs of an inner chunk.
    pub(super) codecs: Vec<Codec>,
    /// The codecs of the index.
    pub(super) index_codecs: Vec<Codec>,
    /// Is the index at the start of the shard, or at its end?
    pub(super) index_at_start: bool,
}

impl Codec {
    /// A codec of Zarr v3: a name, or an object with a name and a configuration.
    pub(super) fn of_v3(metadata: &Value) -> Result<Self, String> {
        let name = metadata.as_str().or_else(|| metadata.get("name")?.as_str());
        let name = name.ok_or_else(|| format!("the codec {metadata} has no name"))?;
        let configuration = match metadata.get("configuration") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(configuration)) => configuration.clone(),
            Some(_) => return Err(format!("the configuration of codec {name:?} is no object")),
        };
        Ok(Self {
            name: name.to_string(),
            configuration,
            is_v2: false,
        })
    }

    /// The codecs of a Zarr v3 array.
    pub(super) fn list_of_v3(codecs: Option<&Value>) -> Result<Vec<Self>, String> {
        let codecs = codecs.and_then(Value::as_array);
        let codecs = codecs.ok_or("the codecs are not a list")?;
        codecs.iter().map(Self::of_v3).collect()
    }

    /// The codecs of a Zarr v2 array, in the order and the terms of v3: first the transposition of
    /// Fortran order, then the filters, the byte order, and the compressor.
    pub(super) fn list_of_v2(
        array: &Map<String, Value>,
        rank: usize,
        byte_order: ByteOrder,
    ) -> Result<Vec<Self>, String> {
        let mut codecs = Vec::new();
        if array.get("order").and_then(Value::as_str) == Some("F") && rank > 1 {
            let order: Vec<usize> = (0..rank).rev().collect();
            codecs.push(Self::of_v3(
                &json!({"name": "transpose", "configuration": {"order": order}}),
            )?);
        }
        for filter in filters(array)? {
            codecs.push(Self::of_v2(filter)?);
        }
        let compressor = match array.get("compressor") {
            None | Some(Value::Null) => None,
            Some(compressor) => Some(Self::of_v2(compressor)?),
        };
        if !codecs
            .iter()
            .chain(&compressor)
            .any(Self::makes_bytes_of_an_array)
        {
            // The last filter decides what is stored.
            let filtered = codecs.iter().rev().find_map(Self::byte_order_of_filter);
            let endian = match filtered.unwrap_or(byte_order) {
                ByteOrder::Little => "little",
                ByteOrder::Big => "big",
            };
            let bytes = json!({"name": "bytes", "configuration": {"endian": endian}});
            let after_arrays = codecs.iter().position(Self::works_on_bytes);
            codecs.insert(after_arrays.unwrap_or(codecs.len()), Self::of_v3(&bytes)?);
        }
        codecs.extend(compressor);
        Ok(codecs)
    }

    fn of_v2(metadata: &Value) -> Result<Self, String> {
        let mut configuration = metadata.as_object().cloned().unwrap_or_default();
        let Some(Value::String(name)) = configuration.shift_remove("id") else {
            return Err(format!("the codec {metadata} has no id"));
        };
        Ok(Self {
            name,
            configuration,
            is_v2: true,
        })
    }

    fn byte_order_of_filter(&self) -> Option<ByteOrder> {
        let filter = Filter::of(plain_name(&self.name), &self.configuration)?;
        filter.ok()?.order()
    }

    fn makes_bytes_of_an_array(&self) -> bool {
        match self.is_v2 {
            true => {
                self.name.starts_with("vlen-") || ["grib", "pcodec", "zfpy"].contains(&&*self.name)
            }
            false => self.name == "bytes",
        }
    }

    /// Filters of Zarr v2 that work on bytes, as HDF5 has them.
    fn works_on_bytes(&self) -> bool {
        matches!(self.create(), Ok(ZarrsCodec::BytesToBytes(_)))
    }

    /// The configuration of sharding, if that is what this codec does.
    pub(super) fn sharding(&self) -> Option<Result<Sharding, String>> {
        (self.name == "sharding_indexed" && !self.is_v2).then(|| {
            let chunk_shape = self.configuration.get("chunk_shape");
            let chunk_shape = chunk_shape.and_then(Value::as_array);
            let chunk_shape = chunk_shape.ok_or("the shards have no chunk shape")?;
            let positive = |size: &Value| size.as_u64().filter(|size| *size > 0);
            let chunk_shape: Option<Vec<u64>> = chunk_shape.iter().map(positive).collect();
            Ok(Sharding {
                chunk_shape: chunk_shape.ok_or("a chunk size is not a positive number")?,
                codecs: Self::list_of_v3(self.configuration.get("codecs"))?,
                index_codecs: Self::list_of_v3(self.configuration.get("index_codecs"))?,
                index_at_start: self.configuration.get("index_location") == Some(&json!("start")),
            })
        })
    }

    fn create(&self) -> Result<ZarrsCodec, String> {
        let is_numcodecs = self.is_numcodecs();
        if let Some(codec) = own_codec(&self.name, &self.configuration, is_numcodecs) {
            return codec.map_err(|cause| self.cannot_be_used(&cause));
        }
        let mut metadata = self.configuration.clone();
        let codec = if is_numcodecs {
            metadata.insert("id".to_string(), json!(plain_name(&self.name)));
            ZarrsCodec::from_metadata(&from_json::<MetadataV2>(Value::Object(metadata))?)
        } else {
            let metadata = json!({"name": self.name, "configuration": metadata});
            ZarrsCodec::from_metadata(&from_json::<MetadataV3>(metadata)?)
        };
        codec.map_err(|error| self.cannot_be_used(&error.to_string()))
    }

    /// Is it a codec of numcodecs? Those of Zarr v2 are.
    fn is_numcodecs(&self) -> bool {
        self.is_v2 || self.name.starts_with(NUMCODECS)
    }

    fn cannot_be_used(&self, cause: &str) -> String {
        format!("the codec {:?} cannot be used: {cause}", self.name)
    }

    /// The codec for people: `zstd:3`, `blosc(zstd:5, bitshuffle)`, `bytes(big)`. Empty for what
    /// nobody needs to know, numbers in little-endian order.
    fn describe(&self) -> String {
        let name = plain_name(&self.name);
        let setting = |key: &str| self.configuration.get(key).map(plain_text);
        match name {
            "bytes" | "endian" => match setting("endian").as_deref() {
                Some("big") => "bytes(big)".to_string(),
                _ => String::new(),
            },
            "blosc" => {
                let shuffle = match setting("shuffle").as_deref() {
                    Some("1" | "shuffle") => ", shuffle",
                    Some("2" | "bitshuffle" | "-1") => ", bitshuffle",
                    _ => "",
                };
                let compressor = setting("cname").unwrap_or_default();
                let level = setting("clevel").unwrap_or_default();
                format!("blosc({compressor}:{level}{shuffle})")
            }
            "sharding_indexed" => match self.sharding() {
                Some(Ok(sharding)) => format!("sharded({})", describe(&sharding.codecs)),
                _ => "sharded".to_string(),
            },
            "zstd" | "gzip" | "zlib" | "bz2" | "lz4" | "gdeflate" | "pcodec" => {
                match setting("level") {
                    Some(level) => format!("{name}:{level}"),
                    None => name.to_string(),
                }
            }
            "zfp" | "zfpy" => {
                let kept = match setting("mode").as_deref() {
                    Some("2" | "fixed_rate") => "rate",
                    Some("3" | "fixed_precision") => "precision",
                    Some("4" | "fixed_accuracy") => "tolerance",
                    Some("expert") => return format!("{name}(expert)"),
                    _ => return format!("{name}(reversible)"),
                };
                let value = setting(kept).unwrap_or_default();
                format!("{name}({kept}={value})")
            }
            "vlen" => name.to_string(),
            "optional" => {
                let codecs = Self::list_of_v3(self.configuration.get("data_codecs"));
                match codecs.map(|codecs| describe(&codecs)) {
                    Ok(codecs) if codecs != NOTHING => format!("{name}({codecs})"),
                    _ => name.to_string(),
                }
            }
            _ => {
                let settings = self.configuration.iter();
                let settings: Vec<String> = settings
                    .map(|(key, value)| format!("{key}={}", plain_text(value)))
                    .collect();
                match settings.is_empty() {
                    true => name.to_string(),
                    false => format!("{name}({})", settings.join(", ")),
                }
            }
        }
    }
}

/// The filters of a Zarr v2 array.
fn filters(array: &Map<String, Value>) -> Result<&[Value], String> {
    match array.get("filters") {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(filters)) => Ok(filters),
        Some(_) => Err("the filters are not a list".to_string()),
    }
}

/// What the objects of a Zarr v2 array are, if a filter says it.
pub(super) fn objects(array: &Map<String, Value>) -> Option<CellType> {
    let mut filters = filters(array).ok()?.iter().filter_map(Value::as_object);
    filters.find_map(|filter| match filter.get("id")?.as_str()? {
        "vlen-utf8" => Some(CellType::Text),
        "vlen-bytes" => Some(CellType::Bytes),
        "vlen-array" => Some(CellType::Lists(Lists::of(filter).ok()?.numbers())),
        _ => None,
    })
}

/// The codecs for people, in the order in which decoding undoes them; [`NOTHING`] where there are none.
pub(super) fn describe(codecs: &[Codec]) -> String {
    let texts: Vec<String> = codecs
        .iter()
        .rev()
        .map(Codec::describe)
        .filter(|text| !text.is_empty())
        .collect();
    match texts.is_empty() {
        true => NOTHING.to_string(),
        false => texts.join(", "),
    }
}

/// Are the cells stored as they are in memory, in Blosc frames?
pub(super) fn are_numbers_in_blosc(codecs: &[Codec]) -> bool {
    let [bytes, blosc] = codecs else {
        return false;
    };
    let is_big = bytes.configuration.get("endian") == Some(&json!("big"));
    let is_native = is_big == cfg!(target_endian = "big");
    bytes.name == "bytes" && is_native && plain_name(&blosc.name) == "blosc"
}

/// Puts the codecs together. The error is its cause in words.
pub(super) fn pipeline(codecs: &[Codec]) -> Result<CodecChain, String> {
    register();
    let mut on_arrays = Vec::new();
    let mut array_to_bytes: Option<Arc<dyn ArrayToBytesCodecTraits>> = None;
    let mut on_bytes = Vec::new();
    for codec in codecs {
        let misplaced = || format!("the codec {:?} stands at the wrong place", codec.name);
        match codec.create()? {
            ZarrsCodec::ArrayToArray(step) if array_to_bytes.is_none() => on_arrays.push(step),
            ZarrsCodec::ArrayToBytes(step) if array_to_bytes.is_none() => {
                array_to_bytes = Some(step);
            }
            ZarrsCodec::BytesToBytes(step) if array_to_bytes.is_some() => on_bytes.push(step),
            _ => return Err(misplaced()),
        }
    }
    let array_to_bytes = array_to_bytes.ok_or("no codec turns the array into bytes")?;
    Ok(CodecChain::new(on_arrays, array_to_bytes, on_bytes))
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// A setting as people write it, without the quotes of JSON.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codecs_read_as_people_write_them() {
        let v2 = [
            (
                json!({"compressor": null, "filters": null, "order": "C"}),
                "none",
            ),
            (
                json!({"compressor": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0}}),
                "blosc(zstd:5, bitshuffle)",
            ),
            (
                json!({"compressor": {"id": "zlib", "level": 1}, "order": "F",
                    "filters": [{"id": "shuffle", "elementsize": 4}]}),
                "zlib:1, shuffle(elementsize=4), transpose(order=[1,0])",
            ),
            (
                json!({"compressor": {"id": "zfpy", "mode": 4, "tolerance": 0.01, "rate": -1}}),
                "zfpy(tolerance=0.01)",
            ),
            (
                json!({"compressor": {"id": "pcodec", "level": 8, "mode_spec": "auto"}, "order": "F"}),
                "pcodec:8, transpose(order=[1,0])",
            ),
            (
                json!({"filters": [{"id": "packbits"}], "compressor": {"id": "lz4"}}),
                "lz4, packbits",
            ),
            (
                json!({"filters": [{"id": "vlen-array", "dtype": "<i4"}], "compressor": {"id": "zstd"}}),
                "zstd, vlen-array(dtype=<i4)",
            ),
        ];
        for (array, expected) in v2 {
            let array = array.as_object().unwrap();
            let codecs = Codec::list_of_v2(array, 2, ByteOrder::Little).unwrap();
            assert_eq!(describe(&codecs), expected);
            assert!(pipeline(&codecs).is_ok(), "{expected}");
        }
        let v3 = [
            (
                json!([{"name": "bytes", "configuration": {"endian": "big"}}]),
                "bytes(big)",
            ),
            (
                json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [2], "codecs":
                    [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd", "configuration": {"level": 3, "checksum": true}}],
                    "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"]}}]),
                "sharded(zstd:3)",
            ),
            (
                json!([{"name": "zarrs.squeeze"}, {"name": "zfp", "configuration": {"mode": "reversible"}},
                    {"name": "zarrs.gdeflate", "configuration": {"level": 9}}]),
                "gdeflate:9, zfp(reversible), squeeze",
            ),
            (
                json!([{"name": "zarrs.optional", "configuration": {"mask_codecs": ["packbits"],
                    "data_codecs": ["bytes", {"name": "gzip", "configuration": {"level": 5}}]}}]),
                "optional(gzip:5)",
            ),
            (
                json!([{"name": "zarrs.optional", "configuration": {"mask_codecs": ["packbits"],
                    "data_codecs": ["bytes"]}}, "crc32c"]),
                "crc32c, optional",
            ),
        ];
        for (codecs, expected) in v3 {
            let codecs = Codec::list_of_v3(Some(&codecs)).unwrap();
            assert_eq!(describe(&codecs), expected);
            assert!(pipeline(&codecs).is_ok(), "{expected}");
        }
    }

    #[test]
    fn codecs_that_cannot_be_used_are_named() {
        let cases = [
            (json!(["bytes", "lerc"]), "lerc"),
            (json!(["zstd"]), "zstd"),
            (json!([]), "no codec"),
            (json!([{"configuration": {}}]), "no name"),
            (
                json!([{"name": "transpose", "configuration": {"order": [0, 0]}}, "bytes"]),
                "transpose",
            ),
        ];
        for (codecs, expected) in cases {
            let error = Codec::list_of_v3(Some(&codecs))
                .and_then(|codecs| pipeline(&codecs))
                .unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
