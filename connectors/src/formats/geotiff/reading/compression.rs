//! How strips and tiles are compressed, and undoing it: [`Compression`].

use std::borrow::Cow;
use std::io::Read;

use flate2::{Decompress, FlushDecompress};
use weezl::LzwStatus;

/// How strips and tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Zstd,
}

/// A tile grows to at most this many times its bytes when it is decompressed, but for Zstandard. (LZW: 4096
/// bytes for nine bits.)
const MOST_GROWTH: usize = 4096;

impl Compression {
    /// The compression of a value of the tag `Compression`. The error is the name of one that cannot be undone.
    pub(super) fn of(code: u64) -> Result<Self, String> {
        let name = match code {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            50000 => return Ok(Self::Zstd),
            2..=4 | 32771 => "CCITT fax",
            6 => "old-style JPEG",
            7 | 34892 => "JPEG",
            34712 => "JPEG 2000",
            34887 => "LERC",
            34925 => "LZMA",
            50001 => "WebP",
            50002 | 52546 => "JPEG XL",
            code => return Err(format!("number {code}")),
        };
        Err(name.to_string())
    }

    /// For people, as GDAL's option `COMPRESS` has it.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Lzw => Some("lzw"),
            Self::Deflate => Some("deflate"),
            Self::PackBits => Some("packbits"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The first `expected` bytes of what `stored` was made of. The error is its cause in words.
    pub(super) fn undo(self, stored: &[u8], expected: usize) -> Result<Cow<'_, [u8]>, String> {
        let most = expected.min(stored.len().saturating_mul(MOST_GROWTH));
        let mut bytes: Cow<'_, [u8]> = match self {
            Self::None => Cow::Borrowed(stored),
            Self::Lzw => lzw(stored, most)?.into(),
            Self::Deflate => deflate(stored, most)?.into(),
            Self::PackBits => pack_bits(stored, most).into(),
            Self::Zstd => zstandard(stored, expected)?.into(),
        };
        if bytes.len() < expected {
            return Err(format!("it has {} bytes of {expected}", bytes.len()));
        }
        match &mut bytes {
            Cow::Borrowed(all) => *all = all.get(..expected).unwrap_or_default(),
            Cow::Owned(all) => all.truncate(expected),
        }
        Ok(bytes)
    }
}

fn lzw(stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    if let [0, second, ..] = stored
        && second & 1 == 1
    {
        return Err("it is compressed with LZW as it was before TIFF 6.0".to_string());
    }
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut bytes = vec![0; most];
    let (mut read, mut written) = (0, 0);
    while written < most {
        let left = stored.get(read..).unwrap_or_default();
        let space = bytes.get_mut(written..).unwrap_or_default();
        let step = decoder.decode_bytes(left, space);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status.map_err(|error| error.to_string())? {
            LzwStatus::Ok => {}
            LzwStatus::NoProgress | LzwStatus::Done => break,
        }
    }
    bytes.truncate(written);
    Ok(bytes)
}

fn deflate(stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    // With a byte more than is wanted the checksum behind the last one is reached.
    let mut bytes = Vec::with_capacity(most.saturating_add(1));
    let outcome = Decompress::new(true).decompress_vec(stored, &mut bytes, FlushDecompress::Finish);
    outcome.map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn zstandard(stored: &[u8], expected: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(expected.min(stored.len().saturating_mul(16)));
    let decoder = zstd::Decoder::new(stored).map_err(|error| error.to_string())?;
    let read = decoder.take(expected as u64).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// TIFF 6.0, section 9: a count and as many bytes, or a byte that is repeated.
fn pack_bits(stored: &[u8], most: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(most);
    let mut left = stored;
    while let [count, rest @ ..] = left
        && bytes.len() < most
    {
        left = rest;
        match *count as i8 {
            -128 => {}
            count @ 0.. => {
                let (literal, rest) = left.split_at(left.len().min(count as usize + 1));
                bytes.extend_from_slice(literal);
                left = rest;
            }
            count => {
                let [repeated, rest @ ..] = left else {
                    break;
                };
                let times = usize::from(count.unsigned_abs()) + 1;
                bytes.resize(bytes.len() + times, *repeated);
                left = rest;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn compressed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => bytes.to_vec(),
            Compression::Lzw => {
                let order = weezl::BitOrder::Msb;
                let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(order, 8);
                encoder.encode(bytes).unwrap()
            }
            Compression::Deflate => {
                let level = flate2::Compression::new(6);
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::bulk::compress(bytes, 3).unwrap(),
            Compression::PackBits => bytes.iter().flat_map(|byte| [0, *byte]).collect(),
        }
    }

    #[test]
    fn all_compressions_are_undone() {
        let bytes: Vec<u8> = (0..20_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as u8)
            .collect();
        for compression in [
            Compression::None,
            Compression::Lzw,
            Compression::Deflate,
            Compression::PackBits,
            Compression::Zstd,
        ] {
            let stored = compressed(compression, &bytes);
            for wanted in [0, 1, 19_999, 20_000] {
                let found = compression.undo(&stored, wanted).unwrap();
                assert_eq!(found, &bytes[..wanted], "{compression:?} {wanted}");
            }
            let error = compression.undo(&stored, 20_001).unwrap_err();
            assert!(error.contains("bytes of 20001"), "{compression:?}: {error}");
            for length in 0..60 {
                assert!(compression.undo(&stored[..length], 20_000).is_err());
            }
        }
    }

    /// The example of TIFF 6.0, section 9.
    #[test]
    fn pack_bits_of_the_standard() {
        let stored = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7,
            0xaa,
        ];
        let mut expected = vec![0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa];
        expected.extend([0x80, 0x00, 0x2a, 0x22]);
        expected.extend([0xaa; 10]);
        assert_eq!(Compression::PackBits.undo(&stored, 24).unwrap(), expected);
    }

    #[test]
    fn checksums_are_compared() {
        let mut stored = compressed(Compression::Deflate, &[7; 100]);
        *stored.last_mut().unwrap() ^= 1;
        assert!(Compression::Deflate.undo(&stored, 100).is_err());
    }

    #[test]
    fn compressions_that_cannot_be_undone_have_names() {
        for (code, name) in [
            (7, "JPEG"),
            (34887, "LERC"),
            (50001, "WebP"),
            (9, "number 9"),
        ] {
            assert_eq!(Compression::of(code), Err(name.to_string()));
        }
    }
}
