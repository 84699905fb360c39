//! `cube.tables`: every table there is, cubes with their grids.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::catalog::{TableEntry, TableKind};
use crate::cube::{Axis, AxisRole, Cube};
use crate::sql::describe::coordinate_text;

/// The rows of `cube.tables`.
#[derive(Debug)]
pub(super) struct Tables;

impl SystemRows for Tables {
    type Row = TableEntry;

    fn columns() -> Vec<Column<TableEntry>> {
        vec![
            Column::text(
                "table_schema",
                "Schema, which is the name of a store",
                |row| Some(row.schema.clone()),
            ),
            Column::text("table_name", "Name of the table", |row| {
                Some(row.name.clone())
            }),
            Column::text("table_type", "CUBE, VIEW, FILES or BROKEN", |row| {
                Some(kind_name(&row.kind).to_string())
            }),
            Column::texts("dims", "Dimensions in storage order", |row| {
                let names = |axis: &Axis| axis.field.name().clone();
                cube(row).map(|cube| cube.axes.iter().map(names).collect())
            }),
            Column::wholes("shape", "Cells along each dimension", |row| {
                cube(row).map(|cube| cube.axes.iter().map(length).collect())
            }),
            Column::whole(
                "cells",
                "Cells of the grid, which are rows of the table",
                |row| cube(row).map(cells),
            ),
            Column::whole("variables", "Number of variables", |row| {
                cube(row).map(|cube| cube.variables.len() as u64)
            }),
            Column::wholes(
                "chunk_shape",
                "Cells of a chunk of the first variable over all dimensions",
                |row| cube(row).and_then(chunk_shape),
            ),
            Column::whole(
                "bytes",
                "Bytes of all variables as they are stored, before compression",
                |row| cube(row).map(bytes),
            ),
            Column::text(
                "crs",
                "Coordinate reference system of the horizontal dimensions",
                |row| cube(row)?.crs.as_ref().map(|crs| crs.name.clone()),
            ),
            Column::text("time_start", "Earliest time", |row| {
                Some(time_range(cube(row)?)?.0)
            }),
            Column::text("time_end", "Latest time", |row| {
                Some(time_range(cube(row)?)?.1)
            }),
            Column::text("format", "Format and version", |row| {
                cube(row).map(|cube| cube.format.clone())
            }),
            Column::text("url", "Where it is stored", |row| {
                (!row.url.is_empty()).then(|| row.url.clone())
            }),
            Column::text("error", "Why it cannot be opened", |row| match &row.kind {
                TableKind::Broken(error) => Some(error.to_string()),
                _ => None,
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<TableEntry>> {
        catalog.entries(wanted.schema)
    }
}

/// The cubes that a query wants rows about, with their schemas.
pub(super) fn cubes(
    catalog: &Arc<VisibleCatalog>,
    wanted: &Wanted,
) -> BoxStream<'static, (String, Arc<Cube>)> {
    let table = wanted.table.clone();
    catalog
        .entries(wanted.schema.clone())
        .flat_map(futures::stream::iter)
        .filter_map(move |entry| {
            let is_wanted = table.as_ref().is_none_or(|table| *table == entry.name);
            let found = match entry.kind {
                TableKind::Cube(cube) if is_wanted => Some((entry.schema, cube)),
                _ => None,
            };
            async { found }
        })
        .boxed()
}

/// Cells along an axis.
pub(super) fn length(axis: &Axis) -> u64 {
    axis.coordinates.len() as u64
}

fn cube(entry: &TableEntry) -> Option<&Cube> {
    match &entry.kind {
        TableKind::Cube(cube) => Some(cube),
        _ => None,
    }
}

fn kind_name(kind: &TableKind) -> &'static str {
    match kind {
        TableKind::Cube(_) => "CUBE",
        TableKind::View => "VIEW",
        TableKind::Files => "FILES",
        TableKind::Broken(_) => "BROKEN",
    }
}

fn cells(cube: &Cube) -> u64 {
    cube.axes
        .iter()
        .map(length)
        .fold(1, |product, length| product.saturating_mul(length))
}

fn chunk_shape(cube: &Cube) -> Option<Vec<u64>> {
    let full = cube
        .variables
        .iter()
        .find(|variable| variable.axes.len() == cube.axes.len())?;
    let chunks = &full.array.description().chunks;
    Some(
        chunks
            .iter()
            .take(cube.axes.len())
            .map(|axis| axis.size())
            .collect(),
    )
}

fn bytes(cube: &Cube) -> u64 {
    cube.variables
        .iter()
        .filter_map(super::variables::decoded_bytes)
        .fold(0, u64::saturating_add)
}

/// The earliest and the latest time, as text in the cube's calendar.
fn time_range(cube: &Cube) -> Option<(String, String)> {
    let time = cube.axes.iter().find(|axis| axis.role == AxisRole::Time)?;
    super::dimensions::range(time, coordinate_text)
}
