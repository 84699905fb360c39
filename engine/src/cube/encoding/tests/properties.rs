//! Values of every type, packed or not, with gaps, encode to what decodes to them.

use super::*;
use arrow::compute::is_null;
use proptest::prelude::*;

/// Numbers between -100 and 100, every type holds half of them, and NULLs.
fn cells() -> impl Strategy<Value = Vec<Option<i64>>> {
    prop::collection::vec(prop::option::weighted(0.8, 0..100i64), 0..200)
}

proptest! {
    /// Unpacked numbers, times, truth values and texts come back as they were, NULLs included.
    #[test]
    fn columns_come_back(cells in cells(), calendar in prop::sample::select(Calendar::ALL.to_vec())) {
        let numbers: ArrayRef = Arc::new(Int64Array::from(cells));
        let mut columns: Vec<Field> = NUMBERS.iter().map(field).collect();
        columns.extend([field(&DataType::Boolean), field(&MICROS), in_calendar(MICROS, Calendar::NoLeap)]);
        if matches!(calendar, Calendar::AllLeap | Calendar::Day360) {
            columns.push(in_calendar(DataType::Int64, calendar));
        }
        for column in columns {
            let values = cast(&numbers, column.data_type()).unwrap();
            let encoding = Encoding::plan(&column, &EncodingOptions::default()).unwrap();
            let (back, counts) = there_and_back(&encoding, &values);
            prop_assert_eq!(counts, Counts::default());
            assert_same(&back, &values);
            prop_assert!(decoding_of(&encoding, encoding.encode(&values).unwrap().0).fill().is_null());
        }
    }

    /// What lies on a stored number comes back as near as doubles allow, and NULLs as NULLs.
    #[test]
    fn packed_columns_come_back(
        cells in cells(),
        stored in prop::sample::select(NUMBERS.to_vec()),
        scale in prop::sample::select(vec![0.01, 1.0, -0.5, 3.0]),
        offset in prop::sample::select(vec![0.0, -273.15, 1e4]),
    ) {
        let values: Float64Array = cells.iter().map(|cell| Some((*cell)? as f64 * scale + offset)).collect();
        let values: ArrayRef = Arc::new(values);
        let options = EncodingOptions {
            dtype: Some(stored.clone()),
            scale_factor: Some(scale),
            add_offset: Some(offset),
            ..EncodingOptions::default()
        };
        let encoding = Encoding::plan(&field(&DataType::Float64), &options).unwrap();
        let (numbers, _) = encoding.encode(&values).unwrap();
        if stored.is_integer() {
            let numbers = cast(&numbers, &DataType::Int64).unwrap();
            for (cell, number) in cells.iter().zip(numbers.as_primitive::<Int64Type>().values()) {
                prop_assert!(cell.is_none_or(|cell| cell == *number), "{cell:?} is stored as {number}");
            }
        }
        let (back, counts) = there_and_back(&encoding, &values);
        prop_assert_eq!(counts, Counts::default());
        assert_eq!(is_null(&back).unwrap(), is_null(&values).unwrap());
        let back = cast(&back, &DataType::Float64).unwrap();
        let (back, values) = (back.as_primitive::<Float64Type>(), values.as_primitive::<Float64Type>());
        for (back, value) in back.iter().flatten().zip(values.iter().flatten()) {
            let tolerance = value.abs().max(offset.abs()).max(1.0) * 1e-6;
            prop_assert!((back - value).abs() <= tolerance, "{value} came back as {back}");
        }
    }

    /// Nothing is clipped and nothing wraps: a value comes back within half a step, or is NULL.
    #[test]
    fn what_does_not_fit_is_null(
        values in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![
            any::<f64>(), -400.0..400.0, Just(f64::INFINITY), Just(-128.0), Just(-32768.0),
        ]), 1..100),
        source in prop::sample::select(NUMBERS.to_vec()),
        stored in prop::sample::select(NUMBERS.to_vec()),
        scale in prop::option::of(prop::sample::select(vec![0.5, -2.0])),
    ) {
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        let values = cast(&values, &source).unwrap();
        let options = EncodingOptions {
            dtype: Some(stored.clone()),
            scale_factor: scale,
            out_of_range: OutOfRange::Null,
            ..EncodingOptions::default()
        };
        let encoding = Encoding::plan(&field(&source), &options).unwrap();
        let (back, counts) = there_and_back(&encoding, &values);
        let [values, back] = [values, back].map(|array| cast(&array, &DataType::Float64).unwrap());
        let (values, back) = (values.as_primitive::<Float64Type>(), back.as_primitive::<Float64Type>());
        let step = if stored.is_integer() { scale.unwrap_or(1.0_f64).abs() } else { 0.0 };
        let mut lost = 0;
        for (value, back) in values.iter().zip(back.iter()) {
            let value = value.filter(|value| !value.is_nan());
            match (value, back) {
                (None, None) => {}
                (Some(_), None) => lost += 1,
                (Some(value), Some(back)) => {
                    let tolerance = step / 2.0 + value.abs() * 1e-6 + 1e-30;
                    prop_assert!(value == back || (value - back).abs() <= tolerance, "{value} came back as {back}");
                }
                (None, Some(back)) => prop_assert!(false, "NULL came back as {back}"),
            }
        }
        prop_assert_eq!(counts.out_of_range, lost);
    }
}
