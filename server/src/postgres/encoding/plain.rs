//! Columns in the few Arrow types that are written: everything else is cast, or becomes JSON or text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pgwire::api::Type;

use super::types::type_of;

/// The values of a column in the type that its writer takes.
///
/// # Errors
/// A value that the type cannot hold, such as a time too far away.
pub(super) fn plain(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    use DataType as T;
    let wanted = match array.data_type() {
        T::Dictionary(_, values) => {
            let array = cast(array, values)?;
            return plain(&array, &field.clone().with_data_type((**values).clone()));
        }
        T::RunEndEncoded(_, values) => {
            let array = cast(array, values.data_type())?;
            let field = field.clone().with_data_type(values.data_type().clone());
            return plain(&array, &field);
        }
        T::List(items)
        | T::LargeList(items)
        | T::FixedSizeList(items, _)
        | T::ListView(items)
        | T::LargeListView(items) => match type_of(field) {
            Type::JSON => return json(array, field),
            _ => T::LargeList(Arc::clone(items)),
        },
        T::Struct(_) | T::Map(..) => return json(array, field),
        T::Int8 | T::UInt8 => T::Int16,
        T::UInt16 => T::Int32,
        T::UInt32 => T::Int64,
        T::Float16 => T::Float32,
        T::Date64 => T::Date32,
        T::Timestamp(_, zone) => T::Timestamp(TimeUnit::Microsecond, zone.clone()),
        T::Time32(_) | T::Time64(_) => T::Time64(TimeUnit::Microsecond),
        T::Duration(_) => T::Duration(TimeUnit::Microsecond),
        T::Interval(_) => T::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        T::Decimal32(precision, scale) | T::Decimal64(precision, scale) => {
            T::Decimal128(*precision, *scale)
        }
        T::Utf8 | T::LargeUtf8 => T::Utf8View,
        T::Binary | T::LargeBinary | T::FixedSizeBinary(_) => T::BinaryView,
        T::Boolean
        | T::Int16
        | T::Int32
        | T::Int64
        | T::UInt64
        | T::Float32
        | T::Float64
        | T::Date32
        | T::Decimal128(..)
        | T::Decimal256(..)
        | T::Utf8View
        | T::BinaryView
        | T::Null => return Ok(Arc::clone(array)),
        _ => return text(array),
    };
    cast(array, &wanted)
}

fn cast(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    // A value that does not fit must not become NULL.
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, wanted, &options)
}

fn json(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let field = Arc::new(field.clone());
    let mut encoder = make_encoder(&field, array.as_ref(), &options)?;
    let mut value = Vec::new();
    let texts = (0..array.len()).map(|row| {
        (!array.is_null(row)).then(|| {
            value.clear();
            encoder.encode(row, &mut value);
            String::from_utf8_lossy(&value).into_owned()
        })
    });
    let texts: StringArray = texts.collect();
    cast(&(Arc::new(texts) as ArrayRef), &DataType::Utf8View)
}

fn text(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::new().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let nulls = array.logical_nulls();
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let texts =
        (0..array.len()).map(|row| (!is_null(row)).then(|| formatter.value(row).to_string()));
    let texts: StringArray = texts.collect();
    cast(&(Arc::new(texts) as ArrayRef), &DataType::Utf8View)
}
