//! A variable on splines through its series: [`splined`], an array whose chunks hold all new times of some places.
//!
//! ```text
//!            known times                            new times
//!  places  ┌──┬──┬──┐  all chunks of the source      ┌────────┐
//!          │▓▓│▓▓│▓▓│  along time, one after         │▓▓▓▓▓▓▓▓│  one chunk
//!          ├──┼──┼──┤  the other                     ├────────┤
//! ```
//! A value of a spline depends on all of its series. So time is not cut, and places are cut further where their series would
//! be large: each part reads all chunks under it again.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_functions::warp::Spline;

use crate::cube::Variable;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};
use crate::grids::warp::SourceChunks;
use crate::scan::CubeTable;
use crate::source::{ArrayDescription, ArrayReader, EncodedChunk, Payload, RawChunk};

/// Values of the series of a chunk, at most, where more than one place is in it; where memory is limited but large, more.
const MOST_VALUES: u64 = 1 << 22;

/// The part of limited memory that the series of a chunk may take, at most: one of so many.
const PART_OF_SERIES: usize = 64;

/// Chunks that are fetched at the same time.
const FETCHES: usize = 16;

/// The times of all series.
#[derive(Debug)]
pub(super) struct Times {
    /// Cells of the source's axis in the order of their times.
    pub(super) order: Vec<u32>,
    /// Their times, ascending.
    pub(super) known: Vec<f64>,
    /// Per new time, it and the numbers in that order of the known ones around it; `None` where there is no value.
    pub(super) wanted: Vec<Option<Wanted>>,
}

/// A new time that has a value where those around it have one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted {
    pub(super) time: f64,
    pub(super) before: usize,
    pub(super) after: usize,
}

#[derive(Debug)]
struct Splined {
    source: SourceChunks,
    /// The dimension of the source along which the times run.
    dimension: usize,
    times: Arc<Times>,
    description: ArrayDescription,
    /// What the chunks of the source along time, the series and their new values take, in bytes.
    working: usize,
}

/// `linear`, which is `variable` of the cube of `table` on lines between its values, on splines instead: its axes and type
/// stay. `dimension` of the variable is that of the times.
pub(super) fn splined(
    table: &CubeTable,
    variable: &Variable,
    dimension: usize,
    times: &Arc<Times>,
    linear: &Variable,
) -> Variable {
    let new = times.wanted.len() as u64;
    let longest = times.known.len().max(times.wanted.len()) as u64;
    let others = variable.chunks().iter().enumerate();
    let others: Vec<&AxisChunks> = others
        .filter(|(own, _)| *own != dimension)
        .map(|(_, chunks)| chunks)
        .collect();
    let most = match table.blocks().memory_limit() {
        Some(bytes) => MOST_VALUES.max((bytes / PART_OF_SERIES / size_of::<f64>()) as u64),
        None => MOST_VALUES,
    };
    let mut room = most / longest.max(1);
    let mut places: usize = 1;
    let mut chunks: Vec<AxisChunks> = Vec::with_capacity(others.len() + 1);
    for along in others.into_iter().rev() {
        let size = along.size().min(room.max(1));
        chunks.push(cut(along, size));
        places = places.saturating_mul(size as usize);
        room /= size;
    }
    chunks.push(AxisChunks::regular(new, new));
    chunks.reverse();
    let inner = linear.array.description();
    let column = variable.chunks().iter().enumerate();
    let column = column.map(|(own, chunks)| match own == dimension {
        true => chunks.length() as usize,
        false => chunks.size() as usize,
    });
    let width = variable.decoding.data_type().primitive_width();
    let column = column.fold(width.unwrap_or(size_of::<f64>()), usize::saturating_mul);
    let values = (times.known.len() + times.wanted.len()).saturating_mul(places);
    let working = column.saturating_add(values.saturating_mul(size_of::<f64>()));
    let fetches = (variable.chunks()[dimension].count() as usize).min(FETCHES);
    let below = variable.array.working_bytes().saturating_mul(fetches);
    Variable {
        array: Arc::new(Splined {
            working: working.saturating_add(below),
            source: SourceChunks::new(table, variable),
            dimension,
            times: Arc::clone(times),
            description: ArrayDescription {
                chunks,
                ..inner.clone()
            },
        }),
        ..linear.clone()
    }
}

/// Chunks cut into parts of `size` cells at most.
fn cut(chunks: &AxisChunks, size: u64) -> AxisChunks {
    let mut bounds = vec![0];
    for number in 0..chunks.count() {
        let range = chunks.range(number);
        let inner = (range.start + size..range.end).step_by(size as usize);
        bounds.extend(inner.chain([range.end]));
    }
    AxisChunks::ending_at(bounds)
}

impl Splined {
    /// The cells of the chunk at `index` along the dimensions that stay.
    fn others(&self, index: &[u64]) -> Vec<Range<u64>> {
        let along = std::iter::zip(&self.description.chunks, index).skip(1);
        along
            .map(|(chunks, number)| chunks.range(*number))
            .collect()
    }

    /// The chunks of the source under them, in the order of the time axis.
    fn needed(&self, others: &[Range<u64>]) -> Vec<Vec<u64>> {
        let chunks = self.source.variable.chunks();
        let mut others = others.iter();
        let mut index: Vec<u64> = chunks
            .iter()
            .enumerate()
            .map(|(own, chunks)| match own == self.dimension {
                true => 0,
                false => others
                    .next()
                    .map_or(0, |cells| chunks.index_of(cells.start)),
            })
            .collect();
        let numbers = 0..chunks[self.dimension].count();
        numbers
            .map(|number| {
                index[self.dimension] = number;
                index.clone()
            })
            .collect()
    }

    /// Cells of a series.
    fn length(&self) -> usize {
        self.source.variable.chunks()[self.dimension].length() as usize
    }

    /// The series of the places `others`, one after the other in the order of the axis.
    fn series(
        &self,
        others: &[Range<u64>],
        pieces: Vec<Option<EncodedChunk>>,
    ) -> CubeResult<Vec<f64>> {
        let chunks = self.source.variable.chunks();
        let length = self.length();
        let places: u64 = others.iter().map(|cells| cells.end - cells.start).product();
        let mut series = vec![f64::NAN; length * places as usize];
        for (index, piece) in std::iter::zip(self.needed(others), pieces) {
            let block = self.source.decode(&index, piece)?;
            let values = cast(&block.to_array()?, &DataType::Float64)
                .map_err(|error| CubeError::unsupported(&self.description.name, error))?;
            let values = values.as_primitive::<Float64Type>();
            let mut stride = 1;
            // Where the places lie in the block, and how far apart times do.
            let (mut offsets, mut of_time) = (vec![0], 1);
            let mut along = others.iter().rev();
            for own in (0..block.shape.len()).rev() {
                if own == self.dimension {
                    of_time = stride;
                } else if let Some(cells) = along.next() {
                    let start = chunks[own].range(index[own]).start;
                    let own_cells =
                        || (cells.start - start..cells.end - start).map(|cell| cell as usize);
                    offsets = own_cells()
                        .flat_map(|cell| offsets.iter().map(move |offset| offset + cell * stride))
                        .collect();
                }
                stride *= block.shape[own];
            }
            let times = chunks[self.dimension].range(index[self.dimension]);
            let first = times.start as usize;
            for time in 0..(times.end - times.start) as usize {
                for (place, offset) in offsets.iter().enumerate() {
                    let at = offset + time * of_time;
                    if values.is_valid(at) {
                        series[place * length + first + time] = values.value(at);
                    }
                }
            }
        }
        Ok(series)
    }

    /// The new values of the series, time after time.
    fn values(&self, series: &[f64]) -> Float64Array {
        let Times {
            order,
            known,
            wanted,
        } = self.times.as_ref();
        let length = self.length().max(1);
        let places = series.len() / length;
        let mut made = vec![f64::NAN; wanted.len() * places];
        let (mut spline, mut ordered) = (Spline::default(), vec![0.0; order.len()]);
        for (place, series) in series.chunks_exact(length).enumerate() {
            for (value, cell) in std::iter::zip(&mut ordered, order) {
                *value = series[*cell as usize];
            }
            spline.fit(known, &ordered);
            for (number, wanted) in wanted.iter().enumerate() {
                let Some(wanted) = wanted else { continue };
                let is_between =
                    !ordered[wanted.before].is_nan() && !ordered[wanted.after].is_nan();
                if is_between {
                    made[number * places + place] = spline.at(wanted.time);
                }
            }
        }
        let made = made
            .into_iter()
            .map(|value| (!value.is_nan()).then_some(value));
        made.collect()
    }
}

#[async_trait]
impl ArrayReader for Splined {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    fn working_bytes(&self) -> usize {
        self.working
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let needed = self.needed(&self.others(index));
        let source = &self.source;
        let pieces: Vec<Option<EncodedChunk>> = stream::iter(needed)
            .map(|index| async move { source.fetch(&index).await })
            .buffered(FETCHES)
            .try_collect()
            .await?;
        Ok(Some(EncodedChunk::of_pieces(pieces)))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let Payload::Pieces(pieces) = chunk.payload else {
            return chunk.payload.into_values(&self.description.name);
        };
        let others = self.others(index);
        let made: ArrayRef = Arc::new(self.values(&self.series(&others, pieces)?));
        let lengths = others
            .iter()
            .map(|cells| (cells.end - cells.start) as usize);
        Ok(RawChunk {
            values: cast(&made, &self.description.data_type)
                .map_err(|error| CubeError::unsupported(&self.description.name, error))?,
            shape: std::iter::once(self.times.wanted.len())
                .chain(lengths)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_at_their_own_edges_too() {
        let chunks = AxisChunks::regular(10, 4);
        assert_eq!(
            cut(&chunks, 3),
            AxisChunks::ending_at(vec![0, 3, 4, 7, 8, 10])
        );
        assert_eq!(cut(&chunks, 4), chunks);
    }
}
