//! Aggregates without a kernel: DataFusion's own accumulators, indexed by group instead of hashed.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;

use crate::dense::aggregate::plan::{General, sample_value};

/// The accumulators of all general aggregates of a plan.
pub(crate) struct Accumulators {
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    groups: usize,
}

impl Accumulators {
    /// Accumulators over `groups` groups.
    pub(crate) fn new(general: &[General], schema: &Schema, groups: usize) -> Result<Self> {
        let accumulators = general
            .iter()
            .map(|general| primed(general, schema, groups))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            accumulators,
            groups,
        })
    }

    /// Adds rows to the accumulator at `position`.
    pub(crate) fn add(
        &mut self,
        position: usize,
        arguments: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        self.accumulators[position].update_batch(arguments, groups, filter, self.groups)
    }

    /// Adds the groups of another worker.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<()> {
        if self.groups == 0 {
            return Ok(());
        }
        let all: Vec<usize> = (0..self.groups).collect();
        for (mine, theirs) in std::iter::zip(&mut self.accumulators, &mut other.accumulators) {
            let states = theirs.state(EmitTo::All)?;
            mine.merge_batch(&states, &all, self.groups)?;
        }
        Ok(())
    }

    /// The results of the accumulator at `position`, for all groups.
    pub(crate) fn results(&mut self, position: usize) -> Result<ArrayRef> {
        self.accumulators[position].evaluate(EmitTo::All)
    }

    /// Bytes of memory.
    pub(crate) fn size(&self) -> usize {
        self.accumulators
            .iter()
            .map(|accumulator| accumulator.size())
            .sum()
    }
}

/// An accumulator that knows all its groups. Accumulators assume that every group below the total
/// has a row in the first batch, and would otherwise give 0 for groups whose values are all NULL;
/// one row that a filter takes away makes them keep account from the start.
fn primed(general: &General, schema: &Schema, groups: usize) -> Result<Box<dyn GroupsAccumulator>> {
    let function = &general.function;
    let mut accumulator = if function.groups_accumulator_supported() {
        function.create_groups_accumulator()?
    } else {
        let function = Arc::clone(function);
        Box::new(GroupsAccumulatorAdapter::new(move || {
            function.create_accumulator()
        }))
    };
    let row = general
        .arguments
        .iter()
        .map(|argument| sample_value(argument, schema)?.to_array_of_size(1))
        .collect::<Result<Vec<_>>>()?;
    if groups > 0 {
        accumulator.update_batch(&row, &[0], Some(&BooleanArray::from(vec![false])), groups)?;
    }
    Ok(accumulator)
}
