//! One variable of several files as one array: a chunk of it is a chunk of one of the files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_functions::calendar::Calendar;
use serde_json::Value;

use super::Member;
use super::agreement::check_same_variable;
use super::axis::RULES;
use super::rechunked::Rechunked;
use super::recounted::{Recounted, microseconds, with_units};
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::cube::memory::MemoryArray;
use crate::error::{CubeError, CubeResult};
use crate::source::{
    ArrayDescription, ArrayReader, Attributes, ChunkVersion, EncodedChunk, RawChunk,
};

/// Files that are asked for the versions of their chunks at the same time.
const CONCURRENT_QUESTIONS: usize = 16;

/// Arrays of several files, one after the other along one axis.
#[derive(Debug)]
struct Concatenated {
    description: ArrayDescription,
    axis: usize,
    /// The arrays, and the number of each one's first chunk along the axis.
    parts: Vec<(u64, Arc<dyn ArrayReader>)>,
}

#[async_trait]
impl ArrayReader for Concatenated {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let (part, index) = self.locate(index)?;
        part.fetch(&index).await
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let (part, index) = self.locate(index)?;
        part.decode(&index, chunk)
    }

    fn decode_rows(
        &self,
        index: &[u64],
        chunk: &EncodedChunk,
        rows: Range<u64>,
    ) -> CubeResult<Option<RawChunk>> {
        let (part, index) = self.locate(index)?;
        part.decode_rows(&index, chunk, rows)
    }

    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        // One question per part: a part may answer for all its chunks at once.
        let mut versions = vec![ChunkVersion::Unknown; indices.len()];
        let mut asked: BTreeMap<usize, (Vec<usize>, Vec<Vec<u64>>)> = BTreeMap::new();
        for (position, index) in indices.iter().enumerate() {
            let (part, index) = self.position(index)?;
            let (positions, inside) = asked.entry(part).or_default();
            positions.push(position);
            inside.push(index);
        }
        let mut answers = stream::iter(asked)
            .map(|(part, (positions, inside))| async move {
                let answer = self.parts[part].1.versions(&inside).await?;
                CubeResult::Ok((positions, answer))
            })
            .buffer_unordered(CONCURRENT_QUESTIONS);
        while let Some((positions, answer)) = answers.try_next().await? {
            for (position, version) in std::iter::zip(positions, answer) {
                versions[position] = version;
            }
        }
        Ok(versions)
    }
}

impl Concatenated {
    /// Puts `arrays`, of which there is at least one, together along `axis`.
    fn new(arrays: Vec<Arc<dyn ArrayReader>>, axis: usize) -> CubeResult<Self> {
        let Some(first) = arrays.first() else {
            return Err(CubeError::invalid(
                "",
                "there are no arrays to put together",
            ));
        };
        let mut description = first.description().clone();
        let mut parts = Vec::with_capacity(arrays.len());
        let mut bounds = vec![0];
        let (mut chunks, mut cells) = (0, 0);
        let mut stored_bytes = Some(0);
        for array in arrays {
            let array = Rechunked::like(array, &description.chunks, axis);
            let part = array.description();
            stored_bytes = stored_bytes
                .zip(part.stored_bytes)
                .map(|(sum, more)| sum + more);
            if let Some(along) = part.chunks.get(axis) {
                bounds.extend((0..along.count()).map(|chunk| cells + along.range(chunk).end));
                parts.push((chunks, array.clone()));
                chunks += along.count();
                cells += along.length();
            }
        }
        if let (Some(length), Some(along)) = (
            description.shape.get_mut(axis),
            description.chunks.get_mut(axis),
        ) {
            *length = cells;
            *along = AxisChunks::ending_at(bounds);
        }
        description.shard_shape = None;
        description.stored_bytes = stored_bytes;
        Ok(Self {
            description,
            axis,
            parts,
        })
    }

    /// The array that has the chunk at `index`, and the chunk's index in it.
    fn locate(&self, index: &[u64]) -> CubeResult<(&dyn ArrayReader, Vec<u64>)> {
        let (part, index) = self.position(index)?;
        Ok((self.parts[part].1.as_ref(), index))
    }

    /// The part that has the chunk at `index`, and the chunk's index in it.
    fn position(&self, index: &[u64]) -> CubeResult<(usize, Vec<u64>)> {
        let missing = || {
            CubeError::invalid(
                format!("{}, chunk {index:?}", self.description.name),
                "the variable has no such chunk",
            )
        };
        let number = *index.get(self.axis).ok_or_else(missing)?;
        let after = self.parts.partition_point(|(first, _)| *first <= number);
        let part = after.checked_sub(1).ok_or_else(missing)?;
        let (first, _) = self.parts.get(part).ok_or_else(missing)?;
        let mut index = index.to_vec();
        if let Some(along) = index.get_mut(self.axis) {
            *along = number - first;
        }
        Ok((part, index))
    }
}

/// The array of all `members` for the first one's array that `description` describes. Without
/// `dimension`, or if the array does not have it, it is the first member's own.
///
/// # Errors
/// The members' arrays do not agree, see [`super::agreement`].
pub(super) fn concatenate_array(
    members: &[Member],
    description: &ArrayDescription,
    dimension: Option<&str>,
) -> CubeResult<Arc<dyn ArrayReader>> {
    let name = &description.name;
    let (described, recount) = agree(members, name, dimension)?;
    let arrays = members.iter().filter_map(|member| member.array(name));
    let arrays: Vec<&Arc<dyn ArrayReader>> = arrays.collect();
    let Some(first_array) = arrays.first() else {
        return Err(CubeError::invalid(name, "the variable is missing"));
    };
    let position = |dimension: &str| description.dimensions.iter().position(|d| d == dimension);
    let axis = dimension.and_then(position);
    let Some(axis) = axis else {
        return Ok(Arc::clone(first_array));
    };
    let mut parts: Vec<Arc<dyn ArrayReader>> = Vec::with_capacity(arrays.len());
    for (array, described) in arrays.iter().zip(&described) {
        parts.push(if recount {
            Arc::new(Recounted::new(Arc::clone(array), described)?)
        } else {
            Arc::clone(array)
        });
    }
    match coordinate(members, name, recount)? {
        Some(values) => Ok(in_memory(parts[0].description(), values)),
        None => Ok(Arc::new(Concatenated::new(parts, axis)?)),
    }
}

/// Checks that the arrays `name` of all `members` agree. Returns their descriptions, with units, and
/// whether they are times that have to be recounted.
///
/// # Errors
/// The first difference, see [`super::agreement`].
pub(super) fn agree(
    members: &[Member],
    name: &str,
    dimension: Option<&str>,
) -> CubeResult<(Vec<ArrayDescription>, bool)> {
    let described: Vec<ArrayDescription> = members
        .iter()
        .filter_map(|member| {
            let description = member.array(name)?.description();
            Some(with_units(description, bounded_by(member, name)))
        })
        .collect();
    let recount = match (described.first(), dimension) {
        (Some(first), Some(dimension)) => {
            first.dimensions.iter().any(|d| d == dimension) && need_recounting(&described)?
        }
        _ => false,
    };
    for (member, other) in members.iter().zip(&described).skip(1) {
        let first = (members[0].url.as_str(), &described[0]);
        check_same_variable(first, (&member.url, other), dimension, recount)?;
    }
    Ok((described, recount))
}

/// The attributes of the array whose bounds are called `name`.
fn bounded_by<'a>(member: &'a Member, name: &str) -> Option<&'a Attributes> {
    member
        .group
        .arrays
        .iter()
        .map(|array| &array.description().attributes)
        .find(|attributes| {
            ["bounds", "climatology"]
                .iter()
                .any(|link| attributes.get(*link).and_then(Value::as_str) == Some(name))
        })
}

/// Are these times that count from different dates, or in different units, in one calendar?
fn need_recounting(described: &[ArrayDescription]) -> CubeResult<bool> {
    let attributes = |description: &ArrayDescription| {
        ["units", "calendar"].map(|name| description.attributes.get(name).cloned())
    };
    let pairs = described.windows(2);
    if pairs
        .clone()
        .all(|pair| attributes(&pair[0]) == attributes(&pair[1]))
    {
        return Ok(false);
    }
    for description in described {
        if !Decoding::new(description, RULES)?.is_time() {
            return Ok(false);
        }
    }
    Ok(pairs
        .into_iter()
        .all(|pair| calendar(&pair[0]) == calendar(&pair[1])))
}

/// The calendar; those of the real world count as one, because they name the same instants.
fn calendar(description: &ArrayDescription) -> Option<Calendar> {
    let name = description
        .attributes
        .get("calendar")
        .and_then(Value::as_str);
    match Calendar::parse(name.unwrap_or_default())? {
        Calendar::Standard | Calendar::ProlepticGregorian | Calendar::Julian => {
            Some(Calendar::Standard)
        }
        model => Some(model),
    }
}

/// All values of the array `name`, when it is a coordinate: they were read already.
fn coordinate(members: &[Member], name: &str, recount: bool) -> CubeResult<Option<ArrayRef>> {
    let mut pieces: Vec<ArrayRef> = Vec::with_capacity(members.len());
    for member in members {
        let Some(coordinate) = member.coordinates.get(name) else {
            return Ok(None);
        };
        pieces.push(if recount {
            microseconds(&coordinate.values)?
        } else {
            Arc::clone(&coordinate.stored)
        });
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    let values = concat(&pieces).map_err(|error| CubeError::corrupt(name, error))?;
    Ok(Some(values))
}

fn in_memory(description: &ArrayDescription, values: ArrayRef) -> Arc<dyn ArrayReader> {
    let dimensions: Vec<&str> = description.dimensions.iter().map(String::as_str).collect();
    MemoryArray::new(
        &description.name,
        &dimensions,
        &[values.len() as u64],
        values,
    )
    .with_attributes(Value::Object(description.attributes.clone()))
    .with_fill(description.fill_value.clone(), &[])
    .shared()
}
