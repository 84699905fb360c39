//! Tiles: the units of a scan, gathered along some of its axes and told apart along the others.

/// How the units of a scan form tiles.
#[derive(Debug, Clone)]
pub(crate) struct TileGrid {
    /// Units along each axis.
    pub(crate) counts: Vec<u64>,
    /// Is a tile one unit long along the axis, rather than all of them?
    pub(crate) is_tile_axis: Vec<bool>,
}

impl TileGrid {
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

    /// Reads tile after tile: the next unit of the scan's grid after the units in `current`, which is
    /// filled from the tile that `next_tile` names; a number past the last unit at the end.
    pub(crate) fn next_unit(
        &self,
        current: &mut std::collections::VecDeque<u64>,
        next_tile: impl FnOnce() -> u64,
    ) -> u64 {
        if current.is_empty() {
            let tile = next_tile();
            if tile >= self.tiles() {
                return u64::MAX;
            }
            current.extend((0..self.units_per_tile()).map(|unit| self.unit(tile, unit)));
        }
        current.pop_front().unwrap_or(u64::MAX)
    }
}
