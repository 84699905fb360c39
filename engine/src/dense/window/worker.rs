//! One partition of a grid window at work: tile after tile, block after block.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;

use crate::bytes::format_bytes;
use crate::dense::tile_grid::TileGrid;
use crate::dense::window::block::Block;
use crate::dense::window::plan::{GridWindowPlan, LaneBytes, Output, WindowColumn, Windows};
use crate::dense::window::tile::{SeriesLayout, Tile};
use crate::error::{CubeError, ErrorKind};
use crate::runtime::yield_now;
use crate::scan::predicate::{batch_of, remap_columns, true_bits};
use crate::scan::units::{UnitCells, UnitReader};

/// Cells of a block: its columns should stay in a core's cache.
const BLOCK_CELLS: usize = 1 << 17;

/// Lanes that a block has even where a series is long, so that kernels work on vectors.
const FEWEST_LANES: usize = 16;

/// Blocks of [`FEWEST_LANES`] have at most this many cells.
const MOST_CELLS: usize = 1 << 22;

/// Lanes of a block, when `budget` bytes are there for what is computed.
pub(crate) fn block_lanes(plan: &GridWindowPlan, budget: u64) -> usize {
    let length = plan.windows.length.max(1);
    let few = FEWEST_LANES.min(MOST_CELLS / length);
    let wanted = (BLOCK_CELLS / length).max(few);
    let fitting = budget as usize / plan.lane_bytes().computed.max(1);
    wanted.min(fitting).max(1)
}

/// The schema of cells: where no row is there is no value either.
fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| Field::clone(field).with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How the scan is cut into tiles, and tiles into blocks.
#[derive(Debug, Clone)]
pub(crate) struct Tiling {
    pub(crate) grid: TileGrid,
    pub(crate) layout: Arc<SeriesLayout>,
    /// Lanes of a block.
    pub(crate) lanes: usize,
}

/// One partition of a grid window.
pub(crate) struct Worker {
    plan: Arc<GridWindowPlan>,
    /// The plan's expressions over the columns of a block.
    windows: Windows,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    units: UnitReader,
    /// Variables that units are read with.
    variables: Vec<usize>,
    columns: Vec<usize>,
    cell_schema: SchemaRef,
    tiling: Tiling,
    tile: Option<(u64, Tile)>,
    /// A unit of the tile after the current one.
    ahead: Option<UnitCells>,
    /// The lanes of the current tile that are left, once all its units are here.
    left: Range<usize>,
    ready: VecDeque<RecordBatch>,
    batch_rows: usize,
    done: bool,
    memory: MemoryReservation,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<GridWindowPlan>,
        units: UnitReader,
        variables: Vec<usize>,
        tiling: Tiling,
        batch_rows: usize,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let columns = plan.read_columns();
        let remap =
            |expression: &Arc<dyn PhysicalExpr>| remap_columns(Arc::clone(expression), &columns);
        let all = plan.has_general();
        let windows = &plan.windows;
        // Columns that nobody asks for were not read; their expressions are left alone.
        let inputs = windows.inputs.iter().enumerate().map(|(position, input)| {
            match all || plan.outputs.contains(&Output::Input(position)) {
                true => remap(input),
                false => Ok(Arc::clone(input)),
            }
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let mut window_columns: Vec<WindowColumn> = windows.columns.clone();
        for (position, _) in plan.computed() {
            for argument in &mut window_columns[position].arguments {
                *argument = remap(argument)?;
            }
        }
        let predicate = plan.scan.predicate.rows.as_ref().map(remap).transpose()?;
        Ok(Self {
            windows: Windows {
                series: windows.series.clone(),
                length: windows.length,
                sequences: Arc::clone(&windows.sequences),
                columns: window_columns,
                inputs,
                input_schema: nullable(&windows.input_schema),
            },
            predicate,
            units,
            variables,
            cell_schema: nullable(&plan.scan.cube.schema.project(&columns)?),
            columns,
            tiling,
            tile: None,
            ahead: None,
            left: 0..0,
            ready: VecDeque::new(),
            batch_rows,
            done: false,
            memory,
            plan,
        })
    }

    /// The next batch of rows, or `None` at the end.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if !self.left.is_empty() {
                let lanes = self.tiling.lanes.min(self.left.len());
                let block = self.left.start..self.left.start + lanes;
                self.left.start += lanes;
                self.compute(block)?;
                yield_now().await;
                continue;
            }
            if self.done {
                return Ok(None);
            }
            self.read_tile().await?;
        }
    }

    /// Reads all units of the next tile.
    async fn read_tile(&mut self) -> Result<()> {
        self.tile = None;
        self.memory.free();
        loop {
            let cells = match self.ahead.take() {
                Some(cells) => cells,
                None => match self.units.next().await? {
                    Some(cells) => cells,
                    None => {
                        self.done = true;
                        break;
                    }
                },
            };
            let number = self.tiling.grid.tile_of(cells.number);
            let rank = self.tiling.grid.counts.len();
            if self.tile.as_ref().is_some_and(|(tile, _)| *tile != number) {
                self.ahead = Some(cells);
                break;
            }
            let cube = &self.plan.scan.cube;
            let (_, tile) = self
                .tile
                .get_or_insert_with(|| (number, Tile::new(&self.tiling.layout, rank)));
            let bytes = tile.hold(cube, &self.tiling.grid.counts, &self.variables, cells)?;
            self.memory
                .try_grow(bytes)
                .map_err(|error| self.too_large(error))?;
            // Decoding kept this task busy: let others have their turn, and a cancellation its way.
            yield_now().await;
        }
        if let Some((_, tile)) = &self.tile {
            self.left = 0..tile.lanes();
            let lanes = self.tiling.lanes.min(tile.lanes());
            let LaneBytes { computed, .. } = self.plan.lane_bytes();
            self.memory
                .try_grow(computed.saturating_mul(lanes))
                .map_err(|error| self.too_large(error))?;
        }
        Ok(())
    }

    /// Says what a window needs when memory does not suffice.
    fn too_large(&self, error: DataFusionError) -> DataFusionError {
        if !matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) {
            return error;
        }
        let LaneBytes { held, computed } = self.plan.lane_bytes();
        let series = format_bytes(held.saturating_add(computed) as u64);
        let length = self.windows.length;
        let cause = format!(
            "the window function does not find the memory it needs: a series of {length} cells takes {series}, and several are computed at a time"
        );
        let remedy = "select fewer cells along the series, or raise the memory limit";
        let error = CubeError::new(ErrorKind::Limit, &self.plan.scan.cube.name, cause);
        error.remedy(remedy).into()
    }

    /// Computes the rows of some lanes of the current tile.
    fn compute(&mut self, lanes: Range<usize>) -> Result<()> {
        let metrics = self.units.source.metrics.clone();
        let _timer = metrics.time_rows.timer();
        let Some((_, tile)) = &self.tile else {
            return Ok(());
        };
        let cube = &self.plan.scan.cube;
        let width = lanes.len();
        let cells = tile.block(lanes);
        let mut present = cells.present();
        if present
            .as_ref()
            .is_some_and(|bits| bits.count_set_bits() == 0)
        {
            return Ok(());
        }
        let axes = cube.axes.len();
        let grid = self.units.grid();
        let columns = self.columns.iter().map(|column| match *column < axes {
            true => cells.coordinates(cube, grid, *column),
            false => {
                let data_type: &DataType = cube.schema.field(*column).data_type();
                let variable = column - axes;
                let position = self.variables.iter().position(|read| *read == variable);
                cells.variable(position.unwrap_or(0), data_type)
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let batch = batch_of(&self.cell_schema, columns, cells.len())?;
        if let Some(predicate) = &self.predicate {
            let matches = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
            let matches = true_bits(matches.as_boolean());
            present = Some(match present {
                Some(present) => &present & &matches,
                None => matches,
            });
        }
        let present = present.filter(|bits| bits.count_set_bits() < bits.len());
        let block = Block {
            windows: &self.windows,
            lanes: width,
            cells: &batch,
            present: present.as_ref(),
        };
        let mask = present
            .as_ref()
            .map(|bits| BooleanArray::new(bits.clone(), None));
        let mut columns = Vec::with_capacity(self.plan.outputs.len());
        for output in &self.plan.outputs {
            let column = block.column(*output)?;
            // Before they become rows: a column without NULL may have none where no row is.
            columns.push(match &mask {
                Some(mask) => filter(&column, mask)?,
                None => column,
            });
        }
        let length = mask.map_or(batch.num_rows(), |mask| mask.true_count());
        let rows = batch_of(&self.plan.schema, columns, length)?;
        metrics.output_rows.add(rows.num_rows());
        let mut start = 0;
        while start < rows.num_rows() {
            let length = (rows.num_rows() - start).min(self.batch_rows);
            self.ready.push_back(rows.slice(start, length));
            start += length;
        }
        Ok(())
    }
}
