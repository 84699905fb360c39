//! Chooses an [`Encoding`] for a column: from its type and metadata, and from what the user says.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::{Value, json};

use super::numbers::Scaling;
use super::options::{EncodingOptions, OutOfRange, type_name};
use super::time::TimeCounting;
use super::{Encoding, Transform, canonical};
use crate::cube::decoding::number::{Number, Stored, with_number_type};
use crate::cube::metadata::{CALENDAR, UNITS};
use crate::error::{CubeError, CubeResult};
use crate::source::Attributes;

impl Encoding {
    /// How the values of a column are stored, so that reading gives them back: in their own type
    /// unless the options say otherwise, with a fill value for NULL. Times keep their unit.
    ///
    /// # Errors
    /// Values of the type cannot be stored, or the options make no sense for it.
    pub fn plan(field: &Field, options: &EncodingOptions) -> CubeResult<Encoding> {
        let plan = || {
            let column = canonical_type(field.data_type());
            let times = TimeCounting::of(field, &column)?;
            Plan { column, options }.encoding(field, times)
        };
        plan().map_err(|error| error.within(field.name()))
    }

    /// How coordinates are stored: without a fill value, as they have no missing values (CF 1.11
    /// §2.5.1), and times in the coarsest of days, hours, … in which all of `values` are whole numbers.
    /// `values` are the coordinates and, if there are any, their bounds.
    ///
    /// # Errors
    /// As [`Encoding::plan`]; or a coordinate is NULL, or they are to be scaled.
    pub fn plan_coordinates(
        field: &Field,
        values: &[&ArrayRef],
        options: &EncodingOptions,
    ) -> CubeResult<Encoding> {
        let plan = || {
            if let Some(cell) = values.iter().find_map(|values| first_null(values)) {
                let cause = format!("the coordinate of cell {cell} is NULL");
                let remedy = format!("leave it out with WHERE {} IS NOT NULL", field.name());
                return Err(CubeError::invalid("", cause).remedy(remedy));
            }
            if options.scale_factor.is_some() || options.add_offset.is_some() {
                let cause = "coordinates are not scaled";
                return Err(CubeError::invalid("", cause)
                    .remedy("leave scale_factor and add_offset to the variables"));
            }
            let column = canonical_type(field.data_type());
            let times = TimeCounting::of(field, &column)?;
            let canonical: Vec<ArrayRef> = values
                .iter()
                .map(|v| canonical(v))
                .collect::<CubeResult<_>>()?;
            let canonical: Vec<&ArrayRef> = canonical.iter().collect();
            let times = times.map(|times| times.coarsest(&canonical)).transpose()?;
            let mut encoding = Plan { column, options }.encoding(field, times)?;
            encoding.attributes.shift_remove("_FillValue");
            encoding.is_coordinate = true;
            encoding.out_of_range = OutOfRange::Error;
            Ok(encoding)
        };
        plan().map_err(|error| error.within(field.name()))
    }
}

fn first_null(values: &ArrayRef) -> Option<usize> {
    (0..values.len()).find(|cell| values.is_null(*cell))
}

/// The type in which values of a type are encoded: a plain one of the same meaning.
pub(super) fn canonical_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Float16 => DataType::Float32,
        DataType::Date32 => DataType::Timestamp(TimeUnit::Second, None),
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => canonical_type(values),
        other => other.clone(),
    }
}

/// The choice for one column.
struct Plan<'a> {
    /// Type of its values, a canonical one.
    column: DataType,
    options: &'a EncodingOptions,
}

impl Plan<'_> {
    fn encoding(&self, field: &Field, times: Option<TimeCounting>) -> CubeResult<Encoding> {
        let (stored, transform) = match (&self.column, times) {
            (_, Some(times)) => self.counted(times)?,
            (DataType::Boolean, None) => self.truths()?,
            (DataType::Utf8, None) => self.texts()?,
            (column, None) if is_number(column) => self.numbers(),
            (_, None) => return Err(unstorable(field)),
        };
        let fill = self.fill(&stored)?;
        let mut attributes = Attributes::new();
        match &transform {
            Transform::Count(times) => {
                attributes.insert(UNITS.to_string(), json!(times.units()));
                attributes.insert(CALENDAR.to_string(), json!(times.calendar().name()));
            }
            _ => {
                let units = self.options.units.iter();
                attributes.extend(units.map(|units| (UNITS.to_string(), json!(units))));
            }
        }
        if transform == Transform::Truth {
            attributes.insert("dtype".to_string(), json!("bool"));
        }
        for (name, number) in [
            ("scale_factor", self.options.scale_factor),
            ("add_offset", self.options.add_offset),
        ] {
            attributes.extend(number.map(|number| (name.to_string(), json!(number))));
        }
        if is_number(&stored) {
            attributes.insert("_FillValue".to_string(), fill.clone());
        }
        Ok(Encoding {
            name: field.name().clone(),
            column: self.column.clone(),
            stored,
            transform,
            fill,
            is_coordinate: false,
            out_of_range: self.options.out_of_range,
            attributes,
        })
    }

    fn numbers(&self) -> (DataType, Transform) {
        let stored = self.options.dtype.as_ref().unwrap_or(&self.column).clone();
        let (scale, offset) = (self.options.scale_factor, self.options.add_offset);
        let transform = if scale.is_some() || offset.is_some() {
            Transform::Quantise(Some(Scaling {
                scale: scale.unwrap_or(1.0),
                offset: offset.unwrap_or(0.0),
            }))
        } else if stored == self.column && !self.replaces_nan() {
            Transform::Keep
        } else if self.column.is_integer() {
            Transform::Cast
        } else {
            Transform::Quantise(None)
        };
        (stored, transform)
    }

    /// Is NaN, too, stored as the user's fill value?
    fn replaces_nan(&self) -> bool {
        let fill = self.options.fill_value.as_ref();
        !self.column.is_integer() && fill.is_some_and(|fill| fill.is_number())
    }

    fn counted(&self, times: TimeCounting) -> CubeResult<(DataType, Transform)> {
        self.is_not_scaled("times are counted", "state what is counted in units")?;
        let times = match &self.options.units {
            Some(units) => times.counted_in(units)?,
            None => times,
        };
        let stored = self.options.dtype.clone().unwrap_or(DataType::Int64);
        if stored == DataType::Float32 {
            let cause = "float32 has too few digits for times";
            return Err(CubeError::invalid("", cause).remedy("use an integer type or float64"));
        }
        Ok((stored, Transform::Count(times)))
    }

    fn truths(&self) -> CubeResult<(DataType, Transform)> {
        let remedy = "leave scale_factor and add_offset out";
        self.is_not_scaled("truth values are stored as 0 and 1", remedy)?;
        let stored = self.options.dtype.clone().unwrap_or(DataType::Int8);
        if !stored.is_integer() {
            let cause = "truth values are stored as integers";
            return Err(CubeError::invalid("", cause).remedy("use an integer type, as int8"));
        }
        Ok((stored, Transform::Truth))
    }

    fn texts(&self) -> CubeResult<(DataType, Transform)> {
        let remedy = "leave out scale_factor, add_offset, dtype and fill_value";
        self.is_not_scaled("texts are stored as they are", remedy)?;
        if self.options.dtype.is_some() || self.options.fill_value.is_some() {
            return Err(CubeError::invalid("", "texts are stored as they are").remedy(remedy));
        }
        Ok((DataType::Utf8, Transform::Text))
    }

    fn is_not_scaled(&self, cause: &str, remedy: &str) -> CubeResult<()> {
        if self.options.scale_factor.is_none() && self.options.add_offset.is_none() {
            return Ok(());
        }
        Err(CubeError::invalid("", cause).remedy(remedy))
    }

    /// The fill value that the user states, else NaN, the lowest of a signed type, the highest of an
    /// unsigned one: those that data need least.
    fn fill(&self, stored: &DataType) -> CubeResult<Value> {
        let Some(fill) = &self.options.fill_value else {
            return Ok(default_fill(stored));
        };
        if Number::parse(fill).is_some_and(|number| holds(number, stored)) {
            return Ok(fill.clone());
        }
        let cause = format!("the fill value {fill} is no value of {}", type_name(stored));
        Err(CubeError::invalid("", cause).remedy("use another fill_value or dtype"))
    }
}

fn default_fill(stored: &DataType) -> Value {
    match stored {
        DataType::Int8 => json!(i8::MIN),
        DataType::Int16 => json!(i16::MIN),
        DataType::Int32 => json!(i32::MIN),
        DataType::Int64 => json!(i64::MIN),
        DataType::UInt8 => json!(u8::MAX),
        DataType::UInt16 => json!(u16::MAX),
        DataType::UInt32 => json!(u32::MAX),
        DataType::UInt64 => json!(u64::MAX),
        DataType::Float32 | DataType::Float64 => json!("NaN"),
        _ => json!(""),
    }
}

/// Is the number one of those that a type of numbers holds?
fn holds(number: Number, stored: &DataType) -> bool {
    with_number_type!(stored, Type => {
        <Type as ArrowPrimitiveType>::Native::from_number(number).is_some()
    }, otherwise false)
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// What to do with a column whose values no format of cubes has.
fn unstorable(field: &Field) -> CubeError {
    let name = field.name();
    let cause = format!(
        "the column {name} has values of type {}, which cannot be stored in a cube",
        field.data_type()
    );
    let remedy = match field.data_type() {
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Null => format!("write CAST({name} AS DOUBLE)"),
        DataType::Interval(_) | DataType::Duration(_) => {
            format!("write date_part('epoch', {name}), which gives seconds")
        }
        DataType::Time32(_) | DataType::Time64(_) | DataType::Binary | DataType::BinaryView => {
            format!("write CAST({name} AS VARCHAR)")
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::FixedSizeList(..) => {
            format!("select its elements one by one, as {name}[1], or unnest({name})")
        }
        DataType::Struct(_) => format!("select its fields one by one, as {name}['…']"),
        _ => "leave it out, or cast it to a number or a text".to_string(),
    };
    CubeError::unsupported("", cause).remedy(remedy)
}
