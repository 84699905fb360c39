//! Makes planned overviews.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type};
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use graticule_functions::warp::{Method, Sample};
use serde_json::json;
use tokio::runtime::Handle;

use super::counts::number_of;
use super::pass::{Layer, OtherAxis, Pass, Written};
use super::tiling::carried;
use super::{OverviewPlan, Reduction};
use crate::cache::BlockCache;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};
use crate::grids::SourceChunks;
use crate::overviews::made_of;
use crate::progress::QueryProgress;
use crate::runtime::{io_handle, run_on};
use crate::sink::{CubeSink, CubeWriter};
use crate::source::Location;
use crate::write::build::Built;
use crate::write::claim::Claim;
use crate::write::objects::{cut, extent, objects_in, within};
use crate::write::plan::Draft;

/// Memory for decoded chunks of the cube that lie under several tiles.
const SHARED_CHUNK_BYTES: u64 = 64 << 20;

impl OverviewPlan {
    /// Makes them: readers see none from the beginning until all are there.
    ///
    /// # Errors
    /// Someone else makes them, the cube cannot be read, or the store fails.
    pub(crate) async fn build(self, progress: Arc<QueryProgress>) -> Result<Built> {
        let state = &self.levels[0].state;
        let io = io_handle(state.config());
        let workers = state.config().target_partitions().max(1);
        let (sink, folder) = (Arc::clone(&self.target.sink), self.target.location.clone());
        let claim = Claim::take(&sink.notes(&folder), &io).await?;
        withdraw(&sink, &folder, &io).await?;
        let mut writers = Vec::new();
        for level in &self.levels {
            let writer = open(level, &io).await?;
            write_small(level, &writer, &io).await?;
            writers.push(writer);
        }
        let memory = MemoryConsumer::new(format!("overviews of {}", self.target.name))
            .register(TaskContext::from(state).memory_pool());
        let written = Arc::new(Written::default());
        let (mut tiles, mut counts) = (0, Vec::new());
        for at in 0..self.variables.len() {
            memory.try_grow(workers * self.bytes_of_tile(at))?;
            let of = Run {
                plan: &self,
                at,
                writers: &writers,
                io: &io,
                progress: &progress,
                written: &written,
            };
            let reduction = &self.variables[at];
            let (made, counts_differ) = match reduction.variable.decoding.data_type() {
                DataType::Float32 => of.run::<Float32Type>(workers).await?,
                _ => of.run::<Float64Type>(workers).await?,
            };
            tiles += made;
            if let Some(array) = &reduction.counts {
                let name = reduction.variable.field.name().clone();
                counts.push((name, counts_differ.then(|| array.clone())));
            }
            memory.free();
        }
        claim.check().await?;
        let methods: Vec<(String, Method)> = self
            .variables
            .iter()
            .map(|reduction| (reduction.variable.field.name().clone(), reduction.method))
            .collect();
        let is_one = methods.iter().all(|(_, method)| *method == methods[0].1);
        let method = methods.first().filter(|_| is_one);
        let method = method.map(|(_, method)| method.to_string());
        let bits = self.variables.iter().filter_map(|reduction| {
            let name = reduction.variable.field.name().clone();
            Some((name, json!(reduction.bits?)))
        });
        let bits = bits.collect();
        let attributes = made_of(&self.version, &methods, counts, bits, &self.statement);
        let count = self.levels.len() as u32;
        run_on(&io, async move {
            for writer in &writers {
                writer.settle().await?;
                writer.commit().await?;
            }
            keeper(sink.as_ref())?
                .publish(&folder, count, method.as_deref(), attributes)
                .await
        })
        .await?;
        claim.release().await?;
        // They are there: folders without a meaning are no reason to say that they are not.
        let _ = self.target.sink.clear(&self.target.location).await;
        Ok(Built {
            cells: self.levels.iter().map(cells_of).sum(),
            objects: written.objects.load(Relaxed),
            bytes: written.bytes.load(Relaxed),
            boxes: tiles,
            ..Built::default()
        })
    }

    /// Memory for chunks of the cube that lie under several tiles: none where each lies under one. Then nobody looks at
    /// it again, and the cache of the process keeps what queries come back for.
    fn kept_bytes(&self, at: usize) -> u64 {
        let reduction = &self.variables[at];
        let sides = [
            (self.grid.y, reduction.sides.y),
            (self.grid.x, reduction.sides.x),
        ];
        let is_of_one_tile = |(axis, chunks): (&usize, &AxisChunks)| {
            let side = sides.iter().find(|(own, _)| own == axis);
            match (side, chunks.regular_size()) {
                (Some((_, side)), Some(size)) => (2 * *side as u64).is_multiple_of(size.max(1)),
                (None, Some(_)) => true,
                (_, None) => false,
            }
        };
        let variable = &reduction.variable;
        let mut along = variable.axes.iter().zip(variable.chunks());
        match along.all(is_of_one_tile) {
            true => 0,
            false => SHARED_CHUNK_BYTES,
        }
    }

    /// Memory of a tile in work: the chunks under it as they are and as numbers, a plane of the cube, and what is carried of
    /// it and of unfinished ones.
    fn bytes_of_tile(&self, at: usize) -> usize {
        let reduction = &self.variables[at];
        let depth: u64 = reduction.others.iter().map(|(_, size)| *size).product();
        let cells = reduction.sides.y * reduction.sides.x;
        let chunks = reduction.variable.chunks();
        let chunk: u64 = chunks.iter().map(|chunks| chunks.size()).product();
        let under = |side: usize, axis: usize| {
            let dimension = reduction.variable.axes.iter().position(|own| *own == axis);
            let size = dimension
                .map_or(1, |dimension| chunks[dimension].size())
                .max(1);
            let below = 2 * side as u64;
            // Tiles whose edges are those of chunks look into no neighbours.
            let is_aligned = below.is_multiple_of(size) || size.is_multiple_of(below);
            below.div_ceil(size) + u64::from(!is_aligned)
        };
        let under = under(reduction.sides.y, self.grid.y) * under(reduction.sides.x, self.grid.x);
        let carried = cells * depth as usize * (carried(reduction.method) + 12);
        (under * chunk * 16) as usize + 4 * cells * 8 + (2 + self.levels.len()) * carried
    }
}

/// Removes the overviews in a folder, while nobody makes any.
///
/// # Errors
/// Someone else makes them, the folder holds something else, or the store fails.
pub(crate) async fn remove_overviews(
    sink: &Arc<dyn CubeSink>,
    folder: &Location,
    io: &Handle,
) -> CubeResult<()> {
    let claim = Claim::take(&sink.notes(folder), io).await?;
    withdraw(sink, folder, io).await?;
    claim.release().await?;
    // They are gone: folders without a meaning are no reason to say that they are not.
    let _ = keeper(sink.as_ref())?.tidy(folder).await;
    Ok(())
}

async fn withdraw(sink: &Arc<dyn CubeSink>, folder: &Location, io: &Handle) -> CubeResult<()> {
    let (sink, folder) = (Arc::clone(sink), folder.clone());
    run_on(
        io,
        async move { keeper(sink.as_ref())?.withdraw(&folder).await },
    )
    .await
}

fn keeper(sink: &dyn CubeSink) -> CubeResult<&dyn crate::sink::OverviewKeeper> {
    sink.overviews()
        .ok_or_else(|| CubeError::unsupported("", format!("{} keeps no overviews", sink.name())))
}

fn cells_of(level: &Draft) -> u64 {
    let of = |array: usize| level.cube.arrays[array].shape.iter().product::<u64>();
    level
        .variables
        .iter()
        .map(|variable| of(variable.array))
        .sum()
}

async fn open(level: &Draft, io: &Handle) -> CubeResult<Arc<dyn CubeWriter>> {
    let (sink, location) = (
        Arc::clone(&level.target.sink),
        level.target.location.clone(),
    );
    let (cube, options) = (level.cube.clone(), level.format_options.clone());
    run_on(io, async move {
        sink.open(&location, &cube, &options, None).await
    })
    .await
}

/// Coordinates, bounds, the grid mapping.
async fn write_small(level: &Draft, writer: &Arc<dyn CubeWriter>, io: &Handle) -> Result<()> {
    for (array, values) in &level.small {
        let target = &level.cube.arrays[*array];
        let whole: Vec<Range<u64>> = target.shape.iter().map(|length| 0..*length).collect();
        for (index, cells) in objects_in(target.object_shape(), &whole) {
            let part = cut(values, &extent(&whole), &within(&cells, &whole))?;
            let Some(bytes) = writer.encode(*array, &index, &part, &extent(&cells))? else {
                continue;
            };
            let (writer, array) = (Arc::clone(writer), *array);
            run_on(io, async move { writer.put(array, &index, bytes).await }).await?;
        }
    }
    Ok(())
}

/// The pass of one variable.
struct Run<'a> {
    plan: &'a OverviewPlan,
    at: usize,
    writers: &'a [Arc<dyn CubeWriter>],
    io: &'a Handle,
    progress: &'a Arc<QueryProgress>,
    written: &'a Arc<Written>,
}

impl Run<'_> {
    /// Gives the number of tiles, and whether some cells are made of fewer cells than others.
    async fn run<P: ArrowPrimitiveType>(&self, workers: usize) -> Result<(u64, bool)>
    where
        P::Native: Sample,
    {
        let context = TaskContext::from(&self.plan.levels[0].state);
        let memory = context.memory_pool();
        let (plan, reduction) = (self.plan, &self.plan.variables[self.at]);
        let layers = plan.levels.iter().zip(self.writers).map(|(level, writer)| {
            let variable = &level.variables[self.at];
            let shape = &level.cube.arrays[variable.array].shape;
            let [.., rows, columns] = shape[..] else {
                return Err(CubeError::invalid(
                    &plan.target.name,
                    "a level has no rows and columns",
                ));
            };
            Ok(Layer {
                writer: Arc::clone(writer),
                array: variable.array,
                counts: match &reduction.counts {
                    Some(name) => Some(number_of(level, name)?),
                    None => None,
                },
                data_type: variable.data_type.clone(),
                encoding: variable.encoding.clone(),
                rows: rows as usize,
                columns: columns as usize,
            })
        });
        let pass = Arc::new(Pass::<P> {
            source: SourceChunks::new(&plan.table, &reduction.variable).kept_in(Arc::new(
                BlockCache::of_execution(plan.kept_bytes(self.at), Some(memory)),
            )),
            grid: plan.grid.clone(),
            method: reduction.method,
            bits: reduction.bits,
            sides: reduction.sides,
            others: self.others(reduction),
            layers: layers.collect::<CubeResult<_>>()?,
            io: self.io.clone(),
            progress: Arc::clone(self.progress),
            written: Arc::clone(self.written),
            unfinished: Mutex::new(HashMap::new()),
            counts_differ: AtomicBool::new(false),
        });
        let tiles = pass.tiles();
        self.progress.expect_boxes(tiles);
        pass.run(workers).await?;
        Ok((tiles, pass.counts_differ.load(Relaxed)))
    }

    fn others(&self, reduction: &Reduction) -> Vec<OtherAxis> {
        let axes = &self.plan.table.cube().axes;
        let of = |(axis, size): &(usize, u64)| {
            let dimension = reduction.variable.axes.iter().position(|own| own == axis)?;
            Some(OtherAxis {
                dimension,
                length: axes[*axis].coordinates.len() as u64,
                size: *size,
            })
        };
        reduction.others.iter().filter_map(of).collect()
    }
}
