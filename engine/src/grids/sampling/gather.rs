//! Values of decoded chunks at points: [`Cells`].

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, PrimitiveBuilder,
};
use arrow::compute::cast;

use super::touched::{Along, Touched};
use crate::cube::block::Block;
use crate::error::{CubeError, CubeResult};

/// Where the cells of points are in the blocks of the touched chunks.
pub(super) struct Cells<'a> {
    touched: &'a Touched,
    /// Per block, how far apart cells are along each dimension, and how many cells come before its first.
    layouts: Vec<(Vec<usize>, usize)>,
    /// Per block, the places of the cells along dimensions that the points do not name, in the order of the result.
    others: Vec<Vec<usize>>,
    /// How many of these there are.
    per_point: usize,
}

impl<'a> Cells<'a> {
    /// Those in `blocks`, of `kept` cells along each dimension that the points do not name.
    pub(super) fn new(touched: &'a Touched, blocks: &[Arc<Block>], kept: &[usize]) -> Self {
        let layouts: Vec<(Vec<usize>, usize)> = blocks.iter().map(|block| layout(block)).collect();
        let others = layouts.iter().map(|(strides, _)| {
            let along = std::iter::zip(&touched.dimensions, strides);
            let strides = along
                .filter(|(dimension, _)| matches!(dimension, Along::Chunk(_)))
                .map(|(_, stride)| *stride);
            std::iter::zip(kept, strides).fold(vec![0], |places, (count, stride)| {
                let further = |place: usize| (0..*count).map(move |cell| place + cell * stride);
                places.into_iter().flat_map(further).collect()
            })
        });
        Self {
            others: others.collect(),
            layouts,
            per_point: kept.iter().product(),
            touched,
        }
    }

    /// The place of a corner of a point in block `number`, before the dimensions that it does not name.
    fn corner(&self, point: usize, corner: u32, number: usize) -> usize {
        let (strides, before) = &self.layouts[number];
        let (mut place, mut bit) = (0, 0);
        for (dimension, stride) in std::iter::zip(&self.touched.dimensions, strides) {
            if let Along::Points { cells, .. } = dimension {
                let sides = cells[point];
                let is_above = (corner >> bit) & 1 == 1;
                let side = if is_above { sides.above } else { sides.below };
                place += side.cell * stride;
                bit += 1;
            }
        }
        place - before
    }

    /// Per value of the result, the block and the cell in it; the first cell of block `missing` where there is none.
    pub(super) fn nearest(&self, missing: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::with_capacity(self.touched.points * self.per_point);
        for point in 0..self.touched.points {
            let mut cell = None;
            self.touched.each_corner(point, |combination, corner, _| {
                let number = self.touched.number(combination);
                cell = number.map(|number| (number, self.corner(point, corner, number)));
            });
            match cell {
                Some((number, place)) => {
                    let others = self.others[number].iter();
                    found.extend(others.map(|other| (number, place + other)));
                }
                None => found.extend(std::iter::repeat_n((missing, 0), self.per_point)),
            }
        }
        found
    }
}

/// How far apart cells of a block are along each dimension, and how many cells come before its first.
fn layout(block: &Block) -> (Vec<usize>, usize) {
    let mut strides = vec![1; block.shape.len()];
    for dimension in (1..strides.len()).rev() {
        strides[dimension - 1] = strides[dimension] * block.shape[dimension];
    }
    let before = strides.first().map_or(0, |stride| stride * block.first);
    (strides, before)
}

/// Numbers of 64 bits as those of a variable.
pub(super) trait Narrow<T> {
    fn narrow(self) -> T;
}

impl Narrow<f64> for f64 {
    fn narrow(self) -> f64 {
        self
    }
}

impl Narrow<f32> for f64 {
    fn narrow(self) -> f32 {
        self as f32
    }
}

/// The values between the corners around each point, missing where one of them is that has a share.
///
/// # Errors
/// The blocks hold no numbers.
pub(super) fn linear<P: ArrowPrimitiveType>(
    cells: &Cells<'_>,
    blocks: &[Arc<Block>],
) -> CubeResult<ArrayRef>
where
    P::Native: Into<f64>,
    f64: Narrow<P::Native>,
{
    let numbers = |block: &Arc<Block>| -> CubeResult<PrimitiveArray<P>> {
        let numbers = cast(&block.to_array()?, &P::DATA_TYPE);
        let numbers = numbers.map_err(|error| CubeError::unsupported("", error))?;
        Ok(numbers.as_primitive::<P>().clone())
    };
    let blocks = blocks.iter().map(numbers).collect::<CubeResult<Vec<_>>>()?;
    let touched = cells.touched;
    let mut values = PrimitiveBuilder::<P>::with_capacity(touched.points * cells.per_point);
    let mut corners = Vec::new();
    for point in 0..touched.points {
        corners.clear();
        touched.each_corner(point, |combination, corner, share| {
            let number = touched.number(combination);
            corners
                .extend(number.map(|number| (number, cells.corner(point, corner, number), share)));
        });
        for other in 0..cells.per_point {
            let mut sum = (!corners.is_empty()).then_some(0.0);
            for (number, place, share) in &corners {
                let (block, at) = (&blocks[*number], place + cells.others[*number][other]);
                let value: Option<f64> = block.is_valid(at).then(|| block.value(at).into());
                sum = sum.zip(value).map(|(sum, value)| sum + share * value);
            }
            values.append_option(sum.map(Narrow::narrow));
        }
    }
    Ok(Arc::new(values.finish()))
}
