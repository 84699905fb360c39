//! Which units a worker owns at a time, and which groups they can touch.

use crate::dense::aggregate::layout::Extent;
use crate::dense::keys::GroupKeys;
use crate::dense::tile_grid::TileGrid;
use crate::scan::grid::ScanGrid;

/// How the units of a scan form tiles.
#[derive(Debug, Clone)]
pub(crate) struct Tiling {
    /// An axis is a tile axis when no code of it occurs in two of its units.
    pub(crate) grid: TileGrid,
    /// Lowest and one past the highest code, for each unit along each axis.
    ranges: Vec<Vec<(u32, u32)>>,
    /// Last unit along the first axis that holds a code, for each code.
    last_unit: Vec<u64>,
    /// Units along the first axis from the first to the last one that holds a code, at most; all of them
    /// where it has no key.
    longest_span: u64,
}

impl Tiling {
    pub(crate) fn new(keys: &GroupKeys, grid: &ScanGrid) -> Self {
        let counts = grid.counts();
        let mut ranges = Vec::with_capacity(counts.len());
        let mut is_tile_axis = Vec::with_capacity(counts.len());
        let mut last_unit = Vec::new();
        let mut longest_span = counts.first().copied().unwrap_or(1);
        for (axis, count) in counts.iter().enumerate() {
            let codes = &keys.axes[axis];
            if !codes.is_keyed {
                ranges.push(vec![(0, 1); *count as usize]);
                is_tile_axis.push(false);
                continue;
            }
            let mut seen = vec![u64::MAX; codes.count];
            let mut first_unit = seen.clone();
            let mut is_tile = true;
            let mut of_units = Vec::with_capacity(*count as usize);
            for position in 0..*count {
                let unit = grid.axis_unit(axis, position);
                let (mut low, mut high) = (u32::MAX, 0);
                for code in codes.stored(&unit) {
                    let seen = &mut seen[code as usize];
                    is_tile &= *seen == u64::MAX || *seen == position;
                    *seen = position;
                    let first = &mut first_unit[code as usize];
                    *first = position.min(*first);
                    (low, high) = (low.min(code), high.max(code + 1));
                }
                of_units.push((low, high));
            }
            ranges.push(of_units);
            is_tile_axis.push(is_tile);
            if axis == 0 {
                let spans =
                    std::iter::zip(&first_unit, &seen).filter(|(first, _)| **first < u64::MAX);
                longest_span = spans
                    .map(|(first, last)| last + 1 - first)
                    .max()
                    .unwrap_or(1);
                last_unit = seen;
            }
        }
        Self {
            grid: TileGrid {
                counts,
                is_tile_axis,
            },
            ranges,
            last_unit,
            longest_span,
        }
    }

    /// Position along the first axis of a unit of the scan's grid.
    pub(crate) fn first_position(&self, number: u64) -> u64 {
        let inside: u64 = self.grid.counts[1..].iter().product();
        number / inside.max(1)
    }

    /// Is code `code` of the first axis done once all units before `position` are?
    pub(crate) fn is_done(&self, code: usize, position: u64) -> bool {
        self.last_unit
            .get(code)
            .is_some_and(|last| *last < position)
    }

    /// The groups of a tile.
    pub(crate) fn extent(&self, keys: &GroupKeys, tile: u64) -> Extent {
        let mut rest = tile;
        let mut extent = Self::everything(keys);
        for axis in (0..self.grid.counts.len()).rev() {
            if self.grid.is_tile_axis[axis] {
                let (low, high) = self.ranges[axis][(rest % self.grid.counts[axis]) as usize];
                rest /= self.grid.counts[axis];
                extent.low[axis] = low as usize;
                extent.sizes[axis] = (high - low) as usize;
            }
        }
        extent
    }

    /// All groups.
    pub(crate) fn everything(keys: &GroupKeys) -> Extent {
        Extent {
            low: vec![0; keys.axes.len()],
            sizes: keys.axes.iter().map(|axis| axis.count).collect(),
        }
    }

    /// Cells of a tile whose groups are not complete, at most; `lengths` are those of all axes.
    pub(crate) fn held_cells(
        &self,
        grid: &ScanGrid,
        lengths: impl Iterator<Item = usize>,
    ) -> usize {
        let cells = lengths.enumerate().map(|(axis, length)| {
            let unit = grid.chunks(axis).size() as usize;
            match self.grid.is_tile_axis[axis] {
                true => unit.min(length),
                false if axis == 0 => unit.saturating_mul(self.longest_span as usize).min(length),
                false => length,
            }
        });
        cells.fold(1, usize::saturating_mul)
    }

    /// Groups of the largest tile.
    pub(crate) fn largest_tile(&self, keys: &GroupKeys) -> usize {
        let axes = keys.axes.iter().enumerate();
        axes.map(|(axis, codes)| match self.grid.is_tile_axis[axis] {
            true => {
                let sizes = self.ranges[axis].iter().map(|(low, high)| high - low);
                sizes.max().unwrap_or(0) as usize
            }
            false => codes.count,
        })
        .fold(1, usize::saturating_mul)
    }
}
