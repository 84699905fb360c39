//! The cells of one column of a batch, each written on its own.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, DecimalType,
    DurationMicrosecondType, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, UInt64Type,
};
use arrow::error::ArrowError;
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::plain::plain;
use super::types::type_of;
use super::{arrays, digits, float, numeric, text};

/// From 1970 to 2000, where PostgreSQL counts from.
const DAYS: i32 = 10_957;
const MICROSECONDS: i64 = DAYS as i64 * 86_400_000_000;

type Write = Box<dyn Fn(usize, &mut BytesMut) + Send + Sync>;

/// A column of a batch.
pub(in crate::postgres) struct Cells {
    nulls: Option<NullBuffer>,
    /// What the value is, for arrays of such values.
    pub(super) data_type: Type,
    text: Write,
    binary: Write,
}

impl Cells {
    /// Prepares a column.
    ///
    /// # Errors
    /// A value that PostgreSQL's type cannot hold.
    pub(in crate::postgres) fn new(array: &ArrayRef, field: &Field) -> Result<Self, ArrowError> {
        let data_type = type_of(field);
        let array = plain(array, field)?;
        let (text, binary) = writers(&array, &data_type)?;
        Ok(Self {
            nulls: array.logical_nulls(),
            data_type,
            text,
            binary,
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    pub(super) fn write_text(&self, row: usize, output: &mut BytesMut) {
        (self.text)(row, output);
    }

    /// Writes the length of a value, and the value; −1 alone for NULL.
    pub(super) fn write(&self, row: usize, is_binary: bool, output: &mut BytesMut) {
        if self.is_null(row) {
            output.put_i32(-1);
            return;
        }
        let write = if is_binary { &self.binary } else { &self.text };
        with_length(output, |output| write(row, output));
    }
}

/// Writes something behind its length, which does not count itself.
pub(super) fn with_length(output: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = output.len();
    output.put_i32(0);
    write(output);
    let length = i32::try_from(output.len() - start - 4).unwrap_or(i32::MAX);
    output[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn writers(array: &ArrayRef, data_type: &Type) -> Result<(Write, Write), ArrowError> {
    Ok(match array.data_type() {
        DataType::Null => (Box::new(|_, _| {}), Box::new(|_, _| {})),
        DataType::Boolean => {
            let (first, second) = (array.as_boolean().clone(), array.as_boolean().clone());
            (
                Box::new(move |row, output| {
                    output.put_u8(if first.value(row) { b't' } else { b'f' })
                }),
                Box::new(move |row, output| output.put_u8(u8::from(second.value(row)))),
            )
        }
        DataType::Int16 => primitive::<Int16Type>(array, integer, |v, output| output.put_i16(v)),
        DataType::Int32 => primitive::<Int32Type>(array, integer, |v, output| output.put_i32(v)),
        DataType::Int64 => primitive::<Int64Type>(array, integer, |v, output| output.put_i64(v)),
        DataType::UInt64 => primitive::<UInt64Type>(
            array,
            |v, output| digits::padded(v, 1, output),
            |v, output| numeric::write(&v.to_string(), output),
        ),
        DataType::Float32 => {
            primitive::<Float32Type>(array, float::single, |v, output| output.put_f32(v))
        }
        DataType::Float64 => {
            primitive::<Float64Type>(array, float::double, |v, output| output.put_f64(v))
        }
        DataType::Date32 => primitive::<Date32Type>(array, text::date, |v, output| {
            output.put_i32(v.saturating_sub(DAYS));
        }),
        DataType::Timestamp(_, None) => timestamps(array, |v, output| {
            text::timestamp(v, "", output);
        }),
        DataType::Timestamp(_, Some(_)) => timestamps(array, |v, output| {
            text::timestamp(v, "+00", output);
        }),
        DataType::Time64(_) => {
            primitive::<Time64MicrosecondType>(array, text::time, |v, output| output.put_i64(v))
        }
        DataType::Duration(_) => primitive::<DurationMicrosecondType>(
            array,
            |v, output| put(&text::interval_of(0, 0, v), output),
            |v, output| put_interval((0, 0, v), output),
        ),
        DataType::Interval(_) => primitive::<IntervalMonthDayNanoType>(
            array,
            |v, output| put(&text::interval(v), output),
            |v, output| put_interval((v.months, v.days, v.nanoseconds / 1000), output),
        ),
        DataType::Decimal128(precision, scale) => {
            decimals::<Decimal128Type>(array, *precision, *scale)
        }
        DataType::Decimal256(precision, scale) => {
            decimals::<Decimal256Type>(array, *precision, *scale)
        }
        DataType::BinaryView => {
            let (first, second) = (
                array.as_binary_view().clone(),
                array.as_binary_view().clone(),
            );
            (
                Box::new(move |row, output| put_hexadecimal(first.value(row), output)),
                Box::new(move |row, output| output.put_slice(second.value(row))),
            )
        }
        DataType::LargeList(items) => arrays::writers(array.as_list::<i64>(), items)?,
        DataType::Utf8View => {
            let (first, second) = (
                array.as_string_view().clone(),
                array.as_string_view().clone(),
            );
            // A character of the catalogue is one byte.
            let is_char = *data_type == Type::CHAR;
            (
                Box::new(move |row, output| put(first.value(row), output)),
                Box::new(move |row, output| match is_char {
                    true => output.put_u8(second.value(row).bytes().next().unwrap_or_default()),
                    false => put(second.value(row), output),
                }),
            )
        }
        other => {
            let text = format!("no way to send {other}");
            return Err(ArrowError::NotYetImplemented(text));
        }
    })
}

fn primitive<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    text: impl Fn(T::Native, &mut BytesMut) + Send + Sync + 'static,
    binary: impl Fn(T::Native, &mut BytesMut) + Send + Sync + 'static,
) -> (Write, Write) {
    let first: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    let second = first.clone();
    (
        Box::new(move |row, output| text(first.value(row), output)),
        Box::new(move |row, output| binary(second.value(row), output)),
    )
}

fn timestamps(
    array: &ArrayRef,
    text: impl Fn(i64, &mut BytesMut) + Send + Sync + 'static,
) -> (Write, Write) {
    primitive::<TimestampMicrosecondType>(array, text, |v, output| {
        output.put_i64(v.saturating_sub(MICROSECONDS));
    })
}

fn decimals<T: DecimalType>(array: &ArrayRef, precision: u8, scale: i8) -> (Write, Write) {
    let first: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    let second = first.clone();
    let format = move |value| T::format_decimal(value, precision, scale);
    (
        Box::new(move |row, output| put(&format(first.value(row)), output)),
        Box::new(move |row, output| numeric::write(&format(second.value(row)), output)),
    )
}

fn integer(value: impl Into<i64>, output: &mut BytesMut) {
    digits::signed(value.into(), output);
}

fn put(text: &str, output: &mut BytesMut) {
    output.put_slice(text.as_bytes());
}

fn put_interval((months, days, microseconds): (i32, i32, i64), output: &mut BytesMut) {
    output.put_i64(microseconds);
    output.put_i32(days);
    output.put_i32(months);
}

fn put_hexadecimal(value: &[u8], output: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    put("\\x", output);
    for byte in value {
        output.put_u8(DIGITS[usize::from(byte >> 4)]);
        output.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}
