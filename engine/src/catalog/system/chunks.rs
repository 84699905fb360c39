//! `cube.chunks`: which cells each chunk of each variable covers. Computed piece by piece while it
//! is read, never listed: a variable may have 10⁷ chunks.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted, variables};
use crate::catalog::visible::VisibleCatalog;
use crate::cube::Variable;
use crate::cube::chunks::AxisChunks;
use crate::statistics::SharedStatistics;
use crate::statistics::summary::ChunkSummary;

/// Chunks that make a record batch.
const CHUNKS_AT_ONCE: u64 = 8192;

/// The rows of `cube.chunks`.
#[derive(Debug)]
pub(super) struct Chunks;

/// One chunk of one variable.
pub(super) struct Row {
    variable: Arc<variables::Row>,
    chunk: Vec<u64>,
    cells: Vec<Range<u64>>,
    /// As `ANALYZE` found it.
    summary: Option<ChunkSummary>,
}

impl SystemRows for Chunks {
    type Row = Row;

    fn columns() -> Vec<Column<Row>> {
        vec![
            Column::text(
                "table_schema",
                "Schema, which is the name of a store",
                |row| Some(row.variable.schema.clone()),
            ),
            Column::text("table_name", "Name of the table", |row| {
                Some(row.variable.cube.name.clone())
            }),
            Column::text("variable", "Name of the variable", |row| {
                row.variable
                    .variable()
                    .map(|variable| variable.field.name().clone())
            }),
            Column::texts("dims", "Dimensions in storage order", |row| {
                row.variable.dims()
            }),
            Column::wholes("chunk", "Index of the chunk along each dimension", |row| {
                Some(row.chunk.clone())
            }),
            Column::wholes("cell_start", "First cell along each dimension", |row| {
                Some(row.cells.iter().map(|cells| cells.start).collect())
            }),
            Column::wholes(
                "cell_stop",
                "Cell after the last one along each dimension",
                |row| Some(row.cells.iter().map(|cells| cells.end).collect()),
            ),
            Column::whole("cells", "Number of cells", |row| {
                Some(
                    row.cells
                        .iter()
                        .map(|cells| cells.end - cells.start)
                        .product(),
                )
            }),
            Column::real(
                "minimum",
                "Smallest value when ANALYZE last read the chunk, where values are numbers",
                |row| row.summary.as_ref()?.minimum_number(),
            ),
            Column::real(
                "maximum",
                "Largest value when ANALYZE last read the chunk, where values are numbers",
                |row| row.summary.as_ref()?.maximum_number(),
            ),
            Column::whole(
                "valid",
                "Values that were not missing when ANALYZE last read the chunk",
                |row| row.summary.as_ref().map(|summary| summary.valid),
            ),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
        let store = Arc::clone(catalog.statistics());
        variables::rows(catalog, wanted)
            .flat_map(futures::stream::iter)
            .flat_map(move |variable| {
                let statistics = store.look_up(&variable.cube, variable.at).ok();
                futures::stream::iter(pieces(Arc::new(variable), statistics))
            })
            .boxed()
    }
}

/// All chunks of a variable in C order, in pieces of [`CHUNKS_AT_ONCE`].
fn pieces(
    row: Arc<variables::Row>,
    statistics: Option<SharedStatistics>,
) -> impl Iterator<Item = Vec<Row>> {
    let chunks = row.variable().map(chunk_axes).unwrap_or_default();
    let total = chunks
        .iter()
        .fold(1, |product: u64, axis| product.saturating_mul(axis.count()));
    (0..total.div_ceil(CHUNKS_AT_ONCE)).map(move |piece| {
        let first = piece * CHUNKS_AT_ONCE;
        (first..total.min(first + CHUNKS_AT_ONCE))
            .map(|number| {
                let known = statistics.as_ref();
                Row {
                    summary: known.and_then(|statistics| statistics.chunk(number)),
                    ..chunk_row(&row, &chunks, number)
                }
            })
            .collect()
    })
}

fn chunk_axes(variable: &Variable) -> Vec<AxisChunks> {
    variable.array.description().chunks.clone()
}

/// Chunk `number` in C order: the last dimension varies fastest.
fn chunk_row(row: &Arc<variables::Row>, chunks: &[AxisChunks], number: u64) -> Row {
    let mut remaining = number;
    let mut chunk: Vec<u64> = chunks
        .iter()
        .rev()
        .map(|axis| {
            let count = axis.count().max(1);
            let index = remaining % count;
            remaining /= count;
            index
        })
        .collect();
    chunk.reverse();
    let cells = chunks
        .iter()
        .zip(&chunk)
        .map(|(axis, index)| axis.range(*index))
        .collect();
    Row {
        variable: Arc::clone(row),
        chunk,
        cells,
        summary: None,
    }
}
