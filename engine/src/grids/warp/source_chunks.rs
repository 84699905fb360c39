//! A variable whose chunks are kept where there is room: [`SourceChunks`].

use std::slice::from_ref;
use std::sync::Arc;

use arrow::datatypes::Float64Type;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_functions::warp::{CellAxis, Window};
use tokio::runtime::Handle;

use super::planes::{Numbers, Planes, pieces};
use crate::cache::{BlockCache, BlockKey};
use crate::cube::Variable;
use crate::cube::block::Block;
use crate::error::CubeResult;
use crate::runtime::run_on;
use crate::scan::CubeTable;
use crate::source::{EncodedChunk, Payload};

/// Chunks that are fetched at a time where all are read.
const FETCHES: usize = 8;

/// The variable.
#[derive(Debug, Clone)]
pub(crate) struct SourceChunks {
    pub(crate) variable: Variable,
    blocks: Arc<BlockCache>,
}

impl SourceChunks {
    /// `variable` of the cube of `table`.
    pub(crate) fn new(table: &CubeTable, variable: &Variable) -> Self {
        Self {
            variable: variable.clone(),
            blocks: Arc::clone(table.blocks()),
        }
    }

    /// The same, with its chunks kept in `blocks`.
    pub(crate) fn kept_in(self, blocks: Arc<BlockCache>) -> Self {
        Self { blocks, ..self }
    }

    fn key(&self, index: &[u64]) -> Option<BlockKey> {
        Some(BlockKey {
            array: self.variable.origin.clone()?,
            chunk: index.into(),
        })
    }

    /// The chunk at `index`: as it was decoded before, or its bytes. `None` when it is not stored.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let kept = self.key(index).and_then(|key| self.blocks.get(&key));
        match kept {
            Some(block) => Ok(Some(EncodedChunk {
                bytes_fetched: 0,
                payload: Payload::Kept(block),
            })),
            None => self.variable.fetch(index).await,
        }
    }

    /// The values of what [`SourceChunks::fetch`] gave for the same `index`.
    ///
    /// # Errors
    /// The bytes cannot be decoded.
    pub(crate) fn decode(
        &self,
        index: &[u64],
        chunk: Option<EncodedChunk>,
    ) -> CubeResult<Arc<Block>> {
        let chunk = match chunk {
            Some(EncodedChunk {
                payload: Payload::Kept(block),
                ..
            }) => return Ok(block),
            chunk => chunk,
        };
        let decode = || self.variable.decode(index, chunk).map(Arc::new);
        match self.key(index) {
            Some(key) => self.blocks.get_or_decode(&key, decode),
            None => decode(),
        }
    }

    /// All values along the axes `y` and `x`, row by row, missing ones NaN. Along other axes there is one cell each.
    ///
    /// # Errors
    /// The store failed, or values are no numbers.
    pub(in crate::grids) async fn plane(
        &self,
        (y, x): (usize, usize),
        axes: (&CellAxis, &CellAxis),
        io: &Handle,
    ) -> CubeResult<Vec<f64>> {
        let dimension = |axis: usize| self.variable.axes.iter().position(|own| *own == axis);
        let dimensions = (dimension(y).unwrap_or(0), dimension(x).unwrap_or(0));
        let window = Window {
            x: 0..axes.0.cells() as i64,
            y: 0..axes.1.cells() as i64,
        };
        let chunks = self.variable.chunks();
        let rows = pieces(&window.y, axes.1, &chunks[dimensions.0]);
        let columns = pieces(&window.x, axes.0, &chunks[dimensions.1]);
        let mut fetches = Vec::with_capacity(rows.len() * columns.len());
        for row in &rows {
            for column in &columns {
                let mut index = vec![0; self.variable.axes.len()];
                index[dimensions.0] = row.chunk;
                index[dimensions.1] = column.chunk;
                fetches.push((self.clone(), index, io.clone()));
            }
        }
        let fetches = fetches.into_iter().map(|(source, index, io)| async move {
            let (own, place) = (source.clone(), index.clone());
            let fetched = run_on(&io, async move { own.fetch(&place).await }).await?;
            source.decode(&index, fetched)
        });
        let mut plane = vec![f64::NAN; window.cells()];
        let mut blocks = stream::iter(fetches).buffered(FETCHES);
        let mut number = 0;
        while let Some(block) = blocks.try_next().await? {
            let (row, column) = (
                &rows[number / columns.len()],
                &columns[number % columns.len()],
            );
            number += 1;
            let planes = Planes {
                window: &window,
                x: from_ref(column),
                y: from_ref(row),
                chunks: vec![Numbers::<Float64Type>::of(&block)?],
                dimensions,
            };
            planes.copy(&[], &mut plane);
        }
        Ok(plane)
    }
}
