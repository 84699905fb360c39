//! An attribute of features on a grid: [`Burnt`], an array whose chunks are made when they are asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, cast, take};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use async_trait::async_trait;
use serde_json::Value;

use super::Overlap;
use super::features::Marks;
use crate::cube::Variable;
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::error::{CubeError, CubeResult};
use crate::grids::reproject::Target;
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, RawChunk};

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
            return Err(CubeError::invalid(
                &self.description.name,
                "a chunk has no place",
            ));
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

    /// The values of one feature per cell: the last, the first, or that with the smallest or largest value.
    fn chosen(&self, cells: &[Range<usize>; 2]) -> Result<ArrayRef, ArrowError> {
        let values = &self.marks.attributes[self.at].1;
        let order = make_comparator(values, values, SortOptions::default())?;
        let overlap = self.marks.overlap;
        let takes = |feature: usize, before: usize| match overlap {
            Overlap::First => false,
            Overlap::Smallest => order(feature, before).is_lt(),
            Overlap::Largest => order(feature, before).is_gt(),
            Overlap::Last | Overlap::Sum => true,
        };
        let by_value = matches!(overlap, Overlap::Smallest | Overlap::Largest);
        let mut features: Vec<Option<u32>> = vec![None; cells[0].len() * cells[1].len()];
        self.each(cells, |feature, marked| {
            if by_value && values.is_null(feature) {
                return;
            }
            for cell in &mut features[marked] {
                if cell.is_none_or(|before| takes(feature, before as usize)) {
                    *cell = Some(feature as u32);
                }
            }
        });
        take(values, &UInt32Array::from(features), None)
    }

    /// The sum of all features of a cell.
    fn added(&self, cells: &[Range<usize>; 2]) -> Result<ArrayRef, ArrowError> {
        let numbers = cast(&self.marks.attributes[self.at].1, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let mut found: Vec<Option<f64>> = vec![None; cells[0].len() * cells[1].len()];
        self.each(cells, |feature, marked| {
            if numbers.is_valid(feature) {
                for cell in &mut found[marked] {
                    *cell = Some(cell.unwrap_or(0.0) + numbers.value(feature));
                }
            }
        });
        Ok(Arc::new(Float64Array::from(found)))
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
        Ok(Some(EncodedChunk::of_pieces(Vec::new())))
    }

    fn decode(&self, index: &[u64], _chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let cells = self.cells(index)?;
        let values = match self.marks.overlap {
            Overlap::Sum => self.added(&cells),
            _ => self.chosen(&cells),
        };
        Ok(RawChunk {
            values: values
                .map_err(|error| CubeError::unsupported(&self.description.name, error))?,
            shape: cells.iter().map(Range::len).collect(),
        })
    }
}
