//! A table of which a user may read a part, as a table that has nothing else: [`partial`].
//!
//! ```text
//!  condition ── optimised over the cube ──▶ ScanPredicate: cells per axis ──▶ Cube::subset ─┐
//!  columns   ───────────────────────────────────────────▶ fewer variables ──────────────────┴▶ CubeTable
//! ```
//! Conditions become cells of axes before a statement is planned, so a condition of the statement itself is never
//! evaluated where the user may not look: an error that only hidden values raise would tell them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ident};

use super::Part;
use crate::error::{CubeError, ErrorKind};
use crate::scan::CubeTable;
use crate::scan::predicate::ScanPredicate;

/// What a table becomes.
pub(crate) enum Partial {
    /// A cube with fewer cells and variables.
    Cube(CubeTable),
    /// Some columns of a view or of a table that is read whole, or those of a cube without cells.
    Columns(Arc<dyn TableProvider>),
}

impl Partial {
    /// The table.
    pub(crate) fn table(self) -> Arc<dyn TableProvider> {
        match self {
            Self::Cube(cube) => Arc::new(cube),
            Self::Columns(table) => table,
        }
    }
}

/// The `part` of a table. `state` is one with the settings that a session begins with: what a user sets must not change
/// what a condition means.
///
/// # Errors
/// The condition makes no sense for the table, so that nobody can say what is granted.
pub(crate) fn partial(
    table: &Arc<dyn TableProvider>,
    part: &Part,
    state: &SessionState,
) -> Result<Partial> {
    let Some(cube) = table.downcast_ref::<CubeTable>() else {
        if part.condition.is_some() {
            return Err(unclear("conditions are for cubes, and the table is none"));
        }
        return only(Arc::clone(table), part.columns.as_ref()).map(Partial::Columns);
    };
    if let Some(columns) = &part.columns
        && !(cube.cube().axes.iter()).all(|axis| columns.contains(axis.field.name()))
    {
        // Plans tell the cells of every axis that a cube has.
        return Err(unclear(
            "columns of a cube are granted with all of its axes",
        ));
    }
    let mut table = cube.clone();
    if let Some(condition) = &part.condition {
        let Some(kept) = kept(cube, condition, state)? else {
            let none = Arc::new(EmptyTable::new(cube.schema()));
            return only(none, part.columns.as_ref()).map(Partial::Columns);
        };
        if kept.iter().any(Option::is_some) {
            let subset = Arc::new(cube.cube().subset(&kept)?);
            table = CubeTable::new(subset, Arc::clone(cube.blocks()));
        }
    }
    let Some(columns) = &part.columns else {
        return Ok(Partial::Cube(table));
    };
    let narrow = table.cube().with_columns(columns);
    let statistics = Arc::clone(table.statistics());
    let table = CubeTable::new(Arc::new(narrow), Arc::clone(table.blocks()));
    Ok(Partial::Cube(table.with_statistics(statistics)))
}

/// The cells of each axis that fulfil the condition, `None` for all; `None` where no cell does.
fn kept(
    table: &CubeTable,
    condition: &str,
    state: &SessionState,
) -> Result<Option<Vec<Option<Vec<u64>>>>> {
    let cube = table.cube();
    let schema = DFSchema::try_from(table.schema())?;
    let conjuncts = match filters(table, condition, state, &schema) {
        Ok(Filters::Some(conjuncts)) => conjuncts,
        Ok(Filters::Nothing) => return Ok(None),
        Err(_) => return Err(unclear("the condition does not fit its columns")),
    };
    let conjuncts = conjuncts
        .into_iter()
        .map(|conjunct| state.create_physical_expr(conjunct, &schema))
        .collect::<Result<Vec<_>>>()
        .map_err(|_| unclear("the condition does not fit its columns"))?;
    let predicate = ScanPredicate::new(cube, conjuncts, true)
        .map_err(|_| unclear("the condition fails on some coordinate"))?;
    if predicate.rows.is_some() || !predicate.planes.is_empty() {
        return Err(unclear(
            "each part of the condition between its ANDs has to read one axis, and nothing else",
        ));
    }
    let selections = predicate.selections.iter();
    if selections.clone().any(|selection| selection.len() == 0) {
        return Ok(None);
    }
    let kept = selections.map(|selection| match selection.is_all() {
        true => None,
        false => Some(selection.cells().collect()),
    });
    Ok(Some(kept.collect()))
}

enum Filters {
    Nothing,
    Some(Vec<Expr>),
}

/// The condition as the planner sees it: with types, calendars and times in place, cut at its ANDs.
fn filters(
    table: &CubeTable,
    condition: &str,
    state: &SessionState,
    schema: &DFSchema,
) -> Result<Filters> {
    let condition = state.create_logical_expr(condition, schema)?;
    if condition.is_volatile() {
        return Err(unclear("the condition is another one each time"));
    }
    let source = provider_as_source(Arc::new(table.clone()));
    let plan = LogicalPlanBuilder::scan("cube", source, None)?
        .filter(condition)?
        .build()?;
    let mut state = state.clone();
    state.mark_start_execution();
    let optimised = state.optimize(&plan)?;
    match &optimised {
        LogicalPlan::EmptyRelation(_) => Ok(Filters::Nothing),
        LogicalPlan::TableScan(scan) => {
            let conjuncts = scan.filters.iter();
            let conjuncts = conjuncts.flat_map(datafusion::logical_expr::utils::split_conjunction);
            // The predicate is made for the columns of the table, which the plan calls by its name.
            let plain = conjuncts.cloned().map(unqualified);
            Ok(Filters::Some(plain.collect::<Result<_>>()?))
        }
        _ => Err(unclear("the condition is no plain condition")),
    }
}

fn unqualified(expression: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = expression.transform(|part| match part {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(
            datafusion::common::Column::new_unqualified(column.name),
        ))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plain.data)
}

/// The table with those of its columns that are granted.
fn only(
    table: Arc<dyn TableProvider>,
    columns: Option<&BTreeSet<String>>,
) -> Result<Arc<dyn TableProvider>> {
    let Some(columns) = columns else {
        return Ok(table);
    };
    let schema: SchemaRef = table.schema();
    let granted = schema
        .fields()
        .iter()
        .filter(|field| columns.contains(field.name()))
        .map(|field| ident(field.name()));
    let granted: Vec<Expr> = granted.collect();
    let plan = LogicalPlanBuilder::scan("part", provider_as_source(table), None)?
        .project(granted)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Nothing is better than too much.
fn unclear(cause: &str) -> datafusion::common::DataFusionError {
    CubeError::new(
        ErrorKind::Denied,
        "",
        format!("what is granted of the table cannot be told: {cause}"),
    )
    .remedy("whoever granted it should grant it in another way")
    .into()
}
