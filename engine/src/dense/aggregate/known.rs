//! Units whose values were not read: what statistics say of them goes into the state of their group.

use datafusion::common::{Result, internal_err};

use crate::dense::aggregate::groups::{Groups, Plane};
use crate::dense::aggregate::layout::{Inner, UnitLayout};
use crate::dense::aggregate::plan::{GridAggregatePlan, Source};
use crate::scan::grid::Unit;
use crate::statistics::summary::ChunkSummary;

/// Adds a unit of one group, of which `summaries` is what is known of the summarised variables.
pub(super) fn add_known(
    groups: &mut Groups,
    plan: &GridAggregatePlan,
    unit: &Unit,
    summaries: &[ChunkSummary],
) -> Result<()> {
    let layout = UnitLayout::new(&plan.keys, unit, &groups.extent);
    let size = groups.extent.plane();
    let ([bucket], Inner::One { code }, Some(summarised)) = (
        layout.buckets.as_slice(),
        &layout.inner,
        &plan.scan.skipping.summarised,
    ) else {
        return internal_err!("a unit of several groups was summarised");
    };
    let plane = groups.planes[bucket.plane].get_or_insert_with(|| Plane::new(plan, size));
    for (state, input) in std::iter::zip(&mut plane.inputs, &plan.inputs) {
        let summary = match input.source {
            Source::Variable(variable) => summarised.position(variable),
            _ => None,
        };
        let summary = summary.and_then(|position| summaries.get(position));
        let count = summary.map_or(unit.rows() as u64, |summary| summary.valid);
        state.add_known(bucket.base + code, count, summary)?;
    }
    Ok(())
}
