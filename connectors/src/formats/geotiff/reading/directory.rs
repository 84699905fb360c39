//! The header and the directories of a TIFF file: [`Header`], [`Directory`].
//!
//! ```text
//!  classic   II 42 │ offset       │ u16 entries │ tag type count value…  12 bytes each │ next
//!  BigTIFF   II 43 │ 8 0 │ offset │ u64 entries │ tag type count value…  20 bytes each │ next
//!                                                                └ here, or where it stands in the file
//! ```
//! `MM` instead of `II` turns all bytes round. A directory is an image: the first one is the cube, those behind it
//! are its overviews and masks.

use std::collections::BTreeMap;

use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};

use super::damaged;
use super::file_bytes::FileBytes;

/// Tags, by the names that TIFF 6.0, GeoTIFF and GDAL have for them.
pub(super) mod tag {
    pub(in super::super) const SUBFILE: u16 = 254;
    pub(in super::super) const OLD_SUBFILE: u16 = 255;
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const HEIGHT: u16 = 257;
    pub(in super::super) const BITS: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const FILL_ORDER: u16 = 266;
    pub(in super::super) const DESCRIPTION: u16 = 270;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const SAMPLES: u16 = 277;
    pub(in super::super) const STRIP_ROWS: u16 = 278;
    pub(in super::super) const STRIP_BYTES: u16 = 279;
    pub(in super::super) const PLANES: u16 = 284;
    pub(in super::super) const SOFTWARE: u16 = 305;
    pub(in super::super) const DATE_TIME: u16 = 306;
    pub(in super::super) const ARTIST: u16 = 315;
    pub(in super::super) const PREDICTOR: u16 = 317;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_HEIGHT: u16 = 323;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_BYTES: u16 = 325;
    pub(in super::super) const SAMPLE_FORMAT: u16 = 339;
    pub(in super::super) const COPYRIGHT: u16 = 33432;
    pub(in super::super) const PIXEL_SCALE: u16 = 33550;
    pub(in super::super) const TIEPOINT: u16 = 33922;
    pub(in super::super) const TRANSFORMATION: u16 = 34264;
    pub(in super::super) const KEY_DIRECTORY: u16 = 34735;
    pub(in super::super) const KEY_DOUBLES: u16 = 34736;
    pub(in super::super) const KEY_TEXTS: u16 = 34737;
    pub(in super::super) const METADATA: u16 = 42112;
    pub(in super::super) const NODATA: u16 = 42113;

    /// The indexes of strips and tiles, which may be large and are read when a chunk is.
    pub(super) const INDEXES: [u16; 4] = [STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES];

    /// Everything else whose values are read with the directory.
    pub(super) const READ: [u16; 28] = [
        SUBFILE,
        OLD_SUBFILE,
        WIDTH,
        HEIGHT,
        BITS,
        COMPRESSION,
        PHOTOMETRIC,
        FILL_ORDER,
        DESCRIPTION,
        SAMPLES,
        STRIP_ROWS,
        PLANES,
        SOFTWARE,
        DATE_TIME,
        ARTIST,
        PREDICTOR,
        TILE_WIDTH,
        TILE_HEIGHT,
        SAMPLE_FORMAT,
        COPYRIGHT,
        PIXEL_SCALE,
        TIEPOINT,
        TRANSFORMATION,
        KEY_DIRECTORY,
        KEY_DOUBLES,
        KEY_TEXTS,
        METADATA,
        NODATA,
    ];
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// That of this machine.
    pub(super) const NATIVE: Self = match cfg!(target_endian = "little") {
        true => Self::Little,
        false => Self::Big,
    };

    /// An unsigned number of up to eight bytes.
    pub(super) fn number(self, bytes: &[u8]) -> u64 {
        let add = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        }
    }
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) order: ByteOrder,
    /// Are offsets 64 bits wide?
    pub(super) is_big: bool,
    /// Where the first directory is.
    pub(super) first: u64,
}

impl Header {
    /// # Errors
    /// It is no TIFF file.
    pub(super) fn of(head: &[u8]) -> CubeResult<Self> {
        let order = match head.get(..2) {
            Some(b"II") => ByteOrder::Little,
            Some(b"MM") => ByteOrder::Big,
            _ => return Err(foreign(head)),
        };
        let number = |from: usize, to: usize| head.get(from..to).map(|bytes| order.number(bytes));
        let truncated = || damaged("its header is cut off");
        match number(2, 4) {
            Some(42) => Ok(Self {
                order,
                is_big: false,
                first: number(4, 8).ok_or_else(truncated)?,
            }),
            Some(43) if number(4, 8) == Some(order.number(&offset_width(order))) => Ok(Self {
                order,
                is_big: true,
                first: number(8, 16).ok_or_else(truncated)?,
            }),
            _ => Err(foreign(head)),
        }
    }
}

/// The bytes 4 to 8 of a BigTIFF: offsets have eight bytes, and a zero.
fn offset_width(order: ByteOrder) -> [u8; 4] {
    match order {
        ByteOrder::Little => [8, 0, 0, 0],
        ByteOrder::Big => [0, 8, 0, 0],
    }
}

/// Names what people rename to `.tif`.
fn foreign(head: &[u8]) -> CubeError {
    let (what, remedy) = match head {
        [] => ("empty", "copy it again from its source"),
        [b'P', b'K', 3, 4, ..] => ("a zip archive", "unpack it first with `unzip`"),
        [0x1f, 0x8b, ..] => ("compressed with gzip", "unpack it first with `gunzip`"),
        [0xff, 0xd8, ..] => (
            "a JPEG image",
            "convert it first with `gdal_translate -of COG`",
        ),
        [0x89, b'P', b'N', b'G', ..] => (
            "a PNG image",
            "convert it first with `gdal_translate -of COG`",
        ),
        _ => (
            "not a TIFF file",
            "check the path, and the file with `gdalinfo`",
        ),
    };
    let cause = match what {
        "not a TIFF file" => "the file is not a TIFF file".to_string(),
        what => format!("the file is {what}, not a TIFF file"),
    };
    CubeError::unsupported("", cause).remedy(remedy)
}

/// Bytes of a value of a type; `None` for types that are not defined, whose tags are to be skipped.
fn width(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16..=18 => Some(8),
        _ => None,
    }
}

/// Where the values of a tag are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// They have been read.
    Here(Bytes),
    /// From this byte of the file on.
    There(u64),
}

/// The values of a tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    kind: u16,
    pub(super) count: u64,
    pub(super) place: Place,
    order: ByteOrder,
}

impl Entry {
    /// Bytes of all values.
    pub(super) fn length(&self) -> u64 {
        self.count
            .saturating_mul(width(self.kind).unwrap_or_default())
    }

    /// The values in `bytes` as unsigned numbers; none for other types.
    pub(super) fn numbers_in(&self, bytes: &[u8]) -> Vec<u64> {
        match (self.kind, width(self.kind)) {
            (1 | 3 | 4 | 7 | 13 | 16 | 18, Some(width)) => bytes
                .chunks_exact(width as usize)
                .map(|value| self.order.number(value))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn floats_in(&self, bytes: &[u8]) -> Vec<f64> {
        match self.kind {
            11 => bytes
                .chunks_exact(4)
                .map(|value| f64::from(f32::from_bits(self.order.number(value) as u32)))
                .collect(),
            12 => bytes
                .chunks_exact(8)
                .map(|value| f64::from_bits(self.order.number(value)))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// The tags of an image.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    entries: BTreeMap<u16, Entry>,
    pub(super) order: ByteOrder,
    /// Where the next directory is; 0 for none.
    pub(super) next: u64,
}

impl Directory {
    /// Reads the directory at `offset` with the values of its tags; not those of the large indexes, unless they
    /// have been read along.
    ///
    /// # Errors
    /// What it points to is not in the file; or the store failed.
    pub(super) async fn read(
        header: Header,
        offset: u64,
        bytes: &mut FileBytes,
    ) -> CubeResult<Self> {
        let order = header.order;
        let (counter, entry, word) = match header.is_big {
            false => (2, 12, 4),
            true => (8, 20, 8),
        };
        let count = order.number(&bytes.get(offset, counter).await?);
        let length = count
            .checked_mul(entry)
            .and_then(|length| length.checked_add(word));
        let length = length.ok_or_else(|| damaged(format!("a directory has {count} tags")))?;
        let listed = bytes.get(offset.saturating_add(counter), length).await?;
        let (listed, next) = listed.split_at(listed.len().saturating_sub(word as usize));
        let mut entries = BTreeMap::new();
        for stored in listed.chunks_exact(entry as usize) {
            let number = |from: usize, to: usize| {
                let bytes = stored.get(from..to).unwrap_or_default();
                order.number(bytes)
            };
            let (tag, kind) = (number(0, 2) as u16, number(2, 4) as u16);
            let is_index = tag::INDEXES.contains(&tag);
            let is_read = is_index || tag::READ.contains(&tag);
            if width(kind).is_none() || !is_read {
                continue;
            }
            let value = 4 + word as usize;
            let mut found = Entry {
                kind,
                count: number(4, value),
                place: Place::There(number(value, value + word as usize)),
                order,
            };
            let length = found.length();
            found.place = match found.place {
                _ if length <= word => {
                    let inside = stored.get(value..value + length as usize);
                    Place::Here(Bytes::copy_from_slice(inside.unwrap_or_default()))
                }
                Place::There(at) if is_index => match bytes.held(at, length) {
                    // The block that it is a part of is not to be kept for it.
                    Some(held) => Place::Here(Bytes::copy_from_slice(&held)),
                    None if at.saturating_add(length) <= bytes.size() => Place::There(at),
                    None => return Err(damaged("the index of its tiles is cut off")),
                },
                Place::There(at) => Place::Here(bytes.get(at, length).await?),
                here => here,
            };
            entries.insert(tag, found);
        }
        Ok(Self {
            entries,
            order,
            next: order.number(next),
        })
    }

    pub(super) fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.get(&tag)
    }

    fn bytes(&self, tag: u16) -> Option<(&Entry, &[u8])> {
        let entry = self.entries.get(&tag)?;
        match &entry.place {
            Place::Here(bytes) => Some((entry, bytes)),
            Place::There(_) => None,
        }
    }

    /// The unsigned numbers of a tag; none where it is not there.
    pub(super) fn numbers(&self, tag: u16) -> Vec<u64> {
        let bytes = self.bytes(tag);
        bytes.map_or_else(Vec::new, |(entry, bytes)| entry.numbers_in(bytes))
    }

    /// The first unsigned number of a tag.
    pub(super) fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag).first().copied()
    }

    /// The floats of a tag; none where it is not there.
    pub(super) fn floats(&self, tag: u16) -> Vec<f64> {
        let bytes = self.bytes(tag);
        bytes.map_or_else(Vec::new, |(entry, bytes)| entry.floats_in(bytes))
    }

    /// The text of a tag, without the zero that ends it. What is not UTF-8 is Latin-1, as older files have it.
    pub(super) fn text(&self, tag: u16) -> Option<String> {
        let (_, bytes) = self.bytes(tag)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_string(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers() {
        let of = |order, is_big, first| {
            Ok(Header {
                order,
                is_big,
                first,
            })
        };
        let cases: [(&[u8], Result<Header, &str>); 10] = [
            (b"II\x2a\0\x08\0\0\0", of(ByteOrder::Little, false, 8)),
            (b"MM\0\x2a\0\0\x01\0", of(ByteOrder::Big, false, 256)),
            (
                b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
                of(ByteOrder::Little, true, 16),
            ),
            (
                b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10",
                of(ByteOrder::Big, true, 16),
            ),
            (b"MM\0\x2b\0\x04\0\0\0\0\0\x10", Err("not a TIFF file")),
            (b"", Err("empty")),
            (b"II\x2a\0\x08", Err("cut off")),
            (b"PK\x03\x04", Err("a zip archive")),
            (b"\xff\xd8\xff\xe0", Err("a JPEG image")),
            (b"MZ", Err("the file is not a TIFF file")),
        ];
        for (head, expected) in cases {
            match (Header::of(head), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{head:?}: {found:?}"),
            }
        }
    }
}
