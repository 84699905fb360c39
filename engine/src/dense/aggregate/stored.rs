//! The values of a series that are kept until their groups are complete.
//!
//! ```text
//!  a unit's keys   │ group 0 │ group 1 …          where a row lies in one group, or in a few
//!                  │ groups 0–15 │ 16–31 …        where neighbours along a row are groups: a row of keys
//!                                                 for each row of the unit
//! ```
//! Values are copied while the unit is in the cache, so that selection reads what belongs together, and the
//! memory of a tile serves the next one.

use graticule_functions::kernels::order::TotalOrder;
use graticule_functions::kernels::select::{Ends, Key};
use graticule_functions::kernels::{Bits, LANES, Rows, series};

use crate::dense::aggregate::layout::{Groups, UnitLayout, Visit};

/// With fewer neighbours than these, groups that stand side by side would be mostly padding.
const FEWEST_COLUMNS: usize = LANES / 2;

/// Which groups have keys in a piece.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape<K> {
    /// One, whose keys lie between these ends.
    Series(Ends<K>),
    /// So many neighbours, at most sixteen, in rows of sixteen keys.
    Columns(usize),
}

/// Neighbouring keys of a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<K> {
    plane: usize,
    /// The first group.
    pub(crate) group: usize,
    pub(crate) shape: Shape<K>,
    start: usize,
    end: usize,
}

/// The keys of a unit.
#[derive(Debug)]
struct StoredUnit<K> {
    keys: Vec<K>,
    /// By plane.
    pieces: Vec<Piece<K>>,
    /// Pieces whose groups have not been emitted.
    left: usize,
}

impl<K> StoredUnit<K> {
    fn of_plane(&self, plane: usize) -> &[Piece<K>] {
        let first = self.pieces.partition_point(|piece| piece.plane < plane);
        let last = self.pieces.partition_point(|piece| piece.plane <= plane);
        &self.pieces[first..last]
    }
}

/// The keys of one series.
#[derive(Debug)]
pub(crate) struct Stored<F: TotalOrder> {
    units: Vec<StoredUnit<F::Key>>,
    /// Memory for units to come.
    spare: Vec<Vec<F::Key>>,
}

impl<F: TotalOrder> Default for Stored<F> {
    fn default() -> Self {
        Self {
            units: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl<F: TotalOrder> Stored<F> {
    /// Keeps the values of a unit.
    pub(super) fn keep(&mut self, layout: &UnitLayout, values: &[F], valid: Option<Bits<'_>>) {
        let visits: Vec<Visit<'_>> = layout.visits().collect();
        let mut keys = self.spare.pop().unwrap_or_default();
        // Every key is written; those of the last unit need not be wiped.
        keys.resize(visits.iter().map(keys_of).sum(), F::Key::HIGHEST);
        let mut places = Places {
            keys: &mut keys,
            values,
            valid,
            next: 0,
            pieces: Vec::new(),
        };
        for visit in &visits {
            match visit.groups {
                Groups::One(group) => places.add(visit, group, 0, visit.rows.length),
                Groups::Segments { base, segments } => {
                    for segment in segments {
                        places.add(visit, base + segment.code, segment.start, segment.length);
                    }
                }
                Groups::Each(first) if visit.rows.length < FEWEST_COLUMNS => {
                    for position in 0..visit.rows.length {
                        places.add(visit, first + position, position, 1);
                    }
                }
                Groups::Each(first) => places.add_columns(visit, first),
            }
        }
        let mut pieces = places.pieces;
        pieces.sort_unstable_by_key(|piece| piece.plane);
        self.units.push(StoredUnit {
            keys,
            left: pieces.len(),
            pieces,
        });
    }

    /// Adds what another worker has kept.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.units.append(&mut other.units);
        self.spare.append(&mut other.spare);
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        let units = self.units.iter().map(|unit| {
            let pieces = unit.pieces.capacity() * size_of::<Piece<F::Key>>();
            unit.keys.capacity() * size_of::<F::Key>() + pieces
        });
        let spare = self.spare.iter().map(|keys| keys.capacity());
        units.sum::<usize>() + spare.sum::<usize>() * size_of::<F::Key>()
    }

    /// The groups of a plane have been emitted.
    pub(super) fn forget(&mut self, plane: usize) {
        for unit in &mut self.units {
            unit.left -= unit.of_plane(plane).len();
        }
        let done = self.units.extract_if(.., |unit| unit.left == 0);
        self.spare.extend(done.map(|unit| unit.keys));
    }

    /// All groups have been emitted.
    pub(super) fn clear(&mut self) {
        let units = self.units.drain(..);
        self.spare.extend(units.map(|unit| unit.keys));
    }

    /// The pieces of all units with groups of a plane, by group, and their keys.
    pub(super) fn pieces(&self, plane: usize) -> Vec<(Piece<F::Key>, &[F::Key])> {
        let units = self.units.iter();
        let mut pieces: Vec<_> = units
            .flat_map(|unit| {
                let pieces = unit.of_plane(plane).iter();
                pieces.map(|piece| (*piece, &unit.keys[piece.start..piece.end]))
            })
            .collect();
        pieces.sort_by_key(|(piece, _)| piece.group);
        pieces
    }
}

/// Where the keys of a unit go.
struct Places<'a, F: TotalOrder> {
    keys: &'a mut [F::Key],
    values: &'a [F],
    valid: Option<Bits<'a>>,
    /// The first key that is not written.
    next: usize,
    pieces: Vec<Piece<F::Key>>,
}

impl<F: TotalOrder> Places<'_, F> {
    /// Writes cells of one group: `length` of each row, from `start` on.
    fn add(&mut self, visit: &Visit<'_>, group: usize, start: usize, length: usize) {
        let rows = Rows {
            shift: visit.rows.shift + start,
            length,
            ..visit.rows
        };
        let end = self.next + rows.offsets.len() * length;
        let keys = &mut self.keys[self.next..end];
        series::one_by_one(self.values, self.valid, rows, keys);
        let ends = Ends::of(keys);
        self.end_piece(visit.plane, group, Shape::Series(ends), end);
    }

    /// Writes cells of groups from `first` on, one for each position of the rows.
    fn add_columns(&mut self, visit: &Visit<'_>, first: usize) {
        let rows = visit.rows;
        let end = self.next + keys_of(visit);
        let (columns, _) = self.keys[self.next..end].as_chunks_mut::<LANES>();
        series::side_by_side(self.values, self.valid, rows, columns);
        for position in (0..rows.length).step_by(LANES) {
            let shape = Shape::Columns((rows.length - position).min(LANES));
            let end = self.next + rows.offsets.len() * LANES;
            self.end_piece(visit.plane, first + position, shape, end);
        }
    }

    fn end_piece(&mut self, plane: usize, group: usize, shape: Shape<F::Key>, end: usize) {
        self.pieces.push(Piece {
            plane,
            group,
            shape,
            start: self.next,
            end,
        });
        self.next = end;
    }
}

/// How many keys the cells of a visit become.
fn keys_of(visit: &Visit<'_>) -> usize {
    let rows = visit.rows;
    match visit.groups {
        Groups::Each(_) if rows.length >= FEWEST_COLUMNS => {
            rows.offsets.len() * rows.length.next_multiple_of(LANES)
        }
        _ => rows.offsets.len() * rows.length,
    }
}
