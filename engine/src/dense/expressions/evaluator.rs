//! Expressions at all cells of a unit, with DataFusion's own kernels.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::{concat, take};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;

use crate::cube::Cube;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;
use crate::scan::predicate::remap_columns;
use crate::scan::rows::{RowMaker, UnitRows, pieces};

/// Rows of a piece on which expressions are evaluated, so that their results stay in the cache.
const PIECE_ROWS: usize = 16_384;

/// Evaluates expressions over the table's schema with DataFusion's own kernels.
pub(crate) struct Evaluator {
    rows: RowMaker,
    columns: Vec<usize>,
    schema: SchemaRef,
    expressions: Vec<Arc<dyn PhysicalExpr>>,
}

impl Evaluator {
    pub(crate) fn new(cube: &Arc<Cube>, expressions: &[Arc<dyn PhysicalExpr>]) -> Result<Self> {
        let mut columns: Vec<usize> = expressions
            .iter()
            .flat_map(collect_columns)
            .map(|column: Column| column.index())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let expressions = expressions
            .iter()
            .map(|expression| remap_columns(Arc::clone(expression), &columns))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            rows: RowMaker::new(Arc::clone(cube)),
            schema: Arc::new(cube.schema.project(&columns)?),
            columns,
            expressions,
        })
    }

    /// Is there nothing to evaluate?
    pub(crate) fn is_empty(&self) -> bool {
        self.expressions.is_empty()
    }

    /// Columns of the table that the expressions read.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The values of each expression at all cells of a unit.
    pub(crate) fn evaluate(&mut self, unit: &UnitRows) -> Result<Vec<ArrayRef>> {
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.expressions.len()];
        for piece in pieces(unit.counts(), PIECE_ROWS) {
            let batch = self.rows.batch(unit, &piece, &self.columns, &self.schema)?;
            for (expression, parts) in std::iter::zip(&self.expressions, &mut parts) {
                parts.push(expression.evaluate(&batch)?.into_array(batch.num_rows())?);
            }
        }
        parts
            .into_iter()
            .map(|parts| match parts.as_slice() {
                [only] => Ok(Arc::clone(only)),
                parts => {
                    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                    Ok(concat(&parts)?)
                }
            })
            .collect()
    }
}

/// The rows of a unit with `columns` of the table: coordinates, and those variables that were `read`.
pub(crate) fn unit_rows(
    cube: &Cube,
    unit: &Unit,
    read: &[Option<UnitValues>],
    columns: &[usize],
) -> Result<UnitRows> {
    let axes = columns.iter().copied();
    let axes = axes.filter(|column| *column < cube.axes.len());
    let mut rows = UnitRows::new(cube, unit.clone(), axes)?;
    for (variable, values) in read.iter().enumerate() {
        if let Some(values) = values {
            rows.add(cube, variable, values.clone());
        }
    }
    Ok(rows)
}

/// The values of a variable at all cells of a unit; `None` when all are missing.
pub(crate) fn spread(values: &UnitValues, axes: &[usize], unit: &Unit) -> Result<Option<ArrayRef>> {
    let values = match values {
        UnitValues::Constant(value) if value.is_null() => return Ok(None),
        UnitValues::Constant(value) => return Ok(Some(value.to_array_of_size(unit.rows())?)),
        UnitValues::Array(values) => values,
    };
    if values.null_count() == values.len() {
        return Ok(None);
    }
    if axes.len() == unit.axes.len() {
        return Ok(Some(Arc::clone(values)));
    }
    // A variable on fewer axes: the same value for all cells of the others.
    let mut positions = vec![0u64];
    for (axis, cells) in unit.axes.iter().enumerate() {
        let (step, length) = match axes.contains(&axis) {
            true => (1, cells.count as u64),
            false => (0, 1),
        };
        positions = positions
            .iter()
            .flat_map(|start| (0..cells.count as u64).map(move |cell| start * length + cell * step))
            .collect();
    }
    Ok(Some(take(values, &UInt64Array::from(positions), None)?))
}
