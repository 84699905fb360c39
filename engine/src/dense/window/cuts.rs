//! Cuts the lanes of tiles so that a tile fits into memory.
//!
//! ```text
//!  chunks      │           │           │    along a lane axis
//!  cuts        │   │   │   │   │   │   │    each chunk in equal parts; every part is a tile of its own,
//! ```                                       for which the chunks are decoded again

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool};

use crate::dense::cuts::{chunks_of, cut_chunks};
use crate::dense::window::plan::GridWindowPlan;
use crate::scan::CubeScan;

/// A tile holds at most about this many bytes, whatever the limit of memory.
const TILE_BYTES: u64 = 1 << 28;

/// Bytes that one worker may hold of a tile: its share of the pool, with as much left for blocks, for
/// chunks on their way and for the rest of the plan.
pub(crate) fn tile_budget(pool: &Arc<dyn MemoryPool>, partitions: usize) -> u64 {
    match pool.memory_limit() {
        MemoryLimit::Finite(bytes) => {
            (bytes as u64 / (3 * partitions.max(1) as u64)).min(TILE_BYTES)
        }
        _ => TILE_BYTES,
    }
}

/// How often each chunk is decoded when tiles may have [`TILE_BYTES`].
pub(crate) fn lane_passes(plan: &GridWindowPlan) -> u64 {
    let cuts = lane_cuts(plan, TILE_BYTES);
    cuts.iter()
        .fold(1, |passes, parts| passes.saturating_mul(*parts))
}

/// The scan with units cut along the lane axes, so that a tile has at most about `budget` bytes.
pub(crate) fn cut_scan(plan: &GridWindowPlan, budget: u64) -> Arc<CubeScan> {
    let parts = lane_cuts(plan, budget);
    if parts.iter().all(|parts| *parts == 1) {
        return Arc::clone(&plan.scan);
    }
    let chunks = chunks_of(&plan.scan);
    let cut = std::iter::zip(chunks, parts).map(|(chunks, parts)| cut_chunks(&chunks, parts));
    Arc::new(plan.scan.with_units(cut.collect()))
}

/// Into how many parts the chunks along each axis are cut: slow axes first, so that rows of lanes stay
/// whole.
fn lane_cuts(plan: &GridWindowPlan, budget: u64) -> Vec<u64> {
    let chunks = chunks_of(&plan.scan);
    let series = &plan.windows.series;
    let selections = &plan.scan.predicate.selections;
    let lanes: Vec<u64> = std::iter::zip(&chunks, selections)
        .enumerate()
        .map(|(axis, (chunks, selection))| match series.contains(&axis) {
            true => 1,
            false => chunks.size().min(selection.len()).max(1),
        })
        .collect();
    let bytes = plan.lane_bytes().held as u64;
    let mut total = lanes
        .iter()
        .fold(bytes, |total, lanes| total.saturating_mul(*lanes));
    let mut parts = vec![1; chunks.len()];
    for (parts, lanes) in parts.iter_mut().zip(&lanes) {
        if total <= budget {
            break;
        }
        *parts = total.div_ceil(budget.max(1)).min(*lanes);
        total = (total / lanes).saturating_mul(lanes.div_ceil(*parts));
    }
    parts
}
