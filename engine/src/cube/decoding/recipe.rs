//! Reads a variable's [`Decoding`] out of its attributes.

use std::sync::Arc;

use arrow::array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::array::{ArrayRef, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, new_null_array};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use graticule_functions::calendar::{Calendar, TimeKind, TimeUnits};
use serde_json::Value;

use super::characters::CHARACTER;
use super::missing::Missing;
use super::number::{Number, Stored};
use super::{Decoding, Transform, convert};
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, Attributes, RawChunk};

/// Which parts of the CF decoding are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodingRules {
    /// Mask missing values and scale.
    pub mask_and_scale: bool,
    /// Turn `days since …` into times.
    pub times: bool,
}

impl Decoding {
    /// Reads the decoding of an array from its attributes.
    ///
    /// # Errors
    /// The fill value is no value of the array's type.
    pub fn new(description: &ArrayDescription, rules: DecodingRules) -> CubeResult<Decoding> {
        let attributes = &description.attributes;
        let stored = description.data_type.clone();
        let read_as = read_as(&stored, attributes, rules);
        let scaling = Scaling::read(attributes).filter(|_| rules.mask_and_scale);
        let scaling = scaling.filter(|_| is_number(&read_as));
        let missing = if rules.mask_and_scale {
            missing(attributes, &stored, &read_as, scaling)
        } else {
            Missing::default()
        };
        let times = time_units(attributes).filter(|_| rules.times && is_number(&read_as));
        let mut decoding = Decoding {
            transform: Transform::Keep,
            data_type: read_as.clone(),
            calendar: None,
            fill: ScalarValue::Null,
            stored,
            read_as,
            missing,
        };
        decoding.choose_transform(attributes, scaling, times, rules);
        decoding.fill = decoding.decode_fill(description)?;
        Ok(decoding)
    }

    /// Sets the transform and the type it leads to.
    fn choose_transform(
        &mut self,
        attributes: &Attributes,
        scaling: Option<Scaling>,
        times: Option<TimeUnits>,
        rules: DecodingRules,
    ) {
        let is_truth = attributes.get("dtype").and_then(Value::as_str) == Some("bool");
        if let Some(units) = times {
            self.data_type = match units.kind() {
                TimeKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
                TimeKind::Calendar(_) => DataType::Int64,
            };
            self.calendar = units.column_calendar();
            let Scaling { scale, offset } = scaling.unwrap_or(Scaling::NONE);
            self.transform = Transform::Time {
                units,
                scale,
                offset,
            };
        } else if let Some(Scaling { scale, offset }) = scaling {
            self.data_type = scaled_type(&self.read_as, offset);
            self.transform = Transform::Scale { scale, offset };
        } else if is_truth && rules.mask_and_scale && self.read_as.is_integer() {
            self.data_type = DataType::Boolean;
            self.transform = Transform::Truth;
        } else if self.stored == CHARACTER {
            self.data_type = DataType::Utf8;
            self.transform = Transform::Text;
        } else if let DataType::Timestamp(unit, zone) = &self.stored {
            self.data_type = DataType::Timestamp(TimeUnit::Microsecond, None);
            if (*unit, zone) != (TimeUnit::Microsecond, &None) {
                self.transform = Transform::Cast;
            }
        }
    }

    /// The decoded value of cells in chunks that are not stored.
    fn decode_fill(&self, description: &ArrayDescription) -> CubeResult<ScalarValue> {
        let stored = stored_scalar(&description.fill_value, &self.stored).ok_or_else(|| {
            let (fill, data_type) = (&description.fill_value, &self.stored);
            CubeError::corrupt(
                description.name.clone(),
                format!("the fill value {fill} is no value of type {data_type}"),
            )
        })?;
        let raw = RawChunk {
            values: stored,
            shape: vec![1],
        };
        let (values, _) = if description.fill_value.is_null() {
            (new_null_array(&self.data_type, 1), Vec::new())
        } else {
            self.apply(raw)?
        };
        ScalarValue::try_from_array(&values, 0).map_err(super::undecodable)
    }
}

/// `scale_factor` and `add_offset`.
#[derive(Debug, Clone, Copy)]
struct Scaling {
    scale: f64,
    offset: f64,
}

impl Scaling {
    const NONE: Scaling = Scaling {
        scale: 1.0,
        offset: 0.0,
    };

    fn read(attributes: &Attributes) -> Option<Scaling> {
        let number = |name| attributes.get(name).and_then(Number::parse);
        let (scale, offset) = (number("scale_factor"), number("add_offset"));
        if scale.is_none() && offset.is_none() {
            return None;
        }
        Some(Scaling {
            scale: scale.map_or(1.0, Number::to_f64),
            offset: offset.map_or(0.0, Number::to_f64),
        })
    }
}

/// Floats keep their width, integers of at most 16 bits that are only scaled fit 32 bits, all others
/// need 64: a large offset would cost digits.
fn scaled_type(read_as: &DataType, offset: f64) -> DataType {
    match read_as {
        DataType::Float32 => DataType::Float32,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 if offset == 0.0 => {
            DataType::Float32
        }
        _ => DataType::Float64,
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// The type by which stored numbers are read: of the other sign if `_Unsigned` says so. Half
/// precision is for storage, not for computing.
fn read_as(stored: &DataType, attributes: &Attributes, rules: DecodingRules) -> DataType {
    if stored == &DataType::Float16 {
        return DataType::Float32;
    }
    let unsigned = attributes.get("_Unsigned").filter(|_| rules.mask_and_scale);
    let unsigned = unsigned.map(|value| match value {
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string(),
    });
    match (unsigned.as_deref(), stored) {
        (Some("true"), DataType::Int8) => DataType::UInt8,
        (Some("true"), DataType::Int16) => DataType::UInt16,
        (Some("true"), DataType::Int32) => DataType::UInt32,
        (Some("true"), DataType::Int64) => DataType::UInt64,
        (Some("false"), DataType::UInt8) => DataType::Int8,
        (Some("false"), DataType::UInt16) => DataType::Int16,
        (Some("false"), DataType::UInt32) => DataType::Int32,
        (Some("false"), DataType::UInt64) => DataType::Int64,
        _ => stored.clone(),
    }
}

fn time_units(attributes: &Attributes) -> Option<TimeUnits> {
    let text = |name| attributes.get(name).and_then(Value::as_str);
    let calendar = Calendar::parse(text("calendar").unwrap_or(""))?;
    TimeUnits::parse(text("units")?, calendar).ok()
}

/// Collects the numbers that mean "missing". Attributes of a wrong type that no stored number can
/// equal are without effect.
fn missing(
    attributes: &Attributes,
    stored: &DataType,
    read_as: &DataType,
    scaling: Option<Scaling>,
) -> Missing {
    if !is_number(read_as) {
        return Missing::default();
    }
    let numbers = |name| {
        attributes
            .get(name)
            .map_or_else(Vec::new, Number::parse_all)
    };
    let turn = |number| wrap(number, stored, read_as);
    let mut sentinels = numbers("_FillValue");
    sentinels.extend(numbers("missing_value"));
    let range = numbers("valid_range");
    let (range_lower, range_upper) = match range.as_slice() {
        [lower, upper] => (Some(*lower), Some(*upper)),
        _ => (None, None),
    };
    let lower = numbers("valid_min").first().copied().or(range_lower);
    let upper = numbers("valid_max").first().copied().or(range_upper);
    let (lower, upper) = packed_bounds(lower, upper, read_as, scaling);
    Missing {
        sentinels: sentinels.into_iter().map(turn).collect(),
        lower: lower.map(turn),
        upper: upper.map(turn),
    }
}

/// Bounds are those of the stored numbers, unless packed integers come with bounds that are floats:
/// those are bounds of the scaled values (NetCDF User Guide, attribute conventions, `valid_range`).
fn packed_bounds(
    lower: Option<Number>,
    upper: Option<Number>,
    read_as: &DataType,
    scaling: Option<Scaling>,
) -> (Option<Number>, Option<Number>) {
    let is_float = |bound: &Option<Number>| matches!(bound, Some(Number::Float(_)));
    let scaling = scaling.filter(|scaling| scaling.scale != 0.0);
    let (Some(Scaling { scale, offset }), true) = (scaling, read_as.is_integer()) else {
        return (lower, upper);
    };
    if !is_float(&lower) && !is_float(&upper) {
        return (lower, upper);
    }
    // A bound that a stored number hits must not exclude it because of rounding.
    const SLACK: f64 = 1e-6;
    let packed =
        |bound: Number, slack: f64| Number::Float((bound.to_f64() - offset) / scale + slack);
    let (lower, upper) = if scale > 0.0 {
        (lower, upper)
    } else {
        (upper, lower)
    };
    (
        lower.map(|bound| packed(bound, -SLACK)),
        upper.map(|bound| packed(bound, SLACK)),
    )
}

/// The number by which `_Unsigned` reads the bits of a stored number of the other sign.
fn wrap(number: Number, stored: &DataType, read_as: &DataType) -> Number {
    let integer = match number {
        Number::Integer(integer) => integer,
        Number::Float(float) if float.fract() == 0.0 => float as i128,
        other @ Number::Float(_) => return other,
    };
    let range = 1_i128 << (8 * read_as.primitive_width().unwrap_or(8));
    if stored == read_as {
        number
    } else if read_as.is_unsigned_integer() && integer < 0 {
        Number::Integer(integer + range)
    } else if read_as.is_signed_integer() && integer >= range / 2 {
        Number::Integer(integer - range)
    } else {
        number
    }
}

/// The fill value as one cell of the stored type; `None` if it is no value of that type.
pub(in crate::cube) fn stored_scalar(fill: &Value, stored: &DataType) -> Option<ArrayRef> {
    macro_rules! number {
        ($type:ty) => {{
            let number = Stored::from_number(Number::parse(fill)?)?;
            Arc::new(PrimitiveArray::<$type>::from_value(number, 1)) as ArrayRef
        }};
    }
    if fill.is_null() {
        return Some(new_null_array(stored, 1));
    }
    Some(match stored {
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::Float16 => convert(&number!(Float32Type), stored).ok()?,
        DataType::Timestamp(_, _) | DataType::Duration(_) => {
            let ticks = match fill.as_str() {
                Some("NaT") => i64::MIN,
                _ => Stored::from_number(Number::parse(fill)?)?,
            };
            let ticks = Arc::new(PrimitiveArray::<Int64Type>::from_value(ticks, 1)) as ArrayRef;
            super::reinterpret(&ticks, stored).ok()?
        }
        DataType::Boolean => {
            let truth = Number::parse(fill)?.to_f64() != 0.0;
            Arc::new(BooleanArray::from(vec![truth]))
        }
        DataType::Utf8 => {
            let text = fill.as_str().map(str::to_string);
            let text = text.unwrap_or_else(|| fill.to_string());
            Arc::new(arrow::array::StringArray::from(vec![text]))
        }
        DataType::FixedSizeBinary(1) => {
            let character = fill.as_str().and_then(|text| text.bytes().next());
            let character = [character.unwrap_or(0)];
            Arc::new(FixedSizeBinaryArray::try_from_iter([character].iter()).ok()?)
        }
        _ => new_null_array(stored, 1),
    })
}
