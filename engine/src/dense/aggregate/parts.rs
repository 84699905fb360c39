//! Aggregates whose groups do not fit into memory at once: blocks of them, one after the other.
//!
//! ```text
//!  chunk   ┌───────────────┐      lat in 4 parts: units are a quarter of a chunk, and a tile is a part.
//!          ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┤      A worker holds the groups of one tile; each chunk is decoded 4 times.
//!          ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┤
//!          ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┤
//!          └───────────────┘
//! ```

use std::sync::Arc;

use crate::dense::aggregate::plan::{GridAggregatePlan, Mode};
use crate::dense::aggregate::tiles::Tiling;
use crate::dense::cuts::{MOST_PASSES, chunks_of, cut_chunks};

/// What the groups of all workers may take together where memory is not limited.
const MOST_BYTES: usize = 1 << 30;

impl GridAggregatePlan {
    /// The same plan with tiles so small that what all workers hold fits into their share of memory, which
    /// is a third of it: as much is left for chunks on their way, and for the rest of the plan.
    /// `Err` holds the reason why it cannot be.
    pub(super) fn within_memory(self) -> Result<Self, String> {
        let limit = self.scan.blocks.memory_limit();
        let share = limit.map_or(MOST_BYTES, |bytes| bytes / 3);
        if self.bytes_of_all() <= share {
            return Ok(self);
        }
        let mut parts = 2;
        while parts <= MOST_PASSES {
            for axis in 0..self.keys.axes.len() {
                if let Some(plan) = self.cut(axis, parts)
                    && plan.bytes_of_all() <= share
                {
                    return Ok(plan);
                }
            }
            parts *= 2;
        }
        // Rows would have to be kept, too; whether they fit is known when they are there.
        if !self.series.is_empty() && self.bytes_of_all() - self.kept_of_all() <= share {
            return Ok(self);
        }
        let megabytes = share.div_ceil(1_000_000);
        Err(format!("the groups need more than {megabytes} MB"))
    }

    /// Bytes that all workers hold together, at most.
    fn bytes_of_all(&self) -> usize {
        let states = self.state_bytes().saturating_mul(self.workers());
        states.saturating_add(self.kept_of_all())
    }

    /// Workers that hold groups at the same time.
    fn workers(&self) -> usize {
        match self.mode {
            Mode::Shared => self.partitions,
            Mode::Tiles => self.partitions.min(self.tiling.grid.tiles() as usize),
        }
    }

    /// Bytes of the values that all workers keep together, at most.
    fn kept_of_all(&self) -> usize {
        match self.mode {
            Mode::Tiles => self.kept_bytes().saturating_mul(self.workers()),
            // Each worker keeps some of them.
            Mode::Shared => self.kept_bytes(),
        }
    }

    /// Bytes of the values that are kept of a tile, or of all of them.
    fn kept_bytes(&self) -> usize {
        let width = |series: &super::plan::Series| series.element.width();
        let width: usize = self.series.iter().map(width).sum();
        let selections = &self.scan.predicate.selections;
        let lengths = selections.iter().map(|selection| selection.len() as usize);
        let cells = match self.mode {
            Mode::Shared => lengths.fold(1, usize::saturating_mul),
            Mode::Tiles => self.tiling.held_cells(&self.scan.grid(), lengths),
        };
        cells.saturating_mul(width)
    }

    /// The plan with each chunk in `parts` along an axis, if groups then are in one part each.
    fn cut(&self, axis: usize, parts: u64) -> Option<Self> {
        let is_of_joint = self.keys.joint.as_ref();
        let is_of_joint = is_of_joint.is_some_and(|joint| joint.axes().contains(&axis));
        if !self.keys.axes[axis].is_keyed || is_of_joint {
            return None;
        }
        let mut chunks = chunks_of(&self.scan);
        chunks[axis] = cut_chunks(&chunks[axis], parts);
        let mut scan = self.scan.with_units(chunks);
        scan.skipping.summarised = None;
        let scan = Arc::new(scan);
        let tiling = Tiling::new(&self.keys, &scan.grid());
        tiling.grid.is_tile_axis[axis].then(|| Self {
            scan,
            tiling,
            mode: Mode::Tiles,
            passes: parts,
            ..self.clone()
        })
    }
}
