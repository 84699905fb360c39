//! Parts of a box: which objects or chunks lie in it, and their values.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, UInt64Array, make_array};
use arrow::buffer::MutableBuffer;
use arrow::compute::take;
use datafusion::common::Result;

/// The objects of `shape` cells that lie in a box, and their cells.
pub(super) fn objects_in(shape: &[u64], ranges: &[Range<u64>]) -> Vec<(Vec<u64>, Vec<Range<u64>>)> {
    let mut objects = vec![(Vec::new(), Vec::new())];
    for (size, range) in shape.iter().zip(ranges) {
        let along: Vec<(u64, Range<u64>)> = (range.start / size..range.end.div_ceil(*size))
            .map(|at| {
                (
                    at,
                    (at * size).max(range.start)..((at + 1) * size).min(range.end),
                )
            })
            .collect();
        objects = objects
            .into_iter()
            .flat_map(|(index, cells): (Vec<u64>, Vec<Range<u64>>)| {
                along.iter().map(move |(at, range)| {
                    let (mut index, mut cells) = (index.clone(), cells.clone());
                    index.push(*at);
                    cells.push(range.clone());
                    (index, cells)
                })
            })
            .collect();
    }
    objects
}

/// Where `cells` lie in the box with these `ranges`.
pub(super) fn within(cells: &[Range<u64>], ranges: &[Range<u64>]) -> Vec<Range<usize>> {
    let along = cells.iter().zip(ranges);
    along
        .map(|(cells, range)| {
            (cells.start - range.start) as usize..(cells.end - range.start) as usize
        })
        .collect()
}

/// Cells along each dimension.
pub(super) fn extent(ranges: &[Range<u64>]) -> Vec<usize> {
    let lengths = ranges.iter().map(|range| range.end - range.start);
    lengths.map(|length| length as usize).collect()
}

/// The cells `within` of an array of `extent` cells per dimension, in C order.
pub(super) fn cut(
    values: &ArrayRef,
    extent: &[usize],
    within: &[Range<usize>],
) -> Result<ArrayRef> {
    if within
        .iter()
        .zip(extent)
        .all(|(range, length)| range.len() == *length)
    {
        return Ok(Arc::clone(values));
    }
    // Runs of cells that lie side by side. Runs of whole dimensions stay runs.
    let mut runs = vec![0..1];
    for (range, length) in within.iter().zip(extent) {
        let is_whole = range.len() == *length;
        runs = match is_whole {
            true => runs
                .into_iter()
                .map(|run: Range<usize>| run.start * length..run.end * length)
                .collect(),
            false => runs
                .into_iter()
                .flatten()
                .map(|at| at * length + range.start..at * length + range.end)
                .collect(),
        };
    }
    let count: usize = runs.iter().map(ExactSizeIterator::len).sum();
    match values.data_type().primitive_width() {
        Some(width) => {
            let data = values.to_data();
            let Some(buffer) = data.buffers().first() else {
                return Ok(values.slice(0, 0));
            };
            let source = &buffer.as_slice()[data.offset() * width..];
            let mut part = MutableBuffer::with_capacity(count * width);
            for run in runs {
                part.extend_from_slice(&source[run.start * width..run.end * width]);
            }
            let data = ArrayData::builder(values.data_type().clone())
                .len(count)
                .add_buffer(part.into())
                .build()?;
            Ok(make_array(data))
        }
        None => {
            let cells =
                UInt64Array::from_iter_values(runs.into_iter().flatten().map(|cell| cell as u64));
            Ok(take(values, &cells, None)?)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{AsArray, Int32Array, types::Int32Type};

    use super::*;

    #[test]
    fn parts_of_a_box_are_cut_in_order() {
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..60));
        let extent = [3, 4, 5];
        for within in [
            [0..3, 0..4, 0..5],
            [1..2, 0..4, 0..5],
            [0..3, 1..3, 0..5],
            [1..3, 2..4, 1..4],
        ] {
            let part = cut(&values, &extent, &within).unwrap();
            let expected: Vec<i32> = within[0]
                .clone()
                .flat_map(|z| {
                    let within = &within;
                    within[1].clone().flat_map(move |y| {
                        within[2].clone().map(move |x| (z * 20 + y * 5 + x) as i32)
                    })
                })
                .collect();
            assert_eq!(
                part.as_primitive::<Int32Type>().values(),
                &expected[..],
                "{within:?}"
            );
        }
    }

    #[test]
    fn objects_of_a_box_are_those_that_it_holds() {
        let objects = objects_in(&[4, 3], &[4..10, 0..3]);
        assert_eq!(
            objects,
            [
                (vec![1, 0], vec![4..8, 0..3]),
                (vec![2, 0], vec![8..10, 0..3]),
            ]
        );
    }
}
