//! An attribute of features on a grid: [`Burnt`], an array whose chunks are made when they are asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type};
use async_trait::async_trait;
use serde_json::Value;

use super::Overlap;
use super::features::Marks;
use crate::cube::Variable;
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::error::{CubeError, CubeResult};
use crate::grids::reproject::Target;
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};

/// Cells along a side of a chunk.
const SIDE: u64 = 512;

/// The array.
#[derive(Debug)]
pub(super) struct Burnt {
    marks: Arc<Marks>,
    /// Number of the attribute.
    at: usize,
    description: ArrayDescription,
}

impl Burnt {
    /// Attribute number `at` of the features on the grid `target`.
    ///
    /// # Errors
    /// There is no NULL of its type.
    pub(super) fn variable(marks: &Arc<Marks>, at: usize, target: &Target) -> CubeResult<Variable> {
        let (field, values) = &marks.attributes[at];
        let data_type = values.data_type().clone();
        let chunks = [&target.y_places, &target.x_places];
        let chunks = chunks.map(|places| AxisChunks::regular(places.centres.len() as u64, SIDE));
        let field = field.as_ref().clone();
        Ok(Variable {
            field: Arc::new(field.with_nullable(true)),
            axes: vec![0, 1],
            decoding: Decoding::of_values(&data_type)?,
            array: Arc::new(Self {
                description: ArrayDescription {
                    name: values_name(marks, at),
                    dimensions: vec!["y".to_string(), "x".to_string()],
                    shape: chunks.iter().map(AxisChunks::length).collect(),
                    chunks: chunks.to_vec(),
                    data_type,
                    fill_value: Value::Null,
                    attributes: Attributes::new(),
                    codecs: String::new(),
                    shard_shape: None,
                    stored_bytes: None,
                },
                marks: Arc::clone(marks),
                at,
            }),
            origin: None,
        })
    }

    /// Rows and columns of the chunk at `index`.
    fn cells(&self, index: &[u64]) -> CubeResult<[Range<usize>; 2]> {
        let [y, x] = index else {
            return Err(CubeError::invalid(&self.description.name, "a chunk has no place"));
        };
        let range = |axis: usize, number: u64| {
            let range = self.description.chunks[axis].range(number);
            range.start as usize..range.end as usize
        };
        Ok([range(0, *y), range(1, *x)])
    }

    /// Calls `mark` with each feature and each stretch of cells of the chunk that it marks, counted in the chunk.
    fn each(&self, [rows, columns]: &[Range<usize>; 2], mut mark: impl FnMut(usize, Range<usize>)) {
        for (feature, runs) in self.marks.runs.iter().enumerate() {
            let first = runs.partition_point(|run| (run.row as usize) < rows.start);
            let runs = runs[first..].iter();
            for run in runs.take_while(|run| (run.row as usize) < rows.end) {
                let start = (run.start as usize).max(columns.start);
                let end = (run.end as usize).min(columns.end);
                if start < end {
                    let before = (run.row as usize - rows.start) * columns.len();
                    let before = before + start - columns.start;
                    mark(feature, before..before + end - start);
                }
            }
        }
    }

    /// The values of one feature per cell.
    fn chosen(&self, cells: &[Range<usize>; 2]) -> Result<ArrayRef, arrow::error::ArrowError> {
        let mut features: Vec<Option<u32>> = vec![None; cells[0].len() * cells[1].len()];
        let keeps_first = self.marks.overlap == Overlap::First;
        self.each(cells, |feature, marked| {
            for cell in &mut features[marked] {
                if !(keeps_first && cell.is_some()) {
                    *cell = Some(feature as u32);
                }
            }
        });
        let values = &self.marks.attributes[self.at].1;
        take(values, &UInt32Array::from(features), None)
    }

    /// The values of all features of a cell, reduced to one.
    fn reduced(&self, cells: &[Range<usize>; 2]) -> Result<ArrayRef, arrow::error::ArrowError> {
        let values = &self.marks.attributes[self.at].1;
        let whole = match values.data_type() {
            temporal if temporal.is_temporal() => cast(values, &DataType::Int64)?,
            DataType::Boolean => cast(values, &DataType::UInt8)?,
            _ => Arc::clone(values),
        };
        let numbers = cast(&whole, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let mut found: Vec<Option<f64>> = vec![None; cells[0].len() * cells[1].len()];
        let overlap = self.marks.overlap;
        self.each(cells, |feature, marked| {
            if numbers.is_null(feature) {
                return;
            }
            let value = numbers.value(feature);
            for cell in &mut found[marked] {
                *cell = Some(match (overlap, *cell) {
                    (_, None) => value,
                    (Overlap::Smallest, Some(before)) => before.min(value),
                    (Overlap::Largest, Some(before)) => before.max(value),
                    (_, Some(before)) => before + value,
                });
            }
        });
        let found: ArrayRef = Arc::new(Float64Array::from(found));
        let data_type = values.data_type();
        match data_type.is_temporal() {
            true => cast(&cast(&found, whole.data_type())?, data_type),
            false => cast(&found, data_type),
        }
    }
}

fn values_name(marks: &Marks, at: usize) -> String {
    marks.attributes[at].0.name().clone()
}

#[async_trait]
impl ArrayReader for Burnt {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, _index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        Ok(Some(EncodedChunk {
            bytes_fetched: 0,
            payload: Payload::Pieces(Vec::new()),
        }))
    }

    fn decode(&self, index: &[u64], _chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let cells = self.cells(index)?;
        let values = match self.marks.overlap {
            Overlap::Last | Overlap::First => self.chosen(&cells),
            Overlap::Smallest | Overlap::Largest | Overlap::Sum => self.reduced(&cells),
        };
        Ok(RawChunk {
            values: values.map_err(|error| CubeError::unsupported(&self.description.name, error))?,
            shape: cells.iter().map(Range::len).collect(),
        })
    }
}
