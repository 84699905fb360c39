//! CF encoding: what turns the values of a column into stored numbers. The inverse of
//! [`decoding`](super::decoding).
//!
//! ```text
//!  values ─▶ quantise (scale_factor, add_offset, dtype) · count (units, calendar) · truth · text
//!         ─▶ fill (NULL ─▶ _FillValue) ─▶ check (did every value fit?) ─▶ stored
//! ```
//! A value that the stored type does not hold, or that is stored as the fill value, is an error that
//! names it, or NULL and counted: nothing is clipped, and nothing wraps. Numbers are rounded half to
//! even, as NumPy and xarray do.
//!
//! What reading does not give back: whether a text was NULL or empty (texts have no fill value, in
//! xarray neither), and the type of what is packed (`int16` with a scale is a float, as CF has it).

mod numbers;
mod options;
mod plan;
#[cfg(test)]
mod tests;
mod time;

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use serde_json::Value;

pub use self::options::{ENCODING_OPTIONS, EncodingOptions, OutOfRange};

use self::numbers::{Quantised, Scaling, count_fill, filled, quantise};
use self::options::type_name;
use self::plan::canonical_type;
use self::time::TimeCounting;
use super::decoding::number::{Number, Stored, with_number_type};
use crate::error::{CubeError, CubeResult};
use crate::source::Attributes;

/// How the values of one column become stored numbers. Made by [`Encoding::plan`], applied to every
/// block.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// The column, for messages.
    name: String,
    /// Type of the values, see [`canonical_type`].
    column: DataType,
    stored: DataType,
    transform: Transform,
    /// What NULL is stored as.
    fill: Value,
    /// Coordinates have no fill value that readers know of.
    is_coordinate: bool,
    out_of_range: OutOfRange,
    attributes: Attributes,
}

/// What happens to values that are not NULL.
#[derive(Debug, Clone, PartialEq)]
enum Transform {
    /// They stay as they are, in the same buffer.
    Keep,
    /// Integers become other numbers.
    Cast,
    /// Numbers are scaled and rounded to the stored type.
    Quantise(Option<Scaling>),
    /// Times are counted in units.
    Count(TimeCounting),
    /// False is 0, true is 1.
    Truth,
    /// Texts stay texts.
    Text,
}

/// What was found while encoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Values that cannot be stored and are NULL instead.
    pub out_of_range: u64,
}

impl Encoding {
    /// Type of the stored numbers.
    pub fn stored_type(&self) -> &DataType {
        &self.stored
    }

    /// What NULL is stored as, and what cells have that are not stored: a number, or `"NaN"`.
    pub fn fill_value(&self) -> Value {
        self.fill.clone()
    }

    /// The attributes that say how to decode: `units` and `calendar` of times, `dtype` of truth
    /// values, `scale_factor`, `add_offset`, `_FillValue`. And `units` of other values where the user
    /// states them.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Are the values times, so that no other units hold for the stored numbers?
    pub fn is_time(&self) -> bool {
        matches!(self.transform, Transform::Count(_))
    }

    /// Encodes values: as many stored numbers, without NULLs, of [`Encoding::stored_type`]. Shares
    /// the buffer where nothing is to be changed.
    ///
    /// # Errors
    /// The values are not of the column's type, or one of them cannot be stored.
    pub fn encode(&self, values: &ArrayRef) -> CubeResult<(ArrayRef, Counts)> {
        let encode = || {
            let values = canonical(values)?;
            if values.data_type() != &self.column {
                let (found, planned) = (values.data_type(), &self.column);
                let cause = format!("values are of type {found} instead of {planned}");
                return Err(CubeError::invalid("", cause));
            }
            if self.transform == Transform::Text {
                return Ok((texts(&values), Counts::default()));
            }
            with_number_type!(&self.stored, Type => self.numbers::<Type>(&values),
                otherwise Err(CubeError::invalid("", "the stored type is no number")))
        };
        encode().map_err(|error: CubeError| error.within(&self.name))
    }

    fn numbers<T: ArrowPrimitiveType>(&self, values: &ArrayRef) -> CubeResult<(ArrayRef, Counts)>
    where
        T::Native: Quantised,
    {
        let fill = Number::parse(&self.fill).and_then(T::Native::from_number);
        let fill = fill.ok_or_else(|| CubeError::invalid("", "the fill value does not fit"))?;
        let stored = match &self.transform {
            Transform::Quantise(scaling) => {
                PrimitiveArray::<T>::new(quantise(values, *scaling, fill).into(), None)
            }
            Transform::Count(times) if self.stored.is_integer() => {
                let counts: ArrayRef = Arc::new(times.count(values)?);
                convert::<T>(&counts)?
            }
            Transform::Count(times) => {
                let counts: ArrayRef = Arc::new(times.count_floats(values)?);
                convert::<T>(&counts)?
            }
            Transform::Keep | Transform::Cast | Transform::Truth | Transform::Text => {
                convert::<T>(values)?
            }
        };
        let stored = filled(stored, values.nulls(), fill);
        let out_of_range = self.check(values, &stored, fill)?;
        let stored = PrimitiveArray::<T>::new(stored, None);
        Ok((Arc::new(stored), Counts { out_of_range }))
    }

    /// How many values are stored as the fill value although they are not missing.
    ///
    /// # Errors
    /// There is such a value, and the user did not say that it is to be NULL.
    fn check<T: Quantised>(&self, values: &ArrayRef, stored: &[T], fill: T) -> CubeResult<u64> {
        let is_exact = self.transform == Transform::Keep;
        if is_exact && (self.is_coordinate || !fill.is_number()) {
            return Ok(0);
        }
        if count_fill(stored, fill) == values.null_count() {
            return Ok(0);
        }
        let is_missing = missing(values);
        let refused = stored.iter().enumerate().filter(|(cell, stored)| {
            let is_fill = stored.is_same(fill);
            is_fill && !is_missing(*cell)
        });
        let mut refused = refused.map(|(cell, _)| cell);
        match (self.out_of_range, refused.next()) {
            (_, None) => Ok(0),
            (OutOfRange::Null, Some(_)) => Ok(1 + refused.count() as u64),
            (OutOfRange::Error, Some(cell)) => Err(self.refusal(values, cell)),
        }
    }

    /// Why the value of a cell cannot be stored.
    fn refusal(&self, values: &ArrayRef, cell: usize) -> CubeError {
        let value = array_value_to_string(values, cell).unwrap_or_default();
        let (name, stored) = (&self.name, type_name(&self.stored));
        let null = match self.is_coordinate {
            true => "",
            false => ", or out_of_range = 'null' to store NULL instead",
        };
        if let Transform::Count(times) = &self.transform {
            let cause = format!(
                "the time {value} of {name} is no number of '{}' that {stored} holds",
                times.units()
            );
            return CubeError::invalid("", cause)
                .remedy(format!("use other units or another dtype{null}"));
        }
        let (lowest, highest) = self.range();
        let cause = format!(
            "the value {value} of {name} cannot be stored as {}: values must lie between {lowest} and {highest}, and none may be stored as {}, which means NULL",
            self.packing(),
            self.fill
        );
        let remedy = match self.transform {
            Transform::Keep => "use another fill_value or dtype",
            Transform::Quantise(Some(_)) => "use another scale_factor, add_offset or dtype",
            _ => "use another dtype, or a scale_factor",
        };
        CubeError::invalid("", cause).remedy(format!("{remedy}{null}"))
    }

    /// The lowest and the highest value that can be stored, the fill value aside.
    fn range(&self) -> (f64, f64) {
        let (lowest, highest) = with_number_type!(&self.stored, Type => {
            let (low, high) = finite_range::<Type>();
            let fill = Number::parse(&self.fill).map_or(f64::NAN, Number::to_f64);
            let is_integer = self.stored.is_integer();
            (
                if is_integer && low == fill { low + 1.0 } else { low },
                if is_integer && high == fill { high - 1.0 } else { high },
            )
        }, otherwise (f64::NAN, f64::NAN));
        let Transform::Quantise(Some(Scaling { scale, offset })) = self.transform else {
            return (lowest, highest);
        };
        let (one, other) = (lowest * scale + offset, highest * scale + offset);
        (one.min(other), one.max(other))
    }

    /// `int16 with scale_factor 0.01 and add_offset 5`.
    fn packing(&self) -> String {
        let number = |name: &str| Some(format!("{name} {}", self.attributes.get(name)?));
        let scaling = ["scale_factor", "add_offset"]
            .into_iter()
            .filter_map(number);
        let scaling: Vec<String> = scaling.collect();
        match scaling.is_empty() {
            true => type_name(&self.stored),
            false => format!("{} with {}", type_name(&self.stored), scaling.join(" and ")),
        }
    }
}

fn finite_range<T: ArrowPrimitiveType>() -> (f64, f64)
where
    T::Native: Stored,
{
    match T::DATA_TYPE {
        DataType::Float32 => (f64::from(f32::MIN), f64::from(f32::MAX)),
        DataType::Float64 => (f64::MIN, f64::MAX),
        _ => (T::Native::LOWEST.to_f64(), T::Native::HIGHEST.to_f64()),
    }
}

/// Is the value of a cell missing? A NaN is.
fn missing(values: &ArrayRef) -> impl Fn(usize) -> bool {
    move |cell| {
        values.is_null(cell)
            || match values.data_type() {
                DataType::Float32 => values.as_primitive::<Float32Type>().value(cell).is_nan(),
                DataType::Float64 => values.as_primitive::<Float64Type>().value(cell).is_nan(),
                _ => false,
            }
    }
}

/// Values of the type that [`canonical_type`] gives.
fn canonical(values: &ArrayRef) -> CubeResult<ArrayRef> {
    let data_type = canonical_type(values.data_type());
    if &data_type == values.data_type() {
        return Ok(Arc::clone(values));
    }
    cast(values, &data_type).map_err(|error| CubeError::invalid("", error))
}

/// Numbers of another type; NULL where that does not hold one.
fn convert<T: ArrowPrimitiveType>(values: &ArrayRef) -> CubeResult<PrimitiveArray<T>> {
    let converted = cast(values, &T::DATA_TYPE).map_err(|error| CubeError::invalid("", error))?;
    Ok(converted.as_primitive::<T>().clone())
}

/// Texts without NULLs: those are empty.
fn texts(values: &ArrayRef) -> ArrayRef {
    if values.null_count() == 0 {
        return Arc::clone(values);
    }
    let texts = values.as_string::<i32>().iter();
    let texts = texts.map(Option::unwrap_or_default);
    Arc::new(arrow::array::StringArray::from_iter_values(texts))
}
