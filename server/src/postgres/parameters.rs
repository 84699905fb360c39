//! Values that clients give for `$1`, `$2`, …: from the text or the bytes of PostgreSQL to those of Arrow.
//!
//! What the value is, the client says, or the statement; what the statement wants, it is cast to.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use bytes::Buf;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::encoding::{array_of, read_numeric};
use super::messages::Body;
use crate::failure::{Failure, SqlState};

/// From 1970 to 2000, where PostgreSQL counts from.
const DAYS: i32 = 10_957;
const MICROSECONDS: i64 = DAYS as i64 * 86_400_000_000;

/// Reads one value; `number` is that of the parameter, from 1.
///
/// # Errors
/// The bytes are no value of the type, or the value is none that the statement can use.
pub(super) fn read(
    number: usize,
    value: Option<&[u8]>,
    is_binary: bool,
    given: &Type,
    wanted: Option<&DataType>,
) -> Result<ScalarValue, Failure> {
    let Some(value) = value else {
        let data_type = wanted.cloned().unwrap_or_else(|| arrow_type(given));
        return ScalarValue::try_from(&data_type).map_err(|_| unusable(number, given));
    };
    let read = match is_binary {
        true => binary(value, given).ok_or_else(|| {
            let text = format!("the bytes of ${number} are no {}", given.name());
            Failure::with_state(SqlState::INVALID_BINARY_REPRESENTATION, text)
        })?,
        false => {
            let text = std::str::from_utf8(value).map_err(|_| {
                let text = format!("${number} is not UTF-8; send text in UTF-8");
                Failure::with_state(SqlState::INVALID_CHARACTERS, text)
            })?;
            // What a text means depends on what is wanted, unless the client says what it is.
            let is_open = is_text(given);
            let read = match wanted {
                Some(wanted) if is_open => from_text_as(text, wanted),
                _ => from_text(text, given),
            };
            read.ok_or_else(|| {
                let name = match wanted {
                    Some(wanted) if is_open => wanted.to_string(),
                    _ => given.name().to_string(),
                };
                let text = format!("${number} is no {name}: \"{}\"", shortened(text));
                Failure::with_state(SqlState::INVALID_TEXT_REPRESENTATION, text)
            })?
        }
    };
    match wanted {
        Some(wanted) if *wanted != read.data_type() => {
            read.cast_to(wanted).map_err(|_| unusable(number, given))
        }
        _ => Ok(read),
    }
}

/// Arrow's type for a type of PostgreSQL.
pub(super) fn arrow_type(data_type: &Type) -> DataType {
    match *data_type {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 | Type::OID => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("+00:00"))),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => match item_of(data_type) {
            Some(item) => DataType::new_list(arrow_type(&item), true),
            None => DataType::Utf8,
        },
    }
}

/// The type of the items of an array.
fn item_of(array: &Type) -> Option<Type> {
    let items = [
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
        Type::TEXT,
        Type::BYTEA,
        Type::DATE,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::OID,
    ];
    match *array {
        Type::VARCHAR_ARRAY => Some(Type::VARCHAR),
        _ => items
            .into_iter()
            .find(|item| array_of(item).as_ref() == Some(array)),
    }
}

fn is_text(data_type: &Type) -> bool {
    arrow_type(data_type) == DataType::Utf8
}

/// A text as a value of an Arrow type.
fn from_text_as(text: &str, wanted: &DataType) -> Option<ScalarValue> {
    match wanted {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            bytes_of(text).map(|bytes| ScalarValue::Binary(Some(bytes)))
        }
        DataType::List(item) | DataType::LargeList(item) => {
            list(text, item.data_type(), from_text_as)
        }
        wanted => ScalarValue::from(text).cast_to(wanted).ok(),
    }
}

/// A text as a value of a type of PostgreSQL.
fn from_text(text: &str, given: &Type) -> Option<ScalarValue> {
    if *given == Type::NUMERIC {
        return decimal(text);
    }
    let trimmed = match is_text(given) {
        true => text,
        false => text.trim(),
    };
    match item_of(given) {
        Some(item) => list(trimmed, &arrow_type(&item), |text, _| {
            from_text(text, &item)
        }),
        None => from_text_as(trimmed, &arrow_type(given)),
    }
}

/// `{1,NULL,"two words"}`
fn list(
    text: &str,
    item: &DataType,
    read: impl Fn(&str, &DataType) -> Option<ScalarValue>,
) -> Option<ScalarValue> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut values = vec![];
    let mut characters = inside.chars().peekable();
    while characters.peek().is_some() {
        let mut value = String::new();
        let mut is_quoted = false;
        loop {
            match characters.next() {
                None | Some(',') => break,
                Some('"') => {
                    is_quoted = true;
                    loop {
                        match characters.next()? {
                            '"' => break,
                            '\\' => value.push(characters.next()?),
                            other => value.push(other),
                        }
                    }
                }
                Some('\\') => value.push(characters.next()?),
                // Around values, not in them.
                Some(space) if space.is_whitespace() && (value.is_empty() || is_quoted) => {}
                // Lists of lists.
                Some('{' | '}') => return None,
                Some(other) => value.push(other),
            }
        }
        if !is_quoted {
            value.truncate(value.trim_end().len());
        }
        values.push(match !is_quoted && value.eq_ignore_ascii_case("null") {
            true => ScalarValue::try_from(item).ok()?,
            false => read(&value, item)?,
        });
    }
    Some(ScalarValue::List(ScalarValue::new_list_nullable(
        &values, item,
    )))
}

/// A number as exact as it is written.
fn decimal(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte))
        || digits > 38
    {
        return ScalarValue::from(text).cast_to(&DataType::Float64).ok();
    }
    let scale = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let precision = u8::try_from(digits.max(1)).ok()?;
    let data_type = DataType::Decimal128(precision, i8::try_from(scale).ok()?);
    ScalarValue::from(text).cast_to(&data_type).ok()
}

/// `\x0aff`, or text with `\\` and `\012`.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let pairs = digits.as_bytes().chunks(2);
        return pairs
            .map(|pair| match pair {
                [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
                _ => None,
            })
            .collect();
    }
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (value, left) = match rest {
            [b'\\', left @ ..] => (b'\\', left),
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), left)
            }
            _ => return None,
        };
        bytes.push(value);
        rest = left;
    }
    Some(bytes)
}

/// The bytes of a value.
fn binary(mut value: &[u8], given: &Type) -> Option<ScalarValue> {
    let is_fixed = !is_text(given) && item_of(given).is_none();
    let read = match *given {
        Type::BOOL => ScalarValue::from(value.try_get_u8().ok()? != 0),
        Type::INT2 => ScalarValue::from(value.try_get_i16().ok()?),
        Type::INT4 | Type::OID => ScalarValue::from(value.try_get_i32().ok()?),
        Type::INT8 => ScalarValue::from(value.try_get_i64().ok()?),
        Type::FLOAT4 => ScalarValue::from(value.try_get_f32().ok()?),
        Type::FLOAT8 => ScalarValue::from(value.try_get_f64().ok()?),
        Type::NUMERIC => return decimal(&read_numeric(value)?),
        Type::BYTEA => return Some(ScalarValue::Binary(Some(value.to_vec()))),
        Type::DATE => ScalarValue::Date32(Some(value.try_get_i32().ok()?.checked_add(DAYS)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(value.try_get_i64().ok()?)),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            let time = value.try_get_i64().ok()?.checked_add(MICROSECONDS)?;
            let zone = (*given == Type::TIMESTAMPTZ).then(|| Arc::from("+00:00"));
            ScalarValue::TimestampMicrosecond(Some(time), zone)
        }
        Type::INTERVAL => {
            let microseconds = value.try_get_i64().ok()?;
            let (days, months) = (value.try_get_i32().ok()?, value.try_get_i32().ok()?);
            let nanoseconds = microseconds.checked_mul(1000)?;
            ScalarValue::new_interval_mdn(months, days, nanoseconds)
        }
        _ => match item_of(given) {
            Some(item) => return array(value, &item),
            None => ScalarValue::from(std::str::from_utf8(value).ok()?),
        },
    };
    (!is_fixed || value.is_empty()).then_some(read)
}

/// An array of one dimension.
fn array(value: &[u8], item: &Type) -> Option<ScalarValue> {
    let mut body = Body(bytes::Bytes::copy_from_slice(value));
    let dimensions = body.u32().ok()?;
    let (_has_nulls, _item) = (body.u32().ok()?, body.u32().ok()?);
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = body.u32().ok()?;
            let _first = body.u32().ok()?;
            count
        }
        _ => return None,
    };
    let item_type = arrow_type(item);
    let mut values = vec![];
    for _ in 0..count {
        values.push(match body.value().ok()? {
            Some(value) => binary(&value, item)?,
            None => ScalarValue::try_from(&item_type).ok()?,
        });
    }
    let list = ScalarValue::new_list_nullable(&values, &item_type);
    Some(ScalarValue::List(list))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn unusable(number: usize, given: &Type) -> Failure {
    Failure::with_state(
        SqlState::INVALID_PARAMETER_VALUE,
        format!(
            "${number} is a value of type {} that the statement cannot use; cast it: ${number}::type",
            given.name()
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(value: &str, given: Type, wanted: Option<DataType>) -> Option<String> {
        let read = read(1, Some(value.as_bytes()), false, &given, wanted.as_ref());
        read.ok().map(|value| format!("{value}"))
    }

    #[test]
    fn texts_are_what_the_client_or_the_statement_says() {
        let cases = [
            ("t", Type::BOOL, None, Some("true")),
            ("-7", Type::INT4, None, Some("-7")),
            ("1.50", Type::NUMERIC, None, Some("Some(150),3,2")),
            ("1.5", Type::NUMERIC, Some(DataType::Float64), Some("1.5")),
            ("1.5", Type::UNKNOWN, Some(DataType::Float32), Some("1.5")),
            ("x", Type::UNKNOWN, None, Some("x")),
            ("x", Type::INT4, None, None),
            ("2", Type::INT8, Some(DataType::Int32), Some("2")),
            ("{1,NULL,3}", Type::INT4_ARRAY, None, Some("[1, , 3]")),
            (
                "{ \"a,b\" , \"\\\"\" }",
                Type::TEXT_ARRAY,
                None,
                Some("[a,b, \"]"),
            ),
            ("{{1}}", Type::INT4_ARRAY, None, None),
            ("\\x0aFF", Type::BYTEA, None, Some("10,255")),
            ("a\\\\\\001", Type::BYTEA, None, Some("97,92,1")),
            ("\\xa", Type::BYTEA, None, None),
        ];
        for (value, given, wanted, expected) in cases {
            let read = text(value, given.clone(), wanted);
            assert_eq!(read.as_deref(), expected, "{value} {given}");
        }
    }

    #[test]
    fn bytes_are_checked() {
        let of = |bytes: &[u8], given: Type| read(1, Some(bytes), true, &given, None).ok();
        assert_eq!(
            of(&[0, 0, 0, 7], Type::INT4),
            Some(ScalarValue::from(7_i32))
        );
        assert_eq!(of(&[0, 7], Type::INT4), None);
        assert_eq!(of(&[0, 0, 0, 0, 7], Type::INT4), None);
        assert_eq!(
            of(&[0; 4], Type::DATE),
            Some(ScalarValue::Date32(Some(10_957)))
        );
        assert_eq!(of(&[0xff], Type::TEXT), None);
        let array = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 9, 0, 0, 0, 1];
        assert_eq!(of(&array, Type::INT4_ARRAY), None);
        let null = read(1, None, true, &Type::INT4, Some(&DataType::Float64));
        assert_eq!(null.unwrap(), ScalarValue::Float64(None));
    }
}
