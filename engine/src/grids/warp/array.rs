//! A variable on another grid: [`Warped`], an array whose chunks are computed.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use async_trait::async_trait;
use futures::future::try_join_all;
use graticule_functions::warp::{Method, Missing, Sample};
use serde_json::Value;
use tokio::runtime::Handle;

use super::planes::{Numbers, Piece, Planes, in_type, pieces};
use super::source_chunks::SourceChunks;
use super::tiles::{Tile, Tiles};
use crate::cube::Variable;
use crate::cube::block::Block;
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};

/// The array.
#[derive(Debug)]
pub(super) struct Warped {
    source: SourceChunks,
    /// Of how many values each cell of the source is made, where these are not all the same.
    counts: Option<SourceChunks>,
    tiles: Arc<Tiles>,
    method: Method,
    missing: Missing,
    description: ArrayDescription,
    /// The dimensions of the source that stay, in their order.
    others: Vec<usize>,
    /// The dimensions of y and x in the source.
    horizontal: (usize, usize),
    /// What chunks of the source and a plane of them take, in bytes.
    working: usize,
    /// Where positions are computed, while chunks are fetched elsewhere.
    compute: Handle,
}

impl Warped {
    /// A variable of a cube on the grid of `tiles`; its `counts`, if any, lie as its values do. `place` gives the new number of an axis that stays; y and x come after
    /// the `first` of them.
    ///
    /// # Errors
    /// There is no NULL of its type.
    pub(super) fn variable(
        (source, counts): (SourceChunks, Option<SourceChunks>),
        tiles: &Arc<Tiles>,
        (method, missing): (Method, Missing),
        place: &dyn Fn(usize) -> Option<usize>,
        first: usize,
    ) -> CubeResult<Variable> {
        let variable = &source.variable;
        let stored = variable.decoding.data_type();
        let data_type = match (method.keeps_values(), stored) {
            (true, _) | (false, DataType::Float32) => stored.clone(),
            (false, _) => DataType::Float64,
        };
        let inner = variable.array.description();
        let dimension = |axis: usize| variable.axes.iter().position(|own| *own == axis);
        let horizontal = (
            dimension(tiles.source().y).unwrap_or(0),
            dimension(tiles.source().x).unwrap_or(0),
        );
        let others: Vec<usize> = (0..variable.axes.len())
            .filter(|at| *at != horizontal.0 && *at != horizontal.1)
            .collect();
        let along = variable.chunks();
        let mut chunks: Vec<AxisChunks> = others.iter().map(|at| along[*at].clone()).collect();
        chunks.extend(tiles.chunks().iter().cloned());
        let kept = others.iter().filter_map(|at| place(variable.axes[*at]));
        let mut axes: Vec<usize> = kept.collect();
        axes.extend([first, first + 1]);
        let field = variable
            .field
            .as_ref()
            .clone()
            .with_data_type(data_type.clone());
        let below = tiles.cells_below((along[horizontal.0].size(), along[horizontal.1].size()));
        let depth = others.iter().map(|at| along[*at].size() as usize);
        let planes = 1 + depth.fold(1, usize::saturating_mul);
        let arrays = 1 + usize::from(counts.is_some());
        let working = below.saturating_mul(planes * arrays * size_of::<f64>());
        Ok(Variable {
            field: Arc::new(field.with_nullable(true)),
            decoding: Decoding::of_values(&data_type)?,
            array: Arc::new(Self {
                description: ArrayDescription {
                    name: inner.name.clone(),
                    dimensions: axes.iter().map(|axis| format!("dim_{axis}")).collect(),
                    shape: chunks.iter().map(AxisChunks::length).collect(),
                    chunks,
                    data_type,
                    fill_value: Value::Null,
                    attributes: Attributes::new(),
                    codecs: inner.codecs.clone(),
                    shard_shape: None,
                    stored_bytes: None,
                },
                source,
                counts,
                tiles: Arc::clone(tiles),
                method,
                missing,
                others,
                horizontal,
                working,
                compute: Handle::current(),
            }),
            axes,
            origin: None,
        })
    }

    /// The arrays that are read.
    fn arrays(&self) -> impl Iterator<Item = &SourceChunks> {
        std::iter::once(&self.source).chain(&self.counts)
    }

    fn tile(&self, index: &[u64]) -> CubeResult<Arc<Tile>> {
        match index {
            [.., y, x] => self.tiles.tile(*y, *x, self.method, self.missing),
            _ => Err(CubeError::invalid(
                &self.description.name,
                "a chunk has no place",
            )),
        }
    }

    /// The pieces along y and x that a tile needs.
    fn pieces(&self, tile: &Tile) -> (Vec<Piece>, Vec<Piece>) {
        let Some(window) = tile.window() else {
            return (Vec::new(), Vec::new());
        };
        let (source, chunks) = (self.tiles.source(), self.source.variable.chunks());
        (
            pieces(&window.y, &source.y_cells, &chunks[self.horizontal.0]),
            pieces(&window.x, &source.x_cells, &chunks[self.horizontal.1]),
        )
    }

    /// The chunks of the source for these pieces, row by row.
    fn needed(&self, index: &[u64], y: &[Piece], x: &[Piece]) -> Vec<Vec<u64>> {
        let mut stored = vec![0; self.source.variable.axes.len()];
        for (at, other) in self.others.iter().enumerate() {
            stored[*other] = index[at];
        }
        let both = y
            .iter()
            .flat_map(|y| x.iter().map(move |x| (y.chunk, x.chunk)));
        both.map(|(y, x)| {
            stored[self.horizontal.0] = y;
            stored[self.horizontal.1] = x;
            stored.clone()
        })
        .collect()
    }

    /// The values of the chunk at `index`.
    fn values<P: ArrowPrimitiveType>(
        &self,
        tile: &Tile,
        ranges: &[Range<u64>],
        (blocks, counts): (&[Arc<Block>], &[Arc<Block>]),
        (y, x): (&[Piece], &[Piece]),
    ) -> CubeResult<ArrayRef>
    where
        P::Native: Sample,
    {
        let lengths: Vec<usize> = ranges
            .iter()
            .map(|range| (range.end - range.start) as usize)
            .collect();
        let (others, plane_shape) = lengths.split_at(lengths.len() - 2);
        let cells: usize = plane_shape.iter().product();
        let count: usize = others.iter().product();
        let Some(window) = tile.window() else {
            return Ok(Arc::new(PrimitiveArray::<P>::new_null(cells * count)));
        };
        let planes = |blocks: &[Arc<Block>]| {
            let numbers = blocks.iter().map(Numbers::<P>::of);
            Ok::<_, CubeError>(Planes {
                window,
                x,
                y,
                chunks: numbers.collect::<CubeResult<_>>()?,
                dimensions: self.horizontal,
            })
        };
        let mut plane = vec![P::Native::MISSING; window.cells()];
        let (planes, weights) = (planes(blocks)?, planes(counts)?);
        let mut weighed = self.counts.is_some().then(|| plane.clone());
        let mut values = vec![P::Native::MISSING; cells * count];
        for (at, out) in values.chunks_exact_mut(cells).enumerate() {
            let mut rest = at;
            let mut place: Vec<usize> = others
                .iter()
                .rev()
                .map(|length| {
                    let own = rest % length;
                    rest /= length;
                    own
                })
                .collect();
            place.reverse();
            plane.fill(P::Native::MISSING);
            planes.copy(&place, &mut plane);
            if let Some(counts) = &mut weighed {
                weights.copy(&place, counts);
            }
            match tile {
                Tile::Outside => {}
                Tile::Points(points) => points.apply(&plane, out),
                Tile::Areas(areas) => {
                    let weighed = (plane.as_slice(), weighed.as_deref());
                    areas.apply(self.method, self.missing, weighed, out);
                }
                Tile::Parts(parts) => parts.apply(self.method, self.missing, &plane, out),
                Tile::Centres(centres) => centres.apply(self.method, self.missing, &plane, out),
            }
        }
        let nulls: NullBuffer = values.iter().map(|value| !value.is_missing()).collect();
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(Arc::new(PrimitiveArray::<P>::new(values.into(), nulls)))
    }
}

#[async_trait]
impl ArrayReader for Warped {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    fn working_bytes(&self) -> usize {
        self.working
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let tile = {
            let (tiles, method, missing) = (Arc::clone(&self.tiles), self.method, self.missing);
            let (y, x) = match index {
                [.., y, x] => (*y, *x),
                _ => (0, 0),
            };
            let found = self
                .compute
                .spawn(async move { tiles.tile(y, x, method, missing) });
            found.await.map_err(|error| {
                CubeError::new(ErrorKind::Unavailable, &self.description.name, error)
                    .remedy("run the query again")
            })??
        };
        let (y, x) = self.pieces(&tile);
        if y.is_empty() || x.is_empty() {
            return Ok(None);
        }
        let needed = self.needed(index, &y, &x);
        let fetches = self
            .arrays()
            .flat_map(|source| needed.iter().map(|index| source.fetch(index)));
        let pieces = try_join_all(fetches).await?;
        Ok(Some(EncodedChunk::of_pieces(pieces)))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let Payload::Pieces(fetched) = chunk.payload else {
            return chunk.payload.into_values(&self.description.name);
        };
        let tile = self.tile(index)?;
        let (y, x) = self.pieces(&tile);
        let needed = self.needed(index, &y, &x);
        let places = self
            .arrays()
            .flat_map(|source| needed.iter().map(move |index| (source, index)));
        let blocks = std::iter::zip(places, fetched)
            .map(|((source, index), piece)| source.decode(index, piece))
            .collect::<CubeResult<Vec<_>>>()?;
        let blocks = blocks.split_at(needed.len().min(blocks.len()));
        let ranges = std::iter::zip(&self.description.chunks, index);
        let ranges: Vec<Range<u64>> = ranges
            .map(|(chunks, number)| chunks.range(*number))
            .collect();
        let pieces = (y.as_slice(), x.as_slice());
        let values = match self.source.variable.decoding.data_type() {
            DataType::Float32 => self.values::<Float32Type>(&tile, &ranges, blocks, pieces)?,
            _ => self.values::<Float64Type>(&tile, &ranges, blocks, pieces)?,
        };
        Ok(RawChunk {
            values: in_type(&values, &self.description.data_type)
                .map_err(|error| CubeError::unsupported(&self.description.name, error))?,
            shape: ranges
                .iter()
                .map(|range| (range.end - range.start) as usize)
                .collect(),
        })
    }
}
