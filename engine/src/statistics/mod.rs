//! What is known of the values in chunks without reading them: the smallest and the largest one, and how
//! many there are.
//!
//! ```text
//!  ANALYZE t ─▶ versions before ─▶ fetch, decode, summarise ─▶ versions after ─▶ same? ─▶ StatisticsStore
//!                                                                                          │ one file
//!  query ─▶ which chunks cannot matter? ─▶ are their versions the same still? ─▶ skip      │ per variable
//!                                                     │ no: as if nothing were known ◀─────┘
//! ```
//! Statistics are of decoded values, after scale and offset, and count NaN and the fill value as missing.
//! They are never stale: each belongs to one version of the object that holds the chunk
//! ([`crate::source::ChunkVersion`]) and is used only where the store still names that version.
//! `scan::knowledge` asks them; `analyze` makes them, writing a cube does ([`crate::write`]), and `collect` where
//! queries shall; `store` keeps them,
//! `file` says in which form.

pub(crate) mod analyze;
pub(crate) mod collect;
mod file;
pub(crate) mod store;
pub(crate) mod summary;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, UInt64Array, new_empty_array};
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};

use crate::cube::Variable;
use crate::cube::chunks::AxisChunks;
use crate::source::ChunkVersion;

pub use store::{StatisticsStore, ValueRange};
use summary::ChunkSummary;

/// Variables of more chunks than this have no statistics: they would not fit into memory.
pub(crate) const MOST_CHUNKS: u64 = 1 << 24;

/// The chunks of a variable in C order: the last axis varies fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkGrid {
    axes: Vec<AxisChunks>,
}

impl ChunkGrid {
    /// The chunks of a variable, one axis per entry of [`Variable::axes`].
    pub(crate) fn of(variable: &Variable) -> Self {
        Self {
            axes: variable.chunks().to_vec(),
        }
    }

    /// The chunks of an array that is cut like this, one entry per axis.
    pub(crate) fn new(axes: Vec<AxisChunks>) -> Self {
        Self { axes }
    }

    /// Is there a chunk at `index`?
    pub(crate) fn has(&self, index: &[u64]) -> bool {
        self.axes.len() == index.len()
            && std::iter::zip(&self.axes, index).all(|(axis, index)| *index < axis.count())
    }

    /// Number of chunks.
    pub(crate) fn count(&self) -> u64 {
        let counts = self.axes.iter().map(AxisChunks::count);
        counts.fold(1, u64::saturating_mul)
    }

    /// The number of the chunk at `index`.
    pub(crate) fn number(&self, index: &[u64]) -> u64 {
        let along = self.axes.iter().zip(index);
        along.fold(0, |number, (axis, index)| number * axis.count() + index)
    }

    /// The index of chunk `number`.
    pub(crate) fn index(&self, mut number: u64) -> Vec<u64> {
        let mut index = vec![0; self.axes.len()];
        for (index, axis) in index.iter_mut().zip(&self.axes).rev() {
            let count = axis.count().max(1);
            *index = number % count;
            number /= count;
        }
        index
    }

    /// Cells of the chunk at `index`, without padding.
    pub(crate) fn cells(&self, index: &[u64]) -> u64 {
        let ranges = self.ranges(index);
        ranges.iter().map(|range| range.end - range.start).product()
    }

    fn ranges(&self, index: &[u64]) -> Vec<Range<u64>> {
        let along = self.axes.iter().zip(index);
        along.map(|(axis, index)| axis.range(*index)).collect()
    }

    /// The number of the chunk that covers the cells which chunk `number` of `other` covers. `None`
    /// where this grid has no such chunk: the array has grown, or is cut in another way.
    fn same_chunk(&self, other: &Self, number: u64) -> Option<u64> {
        let index = other.index(number);
        (self.has(&index) && self.ranges(&index) == other.ranges(&index))
            .then(|| self.number(&index))
    }
}

/// What is known of the chunks of one variable. Entries are in the order of [`ChunkGrid`].
#[derive(Debug, Clone)]
pub(crate) struct VariableStatistics {
    pub(crate) grid: ChunkGrid,
    /// Smallest value; NULL where there is none or it is not known.
    pub(crate) minimum: ArrayRef,
    /// Largest value; NULL where there is none or it is not known.
    pub(crate) maximum: ArrayRef,
    /// Values that are not missing; NULL where nothing is known of the chunk.
    pub(crate) valid: UInt64Array,
    /// Token of the object's version; NULL where the chunk is not stored, or nothing is known.
    versions: StringArray,
}

/// Some chunks with what is known of them, in any order: how statistics are gathered and stored.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    pub(crate) chunks: UInt64Array,
    pub(crate) minimum: ArrayRef,
    pub(crate) maximum: ArrayRef,
    pub(crate) valid: UInt64Array,
    pub(crate) versions: StringArray,
}

impl Records {
    /// No chunk of a variable whose values have `data_type`.
    pub(crate) fn none(data_type: &DataType) -> Self {
        Self {
            chunks: UInt64Array::from(Vec::<u64>::new()),
            minimum: new_empty_array(data_type),
            maximum: new_empty_array(data_type),
            valid: UInt64Array::from(Vec::<u64>::new()),
            versions: StringArray::from(Vec::<&str>::new()),
        }
    }

    /// Chunks by number, each with its summary and its token; without a token it is not stored.
    pub(crate) fn new(
        data_type: &DataType,
        found: Vec<(u64, ChunkSummary, Option<String>)>,
    ) -> Result<Self> {
        if found.is_empty() {
            return Ok(Self::none(data_type));
        }
        let bounds = |bound: fn(&ChunkSummary) -> &ScalarValue| {
            let values = found.iter().map(|(_, summary, _)| bound(summary).clone());
            ScalarValue::iter_to_array(values)
        };
        let minimum = bounds(|summary| &summary.minimum)?;
        let maximum = bounds(|summary| &summary.maximum)?;
        let valid = found.iter().map(|(_, summary, _)| summary.valid);
        Ok(Self {
            minimum,
            maximum,
            valid: UInt64Array::from_iter_values(valid),
            chunks: UInt64Array::from_iter_values(found.iter().map(|(chunk, _, _)| *chunk)),
            versions: found.into_iter().map(|(_, _, token)| token).collect(),
        })
    }
}

impl VariableStatistics {
    /// Nothing is known yet.
    pub(crate) fn unknown(grid: ChunkGrid, data_type: &DataType) -> Result<Self> {
        Self::of_records(grid, &Records::none(data_type))
    }

    /// Puts records into the order of `grid`. Of several of one chunk the last one counts; chunks that
    /// the grid does not have are left out.
    pub(crate) fn of_records(grid: ChunkGrid, records: &Records) -> Result<Self> {
        let mut rows: Vec<Option<u64>> = vec![None; grid.count() as usize];
        for (row, chunk) in records.chunks.values().iter().enumerate() {
            if let Some(place) = rows.get_mut(*chunk as usize) {
                *place = Some(row as u64);
            }
        }
        let rows = UInt64Array::from(rows);
        let taken = |values: &dyn Array| take(values, &rows, None);
        Ok(Self {
            minimum: taken(&records.minimum)?,
            maximum: taken(&records.maximum)?,
            valid: taken(&records.valid)?.to_data().into(),
            versions: taken(&records.versions)?.to_data().into(),
            grid,
        })
    }

    /// Everything known, with `newer` in the place of what they replace.
    pub(crate) fn updated(&self, newer: &Records) -> Result<Self> {
        let known = self.records()?;
        let joined = |older: &dyn Array, newer: &dyn Array| concat(&[older, newer]);
        let records = Records {
            chunks: joined(&known.chunks, &newer.chunks)?.to_data().into(),
            minimum: joined(&known.minimum, &newer.minimum)?,
            maximum: joined(&known.maximum, &newer.maximum)?,
            valid: joined(&known.valid, &newer.valid)?.to_data().into(),
            versions: joined(&known.versions, &newer.versions)?.to_data().into(),
        };
        Self::of_records(self.grid.clone(), &records)
    }

    /// The chunks of which something is known.
    pub(crate) fn records(&self) -> Result<Records> {
        let known = (0..self.valid.len()).filter(|chunk| self.valid.is_valid(*chunk));
        let chunks = UInt64Array::from_iter_values(known.map(|chunk| chunk as u64));
        let taken = |values: &dyn Array| take(values, &chunks, None);
        Ok(Records {
            minimum: taken(&self.minimum)?,
            maximum: taken(&self.maximum)?,
            valid: taken(&self.valid)?.to_data().into(),
            versions: taken(&self.versions)?.to_data().into(),
            chunks,
        })
    }

    /// The same knowledge of the chunks that `grid` has too: an array that has grown keeps it.
    pub(crate) fn on(&self, grid: ChunkGrid) -> Result<Self> {
        if grid == self.grid {
            return Ok(self.clone());
        }
        let records = self.records()?;
        let chunks = records.chunks.values().iter();
        let moved = chunks.map(|chunk| grid.same_chunk(&self.grid, *chunk).unwrap_or(u64::MAX));
        let records = Records {
            chunks: UInt64Array::from_iter_values(moved),
            ..records
        };
        Self::of_records(grid, &records)
    }

    /// Chunks of which something is known.
    pub(crate) fn known(&self) -> u64 {
        (self.valid.len() - self.valid.null_count()) as u64
    }

    /// What is known of chunk `number`.
    pub(crate) fn chunk(&self, number: u64) -> Option<ChunkSummary> {
        let row = number as usize;
        if row >= self.valid.len() || self.valid.is_null(row) {
            return None;
        }
        Some(ChunkSummary {
            minimum: ScalarValue::try_from_array(&self.minimum, row).ok()?,
            maximum: ScalarValue::try_from_array(&self.maximum, row).ok()?,
            valid: self.valid.value(row),
        })
    }

    /// Is what is known of chunk `number` known of this version?
    pub(crate) fn is_of(&self, number: u64, version: &ChunkVersion) -> bool {
        let row = number as usize;
        if row >= self.valid.len() || self.valid.is_null(row) {
            return false;
        }
        match version {
            ChunkVersion::Unknown => false,
            ChunkVersion::Missing => self.versions.is_null(row),
            ChunkVersion::Stored { token, .. } => {
                self.versions.is_valid(row) && self.versions.value(row) == token
            }
        }
    }

    /// Smallest value, largest value and number of values of all known chunks together. Bounds are
    /// `None` where there is no value, or a chunk has values of which none is known to be the smallest.
    pub(crate) fn total(&self) -> Result<ChunkSummary> {
        let mut total = ChunkSummary::none(self.minimum.data_type())?;
        for row in 0..self.valid.len() {
            if let Some(chunk) = self.chunk(row as u64) {
                total.add(&chunk)?;
            }
        }
        Ok(total)
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let arrays: [&dyn Array; 4] = [&self.minimum, &self.maximum, &self.valid, &self.versions];
        arrays
            .iter()
            .map(|array| array.get_array_memory_size())
            .sum()
    }
}

/// Statistics that are shared by all who ask for them.
pub(crate) type SharedStatistics = Arc<VariableStatistics>;
