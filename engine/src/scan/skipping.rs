//! What lets a scan leave chunks out without reading them, beyond its predicate on the axes.
//!
//! | what                       | comes from                        | leaves out |
//! |----------------------------|-----------------------------------|------------|
//! | statistics of chunks       | `ANALYZE`, see [`crate::statistics`] | units without a matching row, by [`super::knowledge`] |
//! | a filter that tightens     | `ORDER BY v LIMIT k`, while it runs | units, and rows before they are made |
//! | an order of units          | the same, with statistics         | nothing by itself: the best units come first |
//! | variables that are summarised | `min(v)`, `max(v)`, `count(v)` | whole units of one group whose summary is known |

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{DynamicFilterTracking, PhysicalExpr, PhysicalSortExpr};

use crate::scan::CubeScan;
use crate::scan::grid::Unit;
use crate::scan::knowledge::Knowledge;
use crate::statistics::StatisticsStore;
use crate::statistics::store::KnownVariables;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Skipping {
    /// What is known of the variables that the scan reads.
    pub(crate) known: Arc<KnownVariables>,
    /// A filter over the table's schema that tightens while the query runs. Rows that it takes away are
    /// not missed by whoever made it; rows that it leaves are checked there.
    pub(crate) tightening: Option<Arc<dyn PhysicalExpr>>,
    /// Units with the best bounds come first.
    pub(crate) order: Option<BoundOrder>,
    /// Where the statistics of chunks go that this scan reads.
    pub(crate) collects: Option<Arc<StatisticsStore>>,
    /// An operator above needs only summaries of whole units.
    pub(crate) summarised: Option<Summarised>,
}

/// The order of units by the bounds of a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundOrder {
    /// Index of the variable in the cube.
    pub(crate) variable: usize,
    /// As `ORDER BY` says.
    pub(crate) options: SortOptions,
}

/// What an operator wants to know of a unit instead of its values.
#[derive(Clone)]
pub(crate) struct Summarised {
    /// Variables of which it needs the number of values, and whether their bounds too. Each once.
    pub(crate) variables: Vec<(usize, bool)>,
    /// Is it the same to the operator where in the unit the values are?
    pub(crate) is_one_group: Arc<dyn Fn(&Unit) -> bool + Send + Sync>,
}

impl fmt::Debug for Summarised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summarised")
            .field("variables", &self.variables)
            .finish_non_exhaustive()
    }
}

impl Summarised {
    /// Where the summary of a variable stands among those of a unit.
    pub(crate) fn position(&self, variable: usize) -> Option<usize> {
        let mut variables = self.variables.iter();
        variables.position(|(other, _)| *other == variable)
    }
}

impl Skipping {
    /// Columns of the table that the tightening filter reads.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let filter = self.tightening.iter();
        let columns = filter.flat_map(collect_columns);
        columns.map(|column: Column| column.index()).collect()
    }
}

impl CubeScan {
    /// The same scan with those of `filters`, over its output, that tighten while the query runs and
    /// read a variable. `None` where there is none.
    pub(super) fn tightened(&self, filters: &[Arc<dyn PhysicalExpr>]) -> Result<Option<Self>> {
        let axes = self.cube.axes.len();
        let mut tightening = self.skipping.tightening.clone();
        let mut found = false;
        for filter in filters {
            if !DynamicFilterTracking::classify(filter).contains_dynamic_filter() {
                continue;
            }
            let filter = self.projection.unproject_expr(filter)?;
            let columns = collect_columns(&filter);
            if columns.is_empty() || columns.iter().any(|column| column.index() < axes) {
                continue;
            }
            found = true;
            tightening = Some(match tightening {
                None => filter,
                Some(before) => super::predicate::both(before, filter),
            });
        }
        if !found {
            return Ok(None);
        }
        let mut scan = self.clone();
        scan.skipping.tightening = tightening;
        scan.forget_grid();
        Ok(Some(scan))
    }

    /// What `EXPLAIN` says of statistics, if all of them are still true.
    pub(super) fn skipping_text(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tightening) = &self.skipping.tightening {
            write!(f, ", tightening={tightening}")?;
        }
        if let Some(order) = &self.skipping.order {
            let variable = &self.cube.variables[order.variable];
            write!(f, ", order=bounds of {}", variable.field.name())?;
        }
        let has_predicate = self.predicate.rows.is_some();
        let counts = Knowledge::of(self).and_then(|knowledge| knowledge.count(has_predicate));
        if let Some((matching, answered, units)) = counts {
            match (has_predicate, answered) {
                (true, 0) => write!(f, ", statistics: {matching} of {units} chunks can match")?,
                (true, _) => write!(
                    f,
                    ", statistics: {matching} of {units} chunks can match, {answered} of them need not be read"
                )?,
                (false, 0) => {}
                (false, _) => write!(
                    f,
                    ", statistics: {answered} of {units} chunks need not be read"
                )?,
            }
        }
        for notice in &self.skipping.known.notices {
            write!(f, ", {notice}")?;
        }
        Ok(())
    }

    /// The same scan with its units in the order of bounds, where they are known.
    pub(super) fn in_order_of_bounds(&self, order: &[PhysicalSortExpr]) -> Option<Self> {
        let first = order.first()?;
        let expression = self.projection.unproject_expr(&first.expr).ok()?;
        let column = expression.downcast_ref::<Column>()?.index();
        let variable = column.checked_sub(self.cube.axes.len())?;
        if !self.skipping.known.statistics.contains_key(&variable) || self.limit.is_some() {
            return None;
        }
        let mut scan = self.clone();
        scan.skipping.order = Some(BoundOrder {
            variable,
            options: first.options,
        });
        Some(scan)
    }
}
