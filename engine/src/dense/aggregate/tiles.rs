//! Which units a worker owns at a time, and which groups they can touch.

use crate::dense::aggregate::layout::Extent;
use crate::dense::keys::GroupKeys;
use crate::scan::grid::ScanGrid;

/// How the units of a scan form tiles.
#[derive(Debug, Clone)]
pub(crate) struct Tiling {
    /// Units along each axis.
    counts: Vec<u64>,
    /// Does no code of the axis occur in two of its units?
    is_tile_axis: Vec<bool>,
    /// Lowest and one past the highest code, for each unit along each axis.
    ranges: Vec<Vec<(u32, u32)>>,
    /// Last unit along the first axis that holds a code, for each code.
    last_unit: Vec<u64>,
}

impl Tiling {
    pub(crate) fn new(keys: &GroupKeys, grid: &ScanGrid) -> Self {
        let counts = grid.counts();
        let mut ranges = Vec::with_capacity(counts.len());
        let mut is_tile_axis = Vec::with_capacity(counts.len());
        let mut last_unit = Vec::new();
        for (axis, count) in counts.iter().enumerate() {
            let codes = &keys.axes[axis];
            if !codes.is_keyed {
                ranges.push(vec![(0, 1); *count as usize]);
                is_tile_axis.push(false);
                continue;
            }
            let mut seen = vec![u64::MAX; codes.count];
            let mut is_tile = true;
            let mut of_units = Vec::with_capacity(*count as usize);
            for position in 0..*count {
                let unit = grid.axis_unit(axis, position);
                let (mut low, mut high) = (u32::MAX, 0);
                for code in codes.stored(&unit) {
                    let seen = &mut seen[code as usize];
                    is_tile &= *seen == u64::MAX || *seen == position;
                    *seen = position;
                    (low, high) = (low.min(code), high.max(code + 1));
                }
                of_units.push((low, high));
            }
            ranges.push(of_units);
            is_tile_axis.push(is_tile);
            if axis == 0 {
                last_unit = seen;
            }
        }
        Self {
            counts,
            is_tile_axis,
            ranges,
            last_unit,
        }
    }

    /// Number of tiles.
    pub(crate) fn tiles(&self) -> u64 {
        std::iter::zip(&self.counts, &self.is_tile_axis)
            .filter(|(_, is_tile)| **is_tile)
            .fold(1, |tiles, (count, _)| tiles.saturating_mul(*count))
    }

    /// Units of each tile.
    pub(crate) fn units_per_tile(&self) -> u64 {
        std::iter::zip(&self.counts, &self.is_tile_axis)
            .filter(|(_, is_tile)| !**is_tile)
            .fold(1, |units, (count, _)| units.saturating_mul(*count))
    }

    /// The number in the scan's grid of unit `unit` of `tile`; the first axis varies slowest.
    pub(crate) fn unit(&self, mut tile: u64, mut unit: u64) -> u64 {
        let mut number = 0;
        let mut stride = 1;
        for (count, is_tile) in std::iter::zip(&self.counts, &self.is_tile_axis).rev() {
            let position = if *is_tile {
                let position = tile % count;
                tile /= count;
                position
            } else {
                let position = unit % count;
                unit /= count;
                position
            };
            number += position * stride;
            stride *= count;
        }
        number
    }

    /// The tile that a unit of the scan's grid belongs to.
    pub(crate) fn tile_of(&self, mut number: u64) -> u64 {
        let mut tile = 0;
        let mut stride = 1;
        for (count, is_tile) in std::iter::zip(&self.counts, &self.is_tile_axis).rev() {
            if *is_tile {
                tile += number % count * stride;
                stride *= count;
            }
            number /= count;
        }
        tile
    }

    /// Position along the first axis of a unit of the scan's grid.
    pub(crate) fn first_position(&self, number: u64) -> u64 {
        let inside: u64 = self.counts[1..].iter().product();
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
        for axis in (0..self.counts.len()).rev() {
            if self.is_tile_axis[axis] {
                let (low, high) = self.ranges[axis][(rest % self.counts[axis]) as usize];
                rest /= self.counts[axis];
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

    /// Groups of the largest tile.
    pub(crate) fn largest_tile(&self, keys: &GroupKeys) -> usize {
        let axes = keys.axes.iter().enumerate();
        axes.map(|(axis, codes)| match self.is_tile_axis[axis] {
            true => {
                let sizes = self.ranges[axis].iter().map(|(low, high)| high - low);
                sizes.max().unwrap_or(0) as usize
            }
            false => codes.count,
        })
        .fold(1, usize::saturating_mul)
    }
}
