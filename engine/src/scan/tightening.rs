//! A filter that tightens while the query runs, applied to whole units before they are read.
//!
//! `ORDER BY v DESC LIMIT 10` keeps a filter `v > …` that says what its tenth row is so far. A unit whose
//! largest value is below it cannot hold a better row. (On rows the same filter is applied like any
//! predicate, see [`super::stream`].)

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::snapshot_generation;
use datafusion::physical_optimizer::pruning::PruningPredicate;

use crate::scan::knowledge::{Knowledge, Window, pruning};
use crate::scan::skipping::Skipping;

/// Units that are judged at once: judging one costs about as much as judging hundreds.
const JUDGED_AT_ONCE: u64 = 512;

/// The tightening filter of one partition, and what it said last.
pub(super) struct Tightening {
    filter: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    /// The filter as it was in this generation.
    generation: u64,
    pruning: Option<Arc<PruningPredicate>>,
    /// Judgements of this generation, by the number of units before them divided by [`JUDGED_AT_ONCE`].
    judged: HashMap<u64, Vec<bool>>,
}

impl Tightening {
    pub(super) fn of(skipping: &Skipping) -> Option<Self> {
        Some(Self {
            filter: Arc::clone(skipping.tightening.as_ref()?),
            columns: skipping.columns(),
            generation: 0,
            pruning: None,
            judged: HashMap::new(),
        })
    }

    /// May unit `number` still hold a row that the filter leaves?
    pub(super) fn may_match(
        &mut self,
        knowledge: &Knowledge,
        window: &Window,
        number: u64,
    ) -> bool {
        let generation = snapshot_generation(&self.filter);
        if generation != self.generation {
            self.generation = generation;
            self.judged.clear();
            self.pruning = pruning(knowledge.cube(), &self.filter);
        }
        let Some(pruning) = &self.pruning else {
            return true;
        };
        let block = number / JUDGED_AT_ONCE;
        let judged = self.judged.entry(block).or_insert_with(|| {
            let first = block * JUDGED_AT_ONCE;
            let units: Vec<u64> =
                (first..knowledge.unit_count().min(first + JUDGED_AT_ONCE)).collect();
            knowledge.may_match(&units, &self.columns, pruning, window)
        });
        let at = (number % JUDGED_AT_ONCE) as usize;
        judged.get(at).copied().unwrap_or(true)
    }
}
