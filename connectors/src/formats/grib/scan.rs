//! The way through a file, message by message: [`read_fields`] reads headers and steps over values.
//!
//! ```text
//!  ..│GRIB│1│3│4│5│6│7 values ……│4│5│6│7 values ……│7777│..│GRIB│1│2│3 bitmap│4 values ……│7777│
//!    └ block ┘                                            └ block ┘
//!    a message of edition 2 with two fields                a message of edition 1
//! ```
//! A message tells how long it is, and nothing tells where the others are: so each costs a request, unless messages are
//! so small that a block holds several. What stands between messages is stepped over.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};

use super::damaged;
use super::field::{self, Data, Field, Message};
use super::grid::{self, Grid, Latitudes};
use super::octets::Octets;
use super::packing::Encoding;
use crate::formats::stored_file::{StoredFile, truncated};

/// Bytes of a block where the last message was long, and where it was short.
const LONG: u64 = 16 << 10;
const SHORT: u64 = 4 << 20;
/// The longest message that is short: a request for it takes less time than for its header alone.
const SHORT_MESSAGE: u64 = 512 << 10;
/// The most bytes between two messages, or in front of the first one.
const MOST_GAP: u64 = 16 << 20;
/// The most bytes of a section that is read when a file is opened.
const MOST_HEADER: u64 = 16 << 20;
/// The most fields of a file, those that are left out among them.
const MOST_FIELDS: usize = 1_000_000;
/// The most grids of a file; each is a group of its own.
const MOST_GRIDS: usize = 1_000;
/// The most causes for which fields are left out that are told apart.
const MOST_CAUSES: usize = 100;

/// What a file has.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) fields: Vec<Field>,
    pub(super) grids: Vec<Arc<Grid>>,
    /// The last edition that was met.
    pub(super) edition: u8,
    /// Why fields are left out, and how many; the last entry may stand for all further causes.
    pub(super) left_out: Vec<(CubeError, usize)>,
}

/// Reads the headers of all messages.
///
/// # Errors
/// The store failed, or the file is no GRIB file, is damaged or cut off.
pub(super) async fn read_fields(file: &StoredFile) -> CubeResult<Contents> {
    let mut walk = Walk::through(Window {
        file: Some(file),
        size: file.size,
        start: 0,
        block: Bytes::new(),
        ahead: SHORT,
    });
    let mut at = 0;
    while let Some(start) = walk.next_message(at).await? {
        at = walk.read_message(start).await?;
    }
    if walk.contents.edition == 0 {
        return Err(damaged("it has no GRIB message"));
    }
    Ok(walk.contents)
}

/// Reads the headers of the one message that `bytes` are. All is there, so nothing is waited for.
///
/// # Errors
/// It is no message, is damaged or cut off.
pub(super) async fn read_message(bytes: &Bytes) -> CubeResult<Contents> {
    let mut walk = Walk::through(Window {
        file: None,
        size: bytes.len() as u64,
        start: 0,
        block: bytes.clone(),
        ahead: SHORT,
    });
    let start = walk.next_message(0).await?;
    walk.read_message(start.ok_or_else(|| damaged("it is no GRIB message"))?)
        .await?;
    Ok(walk.contents)
}

/// A part of the file that is held.
struct Window<'a> {
    /// Where other parts are; `None` where all is held.
    file: Option<&'a StoredFile>,
    /// Bytes in all.
    size: u64,
    start: u64,
    block: Bytes,
    /// Bytes to read at once.
    ahead: u64,
}

impl Window<'_> {
    /// `length` bytes from `start` on.
    async fn get(&mut self, start: u64, length: u64) -> CubeResult<Bytes> {
        let end = start.saturating_add(length);
        let size = self.size;
        if end > size {
            return Err(truncated("", end, size));
        }
        if length > MOST_HEADER {
            return Err(damaged(format!(
                "it has a section of {length} bytes in front of its values"
            )));
        }
        let held_end = self.start + self.block.len() as u64;
        if let Some(file) = self.file
            && (start < self.start || end > held_end)
        {
            let end = end.max(start.saturating_add(self.ahead)).min(size);
            self.block = file.read(&[start..end]).await?;
            self.start = start;
        }
        let from = (start - self.start) as usize;
        let to = from.saturating_add(length as usize).min(self.block.len());
        Ok(self.block.slice(from..to))
    }
}

struct Walk<'a> {
    window: Window<'a>,
    contents: Contents,
    /// Numbers of grids by their sections: most files have one grid.
    known: HashMap<Bytes, Result<usize, CubeError>>,
    latitudes: Latitudes,
    /// Fields so far, those that are left out among them.
    met: usize,
    /// Places of causes in what is left out, by what they say.
    causes: HashMap<String, usize>,
}

impl<'a> Walk<'a> {
    fn through(window: Window<'a>) -> Self {
        Self {
            window,
            contents: Contents::default(),
            known: HashMap::new(),
            latitudes: Latitudes::default(),
            met: 0,
            causes: HashMap::new(),
        }
    }

    /// Where the next message begins, from `at` on.
    async fn next_message(&mut self, at: u64) -> CubeResult<Option<u64>> {
        let size = self.window.size;
        let mut from = at;
        while from.saturating_add(4) <= size {
            // Whole blocks of what is no message would be read one byte after the other.
            let length = match from == at {
                true => 4,
                false => (size - from).min(LONG),
            };
            let bytes = self.window.get(from, length).await?;
            let found = bytes.windows(4).position(|four| four == b"GRIB");
            if let Some(position) = found {
                return Ok(Some(from + position as u64));
            }
            if from - at > MOST_GAP {
                let cause =
                    format!("nothing of the {MOST_GAP} bytes from byte {at} on is a GRIB message");
                return Err(damaged(cause));
            }
            from += (length - 3).max(1);
        }
        Ok(None)
    }

    /// Reads the message at `start`, and returns where it ends.
    async fn read_message(&mut self, start: u64) -> CubeResult<u64> {
        let head = self.window.get(start, 8).await?;
        let head = Octets::of(&head, "indicator section");
        let edition = head.octet(8)?;
        let end = match edition {
            1 => self.read_first(start, head.unsigned(5, 3)?).await,
            2 => self.read_second(start, head.octet(7)?).await,
            other => {
                let cause = format!("it is written in edition {other} of GRIB, not 1 or 2");
                Err(CubeError::unsupported("", cause).remedy("convert it first"))
            }
        };
        let end = end.map_err(|error| error.within(&format!("message at byte {start}")))?;
        self.contents.edition = edition;
        self.window.ahead = match end - start {
            0..=SHORT_MESSAGE => SHORT,
            _ => LONG,
        };
        Ok(end)
    }

    /// Counts a field, of which one message may have any number.
    fn count_field(&mut self) -> CubeResult<()> {
        self.met += 1;
        let cause = if self.met > MOST_FIELDS {
            format!("the file has more than {MOST_FIELDS} fields")
        } else if self.known.len() > MOST_GRIDS {
            format!("the file has more than {MOST_GRIDS} grids")
        } else {
            return Ok(());
        };
        Err(CubeError::unsupported("", cause).remedy("split it"))
    }

    /// Notes a field that cannot be read, without giving up the others; damage is an error.
    fn leave_out(&mut self, error: CubeError) -> CubeResult<()> {
        if error.kind() != ErrorKind::Unsupported {
            return Err(error);
        }
        let left_out = &mut self.contents.left_out;
        let said = error.to_string();
        let at = match self.causes.get(&said) {
            Some(at) => *at,
            None => left_out.len().min(MOST_CAUSES),
        };
        if at == left_out.len() {
            let error = match at {
                MOST_CAUSES => CubeError::unsupported("", "they are left out for other causes"),
                _ => error,
            };
            self.causes.insert(said, at);
            left_out.push((error, 0));
        }
        left_out[at].1 += 1;
        Ok(())
    }

    /// The number of the grid that a section describes.
    fn grid(&mut self, section: &Bytes, edition: u8) -> CubeResult<usize> {
        if let Some(known) = self.known.get(section) {
            return known.clone();
        }
        let found = match edition {
            1 => {
                let section = Octets::of(section, "grid description section");
                grid::of_first(section, &mut self.latitudes)
            }
            _ => grid::of_second(Octets::of(section, "section 3"), &mut self.latitudes),
        };
        let found = found.map(|grid| {
            self.contents.grids.push(Arc::new(grid));
            self.contents.grids.len() - 1
        });
        // A copy: the block that the section is part of should not be kept.
        let key = Bytes::copy_from_slice(section);
        self.known.insert(key, found.clone());
        found
    }

    async fn read_first(&mut self, start: u64, length: u64) -> CubeResult<u64> {
        self.count_field()?;
        let product = self.section(start + 8, 3, 28).await?;
        let mut at = start + 8 + product.len() as u64;
        let first = field::of_first(Octets::of(&product, "product definition section"))?;
        let mut grid = None;
        if first.has_grid {
            let section = self.section(at, 3, 28).await?;
            at += section.len() as u64;
            grid = Some(section);
        }
        let end = self
            .end_of_first(start, length, at, first.has_bitmap)
            .await?;
        let grid = match grid {
            Some(section) => self.grid(&section, 1),
            None => {
                let cause = "its grid is one of its centre's, which is not in the file";
                Err(CubeError::unsupported("", cause)
                    .remedy("write it again with a grid in each message"))
            }
        };
        match grid {
            Err(error) => self.leave_out(error)?,
            Ok(grid) => self.contents.fields.push(Field {
                product: first.product,
                grid,
                data: Data {
                    encoding: Encoding::First {
                        has_bitmap: first.has_bitmap,
                        decimal_scale: first.decimal_scale,
                    },
                    // Without the `7777` at the end.
                    ranges: vec![at..end - 4],
                },
            }),
        }
        Ok(end)
    }

    /// Where a message of edition 1 ends. Three octets are not enough for large ones: ECMWF counts in units of 120 then,
    /// and the data section says how much that is too much. Its sections after the grid begin at `at`.
    async fn end_of_first(
        &mut self,
        start: u64,
        length: u64,
        at: u64,
        has_bitmap: bool,
    ) -> CubeResult<u64> {
        let mut length = length;
        if length & 0x80_0000 != 0 {
            let mut data = at;
            if has_bitmap {
                let bitmap = self.window.get(at, 3).await?;
                data += Octets::of(&bitmap, "bitmap section").unsigned(1, 3)?;
            }
            let head = self.window.get(data, 3).await?;
            let of_data = Octets::of(&head, "data section").unsigned(1, 3)?;
            if of_data < 120 {
                length = ((length & 0x7f_ffff) * 120).saturating_sub(of_data) + 4;
            }
        }
        let end = start.saturating_add(length);
        self.check_end(end, at.saturating_add(4))?;
        Ok(end)
    }

    fn check_end(&self, end: u64, least: u64) -> CubeResult<()> {
        let size = self.window.size;
        match end {
            end if end > size => Err(truncated("", end, size)),
            end if end < least => Err(damaged("it ends within its headers")),
            _ => Ok(()),
        }
    }

    /// The section at `at`, whose first `octets` are its length; `least` octets are there in any case.
    async fn section(&mut self, at: u64, octets: usize, least: u64) -> CubeResult<Bytes> {
        let head = self.window.get(at, octets as u64).await?;
        let length = Octets::of(&head, "section").unsigned(1, octets)?;
        match length < least {
            true => Err(damaged(format!("it has a section of {length} bytes"))),
            false => self.window.get(at, length).await,
        }
    }

    async fn read_second(&mut self, start: u64, discipline: u8) -> CubeResult<u64> {
        let head = self.window.get(start, 16).await?;
        let length = Octets::of(&head, "section 0").unsigned(9, 8)?;
        let end = start.saturating_add(length);
        self.check_end(end, start + 16 + 21 + 4)?;
        let first = self.section(start + 16, 4, 21).await?;
        let message = Message::of(discipline, Octets::of(&first, "section 1"))?;
        let mut at = start + 16 + first.len() as u64;
        let mut sections = Sections::default();
        while at.saturating_add(4) < end {
            let head = self.window.get(at, 5).await?;
            let head = Octets::of(&head, "section");
            let (length, number) = (head.unsigned(1, 4)?, head.octet(5)?);
            let next = at.saturating_add(length);
            if length < 5 || next > end {
                return Err(damaged(format!(
                    "its section {number} at byte {at} has {length} bytes"
                )));
            }
            match number {
                3 => sections.grid = Some(self.section(at, 4, 15).await?),
                4 => sections.product = Some(self.section(at, 4, 34).await?),
                5 => sections.packing = Some(at..next),
                6 => {
                    // One that refers to an earlier one does not replace it.
                    let kind = self.window.get(at, 6.min(length)).await?;
                    if kind.last() != Some(&254) || sections.bitmap.is_none() {
                        sections.bitmap = Some(at..next);
                    }
                }
                7 => self.add_field(message, &sections, at..next)?,
                _ => {}
            }
            at = next;
        }
        Ok(end)
    }

    fn add_field(
        &mut self,
        message: Message,
        sections: &Sections,
        values: Range<u64>,
    ) -> CubeResult<()> {
        self.count_field()?;
        let Sections {
            grid: Some(grid),
            product: Some(product),
            packing: Some(packing),
            bitmap: Some(bitmap),
        } = sections
        else {
            return Err(damaged("a section is missing in front of its values"));
        };
        let product = field::of_second(message, Octets::of(product, "section 4"));
        let found = product.and_then(|product| Ok((product, self.grid(grid, 2)?)));
        match found {
            Err(error) => self.leave_out(error),
            Ok((product, grid)) => {
                self.contents.fields.push(Field {
                    product,
                    grid,
                    data: Data {
                        encoding: Encoding::Second,
                        ranges: vec![packing.clone(), bitmap.clone(), values],
                    },
                });
                Ok(())
            }
        }
    }
}

/// The sections that stand in front of values; they hold until another of their number comes.
#[derive(Debug, Default)]
struct Sections {
    grid: Option<Bytes>,
    product: Option<Bytes>,
    packing: Option<Range<u64>>,
    bitmap: Option<Range<u64>>,
}
