//! What the columns of a query are made of: [`Derivations`], read out of its logical plan.
//!
//! ```text
//!  SELECT time_bucket(…, time) AS time, lat, avg(chl) AS chl FROM c GROUP BY 1, 2
//!         └ key, reads axis time of c   └ axis   └ values; source chl, method mean over lon …
//! ```
//! A column that reads no values is known without reading a chunk: it can be a dimension of a cube that
//! is made of the query. Nothing here has to be complete: what is not understood counts as values.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use crate::cube::{AxisOrder, AxisRole, Cube};
use crate::scan::CubeTable;

/// What one column is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Derivation {
    /// The axes it reads: which cube of [`Derivations::cubes`], which axis of it.
    pub(crate) axes: BTreeSet<(usize, usize)>,
    /// Does it read anything but axes?
    pub(crate) reads_values: bool,
    /// Is it a key of the query's groups?
    pub(crate) is_key: bool,
    /// The column whose quantity it is: through casts, and functions such as `max`.
    pub(crate) source: Option<FieldRef>,
    /// The function that reduced [`Derivation::source`], as SQL calls it.
    pub(crate) reduced_by: Option<String>,
    /// The expression of a group key, over the columns below the aggregate.
    pub(crate) key: Option<Expr>,
}

impl Derivation {
    /// Can it be a dimension?
    pub(crate) fn is_axis_like(&self) -> bool {
        !self.reads_values && (self.is_key || self.axes.len() == 1)
    }
}

/// What the columns of a plan are made of.
#[derive(Debug, Default)]
pub(crate) struct Derivations {
    /// The cubes it reads.
    pub(crate) cubes: Vec<Arc<Cube>>,
    /// One per column of the plan.
    pub(crate) columns: Vec<Derivation>,
    /// Does the plan read a table that is no cube?
    pub(crate) reads_tables: bool,
    /// Names of the axes over which the query's groups are taken, of the outermost aggregate.
    pub(crate) reduced_axes: Vec<(String, AxisRole)>,
}

impl Derivations {
    /// Reads them out of a plan that is not yet optimised.
    pub(crate) fn of(plan: &LogicalPlan) -> Self {
        let mut derivations = Self::default();
        derivations.columns = derivations.derive(plan);
        derivations
    }

    /// How the coordinates of the axis that a column reads run.
    pub(crate) fn order(&self, column: &Derivation) -> Option<AxisOrder> {
        let [(cube, axis)] = column.axes.iter().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(self.cubes.get(*cube)?.axes.get(*axis)?.order)
    }

    fn derive(&mut self, plan: &LogicalPlan) -> Vec<Derivation> {
        match plan {
            LogicalPlan::TableScan(scan) => self.of_table(scan),
            LogicalPlan::Projection(projection) => {
                let below = self.derive(&projection.input);
                let schema = projection.input.schema();
                let expressions = projection.expr.iter();
                expressions
                    .map(|expression| of_expression(expression, schema, &below))
                    .collect()
            }
            LogicalPlan::Aggregate(aggregate) => self.of_aggregate(aggregate),
            LogicalPlan::Window(window) => {
                let mut columns = self.derive(&window.input);
                let schema = window.input.schema();
                let added = window.window_expr.iter().map(|expression| Derivation {
                    reads_values: true,
                    source: of_window(expression, schema, &columns),
                    ..Derivation::default()
                });
                let added: Vec<Derivation> = added.collect();
                columns.extend(added);
                columns
            }
            LogicalPlan::Join(join) => {
                let (left, right) = (self.derive(&join.left), self.derive(&join.right));
                match join.join_type {
                    JoinType::LeftSemi | JoinType::LeftAnti => left,
                    JoinType::RightSemi | JoinType::RightAnti => right,
                    _ if left.len() + right.len() == plan.schema().fields().len() => {
                        left.into_iter().chain(right).collect()
                    }
                    _ => unknown(plan.schema()),
                }
            }
            LogicalPlan::Union(union) => {
                let mut inputs = union.inputs.iter().map(|input| self.derive(input));
                let mut columns = inputs.next().unwrap_or_default();
                for input in inputs {
                    for (column, other) in columns.iter_mut().zip(input) {
                        column.reads_values |= other.reads_values;
                        column.is_key |= column.axes != other.axes;
                        column.axes.extend(other.axes);
                    }
                }
                columns
            }
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Repartition(_) => {
                let input = plan.inputs().first().copied().cloned();
                input.map_or_else(Vec::new, |input| self.derive(&input))
            }
            _ => {
                self.reads_tables = true;
                unknown(plan.schema())
            }
        }
    }

    fn of_table(&mut self, scan: &datafusion::logical_expr::TableScan) -> Vec<Derivation> {
        let provider = source_as_provider(&scan.source).ok();
        let table = provider
            .as_ref()
            .and_then(|provider| provider.downcast_ref::<CubeTable>());
        let Some(table) = table else {
            self.reads_tables = true;
            return unknown(&scan.projected_schema);
        };
        let cube = Arc::clone(table.cube());
        let number = self.cubes.len();
        let axes = cube.axes.len();
        let all: Vec<usize> = (0..cube.schema.fields().len()).collect();
        let columns = scan.projection.as_ref().unwrap_or(&all);
        let derived = columns.iter().map(|column| Derivation {
            axes: match *column < axes {
                true => BTreeSet::from([(number, *column)]),
                false => BTreeSet::new(),
            },
            reads_values: *column >= axes,
            source: cube.schema.fields().get(*column).cloned(),
            ..Derivation::default()
        });
        let derived = derived.collect();
        self.cubes.push(cube);
        derived
    }

    fn of_aggregate(&mut self, aggregate: &Aggregate) -> Vec<Derivation> {
        let below = self.derive(&aggregate.input);
        let schema = aggregate.input.schema();
        let keys: Vec<Derivation> = aggregate
            .group_expr
            .iter()
            .map(|expression| Derivation {
                is_key: true,
                key: Some(expression.clone()),
                ..of_expression(expression, schema, &below)
            })
            .collect();
        let kept: BTreeSet<(usize, usize)> = keys
            .iter()
            .filter(|key| matches!(key.key, Some(Expr::Column(_))))
            .flat_map(|key| key.axes.iter().copied())
            .collect();
        self.reduced_axes = below
            .iter()
            .flat_map(|column| column.axes.iter().copied())
            .collect::<BTreeSet<_>>()
            .difference(&kept)
            .filter_map(|(cube, axis)| {
                let axis = self.cubes.get(*cube)?.axes.get(*axis)?;
                Some((axis.field.name().clone(), axis.role))
            })
            .collect();
        let values = aggregate
            .aggr_expr
            .iter()
            .map(|expression| of_reduction(expression, schema, &below));
        keys.into_iter().chain(values).collect()
    }
}

/// Columns of which nothing is known.
fn unknown(schema: &DFSchema) -> Vec<Derivation> {
    let field = |field: &FieldRef| Derivation {
        reads_values: true,
        source: Some(Arc::clone(field)),
        ..Derivation::default()
    };
    schema.fields().iter().map(field).collect()
}

fn find<'a>(column: &Column, schema: &DFSchema, below: &'a [Derivation]) -> Option<&'a Derivation> {
    below.get(schema.maybe_index_of_column(column)?)
}

fn of_expression(expression: &Expr, schema: &DFSchema, below: &[Derivation]) -> Derivation {
    match expression {
        Expr::Column(column) => match find(column, schema, below) {
            Some(derivation) => derivation.clone(),
            None => Derivation {
                reads_values: true,
                ..Derivation::default()
            },
        },
        Expr::Alias(alias) => of_expression(&alias.expr, schema, below),
        Expr::Cast(cast) => of_expression(&cast.expr, schema, below),
        _ => {
            let columns = expression.column_refs();
            let mut derivation = Derivation {
                reads_values: expression.is_volatile() || columns.is_empty(),
                ..Derivation::default()
            };
            for column in columns {
                match find(column, schema, below) {
                    Some(found) => {
                        derivation.axes.extend(found.axes.iter().copied());
                        derivation.reads_values |= found.reads_values;
                        derivation.is_key |= found.is_key;
                    }
                    None => derivation.reads_values = true,
                }
            }
            derivation
        }
    }
}

fn of_reduction(expression: &Expr, schema: &DFSchema, below: &[Derivation]) -> Derivation {
    let mut derivation = Derivation {
        reads_values: true,
        ..Derivation::default()
    };
    if let Expr::AggregateFunction(function) = expression.clone().unalias() {
        derivation.reduced_by = Some(function.func.name().to_string());
        if let Some(argument) = function.params.args.first() {
            derivation.source = of_expression(argument, schema, below).source;
        }
    }
    derivation
}

/// The quantity of a window function that gives values of its argument.
fn of_window(expression: &Expr, schema: &DFSchema, below: &[Derivation]) -> Option<FieldRef> {
    const KEEP: [&str; 10] = [
        "avg",
        "min",
        "max",
        "first_value",
        "last_value",
        "nth_value",
        "lag",
        "lead",
        "fill",
        "interpolate",
    ];
    let Expr::WindowFunction(function) = expression.clone().unalias() else {
        return None;
    };
    let name = function.fun.name().to_string();
    let argument = function.params.args.first()?;
    KEEP.contains(&name.as_str())
        .then(|| of_expression(argument, schema, below).source)?
}
