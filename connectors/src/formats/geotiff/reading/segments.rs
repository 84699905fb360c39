//! Where the strips and tiles of an image are in the file: [`Segments`].

use std::ops::Range;

use graticule_engine::error::CubeResult;

use super::compression::Compression;
use super::damaged;
use super::directory::{Entry, Place};
use super::image::Image;
use crate::formats::stored_file::StoredFile;

/// First bytes and lengths of all strips or tiles, band by band where bands are apart.
#[derive(Debug)]
pub(super) struct Segments {
    offsets: Vec<u64>,
    byte_counts: Vec<u64>,
}

/// A segment of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its bytes in the file; `None` where it is not stored.
    pub(super) bytes: Option<Range<u64>>,
    /// Its rows.
    pub(super) rows: usize,
}

impl Image {
    /// The index of segments, which is read when it is first asked for. Gives the bytes fetched for it, too.
    ///
    /// # Errors
    /// It is shorter than the image needs, or the store failed.
    pub(super) async fn segments(&self, file: &StoredFile) -> CubeResult<(&Segments, u64)> {
        let mut fetched = 0;
        let segments = self
            .segments
            .get_or_try_init(|| async {
                let offsets = numbers(&self.offsets, file, &mut fetched).await?;
                let byte_counts = numbers(&self.byte_counts, file, &mut fetched).await?;
                let (have, need) = (offsets.len().min(byte_counts.len()), self.stored_segments());
                match have as u64 >= need {
                    true => Ok(Segments {
                        offsets,
                        byte_counts,
                    }),
                    false => Err(damaged(format!(
                        "its index has {have} of {need} strips or tiles"
                    ))),
                }
            })
            .await?;
        Ok((segments, fetched))
    }

    /// More bytes than these are not a segment's, whatever the index says: codecs make a little more of what they
    /// cannot compress, but not twice as much.
    fn most_stored_bytes(&self, rows: u64) -> u64 {
        let bytes = self.row_bytes().saturating_mul(rows);
        match self.compression {
            Compression::None => bytes,
            _ => bytes.saturating_mul(2).saturating_add(1024),
        }
    }

    /// Segments of a band that lie beside each other.
    fn across(&self) -> u64 {
        self.width.div_ceil(self.columns)
    }

    /// Entries that the index has.
    fn stored_segments(&self) -> u64 {
        let of_band = match self.is_cut {
            true => 1,
            false => self
                .height
                .div_ceil(self.rows)
                .saturating_mul(self.across()),
        };
        match self.is_planar {
            true => of_band.saturating_mul(self.samples),
            false => of_band,
        }
    }

    /// Rows of the segments in row `row` of them: tiles are whole, strips end with the image.
    pub(super) fn rows_of_segment(&self, row: u64) -> u64 {
        match self.is_tiled {
            true => self.rows,
            false => {
                let before = row.saturating_mul(self.rows);
                self.rows.min(self.height.saturating_sub(before))
            }
        }
    }

    /// The segments of the chunk at `row` and `column` for one band, from top to bottom, `grouped` of them.
    pub(super) fn segments_of(
        &self,
        segments: &Segments,
        (row, column): (u64, u64),
        band: u64,
        grouped: u64,
    ) -> Vec<Segment> {
        let down = self.height.div_ceil(self.rows);
        let plane = match self.is_planar {
            true => band,
            false => 0,
        };
        let first = row.saturating_mul(grouped);
        (first..first.saturating_add(grouped).min(down))
            .map(|row| {
                let rows = self.rows_of_segment(row);
                let bytes = match self.is_cut {
                    false => {
                        let number = (plane * down + row) * self.across() + column;
                        let most = self.most_stored_bytes(rows);
                        segments.range(number).map(|range| {
                            range.start..range.end.min(range.start.saturating_add(most))
                        })
                    }
                    true => segments.range(plane).map(|strip| {
                        let start = row.saturating_mul(self.rows.saturating_mul(self.row_bytes()));
                        let start = strip.start.saturating_add(start);
                        let end = start.saturating_add(rows.saturating_mul(self.row_bytes()));
                        // What the strip does not have is found to be missing when it is decoded.
                        start.min(strip.end)..end.min(strip.end)
                    }),
                };
                Segment {
                    bytes,
                    rows: rows as usize,
                }
            })
            .collect()
    }
}

impl Segments {
    /// The bytes of an entry of the index; `None` for one that is not stored.
    fn range(&self, number: u64) -> Option<Range<u64>> {
        let number = usize::try_from(number).ok()?;
        let start = *self.offsets.get(number)?;
        match *self.byte_counts.get(number)? {
            0 => None,
            count => Some(start..start.saturating_add(count)),
        }
    }
}

async fn numbers(entry: &Entry, file: &StoredFile, fetched: &mut u64) -> CubeResult<Vec<u64>> {
    match entry.place {
        Place::Here(ref bytes) => Ok(entry.numbers_in(bytes)),
        Place::There(start) => {
            let length = entry.length();
            *fetched += length;
            let bytes = file.read(&[start..start.saturating_add(length)]).await?;
            Ok(entry.numbers_in(&bytes))
        }
    }
}
