//! A codestream: what its header says, where the parts of its tiles are, and how one tile is a codestream by itself.
//!
//! ```text
//!  SOC │ SIZ │ COD │ QCD │ … │ SOT 0 … │ SOT 1 … │ SOT 0 … │ EOC        parts of tiles, in any order
//!        │                        │
//!        ▼ the image ends         ▼ it is number 0
//!  SOC │ SIZ where the tile does │ COD │ QCD │ … │ SOT … │ SOT … │ EOC
//! ```
//! Where samples lie in their tile depends on places in the whole image, so these stay as they are.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::error::{CubeError, CubeResult};

use super::boxes::number;
use super::damaged;
use crate::formats::geotiff::reading::file_bytes::FileBytes;

/// Markers.
const START: u64 = 0xff4f;
const SIZE: u64 = 0xff51;
const PART: u64 = 0xff90;
const END: [u8; 2] = [0xff, 0xd9];
/// Where parts, and packets in them, are: not needed, and not true of a tile alone.
const LENGTHS: [u64; 2] = [0xff55, 0xff57];
/// Headers of packets that stand in front of all tiles.
const PACKED_HEADERS: u64 = 0xff60;

/// The most bytes of a header.
const MOST_HEADER: u64 = 16 << 20;
/// The most parts of all tiles.
const MOST_PARTS: usize = 1 << 22;
/// The most tiles: a part states the number of its tile in 16 bits.
const MOST_TILES: u64 = 65_535;
/// The most rows or columns: each has a coordinate, and all of them are read.
const MOST_SIDE: u64 = 1 << 27;
/// The most samples of a tile: they are decoded together.
const MOST_SAMPLES: u64 = 1 << 27;
/// Octets of the marker segment in front of a part.
const PART_HEAD: u64 = 12;

/// A component of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) bits: u8,
    pub(super) is_signed: bool,
}

/// What stands in front of the tiles.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) components: Vec<Component>,
    /// Tiles along the rows and columns.
    pub(super) rows: AxisChunks,
    pub(super) columns: AxisChunks,
    /// The marker segment of the size.
    size: Bytes,
    /// The other ones.
    others: Vec<Bytes>,
    /// The first part of a tile, and the end of all.
    parts: Range<u64>,
}

impl Header {
    /// # Errors
    /// It is damaged, or says what is not read.
    pub(super) async fn read(bytes: &mut FileBytes, stream: Range<u64>) -> CubeResult<Self> {
        let mut at = stream.start + 2;
        let head = bytes.get(stream.start, 4).await?;
        if number(&head, 0..2) != START {
            return Err(damaged("its image does not begin where it should"));
        }
        let (mut size, mut others) = (None, Vec::new());
        loop {
            let head = bytes.get(at, 4).await?;
            let (marker, length) = (number(&head, 0..2), number(&head, 2..4) + 2);
            if marker == PART {
                break;
            }
            let end = at + length;
            if length < 4 || marker < 0xff00 || end > stream.end || end - stream.start > MOST_HEADER
            {
                return Err(damaged(format!(
                    "the header of its image ends at byte {at}"
                )));
            }
            let segment = bytes.get(at, length).await?;
            match marker {
                SIZE => size = Some(segment),
                PACKED_HEADERS => {
                    let cause = "the headers of its packets stand in front of its tiles";
                    return Err(unread(cause));
                }
                marker if LENGTHS.contains(&marker) => {}
                _ => others.push(segment),
            }
            at = end;
        }
        let size = size.ok_or_else(|| damaged("it does not say how large its image is"))?;
        let axis = |end: usize, first: usize, tile: usize, first_tile: usize| {
            let place = |at: usize| number(&size, at..at + 4);
            tiles(place(first)..place(end), place(first_tile), place(tile))
        };
        let header = Self {
            columns: axis(6, 14, 22, 30)?,
            rows: axis(10, 18, 26, 34)?,
            components: components(&size)?,
            size,
            others,
            parts: at..stream.end,
        };
        let count = header.rows.count().saturating_mul(header.columns.count());
        if count > MOST_TILES {
            return Err(damaged(format!("its image has {count} tiles")));
        }
        let tile = header.rows.size().saturating_mul(header.columns.size());
        match tile.saturating_mul(header.components.len() as u64) > MOST_SAMPLES {
            true => Err(unread("its tiles are too large to be decoded")),
            false => Ok(header),
        }
    }

    /// The tile in `row` and `column` as an image by itself, out of its parts.
    pub(super) fn tile_alone(&self, row: u64, column: u64, parts: &[&[u8]]) -> Vec<u8> {
        let place = |at: usize| number(&self.size, at..at + 4);
        let mut size = self.size.to_vec();
        let mut put = |at: usize, value: u64| {
            if let Some(bytes) = size.get_mut(at..at + 4) {
                bytes.copy_from_slice(&(value as u32).to_be_bytes());
            }
        };
        for (end, first, tile, first_tile, number, chunks) in [
            (6, 14, 22, 30, column, &self.columns),
            (10, 18, 26, 34, row, &self.rows),
        ] {
            let cells = chunks.range(number);
            put(end, place(first) + cells.end);
            put(first, place(first) + cells.start);
            put(first_tile, place(first_tile) + number * place(tile));
        }
        let mut stream = START.to_be_bytes()[6..].to_vec();
        stream.extend(size);
        stream.extend(self.others.iter().flatten());
        for part in parts {
            let from = stream.len();
            stream.extend(*part);
            // Number 0, and as long as it is: the last one may leave that open.
            if let Some(head) = stream.get_mut(from + 4..from + 10) {
                head[..2].fill(0);
                head[2..].copy_from_slice(&(part.len() as u32).to_be_bytes());
            }
        }
        stream.extend(END);
        stream
    }

    /// Where the parts of each tile are, by its number.
    ///
    /// # Errors
    /// They are damaged, or the store failed.
    pub(super) async fn find_parts(&self, bytes: &mut FileBytes) -> CubeResult<Parts> {
        let mut parts: HashMap<u64, Vec<Range<u64>>> = HashMap::new();
        let mut at = self.parts.start;
        for _ in 0..MOST_PARTS {
            if at + PART_HEAD > self.parts.end {
                break;
            }
            let head = bytes.get(at, PART_HEAD).await?;
            if number(&head, 0..2) != PART {
                break;
            }
            let length = match number(&head, 6..10) {
                0 => self.parts.end - at,
                length => length,
            };
            let end = at.saturating_add(length);
            if length < PART_HEAD || end > self.parts.end {
                return Err(damaged(format!(
                    "a part of a tile at byte {at} has {length} bytes"
                )));
            }
            parts.entry(number(&head, 4..6)).or_default().push(at..end);
            at = end;
            bytes.forget_before(at);
        }
        Ok(Parts {
            of_tiles: parts,
            across: self.columns.count(),
        })
    }
}

/// Where the parts of the tiles are.
#[derive(Debug)]
pub(super) struct Parts {
    of_tiles: HashMap<u64, Vec<Range<u64>>>,
    across: u64,
}

impl Parts {
    /// Those of the tile in `row` and `column`, in their order.
    pub(super) fn of(&self, row: u64, column: u64) -> &[Range<u64>] {
        let number = row.saturating_mul(self.across).saturating_add(column);
        self.of_tiles.get(&number).map_or(&[], Vec::as_slice)
    }
}

/// How tiles of `tile` cells, the first of which begins at `first`, cut the cells of the image.
fn tiles(image: Range<u64>, first: u64, tile: u64) -> CubeResult<AxisChunks> {
    let makes_sense = image.start < image.end
        && tile > 0
        && first <= image.start
        && first.saturating_add(tile) > image.start;
    if !makes_sense {
        return Err(damaged("its image has no tiles"));
    }
    let length = image.end - image.start;
    if length > MOST_SIDE {
        let cause = format!("it has {length} rows or columns, and {MOST_SIDE} are read");
        return Err(unread(cause));
    }
    let count = (image.end - first).div_ceil(tile);
    if count > MOST_TILES {
        return Err(damaged(format!("its image has {count} tiles in a row")));
    }
    if first == image.start {
        return Ok(AxisChunks::regular(length, tile.min(length)));
    }
    let before = image.start - first;
    let edges = (1..).map(|number| number * tile - before);
    let inner = edges.take_while(|edge| *edge < length);
    Ok(AxisChunks::Irregular {
        bounds: std::iter::once(0).chain(inner).chain([length]).collect(),
    })
}

fn components(size: &[u8]) -> CubeResult<Vec<Component>> {
    let count = number(size, 38..40) as usize;
    let described = size.get(40..40 + 3 * count).unwrap_or_default();
    if count == 0 || described.is_empty() {
        return Err(damaged("its image has no components"));
    }
    let component = |bytes: &[u8; 3]| {
        let [precision, columns, rows] = *bytes;
        let bits = (precision & 0x7f) + 1;
        match () {
            () if (columns, rows) != (1, 1) => {
                Err(unread("its components have different resolutions"))
            }
            // They are decoded to floats of 32 bits.
            () if bits > 24 => Err(unread(format!("its samples have {bits} bits"))),
            () => Ok(Component {
                bits,
                is_signed: precision & 0x80 != 0,
            }),
        }
    };
    described.as_chunks::<3>().0.iter().map(component).collect()
}

fn unread(cause: impl std::fmt::Display) -> CubeError {
    CubeError::unsupported("", format!("the image cannot be read: {cause}"))
        .remedy("convert the file with `gdal_translate -of COG`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cut_the_image_where_they_begin() {
        let cuts = |image: Range<u64>, first, tile| tiles(image, first, tile).map_err(|_| ());
        assert_eq!(cuts(0..10, 0, 4), Ok(AxisChunks::regular(10, 4)));
        assert_eq!(cuts(0..10, 0, 40), Ok(AxisChunks::regular(10, 10)));
        let bounds: std::sync::Arc<[u64]> = vec![0, 1, 5, 7].into();
        assert_eq!(cuts(7..14, 4, 4), Ok(AxisChunks::Irregular { bounds }));
        for (image, first, tile) in [(5..5, 0, 4), (0..5, 0, 0), (3..5, 4, 4), (9..12, 0, 4)] {
            assert_eq!(cuts(image, first, tile), Err(()));
        }
    }

    #[test]
    fn an_image_is_not_larger_than_tiles_can_be_numbered() {
        let most = u64::from(u32::MAX);
        for (image, first, tile, expected) in [
            (1..most, 0, 2, "rows or columns"),
            (0..most, 0, most, "rows or columns"),
            (0..MOST_SIDE, 0, 2, "67108864 tiles"),
            (1..MOST_SIDE, 0, 2, "67108864 tiles"),
            (1..65_537, 0, 1 << 20, ""),
            (0..65_535, 0, 1, ""),
            (0..65_536, 0, 1, "65536 tiles"),
        ] {
            let said = tiles(image.clone(), first, tile).map_err(|error| error.to_string());
            match expected {
                "" => assert!(said.is_ok(), "{image:?}: {said:?}"),
                _ => assert!(said.is_err_and(|said| said.contains(expected)), "{image:?}"),
            }
        }
    }
}
