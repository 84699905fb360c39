//! The grid of a field: where its points lie, and in which order their values are stored.
//!
//! ```text
//!  edition 1, section 2 ─┐            ┌─ rows and columns: two axes, in degrees or projected      (rectangle)
//!  edition 2, section 3 ─┴─▶  Grid  ──┴─ points one after the other: reduced, or of no grid at all
//!                              │
//!                              └─ Scanning: i or j first, every other row backwards ─▶ values row by row
//! ```
//! Sources: WMO-No. 306, FM 92 GRIB, code tables 3.1, 3.2 and 3.4, and edition 1's tables 6 to 8.

mod earth;
mod first;
mod gaussian;
mod projected;
mod rectangle;
mod second;

use std::sync::Arc;

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::Attributes;

pub(super) use self::first::read as of_first;
pub(super) use self::gaussian::Latitudes;
pub(super) use self::second::read as of_second;
use super::damaged;
use super::packing::{Cells, Layout};

/// The most points of a grid: more would not fit into memory as one chunk.
const MOST_POINTS: u64 = 1 << 27;

/// Coordinates along one dimension.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Coordinates {
    /// The first one, and from one to the next.
    Steps { first: f64, step: f64, count: u64 },
    /// All of them.
    List(Arc<Vec<f64>>),
    /// A coordinate per row, as often as the row has points.
    OfRows {
        rows: Arc<Vec<f64>>,
        lengths: Arc<Vec<u32>>,
    },
    /// Once around the Earth in each row, from 0 on.
    Around { lengths: Arc<Vec<u32>> },
}

/// The coordinate of a dimension, or along one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) standard_name: &'static str,
    pub(super) units: &'static str,
    pub(super) coordinates: Coordinates,
}

/// Where the points lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Places {
    /// Rows and columns.
    Rectangle {
        rows: Axis,
        columns: Axis,
        /// Attributes of the grid mapping, where the axes are not latitude and longitude.
        mapping: Option<Box<Attributes>>,
    },
    /// Points one after the other, each with the coordinates that are known.
    Points { axes: Vec<Axis> },
}

/// The order in which values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scanning {
    /// Do points of a column, rather than of a row, follow each other?
    by_column: bool,
    /// Does every other row, or column, run backwards?
    alternates: bool,
}

/// A grid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    /// As ecCodes calls it.
    pub(super) kind: &'static str,
    pub(super) places: Places,
    pub(super) scanning: Scanning,
    /// Points in all.
    pub(super) points: u64,
}

impl Axis {
    fn latitude(coordinates: Coordinates) -> Self {
        Self {
            name: "latitude",
            standard_name: "latitude",
            units: "degrees_north",
            coordinates,
        }
    }

    fn longitude(coordinates: Coordinates) -> Self {
        Self {
            name: "longitude",
            standard_name: "longitude",
            units: "degrees_east",
            coordinates,
        }
    }

    pub(super) fn length(&self) -> u64 {
        match &self.coordinates {
            Coordinates::Steps { count, .. } => *count,
            Coordinates::List(list) => list.len() as u64,
            Coordinates::OfRows { lengths, .. } | Coordinates::Around { lengths } => {
                lengths.iter().map(|length| u64::from(*length)).sum()
            }
        }
    }
}

impl Coordinates {
    /// The coordinates of the `cells`.
    pub(super) fn values(&self, cells: std::ops::Range<u64>) -> Vec<f64> {
        match self {
            Self::Steps { first, step, .. } => {
                cells.map(|cell| first + step * cell as f64).collect()
            }
            Self::List(list) => {
                let from = (cells.start as usize).min(list.len());
                list[from..(cells.end as usize).min(list.len())].to_vec()
            }
            Self::OfRows { rows, lengths } => {
                let rows = rows.iter().zip(lengths.iter());
                let all = rows.flat_map(|(row, length)| (0..*length).map(|_| *row));
                part(all, cells)
            }
            Self::Around { lengths } => {
                let all = lengths.iter().flat_map(|length| {
                    (0..*length).map(|point| 360.0 * f64::from(point) / f64::from(*length))
                });
                part(all, cells)
            }
        }
    }
}

fn part(all: impl Iterator<Item = f64>, cells: std::ops::Range<u64>) -> Vec<f64> {
    let length = cells.end.saturating_sub(cells.start) as usize;
    all.skip(cells.start as usize).take(length).collect()
}

impl Scanning {
    /// Flags of code table 3.4, which edition 1's table 8 begins with.
    ///
    /// # Errors
    /// Rows that are shifted against each other.
    fn of(flags: u8) -> CubeResult<Self> {
        if flags & 0x0f != 0 {
            let cause = "its rows are shifted against each other, so that it has no columns";
            return Err(CubeError::unsupported("", cause).remedy("regrid it first"));
        }
        Ok(Self {
            by_column: flags & 0x20 != 0,
            alternates: flags & 0x10 != 0,
        })
    }
}

/// Do points run to the west, and to the north? Flags of the same table.
fn runs_west(flags: u8) -> bool {
    flags & 0x80 != 0
}

fn runs_north(flags: u8) -> bool {
    flags & 0x40 != 0
}

impl Grid {
    /// # Errors
    /// It has more points than are read, or none.
    fn checked(self) -> CubeResult<Self> {
        match self.points {
            0 => Err(damaged("its grid has no points")),
            points if points > MOST_POINTS => {
                let cause = format!("its grid has {points} points, and {MOST_POINTS} are read");
                Err(CubeError::unsupported("", cause).remedy("cut it into smaller areas"))
            }
            _ => Ok(self),
        }
    }

    /// Lengths of rows and columns; a single row for points.
    fn size(&self) -> (usize, usize) {
        match &self.places {
            Places::Rectangle { rows, columns, .. } => {
                (rows.length() as usize, columns.length() as usize)
            }
            Places::Points { .. } => (1, self.points as usize),
        }
    }

    /// How values are stored.
    pub(super) fn layout(&self) -> Layout {
        let (rows, columns) = self.size();
        Layout {
            points: self.points as usize,
            row: match self.places {
                Places::Points { .. } => 0,
                _ if self.scanning.by_column => rows,
                _ => columns,
            },
        }
    }

    /// Puts values into rows, the first point of each at the beginning of the axis.
    pub(super) fn arrange(&self, mut cells: Cells) -> Cells {
        let (rows, columns) = self.size();
        if self.scanning.alternates {
            let length = if self.scanning.by_column {
                rows
            } else {
                columns
            };
            turn(&mut cells.values, length);
            if let Some(present) = &mut cells.present {
                turn(present, length);
            }
        }
        if self.scanning.by_column {
            cells.values = transposed(&cells.values, rows, columns);
            cells.present = cells.present.map(|all| transposed(&all, rows, columns));
        }
        cells
    }
}

/// Turns every other row around.
fn turn<T>(values: &mut [T], length: usize) {
    let rows = values.chunks_mut(length.max(1));
    rows.skip(1).step_by(2).for_each(<[T]>::reverse);
}

/// Columns one after the other become rows one after the other.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let row = |row: usize| (0..columns).filter_map(move |column| values.get(column * rows + row));
    (0..rows).flat_map(row).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(flags: u8) -> Grid {
        let axis = |count| Coordinates::Steps {
            first: 0.0,
            step: 1.0,
            count,
        };
        Grid {
            kind: "regular_ll",
            places: Places::Rectangle {
                rows: Axis::latitude(axis(2)),
                columns: Axis::longitude(axis(3)),
                mapping: None,
            },
            scanning: Scanning::of(flags).unwrap_or_default(),
            points: 6,
        }
    }

    #[test]
    fn values_come_row_by_row() {
        let cases = [
            (0x00, [0, 1, 2, 3, 4, 5]),
            (0x10, [0, 1, 2, 5, 4, 3]),
            (0x20, [0, 2, 4, 1, 3, 5]),
            (0x30, [0, 3, 4, 1, 2, 5]),
        ];
        for (flags, expected) in cases {
            let cells = Cells {
                values: (0..6).map(f64::from).collect(),
                present: Some((0..6).map(|n| n % 2 == 0).collect()),
            };
            let found = grid(flags).arrange(cells);
            assert_eq!(found.values, expected.map(f64::from), "{flags:#x}");
            let present = expected.map(|n| n % 2 == 0).to_vec();
            assert_eq!(found.present, Some(present), "{flags:#x}");
        }
        assert!(Scanning::of(0x08).is_err());
    }
}
