//! The work of a scan: units, each the cells of one chunk (or slab) that a query selects.
//!
//! Units are a product of per-axis lists and are addressed by one number; nothing is enumerated.

use std::ops::Range;

use arrow::array::Array;

use crate::cube::chunks::AxisChunks;
use crate::cube::{Cube, Variable};
use crate::scan::selection::AxisSelection;

/// How the selected cells of one axis fall on the units of a scan.
#[derive(Debug, Clone)]
struct AxisUnits {
    chunks: AxisChunks,
    selection: AxisSelection,
    /// Chunks with a selected cell; `None` when that is all of them.
    touched: Option<Vec<u64>>,
    reversed: bool,
}

/// All units of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanGrid {
    axes: Vec<AxisUnits>,
}

/// The selected cells of one unit along one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitAxis {
    /// Position of the unit along the axis, counted in chunks of the scan's grid.
    pub(crate) chunk: u64,
    /// Selected runs in cells of the cube; ascending even when `reversed`.
    pub(crate) runs: Vec<Range<u64>>,
    /// Selected cells.
    pub(crate) count: usize,
    /// Rows run from the last selected cell to the first.
    pub(crate) reversed: bool,
}

impl UnitAxis {
    /// The selected cells in the order of rows.
    pub(crate) fn cells(&self) -> Vec<u64> {
        let mut cells: Vec<u64> = self.runs.iter().cloned().flatten().collect();
        if self.reversed {
            cells.reverse();
        }
        cells
    }

    /// Selects no more than the first `count` of the selected cells, in the order of rows.
    fn keep_first(&mut self, count: usize) {
        let mut surplus = self.count.saturating_sub(count) as u64;
        self.count = self.count.min(count);
        while surplus > 0 {
            let end = match self.reversed {
                true => self.runs.first_mut(),
                false => self.runs.last_mut(),
            };
            let Some(run) = end else { return };
            let length = run.end - run.start;
            if length <= surplus {
                surplus -= length;
                match self.reversed {
                    true => drop(self.runs.remove(0)),
                    false => drop(self.runs.pop()),
                }
            } else {
                match self.reversed {
                    true => run.start += surplus,
                    false => run.end -= surplus,
                }
                return;
            }
        }
    }
}

/// One unit: what a partition reads, decodes and emits before it asks for the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// One entry per axis of the cube.
    pub(crate) axes: Vec<UnitAxis>,
}

impl Unit {
    /// Rows of the unit before any predicate on values.
    pub(crate) fn rows(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// The unit without the cells along its slowest axis that come after the first `rows` rows.
    pub(crate) fn leading(mut self, rows: u64) -> Unit {
        let inner: usize = self.axes.iter().skip(1).map(|axis| axis.count).product();
        if let Some(axis) = self.axes.first_mut() {
            let wanted = rows.div_ceil(inner.max(1) as u64).max(1);
            axis.keep_first(usize::try_from(wanted).unwrap_or(usize::MAX));
        }
        self
    }

    /// How many rows apart two neighbours along each axis are.
    pub(crate) fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.axes.len()];
        for axis in (1..self.axes.len()).rev() {
            strides[axis - 1] = strides[axis] * self.axes[axis].count;
        }
        strides
    }

    /// Selected cells per axis.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.count).collect()
    }
}

impl ScanGrid {
    /// The units of `selections` on chunks `chunks`, one entry per axis each.
    pub(crate) fn new(
        chunks: Vec<AxisChunks>,
        selections: &[AxisSelection],
        reversed: &[bool],
    ) -> Self {
        let axes = chunks
            .into_iter()
            .zip(selections)
            .zip(reversed)
            .map(|((chunks, selection), reversed)| {
                let touched =
                    (!selection.is_all()).then(|| touched_chunks(&chunks, selection.runs()));
                AxisUnits {
                    chunks,
                    selection: selection.clone(),
                    touched,
                    reversed: *reversed,
                }
            })
            .collect();
        Self { axes }
    }

    fn units_along(axis: &AxisUnits) -> u64 {
        axis.touched
            .as_ref()
            .map_or_else(|| axis.chunks.count(), |touched| touched.len() as u64)
    }

    /// May several units need the same chunk of `variable`? Not when it runs along all axes and every
    /// unit holds its chunks whole.
    pub(crate) fn shares_chunks(&self, variable: &Variable) -> bool {
        let is_whole = |(axis, chunks): (&usize, &AxisChunks)| {
            let units = &self.axes[*axis].chunks;
            units == chunks || units.count() <= 1
        };
        let is_aligned = variable.axes.iter().zip(variable.chunks()).all(is_whole);
        variable.axes.len() < self.axes.len() || !is_aligned
    }

    /// Number of units.
    pub(crate) fn unit_count(&self) -> u64 {
        self.axes
            .iter()
            .map(Self::units_along)
            .fold(1, u64::saturating_mul)
    }

    /// Chunks of the grid along `axis`, selected or not.
    pub(crate) fn chunks(&self, axis: usize) -> &AxisChunks {
        &self.axes[axis].chunks
    }

    /// Number of units along each axis.
    pub(crate) fn counts(&self) -> Vec<u64> {
        self.axes.iter().map(Self::units_along).collect()
    }

    /// The selected cells of the unit at `position` along `axis`.
    pub(crate) fn axis_unit(&self, axis: usize, position: u64) -> UnitAxis {
        let axis = &self.axes[axis];
        let position = match axis.reversed {
            true => Self::units_along(axis) - 1 - position,
            false => position,
        };
        let chunk = axis
            .touched
            .as_ref()
            .map_or(position, |touched| touched[position as usize]);
        let runs = axis.selection.within(axis.chunks.range(chunk));
        UnitAxis {
            chunk,
            count: runs.iter().map(|run| (run.end - run.start) as usize).sum(),
            runs,
            reversed: axis.reversed,
        }
    }

    /// Cells of the largest unit, at most.
    pub(crate) fn largest_unit(&self) -> u64 {
        let along = |axis: &AxisUnits| axis.chunks.size().min(axis.selection.len());
        self.axes
            .iter()
            .map(along)
            .fold(1u64, |cells, count| cells.saturating_mul(count))
    }

    /// Where unit `index` stands along each axis, counted in units.
    pub(crate) fn positions(&self, mut index: u64) -> Vec<u64> {
        let mut positions = vec![0; self.axes.len()];
        for (position, axis) in positions.iter_mut().zip(&self.axes).rev() {
            let count = Self::units_along(axis);
            *position = index % count;
            index /= count;
        }
        positions
    }

    /// The unit with number `index`; the last axis varies fastest.
    pub(crate) fn unit(&self, index: u64) -> Unit {
        let positions = self.positions(index).into_iter().enumerate();
        let axes = positions.map(|(axis, position)| self.axis_unit(axis, position));
        Unit {
            axes: axes.collect(),
        }
    }
}

/// A unit is at most this many cells, so that a scan of variables whose chunks are long in different
/// directions stays within memory.
const UNIT_CELLS: u64 = 1 << 26;

/// Where no variable runs along all axes, a unit has at most about this many rows: the chunks of
/// different variables may lie across each other, and their product may be any size.
const FREE_ROWS: u64 = 1 << 20;

/// How a scan of `variables` cuts the axes: along each axis like the variable with the longest
/// chunks, so that as a rule every chunk is decoded once.
pub(crate) fn scan_chunks(cube: &Cube, variables: &[usize]) -> Vec<AxisChunks> {
    let variables: Vec<&Variable> = variables
        .iter()
        .map(|index| &cube.variables[*index])
        .collect();
    let is_full_rank = |variable: &&&Variable| variable.axes.len() == cube.axes.len();
    let full_rank: Vec<&Variable> = variables.iter().filter(is_full_rank).copied().collect();
    let mut chunks = longest_chunks(
        cube,
        if full_rank.is_empty() {
            &variables
        } else {
            &full_rank
        },
    );
    if cells(chunks.iter().flatten()) > UNIT_CELLS
        && let Some(largest) = full_rank
            .iter()
            .max_by_key(|variable| cells(variable.chunks()))
    {
        chunks = longest_chunks(cube, &[*largest]);
    }
    if full_rank.is_empty() {
        limit_rows(&mut chunks);
    }
    let mut room = FREE_ROWS / cells(chunks.iter().flatten()).clamp(1, FREE_ROWS);
    let mut cut: Vec<AxisChunks> = Vec::with_capacity(chunks.len());
    for (axis, chunks) in cube.axes.iter().zip(chunks).rev() {
        cut.push(chunks.unwrap_or_else(|| {
            let length = axis.coordinates.len() as u64;
            let size = length.min(room).max(1);
            room /= size;
            AxisChunks::regular(length, size)
        }));
    }
    cut.reverse();
    cut
}

/// Cuts chunks, the slowest axis first, until a unit of them has at most [`FREE_ROWS`] rows.
fn limit_rows(chunks: &mut [Option<AxisChunks>]) {
    for axis in 0..chunks.len() {
        let rows = cells(chunks.iter().flatten());
        if rows <= FREE_ROWS {
            return;
        }
        if let Some(along) = &mut chunks[axis] {
            let inner = (rows / along.size().max(1)).max(1);
            *along =
                AxisChunks::regular(along.length(), (FREE_ROWS / inner).clamp(1, along.size()));
        }
    }
}

/// Per axis, the chunks of the variable that cuts it most coarsely; `None` where none runs along it.
fn longest_chunks(cube: &Cube, variables: &[&Variable]) -> Vec<Option<AxisChunks>> {
    let along = |variable: &&Variable, axis: usize| {
        let dimension = variable.axes.iter().position(|other| *other == axis)?;
        variable.chunks().get(dimension).cloned()
    };
    let longest = |axis| {
        variables
            .iter()
            .filter_map(|variable| along(variable, axis))
            .max_by_key(AxisChunks::size)
    };
    (0..cube.axes.len()).map(longest).collect()
}

fn cells<'a>(chunks: impl IntoIterator<Item = &'a AxisChunks>) -> u64 {
    chunks
        .into_iter()
        .map(AxisChunks::size)
        .fold(1, u64::saturating_mul)
}

/// How many chunks hold a selected cell.
pub(crate) fn touched_count(chunks: &AxisChunks, selection: &AxisSelection) -> u64 {
    if selection.is_all() {
        chunks.count()
    } else {
        touched_chunks(chunks, selection.runs()).len() as u64
    }
}

/// The chunks that hold a cell of `runs`, ascending.
pub(crate) fn touched_chunks(chunks: &AxisChunks, runs: &[Range<u64>]) -> Vec<u64> {
    let mut touched: Vec<u64> = Vec::new();
    for run in runs {
        let mut chunk = chunks.index_of(run.start);
        if touched.last() == Some(&chunk) {
            chunk += 1;
        }
        let last = chunks.index_of(run.end - 1);
        touched.extend(chunk..=last);
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::buffer::BooleanBuffer;

    #[test]
    fn units_follow_the_selection() {
        let chunks = AxisChunks::regular(10, 4);
        let mask = BooleanBuffer::from_iter((0..10).map(|cell| cell == 1 || cell >= 8));
        let rows = AxisSelection::from_mask(&mask);
        let all = AxisSelection::all(3);
        let grid = ScanGrid::new(
            vec![chunks, AxisChunks::regular(3, 2)],
            &[rows.clone(), all.clone()],
            &[false, false],
        );
        assert_eq!(grid.unit_count(), 4);
        let unit = grid.unit(2);
        assert_eq!(unit.axes[0].chunk, 2);
        assert_eq!(unit.axes[0].cells(), [8, 9]);
        assert_eq!(unit.axes[1].cells(), [0, 1]);
        let backwards = ScanGrid::new(
            vec![AxisChunks::regular(10, 4), AxisChunks::regular(3, 2)],
            &[rows, all],
            &[true, false],
        );
        assert_eq!(backwards.unit(0).axes[0].cells(), [9, 8]);
        assert_eq!(backwards.unit(3).axes[0].cells(), [1]);
    }

    #[test]
    fn a_unit_that_is_cut_keeps_its_first_rows() {
        let mask = [true, false, true, true, false, true];
        let rows = AxisSelection::from_mask(&BooleanBuffer::from(mask.as_slice()));
        let chunks = vec![AxisChunks::regular(6, 6), AxisChunks::regular(3, 3)];
        for reversed in [false, true] {
            let selections = [rows.clone(), AxisSelection::all(3)];
            let grid = ScanGrid::new(chunks.clone(), &selections, &[reversed, false]);
            let all = grid.unit(0).axes[0].cells();
            for (limit, kept) in [(1, 1), (3, 1), (4, 2), (9, 3), (10, 4), (99, 4)] {
                let unit = grid.unit(0).leading(limit);
                assert_eq!(unit.axes[0].cells(), all[..kept], "{limit}, {reversed}");
                assert_eq!(unit.counts(), [kept, 3], "{limit}, {reversed}");
            }
        }
    }
}
