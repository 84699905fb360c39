//! Where coordinates lie along a dimension of a box: [`AxisPlaces`].
//!
//! A coordinate column that repeats from batch to batch, as the inner axes of a scan do, is looked up once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::types::{Float64Type, Int64Type, UInt64Type};
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::{DataFusionError, Result};

use crate::error::CubeError;

/// Coordinate columns of which the positions are kept.
const REMEMBERED: usize = 8;

/// The coordinates of one dimension of a box.
#[derive(Debug)]
pub(super) struct AxisPlaces {
    pub(super) name: String,
    keys: Keys,
    remembered: VecDeque<(ArrayRef, Positions)>,
}

/// Values of a coordinate column as what tells them apart.
#[derive(Debug, PartialEq)]
enum Keys {
    Bits(Vec<u64>, HashMap<u64, u32>),
    Texts(HashMap<String, u32>),
}

/// The positions of a column's rows along a dimension of the box.
#[derive(Debug, Clone)]
pub(super) enum Positions {
    Constant(u32),
    Each(Arc<Vec<u32>>),
}

impl Positions {
    /// That of a row.
    pub(super) fn at(&self, row: usize) -> usize {
        match self {
            Self::Constant(position) => *position as usize,
            Self::Each(positions) => positions[row] as usize,
        }
    }
}

impl AxisPlaces {
    /// Those of the coordinates of a dimension.
    ///
    /// # Errors
    /// Coordinates of a type that cannot be looked up.
    pub(super) fn new(name: &str, coordinates: &ArrayRef) -> Result<Self> {
        let keys = match coordinates.data_type() {
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                let texts = cast(coordinates, &DataType::Utf8)?;
                let texts = texts
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::to_string);
                Keys::Texts(texts.zip(0..).collect())
            }
            _ => {
                let bits = bits(coordinates)?;
                let places = bits.iter().copied().zip(0..).collect();
                Keys::Bits(bits, places)
            }
        };
        Ok(Self {
            name: name.to_string(),
            keys,
            remembered: VecDeque::new(),
        })
    }

    /// The positions of the rows of a column of coordinates.
    ///
    /// # Errors
    /// A coordinate that is NULL or not among those of the box.
    pub(super) fn positions(&mut self, column: &ArrayRef) -> Result<Positions> {
        let is_same = |known: &ArrayRef| {
            let (known, column) = (known.to_data(), column.to_data());
            known.ptr_eq(&column)
        };
        if let Some((_, positions)) = self.remembered.iter().find(|(known, _)| is_same(known)) {
            return Ok(positions.clone());
        }
        if column.null_count() > 0 {
            return Err(
                CubeError::invalid("", format!("a row has no {}", self.name))
                    .remedy(format!("say WHERE {} IS NOT NULL", self.name))
                    .into(),
            );
        }
        let positions = self.look_up(column)?;
        self.remembered
            .push_front((Arc::clone(column), positions.clone()));
        self.remembered.truncate(REMEMBERED);
        Ok(positions)
    }

    /// The positions of coordinates, some of which may not be among those of the box.
    ///
    /// # Errors
    /// Coordinates of a type that cannot be looked up.
    pub(super) fn find(&self, coordinates: &ArrayRef) -> Result<Vec<Option<usize>>> {
        let found: Vec<Option<&u32>> = match &self.keys {
            Keys::Texts(places) => {
                let texts = cast(coordinates, &DataType::Utf8)?;
                let texts = texts.as_string::<i32>().iter();
                texts.map(|text| places.get(text?)).collect()
            }
            Keys::Bits(_, places) => {
                let bits = bits(coordinates)?.into_iter().enumerate();
                bits.map(|(row, bits)| places.get(&bits).filter(|_| coordinates.is_valid(row)))
                    .collect()
            }
        };
        let positions = found.into_iter();
        Ok(positions
            .map(|place| place.map(|place| *place as usize))
            .collect())
    }

    fn look_up(&self, column: &ArrayRef) -> Result<Positions> {
        let unknown = |row: usize| -> DataFusionError {
            let value = array_value_to_string(column, row).unwrap_or_default();
            let cause = format!(
                "{} = {value} is not among the coordinates found before",
                self.name
            );
            CubeError::invalid("", cause)
                .remedy("leave functions that give another answer each time out of the query")
                .into()
        };
        match &self.keys {
            Keys::Texts(places) => {
                let texts = cast(column, &DataType::Utf8)?;
                let texts: &StringArray = texts.as_string::<i32>();
                let found = texts
                    .iter()
                    .flatten()
                    .enumerate()
                    .map(|(row, text)| places.get(text).copied().ok_or_else(|| unknown(row)));
                Ok(Positions::Each(Arc::new(found.collect::<Result<_>>()?)))
            }
            Keys::Bits(coordinates, places) => {
                let values = bits(column)?;
                let Some(first) = values.first() else {
                    return Ok(Positions::Each(Arc::default()));
                };
                let find = |row: usize, value: u64| {
                    places.get(&value).copied().ok_or_else(|| unknown(row))
                };
                if values.iter().all(|value| value == first) {
                    return Ok(Positions::Constant(find(0, *first)?));
                }
                let mut positions = Vec::with_capacity(values.len());
                // The same as before, or the next one, more often than not.
                let mut last = find(0, *first)?;
                for (row, value) in values.into_iter().enumerate() {
                    if coordinates[last as usize] != value {
                        last = match coordinates.get(last as usize + 1) {
                            Some(next) if *next == value => last + 1,
                            _ => find(row, value)?,
                        };
                    }
                    positions.push(last);
                }
                Ok(Positions::Each(Arc::new(positions)))
            }
        }
    }
}

/// Numbers as bits that are equal when the numbers are: −0 is 0.
fn bits(array: &ArrayRef) -> Result<Vec<u64>> {
    let whole = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => {
            cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?
        }
        DataType::Float32 | DataType::Float64 => {
            let values = cast(array, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>().values().iter();
            return Ok(values.map(|value| (value + 0.0).to_bits()).collect());
        }
        other if other.is_integer() || other.is_temporal() || *other == DataType::Boolean => {
            let wide = match other {
                DataType::UInt64 => DataType::UInt64,
                _ => DataType::Int64,
            };
            cast(array, &wide)?
        }
        other => {
            return Err(CubeError::unsupported(
                "",
                format!("a dimension cannot be of type {other}"),
            )
            .remedy("cast it to a number, a time or a text")
            .into());
        }
    };
    Ok(match whole.data_type() {
        DataType::UInt64 => whole.as_primitive::<UInt64Type>().values().to_vec(),
        _ => {
            let values = whole.as_primitive::<Int64Type>().values().iter();
            values.map(|value| value.cast_unsigned()).collect()
        }
    })
}
