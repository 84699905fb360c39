//! The table of regions in memory, and the cells that each of its rows selects: once per execution.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::concat_batches;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;

use crate::cube::Cube;
use crate::dense::regions::boxes::Boxes;
use crate::dense::regions::join::RegionJoin;
use crate::dense::regions::place::Placing;
use crate::scan::selection::AxisSelection;

/// Regions and their cells.
#[derive(Debug)]
pub(crate) struct Regions {
    /// The rows of the regions' table.
    pub(crate) rows: RecordBatch,
    /// The cells of each region.
    pub(crate) boxes: Arc<Boxes>,
    /// Per axis of the cube, the selected cells of which a region selects at least one.
    pub(crate) selections: Vec<AxisSelection>,
    /// What `rows` and whoever maps them weigh.
    pub(crate) memory: MemoryReservation,
}

impl Regions {
    /// Runs the plan of the regions and decides which cells each selects.
    ///
    /// # Errors
    /// The plan fails, a condition fails on a coordinate, a geometry is none, or the memory pool has
    /// no room.
    pub(crate) async fn gather(join: &RegionJoin, context: &Arc<TaskContext>) -> Result<Self> {
        let cube = &join.scan.cube;
        let consumer = MemoryConsumer::new(format!("regions joined with {}", cube.name));
        let memory = consumer.register(context.memory_pool());
        let rows = collect(&join.regions, context, &memory).await?;
        let placing = Placing {
            cube,
            selections: &join.scan.predicate.selections,
            rows: &rows,
            joined: &join.joined,
            memory: &memory,
        };
        let boxes = placing.all(&join.conditions).await?;
        let selections = match join.kind.needs_cells_of_no_region() {
            true => join.scan.predicate.selections.clone(),
            false => narrowed(cube, &join.scan.predicate.selections, &boxes),
        };
        Ok(Self {
            rows,
            boxes: Arc::new(boxes),
            selections,
            memory,
        })
    }
}

async fn collect(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    memory: &MemoryReservation,
) -> Result<RecordBatch> {
    let partitions = plan.output_partitioning().partition_count();
    if partitions != 1 {
        return internal_err!("the regions of a join come in {partitions} partitions");
    }
    let schema = plan.schema();
    let mut batches = Vec::new();
    let mut stream = plan.execute(0, Arc::clone(context))?;
    while let Some(batch) = stream.next().await.transpose()? {
        memory.try_grow(batch.get_array_memory_size())?;
        batches.push(batch);
    }
    let rows = concat_batches(&schema, &batches)?;
    drop(batches);
    memory.try_resize(rows.get_array_memory_size())?;
    Ok(rows)
}

/// The selected cells of each axis that lie in a box.
fn narrowed(cube: &Cube, selections: &[AxisSelection], boxes: &Boxes) -> Vec<AxisSelection> {
    let mut narrowed = selections.to_vec();
    for (place, axis) in boxes.axes.iter().enumerate() {
        let stretches = boxes.iter().map(|(_, stretches)| stretches[place].clone());
        let covered = covered(stretches, cube.axes[*axis].coordinates.len());
        narrowed[*axis] = selections[*axis].and(&covered);
    }
    narrowed
}

/// The cells of an axis of `length` that lie in a stretch.
fn covered(stretches: impl Iterator<Item = Range<u32>>, length: usize) -> BooleanArray {
    // How many more stretches begin than end at each cell.
    let mut changes = vec![0i64; length + 1];
    for stretch in stretches {
        changes[stretch.start as usize] += 1;
        changes[stretch.end as usize] -= 1;
    }
    let mut open = 0;
    let mut covered = BooleanBufferBuilder::new(length);
    for change in &changes[..length] {
        open += change;
        covered.append(open > 0);
    }
    BooleanArray::new(covered.finish(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_stretches() {
        let covered = covered([1..3, 2..4, 6..7].into_iter(), 7);
        let cells: Vec<usize> = covered.values().set_indices().collect();
        assert_eq!(cells, [1, 2, 3, 6]);
    }
}
