//! Which cells of one axis a query wants: ascending runs of cells, in storage order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use datafusion::common::Result;

/// The selected cells of an axis. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AxisSelection {
    runs: Arc<[Range<u64>]>,
    /// Cells before each run, and the total last: finds the cell of a row without walking the runs.
    before: Arc<[u64]>,
    axis_length: u64,
}

impl AxisSelection {
    /// Every cell of an axis.
    pub(crate) fn all(axis_length: u64) -> Self {
        Self::from_runs(
            (axis_length > 0)
                .then_some(0..axis_length)
                .into_iter()
                .collect(),
            axis_length,
        )
    }

    /// The cells whose bit is set.
    pub(crate) fn from_mask(mask: &BooleanBuffer) -> Self {
        let runs = mask
            .set_slices()
            .map(|(start, end)| start as u64..end as u64)
            .collect();
        Self::from_runs(runs, mask.len() as u64)
    }

    fn from_runs(runs: Vec<Range<u64>>, axis_length: u64) -> Self {
        let mut before = Vec::with_capacity(runs.len() + 1);
        let mut total = 0;
        for run in &runs {
            before.push(total);
            total += run.end - run.start;
        }
        before.push(total);
        Self {
            runs: runs.into(),
            before: before.into(),
            axis_length,
        }
    }

    /// The cells that are selected and whose value is true; NULL counts as false.
    pub(crate) fn and(&self, matches: &BooleanArray) -> Self {
        let mut mask = match matches.nulls() {
            Some(valid) => matches.values() & valid.inner(),
            None => matches.values().clone(),
        };
        if !self.is_all() {
            mask = &mask & &self.mask();
        }
        Self::from_mask(&mask)
    }

    /// Only the first selected cell.
    pub(crate) fn first_only(&self) -> Self {
        let run = self.runs.first().map(|run| run.start..run.start + 1);
        Self::from_runs(run.into_iter().collect(), self.axis_length)
    }

    /// One bit per cell of the axis.
    pub(crate) fn mask(&self) -> BooleanBuffer {
        let mut builder = arrow::array::BooleanBufferBuilder::new(self.axis_length as usize);
        builder.append_n(self.axis_length as usize, false);
        for run in self.runs.iter() {
            for cell in run.clone() {
                builder.set_bit(cell as usize, true);
            }
        }
        builder.finish()
    }

    /// Number of selected cells.
    pub(crate) fn len(&self) -> u64 {
        self.before.last().copied().unwrap_or(0)
    }

    /// Is every cell selected?
    pub(crate) fn is_all(&self) -> bool {
        self.len() == self.axis_length
    }

    /// The selected cells in order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().cloned().flatten()
    }

    /// The selected ones of an axis' `coordinates`.
    pub(crate) fn take(&self, coordinates: &ArrayRef) -> Result<ArrayRef> {
        if self.is_all() {
            return Ok(Arc::clone(coordinates));
        }
        let cells = UInt64Array::from_iter_values(self.cells());
        Ok(take(coordinates, &cells, None)?)
    }

    /// The selected runs inside `cells`.
    pub(crate) fn within(&self, cells: Range<u64>) -> Vec<Range<u64>> {
        let first = self.runs.partition_point(|run| run.end <= cells.start);
        self.runs[first..]
            .iter()
            .take_while(|run| run.start < cells.end)
            .map(|run| run.start.max(cells.start)..run.end.min(cells.end))
            .collect()
    }

    /// Runs of the selection, ascending.
    pub(crate) fn runs(&self) -> &[Range<u64>] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_runs_within_a_range() {
        let mask = BooleanBuffer::from(vec![true, true, false, true, false, true, true, true]);
        let selection = AxisSelection::from_mask(&mask);
        assert_eq!(selection.len(), 6);
        assert_eq!(selection.cells().collect::<Vec<_>>(), [0, 1, 3, 5, 6, 7]);
        assert_eq!(selection.within(1..6), [1..2, 3..4, 5..6]);
        assert_eq!(selection.mask(), mask);
        let odd = BooleanArray::from(vec![
            Some(false),
            Some(true),
            None,
            Some(true),
            None,
            Some(true),
            None,
            Some(true),
        ]);
        assert_eq!(
            selection.and(&odd).cells().collect::<Vec<_>>(),
            [1, 3, 5, 7]
        );
    }
}
