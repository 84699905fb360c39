//! Layers of cells on each other: [`overlaid`], an array whose chunks are made of those of its layers.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use arrow::compute::kernels::cmp::lt;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, is_not_null, is_null, or_kleene};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::Value;

use crate::cube::Variable;
use crate::cube::decoding::Decoding;
use crate::error::{CubeError, CubeResult};
use crate::grids::warp::has_values_between;
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};

/// What a cell has that several layers have a value for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The value of the first of them.
    First,
    /// That of the last.
    Last,
    /// The mean of all.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

const CHOICES: [(&str, Choice); 5] = [
    ("first", Choice::First),
    ("last", Choice::Last),
    ("mean", Choice::Mean),
    ("min", Choice::Min),
    ("max", Choice::Max),
];

impl Choice {
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut known = CHOICES.iter();
        known
            .find(|(known, _)| *known == name)
            .map(|(_, choice)| *choice)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        CHOICES.iter().map(|(name, _)| *name)
    }
}

/// The array.
#[derive(Debug)]
struct Overlaid {
    layers: Vec<Variable>,
    choice: Choice,
    description: ArrayDescription,
    /// What the chunks of all layers take while they are made, and their values until they are one, in bytes.
    working: usize,
}

/// Layers of the same axes, chunks and type as one variable; chunks of all of them take `working` bytes while they are made.
///
/// # Errors
/// There is no layer, or no NULL of the type.
pub(super) fn overlaid(
    layers: Vec<Variable>,
    choice: Choice,
    working: usize,
) -> CubeResult<Variable> {
    let Some(first) = layers.first() else {
        return Err(CubeError::invalid("", "a mosaic has no layers"));
    };
    let choice = match (choice, has_values_between(&first.field)) {
        (Choice::Mean, false) => Choice::First,
        _ => choice,
    };
    let data_type = match (choice, first.decoding.data_type()) {
        (Choice::Mean, DataType::Float32) => DataType::Float32,
        (Choice::Mean, _) => DataType::Float64,
        (_, own) => own.clone(),
    };
    let inner = first.array.description();
    let sizes = inner.chunks.iter().map(|chunks| chunks.size() as usize);
    let cells = sizes.fold(1, usize::saturating_mul);
    let width = match choice {
        // Sums, counts and the values as wide numbers stand beside the layers.
        Choice::Mean => size_of::<f64>() * 2,
        _ => data_type.primitive_width().unwrap_or(16),
    };
    let values = cells.saturating_mul(width).saturating_mul(layers.len());
    let field = first.field.as_ref().clone().with_nullable(true);
    Ok(Variable {
        field: Arc::new(field.with_data_type(data_type.clone())),
        axes: first.axes.clone(),
        decoding: Decoding::of_values(&data_type)?,
        origin: None,
        array: Arc::new(Overlaid {
            description: ArrayDescription {
                name: inner.name.clone(),
                dimensions: inner.dimensions.clone(),
                shape: inner.shape.clone(),
                chunks: inner.chunks.clone(),
                data_type,
                fill_value: Value::Null,
                attributes: Attributes::new(),
                codecs: inner.codecs.clone(),
                shard_shape: None,
                stored_bytes: None,
            },
            layers,
            choice,
            working: working.saturating_add(values),
        }),
    })
}

impl Overlaid {
    /// What the cells of these layers have, of which there is at least one.
    fn combined(&self, layers: &[ArrayRef]) -> Result<Option<ArrayRef>, ArrowError> {
        let mut ordered = layers.iter().cloned();
        match self.choice {
            Choice::First => try_reduce(ordered, |above, below| {
                zip(&is_not_null(&above)?, &above, &below)
            }),
            Choice::Last => try_reduce(ordered, |below, above| {
                zip(&is_not_null(&above)?, &above, &below)
            }),
            Choice::Min => try_reduce(ordered, |one, other| lesser(&one, &other, true)),
            Choice::Max => try_reduce(ordered, |one, other| lesser(&one, &other, false)),
            Choice::Mean => match ordered.len() {
                1 => ordered
                    .next()
                    .map(|only| cast(&only, &self.description.data_type))
                    .transpose(),
                _ => mean(layers, &self.description.data_type).map(Some),
            },
        }
    }
}

fn try_reduce(
    mut layers: impl Iterator<Item = ArrayRef>,
    combine: impl Fn(ArrayRef, ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<Option<ArrayRef>, ArrowError> {
    let Some(first) = layers.next() else {
        return Ok(None);
    };
    layers.try_fold(first, combine).map(Some)
}

/// The smaller, or the larger, of two values, the one where the other is missing.
fn lesser(one: &ArrayRef, other: &ArrayRef, is_smaller: bool) -> Result<ArrayRef, ArrowError> {
    let is_wanted = match is_smaller {
        true => lt(one, other)?,
        false => lt(other, one)?,
    };
    let takes_one: BooleanArray = or_kleene(&is_wanted, &is_null(other)?)?;
    zip(&takes_one, one, other)
}

/// The mean of the values that are there.
fn mean(layers: &[ArrayRef], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let layers = layers
        .iter()
        .map(|layer| cast(layer, &DataType::Float64))
        .collect::<Result<Vec<_>, _>>()?;
    let cells = layers.first().map_or(0, |layer| layer.len());
    let (mut sums, mut counts) = (vec![0.0; cells], vec![0_u32; cells]);
    for layer in &layers {
        let values = layer.as_primitive::<Float64Type>().iter();
        for (value, (sum, count)) in values.zip(sums.iter_mut().zip(&mut counts)) {
            if let Some(value) = value {
                *sum += value;
                *count += 1;
            }
        }
    }
    let means = std::iter::zip(sums, counts);
    let means = means.map(|(sum, count)| (count > 0).then(|| sum / f64::from(count)));
    let means: ArrayRef = Arc::new(means.collect::<PrimitiveArray<Float64Type>>());
    cast(&means, data_type)
}

#[async_trait]
impl ArrayReader for Overlaid {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    fn working_bytes(&self) -> usize {
        self.working
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let pieces = try_join_all(self.layers.iter().map(|layer| layer.fetch(index))).await?;
        if pieces.iter().all(Option::is_none) {
            return Ok(None);
        }
        Ok(Some(EncodedChunk::of_pieces(pieces)))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let Payload::Pieces(pieces) = chunk.payload else {
            return chunk.payload.into_values(&self.description.name);
        };
        let there = std::iter::zip(&self.layers, pieces).filter(|(_, piece)| piece.is_some());
        let layers = there
            .map(|(layer, piece)| layer.decode(index, piece)?.to_array())
            .collect::<CubeResult<Vec<ArrayRef>>>()?;
        let failed =
            |cause: &dyn std::fmt::Display| CubeError::unsupported(&self.description.name, cause);
        let values = self.combined(&layers).map_err(|error| failed(&error))?;
        let ranges = std::iter::zip(&self.description.chunks, index);
        let ranges = ranges.map(|(chunks, number)| chunks.range(*number));
        Ok(RawChunk {
            values: values.ok_or_else(|| failed(&"a chunk of a mosaic has no layer"))?,
            shape: ranges
                .map(|range| (range.end - range.start) as usize)
                .collect(),
        })
    }
}
