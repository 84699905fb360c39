//! Makes a cube: computes box after box, and writes each as it comes.
//!
//! ```text
//!  worker   query of a box ─▶ blocks or rows ─▶ cells ─▶ stored numbers ─▶ encoded objects      as many as threads
//!                                                                             │ put, while the next is encoded
//!                                                                             ▼
//!  when all objects of the box are in the store: a note that it is done
//!  when all boxes are done: commit, and everybody sees the cube
//! ```
//! The boxes in work are all that is in memory. Dropping the future stops the work; the notes stay, and
//! the same statement run again goes on with the boxes that are missing.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::ArrayRef;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SessionState, TaskContext};
use tokio::runtime::Handle;

use super::box_query::BoxQuery;
use super::carry::Object;
use super::claim::Claim;
use super::notes::{Build, BuildNotes};
use super::objects::{self, cut, objects_in, within};
use super::plan::{Target, WritePlan};
use super::statistics::WrittenStatistics;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::progress::QueryProgress;
use crate::runtime::{io_handle, run_on, yield_now};
use crate::sink::CubeWriter;
use crate::statistics::StatisticsStore;

/// Encoded objects of a box on their way to the store.
const PUTS_AT_ONCE: usize = 4;

/// What making a cube came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Built {
    /// Cells of all variables.
    pub(crate) cells: u64,
    /// Objects written now.
    pub(crate) objects: u64,
    /// Objects of the cube before that were taken over as they are, now.
    pub(crate) carried: u64,
    /// Bytes written now.
    pub(crate) bytes: u64,
    /// Values that were stored as missing because their type cannot hold them.
    pub(crate) out_of_range: u64,
    /// Boxes of the cube.
    pub(crate) boxes: u64,
    /// Boxes that an earlier run of the statement had finished.
    pub(crate) kept: u64,
    /// What its chunks hold, as far as they were written or taken over now.
    pub(crate) statistics: Arc<WrittenStatistics>,
}

#[derive(Debug, Default)]
struct Counters {
    carried: AtomicU64,
    objects: AtomicU64,
    bytes: AtomicU64,
    out_of_range: AtomicU64,
}

/// What all workers share.
struct Work {
    plan: WritePlan,
    writer: Arc<dyn CubeWriter>,
    notes: BuildNotes,
    state: SessionState,
    io: Handle,
    counters: Counters,
    next: AtomicU64,
    /// Numbers of the boxes to compute.
    boxes: Vec<u64>,
    progress: Arc<QueryProgress>,
    statistics: Arc<WrittenStatistics>,
}

/// Makes the cube of `plan`.
///
/// # Errors
/// The query fails, gives cells twice or values that cannot be stored, someone else writes the cube,
/// or the store fails. Readers then see what they saw before.
pub(crate) async fn build(
    mut plan: WritePlan,
    progress: Arc<QueryProgress>,
    known: &Arc<StatisticsStore>,
) -> Result<Built> {
    let io = io_handle(plan.draft.state.config());
    let target = &plan.draft.target;
    let notes = BuildNotes::new(target.sink.notes(&target.location));
    // Before anything is written: what is there and is no cube is not touched.
    let writer = {
        let (sink, location, over) = (
            Arc::clone(&target.sink),
            target.location.clone(),
            target.over.clone(),
        );
        let (cube, options) = (plan.draft.cube.clone(), plan.draft.format_options.clone());
        let opened = run_on(&io, async move {
            sink.open(&location, &cube, &options, over.as_deref()).await
        });
        opened.await?
    };
    let claim = Claim::take(notes.folder(), &io).await?;
    check_unchanged(target).await?;
    // Before anything is removed: that changes the versions of what shares its bytes.
    let statistics = Arc::new(WrittenStatistics::of(&plan.draft, known, &io).await);
    let begun = notes.begun().await?;
    let resumed = begun.filter(|begun| {
        begun.fingerprint == plan.fingerprint
            && begun.over == target.over
            && plan.accepts(&begun.box_shape)
    });
    let done = match &resumed {
        Some(begun) => {
            plan.boxes.shape.clone_from(&begun.box_shape);
            notes.done().await?
        }
        None => {
            notes.forget().await?;
            writer.discard().await?;
            notes
                .begin(&Build {
                    fingerprint: plan.fingerprint.clone(),
                    statement: plan.draft.statement.clone(),
                    box_shape: plan.boxes.shape.clone(),
                    over: plan.draft.target.over.clone(),
                })
                .await?;
            Default::default()
        }
    };
    let count = plan.boxes.count();
    let boxes: Vec<u64> = (0..count).filter(|number| !done.contains(number)).collect();
    let workers = plan.workers.min(boxes.len()).max(1);
    let mut state = plan.draft.state.clone();
    // Boxes beside each other use all threads; a single one needs them itself.
    let threads = state.config().target_partitions();
    state.config_mut().options_mut().execution.target_partitions = (threads / workers).max(1);
    state.config_mut().set_extension(Arc::clone(&progress));
    let kept = count - boxes.len() as u64;
    progress.expect_boxes(count);
    progress.finish_boxes(kept);
    let work = Arc::new(Work {
        plan,
        writer,
        notes,
        state,
        io,
        counters: Counters::default(),
        next: AtomicU64::default(),
        boxes,
        progress,
        statistics,
    });
    work.write_small_arrays().await?;
    work.write_partial_variables().await?;
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let work = Arc::clone(&work);
        running.spawn(async move { work.run().await });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|error| DataFusionError::External(Box::new(error)))??;
    }
    claim.check().await?;
    {
        let writer = Arc::clone(&work.writer);
        run_on(&work.io, async move { writer.commit().await }).await?;
    }
    work.notes.forget().await?;
    claim.release().await?;
    let target = &work.plan.draft.target;
    // The cube is there: folders without a meaning are no reason to say that it is not.
    let _ = target.sink.clear(&target.location).await;
    let counters = &work.counters;
    Ok(Built {
        cells: work.plan.cells(),
        carried: counters.carried.load(Relaxed),
        objects: counters.objects.load(Relaxed),
        bytes: counters.bytes.load(Relaxed),
        out_of_range: counters.out_of_range.load(Relaxed),
        boxes: count,
        kept,
        statistics: Arc::clone(&work.statistics),
    })
}

/// Someone may have committed a state between the look at the cube and the claim: its objects have the
/// names that ours would have.
pub(super) async fn check_unchanged(target: &Target) -> CubeResult<()> {
    match target.sink.version(&target.location).await? == target.over {
        true => Ok(()),
        false => Err(CubeError::new(
            ErrorKind::Conflict,
            &target.location.url,
            "someone else has written the cube since this statement began",
        )
        .remedy("run the statement again")),
    }
}

impl Work {
    /// Coordinates, bounds, the grid mapping.
    async fn write_small_arrays(self: &Arc<Self>) -> Result<()> {
        for (array, values) in &self.plan.draft.small {
            let target = &self.plan.draft.cube.arrays[*array];
            let whole: Vec<Range<u64>> = target.shape.iter().map(|length| 0..*length).collect();
            let mut puts = JoinSet::new();
            self.write_objects(*array, values, &whole, &mut puts)
                .await?;
            finish(&mut puts, 0).await?;
        }
        Ok(())
    }

    /// Variables that do not have all dimensions, each whole.
    async fn write_partial_variables(self: &Arc<Self>) -> Result<()> {
        for partial in &self.plan.draft.partial {
            let values = partial.values(&self.state).await?;
            let (stored, counts) = partial.variable.encoding.encode(&values)?;
            let lost = counts.out_of_range;
            self.counters.out_of_range.fetch_add(lost, Relaxed);
            let mut puts = JoinSet::new();
            let (array, ranges) = (partial.variable.array, partial.ranges());
            self.write_objects(array, &stored, &ranges, &mut puts)
                .await?;
            finish(&mut puts, 0).await?;
        }
        Ok(())
    }

    async fn run(self: Arc<Self>) -> Result<()> {
        loop {
            let at = self.next.fetch_add(1, Relaxed) as usize;
            let Some(number) = self.boxes.get(at) else {
                return Ok(());
            };
            self.write_box(*number).await?;
        }
    }

    async fn write_box(self: &Arc<Self>, number: u64) -> Result<()> {
        let plan = &self.plan;
        let ranges = plan.boxes.ranges(number);
        if !self.carry_box(&ranges).await? {
            self.compute_and_write(&ranges).await?;
        }
        let (writer, notes) = (Arc::clone(&self.writer), self.notes.clone());
        let note = async move {
            writer.settle().await?;
            notes.finish_box(number).await
        };
        run_on(&self.io, note).await?;
        self.progress.finish_boxes(1);
        Ok(())
    }

    /// Does what there is to do for a box that stays as it was. False when it does not.
    async fn carry_box(self: &Arc<Self>, ranges: &[Range<u64>]) -> Result<bool> {
        let plan = &self.plan;
        let Some(carry) = &plan.draft.carry else {
            return Ok(false);
        };
        let mut layers = plan.draft.layers.iter().enumerate();
        if layers.any(|(at, layer)| at != carry.base && layer.touches(ranges)) {
            return Ok(false);
        }
        let mut carried = Vec::new();
        for variable in &plan.draft.variables {
            let shape = plan.draft.cube.arrays[variable.array].object_shape();
            for (to, cells) in objects_in(shape, ranges) {
                match carry.object(shape, &cells) {
                    Object::Carried(from) => carried.push((variable.array, from, to)),
                    Object::New => {}
                    Object::Mixed => return Ok(false),
                }
            }
        }
        for (array, from, to) in carried {
            self.statistics.carry(array, &from, &to);
            let writer = Arc::clone(&self.writer);
            run_on(
                &self.io,
                async move { writer.carry(array, &from, &to).await },
            )
            .await?;
            self.counters.carried.fetch_add(1, Relaxed);
        }
        Ok(true)
    }

    async fn compute_and_write(self: &Arc<Self>, ranges: &[Range<u64>]) -> Result<()> {
        let plan = &self.plan;
        let cells: u64 = ranges.iter().map(|range| range.end - range.start).product();
        let context = Arc::new(TaskContext::from(&self.state));
        let memory = MemoryConsumer::new(format!("writing {}", plan.draft.target.name))
            .register(context.memory_pool());
        memory.try_grow(
            usize::try_from(cells.saturating_mul(plan.bytes_per_cell())).unwrap_or(usize::MAX),
        )?;
        let arrays = self.compute(ranges, context).await?;
        let mut puts = JoinSet::new();
        for (variable, values) in plan.draft.variables.iter().zip(arrays) {
            let (stored, counts) = variable.encoding.encode(&values)?;
            self.counters
                .out_of_range
                .fetch_add(counts.out_of_range, Relaxed);
            drop(values);
            self.write_objects(variable.array, &stored, ranges, &mut puts)
                .await?;
            yield_now().await;
        }
        finish(&mut puts, 0).await
    }

    /// The variables of a box.
    async fn compute(
        &self,
        ranges: &[Range<u64>],
        context: Arc<TaskContext>,
    ) -> Result<Vec<ArrayRef>> {
        let draft = &self.plan.draft;
        let variables = draft.variables.iter().map(|variable| {
            let name = draft.cube.arrays[variable.array].name.as_str();
            (name, variable.data_type.clone())
        });
        let layers = draft.layers.iter().filter(|layer| layer.touches(ranges));
        let part = BoxQuery {
            state: &self.state,
            dimensions: &draft.dimensions,
            variables: &variables.collect::<Vec<_>>(),
        };
        part.values(layers.map(|layer| &layer.query), ranges, context)
            .await
    }

    /// Encodes and puts the objects of `array` whose cells are `values` in `ranges`.
    async fn write_objects(
        self: &Arc<Self>,
        array: usize,
        values: &ArrayRef,
        ranges: &[Range<u64>],
        puts: &mut JoinSet<CubeResult<()>>,
    ) -> Result<()> {
        let extent = objects::extent(ranges);
        let target = &self.plan.draft.cube.arrays[array];
        for (index, cells) in objects_in(target.object_shape(), ranges) {
            let part = cut(values, &extent, &within(&cells, ranges))?;
            self.statistics.add(array, &part, &cells)?;
            let part_extent = objects::extent(&cells);
            let bytes = self.writer.encode(array, &index, &part, &part_extent)?;
            let Some(bytes) = bytes else {
                continue;
            };
            self.counters.objects.fetch_add(1, Relaxed);
            self.counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
            self.progress.add_written(bytes.len() as u64);
            finish(puts, PUTS_AT_ONCE - 1).await?;
            let writer = Arc::clone(&self.writer);
            puts.spawn_on(
                async move { writer.put(array, &index, bytes).await },
                &self.io,
            );
        }
        Ok(())
    }
}

/// Waits until at most `left` puts are on their way.
async fn finish(puts: &mut JoinSet<CubeResult<()>>, left: usize) -> Result<()> {
    while puts.len() > left {
        match puts.join_next().await {
            Some(Ok(ended)) => ended?,
            Some(Err(error)) => {
                return Err(CubeError::new(ErrorKind::Unavailable, "", error)
                    .remedy("run the statement again: it goes on where it stopped")
                    .into());
            }
            None => return Ok(()),
        }
    }
    Ok(())
}
