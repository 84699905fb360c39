//! The table of points with their values: [`SampleTable`].
//!
//! ```text
//!  SortExec by point and cell                    in the order of the points, where someone above wants an order
//!    SampleExec                                  (execution)
//!      the query of the points                   with the predicates on their columns
//! ```
//! Columns: those of the points │ axes that they do not name │ variables │ the nearest cell.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use super::Settings;
use super::execution::SampleExec;
use super::fill::Filling;
use crate::cube::{Axis, AxisOrder, AxisRole, Cube};
use crate::grids::sampling::{Naming, SampledCube, Sites, chunks_of, free_name};
use crate::options::CubeOptions;
use crate::scan::CubeTable;

/// See the module.
#[derive(Debug)]
pub(super) struct SampleTable {
    name: String,
    table: CubeTable,
    points: LogicalPlan,
    naming: Naming,
    settings: Settings,
    schema: SchemaRef,
    /// The cube of the values at no points: a plan is made on it.
    empty: Arc<Cube>,
}

/// What a column of the table is one of.
enum Source {
    /// Of the points, with its number there.
    Points(usize),
    /// Of the cube of values, with its number there.
    Values(usize),
    /// Of the nearest cells.
    Cell(usize),
}

impl SampleTable {
    /// The values of the cube of `table` at `points`.
    ///
    /// # Errors
    /// There is no NULL of a variable's type.
    pub(super) fn new(
        name: String,
        table: CubeTable,
        points: LogicalPlan,
        naming: Naming,
        settings: Settings,
    ) -> Result<Self> {
        let mut fields: Vec<FieldRef> = points.schema().fields().iter().cloned().collect();
        let taken: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let cube = table.cube();
        let chunks = chunks_of(cube, None);
        let none: ArrayRef = Arc::new(UInt32Array::from(Vec::<u32>::new()));
        let empty = SampledCube {
            name: &name,
            table: &table,
            sites: &Sites::none(&naming.axes()),
            axis: point_axis(cube, none),
            known: Vec::new(),
            method: settings.method,
            keeps: true,
            taken,
        }
        .cut(&chunks)?;
        fields.extend(empty.schema.fields().iter().skip(1).cloned());
        if settings.with_cell {
            let mut taken: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
            for field in cell_fields(cube, &naming) {
                let name = free_name(field.name(), &taken, cube);
                taken.push(name.clone());
                fields.push(Arc::new(field.with_name(name)));
            }
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            empty: Arc::new(empty),
            name,
            table,
            points,
            naming,
            settings,
        })
    }

    /// Where a column comes from.
    fn source(&self, column: usize) -> Source {
        let points = self.points.schema().fields().len();
        let values = self.empty.schema.fields().len() - 1;
        match column.checked_sub(points) {
            None => Source::Points(column),
            Some(value) if value < values => Source::Values(value + 1),
            Some(cell) => Source::Cell(cell - values),
        }
    }

    /// Does a predicate read columns of the points alone, or of the values alone? `None` where it reads both.
    fn reads_points(&self, predicate: &Expr) -> Option<bool> {
        let columns = predicate.column_refs();
        let mut of_points = columns.iter().map(|column| {
            let index = self.schema.index_of(column.name()).ok()?;
            match self.source(index) {
                Source::Points(_) => Some(true),
                Source::Values(_) => Some(false),
                Source::Cell(_) => None,
            }
        });
        let first = of_points.next()??;
        of_points.all(|other| other == Some(first)).then_some(first)
    }

    /// The query of the points: those columns that are needed, of the rows that predicates and a limit leave.
    fn points_plan(
        &self,
        needed: &[usize],
        predicates: Vec<Expr>,
        limit: Option<usize>,
    ) -> Result<LogicalPlan> {
        const POINTS: &str = "points";
        let mut plan = LogicalPlanBuilder::from(self.points.clone()).alias(POINTS)?;
        for predicate in predicates {
            plan = plan.filter(predicate)?;
        }
        let schema = self.points.schema();
        let columns = needed.iter().map(|column| {
            let name = schema.field(*column).name();
            Expr::Column(Column::new(Some(POINTS), name))
        });
        plan.project(columns)?.limit(0, limit)?.build()
    }
}

/// The axis along which points stand. Its name is none that the cube has.
pub(super) fn point_axis(cube: &Cube, numbers: ArrayRef) -> Axis {
    let taken: Vec<String> = cube
        .schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let field = Field::new(free_name("point", &taken, cube), DataType::UInt32, false);
    Axis {
        field: Arc::new(field),
        coordinates: numbers,
        order: AxisOrder::Unordered,
        role: AxisRole::Other,
        bounds: None,
        cell_bounds: None,
    }
}

/// The columns of the nearest cells.
fn cell_fields(cube: &Cube, naming: &Naming) -> Vec<Field> {
    let of_axis = |axis: usize| {
        let field = cube.axes[axis].field.as_ref().clone();
        let name = format!("cell_{}", field.name());
        field.with_name(name).with_nullable(true)
    };
    let axes = naming.axes().into_iter().map(of_axis);
    let distance = Field::new("distance", DataType::Float64, true);
    axes.chain([distance]).collect()
}

#[async_trait]
impl TableProvider for SampleTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let of_values = self.table.supports_filters_pushdown(filters)?;
        let support = filters.iter().zip(of_values).map(|(filter, support)| {
            match self.reads_points(filter) {
                Some(_) => support,
                None => TableProviderFilterPushDown::Unsupported,
            }
        });
        Ok(support.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let (mut of_points, mut of_values) = (Vec::new(), Vec::new());
        for predicate in filters.iter().flat_map(|filter| split_conjunction(filter)) {
            match self.reads_points(predicate) {
                Some(true) => of_points.push(predicate.clone()),
                _ => of_values.push(predicate.clone()),
            }
        }
        let mut needed: BTreeSet<usize> = self.naming.read().into_iter().collect();
        let mut values = BTreeSet::from([0]);
        for column in wanted {
            match self.source(*column) {
                Source::Points(column) => needed.extend([column]),
                Source::Values(column) => values.extend([column]),
                Source::Cell(_) => {}
            }
        }
        // Cells of axes that stay are put in order, too.
        values.extend(1..self.empty.axes.len());
        let needed: Vec<usize> = needed.into_iter().collect();
        let values: Vec<usize> = values.into_iter().collect();
        // Every point has a row, as long as no predicate takes some away.
        let limit = limit.filter(|_| of_values.is_empty());
        let points = self.points_plan(&needed, of_points, limit)?;
        let points = state.create_physical_plan(&points).await?;
        let schema = DFSchema::try_from(Arc::clone(&self.empty.schema))?;
        let predicates = of_values
            .into_iter()
            .map(|predicate| state.create_physical_expr(predicate, &schema))
            .collect::<Result<Vec<_>>>()?;
        let place = |column: usize| needed.iter().position(|needed| *needed == column);
        let naming = self.naming.moved(|column| place(column).unwrap_or(0));
        let held = needed.len();
        let first_cell = self.schema.fields().len() - self.cells();
        let cells = self.schema.fields()[first_cell..].iter();
        let filling = Filling {
            name: self.name.clone(),
            table: self.table.clone(),
            naming,
            settings: self.settings,
            values: values.clone(),
            taken: self
                .points
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
            predicates,
            options: CubeOptions::of(state.config_options()),
            cell_fields: cells.cloned().collect(),
            partitions: state.config().target_partitions(),
        };
        let sample = SampleExec::new(filling, &self.empty, points)?;
        let columns = wanted.iter().map(|column| {
            let place = match self.source(*column) {
                Source::Values(column) => values.iter().position(|value| *value == column),
                Source::Points(column) => place(column).map(|at| values.len() + at),
                Source::Cell(cell) => Some(values.len() + held + cell),
            };
            let name = self.schema.field(*column).name().clone();
            let column = PhysicalColumn::new(&name, place.unwrap_or(0));
            (Arc::new(column) as Arc<dyn PhysicalExpr>, name)
        });
        let columns: Vec<(Arc<dyn PhysicalExpr>, String)> = columns.collect();
        let mut plan: Arc<dyn ExecutionPlan> = Arc::new(sample);
        if !columns.is_empty()
            && let Some(order) = self.order()
        {
            plan = Arc::new(SortExec::new(order, plan));
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
    }
}

impl SampleTable {
    /// How many columns of nearest cells there are.
    fn cells(&self) -> usize {
        match self.settings.with_cell {
            true => self.naming.axes().len() + 1,
            false => 0,
        }
    }

    /// By point, then by the cells of axes that stay. They come first in what `SampleExec` gives.
    fn order(&self) -> Option<LexOrdering> {
        let along = self.empty.axes.iter().enumerate().map(|(column, axis)| {
            let options = SortOptions {
                descending: axis.order == AxisOrder::Descending,
                nulls_first: false,
            };
            PhysicalSortExpr {
                expr: Arc::new(PhysicalColumn::new(axis.field.name(), column)),
                options,
            }
        });
        LexOrdering::new(along)
    }
}
