//! Reads cubes out of a group of arrays, by the CF conventions (<https://cfconventions.org>, 1.11).
//!
//! ```text
//!  Group ─▶ classify: coordinates, auxiliary coordinates, data, bounds, grid mappings
//!        ─▶ sets: one table per set of dimensions          ─▶ Vec<Cube>
//!        ─▶ axes: coordinates read and put in order
//! ```
//! Names: a table's columns are its axes, then its variables. A dimension without a coordinate is an
//! axis that counts from 0; if a variable has its name, it is called `x_index`. Names that differ only
//! by case are different columns; SQL needs quotes for those with capitals.

mod affine;
mod axes;
pub(super) mod classify;
mod dimensions;
mod fields;
mod options;
mod roles;
mod sets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use futures::future::try_join_all;

use self::affine::Affine;
use self::classify::{Column, Contents, Purpose};
use self::options::Reading;
use self::sets::{DimensionSet, dimension_sets};
use super::crs::Crs;
use super::decoding::Decoding;
use super::{Axis, Cube, Variable};
use crate::error::CubeResult;
use crate::source::{Group, Options};

pub(super) use self::axes::order_of;
pub(crate) use self::fields::is_of_storage_or_structure;
pub use self::options::INTERPRET_OPTIONS;
pub(crate) use self::options::VERSION;
pub(crate) use self::roles::role_of_column;

/// Reads the cubes of a group: one per set of dimensions, the main one first under the name `table`,
/// the others as `table_dim1_dim2`. Reads the one-dimensional coordinates and no other values.
///
/// Options that are not in [`INTERPRET_OPTIONS`] are the format's, and ignored here.
///
/// # Errors
/// An option has a wrong value; coordinates cannot be read; a fill value is not of its array's type.
pub async fn interpret(group: &Group, table: &str, options: &Options) -> CubeResult<Vec<Cube>> {
    let cubes = async {
        let reading = Reading::parse(options)?;
        let contents = Contents::of(group, &reading.drop_variables);
        let sets = dimension_sets(&contents, table);
        let axes = read_axes(group, &contents, &sets, &reading).await?;
        let cube = |set| build(group, &contents, set, &axes, &reading);
        sets.into_iter().map(cube).collect::<CubeResult<_>>()
    };
    cubes.await.map_err(|error| error.within(&group.url))
}

/// The axis of every dimension that a table has.
async fn read_axes(
    group: &Group,
    contents: &Contents,
    sets: &[DimensionSet],
    reading: &Reading,
) -> CubeResult<Vec<Option<Axis>>> {
    let names = axis_names(contents);
    let affine = Affine::of(group, contents);
    let axes = names.iter().enumerate().map(async |(dimension, name)| {
        if !sets.iter().any(|set| set.dimensions.contains(&dimension)) {
            return Ok(None);
        }
        let stored = &contents.dimensions.list[dimension];
        axes::check_length(name, stored.length)?;
        if let Some(column) = contents.coordinate(dimension) {
            let axis = axes::read_axis(name, column, stored.length, &group.arrays, reading).await;
            return axis.map(Some);
        }
        let affine = affine.as_ref();
        affine
            .and_then(|affine| affine.axis(name, &stored.stored_name, stored.length))
            .unwrap_or_else(|| Ok(axes::counting_axis(name, stored.length)))
            .map(Some)
    });
    try_join_all(axes).await
}

/// Column names of all dimensions. They differ from each other and from those of the variables.
fn axis_names(contents: &Contents) -> Vec<String> {
    let variables: Vec<&str> = contents
        .columns
        .iter()
        .filter(|column| column.purpose != Purpose::Coordinate)
        .map(|column| column.array.description().name.as_str())
        .collect();
    let mut names: Vec<String> = Vec::new();
    for (dimension, known) in contents.dimensions.list.iter().enumerate() {
        let coordinate = contents.coordinate(dimension);
        let coordinate = coordinate.map(|column| column.array.description().name.clone());
        let name = coordinate
            .filter(|_| known.is_first())
            .unwrap_or_else(|| known.name.clone());
        let taken = |name: &str| variables.contains(&name) || names.iter().any(|n| n == name);
        let name = if taken(&name) {
            dimensions::unique(format!("{name}_index"), taken)
        } else {
            name
        };
        names.push(name);
    }
    names
}

fn build(
    group: &Group,
    contents: &Contents,
    set: DimensionSet,
    axes: &[Option<Axis>],
    reading: &Reading,
) -> CubeResult<Cube> {
    let dimensions = set.dimensions.iter();
    let mut axes: Vec<Axis> = dimensions.filter_map(|d| axes[*d].clone()).collect();
    let columns: Vec<&Column> = set.columns.iter().map(|c| &contents.columns[*c]).collect();
    let crs = Crs::of(group, &contents.grid_mappings, &columns, &axes);
    if let Some(crs) = &crs {
        axes.iter_mut().for_each(|axis| axis.measured_in(crs));
    }
    let crs_name = crs.as_ref().map(|crs| crs.name.as_str());
    let variables: Vec<Variable> = columns
        .iter()
        .map(|column| variable(group, column, &set, crs_name, reading))
        .collect::<CubeResult<_>>()?;
    let fields = axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|v| Arc::clone(&v.field)));
    Ok(Cube {
        name: set.table,
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        axes,
        variables,
        attributes: group.attributes.clone(),
        crs,
        zipped: Vec::new(),
        overviews: None,
        url: group.url.clone(),
        format: group.format.clone(),
        version: group.version.clone(),
    })
}

fn variable(
    group: &Group,
    column: &Column,
    set: &DimensionSet,
    crs: Option<&str>,
    reading: &Reading,
) -> CubeResult<Variable> {
    let description = column.array.description();
    let decoding = Decoding::new(description, reading.rules)?;
    let crs = crs.filter(|_| {
        classify::grid_mapping_names(&description.attributes)
            .next()
            .is_some()
    });
    let name = &description.name;
    let field = fields::field(name, &decoding, &description.attributes, reading.rules, crs);
    let position = |dimension: &usize| set.dimensions.iter().position(|d| d == dimension);
    Ok(Variable {
        field: Arc::new(field),
        axes: column.dimensions.iter().filter_map(position).collect(),
        array: Arc::clone(&column.array),
        decoding,
        origin: Some(format!("{}\n{}\n{name}", group.url, group.version).into()),
    })
}
