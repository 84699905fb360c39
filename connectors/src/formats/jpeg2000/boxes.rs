//! The boxes of a file of JPEG 2000: [`Boxes`], those of them that are read.
//!
//! ```text
//!  length │ type │ …                 1 in the place of the length: 8 bytes of length follow; 0: to the end of the file
//! ```

use std::ops::Range;

use super::damaged;
use crate::formats::geotiff::reading::file_bytes::FileBytes;
use graticule_engine::error::{CubeError, CubeResult};

/// Bytes that a codestream begins with: the markers SOC and SIZ.
const CODESTREAM: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];

/// What a box of the type `uuid` begins with that holds a GeoTIFF.
const GEOTIFF: [u8; 16] = [
    0xb1, 0x4b, 0xf8, 0xbd, 0x08, 0x3d, 0x4b, 0x43, 0xa5, 0xae, 0x8c, 0xd7, 0xd5, 0xa6, 0xce, 0x03,
];

/// The most boxes of a file.
const MOST_BOXES: usize = 10_000;

/// Parts of the file.
#[derive(Debug)]
pub(super) struct Boxes {
    /// The image.
    pub(super) codestream: Range<u64>,
    /// A file of TIFF that says where the image lies.
    pub(super) geotiff: Option<Range<u64>>,
}

impl Boxes {
    /// # Errors
    /// The file is of another format, or has no image; or the store failed.
    pub(super) async fn read(bytes: &mut FileBytes) -> CubeResult<Self> {
        let size = bytes.size();
        let head = bytes.get(0, size.min(12)).await?;
        if head.starts_with(&CODESTREAM) {
            return Ok(Self {
                codestream: 0..size,
                geotiff: None,
            });
        }
        if head.get(4..8) != Some(b"jP  ") {
            let cause = "the file is not one of JPEG 2000";
            return Err(CubeError::unsupported("", cause)
                .remedy("check the path, and the file with `gdalinfo`"));
        }
        let (mut codestream, mut geotiff) = (None, None);
        let mut at = 0;
        for _ in 0..MOST_BOXES {
            if at + 8 > size {
                break;
            }
            let head = bytes.get(at, (size - at).min(32)).await?;
            let (length, start) = match number(&head, 0..4) {
                0 => (size - at, 8),
                1 => (number(&head, 8..16), 16),
                length => (length, 8),
            };
            let end = at.saturating_add(length);
            if length < start || end > size {
                return Err(damaged(format!("its box at byte {at} has {length} bytes")));
            }
            let kind = head.get(4..8).unwrap_or_default();
            let from = start as usize;
            if kind == b"jp2c" && codestream.is_none() {
                codestream = Some(at + start..end);
            } else if kind == b"uuid" && head.get(from..from + 16) == Some(&GEOTIFF[..]) {
                geotiff = Some(at + start + 16..end);
            }
            at = end;
        }
        Ok(Self {
            codestream: codestream.ok_or_else(|| damaged("it has no image"))?,
            geotiff,
        })
    }
}

/// The number in some bytes, which is 0 where they are not there.
pub(super) fn number(bytes: &[u8], range: Range<usize>) -> u64 {
    let bytes = bytes.get(range).unwrap_or_default();
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
