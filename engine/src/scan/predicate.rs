//! Splits a WHERE clause by what it reads: one axis, a plane of two axes, or values.
//!
//! | reads                     | becomes                                   | decided        |
//! |---------------------------|-------------------------------------------|----------------|
//! | no column                 | all cells or none                         | while planning |
//! | one axis                  | runs of selected cells ([`AxisSelection`])| while planning |
//! | two axes                  | a mask of their plane, once per unit      | before fetching|
//! | variables, or three axes  | a mask of rows                            | after decoding |
//!
//! All three are exact, so no `FilterExec` is left above the scan.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, IsNotNullExpr, IsNullExpr, NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;

use crate::cube::Cube;
use crate::scan::grid::Unit;
use crate::scan::selection::AxisSelection;

/// What is left of a WHERE clause after the axes have answered their part.
#[derive(Debug, Clone)]
pub(crate) struct ScanPredicate {
    /// Selected cells, one entry per axis.
    pub(crate) selections: Vec<AxisSelection>,
    /// Predicates on two axes.
    pub(crate) planes: Vec<Arc<PlanePredicate>>,
    /// Predicate on rows, over the table's schema.
    pub(crate) rows: Option<Arc<dyn PhysicalExpr>>,
}

impl ScanPredicate {
    /// Classifies the conjuncts of a WHERE clause over the table's schema.
    ///
    /// With `pruning` off everything is evaluated on rows: the same answer, slower.
    ///
    /// # Errors
    /// An expression that fails on a coordinate, for example an overflow.
    pub(crate) fn new(
        cube: &Cube,
        conjuncts: Vec<Arc<dyn PhysicalExpr>>,
        pruning: bool,
    ) -> Result<Self> {
        let mut predicate = Self {
            selections: cube
                .axes
                .iter()
                .map(|axis| AxisSelection::all(axis.coordinates.len() as u64))
                .collect(),
            planes: Vec::new(),
            rows: None,
        };
        for conjunct in conjuncts {
            predicate.add(cube, conjunct, pruning)?;
        }
        Ok(predicate)
    }

    fn add(&mut self, cube: &Cube, conjunct: Arc<dyn PhysicalExpr>, pruning: bool) -> Result<()> {
        let mut axes: Vec<usize> = collect_columns(&conjunct)
            .iter()
            .map(Column::index)
            .collect();
        axes.sort_unstable();
        let only_axes = axes.iter().all(|column| *column < cube.axes.len());
        match axes.as_slice() {
            [axis] if only_axes && pruning => {
                match evaluate_on_axis(cube, *axis, &conjunct) {
                    Ok(matches) => self.selections[*axis] = self.selections[*axis].and(&matches),
                    // It fails on some coordinate, which another conjunct may exclude: on the rows
                    // that are left it may not.
                    Err(_) => self.add_to_rows(conjunct),
                }
            }
            [first, second] if only_axes && pruning => {
                self.planes.push(Arc::new(PlanePredicate::new(
                    cube,
                    [*first, *second],
                    conjunct,
                )?));
            }
            _ => self.add_to_rows(conjunct),
        }
        Ok(())
    }

    fn add_to_rows(&mut self, conjunct: Arc<dyn PhysicalExpr>) {
        self.rows = Some(match self.rows.take() {
            None => conjunct,
            Some(before) => both(before, conjunct),
        });
    }
}

/// `first AND second`
pub(super) fn both(
    first: Arc<dyn PhysicalExpr>,
    second: Arc<dyn PhysicalExpr>,
) -> Arc<dyn PhysicalExpr> {
    Arc::new(BinaryExpr::new(first, Operator::And, second))
}

/// A predicate that is true where `predicate` is false, made of comparisons again. `None` where it is
/// made of something else.
pub(super) fn negated(predicate: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    if let Some(binary) = predicate.downcast_ref::<BinaryExpr>() {
        let (left, right) = (binary.left(), binary.right());
        return match binary.op() {
            Operator::And => {
                let either = BinaryExpr::new(negated(left)?, Operator::Or, negated(right)?);
                Some(Arc::new(either))
            }
            Operator::Or => Some(both(negated(left)?, negated(right)?)),
            operator => {
                let operator = operator.negate()?;
                let negated = BinaryExpr::new(Arc::clone(left), operator, Arc::clone(right));
                Some(Arc::new(negated))
            }
        };
    }
    if let Some(test) = predicate.downcast_ref::<IsNullExpr>() {
        return Some(Arc::new(IsNotNullExpr::new(Arc::clone(test.arg()))));
    }
    if let Some(test) = predicate.downcast_ref::<IsNotNullExpr>() {
        return Some(Arc::new(IsNullExpr::new(Arc::clone(test.arg()))));
    }
    let not = predicate.downcast_ref::<NotExpr>()?;
    Some(Arc::clone(not.arg()))
}

/// A predicate on two axes. Its mask is computed once per unit's plane and shared by all other cells,
/// so a polygon costs one test per map cell, however many time steps there are.
#[derive(Debug)]
pub(crate) struct PlanePredicate {
    /// The two axes, ascending.
    pub(crate) axes: [usize; 2],
    expression: Arc<dyn PhysicalExpr>,
    schema: Arc<Schema>,
    masks: Mutex<HashMap<[u64; 2], BooleanBuffer>>,
}

impl PlanePredicate {
    /// A plane mask is at most this many bits; more are computed again for every unit.
    const CACHED_BITS: usize = 1 << 28;

    fn new(cube: &Cube, axes: [usize; 2], conjunct: Arc<dyn PhysicalExpr>) -> Result<Self> {
        let expression = remap_columns(conjunct, &axes)?;
        let schema = Arc::new(cube.schema.project(&axes)?);
        Ok(Self {
            axes,
            expression,
            schema,
            masks: Mutex::default(),
        })
    }

    /// The predicate over the columns of the table.
    pub(crate) fn over_table(&self, cube: &Cube) -> Result<Arc<dyn PhysicalExpr>> {
        let columns = self
            .axes
            .map(|axis| Column::new(cube.axes[axis].field.name(), axis));
        let expression = Arc::clone(&self.expression).transform(|node| {
            let column = node.downcast_ref::<Column>();
            let column = column.and_then(|column| columns.get(column.index()));
            Ok(match column {
                Some(column) => Transformed::yes(Arc::new(column.clone())),
                None => Transformed::no(node),
            })
        })?;
        Ok(expression.data)
    }

    /// The same predicate without any mask, for other selections of its axes.
    pub(crate) fn afresh(&self) -> Self {
        Self {
            axes: self.axes,
            expression: Arc::clone(&self.expression),
            schema: Arc::clone(&self.schema),
            masks: Mutex::default(),
        }
    }

    /// Text of the predicate for `EXPLAIN`.
    pub(crate) fn text(&self) -> String {
        self.expression.to_string()
    }

    /// One bit per cell of the unit's plane, first axis slowest.
    pub(crate) fn mask(&self, cube: &Cube, unit: &Unit) -> Result<BooleanBuffer> {
        let [slow, fast] = self.axes.map(|axis| &unit.axes[axis]);
        let key = [slow.chunk, fast.chunk];
        if let Some(mask) = lock(&self.masks).get(&key) {
            return Ok(mask.clone());
        }
        let rows = slow.count * fast.count;
        let coordinates =
            |axis: usize, cells: &[u64], each: usize, repeat: usize| -> Result<ArrayRef> {
                let cells = (0..repeat).flat_map(|_| {
                    cells
                        .iter()
                        .flat_map(|cell| std::iter::repeat_n(*cell, each))
                });
                Ok(take(
                    &cube.axes[axis].coordinates,
                    &UInt64Array::from_iter_values(cells),
                    None,
                )?)
            };
        let columns = vec![
            coordinates(self.axes[0], &slow.cells(), fast.count, 1)?,
            coordinates(self.axes[1], &fast.cells(), 1, slow.count)?,
        ];
        let matches = evaluate_predicate(
            &self.expression,
            &RecordBatch::try_new(Arc::clone(&self.schema), columns)?,
        )?;
        let mask = true_bits(&matches);
        let mut masks = lock(&self.masks);
        if (masks.len() + 1).saturating_mul(rows.max(1024)) <= Self::CACHED_BITS {
            masks.insert(key, mask.clone());
        }
        Ok(mask)
    }
}

/// A poisoned lock only means that another query's task panicked; the map itself is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn evaluate_on_axis(
    cube: &Cube,
    axis: usize,
    conjunct: &Arc<dyn PhysicalExpr>,
) -> Result<BooleanArray> {
    let expression = remap_columns(Arc::clone(conjunct), &[axis])?;
    let schema = Arc::new(cube.schema.project(&[axis])?);
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(&cube.axes[axis].coordinates)])?;
    evaluate_predicate(&expression, &batch)
}

/// Evaluates a boolean expression on a batch.
pub(crate) fn evaluate_predicate(
    expression: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Result<BooleanArray> {
    let matches = expression.evaluate(batch)?.into_array(batch.num_rows())?;
    matches.as_boolean_opt().cloned().ok_or_else(|| {
        DataFusionError::Plan(format!(
            "the predicate {expression} is {}, not boolean",
            matches.data_type()
        ))
    })
}

/// The bits that are true; NULL counts as false.
pub(crate) fn true_bits(matches: &BooleanArray) -> BooleanBuffer {
    match matches.nulls() {
        Some(valid) => matches.values() & valid.inner(),
        None => matches.values().clone(),
    }
}

/// Rewrites an expression over the table's schema into one over the columns `columns` of it.
pub(crate) fn remap_columns(
    expression: Arc<dyn PhysicalExpr>,
    columns: &[usize],
) -> Result<Arc<dyn PhysicalExpr>> {
    let rewritten = expression.transform(|node| {
        let Some(column) = node.downcast_ref::<Column>() else {
            return Ok(Transformed::no(node));
        };
        let Some(position) = columns.iter().position(|index| *index == column.index()) else {
            return Err(DataFusionError::Internal(format!(
                "column {column} is not among those of the scan"
            )));
        };
        Ok(Transformed::yes(Arc::new(Column::new(
            column.name(),
            position,
        ))))
    })?;
    Ok(rewritten.data)
}

/// A batch of `rows` rows, also when it has no column.
pub(crate) fn batch_of(
    schema: &Arc<Schema>,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}
