//! What is encoded decodes to the same values, and is what xarray would store.

#![allow(clippy::unwrap_used)]

mod coordinates;
mod properties;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int8Type, Int64Type};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array,
    Int64Array, StringArray, StringViewArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use graticule_functions::calendar::{Calendar, CivilTime};
use serde_json::{Value, json};

use super::*;
use crate::cube::decoding::{Decoding, DecodingRules};
use crate::cube::memory::MemoryArray;
use crate::cube::metadata::CALENDAR;
use crate::source::{ArrayReader, Options, RawChunk};

const NUMBERS: [DataType; 10] = [
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Float32,
    DataType::Float64,
];

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn options(pairs: &[(&str, &str)]) -> EncodingOptions {
    let pairs = pairs.iter();
    let options = pairs.map(|(name, value)| (name.to_string(), value.to_string()));
    EncodingOptions::parse(&options.collect::<Options>()).unwrap()
}

fn field(data_type: &DataType) -> Field {
    Field::new("v", data_type.clone(), true)
}

fn in_calendar(data_type: DataType, calendar: Calendar) -> Field {
    let metadata = HashMap::from([(CALENDAR.to_string(), calendar.name().to_string())]);
    field(&data_type).with_metadata(metadata)
}

/// The decoding that reading an array with this encoding would use.
fn decoding_of(encoding: &Encoding, stored: ArrayRef) -> Decoding {
    let length = stored.len() as u64;
    let array = MemoryArray::new("v", &["x"], &[length], stored)
        .with_attributes(Value::Object(encoding.attributes().clone()))
        .with_fill(encoding.fill_value(), &[]);
    let rules = DecodingRules {
        mask_and_scale: true,
        times: true,
    };
    Decoding::new(array.description(), rules).unwrap()
}

fn decoded(encoding: &Encoding, stored: ArrayRef) -> ArrayRef {
    let decoding = decoding_of(encoding, Arc::clone(&stored));
    let shape = vec![stored.len()];
    let raw = RawChunk {
        values: stored,
        shape,
    };
    decoding.apply(raw).unwrap().0
}

/// Encodes, checks what every stored array must be, and decodes.
fn there_and_back(encoding: &Encoding, values: &ArrayRef) -> (ArrayRef, Counts) {
    let (stored, counts) = encoding.encode(values).unwrap();
    assert_eq!(stored.data_type(), encoding.stored_type());
    assert_eq!((stored.len(), stored.null_count()), (values.len(), 0));
    (decoded(encoding, stored), counts)
}

fn assert_same(one: &ArrayRef, other: &ArrayRef) {
    assert_eq!(one.data_type(), other.data_type());
    assert_eq!(one.to_data(), other.to_data(), "{one:?} is not {other:?}");
}

/// Rows that xarray computed, see `tests_data/packing_table.py`.
#[test]
fn packs_as_xarray_does() {
    let table = include_str!("../../../../tests_data/packing_table.csv");
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split(',').collect();
        let [dtype, scale, offset, value, expected] = columns[..] else {
            unreachable!("{row}");
        };
        let pairs = [
            ("dtype", dtype),
            ("scale_factor", scale),
            ("add_offset", offset),
        ];
        let pairs: Vec<_> = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut options = options(&pairs);
        let is_integer = options.dtype.as_ref().unwrap().is_integer();
        // A number that the table does not have.
        options.fill_value = is_integer.then(|| json!(50));
        let encoding = Encoding::plan(&field(&DataType::Float64), &options).unwrap();
        let value: ArrayRef = Arc::new(Float64Array::from(vec![value.parse::<f64>().unwrap()]));
        let (stored, _) = encoding.encode(&value).unwrap();
        let stored = cast(&stored, &DataType::Float64).unwrap();
        assert_eq!(
            stored.as_primitive::<Float64Type>().value(0),
            expected.parse::<f64>().unwrap(),
            "{row}"
        );
        rows += 1;
    }
    assert!(rows > 2000, "{rows} rows");
}

#[test]
fn buffers_are_shared_where_nothing_changes() {
    let floats: ArrayRef = Arc::new(Float32Array::from(vec![1.0, f32::NAN, f32::INFINITY, -0.0]));
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    for values in [floats, integers] {
        let encoding = Encoding::plan(&field(values.data_type()), &EncodingOptions::default());
        let (stored, _) = encoding.unwrap().encode(&values).unwrap();
        let pointers = [&values, &stored].map(|array| array.to_data().buffers()[0].as_ptr());
        assert_eq!(pointers[0], pointers[1]);
    }
    let gap: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None]));
    let encoding = Encoding::plan(&field(gap.data_type()), &EncodingOptions::default());
    let (stored, _) = encoding.unwrap().encode(&gap).unwrap();
    assert!(stored.as_primitive::<Float32Type>().value(1).is_nan());
}

#[test]
fn a_slice_is_encoded_like_a_whole() {
    let values: ArrayRef = Arc::new(Float64Array::from_iter(
        (0..300).map(|cell| (cell % 3 != 0).then_some(f64::from(cell % 50))),
    ));
    let encoding = Encoding::plan(&field(&DataType::Float64), &options(&[("dtype", "int8")]));
    let encoding = encoding.unwrap();
    let (whole, _) = encoding.encode(&values).unwrap();
    let (part, _) = encoding.encode(&values.slice(17, 200)).unwrap();
    assert_same(&part, &whole.slice(17, 200));
}

#[test]
fn refusals_name_value_range_and_remedy() {
    let doubles = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let cases: [(ArrayRef, &[(&str, &str)], &[&str]); 9] = [
        (
            doubles(vec![1.0, 400.0]),
            &[("dtype", "int16"), ("scale_factor", "0.01")],
            &[
                "value 400.0 of v",
                "int16 with scale_factor 0.01",
                "between -327.67 and 327.67",
                "another scale_factor",
                "out_of_range = 'null'",
            ],
        ),
        (
            doubles(vec![-128.0]),
            &[("dtype", "int8")],
            &["-128.0", "between -127 and 127"],
        ),
        (
            doubles(vec![f64::INFINITY]),
            &[("dtype", "uint8")],
            &["value inf", "between 0 and 254"],
        ),
        (
            doubles(vec![1e39]),
            &[("dtype", "float32")],
            &["as float32"],
        ),
        (
            doubles(vec![-9999.0]),
            &[("fill_value", "-9999")],
            &["stored as -9999, which means NULL"],
        ),
        (
            Arc::new(Int64Array::from(vec![i64::MIN])),
            &[],
            &["-9223372036854775808 of v", "another fill_value"],
        ),
        (
            Arc::new(Int64Array::from(vec![300])),
            &[("dtype", "uint8")],
            &["300", "0 and 254"],
        ),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![86_400_000_001])),
            &[("units", "days since 1970-01-01")],
            &[
                "time 1970-01-02T00:00:00.000001 of v",
                "'days since 1970-01-01'",
                "other units",
            ],
        ),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![1 << 40])),
            &[("dtype", "int32")],
            &["that int32 holds"],
        ),
    ];
    for (values, pairs, expected) in cases {
        let column = field(values.data_type());
        let message = Encoding::plan(&column, &options(pairs)).unwrap();
        let message = message.encode(&values).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
        let mut lenient = options(pairs);
        lenient.out_of_range = OutOfRange::Null;
        let encoding = Encoding::plan(&column, &lenient).unwrap();
        let (back, counts) = there_and_back(&encoding, &values);
        assert_eq!(counts.out_of_range, 1);
        assert!(back.is_null(values.len() - 1));
    }
}

#[test]
fn missing_values_are_not_refused() {
    let values: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(f64::NAN),
        None,
        Some(7.0),
        Some(1e9),
    ]));
    let mut strict = options(&[("dtype", "int8")]);
    let encoding = Encoding::plan(&field(&DataType::Float64), &strict).unwrap();
    let (stored, counts) = encoding.encode(&values.slice(0, 3)).unwrap();
    assert_eq!(stored.as_primitive::<Int8Type>().values(), &[-128, -128, 7]);
    assert_eq!(counts.out_of_range, 0);
    strict.out_of_range = OutOfRange::Null;
    let encoding = Encoding::plan(&field(&DataType::Float64), &strict).unwrap();
    assert_eq!(encoding.encode(&values).unwrap().1.out_of_range, 1);
    // A number as fill value stands for NaN, too.
    let encoding = Encoding::plan(
        &field(&DataType::Float64),
        &options(&[("fill_value", "-9")]),
    );
    let (stored, _) = encoding.unwrap().encode(&values).unwrap();
    assert_eq!(
        stored.as_primitive::<Float64Type>().values(),
        &[-9.0, -9.0, 7.0, 1e9]
    );
}

#[test]
fn attributes_say_how_to_decode() {
    let cases: [(DataType, &[(&str, &str)], Value); 7] = [
        (DataType::Float32, &[], json!({"_FillValue": "NaN"})),
        (DataType::UInt16, &[], json!({"_FillValue": 65535})),
        (DataType::Utf8, &[], json!({})),
        (
            DataType::Boolean,
            &[],
            json!({"dtype": "bool", "_FillValue": -128}),
        ),
        (
            MICROS,
            &[],
            json!({"units": "microseconds since 1970-01-01", "calendar": "proleptic_gregorian",
                "_FillValue": i64::MIN}),
        ),
        (
            DataType::Float64,
            &[("dtype", "int16"), ("scale_factor", "0.01"), ("units", "K")],
            json!({"units": "K", "scale_factor": 0.01, "_FillValue": -32768}),
        ),
        (
            DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
            &[("dtype", "float64"), ("units", "hours since 2000-01-01")],
            json!({"units": "hours since 2000-01-01", "calendar": "proleptic_gregorian",
                "_FillValue": "NaN"}),
        ),
    ];
    for (data_type, pairs, expected) in cases {
        let encoding = Encoding::plan(&field(&data_type), &options(pairs)).unwrap();
        assert_eq!(
            Value::Object(encoding.attributes().clone()),
            expected,
            "{data_type}"
        );
    }
}

#[test]
fn other_types_are_stored_as_plain_ones() {
    let views: ArrayRef = Arc::new(StringViewArray::from(vec![Some("Oslo"), None]));
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None]));
    let dictionary = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into());
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["Oslo", ""]));
    let truths: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    let day: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
        Some(86_400_000_000),
        None,
    ]));
    let cases = [
        (cast(&views, &dictionary).unwrap(), Arc::clone(&texts)),
        (views, texts),
        (dates, day),
        (Arc::clone(&truths), truths),
    ];
    for (values, expected) in cases {
        let column = field(values.data_type());
        let encoding = Encoding::plan(&column, &EncodingOptions::default()).unwrap();
        assert_same(&there_and_back(&encoding, &values).0, &expected);
    }
}

#[test]
fn senseless_plans_are_errors() {
    let list = DataType::List(Arc::new(field(&DataType::Int8)));
    let cases: [(DataType, &[(&str, &str)], &str); 12] = [
        (DataType::Decimal128(10, 2), &[], "write CAST(v AS DOUBLE)"),
        (
            DataType::Interval(IntervalUnit::MonthDayNano),
            &[],
            "date_part('epoch', v)",
        ),
        (DataType::Duration(TimeUnit::Second), &[], "type Duration"),
        (DataType::Binary, &[], "CAST(v AS VARCHAR)"),
        (list, &[], "unnest(v)"),
        (DataType::Null, &[], "CAST(v AS DOUBLE)"),
        (MICROS, &[("scale_factor", "2")], "times are counted"),
        (
            MICROS,
            &[("units", "months since 1970-01-01")],
            "no fixed length",
        ),
        (MICROS, &[("dtype", "float32")], "too few digits"),
        (
            DataType::Boolean,
            &[("dtype", "float32")],
            "stored as integers",
        ),
        (
            DataType::Utf8,
            &[("dtype", "int8")],
            "texts are stored as they are",
        ),
        (
            DataType::Float64,
            &[("dtype", "int8"), ("fill_value", "-9999")],
            "no value of int8",
        ),
    ];
    for (data_type, pairs, expected) in cases {
        let plan = Encoding::plan(&field(&data_type), &options(pairs));
        let message = plan.unwrap_err().to_string();
        assert!(
            message.contains(expected) && message.contains("(in v)"),
            "{message}"
        );
    }
    let encoding = Encoding::plan(&field(&MICROS), &EncodingOptions::default()).unwrap();
    let message = encoding
        .encode(&new_null_array(&DataType::Int8, 2))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("type Int8 instead of Timestamp"),
        "{message}"
    );
}
