//! How a cube that is being made is cut into boxes: what is computed, held in memory and written at a time.
//!
//! ```text
//!  objects of the target   ┌──┬──┬──┬──┐      a box is a block of whole objects, so that
//!                          ├──┼──┼──┼──┤      each object is written by one worker, once;
//!         box ───────────▶ ┃     ┃     ┃      its query asks for nothing but the box
//!                          └──┴──┴──┴──┘
//! ```
//! A box costs what its query reads. Chunks of a source that lie in several boxes are read several times,
//! so boxes grow, as far as memory goes, along the axis where that saves most. What a query would read is
//! asked of the planner itself, with a few of the boxes: no chunk is touched for it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_datasource::source::DataSourceExec;

use crate::bytes::format_bytes;
use crate::cube::AxisOrder;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, ErrorKind};
use crate::scan::CubeScan;

/// Reading this much more than once over is not worth larger boxes.
const ENOUGH: f64 = 1.05;

/// A cut along an axis must save at least this part of what a query reads; else the axis stays whole, as far as memory
/// allows.
const CUTS: f64 = 0.9;

/// A dimension of the cube, with the column of the query that it is.
#[derive(Debug, Clone)]
pub(super) struct TargetDimension {
    pub(super) name: String,
    /// Of the query.
    pub(super) column: usize,
    pub(super) coordinates: ArrayRef,
    pub(super) order: AxisOrder,
    /// Cells along it of a block in which objects of all variables are whole.
    pub(super) object: u64,
}

impl TargetDimension {
    fn length(&self) -> u64 {
        self.coordinates.len() as u64
    }
}

/// The boxes of a cube, counted in C order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boxes {
    /// Cells of a box per dimension; at an edge there are fewer.
    pub(super) shape: Vec<u64>,
    lengths: Vec<u64>,
}

impl Boxes {
    pub(super) fn new(shape: Vec<u64>, lengths: Vec<u64>) -> Self {
        Self { shape, lengths }
    }

    fn counts(&self) -> Vec<u64> {
        let along = self.lengths.iter().zip(&self.shape);
        along.map(|(length, size)| length.div_ceil(*size)).collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.counts().into_iter().product()
    }

    /// The cells of box `number` along each dimension.
    pub(super) fn ranges(&self, mut number: u64) -> Vec<Range<u64>> {
        let mut ranges = vec![0..0; self.shape.len()];
        for (axis, count) in self.counts().into_iter().enumerate().rev() {
            let start = number % count * self.shape[axis];
            ranges[axis] = start..(start + self.shape[axis]).min(self.lengths[axis]);
            number /= count;
        }
        ranges
    }

    /// How the boxes cut each dimension.
    pub(super) fn chunks(&self) -> Vec<AxisChunks> {
        let along = self.lengths.iter().zip(&self.shape);
        along
            .map(|(length, size)| AxisChunks::regular(*length, *size))
            .collect()
    }

    /// The number of the box at `index` along the dimensions.
    pub(super) fn number(&self, index: &[u64]) -> u64 {
        let counts = self.counts();
        let along = counts.iter().zip(index);
        along.fold(0, |number, (count, at)| number * count + at)
    }

    /// Cells of the largest box.
    pub(super) fn largest(&self) -> u64 {
        let along = self.shape.iter().zip(&self.lengths);
        along.map(|(size, length)| (*size).min(*length)).product()
    }

    pub(super) fn middle(&self) -> u64 {
        self.at(1, 2)
    }

    /// The box at `part` of `parts` along each dimension.
    fn at(&self, part: u64, parts: u64) -> u64 {
        let counts = self.counts();
        counts
            .iter()
            .fold(0, |number, count| number * count + count * part / parts)
    }
}

/// What reading costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReadCost {
    /// Decoded bytes.
    pub(super) bytes: u64,
    /// Chunks.
    pub(super) chunks: u64,
}

/// What is needed to cut a query into boxes.
pub(super) struct Cutter<'a> {
    pub(super) query: &'a LogicalPlan,
    pub(super) dimensions: &'a [TargetDimension],
    /// Does the query read tables that are no cubes, of which the costs are not known?
    pub(super) reads_tables: bool,
    /// A state in which queries are planned as rows, so that their scans can be seen.
    pub(super) state: &'a SessionState,
}

impl Cutter<'_> {
    /// The boxes whose cells, at most `most_cells` at a time, cost the least to read, and what that is.
    ///
    /// # Errors
    /// No box is small enough, or the query cannot be planned.
    pub(super) async fn cut(&self, most_cells: u64) -> Result<(Boxes, ReadCost)> {
        let lengths: Vec<u64> = self
            .dimensions
            .iter()
            .map(TargetDimension::length)
            .collect();
        let whole = match self.reads_tables {
            true => ReadCost::default(),
            false => cost(&self.plan(None).await?)?,
        };
        let mut shape: Vec<u64> = self
            .dimensions
            .iter()
            .map(|dimension| dimension.object.min(dimension.length()))
            .collect();
        let objects = shape.clone();
        for axis in 0..shape.len() {
            if whole.bytes > 0
                && shape[axis] < lengths[axis]
                && !self.is_cut_by(axis, &shape, whole).await?
            {
                shape[axis] = lengths[axis];
            }
        }
        // Where memory does not hold them they are cut all the same, and what lies under them is read again.
        for axis in 0..shape.len() {
            if shape.iter().product::<u64>() > most_cells {
                shape[axis] = objects[axis];
            }
        }
        if shape.iter().product::<u64>() > most_cells {
            return Err(self.too_large(&shape, most_cells));
        }
        let mut best = Boxes::new(shape, lengths.clone());
        if whole.bytes == 0 {
            // What a box costs is not known: the fewer, the better.
            while let Some(larger) = self
                .doubled(&best, most_cells)
                .into_iter()
                .min_by_key(Boxes::count)
            {
                best = larger;
            }
            return Ok((best, whole));
        }
        let mut total = self.total(&best).await?;
        while total.bytes as f64 > whole.bytes as f64 * ENOUGH {
            let mut better: Option<(Boxes, ReadCost)> = None;
            for candidate in self.doubled(&best, most_cells) {
                let cost = self.total(&candidate).await?;
                if better
                    .as_ref()
                    .is_none_or(|(_, best)| cost.bytes < best.bytes)
                {
                    better = Some((candidate, cost));
                }
            }
            match better {
                Some((candidate, cost)) if cost.bytes < total.bytes => {
                    (best, total) = (candidate, cost)
                }
                _ => break,
            }
        }
        Ok((best, total))
    }

    /// A box for each object, and what reading all of them would cost.
    ///
    /// # Errors
    /// An object has more than `most_cells` cells, or the query cannot be planned.
    pub(super) async fn by_object(&self, most_cells: u64) -> Result<(Boxes, ReadCost)> {
        let lengths = self.dimensions.iter().map(TargetDimension::length);
        let objects = self.dimensions.iter().map(|dimension| dimension.object);
        let boxes = Boxes::new(objects.collect(), lengths.collect());
        if boxes.largest() > most_cells {
            return Err(self.too_large(&boxes.shape, most_cells));
        }
        Ok((boxes, cost(&self.plan(None).await?)?))
    }

    /// The boxes twice as long along one axis, for each axis where they are not whole yet and fit.
    fn doubled(&self, boxes: &Boxes, most_cells: u64) -> Vec<Boxes> {
        let longer = |axis: usize| {
            let (object, length) = (self.dimensions[axis].object, boxes.lengths[axis]);
            let mut shape = boxes.shape.clone();
            shape[axis] = (shape[axis] * 2).min(length.div_ceil(object) * object);
            Boxes::new(shape, boxes.lengths.clone())
        };
        (0..boxes.shape.len())
            .filter(|axis| boxes.shape[*axis] < boxes.lengths[*axis])
            .map(longer)
            .filter(|boxes| boxes.largest() <= most_cells)
            .collect()
    }

    /// The query of a box, or of all of them.
    async fn plan(&self, ranges: Option<&[Range<u64>]>) -> Result<Arc<dyn ExecutionPlan>> {
        let query = match ranges {
            Some(ranges) => query_of_box(self.query, self.dimensions, ranges)?,
            None => self.query.clone(),
        };
        self.state.create_physical_plan(&query).await
    }

    /// Does a query of part of the axis read less?
    async fn is_cut_by(&self, axis: usize, shape: &[u64], whole: ReadCost) -> Result<bool> {
        let mut ranges: Vec<Range<u64>> = self
            .dimensions
            .iter()
            .map(|dimension| 0..dimension.length())
            .collect();
        ranges[axis] = 0..shape[axis];
        let part = cost(&self.plan(Some(&ranges)).await?)?;
        Ok((part.bytes as f64) < whole.bytes as f64 * CUTS)
    }

    /// What reading all boxes costs, judged by a few: any one may lie across chunks that others do not.
    async fn total(&self, boxes: &Boxes) -> Result<ReadCost> {
        let mut samples = [1, 3, 5].map(|part| boxes.at(part, 6)).to_vec();
        samples.dedup();
        let mut total = ReadCost::default();
        for number in &samples {
            let one = cost(&self.plan(Some(&boxes.ranges(*number))).await?)?;
            total.bytes = total.bytes.saturating_add(one.bytes);
            total.chunks = total.chunks.saturating_add(one.chunks);
        }
        let of_all = |sampled: u64| sampled.saturating_mul(boxes.count()) / samples.len() as u64;
        Ok(ReadCost {
            bytes: of_all(total.bytes),
            chunks: of_all(total.chunks),
        })
    }

    fn too_large(&self, shape: &[u64], most_cells: u64) -> datafusion::common::DataFusionError {
        let along: Vec<String> = self
            .dimensions
            .iter()
            .zip(shape)
            .map(|(dimension, size)| format!("{}={size}", dimension.name))
            .collect();
        CubeError::new(
            ErrorKind::Limit,
            "",
            format!(
                "the smallest part of the cube that can be computed at a time, {}, has more than the {most_cells} cells that memory allows",
                along.join(", ")
            ),
        )
        .remedy(format!(
            "make chunks and shards smaller, or raise the memory (option memory, or --memory; shards hold {} by default)",
            format_bytes(64 << 20)
        ))
        .into()
    }
}

/// The query for the cells of a box alone.
///
/// # Errors
/// The condition cannot be put above the query.
pub(super) fn query_of_box(
    query: &LogicalPlan,
    dimensions: &[TargetDimension],
    ranges: &[Range<u64>],
) -> Result<LogicalPlan> {
    let mut builder = LogicalPlanBuilder::from(query.clone());
    for (dimension, range) in dimensions.iter().zip(ranges) {
        if *range != (0..dimension.length()) {
            let column = Expr::from(query.schema().qualified_field(dimension.column));
            builder = builder.filter(is_within(column, dimension, range)?)?;
        }
    }
    builder.build()
}

fn is_within(column: Expr, dimension: &TargetDimension, range: &Range<u64>) -> Result<Expr> {
    let at = |cell: u64| -> Result<Expr> {
        let value = ScalarValue::try_from_array(&dimension.coordinates, cell as usize)?;
        Ok(lit(value))
    };
    if range.end - range.start == 1 {
        return Ok(column.eq(at(range.start)?));
    }
    Ok(match dimension.order {
        AxisOrder::Ascending => column.between(at(range.start)?, at(range.end - 1)?),
        AxisOrder::Descending => column.between(at(range.end - 1)?, at(range.start)?),
        AxisOrder::Unordered => {
            let values = range.clone().map(at).collect::<Result<_>>()?;
            column.in_list(values, false)
        }
    })
}

/// What the scans of a plan read.
fn cost(plan: &Arc<dyn ExecutionPlan>) -> Result<ReadCost> {
    let mut total = ReadCost::default();
    plan.apply(|node| {
        let scan = node
            .downcast_ref::<DataSourceExec>()
            .and_then(|source| source.data_source().downcast_ref::<CubeScan>());
        if let Some(scan) = scan {
            total.bytes = total.bytes.saturating_add(scan.decoded_bytes());
            total.chunks = total.chunks.saturating_add(scan.chunk_counts().1);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_cover_every_cell_once() {
        let boxes = Boxes::new(vec![4, 3], vec![10, 6]);
        assert_eq!(boxes.count(), 6);
        let mut seen = vec![0; 60];
        for number in 0..boxes.count() {
            let ranges = boxes.ranges(number);
            for y in ranges[0].clone() {
                for x in ranges[1].clone() {
                    seen[(y * 6 + x) as usize] += 1;
                }
            }
        }
        assert!(seen.iter().all(|times| *times == 1));
    }
}
