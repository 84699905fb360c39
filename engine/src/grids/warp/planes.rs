//! Planes of the source, put together from decoded chunks: [`Planes`].
//!
//! ```text
//!  window   x −1 … 4, over the seam of a circle of 8 cells       chunks 0 │ 1
//!           ┌─┬───────┐
//!           │7│0 1 2 3│                                          pieces: 7..8, 0..4
//!           └─┴───────┘
//! ```

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use graticule_functions::warp::{CellAxis, Sample, Window};

use crate::cube::block::Block;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};

/// Cells of a chunk that lie side by side in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of the chunk along the axis.
    pub(crate) chunk: u64,
    /// First cell, counted in the chunk.
    first: usize,
    /// Where it stands in the window.
    at: usize,
    length: usize,
}

/// The pieces of an axis that are in the window `cells`; on a circle it may reach over the seam.
pub(crate) fn pieces(cells: &Range<i64>, axis: &CellAxis, chunks: &AxisChunks) -> Vec<Piece> {
    let count = axis.cells() as i64;
    let mut pieces = Vec::new();
    let mut cell = match axis.is_closed() {
        true => cells.start,
        false => cells.start.max(0),
    };
    let end = match axis.is_closed() {
        true => cells.end,
        false => cells.end.min(count),
    };
    while cell < end {
        let own = cell.rem_euclid(count) as u64;
        let chunk = chunks.index_of(own);
        let range = chunks.range(chunk);
        let length = (range.end - own).min((end - cell) as u64);
        pieces.push(Piece {
            chunk,
            first: (own - range.start) as usize,
            at: (cell - cells.start) as usize,
            length: length as usize,
        });
        cell += length as i64;
    }
    pieces
}

/// A decoded chunk, its values as numbers of one type.
pub(crate) struct Numbers<P: ArrowPrimitiveType> {
    values: arrow::array::PrimitiveArray<P>,
    shape: Vec<usize>,
}

impl<P: ArrowPrimitiveType> Numbers<P> {
    /// The values of `block`.
    ///
    /// # Errors
    /// They cannot be numbers of this type.
    pub(crate) fn of(block: &Arc<Block>) -> CubeResult<Self> {
        let values = as_numbers(&block.to_array()?, &P::DATA_TYPE)?;
        Ok(Self {
            values: values.as_primitive::<P>().clone(),
            shape: block.shape.clone(),
        })
    }
}

fn as_numbers(values: &ArrayRef, data_type: &DataType) -> CubeResult<ArrayRef> {
    let unsupported = |error| CubeError::unsupported("", error);
    match values.data_type() {
        known if known == data_type => Ok(Arc::clone(values)),
        // As integers they keep all their digits on the way.
        temporal if temporal.is_temporal() && temporal.primitive_width() == Some(8) => {
            let whole = cast(values, &DataType::Int64).map_err(unsupported)?;
            cast(&whole, data_type).map_err(unsupported)
        }
        _ => cast(values, data_type).map_err(unsupported),
    }
}

/// Numbers as values of a type that they were taken from.
pub(crate) fn in_type(
    values: &ArrayRef,
    data_type: &DataType,
) -> Result<ArrayRef, arrow::error::ArrowError> {
    match data_type.is_temporal() {
        true => cast(&cast(values, &DataType::Int64)?, data_type),
        false => cast(values, data_type),
    }
}

/// The chunks over a window, and how their cells lie in it.
pub(crate) struct Planes<'a, P: ArrowPrimitiveType> {
    pub(crate) window: &'a Window,
    pub(crate) x: &'a [Piece],
    pub(crate) y: &'a [Piece],
    /// Row by row of the pieces.
    pub(crate) chunks: Vec<Numbers<P>>,
    /// Numbers of the dimensions of y and x.
    pub(crate) dimensions: (usize, usize),
}

impl<P: ArrowPrimitiveType> Planes<'_, P>
where
    P::Native: Sample,
{
    /// Copies a plane of the window, that at `cells` of the other dimensions, row by row to `plane`, but for missing values.
    pub(crate) fn copy(&self, cells: &[usize], plane: &mut [P::Native]) {
        let width = self.window.width();
        let (y, x) = self.dimensions;
        for (down, rows) in self.y.iter().enumerate() {
            for (across, columns) in self.x.iter().enumerate() {
                let chunk = &self.chunks[down * self.x.len() + across];
                let stride =
                    |dimension: usize| -> usize { chunk.shape[dimension + 1..].iter().product() };
                let mut others = cells.iter();
                let base: usize = (0..chunk.shape.len())
                    .filter(|dimension| *dimension != y && *dimension != x)
                    .map(|dimension| others.next().copied().unwrap_or(0) * stride(dimension))
                    .sum();
                let (along, below) = (stride(x), stride(y));
                for row in 0..rows.length {
                    let from = base + (rows.first + row) * below + columns.first * along;
                    let to = (rows.at + row) * width + columns.at;
                    let row = &mut plane[to..to + columns.length];
                    copy_row(&chunk.values, from, along, row);
                }
            }
        }
    }
}

/// Copies values `from`, `from + step`, … but for missing ones.
fn copy_row<P: ArrowPrimitiveType>(
    values: &arrow::array::PrimitiveArray<P>,
    from: usize,
    step: usize,
    row: &mut [P::Native],
) {
    let stored = values.values();
    let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0);
    match (step, nulls) {
        (1, None) => row.copy_from_slice(&stored[from..from + row.len()]),
        (1, Some(nulls)) => {
            let nulls: NullBuffer = nulls.slice(from, row.len());
            for (start, end) in nulls.valid_slices() {
                row[start..end].copy_from_slice(&stored[from + start..from + end]);
            }
        }
        (_, nulls) => {
            for (at, value) in row.iter_mut().enumerate() {
                let cell = from + at * step;
                if nulls.is_none_or(|nulls| nulls.is_valid(cell)) {
                    *value = stored[cell];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn windows_are_made_of_pieces() {
        let centres: Vec<f64> = (0..8).map(f64::from).collect();
        let open = CellAxis::new(&centres, None).unwrap();
        let closed = CellAxis::new(&centres, Some(8.0)).unwrap();
        let chunks = AxisChunks::regular(8, 4);
        let piece = |chunk, first, at, length| Piece {
            chunk,
            first,
            at,
            length,
        };
        for (cells, axis, expected) in [
            (-1..5, &open, vec![piece(0, 0, 1, 4), piece(1, 0, 5, 1)]),
            (-1..4, &closed, vec![piece(1, 3, 0, 1), piece(0, 0, 1, 4)]),
            (7..10, &closed, vec![piece(1, 3, 0, 1), piece(0, 0, 1, 2)]),
            (9..12, &open, vec![]),
        ] {
            assert_eq!(pieces(&cells, axis, &chunks), expected);
        }
    }
}
