//! Writes one cube of several levels: [`LevelsWriter`].

use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, make_array};
use arrow::buffer::Buffer;
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::sink::{CubeWriter, TargetArray};
use graticule_engine::source::{ArrayReader, CubeFormat, EncodedChunk, Location, Options};
use serde_json::Value;

use super::super::super::zarr::ZarrFormat;
use super::super::super::zarr::writing::{ZarrWriter, new_writer};
use super::pyramid::{Part, Pyramid};
use super::reduce::{Method, Tile, bounds, centres, halve};
use super::{DOCUMENT, level, remove_coarser, written_once};
use crate::writing::folder::CubeFolder;
use crate::writing::number::bytes_of_number;

/// Tiles of a coarser level that are computed at the same time.
const TILES_AT_ONCE: usize = 8;

/// Writes one cube of several levels.
#[derive(Debug)]
pub(super) struct LevelsWriter {
    pub(super) pyramid: Pyramid,
    /// The level in full resolution.
    pub(super) base: ZarrWriter,
    pub(super) location: Location,
    pub(super) options: Options,
}

impl LevelsWriter {
    /// Writes level `number` from the one below it, whose arrays can be read.
    async fn write_level(&self, number: usize) -> CubeResult<()> {
        let (finer, coarser) = (
            &self.pyramid.levels[number - 1],
            &self.pyramid.levels[number],
        );
        let (below, place) = (
            level(&self.location, number - 1),
            level(&self.location, number),
        );
        let writer: Arc<ZarrWriter> = Arc::new(new_writer(&place, coarser, &self.options).await?);
        for (array, part) in self.pyramid.parts.iter().enumerate() {
            let step = Arc::new(Step {
                finer: finer.arrays[array].clone(),
                coarser: coarser.arrays[array].clone(),
                reader: open(&below, &finer.arrays[array].name).await?,
                writer: Arc::clone(&writer),
                array,
                part: *part,
            });
            let objects = objects(&coarser.arrays[array]);
            let made = objects.map(|index| Arc::clone(&step).make(index));
            stream::iter(made)
                .buffer_unordered(TILES_AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        writer.commit().await.map(|_| ())
    }
}

/// The array called `name` of a cube that is not visible yet.
async fn open(cube: &Location, name: &str) -> CubeResult<Arc<dyn ArrayReader>> {
    let place = cube.child(name);
    let groups = ZarrFormat.open(&place, &Options::new()).await?;
    let array = groups.into_iter().flat_map(|group| group.arrays).next();
    array.ok_or_else(|| CubeError::corrupt(&place.url, "the array is not there"))
}

/// The numbers of all objects of an array.
fn objects(array: &TargetArray) -> impl Iterator<Item = Vec<u64>> + use<> {
    let counts = array.object_counts();
    let all: u64 = counts.iter().product();
    (0..all).map(move |mut number| {
        let mut index = vec![0; counts.len()];
        for (at, count) in index.iter_mut().zip(&counts).rev() {
            *at = number % count;
            number /= count;
        }
        index
    })
}

/// Makes an array of one level of that of the level below.
#[derive(Debug)]
struct Step {
    finer: TargetArray,
    coarser: TargetArray,
    reader: Arc<dyn ArrayReader>,
    writer: Arc<ZarrWriter>,
    array: usize,
    part: Part,
}

/// A chunk of the level below: its number, and what of it is stored.
type Fetched = (Vec<u64>, Option<EncodedChunk>);

impl Step {
    /// Makes the object at `index`.
    async fn make(self: Arc<Self>, index: Vec<u64>) -> CubeResult<()> {
        let mut fetched: Vec<Fetched> = Vec::new();
        for below in self.below(&index) {
            let chunk = self.reader.fetch(&below).await?;
            fetched.push((below, chunk));
        }
        if fetched.iter().all(|(_, chunk)| chunk.is_none()) {
            return Ok(());
        }
        let (step, at) = (Arc::clone(&self), index.clone());
        let encoded = tokio::task::spawn_blocking(move || step.encode(&at, fetched)).await;
        let encoded = encoded.map_err(|error| {
            CubeError::new(ErrorKind::Unavailable, &self.coarser.name, error)
                .remedy("run the statement again")
        })?;
        match encoded? {
            Some(bytes) => self.writer.put(self.array, &index, bytes).await,
            None => Ok(()),
        }
    }

    /// The chunks that the object at `index` is made of, row by row.
    fn below(&self, index: &[u64]) -> Vec<Vec<u64>> {
        let (Part::Images(_), [steps @ .., row, column]) = (self.part, index) else {
            return vec![index.to_vec()];
        };
        let counts = self.finer.object_counts();
        let [.., rows, columns] = counts.as_slice() else {
            return Vec::new();
        };
        let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let pairs = pairs.map(|(below, right)| (2 * row + below, 2 * column + right));
        let within = pairs
            .into_iter()
            .filter(|(row, column)| row < rows && column < columns);
        within
            .map(|(row, column)| [steps, &[row, column]].concat())
            .collect()
    }

    fn encode(&self, index: &[u64], fetched: Vec<Fetched>) -> CubeResult<Option<Bytes>> {
        let extent = extent(&self.coarser, index);
        let values = match self.part {
            Part::Images(method) => self.halved(index, &extent, fetched, method)?,
            Part::Centres => self.along(fetched, centres)?,
            Part::Bounds => self.along(fetched, bounds)?,
            Part::Same => self.one(fetched)?,
        };
        self.writer.encode(self.array, index, &values, &extent)
    }

    /// Coordinates, or their bounds.
    fn along(
        &self,
        fetched: Vec<Fetched>,
        halve: fn(&ArrayRef, &DataType) -> Result<ArrayRef, String>,
    ) -> CubeResult<ArrayRef> {
        let values = self.one(fetched)?;
        halve(&values, &self.coarser.data_type).map_err(|cause| self.failed(cause))
    }

    /// The cells of an array whose only chunk is whole.
    fn one(&self, fetched: Vec<Fetched>) -> CubeResult<ArrayRef> {
        let chunk = fetched.into_iter().next();
        let (index, chunk) = chunk.ok_or_else(|| self.failed("a chunk is missing"))?;
        let chunk = chunk.ok_or_else(|| self.failed("a chunk is missing"))?;
        let cells: usize = extent(&self.finer, &index).iter().product();
        Ok(self.reader.decode(&index, chunk)?.values.slice(0, cells))
    }

    /// A tile of the halves of up to four.
    fn halved(
        &self,
        index: &[u64],
        extent: &[usize],
        fetched: Vec<Fetched>,
        method: Method,
    ) -> CubeResult<ArrayRef> {
        let fill = cell(&self.finer.data_type, &self.finer.fill_value)
            .ok_or_else(|| self.failed("its fill value is none"))?;
        let missing = self.finer.attributes.get("_FillValue");
        let missing = missing.and_then(|value| cell(&self.finer.data_type, value));
        let mut quarters = Vec::new();
        for (below, chunk) in fetched {
            let [.., rows, columns] = self::extent(&self.finer, &below)[..] else {
                return Err(self.failed("it has no rows and columns"));
            };
            let Some(chunk) = chunk else {
                quarters.push((Arc::clone(&fill), 0, below));
                continue;
            };
            let raw = self.reader.decode(&below, chunk)?;
            let tile = Tile {
                stride: raw.shape.last().copied().unwrap_or(columns),
                rows,
                columns,
            };
            let half = halve(&raw.values, tile, method, missing.as_ref());
            let half = half.map_err(|cause| self.failed(cause))?;
            quarters.push((half, columns.div_ceil(2), below));
        }
        let ([.., rows, columns], [.., row, column]) = (extent, index) else {
            return Err(self.failed("it has no rows and columns"));
        };
        let sides: Vec<usize> = self
            .coarser
            .chunks
            .iter()
            .map(|side| *side as usize)
            .collect();
        let [.., height, width] = sides[..] else {
            return Err(self.failed("it has no rows and columns"));
        };
        let (height, width) = (height / 2, width / 2);
        let find = |below: usize, right: usize| {
            let at = [2 * row + below as u64, 2 * column + right as u64];
            quarters
                .iter()
                .position(|(_, _, found)| found.ends_with(&at))
        };
        let numbers = [[find(0, 0), find(0, 1)], [find(1, 0), find(1, 1)]];
        let mut cells = Vec::with_capacity(rows * columns);
        for row in 0..*rows {
            for column in 0..*columns {
                let number = numbers[usize::from(row >= height)][usize::from(column >= width)];
                let number = number.ok_or_else(|| self.failed("a tile is missing"))?;
                let stride = quarters[number].1;
                cells.push(match stride {
                    // Nothing but the fill value.
                    0 => (number, 0),
                    _ => (number, row % height * stride + column % width),
                });
            }
        }
        let arrays: Vec<&dyn Array> = quarters.iter().map(|(half, _, _)| half.as_ref()).collect();
        interleave(&arrays, &cells).map_err(|error| self.failed(error))
    }

    fn failed(&self, cause: impl ToString) -> CubeError {
        let place = format!("array {:?}", self.coarser.name);
        CubeError::invalid(
            place,
            format!("a coarser level cannot be made: {}", cause.to_string()),
        )
    }
}

/// Cells along each dimension of the chunk at `index`.
fn extent(array: &TargetArray, index: &[u64]) -> Vec<usize> {
    let along = index.iter().zip(&array.chunks).zip(&array.shape);
    along
        .map(|((at, chunk), length)| (length - at * chunk).min(*chunk) as usize)
        .collect()
}

/// One cell with this value.
fn cell(data_type: &DataType, value: &Value) -> Option<ArrayRef> {
    match data_type {
        DataType::Utf8 => Some(Arc::new(StringArray::from(vec![value.as_str()?]))),
        DataType::Boolean => Some(Arc::new(BooleanArray::from(vec![value.as_bool()?]))),
        number => {
            let bytes = bytes_of_number(number, value)?;
            let data = ArrayData::builder(number.clone()).len(1);
            let data = data.add_buffer(Buffer::from_vec(bytes)).align_buffers(true);
            Some(make_array(data.build().ok()?))
        }
    }
}

#[async_trait]
impl CubeWriter for LevelsWriter {
    fn encode(
        &self,
        array: usize,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
    ) -> CubeResult<Option<Bytes>> {
        self.base.encode(array, index, values, extent)
    }

    async fn put(&self, array: usize, index: &[u64], bytes: Bytes) -> CubeResult<()> {
        self.base.put(array, index, bytes).await
    }

    async fn settle(&self) -> CubeResult<()> {
        self.base.settle().await
    }

    async fn carry(&self, _array: usize, _from: &[u64], _to: &[u64]) -> CubeResult<()> {
        Err(written_once(&self.location.url))
    }

    async fn commit(&self) -> CubeResult<String> {
        // What an earlier commit left that was broken off.
        remove_coarser(&self.location).await?;
        self.base.describe_arrays().await?;
        for number in 1..self.pyramid.levels.len() {
            self.write_level(number).await?;
        }
        let document = serde_json::to_vec_pretty(&self.pyramid.document());
        let document = document.map_err(|error| CubeError::invalid(&self.location.url, error))?;
        let folder = CubeFolder::new(&self.location);
        folder.put(DOCUMENT, document.into()).await?;
        self.base.commit().await
    }

    async fn discard(&self) -> CubeResult<()> {
        self.base.discard().await?;
        remove_coarser(&self.location).await.map(|_| ())
    }
}
