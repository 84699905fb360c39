//! How coordinates are stored.

use super::*;

#[test]
fn coordinates_are_counted_in_the_coarsest_unit() {
    const HOUR: i64 = 3_600_000_000;
    let times = |micros: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(micros)) as ArrayRef;
    let cases = [
        (
            times(vec![0, 48 * HOUR, -24 * HOUR]),
            "days",
            vec![0, 2, -1],
        ),
        (times(vec![0, 6 * HOUR]), "hours", vec![0, 6]),
        (times(vec![HOUR / 2]), "minutes", vec![30]),
        (times(vec![1_000_000]), "seconds", vec![1]),
        (times(vec![1000]), "milliseconds", vec![1]),
        (times(vec![1]), "microseconds", vec![1]),
        (
            cast(
                &times(vec![1]),
                &DataType::Timestamp(TimeUnit::Nanosecond, None),
            )
            .unwrap(),
            "microseconds",
            vec![1],
        ),
        (
            Arc::new(arrow::array::TimestampNanosecondArray::from(vec![1])),
            "nanoseconds",
            vec![1],
        ),
    ];
    for (values, unit, expected) in cases {
        let column = field(values.data_type());
        let encoding = Encoding::plan_coordinates(&column, &[&values], &EncodingOptions::default());
        let encoding = encoding.unwrap();
        let (stored, _) = encoding.encode(&values).unwrap();
        assert_eq!(
            encoding.attributes()["units"],
            format!("{unit} since 1970-01-01")
        );
        assert_eq!(stored.as_primitive::<Int64Type>().values(), &expected);
        assert!(!encoding.attributes().contains_key("_FillValue"));
    }
    let (days, bounds) = (times(vec![24 * HOUR]), times(vec![HOUR, 48 * HOUR]));
    let both = Encoding::plan_coordinates(
        &field(&MICROS),
        &[&days, &bounds],
        &EncodingOptions::default(),
    );
    assert_eq!(
        both.unwrap().attributes()["units"],
        "hours since 1970-01-01"
    );
}

#[test]
fn coordinates_of_models_keep_their_calendar() {
    let civil = CivilTime::midnight;
    let stamp = |civil: &CivilTime| Calendar::ProlepticGregorian.micros(civil).unwrap();
    let noleap: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
        stamp(&civil(2000, 2, 28)),
        stamp(&civil(2000, 3, 1)),
    ]));
    let thirty: ArrayRef = Arc::new(Int64Array::from(vec![
        Calendar::Day360.micros(&civil(2000, 2, 30)).unwrap(),
        Calendar::Day360.micros(&civil(2000, 3, 1)).unwrap(),
    ]));
    let cases = [
        (in_calendar(MICROS, Calendar::NoLeap), noleap, "noleap"),
        (
            in_calendar(DataType::Int64, Calendar::Day360),
            thirty,
            "360_day",
        ),
    ];
    for (column, values, calendar) in cases {
        let encoding = Encoding::plan_coordinates(&column, &[&values], &EncodingOptions::default());
        let encoding = encoding.unwrap();
        let (stored, _) = encoding.encode(&values).unwrap();
        let days = stored.as_primitive::<Int64Type>().values();
        assert_eq!(days[1] - days[0], 1, "{calendar}");
        assert_eq!(encoding.attributes()["units"], "days since 1970-01-01");
        assert_eq!(encoding.attributes()["calendar"], calendar);
        let decoding = decoding_of(&encoding, Arc::clone(&stored));
        assert_eq!(decoding.calendar().unwrap().name(), calendar);
        assert_same(&decoded(&encoding, stored), &values);
    }
    let leap_day: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![stamp(&civil(
        2000, 2, 29,
    ))]));
    let encoding = Encoding::plan(
        &in_calendar(MICROS, Calendar::NoLeap),
        &EncodingOptions::default(),
    );
    let message = encoding.unwrap().encode(&leap_day).unwrap_err().to_string();
    assert!(message.contains("2000-02-29T00:00:00"), "{message}");
}

#[test]
fn coordinates_have_no_gaps() {
    let gap: ArrayRef = Arc::new(Int32Array::from(vec![Some(i32::MIN), None]));
    let plan = Encoding::plan_coordinates(
        &field(&DataType::Int32),
        &[&gap],
        &EncodingOptions::default(),
    );
    let message = plan.unwrap_err().to_string();
    assert!(
        message.contains("cell 1 is NULL") && message.contains("v IS NOT NULL"),
        "{message}"
    );
    // The number that means NULL in variables is a coordinate like all others.
    let lowest = gap.slice(0, 1);
    let plan = Encoding::plan_coordinates(
        &field(&DataType::Int32),
        &[&lowest],
        &EncodingOptions::default(),
    );
    assert_same(&plan.unwrap().encode(&lowest).unwrap().0, &lowest);
    let scaled = options(&[("scale_factor", "2")]);
    let plan = Encoding::plan_coordinates(&field(&DataType::Int32), &[&lowest], &scaled);
    assert!(plan.unwrap_err().to_string().contains("not scaled"));
}
