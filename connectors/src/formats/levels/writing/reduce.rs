//! Four cells become one: [`halve`] for images, [`centres`] and [`bounds`] for coordinates.
//!
//! ```text
//!  1 2 │ 5         mean: 2.5 │ 5      only cells that are there and not missing count
//!  3 4 │ –
//!  ────┼──
//!  7 – │ 9               7 │ 9
//! ```
//! Cells are stored numbers. The mean of numbers that are packed by a factor and an offset is the packed mean.

use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use graticule_engine::sink::TargetArray;

/// Attributes of values that are categories.
const FLAGS: [&str; 2] = ["flag_values", "flag_masks"];

/// How cells become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// The one to the north and west, also where it is missing.
    First,
    Mean,
    Min,
    Max,
}

impl Method {
    const ALL: [Self; 4] = [Self::First, Self::Mean, Self::Min, Self::Max];

    /// As xcube calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// The mean of floats and of packed numbers; other integers may be categories.
    pub(super) fn by_default(array: &TargetArray) -> Self {
        let has = |name: &str| array.attributes.contains_key(name);
        let is_packed = array.data_type.is_integer() && has("scale_factor");
        match (array.data_type.is_floating() || is_packed) && !FLAGS.into_iter().any(has) {
            true => Self::Mean,
            false => Self::First,
        }
    }
}

/// The stored numbers of a type.
trait Cell: Copy + PartialEq + PartialOrd {
    fn is_nan(self) -> bool;
    fn mean(cells: &[Self]) -> Self;
}

macro_rules! whole_cells {
    ($($type:ty),*) => {$(
        impl Cell for $type {
            fn is_nan(self) -> bool {
                false
            }

            fn mean(cells: &[Self]) -> Self {
                let (sum, count) = (
                    cells.iter().map(|cell| i128::from(*cell)).sum::<i128>(),
                    cells.len() as i128,
                );
                // To the nearest, halves away from zero; it lies between the cells, so that it fits.
                let nearest = (2 * sum.abs() + count) / (2 * count) * sum.signum();
                Self::try_from(nearest).unwrap_or_default()
            }
        }
    )*};
}

whole_cells!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Cell for f32 {
    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn mean(cells: &[Self]) -> Self {
        (cells.iter().map(|cell| f64::from(*cell)).sum::<f64>() / cells.len() as f64) as f32
    }
}

impl Cell for f64 {
    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn mean(cells: &[Self]) -> Self {
        cells.iter().sum::<f64>() / cells.len() as f64
    }
}

/// A tile: cells in C order of which the first rows and columns are in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Cells of a row, those that are not in use included.
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Half of a tile: as many rows and columns as there are pairs, the last ones perhaps of one. `missing` is one
/// cell with the value of missing ones, if there is such a value. The error is its cause in words.
pub(super) fn halve(
    values: &ArrayRef,
    tile: Tile,
    method: Method,
    missing: Option<&ArrayRef>,
) -> Result<ArrayRef, String> {
    if method == Method::First {
        let firsts = (0..tile.rows).step_by(2).flat_map(|row| {
            let columns = (0..tile.columns).step_by(2);
            columns.map(move |column| (row * tile.stride + column) as u64)
        });
        let firsts = UInt64Array::from_iter_values(firsts);
        return take(values, &firsts, None).map_err(|error| error.to_string());
    }
    let (from, missing) = (values, missing);
    Ok(match values.data_type() {
        DataType::Int8 => reduced::<Int8Type>(from, tile, method, missing),
        DataType::Int16 => reduced::<Int16Type>(from, tile, method, missing),
        DataType::Int32 => reduced::<Int32Type>(from, tile, method, missing),
        DataType::Int64 => reduced::<Int64Type>(from, tile, method, missing),
        DataType::UInt8 => reduced::<UInt8Type>(from, tile, method, missing),
        DataType::UInt16 => reduced::<UInt16Type>(from, tile, method, missing),
        DataType::UInt32 => reduced::<UInt32Type>(from, tile, method, missing),
        DataType::UInt64 => reduced::<UInt64Type>(from, tile, method, missing),
        DataType::Float32 => reduced::<Float32Type>(from, tile, method, missing),
        DataType::Float64 => reduced::<Float64Type>(from, tile, method, missing),
        other => return Err(format!("there is no {} of {other}", method.name())),
    })
}

fn reduced<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    tile: Tile,
    method: Method,
    missing: Option<&ArrayRef>,
) -> ArrayRef
where
    T::Native: Cell,
{
    let values = values.as_primitive::<T>().values();
    let missing = missing.map(|missing| missing.as_primitive::<T>().value(0));
    let mut halves = Vec::with_capacity(tile.rows.div_ceil(2) * tile.columns.div_ceil(2));
    for row in (0..tile.rows).step_by(2) {
        for column in (0..tile.columns).step_by(2) {
            let first = values[row * tile.stride + column];
            let mut cells = [first; 4];
            let mut count = 0;
            for (below, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (row, column) = (row + below, column + right);
                if row < tile.rows && column < tile.columns {
                    let cell = values[row * tile.stride + column];
                    if !cell.is_nan() && Some(cell) != missing {
                        cells[count] = cell;
                        count += 1;
                    }
                }
            }
            let cells = &cells[..count];
            let better = |one: T::Native, other: T::Native| match method {
                Method::Min => other < one,
                _ => other > one,
            };
            let best = cells
                .iter()
                .copied()
                .reduce(|one, other| match better(one, other) {
                    true => other,
                    false => one,
                });
            halves.push(match best {
                None => missing.unwrap_or(first),
                Some(_) if method == Method::Mean => T::Native::mean(cells),
                Some(best) => best,
            });
        }
    }
    Arc::new(PrimitiveArray::<T>::from_iter_values(halves))
}

/// Centres of pairs of cells; the last one, if it has no second, lies where that would be. The error is its cause
/// in words.
pub(super) fn centres(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, String> {
    let failed = |error: arrow::error::ArrowError| error.to_string();
    let places = cast(values, &DataType::Float64).map_err(failed)?;
    let places = places.as_primitive::<Float64Type>().values();
    let step = match places.as_ref() {
        [.., before, last] => last - before,
        _ => 0.0,
    };
    let pairs = places.chunks(2).map(|pair| match pair {
        [one, other] => f64::midpoint(*one, *other),
        [one, ..] => one + step / 2.0,
        [] => f64::NAN,
    });
    let pairs: ArrayRef = Arc::new(Float64Array::from_iter_values(pairs));
    cast(&pairs, data_type).map_err(failed)
}

/// Bounds of pairs of cells, two per cell; those of the last one, if it has no second, as if it had one. The error
/// is its cause in words.
pub(super) fn bounds(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, String> {
    let failed = |error: arrow::error::ArrowError| error.to_string();
    let edges = cast(values, &DataType::Float64).map_err(failed)?;
    let edges = edges.as_primitive::<Float64Type>().values();
    let is_alone = edges.len() == 2;
    let pairs = edges.chunks(4).flat_map(|pair| match pair {
        [from, _, _, to] => [*from, *to],
        [from, to, ..] if is_alone => [*from, *to],
        [from, to, ..] => [*from, to + (to - from)],
        _ => [f64::NAN; 2],
    });
    let pairs: ArrayRef = Arc::new(Float64Array::from_iter_values(pairs));
    cast(&pairs, data_type).map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Float32Array, Int16Array, StringArray};

    use super::*;

    const TILE: Tile = Tile {
        stride: 4,
        rows: 3,
        columns: 3,
    };

    #[test]
    fn cells_that_are_missing_do_not_count() {
        let m = -9;
        let cells = vec![1, 2, 5, 99, 3, 4, m, 99, 7, m, m, 99];
        let missing: ArrayRef = Arc::new(Int16Array::from(vec![m]));
        let values: ArrayRef = Arc::new(Int16Array::from(cells));
        for (method, expected) in [
            (Method::First, [1, 5, 7, m]),
            (Method::Mean, [3, 5, 7, m]),
            (Method::Min, [1, 5, 7, m]),
            (Method::Max, [4, 5, 7, m]),
        ] {
            let halves = halve(&values, TILE, method, Some(&missing)).unwrap();
            let expected: ArrayRef = Arc::new(Int16Array::from(expected.to_vec()));
            assert_eq!(&halves, &expected, "{method:?}");
        }
        assert_eq!(i8::mean(&[-1, -2]), -2);
        assert_eq!(u64::mean(&[u64::MAX, u64::MAX]), u64::MAX);
    }

    #[test]
    fn floats_and_texts() {
        let nan: ArrayRef = Arc::new(Float32Array::from(vec![f32::NAN]));
        let values: ArrayRef = Arc::new(Float32Array::from(vec![1.0, f32::NAN, 2.0, f32::NAN]));
        let pair = Tile {
            stride: 2,
            rows: 2,
            columns: 2,
        };
        let halves = halve(&values, pair, Method::Mean, Some(&nan)).unwrap();
        assert_eq!(halves.as_primitive::<Float32Type>().values(), &[1.5]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let halves = halve(&texts, pair, Method::First, None).unwrap();
        assert_eq!(halves.as_string::<i32>().value(0), "a");
        assert!(halve(&texts, pair, Method::Mean, None).is_err());
    }

    #[test]
    fn centres_stay_at_equal_distances() {
        let cases: [(Vec<f64>, Vec<f64>); 3] = [
            (vec![4.0, 3.0, 2.0, 1.0], vec![3.5, 1.5]),
            (vec![0.0, 1.0, 2.0], vec![0.5, 2.5]),
            (vec![7.0], vec![7.0]),
        ];
        for (places, expected) in cases {
            let places: ArrayRef = Arc::new(Float64Array::from(places));
            let found = centres(&places, &DataType::Float64).unwrap();
            assert_eq!(found.as_primitive::<Float64Type>().values(), &expected[..]);
        }
    }

    #[test]
    fn bounds_are_those_of_both_cells() {
        let cases: [(Vec<f64>, Vec<f64>); 3] = [
            (vec![4.0, 3.0, 3.0, 2.0], vec![4.0, 2.0]),
            (vec![0.0, 1.0, 1.0, 2.0, 2.0, 3.0], vec![0.0, 2.0, 2.0, 4.0]),
            (vec![7.0, 8.0], vec![7.0, 8.0]),
        ];
        for (edges, expected) in cases {
            let edges: ArrayRef = Arc::new(Float64Array::from(edges));
            let found = bounds(&edges, &DataType::Float64).unwrap();
            assert_eq!(found.as_primitive::<Float64Type>().values(), &expected[..]);
        }
    }
}
