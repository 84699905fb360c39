//! What is known of the chunks of a cube because it was made here: [`WrittenStatistics`].
//!
//! ```text
//!  box     ─▶ stored numbers of a chunk ─▶ decoded as readers will ─▶ summary       while it is encoded
//!  object that is carried over ─▶ what was known of its chunks before, if it was true when the build began
//!  commit  ─▶ versions of the chunks ─▶ StatisticsStore, as if ANALYZE had read them
//! ```
//! Boxes that an earlier run had finished are not known; ANALYZE reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use datafusion::common::Result;
use tokio::runtime::Handle;

use super::objects::{cut, extent, objects_in, within};
use super::plan::Draft;
use crate::cube::Cube;
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::{Decoding, DecodingRules};
use crate::options::CubeOptions;
use crate::sink::TargetArray;
use crate::source::{ArrayDescription, RawChunk};
use crate::statistics::analyze::{current_versions, recordable};
use crate::statistics::summary::ChunkSummary;
use crate::statistics::{
    ChunkGrid, MOST_CHUNKS, Records, SharedStatistics, StatisticsStore, VariableStatistics,
};

/// Summaries of the chunks of a cube that is being written.
#[derive(Debug, Default)]
pub(crate) struct WrittenStatistics {
    /// By number of the array among those of the cube.
    arrays: BTreeMap<usize, WrittenArray>,
}

#[derive(Debug)]
struct WrittenArray {
    name: String,
    decoding: Decoding,
    grid: ChunkGrid,
    /// Length of a chunk along each dimension, and chunks of an object.
    chunks: Vec<u64>,
    per_object: Vec<u64>,
    before: Option<Before>,
    found: Mutex<Vec<(u64, ChunkSummary)>>,
}

/// What was known of the array in the state before.
#[derive(Debug)]
struct Before {
    statistics: SharedStatistics,
    /// Chunks of which it was true when the build began.
    current: BTreeSet<u64>,
}

impl WrittenStatistics {
    /// Nothing is known yet. Asks for the versions of the state before, where there is one.
    pub(super) async fn of(draft: &Draft, known: &Arc<StatisticsStore>, io: &Handle) -> Self {
        let options = draft.state.config().options();
        if !CubeOptions::of(options).chunk_statistics {
            return Self::default();
        }
        let mut arrays = BTreeMap::new();
        for variable in &draft.variables {
            let Some(mut array) = draft
                .cube
                .arrays
                .get(variable.array)
                .and_then(WrittenArray::of)
            else {
                continue;
            };
            if let (Some(before), Some(_)) = (&draft.before, &draft.carry) {
                array.before = Before::of(before, &array.name, known, io).await;
            }
            arrays.insert(variable.array, array);
        }
        Self { arrays }
    }

    /// Takes the stored numbers of an object that is written, those of the region `cells`.
    ///
    /// # Errors
    /// They are not of the array's type.
    pub(super) fn add(&self, array: usize, stored: &ArrayRef, cells: &[Range<u64>]) -> Result<()> {
        match self.arrays.get(&array) {
            Some(array) => array.add(stored, cells),
            None => Ok(()),
        }
    }

    /// Takes what was known of the object `from`, which becomes the object `to`.
    pub(super) fn carry(&self, array: usize, from: &[u64], to: &[u64]) {
        if let Some(array) = self.arrays.get(&array) {
            array.carry(from, to);
        }
    }

    /// Keeps all of it. `cube` is what readers see now.
    ///
    /// # Errors
    /// The statistics cannot be written.
    pub(crate) async fn record(
        &self,
        cube: &Arc<Cube>,
        store: &Arc<StatisticsStore>,
        io: &Handle,
    ) -> Result<()> {
        for (at, variable) in cube.variables.iter().enumerate() {
            let is_it = |array: &&WrittenArray| {
                array.name == variable.array.description().name
                    && array.is_decoded_as(&variable.decoding)
                    && array.grid == ChunkGrid::of(variable)
            };
            let Some(array) = self.arrays.values().find(is_it) else {
                continue;
            };
            let found = std::mem::take(&mut *array.found());
            let indices = found.iter().map(|(number, _)| array.grid.index(*number));
            let versions = current_versions(cube, at, indices.collect(), true, io).await;
            let found = found.into_iter().zip(&versions);
            let records = found.filter_map(|((number, summary), version)| {
                Some((number, summary, recordable(version, version)?))
            });
            let data_type = variable.field.data_type();
            let records = Records::new(data_type, records.collect())?;
            let statistics = VariableStatistics::of_records(array.grid.clone(), &records)?;
            store.record(cube, at, Arc::new(statistics))?;
        }
        Ok(())
    }
}

impl WrittenArray {
    /// `None` for an array that has no statistics.
    fn of(array: &TargetArray) -> Option<Self> {
        let along = array.shape.iter().zip(&array.chunks);
        let chunks: Vec<AxisChunks> = along
            .map(|(length, size)| AxisChunks::regular(*length, *size))
            .collect();
        let grid = ChunkGrid::new(chunks.clone());
        let description = ArrayDescription {
            name: array.name.clone(),
            dimensions: array.dimensions.clone(),
            shape: array.shape.clone(),
            chunks,
            data_type: array.data_type.clone(),
            fill_value: array.fill_value.clone(),
            attributes: array.attributes.clone(),
            codecs: String::new(),
            shard_shape: None,
            stored_bytes: None,
        };
        let rules = DecodingRules {
            mask_and_scale: true,
            times: true,
        };
        let per_object = array.object_shape().iter().zip(&array.chunks);
        (grid.count() <= MOST_CHUNKS).then_some(())?;
        Some(Self {
            name: array.name.clone(),
            decoding: Decoding::new(&description, rules).ok()?,
            grid,
            per_object: per_object
                .map(|(object, chunk)| object / (*chunk).max(1))
                .collect(),
            chunks: array.chunks.clone(),
            before: None,
            found: Mutex::default(),
        })
    }

    /// Is what was found of the values as they are read now? The texts are compared, because a NaN that means
    /// "missing" is not equal to itself.
    fn is_decoded_as(&self, decoding: &Decoding) -> bool {
        format!("{:?}", self.decoding) == format!("{decoding:?}")
    }

    fn add(&self, stored: &ArrayRef, cells: &[Range<u64>]) -> Result<()> {
        let object = extent(cells);
        for (index, chunk) in objects_in(&self.chunks, cells) {
            let raw = RawChunk {
                values: cut(stored, &object, &within(&chunk, cells))?,
                shape: extent(&chunk),
            };
            let (values, _) = self.decoding.apply(raw)?;
            let summary = ChunkSummary::of(&values)?;
            self.found().push((self.grid.number(&index), summary));
        }
        Ok(())
    }

    fn carry(&self, from: &[u64], to: &[u64]) {
        let Some(before) = &self.before else {
            return;
        };
        let object: Vec<Range<u64>> = self.per_object.iter().map(|chunks| 0..*chunks).collect();
        let ones = vec![1; object.len()];
        for (inside, _) in objects_in(&ones, &object) {
            let chunk = |object: &[u64]| -> Vec<u64> {
                let along = object.iter().zip(&self.per_object).zip(&inside);
                along
                    .map(|((object, chunks), at)| object * chunks + at)
                    .collect()
            };
            let grid = &before.statistics.grid;
            let (from, to) = (chunk(from), chunk(to));
            // The last object along a dimension may have fewer chunks.
            if !grid.has(&from) || !self.grid.has(&to) {
                continue;
            }
            let number = grid.number(&from);
            let known = before.statistics.chunk(number);
            if let Some(summary) = known.filter(|_| before.current.contains(&number)) {
                self.found().push((self.grid.number(&to), summary));
            }
        }
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Vec<(u64, ChunkSummary)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Before {
    async fn of(
        cube: &Arc<Cube>,
        name: &str,
        known: &Arc<StatisticsStore>,
        io: &Handle,
    ) -> Option<Self> {
        let named = |variable: &crate::cube::Variable| variable.array.description().name == name;
        let at = cube.variables.iter().position(named)?;
        let known = known.of(cube, vec![at]).await;
        let statistics = known.statistics.get(&at)?;
        let chunks = statistics.records().ok()?.chunks;
        let numbers = chunks.values().iter().copied();
        let indices = numbers.clone().map(|number| statistics.grid.index(number));
        let versions = current_versions(cube, at, indices.collect(), false, io).await;
        let current = numbers
            .zip(&versions)
            .filter(|(number, version)| statistics.is_of(*number, version));
        Some(Self {
            current: current.map(|(number, _)| number).collect(),
            statistics: Arc::clone(statistics),
        })
    }
}
