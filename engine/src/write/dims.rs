//! Which columns of a query are the dimensions of its grid: [`dims`], [`Dim`].

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::derivation::{Derivation, Derivations};
use crate::cube::{Axis, AxisOrder, AxisRole};
use crate::error::CubeError;
use crate::sql::suggestions::with_nearest;

/// The columns that are dimensions, in the order of storage.
pub(super) fn dims(
    derivations: &Derivations,
    schema: &Schema,
    asked: Option<&[String]>,
) -> Result<Vec<usize>> {
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    if let Some(asked) = asked {
        let mut columns = Vec::new();
        for name in asked {
            match names.iter().position(|known| known == name) {
                Some(column) if !columns.contains(&column) => columns.push(column),
                Some(_) => {
                    return Err(CubeError::invalid("", format!("dims names {name} twice"))
                        .remedy("name each dimension once")
                        .into());
                }
                None => {
                    let error = CubeError::invalid(
                        "",
                        format!("the query has no column {name} to be a dimension"),
                    );
                    return Err(with_nearest(error, name, names, "it has").into());
                }
            }
        }
        return Ok(columns);
    }
    let has_keys = derivations.columns.iter().any(|column| column.is_key);
    let mut read: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut columns = Vec::new();
    for (at, column) in derivations.columns.iter().enumerate() {
        let is_dimension = match has_keys {
            true => column.is_key,
            // The first column of each axis; what else is computed from it is a variable.
            false => column.is_axis_like() && !column.axes.iter().any(|axis| read.contains(axis)),
        };
        if is_dimension {
            read.extend(column.axes.iter().copied());
            columns.push(at);
        }
    }
    match columns.is_empty() {
        false => Ok(columns),
        true => Err(
            CubeError::invalid("", "no column of the query is known to be a dimension")
                .remedy(format!(
                    "name them: WITH (dims = '{}')",
                    names.iter().take(3).copied().collect::<Vec<_>>().join(",")
                ))
                .into(),
        ),
    }
}

/// A column that is a dimension.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dim {
    pub(super) column: usize,
    pub(super) role: AxisRole,
    pub(super) order: Option<AxisOrder>,
}

impl Dim {
    pub(super) fn of(column: usize, derivations: &Derivations, schema: &Schema) -> Self {
        let derivation = &derivations.columns[column];
        Self {
            column,
            role: role_of(derivation, derivations, schema.field(column).data_type()),
            order: derivations.order(derivation),
        }
    }
}

pub(super) fn role_of(
    derivation: &Derivation,
    derivations: &Derivations,
    data_type: &DataType,
) -> AxisRole {
    let axis = axis_read(derivation, derivations);
    // A month or a decade of an axis is another quantity: only values of the axis' own type are places on it.
    match axis {
        Some(axis)
            if axis.coordinates.data_type() == data_type
                && (derivation.source.is_some()
                    || data_type.is_temporal()
                    || derivation.key.is_none()) =>
        {
            axis.role
        }
        Some(axis) if is_horizontal(axis.role) && data_type.is_floating() => axis.role,
        _ if data_type.is_temporal() => AxisRole::Time,
        _ => AxisRole::Other,
    }
}

/// The one axis that a column reads.
pub(super) fn axis_read<'a>(
    derivation: &Derivation,
    derivations: &'a Derivations,
) -> Option<&'a Axis> {
    let mut axes = derivation.axes.iter();
    match (axes.next(), axes.next()) {
        (Some((cube, axis)), None) => derivations.cubes.get(*cube)?.axes.get(*axis),
        _ => None,
    }
}

/// The column, with what is known of the quantity in it.
pub(super) fn described(schema: &Schema, column: usize, derivation: &Derivation) -> FieldRef {
    let field = schema.field(column);
    let kept = derivation
        .source
        .as_ref()
        .filter(|source| field.metadata().is_empty() && source.data_type() == field.data_type());
    let metadata = match kept {
        Some(source) => source.metadata().clone(),
        None => field.metadata().clone(),
    };
    Arc::new(field.clone().with_metadata(metadata))
}

/// The query with these columns, in this order.
pub(super) fn canonical<'a>(
    query: &LogicalPlan,
    columns: impl Iterator<Item = &'a usize>,
) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = columns
        .map(|column| Expr::from(query.schema().qualified_field(*column)))
        .collect();
    LogicalPlanBuilder::from(query.clone())
        .project(columns)?
        .build()
}

pub(crate) fn is_horizontal(role: AxisRole) -> bool {
    matches!(
        role,
        AxisRole::Latitude | AxisRole::Longitude | AxisRole::X | AxisRole::Y
    )
}
