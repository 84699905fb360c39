//! A variable of one cube as it is seen on the cells of another.
//!
//! ```text
//!  cells of the other cube   t  0  1  2  3  4        x  0  1  2
//!                               │  │  ·  │  │           ╲  ╲  ╲      [`AxisMap`] per dimension
//!  cells of its own cube     t  2  3     4  5        x  3  2  1
//! ```
//! A chunk of the view is put together from the chunks of the variable in which its cells are seen; as
//! a rule views are cut so that this is one. Cells that are not seen are NULL.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use async_trait::async_trait;
use datafusion::common::Result;
use futures::future::try_join_all;
use serde_json::Value;

use super::map::AxisMap;
use crate::cube::Variable;
use crate::cube::block::{Block, BlockValues};
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::cube::gather::{Segment, Selected, cut};
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};

/// A dimension of the view or of the variable.
#[derive(Debug, Clone)]
pub(super) enum Dimension {
    /// The variable does not run along it, but it is there only where the map sees a cell. Such
    /// dimensions come first.
    Presence(AxisMap),
    /// The variable runs along it.
    Along(AxisMap),
    /// The variable runs along it, the view does not: it sees one cell of it.
    Cell(u64),
}

/// The view.
#[derive(Debug)]
struct Seen {
    variable: Variable,
    dimensions: Vec<Dimension>,
    description: ArrayDescription,
}

/// `variable` through `dimensions`, cut into `chunks`, on the axes `axes` of the other cube: one entry
/// each per dimension that the view has.
///
/// # Errors
/// There is no NULL of the variable's type.
pub(super) fn seen(
    variable: &Variable,
    dimensions: Vec<Dimension>,
    chunks: Vec<AxisChunks>,
    axes: Vec<usize>,
) -> CubeResult<Variable> {
    let inner = variable.array.description();
    let description = ArrayDescription {
        name: inner.name.clone(),
        dimensions: axes.iter().map(|axis| format!("dim_{axis}")).collect(),
        shape: chunks.iter().map(AxisChunks::length).collect(),
        data_type: variable.decoding.data_type().clone(),
        fill_value: Value::Null,
        attributes: Attributes::new(),
        codecs: inner.codecs.clone(),
        shard_shape: None,
        stored_bytes: None,
        chunks,
    };
    let origin = variable.origin.as_ref().map(|origin| {
        let mut hasher = DefaultHasher::new();
        for dimension in &dimensions {
            std::mem::discriminant(dimension).hash(&mut hasher);
            match dimension {
                Dimension::Presence(map) | Dimension::Along(map) => map.hash(&mut hasher),
                Dimension::Cell(cell) => cell.hash(&mut hasher),
            }
        }
        format!("{:?}", description.chunks).hash(&mut hasher);
        format!("{origin}\nseen as {:016x}", hasher.finish()).into()
    });
    Ok(Variable {
        field: Arc::clone(&variable.field),
        axes,
        decoding: Decoding::of_values(&description.data_type)?,
        array: Arc::new(Seen {
            variable: variable.clone(),
            dimensions,
            description,
        }),
        origin,
    })
}

impl Seen {
    /// Per dimension, the cells of a chunk of the view, and the chunks of the variable in which they
    /// are seen: `None` for dimensions that one of the two does not have.
    fn dimensions(
        &self,
        index: &[u64],
    ) -> impl Iterator<Item = (&Dimension, Range<u64>, Option<&AxisChunks>)> {
        let mut cells = std::iter::zip(&self.description.chunks, index)
            .map(|(chunks, number)| chunks.range(*number));
        let mut stored = self.variable.chunks().iter();
        self.dimensions.iter().map(move |dimension| {
            let cells = match dimension {
                Dimension::Cell(_) => None,
                _ => cells.next(),
            };
            let stored = match dimension {
                Dimension::Presence(_) => None,
                _ => stored.next(),
            };
            (dimension, cells.unwrap_or(0..0), stored)
        })
    }

    /// Per dimension of the variable, the chunks that the chunk of the view at `index` needs.
    fn touched(&self, index: &[u64]) -> Vec<Vec<u64>> {
        self.dimensions(index)
            .filter_map(|(dimension, cells, chunks)| {
                let chunks = chunks?;
                match dimension {
                    Dimension::Presence(_) => None,
                    Dimension::Along(map) => Some(map.touched(cells, chunks)),
                    Dimension::Cell(cell) => Some(vec![chunks.index_of(*cell)]),
                }
            })
            .collect()
    }

    /// Is any cell of the chunk at `index` seen?
    fn is_seen(&self, index: &[u64]) -> bool {
        self.dimensions(index)
            .all(|(dimension, mut cells, _)| match dimension {
                Dimension::Presence(map) | Dimension::Along(map) => {
                    cells.any(|cell| map.get(cell).is_some())
                }
                Dimension::Cell(_) => true,
            })
    }

    /// The values of the chunk at `index`, out of the `blocks` that it needs.
    fn assemble(&self, index: &[u64], blocks: &[Arc<Block>]) -> Result<ArrayRef> {
        let touched = self.touched(index);
        let mut touched = touched.iter();
        let selected: Vec<Selected> = self
            .dimensions(index)
            .map(|(dimension, cells, chunks)| match (dimension, chunks) {
                (Dimension::Presence(map), _) => present(map, cells),
                (Dimension::Along(map), Some(chunks)) => {
                    let touched = touched.next().map_or(&[][..], Vec::as_slice);
                    map.selected(cells, chunks, touched)
                }
                (Dimension::Cell(cell), Some(chunks)) => {
                    touched.next();
                    let start = chunks.range(chunks.index_of(*cell)).start;
                    one_cell(1, Some(0), (cell - start) as usize)
                }
                (_, None) => Selected::new(Vec::new(), 0),
            })
            .collect();
        let order: Vec<usize> = (0..selected.len()).collect();
        if let [block] = blocks
            && let BlockValues::Constant(value) = &block.values
            && selected.iter().all(Selected::is_complete)
        {
            let cells = selected.iter().map(Selected::count).product();
            return value.to_array_of_size(cells);
        }
        cut(&selected, &order, blocks)
    }
}

/// A dimension of which every present cell is the variable's one cell.
fn present(map: &AxisMap, cells: Range<u64>) -> Selected {
    let chunk = |cell| map.get(cell).map(|_| 0);
    let segments = cells.map(|cell| Segment {
        chunk: chunk(cell),
        start: 0,
        length: 1,
    });
    Selected::new(segments.collect(), 1)
}

fn one_cell(chunk_count: usize, chunk: Option<usize>, start: usize) -> Selected {
    let segment = Segment {
        chunk,
        start,
        length: 1,
    };
    Selected::new(vec![segment], chunk_count)
}

/// Every combination of one number of each list, the last fastest.
fn combinations(lists: &[Vec<u64>]) -> Vec<Vec<u64>> {
    lists.iter().fold(vec![Vec::new()], |indices, numbers| {
        let longer = |index: Vec<u64>| {
            let extended = numbers.iter().map(move |number| {
                let mut index = index.clone();
                index.push(*number);
                index
            });
            extended.collect::<Vec<_>>()
        };
        indices.into_iter().flat_map(longer).collect()
    })
}

#[async_trait]
impl ArrayReader for Seen {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        if !self.is_seen(index) {
            return Ok(None);
        }
        let needed = combinations(&self.touched(index));
        let pieces = try_join_all(needed.iter().map(|index| self.variable.fetch(index))).await?;
        Ok(Some(EncodedChunk::of_pieces(pieces)))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let Payload::Pieces(pieces) = chunk.payload else {
            return chunk.payload.into_values(&self.description.name);
        };
        let presences = self.dimensions.iter();
        let presences = presences
            .filter(|dimension| matches!(dimension, Dimension::Presence(_)))
            .count();
        let blocks = combinations(&self.touched(index))
            .iter()
            .zip(pieces)
            .map(|(index, piece)| {
                let mut block = self.variable.decode(index, piece)?;
                block.shape.splice(0..0, std::iter::repeat_n(1, presences));
                Ok(Arc::new(block))
            })
            .collect::<CubeResult<Vec<_>>>()?;
        let values = self
            .assemble(index, &blocks)
            .map_err(|error| CubeError::unsupported(&self.description.name, error))?;
        let ranges = std::iter::zip(&self.description.chunks, index);
        let ranges = ranges.map(|(chunks, number)| chunks.range(*number));
        Ok(RawChunk {
            values,
            shape: ranges
                .map(|range| (range.end - range.start) as usize)
                .collect(),
        })
    }
}
