//! Brings geometries into the coordinate reference system of the cells that they are compared with.
//!
//! ```text
//!  ST_Contains(zone, ST_Point(lon, lat))        zone: EPSG:25832, lon and lat: OGC:CRS84
//!    ─▶ ST_Contains(st_transform(zone, 'OGC:CRS84'), ST_Point(lon, lat))
//! ```
//! What has no system is taken to be in the other's, and longitudes and latitudes count as one system
//! ([`Crs::agrees_with`]).

use std::sync::{Arc, LazyLock};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, ScalarUDF, lit};
use datafusion::optimizer::AnalyzerRule;
use graticule_functions::space::zones::crs_of;
use graticule_functions::space::{Transformation, st_transform};

use crate::cube::crs::Crs;
use crate::cube::metadata::CRS;
use crate::error::CubeError;

static TRANSFORM: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(st_transform()));

/// Relations between two geometries, and how much of a cell one covers.
const COMPARING: [&str; 7] = [
    "st_contains",
    "st_covers",
    "st_coveredby",
    "st_disjoint",
    "st_intersects",
    "st_within",
    "cell_fraction",
];

/// Transforms geometries that are compared with cells of a cube in another system.
#[derive(Debug, Default)]
pub struct GeometrySystems;

impl AnalyzerRule for GeometrySystems {
    fn name(&self) -> &str {
        "geometry_systems"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite_plan)?.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(mut call) = expr else {
        return Ok(Transformed::no(expr));
    };
    let mut changed = false;
    if COMPARING.contains(&call.func.name()) {
        let cells = call
            .args
            .iter()
            .find_map(|argument| system_of_cells(argument, schema));
        if let Some(cells) = cells {
            for argument in &mut call.args {
                changed |= bring(argument, &cells, schema)?;
            }
        }
    }
    Ok(Transformed::new_transformed(
        Expr::ScalarFunction(call),
        changed,
    ))
}

/// The system of the axes that an expression reads.
fn system_of_cells(argument: &Expr, schema: &DFSchema) -> Option<String> {
    let columns = argument.column_refs();
    columns.into_iter().find_map(|column| {
        let field = schema.field_from_column(column).ok()?;
        field.metadata().get(CRS).cloned()
    })
}

/// Brings a geometry into the system `cells`. False when it is there, or says nothing of its system.
///
/// # Errors
/// The systems differ, and one of them is not known.
fn bring(argument: &mut Expr, cells: &str, schema: &DFSchema) -> Result<bool> {
    let Ok((_, field)) = argument.to_field(schema) else {
        return Ok(false);
    };
    let Some(definition) = crs_of(&field) else {
        return Ok(false);
    };
    let of_geometry = Crs::of_definition(definition.clone());
    let of_cells = Crs::of_definition(cells.to_string());
    if of_cells.agrees_with(&of_geometry) != Some(false) {
        return Ok(false);
    }
    Transformation::between(&definition, cells).map_err(|error| {
        let cause = format!(
            "the geometries are in {}, but the cells of the cube are in {}, and they cannot be brought there: {error}",
            of_geometry.name, of_cells.name
        );
        let remedy = format!("transform the geometries to {} first", of_cells.name);
        CubeError::invalid(argument.to_string(), cause).remedy(remedy)
    })?;
    let geometry = std::mem::take(argument);
    *argument = Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::clone(&TRANSFORM),
        vec![geometry, lit(cells)],
    ));
    Ok(true)
}
