//! The part of a worker that deals with values of single cells: those that are kept for quantiles, and the
//! first and last ones of groups.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use graticule_functions::kernels::Bits;

use crate::cube::Cube;
use crate::dense::aggregate::edges::EdgeCells;
use crate::dense::aggregate::groups::Values;
use crate::dense::aggregate::layout::UnitLayout;
use crate::dense::aggregate::output::as_elements;
use crate::dense::aggregate::plan::{GridAggregatePlan, Output};
use crate::dense::aggregate::quantiles::{Kept, Wanted};
use crate::dense::aggregate::worker::{Worker, null_bits};
use crate::dense::expressions::spread;
use crate::error::{CubeError, ErrorKind};
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;
use crate::scan::predicate::true_bits;

/// What is known of the cells of a unit.
pub(super) struct Cells<'a, I> {
    pub(super) unit: &'a Unit,
    /// Variables that were read.
    pub(super) read: &'a [Option<UnitValues>],
    /// Cells that predicates leave; `None` when all stay.
    pub(super) mask: Option<&'a BooleanBuffer>,
    pub(super) layout: &'a UnitLayout,
    /// Expressions and filters at all cells, in the order in which they are asked for.
    pub(super) computed: &'a mut I,
}

impl<I: Iterator<Item = ArrayRef>> Cells<'_, I> {
    /// The values of an expression, `None` when all are missing, and the cells that mask and filter leave.
    fn of(
        &mut self,
        cube: &Cube,
        values: &Arc<dyn PhysicalExpr>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<(Option<ArrayRef>, Option<BooleanBuffer>)> {
        let values = match variable(cube, values) {
            Some(variable) => {
                let axes = &cube.variables[variable].axes;
                let read = self.read[variable].as_ref();
                let values = read.map(|values| spread(values, axes, self.unit));
                values.transpose()?.flatten()
            }
            None => self.computed.next(),
        };
        let filter = filter.and_then(|_| self.computed.next());
        let filter = filter.map(|filter| true_bits(filter.as_boolean()));
        Ok((values, all_of([self.mask.cloned(), filter])))
    }
}

/// The cells that are in all of them.
fn all_of<const N: usize>(bits: [Option<BooleanBuffer>; N]) -> Option<BooleanBuffer> {
    bits.into_iter().flatten().reduce(|a, b| &a & &b)
}

impl Worker {
    /// Bytes of what is held of groups.
    pub(super) fn held_bytes(&self) -> usize {
        let kept: usize = self.groups.kept.iter().map(Kept::bytes).sum();
        self.plan.state_bytes() + kept + self.groups.general.size()
    }

    /// Keeps the values of series.
    pub(super) fn keep(
        &mut self,
        cells: &mut Cells<'_, impl Iterator<Item = ArrayRef>>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        for (series, kept) in std::iter::zip(&plan.series, &mut self.groups.kept) {
            let filter = series.filter.as_ref();
            let (values, mask) = cells.of(&plan.scan.cube, &series.values, filter)?;
            let Some(values) = values else {
                // All missing: nothing to keep.
                continue;
            };
            let values = as_elements(&values, series.element)?;
            let valid = all_of([mask, null_bits(&values)]);
            if valid
                .as_ref()
                .is_none_or(|valid| valid.count_set_bits() > 0)
            {
                kept.keep(cells.layout, &values, valid.as_ref())?;
            }
        }
        Ok(())
    }

    /// Looks for first and last values.
    pub(super) fn add_edges(
        &mut self,
        cells: &mut Cells<'_, impl Iterator<Item = ArrayRef>>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        for (position, edge) in plan.edges.iter().enumerate() {
            let (values, mask) = cells.of(&plan.scan.cube, &edge.values, edge.filter.as_ref())?;
            if values.is_none() && edge.ignore_nulls {
                continue;
            }
            let values = values.map(|values| as_elements(&values, edge.element));
            let values = values.transpose()?;
            let valid = values.as_ref().and_then(null_bits);
            let mask = match edge.ignore_nulls {
                true => all_of([mask, valid.clone()]),
                false => mask,
            };
            let of_unit = EdgeCells {
                values: Values::of(values.as_ref(), edge.element)?,
                valid: valid.as_ref().map(Bits::new),
                mask: mask.as_ref().map(Bits::new),
            };
            edge.add(
                cells.unit,
                cells.layout,
                &of_unit,
                position,
                &mut self.groups.planes,
            );
        }
        Ok(())
    }

    /// The quantiles of the groups of a plane, in the order of outputs.
    pub(super) async fn quantiles(&mut self, plane: usize, groups: usize) -> Result<Vec<ArrayRef>> {
        let held = self.held_bytes();
        let (plan, memory) = (&self.plan, &self.memory);
        let first = plan.keys.columns.len();
        let mut columns: Vec<Option<ArrayRef>> = vec![None; plan.outputs.len()];
        for (position, kept) in self.groups.kept.iter().enumerate() {
            let (mut places, mut wanted) = (Vec::new(), Vec::new());
            for (place, output) in plan.outputs.iter().enumerate() {
                if let Output::Quantile {
                    quantile,
                    position: of,
                } = output
                    && *of == position
                {
                    let returns = plan.schema.field(first + place).data_type();
                    places.push(place);
                    wanted.push(Wanted {
                        quantile: *quantile,
                        is_wide: *returns == DataType::Float64,
                    });
                }
            }
            let reserve = |bytes| {
                let resized = memory.try_resize(held + bytes);
                resized.map_err(|error| too_large(plan, error))
            };
            let found = kept.quantiles(plane, groups, &wanted, &reserve).await?;
            for (place, found) in std::iter::zip(places, found) {
                columns[place] = Some(found);
            }
            memory.resize(held);
        }
        Ok(columns.into_iter().flatten().collect())
    }
}

/// Says why there is too little memory, and what helps.
pub(super) fn too_large(plan: &GridAggregatePlan, error: DataFusionError) -> DataFusionError {
    if !matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) {
        return error;
    }
    let (cause, remedy) = match plan.series.is_empty() {
        true => ("the groups do not fit into memory", "group by less"),
        false => (
            "medians and percentiles keep all values of a group, and there is no memory for them",
            "use approx_percentile_cont",
        ),
    };
    let remedy = format!("select fewer cells, {remedy}, or raise the memory limit");
    let error = CubeError::new(ErrorKind::Limit, &plan.scan.cube.name, cause);
    error.remedy(remedy).into()
}

/// The variable that an expression is, if it is nothing else.
pub(super) fn variable(cube: &Cube, expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let column = expression.downcast_ref::<Column>()?;
    column.index().checked_sub(cube.axes.len())
}
