//! What a statement that writes a cube will do, decided before any of it is done: [`WritePlan`].
//!
//! ```text
//!  new_cube: query ─▶ dimensions, coordinates, layout, arrays ┐
//!                                                             ├─▶ Draft ─▶ boxes, costs ─▶ WritePlan
//!  amend:    cube that is there, query ─▶ layers, what stays  ┘
//! ```
//! A cube is made of *layers*, queries whose rows are laid over each other: of a new cube there is one, of
//! an insertion there are two, the cube as it was and the rows that are inserted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::logical_expr::LogicalPlan;

use super::boxes::{Boxes, Cutter, ReadCost, TargetDimension};
use super::carry::Carry;
use super::fingerprint::fingerprint;
use super::partial::PartialVariable;
use crate::bytes::format_bytes;
use crate::cube::Cube;
use crate::cube::encoding::Encoding;
use crate::error::{CubeError, ErrorKind};
use crate::options::CubeOptions;
use crate::sink::{CubeSink, TargetCube};
use crate::source::{Location, Options};

/// Memory for the boxes in work unless the engine or the statement limits it, in bytes.
const BOX_MEMORY: u64 = 1 << 30;

/// The part of limited memory that the boxes in work may take: one of so many. The rest is for what they are computed of,
/// chunks on their way and decoded ones, and for what the allocator has not given back yet.
const PART_OF_BOXES: u64 = 3;

/// Where a cube is written.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// For people: the table, or the address.
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) sink: Arc<dyn CubeSink>,
    /// The version of the cube that is there and will be replaced.
    pub(crate) over: Option<String>,
}

/// A variable of the cube.
#[derive(Debug, Clone)]
pub(super) struct TargetVariable {
    /// Type of the query's values.
    pub(super) data_type: DataType,
    pub(super) encoding: Encoding,
    /// Its array among those of the cube.
    pub(super) array: usize,
}

/// A query whose rows are laid over those of the layers before it. Its columns are the dimensions,
/// then the variables.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) query: LogicalPlan,
    /// Per dimension and cell of the cube: has the query rows there? `None` when it may have them
    /// everywhere.
    pub(super) cells: Option<Vec<Vec<bool>>>,
}

impl Layer {
    /// May it have rows in these cells?
    pub(super) fn touches(&self, ranges: &[Range<u64>]) -> bool {
        let Some(cells) = &self.cells else {
            return true;
        };
        cells.iter().zip(ranges).all(|(cells, range)| {
            let range = range.start as usize..range.end as usize;
            cells.get(range).is_some_and(|cells| cells.contains(&true))
        })
    }
}

/// What is decided about a cube before it is cut into boxes.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) statement: String,
    pub(super) state: SessionState,
    pub(super) target: Target,
    pub(super) layers: Vec<Layer>,
    /// What of the state before this one stays as it is.
    pub(super) carry: Option<Carry>,
    /// The cube in the state before this one, where it is changed.
    pub(super) before: Option<Arc<Cube>>,
    pub(super) dimensions: Vec<TargetDimension>,
    pub(super) variables: Vec<TargetVariable>,
    /// Variables that do not have all dimensions.
    pub(super) partial: Vec<PartialVariable>,
    pub(super) cube: TargetCube,
    /// Arrays that are written whole: number and stored values.
    pub(super) small: Vec<(usize, ArrayRef)>,
    pub(super) format_options: Options,
    /// The cubes that the layers read.
    pub(super) sources: Vec<Arc<Cube>>,
    /// Do they read tables that are no cubes?
    pub(super) reads_tables: bool,
    /// Memory for the boxes in work, in bytes.
    pub(super) memory: Option<u64>,
}

/// What will be done.
#[derive(Debug, Clone)]
pub(crate) struct WritePlan {
    pub(super) draft: Draft,
    pub(super) boxes: Boxes,
    pub(super) read: ReadCost,
    pub(super) workers: usize,
    pub(super) fingerprint: String,
    most_cells: u64,
}

impl Draft {
    /// Cuts the cube into boxes.
    ///
    /// # Errors
    /// The format cannot write the cube, memory is too small for a box, or the queries would read more
    /// than `cube.max_scan_bytes`.
    pub(super) async fn finish(self) -> Result<WritePlan> {
        self.target
            .sink
            .check(&self.cube, &self.format_options)
            .map_err(|error| error.within(&self.target.name))?;
        let workers = self.state.config().target_partitions().max(1);
        let of_cell = bytes_per_cell(&self.variables);
        let most_cells = most_cells(&self.state, self.memory, of_cell);
        let as_rows = rows_only(&self.state)?;
        let mut boxes = None;
        let mut read = ReadCost::default();
        for layer in &self.layers {
            let cutter = Cutter {
                query: &layer.query,
                dimensions: &self.dimensions,
                reads_tables: self.reads_tables,
                state: &as_rows,
            };
            // What of an amended cube is computed again is a few objects, each by itself.
            let (cut, cost) = match self.carry.is_some() {
                true => cutter.by_object(most_cells).await?,
                false => cutter.cut(most_cells).await?,
            };
            boxes = Some(cut);
            read.bytes = read.bytes.saturating_add(cost.bytes);
            read.chunks = read.chunks.saturating_add(cost.chunks);
        }
        let boxes = boxes
            .ok_or_else(|| CubeError::invalid(&self.target.name, "there is nothing to write"))?;
        check_budget(&self.state, &self.target.name, read)?;
        Ok(WritePlan {
            fingerprint: fingerprint(
                &self.layers,
                &self.partial,
                &self.cube,
                &self.sources,
                &self.format_options,
            ),
            draft: self,
            boxes,
            read,
            workers,
            most_cells,
        })
    }
}

impl WritePlan {
    /// Where it is written.
    pub(crate) fn target(&self) -> &Target {
        &self.draft.target
    }

    /// The names of the variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> + Clone {
        let variables = self.draft.variables.iter();
        variables.map(|variable| self.draft.cube.arrays[variable.array].name.as_str())
    }

    /// The SQL text.
    pub(crate) fn statement(&self) -> &str {
        &self.draft.statement
    }

    /// Cells of all variables.
    pub(super) fn cells(&self) -> u64 {
        let of_one: u64 = self
            .draft
            .dimensions
            .iter()
            .map(|dimension| dimension.coordinates.len() as u64)
            .product();
        of_one * self.draft.variables.len() as u64
    }

    /// Memory that a cell of a box takes while it is computed and written, in bytes.
    pub(super) fn bytes_per_cell(&self) -> u64 {
        bytes_per_cell(&self.draft.variables)
    }

    /// Can boxes of this shape, of an earlier run, be used?
    pub(super) fn accepts(&self, shape: &[u64]) -> bool {
        let cells: u64 = shape
            .iter()
            .zip(&self.draft.dimensions)
            .map(|(size, dimension)| (*size).min(dimension.coordinates.len() as u64))
            .product();
        shape.len() == self.draft.dimensions.len() && cells <= self.most_cells
    }
}

fn bytes_per_cell(variables: &[TargetVariable]) -> u64 {
    let widths = variables
        .iter()
        .map(|variable| bytes_of_value(&variable.data_type, &variable.encoding));
    widths.sum::<u64>().max(1)
}

/// A value, the stored number, and what encoding it takes.
pub(super) fn bytes_of_value(data_type: &DataType, encoding: &Encoding) -> u64 {
    width_of(data_type) + 2 * width_of(encoding.stored_type())
}

/// Cells of a box, at most, where one takes so many bytes: each worker has one in work, and together they have `memory`,
/// or a part of all.
pub(super) fn most_cells(state: &SessionState, memory: Option<u64>, bytes_per_cell: u64) -> u64 {
    let workers = state.config().target_partitions().max(1) as u64;
    let memory = memory.unwrap_or_else(|| default_memory(state));
    memory / workers / bytes_per_cell.max(1)
}

/// Bytes of a value, about.
pub(super) fn width_of(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(32) as u64,
    }
}

fn default_memory(state: &SessionState) -> u64 {
    match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes as u64 / PART_OF_BOXES,
        _ => BOX_MEMORY,
    }
}

/// A state whose plans show their scans.
pub(super) fn rows_only(state: &SessionState) -> Result<SessionState> {
    let mut state = state.clone();
    let options = state.config_mut().options_mut();
    for setting in [
        "grid_aggregate",
        "grid_window",
        "grid_zip",
        "region_join",
        "chunk_statistics",
        "distinct_axes",
    ] {
        options.set(&format!("cube.{setting}"), "false")?;
    }
    Ok(state)
}

fn check_budget(state: &SessionState, place: &str, read: ReadCost) -> Result<()> {
    let limit = CubeOptions::of(state.config_options()).max_scan_bytes;
    if limit == 0 || read.bytes <= limit {
        return Ok(());
    }
    let cause = format!(
        "making the cube would decode about {}, more than the {} of cube.max_scan_bytes",
        format_bytes(read.bytes),
        format_bytes(limit)
    );
    Err(CubeError::new(ErrorKind::Limit, place, cause)
        .remedy("select less, or SET cube.max_scan_bytes = 0")
        .into())
}
