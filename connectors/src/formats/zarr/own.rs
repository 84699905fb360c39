//! The codecs of our own, by name: those that zarrs lacks, gets wrong, or decodes trusting the data.
//!
//! [`register`] gives them to zarrs as well, for the codecs inside of nested shards.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};
use zarrs::array::Codec as ZarrsCodec;
use zarrs::array::codec::api::{
    CodecRuntimePluginV3, CodecRuntimeRegistryHandleV3, register_codec_v3,
};
use zarrs::array::codec::{Crc32cCodec, Crc32cCodecConfiguration};

use super::compressors::Compressor;
use super::decode_only::{Decompressor, Undo, Undoer, Unpack, Unpacker};
use super::filters::Filter;
use super::grib_messages::GribMessages;
use super::lists::Lists;
use super::masked::Masked;
use super::packbits::{PackBits, PackedBooleans};
use super::pcodec::Pcodec;
use super::texts::{Texts, TextsApart};
use super::zfp::Zfp;

/// What stands before the names of numcodecs' codecs in Zarr v3.
pub(super) const NUMCODECS: &str = "numcodecs.";

/// What stands before the name of a codec that numcodecs or zarrs invented.
const PREFIXES: [&str; 5] = [
    NUMCODECS,
    "zarrs.",
    "https://codec.zarrs.dev/array_to_array/",
    "https://codec.zarrs.dev/array_to_bytes/",
    "https://codec.zarrs.dev/bytes_to_bytes/",
];

/// The codec called `name`, if it is one of ours. Some codecs of numcodecs have the name of another one
/// of Zarr v3. The error is its cause in words.
pub(super) fn own_codec(
    name: &str,
    configuration: &Map<String, Value>,
    is_numcodecs: bool,
) -> Option<Result<ZarrsCodec, String>> {
    let name = plain_name(name);
    Some(match name {
        "packbits" if is_numcodecs => Ok(undoer(PackedBooleans)),
        "packbits" => PackBits::of(configuration).map(unpacker),
        "crc32c" if is_numcodecs => crc32c(configuration),
        "zfp" => Zfp::of(configuration).map(unpacker),
        "zfpy" => Ok(unpacker(Zfp::with_header())),
        "pcodec" => Ok(unpacker(Pcodec)),
        "vlen-utf8" | "vlen-bytes" | "vlen_v2" => Ok(unpacker(Texts)),
        // In Zarr v3 the type of the array says what the lists hold: characters or bytes.
        "vlen-array" if !configuration.contains_key("dtype") => Ok(unpacker(Texts)),
        "vlen" => TextsApart::of(configuration).map(unpacker),
        "vlen-array" => Lists::of(configuration).map(unpacker),
        "optional" => Masked::of(configuration).map(unpacker),
        // References of kerchunk lead to them.
        "grib" => GribMessages::of(configuration).map(unpacker),
        _ => match (Filter::of(name, configuration), Compressor::of(name)) {
            (Some(filter), _) => filter.map(undoer),
            (_, Some(compressor)) => {
                let decompressor = Arc::new(Decompressor(compressor));
                Ok(ZarrsCodec::BytesToBytes(decompressor))
            }
            (None, None) => return None,
        },
    })
}

/// The name without what stands before it.
pub(super) fn plain_name(name: &str) -> &str {
    let mut without = PREFIXES
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix));
    without.next().unwrap_or(name)
}

fn unpacker(codec: impl Unpack) -> ZarrsCodec {
    ZarrsCodec::ArrayToBytes(Arc::new(Unpacker(codec)))
}

fn undoer(codec: impl Undo) -> ZarrsCodec {
    ZarrsCodec::ArrayToArray(Arc::new(Undoer(codec)))
}

/// zarrs has this codec, but does not find it. The checksum stands at the end, unless told otherwise.
fn crc32c(configuration: &Map<String, Value>) -> Result<ZarrsCodec, String> {
    let location = configuration.get("location").cloned();
    let location = json!({"location": location.unwrap_or_else(|| json!("end"))});
    let location = serde_json::from_value(location).map_err(|error| error.to_string())?;
    let codec = Crc32cCodec::new_with_configuration(&Crc32cCodecConfiguration::Numcodecs(location));
    Ok(ZarrsCodec::BytesToBytes(Arc::new(codec)))
}

fn codec_of_v3(
    name: &str,
    configuration: &Map<String, Value>,
) -> Option<Result<ZarrsCodec, String>> {
    own_codec(name, configuration, name.starts_with(NUMCODECS))
}

/// Lets zarrs use these decoders wherever it makes codecs itself. Once per process.
pub(super) fn register() {
    static HANDLE: LazyLock<CodecRuntimeRegistryHandleV3> = LazyLock::new(|| {
        register_codec_v3(CodecRuntimePluginV3::new(
            |name| codec_of_v3(name, &Map::new()).is_some(),
            |metadata| {
                let configuration = metadata
                    .configuration()
                    .map(|settings| (**settings).clone());
                match codec_of_v3(metadata.name(), &configuration.unwrap_or_default()) {
                    Some(codec) => codec.map_err(Into::into),
                    None => Err(metadata.name().into()),
                }
            },
        ))
    });
    LazyLock::force(&HANDLE);
}
