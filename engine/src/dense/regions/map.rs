//! Where in the rows of a unit the cells of regions lie.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use crate::dense::regions::boxes::Boxes;
use crate::scan::grid::{ScanGrid, Unit, UnitAxis};

/// The boxes that lie in each unit of a scan.
#[derive(Debug)]
pub(crate) struct RegionMap {
    boxes: Arc<Boxes>,
    /// Chunks along each axis of the boxes.
    chunks: Vec<u64>,
    /// Every unit that a box lies in, by its number along the axes of the boxes; sorted.
    places: Vec<(u64, u32)>,
    /// What `places` weigh.
    _memory: MemoryReservation,
}

/// Neighbouring cells of a region along the last of the regions' axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegionRun {
    pub(crate) region: u32,
    /// Row of the unit at which it starts, at the first cell of each axis that regions do not read.
    pub(crate) start: usize,
    /// Cells.
    pub(crate) cells: usize,
}

/// Neighbouring rows of a unit that a region selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegionRows {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) region: u32,
}

impl RegionMap {
    /// Finds the units of `grid` in which `boxes` lie; the map is taken from the pool of `memory`.
    ///
    /// # Errors
    /// The memory pool has no room.
    pub(crate) fn new(
        boxes: &Arc<Boxes>,
        grid: &ScanGrid,
        memory: &MemoryReservation,
    ) -> Result<Self> {
        let memory = memory.new_empty();
        let axes = &boxes.axes;
        let chunks: Vec<u64> = axes.iter().map(|axis| grid.chunks(*axis).count()).collect();
        let mut places: Vec<(u64, u32)> = Vec::new();
        for (position, (_, stretches)) in boxes.iter().enumerate() {
            let mut units = vec![0u64];
            for ((axis, count), stretch) in std::iter::zip(axes, &chunks).zip(stretches) {
                let along = grid.chunks(*axis);
                let first = along.index_of(stretch.start.into());
                let last = along.index_of(u64::from(stretch.end) - 1);
                units = units
                    .iter()
                    .flat_map(|unit| (first..=last).map(move |chunk| unit * count + chunk))
                    .collect();
            }
            if places.capacity() - places.len() < units.len() {
                let more = places.len().max(units.len()).max(64);
                memory.try_grow(more * size_of::<(u64, u32)>())?;
                places.reserve_exact(more);
            }
            places.extend(units.into_iter().map(|unit| (unit, position as u32)));
        }
        places.sort_unstable();
        Ok(Self {
            boxes: Arc::clone(boxes),
            chunks,
            places,
            _memory: memory,
        })
    }

    /// The axes of which regions select cells, ascending.
    pub(crate) fn axes(&self) -> &[usize] {
        &self.boxes.axes
    }

    /// The boxes that lie in a unit.
    fn boxes_in(&self, unit: &Unit) -> &[(u64, u32)] {
        let number = std::iter::zip(&self.boxes.axes, &self.chunks)
            .fold(0, |number, (axis, count)| {
                number * count + unit.axes[*axis].chunk
            });
        let start = self.places.partition_point(|(other, _)| *other < number);
        let end = self.places.partition_point(|(other, _)| *other <= number);
        &self.places[start..end]
    }

    /// May a region select a cell of the unit?
    pub(crate) fn touches(&self, unit: &Unit) -> bool {
        !self.boxes_in(unit).is_empty()
    }

    /// The cells of regions in a unit.
    pub(crate) fn runs(&self, unit: &Unit) -> Vec<RegionRun> {
        let here = self.boxes_in(unit);
        let Some((last, outer)) = self.boxes.axes.split_last() else {
            return Vec::new();
        };
        if here.is_empty() {
            return Vec::new();
        }
        let strides = unit.strides();
        let positions: Vec<Positions> = self
            .boxes
            .axes
            .iter()
            .map(|axis| Positions::of(&unit.axes[*axis]))
            .collect();
        let mut runs = Vec::with_capacity(here.len());
        let mut starts = Vec::new();
        for (_, position) in here {
            let (region, stretches) = self.boxes.get(*position as usize);
            let along = positions[outer.len()].within(&stretches[outer.len()]);
            if along.is_empty() {
                continue;
            }
            starts.clear();
            starts.push(along.start * strides[*last]);
            for (place, axis) in outer.iter().enumerate() {
                let across = positions[place].within(&stretches[place]);
                let stride = strides[*axis];
                starts = starts
                    .iter()
                    .flat_map(|start| across.clone().map(move |cell| start + cell * stride))
                    .collect();
            }
            runs.extend(starts.iter().map(|start| RegionRun {
                region,
                start: *start,
                cells: along.len(),
            }));
        }
        runs
    }

    /// The rows of a unit that regions select, by where they start.
    pub(crate) fn rows(&self, unit: &Unit) -> Vec<RegionRows> {
        let runs = self.runs(unit);
        let (Some(last), false) = (self.boxes.axes.last(), runs.is_empty()) else {
            return Vec::new();
        };
        let strides = unit.strides();
        // Along the axes inside the last one, all rows follow each other.
        let inner = strides[*last];
        let mut offsets = vec![0];
        for axis in (0..*last).filter(|axis| !self.boxes.axes.contains(axis)) {
            let (count, stride) = (unit.axes[axis].count, strides[axis]);
            offsets = offsets
                .iter()
                .flat_map(|offset| (0..count).map(move |cell| offset + cell * stride))
                .collect();
        }
        let mut rows: Vec<RegionRows> = offsets
            .iter()
            .flat_map(|offset| {
                runs.iter().map(move |run| RegionRows {
                    start: offset + run.start,
                    end: offset + run.start + run.cells * inner,
                    region: run.region,
                })
            })
            .collect();
        rows.sort_unstable_by_key(|rows| (rows.start, rows.region));
        rows
    }
}

/// Positions of the cells of a unit along one axis, in the order of rows.
struct Positions {
    first: u64,
    /// Selected cells before each cell from `first` on, and all of them last.
    before: Vec<usize>,
    reversed: bool,
}

impl Positions {
    fn of(axis: &UnitAxis) -> Self {
        let first = axis.runs.first().map_or(0, |run| run.start);
        let mut before = Vec::new();
        let mut count = 0;
        for run in &axis.runs {
            before.resize((run.start - first) as usize, count);
            before.extend((0..run.end - run.start).map(|cell| count + cell as usize));
            count += (run.end - run.start) as usize;
        }
        before.push(count);
        Self {
            first,
            before,
            reversed: axis.reversed,
        }
    }

    /// The positions of those of `cells` that the unit holds.
    fn within(&self, cells: &std::ops::Range<u32>) -> std::ops::Range<usize> {
        let count = self.before[self.before.len() - 1];
        let before = |cell: u32| {
            let place = u64::from(cell).saturating_sub(self.first) as usize;
            self.before.get(place).copied().unwrap_or(count)
        };
        let (start, end) = (before(cells.start), before(cells.end));
        match self.reversed {
            true => count - end..count - start,
            false => start..end,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)]
    use super::*;

    fn axis(runs: &[std::ops::Range<u64>], reversed: bool) -> UnitAxis {
        UnitAxis {
            chunk: 0,
            count: runs.iter().map(|run| (run.end - run.start) as usize).sum(),
            runs: runs.to_vec(),
            reversed,
        }
    }

    #[test]
    fn positions_skip_what_is_not_selected() {
        let positions = Positions::of(&axis(&[10..12, 15..18], false));
        for (cells, expected) in [
            (0..40, 0..5),
            (0..10, 0..0),
            (10..11, 0..1),
            (11..16, 1..3),
            (12..15, 2..2),
            (17..18, 4..5),
            (18..30, 5..5),
        ] {
            assert_eq!(positions.within(&cells), expected, "{cells:?}");
        }
        let backwards = Positions::of(&axis(&[10..12, 15..18], true));
        assert_eq!(backwards.within(&(11..16)), 2..4);
    }
}
