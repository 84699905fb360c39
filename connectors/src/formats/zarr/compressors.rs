//! The compressors that have to be told where to stop: [`Compressor`].
//!
//! A damaged zstd frame may claim any length, and zarrs allocates what it claims; a few kilobytes
//! of gzip can hold gigabytes. These decoders stop at the length that the metadata promise.

use std::io::{self, Read};

use super::decode_only::Decompress;
use super::decoding::LARGEST_CHUNK;
use super::gdeflate;
use crate::formats::blosc;

/// Decompresses up to the length that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    Zstd,
    Gzip,
    Zlib,
    Bzip2,
    /// numcodecs' LZ4: the decoded length in 4 bytes, little-endian, then one LZ4 block.
    Lz4,
    /// See [`gdeflate`].
    Gdeflate,
    /// See [`blosc`]. Everything that decoding needs stands in the header of each frame.
    Blosc,
}

impl Compressor {
    /// The compressor called `name`.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "zstd" => Self::Zstd,
            "gzip" => Self::Gzip,
            "zlib" => Self::Zlib,
            "bz2" => Self::Bzip2,
            "lz4" => Self::Lz4,
            "gdeflate" => Self::Gdeflate,
            "blosc" => Self::Blosc,
            _ => return None,
        })
    }
}

impl Decompress for Compressor {
    fn decompress(&self, encoded: &[u8], expected: Option<u64>) -> Result<Vec<u8>, String> {
        let limit = expected.unwrap_or(LARGEST_CHUNK).min(LARGEST_CHUNK);
        let decompressed = match self {
            Self::Zstd if expected.is_some() => zstd::bulk::decompress(encoded, limit as usize),
            Self::Zstd => zstd::stream::read::Decoder::new(encoded)
                .and_then(|decoder| read_up_to(limit, expected, decoder)),
            Self::Gzip => read_up_to(limit, expected, flate2::read::MultiGzDecoder::new(encoded)),
            Self::Zlib => read_up_to(limit, expected, flate2::read::ZlibDecoder::new(encoded)),
            Self::Bzip2 => read_up_to(limit, expected, bzip2::read::BzDecoder::new(encoded)),
            Self::Lz4 => return lz4(encoded, limit),
            Self::Blosc => return blosc::decompress(encoded, limit),
            Self::Gdeflate => {
                let decompressed = gdeflate::decompress(encoded, limit);
                return decompressed.map_err(|_| "it is not GDeflate data".to_string());
            }
        };
        decompressed.map_err(|error| error.to_string())
    }
}

fn lz4(encoded: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    let (length, block) = encoded
        .split_first_chunk()
        .ok_or("it is too short to be compressed data")?;
    let length = u64::from(u32::from_le_bytes(*length));
    if length > limit {
        return Err(too_long(limit));
    }
    lz4_flex::block::decompress(block, length as usize).map_err(|error| error.to_string())
}

fn read_up_to(limit: u64, expected: Option<u64>, reader: impl Read) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(expected.map_or(0, |_| limit as usize));
    reader.take(limit + 1).read_to_end(&mut decoded)?;
    match decoded.len() as u64 > limit {
        true => Err(io::Error::other(too_long(limit))),
        false => Ok(decoded),
    }
}

fn too_long(limit: u64) -> String {
    format!("it decompresses to more than {limit} bytes")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use zarrs::array::codec::{BloscCompressor, BloscShuffleMode, blosc_compress_bytes};

    use super::*;

    /// A frame that holds `length` zeros.
    fn compressed(compressor: Compressor, length: usize) -> Vec<u8> {
        let zeros = vec![0; length];
        let level = flate2::Compression::default();
        match compressor {
            Compressor::Zstd => zstd::bulk::compress(&zeros, 1).unwrap(),
            Compressor::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(&zeros).unwrap();
                writer.finish().unwrap()
            }
            Compressor::Zlib => {
                let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
                writer.write_all(&zeros).unwrap();
                writer.finish().unwrap()
            }
            Compressor::Bzip2 => {
                let level = bzip2::Compression::default();
                let mut writer = bzip2::write::BzEncoder::new(Vec::new(), level);
                writer.write_all(&zeros).unwrap();
                writer.finish().unwrap()
            }
            Compressor::Lz4 => lz4_flex::block::compress_prepend_size(&zeros),
            Compressor::Blosc => {
                let mode = BloscShuffleMode::Shuffle;
                let level = 5.try_into().unwrap();
                blosc_compress_bytes(&zeros, level, mode, 4, BloscCompressor::LZ4, 0, 1).unwrap()
            }
            // No encoder is at hand; the tests of the program read chunks of another.
            Compressor::Gdeflate => Vec::new(),
        }
    }

    #[test]
    fn nothing_decompresses_to_more_than_was_promised() {
        let all = ["zstd", "gzip", "zlib", "bz2", "lz4", "blosc"];
        for compressor in all.map(|name| Compressor::of(name).unwrap()) {
            let frame = compressed(compressor, 1_000_000);
            let decode = |expected| compressor.decompress(&frame, expected);
            assert_eq!(
                decode(Some(1_000_000)).unwrap().len(),
                1_000_000,
                "{compressor:?}"
            );
            assert_eq!(decode(None).unwrap().len(), 1_000_000, "{compressor:?}");
            assert!(decode(Some(999_999)).is_err(), "{compressor:?}");
        }
        // A zstd header that claims 2^62 bytes.
        let mut lie = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
        lie.extend((1_u64 << 62).to_le_bytes());
        lie.extend([1, 0, 0]);
        assert!(Compressor::Zstd.decompress(&lie, Some(8)).is_err());
        assert!(Compressor::Zstd.decompress(&lie, None).is_err());
    }
}
