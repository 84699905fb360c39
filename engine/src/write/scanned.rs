//! The cells of a box as blocks, where its query is a scan of one cube: [`BlockScan`], [`ScannedBlocks`].
//!
//! ```text
//!  SELECT time, lat, lon, t2m − 273.15 FROM cube WHERE …      each column of a dimension is an axis of the cube
//!          unit ─▶ values, mask of the predicate ─▶ expressions ─▶ GridBlock ─▶ BoxCells::add_block
//! ```
//! No rows are made: coordinates are looked up once per axis of a unit, not once per cell. Whatever else a
//! query is, an aggregate, a join, a union, comes as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use super::place::{BoxCells, GridBlock};
use crate::dense::expressions::{Evaluator, spread};
use crate::dense::input::GridInput;
use crate::options::CubeOptions;
use crate::scan::CubeScan;
use crate::scan::assemble::UnitValues;
use crate::scan::matching::MatchingUnits;
use crate::scan::queue::Claims;
use crate::scan::rows::UnitRows;

/// A scan whose cells are written as blocks.
pub(super) struct BlockScan {
    scan: Arc<CubeScan>,
    /// Per dimension of the box the axis that it is.
    dimensions: Vec<usize>,
    outputs: Vec<Output>,
    /// Expressions over the table's columns.
    computed: Vec<Arc<dyn PhysicalExpr>>,
}

/// Where the values of a variable come from.
#[derive(Debug, Clone, Copy)]
enum Output {
    /// A column of the table.
    Stored(usize),
    /// One of the expressions.
    Computed(usize),
}

impl BlockScan {
    /// The scan that `plan` is, whose columns are `dimensions` dimensions, then variables; or why it gives rows.
    ///
    /// # Errors
    /// A projection that reads a column which is not there.
    pub(super) fn of(
        plan: &Arc<dyn ExecutionPlan>,
        dimensions: usize,
        options: &CubeOptions,
    ) -> Result<std::result::Result<Self, &'static str>> {
        if !options.grid_write {
            return Ok(Err("cube.grid_write is off"));
        }
        let input = GridInput::below(plan)?.filter(|input| input.lookups.is_empty());
        let Some(input) = input else {
            return Ok(Err("it is more than a scan of one cube"));
        };
        let scan = input.scan;
        let columns = input.columns()?;
        if scan.limit.is_some() || scan.skipping.tightening.is_some() {
            return Ok(Err("there is a LIMIT"));
        }
        if columns.iter().any(is_volatile) {
            return Ok(Err("a column is volatile"));
        }
        let (axes, variables) = columns.split_at(dimensions.min(columns.len()));
        let axes = axes.iter().map(|column| axis_of(column, scan));
        let Some(dimensions) = axes.collect::<Option<Vec<usize>>>() else {
            return Ok(Err("a dimension is computed"));
        };
        let mut computed = Vec::new();
        let outputs = variables.iter().map(|output| {
            let stored = output.downcast_ref::<Column>().map(Column::index);
            match stored.filter(|column| *column >= scan.cube.axes.len()) {
                Some(column) => Output::Stored(column),
                None => {
                    computed.push(Arc::clone(output));
                    Output::Computed(computed.len() - 1)
                }
            }
        });
        let outputs = outputs.collect();
        // Where a predicate leaves cells out, an expression may fail on them.
        if !computed.is_empty() && !scan.is_exact() {
            return Ok(Err("a column is computed where a condition holds"));
        }
        Ok(Ok(Self {
            scan: Arc::new(scan.by_one()),
            dimensions,
            outputs,
            computed,
        }))
    }

    /// Starts to read.
    ///
    /// # Errors
    /// The scan would read more than `cube.max_scan_bytes`.
    pub(super) fn open(self, context: &Arc<TaskContext>) -> Result<ScannedBlocks> {
        let mut read = self.scan.projection.column_indices();
        read.extend(&self.dimensions);
        read.sort_unstable();
        read.dedup();
        let units = MatchingUnits::open(
            &self.scan,
            read,
            0,
            context,
            Arc::new(Claims::new(0, 1)),
            &ExecutionPlanMetricsSet::new(),
        )?;
        Ok(ScannedBlocks {
            evaluator: Evaluator::new(&self.scan.cube, &self.computed)?,
            units,
            of: self,
        })
    }
}

/// The blocks of a scan, one after the other.
pub(super) struct ScannedBlocks {
    of: BlockScan,
    evaluator: Evaluator,
    units: MatchingUnits,
}

impl ScannedBlocks {
    /// Puts the next block into `cells`, where the variables are called `names`. False at the end.
    ///
    /// # Errors
    /// A chunk cannot be read, an expression fails, or a cell has a value already.
    pub(super) async fn add_next(&mut self, names: &[&str], cells: &mut BoxCells) -> Result<bool> {
        let Some((unit, mask)) = self.units.next_whole().await? else {
            return Ok(false);
        };
        let is_empty = |mask: &BooleanBuffer| mask.count_set_bits() == 0;
        if mask.as_ref().is_some_and(is_empty) {
            return Ok(true);
        }
        let values = self.values(&unit)?;
        let coordinates = self
            .of
            .dimensions
            .iter()
            .map(|axis| match unit.values(*axis) {
                Some((UnitValues::Array(values), _)) => Ok((*axis, Arc::clone(values))),
                _ => Err(internal_datafusion_err!(
                    "axis {axis} was not read for this unit"
                )),
            });
        cells.add_block(&GridBlock {
            counts: unit.counts(),
            coordinates: coordinates.collect::<Result<_>>()?,
            values: names.iter().copied().zip(values).collect(),
            mask: mask.as_ref(),
        })?;
        Ok(true)
    }

    /// The values of each variable at all cells of a unit.
    fn values(&mut self, unit: &UnitRows) -> Result<Vec<ArrayRef>> {
        let computed = match self.evaluator.is_empty() {
            true => Vec::new(),
            false => self.evaluator.evaluate(unit)?,
        };
        let cube = &self.of.scan.cube;
        let values = self.of.outputs.iter().map(|output| match output {
            Output::Computed(position) => Ok(Arc::clone(&computed[*position])),
            Output::Stored(column) => {
                let (values, axes) = unit.values(*column).ok_or_else(|| {
                    internal_datafusion_err!("column {column} was not read for this unit")
                })?;
                let spread = spread(values, axes, unit.unit())?;
                let data_type = cube.schema.field(*column).data_type();
                Ok(spread.unwrap_or_else(|| new_null_array(data_type, unit.unit().rows())))
            }
        });
        values.collect()
    }
}

/// The axis of the cube that a column of the query is.
fn axis_of(column: &Arc<dyn PhysicalExpr>, scan: &CubeScan) -> Option<usize> {
    let axis = column.downcast_ref::<Column>()?.index();
    (axis < scan.cube.axes.len()).then_some(axis)
}
