//! Reduces one variable to all levels, reading it once: [`Pass`].
//!
//! ```text
//!  tile of level 1 ◀── halved ── window of the cube, plane after plane
//!    │ written                    level 2     ┌───┬───┐
//!    └── halved, put into the quarter of ────▶│ · │   │ when all quarters are there: written, halved, and so on
//!                                             ├───┼───┤
//!                                             │   │   │
//!                                             └───┴───┘
//! ```
//! Tiles come along a curve, so that few of the coarser ones are unfinished at a time.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result};
use futures::future::try_join_all;
use graticule_functions::warp::{Method, Reduced, Sample, Window};
use tokio::runtime::Handle;

use super::tiling::{Sides, place_on_curve};
use crate::cube::block::Block;
use crate::cube::encoding::Encoding;
use crate::error::CubeResult;
use crate::grids::planes::{Numbers, Piece, Planes, in_type, pieces};
use crate::grids::{Horizontal, SourceChunks};
use crate::overviews::precision::rounded;
use crate::progress::QueryProgress;
use crate::runtime::{run_on, yield_now};
use crate::sink::CubeWriter;

/// A level as a variable is written to it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) writer: Arc<dyn CubeWriter>,
    /// The variable's array.
    pub(super) array: usize,
    /// The array of the counts of its cells.
    pub(super) counts: Option<usize>,
    /// Type of its values.
    pub(super) data_type: DataType,
    pub(super) encoding: Encoding,
    /// Cells along y and x.
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// An axis of the level that stays as it is.
#[derive(Debug, Clone)]
pub(super) struct OtherAxis {
    /// Which dimension of the variable it is.
    pub(super) dimension: usize,
    pub(super) length: u64,
    /// Cells of a chunk.
    pub(super) size: u64,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) objects: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// One variable on its way to all levels.
pub(super) struct Pass<P: ArrowPrimitiveType> {
    pub(super) source: SourceChunks,
    pub(super) grid: Horizontal,
    pub(super) method: Method,
    /// The bits that values keep where they do not keep all.
    pub(super) bits: Option<u8>,
    pub(super) sides: Sides,
    pub(super) others: Vec<OtherAxis>,
    pub(super) layers: Vec<Layer>,
    pub(super) io: Handle,
    pub(super) progress: Arc<QueryProgress>,
    pub(super) written: Arc<Written>,
    pub(super) unfinished: Mutex<HashMap<Place, Unfinished<P::Native>>>,
    /// Are there cells of a level that are made of fewer cells than others?
    pub(super) counts_differ: AtomicBool,
}

/// A tile: its block, its level, and its row and column there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    block: u64,
    level: usize,
    row: u64,
    column: u64,
}

/// A tile of which some quarters are missing.
pub(super) struct Unfinished<T> {
    tile: Reduced<T>,
    missing: usize,
}

impl<P: ArrowPrimitiveType> Pass<P>
where
    P::Native: Sample,
{
    /// Tiles of the first level, those of all blocks.
    pub(super) fn tiles(&self) -> u64 {
        let (rows, columns) = self.counts(0);
        self.blocks() * rows * columns
    }

    /// Makes all levels with `workers` tasks.
    ///
    /// # Errors
    /// The cube cannot be read or the levels cannot be written.
    pub(super) async fn run(self: &Arc<Self>, workers: usize) -> Result<()> {
        let next = Arc::new(AtomicU64::default());
        let mut running = JoinSet::new();
        for _ in 0..workers {
            let (pass, next) = (Arc::clone(self), Arc::clone(&next));
            running.spawn(async move { pass.work(&next).await });
        }
        while let Some(ended) = running.join_next().await {
            ended.map_err(|error| DataFusionError::External(Box::new(error)))??;
        }
        Ok(())
    }

    fn blocks(&self) -> u64 {
        let along = self.others.iter();
        along.map(|axis| axis.length.div_ceil(axis.size)).product()
    }

    /// Tiles of a level along y and x.
    fn counts(&self, level: usize) -> (u64, u64) {
        let layer = &self.layers[level];
        (
            layer.rows.div_ceil(self.sides.y) as u64,
            layer.columns.div_ceil(self.sides.x) as u64,
        )
    }

    async fn work(&self, next: &AtomicU64) -> Result<()> {
        let (rows, columns) = self.counts(0);
        // Squares of the shorter side, one after the other along the longer one.
        let side = rows.min(columns).next_power_of_two();
        let squares = rows.max(columns).div_ceil(side);
        loop {
            let at = next.fetch_add(1, Relaxed);
            let (square, place) = (at / (side * side), place_on_curve(at % (side * side)));
            let (block, along) = (square / squares, square % squares * side);
            let (row, column) = match rows < columns {
                true => (place.0, place.1 + along),
                false => (place.0 + along, place.1),
            };
            if block >= self.blocks() {
                return Ok(());
            }
            if row < rows && column < columns {
                let level = 0;
                self.make(Place {
                    block,
                    level,
                    row,
                    column,
                })
                .await?;
                self.progress.finish_boxes(1);
                yield_now().await;
            }
        }
    }

    /// Cells of a tile along y and x.
    fn cells(&self, place: &Place) -> (Range<usize>, Range<usize>) {
        let layer = &self.layers[place.level];
        let range = |number: u64, side: usize, length: usize| {
            let first = number as usize * side;
            first..(first + side).min(length)
        };
        (
            range(place.row, self.sides.y, layer.rows),
            range(place.column, self.sides.x, layer.columns),
        )
    }

    /// Makes a tile of the first level, and what can be made of it of the others.
    async fn make(&self, mut place: Place) -> Result<()> {
        let mut tile = self.read(&place).await?;
        loop {
            self.write(&place, &tile).await?;
            if place.level + 1 == self.layers.len() {
                return Ok(());
            }
            match self.put(&place, &tile) {
                None => return Ok(()),
                Some((coarser, whole)) => (place, tile) = (coarser, whole),
            }
        }
    }

    /// Cells of a block along the other axes.
    fn block(&self, number: u64) -> Vec<Range<u64>> {
        let mut rest = number;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for axis in self.others.iter().rev() {
            let count = axis.length.div_ceil(axis.size);
            let first = rest % count * axis.size;
            rest /= count;
            ranges.push(first..(first + axis.size).min(axis.length));
        }
        ranges.reverse();
        ranges
    }

    /// Reads what lies under a tile of the first level.
    async fn read(&self, place: &Place) -> Result<Reduced<P::Native>> {
        let (rows, columns) = self.cells(place);
        let window = Window {
            y: below(&rows, self.grid.y_centres.len()),
            x: below(&columns, self.grid.x_centres.len()),
        };
        let variable = &self.source.variable;
        let dimension = |axis: usize| variable.axes.iter().position(|own| *own == axis);
        let horizontal = (
            dimension(self.grid.y).unwrap_or(0),
            dimension(self.grid.x).unwrap_or(0),
        );
        let chunks = variable.chunks();
        let y = pieces(&window.y, &self.grid.y_cells, &chunks[horizontal.0]);
        let x = pieces(&window.x, &self.grid.x_cells, &chunks[horizontal.1]);
        let block = self.block(place.block);
        let mut first = vec![0; variable.axes.len()];
        for (axis, range) in self.others.iter().zip(&block) {
            first[axis.dimension] = chunks[axis.dimension].index_of(range.start);
        }
        let needed = needed(&first, horizontal, &y, &x);
        let blocks = self.blocks_of(&needed).await?;
        let planes = Planes {
            window: &window,
            x: &x,
            y: &y,
            chunks: blocks
                .iter()
                .map(Numbers::<P>::of)
                .collect::<CubeResult<_>>()?,
            dimensions: horizontal,
        };
        let lengths: Vec<usize> = block
            .iter()
            .map(|range| (range.end - range.start) as usize)
            .collect();
        let count = lengths.iter().product();
        let mut tile = Reduced::empty(self.method, count, rows.len(), columns.len());
        let mut plane = vec![P::Native::MISSING; window.cells()];
        for number in 0..count {
            let at = self.within_chunk(number, &lengths, &block, &first);
            plane.fill(P::Native::MISSING);
            planes.copy(&at, &mut plane);
            tile.add_plane(number, &plane, window.width());
        }
        Ok(tile)
    }

    /// Where a plane of a block lies in its chunk, along the variable's dimensions but for y and x.
    fn within_chunk(
        &self,
        number: usize,
        lengths: &[usize],
        block: &[Range<u64>],
        chunk: &[u64],
    ) -> Vec<usize> {
        let chunks = self.source.variable.chunks();
        let mut rest = number;
        let mut places: Vec<(usize, usize)> = Vec::new();
        for ((axis, length), range) in self.others.iter().zip(lengths).zip(block).rev() {
            let cell = range.start + (rest % length) as u64;
            rest /= length;
            let before = chunks[axis.dimension].range(chunk[axis.dimension]).start;
            places.push((axis.dimension, (cell - before) as usize));
        }
        places.sort_unstable();
        places.into_iter().map(|(_, place)| place).collect()
    }

    async fn blocks_of(&self, needed: &[Vec<u64>]) -> Result<Vec<Arc<Block>>> {
        let (source, indices) = (self.source.clone(), needed.to_vec());
        let fetched = run_on(&self.io, async move {
            try_join_all(indices.iter().map(|index| source.fetch(index))).await
        });
        let mut blocks = Vec::new();
        for (index, chunk) in needed.iter().zip(fetched.await?) {
            let bytes = chunk.as_ref().map_or(0, |chunk| chunk.bytes_fetched);
            self.progress.add_fetched(bytes);
            blocks.push(self.source.decode(index, chunk)?);
        }
        Ok(blocks)
    }

    /// Writes a tile, and of how many cells each of its own is made, where these are not all that there are.
    async fn write(&self, place: &Place, tile: &Reduced<P::Native>) -> Result<()> {
        let layer = &self.layers[place.level];
        let mut values = tile.values();
        if let Some(bits) = self.bits {
            for value in &mut values {
                *value = P::Native::of(rounded(value.wide(), bits));
            }
        }
        let nulls: NullBuffer = values.iter().map(|value| !value.is_missing()).collect();
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let values: ArrayRef = Arc::new(PrimitiveArray::<P>::new(values.into(), nulls));
        let values = in_type(&values, &layer.data_type)?;
        let (stored, _) = layer.encoding.encode(&values)?;
        self.store(place, layer.array, &stored).await?;
        if let (Some(array), Some(counts)) = (layer.counts, tile.counts()) {
            let counts: ArrayRef = Arc::new(UInt32Array::from(counts.to_vec()));
            let differ = self.store(place, array, &counts).await?;
            self.counts_differ.fetch_or(differ, Relaxed);
        }
        Ok(())
    }

    /// Writes the chunk of an array at a place; not if all of its cells are what those that are not stored are.
    async fn store(&self, place: &Place, array: usize, stored: &ArrayRef) -> Result<bool> {
        let layer = &self.layers[place.level];
        let block = self.block(place.block);
        let mut index: Vec<u64> = block
            .iter()
            .zip(&self.others)
            .map(|(range, axis)| range.start / axis.size)
            .collect();
        index.extend([place.row, place.column]);
        let mut extent: Vec<usize> = block
            .iter()
            .map(|range| (range.end - range.start) as usize)
            .collect();
        let (rows, columns) = self.cells(place);
        extent.extend([rows.len(), columns.len()]);
        let Some(bytes) = layer.writer.encode(array, &index, stored, &extent)? else {
            return Ok(false);
        };
        self.written.objects.fetch_add(1, Relaxed);
        self.written.bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.progress.add_written(bytes.len() as u64);
        let writer = Arc::clone(&layer.writer);
        run_on(
            &self.io,
            async move { writer.put(array, &index, bytes).await },
        )
        .await?;
        Ok(true)
    }

    /// Puts a tile into the one above it, and gives that when nothing of it is missing any more.
    fn put(&self, place: &Place, tile: &Reduced<P::Native>) -> Option<(Place, Reduced<P::Native>)> {
        let half = tile.halved();
        let coarser = Place {
            level: place.level + 1,
            row: place.row / 2,
            column: place.column / 2,
            ..place.clone()
        };
        let (rows, columns) = self.cells(&coarser);
        let quarters = || {
            let (all_rows, all_columns) = self.counts(place.level);
            let of = |number: u64, all: u64| (all - 2 * number).min(2) as usize;
            of(coarser.row, all_rows) * of(coarser.column, all_columns)
        };
        let mut unfinished = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let above = unfinished
            .entry(coarser.clone())
            .or_insert_with(|| Unfinished {
                tile: Reduced::empty(
                    self.method,
                    self.planes(place.block),
                    rows.len(),
                    columns.len(),
                ),
                missing: quarters(),
            });
        let (down, right) = ((place.row % 2) as usize, (place.column % 2) as usize);
        above
            .tile
            .put(&half, down * self.sides.y / 2, right * self.sides.x / 2);
        above.missing -= 1;
        if above.missing > 0 {
            return None;
        }
        let whole = unfinished.remove(&coarser)?;
        Some((coarser, whole.tile))
    }

    fn planes(&self, block: u64) -> usize {
        let along = self.block(block);
        along
            .iter()
            .map(|range| (range.end - range.start) as usize)
            .product()
    }
}

/// The cells of the cube under `cells` of the first level.
fn below(cells: &Range<usize>, length: usize) -> Range<i64> {
    (2 * cells.start) as i64..(2 * cells.end).min(length) as i64
}

/// The chunks for these pieces, row by row; along the other dimensions they are those of `first`.
fn needed(
    first: &[u64],
    (down, across): (usize, usize),
    y: &[Piece],
    x: &[Piece],
) -> Vec<Vec<u64>> {
    let both = y
        .iter()
        .flat_map(|y| x.iter().map(move |x| (y.chunk, x.chunk)));
    both.map(|(y, x)| {
        let mut index = first.to_vec();
        (index[down], index[across]) = (y, x);
        index
    })
    .collect()
}
