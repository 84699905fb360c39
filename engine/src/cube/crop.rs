//! Takes the padding off a chunk at an edge of an array, before anything else looks at its cells.
//!
//! ```text
//!  stored  ┌───────┬─┐     cropped  ┌───────┐   in the same memory, where nobody else has it:
//!          │ cells │░│              │ cells │   rows move towards the front
//!          └───────┴─┘              └───────┘
//! ```
//! Once its cells lie side by side a unit is a slice of its chunk, and a chunk kept in the cache holds no
//! padding.

use arrow::array::{Array, ArrayRef, make_array};
use arrow::buffer::{Buffer, MutableBuffer};

use crate::error::{CubeError, CubeResult};
use crate::source::RawChunk;

/// The leading corner of `raw` that has the shape `extent`. Chunks that are too small, have NULLs already, or
/// values of no fixed width are left as they are.
///
/// # Errors
/// The values are not what their type says.
pub(super) fn crop(raw: RawChunk, extent: &[usize]) -> CubeResult<RawChunk> {
    let width = raw.values.data_type().primitive_width();
    let is_larger = raw.shape.len() == extent.len()
        && raw.shape != extent
        && std::iter::zip(&raw.shape, extent).all(|(have, need)| have >= need);
    let (Some(width), true, None) = (width, is_larger, raw.values.nulls()) else {
        return Ok(raw);
    };
    let RawChunk { values, shape } = raw;
    let cells: usize = extent.iter().product();
    let values = match Rows::new(&shape, extent) {
        None => values.slice(0, cells),
        Some(rows) => moved(values, &rows, width, cells)?,
    };
    Ok(RawChunk {
        values,
        shape: extent.to_vec(),
    })
}

/// Equal runs of cells that are kept, at equal distances along each of some axes.
struct Rows<'a> {
    /// Cells of a run.
    length: usize,
    /// Cells from one run to the next along the last of the axes.
    stride: usize,
    /// How many runs are kept along each axis, and how many there are.
    kept: &'a [usize],
    stored: &'a [usize],
}

impl<'a> Rows<'a> {
    /// The runs of the corner `extent` of `shape`; `None` when there is one.
    fn new(shape: &'a [usize], extent: &'a [usize]) -> Option<Self> {
        let cut = (1..shape.len())
            .rev()
            .find(|axis| shape[*axis] != extent[*axis])?;
        let inside: usize = shape[cut + 1..].iter().product();
        Some(Self {
            length: extent[cut] * inside,
            stride: shape[cut] * inside,
            kept: &extent[..cut],
            stored: &shape[..cut],
        })
    }

    /// Where each run starts, in order.
    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let count: usize = self.kept.iter().product();
        (0..count).map(|mut run| {
            let (mut start, mut stride) = (0, self.stride);
            for (kept, stored) in std::iter::zip(self.kept, self.stored).rev() {
                start += run % kept * stride;
                run /= kept;
                stride *= stored;
            }
            start
        })
    }
}

/// The values of the runs, side by side.
fn moved(values: ArrayRef, rows: &Rows<'_>, width: usize, cells: usize) -> CubeResult<ArrayRef> {
    let data = values.to_data();
    // The last handle but one to the memory.
    drop(values);
    let (data_type, _, _, offset, buffers, _) = data.into_parts();
    let Some(buffer) = buffers.into_iter().next() else {
        return Err(CubeError::corrupt("", "a chunk without values"));
    };
    let length = rows.length * width;
    let starts = rows.starts().map(|start| (offset + start) * width);
    let buffer: Buffer = match buffer.into_mutable() {
        Ok(mut memory) => {
            for (run, start) in starts.enumerate() {
                memory.copy_within(start..start + length, run * length);
            }
            memory.truncate(cells * width);
            memory.into()
        }
        Err(buffer) => {
            let mut memory = MutableBuffer::with_capacity(cells * width);
            for start in starts {
                memory.extend_from_slice(&buffer[start..start + length]);
            }
            memory.into()
        }
    };
    let values = arrow::array::ArrayDataBuilder::new(data_type)
        .len(cells)
        .add_buffer(buffer)
        .build();
    Ok(make_array(
        values.map_err(|error| CubeError::corrupt("", error))?,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::types::Int32Type;
    use arrow::array::{AsArray, Int32Array};

    use super::*;

    fn numbered(shape: &[usize]) -> Int32Array {
        Int32Array::from_iter_values(0..shape.iter().product::<usize>() as i32)
    }

    #[test]
    fn corners_equal_a_loop_over_their_cells() {
        let shapes: [&[usize]; 4] = [&[5], &[4, 3], &[2, 3, 4], &[3, 1, 2, 2]];
        for shape in shapes {
            let corners: usize = shape.iter().product();
            for mut corner in 0..corners {
                let mut extent = shape.to_vec();
                for (extent, length) in extent.iter_mut().zip(shape) {
                    *extent = corner % length + 1;
                    corner /= length;
                }
                let inside = |cell: &i32| {
                    let mut rest = *cell as usize;
                    let sizes = shape.iter().zip(&extent).rev();
                    sizes.fold(true, |inside, (length, extent)| {
                        let position = rest % length;
                        rest /= length;
                        inside && position < *extent
                    })
                };
                let expected: Vec<i32> = numbered(shape)
                    .values()
                    .iter()
                    .copied()
                    .filter(inside)
                    .collect();
                // Memory of its own, memory that somebody else holds too, and a part of one.
                let own = numbered(shape);
                let shared = own.clone();
                let longer = numbered(&[corners + 3]);
                for (values, first) in [(shared, 0), (own, 0), (longer.slice(3, corners), 3)] {
                    let raw = RawChunk {
                        values: Arc::new(values),
                        shape: shape.to_vec(),
                    };
                    let cropped = crop(raw, &extent).unwrap();
                    assert_eq!(cropped.shape, extent);
                    let found = cropped.values.as_primitive::<Int32Type>().values();
                    let found: Vec<i32> = found.iter().map(|value| value - first).collect();
                    assert_eq!(found, expected, "{extent:?} of {shape:?}");
                }
            }
        }
    }

    #[test]
    fn memory_of_its_own_is_not_copied() {
        let values = numbered(&[4, 6]);
        let before = values.values().as_ptr();
        let raw = RawChunk {
            values: Arc::new(values),
            shape: vec![4, 6],
        };
        let cropped = crop(raw, &[4, 5]).unwrap();
        assert_eq!(
            cropped.values.as_primitive::<Int32Type>().values().as_ptr(),
            before
        );
    }

    #[test]
    fn what_is_too_small_or_has_nulls_stays_as_it_is() {
        let raw = |values: Int32Array, shape: &[usize]| RawChunk {
            values: Arc::new(values),
            shape: shape.to_vec(),
        };
        assert_eq!(
            crop(raw(numbered(&[2, 2]), &[2, 2]), &[3, 1])
                .unwrap()
                .shape,
            [2, 2]
        );
        let nulls = Int32Array::from(vec![Some(1), None, Some(3), None]);
        assert_eq!(crop(raw(nulls, &[2, 2]), &[2, 1]).unwrap().shape, [2, 2]);
    }
}
