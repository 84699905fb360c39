//! Overviews of what a query makes of a cube that has some: [`OfQuery`].
//!
//! ```text
//!  SELECT time, lat, lon, chl * 2 + 1 AS c FROM t WHERE time > …       cells stay cells
//!  SELECT time, lat, lon, chl * 2 + 1 AS c FROM "t, overview 3" WHERE time > …
//! ```
//! The query must take each cell for itself: it selects and renames columns, computes others that are a factor times a
//! variable and a constant, which goes for means as it does for what they are made of, and selects steps of axes other than
//! those of the map.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableScan};
use graticule_functions::warp::Method;

use super::counting::counting;
use super::kept::{Counts, Found, Level};
use crate::cube::{AxisRole, Cube};
use crate::scan::CubeTable;
use crate::write::query_cube::query_cube;

/// A query of one cube, cell by cell.
#[derive(Debug)]
pub(crate) struct OfQuery {
    plan: LogicalPlan,
    state: SessionState,
    table: CubeTable,
    columns: Columns,
}

/// The columns of a query by their names.
type Columns = BTreeMap<String, Made>;

/// What a column is made of.
#[derive(Debug, Clone, PartialEq)]
struct Made {
    /// The column of the cube.
    of: String,
    /// Is it that column, and not a factor times it and a constant?
    is_plain: bool,
}

impl OfQuery {
    /// The query, if it is such a one and the cube has overviews.
    pub(crate) fn of(plan: &LogicalPlan, state: &SessionState) -> Result<Option<Self>> {
        let mut scanned = None;
        let Some(columns) = columns(plan, &mut scanned)? else {
            return Ok(None);
        };
        Ok(scanned.map(|table| Self {
            plan: plan.clone(),
            state: state.clone(),
            table,
            columns,
        }))
    }

    /// The levels of the cube, with the query over each.
    pub(super) async fn look_up(&self) -> Result<Arc<Found>> {
        let Some(overviews) = self.table.cube().overviews.clone() else {
            return Ok(Arc::default());
        };
        let found = Box::pin(overviews.found()).await?;
        let mut levels = Vec::new();
        for level in &found.levels {
            let Some(plan) = self.over(level)? else {
                continue;
            };
            let cube = Box::pin(query_cube(&self.state, &plan)).await?;
            let methods = self.methods(level);
            levels.push(Level {
                number: level.number,
                counts: self.counts(level, &cube, &methods).await?,
                cube: Arc::new(cube),
                bits: self.bits(level, &methods),
                methods,
            });
        }
        Ok(Arc::new(Found {
            levels,
            is_current: found.is_current,
        }))
    }

    /// How the columns of the query are made at a level.
    fn methods(&self, level: &Level) -> BTreeMap<String, Method> {
        let of = |(name, made): (&String, &Made)| {
            let method = *level.methods.get(&made.of)?;
            (made.is_plain || method == Method::Average).then(|| (name.clone(), method))
        };
        self.columns.iter().filter_map(of).collect()
    }

    /// The bits that columns are made of where these are not all.
    fn bits(&self, level: &Level, methods: &BTreeMap<String, Method>) -> BTreeMap<String, u8> {
        let of = |column: &String| {
            let bits = level.bits.get(&self.columns.get(column)?.of)?;
            Some((column.clone(), *bits))
        };
        methods.keys().filter_map(of).collect()
    }

    /// The counts of the columns of `cube`, the query over a level: those of the variables that they are made of, in the
    /// same steps.
    async fn counts(
        &self,
        level: &Level,
        cube: &Cube,
        methods: &BTreeMap<String, Method>,
    ) -> Result<BTreeMap<String, Counts>> {
        let of_columns = |column: &String| {
            let known = level.counts.get(&self.columns.get(column)?.of)?;
            Some((column.clone(), known.clone()))
        };
        let mut counts: BTreeMap<String, Counts> = methods.keys().filter_map(of_columns).collect();
        if counts.values().all(|known| matches!(known, Counts::Same)) {
            return Ok(counts);
        }
        let plan = counting(&self.plan, level, self.table.blocks())?;
        let counted = Box::pin(query_cube(&self.state, &plan)).await?;
        counts.retain(|column, known| {
            let find = |cube: &Cube| {
                let mut variables = cube.variables.iter();
                variables
                    .find(|variable| variable.field.name() == column)
                    .cloned()
            };
            if matches!(known, Counts::Same) {
                return true;
            }
            let (Some(values), Some(found)) = (find(cube), find(&counted)) else {
                return false;
            };
            let is_alike = values.axes == found.axes && values.chunks() == found.chunks();
            *known = Counts::Of(Box::new(found));
            is_alike
        });
        Ok(counts)
    }

    /// The query over a level; `None` where that has not the columns that it reads.
    fn over(&self, level: &Level) -> Result<Option<LogicalPlan>> {
        let mut fits = true;
        let table = CubeTable::new(Arc::clone(&level.cube), Arc::clone(self.table.blocks()));
        let replaced = self.plan.clone().transform_up(|node| match node {
            LogicalPlan::TableScan(scan) => match scan_of(&scan, &table)? {
                Some(scan) => Ok(Transformed::yes(scan)),
                None => {
                    fits = false;
                    Ok(Transformed::no(LogicalPlan::TableScan(scan)))
                }
            },
            other => Ok(Transformed::yes(other.recompute_schema()?)),
        });
        let plan = replaced.data()?;
        Ok(fits.then_some(plan))
    }
}

/// The scan of the same columns of a level.
fn scan_of(scan: &TableScan, level: &CubeTable) -> Result<Option<LogicalPlan>> {
    let cube = level.cube();
    let mut columns = Vec::new();
    for field in scan.projected_schema.fields() {
        let Ok(at) = cube.schema.index_of(field.name()) else {
            return Ok(None);
        };
        let is_axis = at < cube.axes.len();
        if !is_axis && cube.schema.field(at).data_type() != field.data_type() {
            return Ok(None);
        }
        columns.push(at);
    }
    let source = provider_as_source(Arc::new(level.clone()));
    let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), source, Some(columns))?.build()?;
    Ok(Some(plan))
}

/// What the columns of a plan are made of; `None` where it does more than look at cells. The cube comes to `scanned`.
fn columns(plan: &LogicalPlan, scanned: &mut Option<CubeTable>) -> Result<Option<Columns>> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            let provider = source_as_provider(&scan.source)?;
            *scanned = provider.downcast_ref::<CubeTable>().cloned();
            let plain = |name: &String| {
                let made = Made {
                    of: name.clone(),
                    is_plain: true,
                };
                (name.clone(), made)
            };
            let fields = scan.projected_schema.fields().iter();
            let columns = fields.map(|field| plain(field.name())).collect();
            let has_overviews = |table: &CubeTable| table.cube().overviews.is_some();
            Ok(scanned
                .as_ref()
                .is_some_and(has_overviews)
                .then_some(columns))
        }
        LogicalPlan::SubqueryAlias(alias) => columns(&alias.input, scanned),
        LogicalPlan::Filter(filter) => {
            let below = columns(&filter.input, scanned)?;
            Ok(below.filter(|below| {
                let mut read = filter.predicate.column_refs().into_iter();
                read.all(|column| is_of_steps(column, below, scanned.as_ref()))
            }))
        }
        LogicalPlan::Projection(projection) => {
            let Some(below) = columns(&projection.input, scanned)? else {
                return Ok(None);
            };
            let Some(cube) = scanned.as_ref().map(|table| Arc::clone(table.cube())) else {
                return Ok(None);
            };
            let named = projection.expr.iter().map(|expression| {
                let (_, name) = expression.qualified_name();
                Some((name, made(expression, &below, &cube)?))
            });
            Ok(named.collect())
        }
        _ => Ok(None),
    }
}

/// Is it a column of an axis that is none of the map's?
fn is_of_steps(column: &Column, below: &Columns, table: Option<&CubeTable>) -> bool {
    let (Some(made), Some(table)) = (below.get(&column.name), table) else {
        return false;
    };
    let mut axes = table.cube().axes.iter();
    let axis = axes.find(|axis| *axis.field.name() == made.of);
    let is_of_map = |role: AxisRole| {
        matches!(
            role,
            AxisRole::Latitude | AxisRole::Longitude | AxisRole::X | AxisRole::Y
        )
    };
    axis.is_some_and(|axis| !is_of_map(axis.role))
}

/// What an expression is made of, if it is a factor times a column and a constant.
fn made(expression: &Expr, below: &Columns, cube: &Cube) -> Option<Made> {
    match expression {
        Expr::Alias(alias) => made(&alias.expr, below, cube),
        Expr::Column(column) => below.get(&column.name).cloned(),
        _ => {
            let is_axis = |name: &String| cube.axes.iter().any(|axis| axis.field.name() == name);
            let of = linear(expression, below)??;
            (!is_axis(&of)).then_some(Made {
                of,
                is_plain: false,
            })
        }
    }
}

/// The column of which an expression is a factor and a constant; `Some(None)` for a constant, `None` for anything else.
fn linear(expression: &Expr, below: &Columns) -> Option<Option<String>> {
    match expression {
        Expr::Literal(value, _) => value.data_type().is_numeric().then_some(None),
        Expr::Column(column) => Some(Some(below.get(&column.name)?.of.clone())),
        Expr::Negative(inner) => linear(inner, below),
        Expr::Cast(cast) => cast
            .field
            .data_type()
            .is_floating()
            .then(|| linear(&cast.expr, below))?,
        Expr::BinaryExpr(binary) => {
            let (left, right) = (linear(&binary.left, below)?, linear(&binary.right, below)?);
            match (binary.op, &left, &right) {
                (_, None, None) => Some(None),
                (Operator::Plus | Operator::Minus | Operator::Multiply, None, _) => Some(right),
                (
                    Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide,
                    _,
                    None,
                ) => Some(left),
                (Operator::Plus | Operator::Minus, one, other) if one == other => Some(left),
                _ => None,
            }
        }
        _ => None,
    }
}
