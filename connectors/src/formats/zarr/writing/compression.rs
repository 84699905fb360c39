//! How chunks are compressed, as users write it: [`Compression`].
//!
//! ```text
//!  none    zstd[:level]    gzip[:level]    blosc[:compressor[:level[:shuffle[:block]]]]
//! ```
//!
//! Only what every reader of Zarr has: zarr-python 2 and 3, GDAL, zarrs, zarrita.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use zarrs::array::codec::api::BytesToBytesCodecTraits;
use zarrs::array::codec::{BloscCodec, BloscCompressor, BloscShuffleMode, GzipCodec, ZstdCodec};

/// The compression of the bytes of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Zstd {
        level: u8,
    },
    Gzip {
        level: u8,
    },
    Blosc {
        compressor: &'static str,
        level: u8,
        shuffle: Shuffle,
        /// Bytes that are compressed together; 0 leaves that to Blosc.
        block: u32,
    },
}

/// How Blosc sorts the bytes of numbers before it compresses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shuffle {
    Off,
    Bytes,
    Bits,
}

/// The compressors of Blosc that every build of it has. Snappy is left out of most.
const BLOSC_COMPRESSORS: [&str; 5] = ["lz4", "zstd", "lz4hc", "zlib", "blosclz"];

/// Bytes of a block of Blosc, at most: it is decompressed whole where one of its cells is read.
const LARGEST_BLOCK: u32 = 1 << 28;

impl Compression {
    /// What is used where the user says nothing: on temperatures, vegetation and water quality as floats
    /// and packed as integers it encodes two to four times as fast as level 3 or `zstd:3`, and takes
    /// about as much space; lz4 is faster still, but takes a third more.
    pub(super) const DEFAULT: Self = Self::Blosc {
        compressor: "zstd",
        level: 1,
        shuffle: Shuffle::Bytes,
        block: 0,
    };

    /// What levels of cubes are compressed by. They are read far more often than made, and their bytes are what they are
    /// there for: large blocks take a tenth less than those that Blosc chooses, where most cells are missing a quarter.
    /// Where cells `repeat` few values, their bytes are found again only while they stay together.
    pub(super) const fn of_levels(repeat: bool) -> Self {
        Self::Blosc {
            compressor: "zstd",
            level: 5,
            shuffle: match repeat {
                true => Shuffle::Off,
                false => Shuffle::Bytes,
            },
            block: 1 << 20,
        }
    }

    /// Reads what a user wrote. The error is its cause in words, with what can be written instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let mut parts = text.split(':').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let parsed = match name {
            "none" => Self::None,
            "zstd" => Self::Zstd {
                level: level(parts.next(), 3, 1..=22, name)?,
            },
            "gzip" => Self::Gzip {
                level: level(parts.next(), 5, 0..=9, name)?,
            },
            "blosc" => Self::Blosc {
                compressor: blosc_compressor(parts.next())?,
                level: level(parts.next(), 5, 0..=9, name)?,
                shuffle: Shuffle::parse(parts.next())?,
                block: block(parts.next())?,
            },
            "lz4" => return Err("lz4 alone is not read everywhere: write blosc:lz4".to_string()),
            _ => {
                return Err(format!(
                    "there is no codec {name:?}: write none, zstd:3, gzip:5, blosc:lz4:5:shuffle or blosc:zstd:3:bitshuffle"
                ));
            }
        };
        match parts.next() {
            None => Ok(parsed),
            Some(rest) => Err(format!("{rest:?} has no meaning in the codec {text:?}")),
        }
    }

    /// The compression in the codecs of an array of Zarr v3, from the one that makes bytes on. `None` for
    /// those that are never written.
    pub(super) fn of_codecs(codecs: &[Value]) -> Option<Self> {
        let compressor = match codecs {
            [_bytes] => return Some(Self::None),
            [_bytes, compressor] => compressor,
            _ => return None,
        };
        let configuration = &compressor["configuration"];
        let number = |name: &str| u8::try_from(configuration[name].as_u64()?).ok();
        Some(match compressor["name"].as_str()? {
            "zstd" => Self::Zstd {
                level: number("level")?,
            },
            "gzip" => Self::Gzip {
                level: number("level")?,
            },
            "blosc" => Self::Blosc {
                compressor: blosc_compressor(configuration["cname"].as_str()).ok()?,
                level: number("clevel")?,
                shuffle: Shuffle::parse(configuration["shuffle"].as_str()).ok()?,
                block: u32::try_from(configuration["blocksize"].as_u64()?).ok()?,
            },
            _ => return None,
        })
    }

    /// The codec in the metadata of Zarr v3, for cells of `width` bytes.
    pub(super) fn of_v3(self, width: usize) -> Option<Value> {
        Some(match self {
            Self::None => return None,
            Self::Zstd { level } => {
                json!({"name": "zstd", "configuration": {"level": level, "checksum": false}})
            }
            Self::Gzip { level } => json!({"name": "gzip", "configuration": {"level": level}}),
            Self::Blosc {
                compressor,
                level,
                shuffle,
                block,
            } => {
                let shuffle = shuffle.name();
                json!({"name": "blosc", "configuration": {
                    "typesize": width,
                    "cname": compressor,
                    "clevel": level,
                    "shuffle": shuffle,
                    "blocksize": block,
                }})
            }
        })
    }

    /// The `compressor` in the metadata of Zarr v2.
    pub(super) fn of_v2(self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Zstd { level } => json!({"id": "zstd", "level": level}),
            Self::Gzip { level } => json!({"id": "gzip", "level": level}),
            Self::Blosc {
                compressor,
                level,
                shuffle,
                block,
            } => json!({
                "id": "blosc",
                "cname": compressor,
                "clevel": level,
                "shuffle": shuffle as u8,
                "blocksize": block,
            }),
        }
    }

    /// The encoder for cells of `width` bytes. The error is its cause in words.
    pub(super) fn codec(
        self,
        width: usize,
    ) -> Result<Option<Arc<dyn BytesToBytesCodecTraits>>, String> {
        Ok(match self {
            Self::None => None,
            Self::Zstd { level } => Some(Arc::new(ZstdCodec::new(level.into(), false))),
            Self::Gzip { level } => Some(Arc::new(
                GzipCodec::new(level.into()).map_err(|error| error.to_string())?,
            )),
            Self::Blosc {
                compressor,
                level,
                shuffle,
                block,
            } => {
                let compressor: BloscCompressor =
                    serde_json::from_value(json!(compressor)).map_err(|error| error.to_string())?;
                let level = level.try_into().map_err(|_| "the level is above 9")?;
                let shuffle = match shuffle {
                    Shuffle::Off => BloscShuffleMode::NoShuffle,
                    Shuffle::Bytes => BloscShuffleMode::Shuffle,
                    Shuffle::Bits => BloscShuffleMode::BitShuffle,
                };
                let block = (block > 0).then_some(block as usize);
                let codec = BloscCodec::new(compressor, level, block, shuffle, Some(width))
                    .map_err(|error| error.to_string())?;
                Some(Arc::new(codec))
            }
        })
    }
}

/// As users write it, see [`Compression::parse`].
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::Blosc {
                compressor,
                level,
                shuffle,
                block,
            } => {
                write!(f, "blosc:{compressor}:{level}:{}", shuffle.name())?;
                match block {
                    0 => Ok(()),
                    block => write!(f, ":{block}"),
                }
            }
        }
    }
}

impl Shuffle {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "noshuffle",
            Self::Bytes => "shuffle",
            Self::Bits => "bitshuffle",
        }
    }

    fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("shuffle") => Ok(Self::Bytes),
            Some("bitshuffle") => Ok(Self::Bits),
            Some("noshuffle") => Ok(Self::Off),
            Some(other) => Err(format!(
                "Blosc cannot sort by {other:?}: write shuffle, bitshuffle or noshuffle"
            )),
        }
    }
}

fn level(
    text: Option<&str>,
    default: u8,
    levels: std::ops::RangeInclusive<u8>,
    codec: &str,
) -> Result<u8, String> {
    let Some(text) = text else {
        return Ok(default);
    };
    let level = text.parse().ok().filter(|level| levels.contains(level));
    level.ok_or_else(|| {
        format!(
            "{text:?} is no level of {codec}: write a number from {} to {}",
            levels.start(),
            levels.end()
        )
    })
}

fn block(text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else {
        return Ok(0);
    };
    let block = text.parse().ok().filter(|block| *block <= LARGEST_BLOCK);
    block.ok_or_else(|| {
        format!(
            "{text:?} is no size of Blosc's blocks: write bytes, up to {LARGEST_BLOCK}, or 0 for what Blosc chooses"
        )
    })
}

fn blosc_compressor(text: Option<&str>) -> Result<&'static str, String> {
    let Some(text) = text else {
        return Ok("lz4");
    };
    let known = BLOSC_COMPRESSORS.into_iter().find(|name| *name == text);
    known.ok_or_else(|| {
        format!(
            "Blosc has no compressor {text:?}: write one of {}",
            BLOSC_COMPRESSORS.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_as_users_write_them() {
        let blosc = |compressor, level, shuffle| Compression::Blosc {
            compressor,
            level,
            shuffle,
            block: 0,
        };
        for (text, expected) in [
            ("none", Ok(Compression::None)),
            ("zstd", Ok(Compression::Zstd { level: 3 })),
            (" ZSTD:19 ", Ok(Compression::Zstd { level: 19 })),
            ("gzip:0", Ok(Compression::Gzip { level: 0 })),
            ("blosc", Ok(blosc("lz4", 5, Shuffle::Bytes))),
            (
                "blosc:zstd:3:bitshuffle",
                Ok(blosc("zstd", 3, Shuffle::Bits)),
            ),
            ("blosc:zlib:9:noshuffle", Ok(blosc("zlib", 9, Shuffle::Off))),
            ("zstd:23", Err("from 1 to 22")),
            ("zstd:x", Err("no level of zstd")),
            ("zstd:3:4", Err("\"4\" has no meaning")),
            ("none:1", Err("has no meaning")),
            ("blosc:snappy", Err("lz4, zstd, lz4hc")),
            (
                "blosc:zstd:5:shuffle:1048576",
                Ok(Compression::of_levels(false)),
            ),
            ("blosc:zstd:5:shuffle:1MB", Err("bytes, up to")),
            ("blosc:zstd:5:shuffle:0:0", Err("has no meaning")),
            ("blosc:lz4:10", Err("from 0 to 9")),
            ("blosc:lz4:5:sorted", Err("bitshuffle")),
            ("lz4", Err("blosc:lz4")),
            ("lerc", Err("zstd:3")),
            ("", Err("no codec")),
        ] {
            match (Compression::parse(text), expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found, expected, "{text}");
                    assert!(found.codec(4).is_ok(), "{text}");
                    assert_eq!(Compression::parse(&found.to_string()), Ok(found), "{text}");
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, _) => unreachable!("{text}: {found:?}"),
            }
        }
    }
}
