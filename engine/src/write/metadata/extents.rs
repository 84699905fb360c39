//! What a cube covers, as catalogues look for it: the attributes of ACDD 1.3 about place and time.

use arrow::array::types::Float64Type;
use arrow::array::{AsArray, Float64Array, Int64Array};
use arrow::compute::{cast, max, min};
use arrow::datatypes::DataType;
use graticule_functions::calendar::{Calendar, MICROS_PER_DAY, Step};
use serde_json::{Value, json};

use super::TargetAxis;
use super::times::Times;
use crate::cube::AxisRole;
use crate::cube::metadata::UNITS;
use crate::error::CubeResult;
use crate::source::Attributes;

/// By how much of a step stored coordinates, rounded to few digits, may be off.
pub(super) const IRREGULARITY: f64 = 0.01;

/// The extents of the axes: `geospatial_*` of latitudes, longitudes and heights, `time_coverage_*` of
/// times. Places are those of cell centres; times start with the first cell and end with the last one,
/// where cells have bounds.
pub(super) fn extents(axes: &[TargetAxis]) -> CubeResult<Attributes> {
    let mut attributes = Attributes::new();
    for axis in axes {
        match axis.role {
            AxisRole::Latitude => place(&mut attributes, "lat", axis, Some("degrees_north")),
            AxisRole::Longitude => place(&mut attributes, "lon", axis, Some("degrees_east")),
            AxisRole::Vertical => place(&mut attributes, "vertical", axis, None),
            AxisRole::Time if !attributes.contains_key("time_coverage_start") => {
                period(&mut attributes, axis)?;
            }
            AxisRole::Time | AxisRole::Y | AxisRole::X | AxisRole::Other => {}
        }
    }
    Ok(attributes)
}

fn place(attributes: &mut Attributes, which: &str, axis: &TargetAxis, units: Option<&str>) {
    let Ok(places) = cast(&axis.coordinates, &DataType::Float64) else {
        return;
    };
    let places: &Float64Array = places.as_primitive::<Float64Type>();
    let (Some(lowest), Some(highest)) = (min(places), max(places)) else {
        return;
    };
    let mut add = |what: &str, value: Value| {
        attributes.insert(format!("geospatial_{which}_{what}"), value);
    };
    add("min", json!(lowest));
    add("max", json!(highest));
    let metadata = axis.field.metadata();
    if let Some(units) = units.or(metadata.get(UNITS).map(String::as_str)) {
        add("units", json!(units));
    }
    if let Some(step) = step(places) {
        add("resolution", json!(step));
    }
    if let Some(positive) = metadata.get("positive").filter(|_| which == "vertical") {
        add("positive", json!(positive));
    }
}

/// The distance between neighbours, if it is the same all along.
fn step(places: &Float64Array) -> Option<f64> {
    let [first, .., last] = places.values().as_ref() else {
        return None;
    };
    let step = (last - first) / (places.len() - 1) as f64;
    let is_regular = places.values().iter().enumerate().all(|(cell, place)| {
        (place - (first + step * cell as f64)).abs() <= step.abs() * IRREGULARITY
    });
    (is_regular && step != 0.0).then(|| rounded(step.abs()))
}

/// Without the digits that computing the mean step has added.
fn rounded(step: f64) -> f64 {
    let digits = 6 - step.log10().floor() as i32;
    let text = format!("{step:.*}", digits.clamp(0, 12) as usize);
    text.parse().unwrap_or(step)
}

fn period(attributes: &mut Attributes, axis: &TargetAxis) -> CubeResult<()> {
    let Some(times) = Times::of(&axis.field, &axis.coordinates)? else {
        return Ok(());
    };
    let bounds = axis.bounds.as_ref();
    let bounds = bounds
        .map(|bounds| Times::of(&axis.field, bounds))
        .transpose()?;
    let covered = bounds
        .flatten()
        .map_or(times.micros.clone(), |bounds| bounds.micros);
    let (Some(start), Some(end)) = (min(&covered), max(&covered)) else {
        return Ok(());
    };
    let mut add = |what: &str, text: String| {
        attributes.insert(format!("time_coverage_{what}"), json!(text));
    };
    add("start", times.text(start));
    add("end", times.text(end));
    if let Some(resolution) = resolution(times.calendar, &times.micros) {
        add("resolution", resolution);
    }
    Ok(())
}

/// The step between times as a duration of ISO 8601, if it is the same all along: `P1M` where it can be
/// told in months, else `P8D`.
fn resolution(calendar: Calendar, times: &Int64Array) -> Option<String> {
    let times = times.values();
    let (first, second) = (*times.first()?, *times.get(1)?);
    let month = |micros| {
        let civil = calendar.civil(micros);
        civil.year * 12 + i64::from(civil.month)
    };
    let months = month(second) - month(first);
    let mut expected = (0..).map(|cell: i64| {
        let step = Step {
            months: months * cell,
            micros: 0,
        };
        calendar.add(step, first).ok()
    });
    if months != 0
        && times
            .iter()
            .all(|time| expected.next() == Some(Some(*time)))
    {
        return Some(match months.abs() {
            months if months % 12 == 0 => format!("P{}Y", months / 12),
            months => format!("P{months}M"),
        });
    }
    let step = second - first;
    let is_steady = times.windows(2).all(|pair| pair[1] - pair[0] == step);
    (is_steady && step != 0).then(|| duration(step.abs()))
}

/// `P8D`, `PT6H`, `PT0.5S`.
fn duration(micros: i64) -> String {
    let (days, of_day) = (micros / MICROS_PER_DAY, micros % MICROS_PER_DAY);
    let (hours, of_hour) = (of_day / 3_600_000_000, of_day % 3_600_000_000);
    let (minutes, of_minute) = (of_hour / 60_000_000, of_hour % 60_000_000);
    let mut text = String::from("P");
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if of_day > 0 {
        text.push('T');
    }
    for (count, unit) in [(hours, 'H'), (minutes, 'M')] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if of_minute > 0 {
        text.push_str(&format!("{}S", of_minute as f64 / 1e6));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, TimestampMicrosecondArray};
    use arrow::datatypes::Field;
    use graticule_functions::calendar::parse_civil;

    use super::*;
    use crate::cube::encoding::EncodingOptions;
    use crate::cube::metadata::CALENDAR;

    fn axis(
        name: &str,
        role: AxisRole,
        coordinates: ArrayRef,
        metadata: &[(&str, &str)],
    ) -> TargetAxis {
        let metadata = metadata.iter();
        let metadata = metadata.map(|(name, text)| (name.to_string(), text.to_string()));
        let metadata: HashMap<_, _> = metadata.collect();
        let field = Field::new(name, coordinates.data_type().clone(), false);
        TargetAxis {
            field: Arc::new(field.with_metadata(metadata)),
            coordinates,
            role,
            bounds: None,
            encoding: EncodingOptions::default(),
        }
    }

    fn micros(calendar: Calendar, dates: &[&str]) -> Vec<i64> {
        let dates = dates.iter().map(|date| parse_civil(date).unwrap().0);
        dates
            .map(|civil| calendar.micros(&civil).unwrap())
            .collect()
    }

    fn real(dates: &[&str]) -> ArrayRef {
        let micros = micros(Calendar::ProlepticGregorian, dates);
        Arc::new(TimestampMicrosecondArray::from(micros))
    }

    #[test]
    fn places() {
        let floats = |values: Vec<f32>| Arc::new(Float32Array::from(values)) as ArrayRef;
        let axes = [
            axis(
                "lat",
                AxisRole::Latitude,
                floats(vec![50.5, 50.25, 50.0]),
                &[],
            ),
            axis("lon", AxisRole::Longitude, floats(vec![1.0, 2.0, 4.0]), &[]),
            axis(
                "depth",
                AxisRole::Vertical,
                floats(vec![5.0]),
                &[("units", "m"), ("positive", "down")],
            ),
        ];
        let expected = json!({
            "geospatial_lat_min": 50.0, "geospatial_lat_max": 50.5,
            "geospatial_lat_units": "degrees_north", "geospatial_lat_resolution": 0.25,
            "geospatial_lon_min": 1.0, "geospatial_lon_max": 4.0,
            "geospatial_lon_units": "degrees_east",
            "geospatial_vertical_min": 5.0, "geospatial_vertical_max": 5.0,
            "geospatial_vertical_units": "m", "geospatial_vertical_positive": "down",
        });
        assert_eq!(Value::Object(extents(&axes).unwrap()), expected);
        let thirds = (0..100)
            .map(|cell| (-50.1 + f64::from(cell) * 0.3) as f32)
            .collect();
        let axes = [axis("lat", AxisRole::Latitude, floats(thirds), &[])];
        assert_eq!(extents(&axes).unwrap()["geospatial_lat_resolution"], 0.3);
        let empty = [axis("lat", AxisRole::Latitude, floats(vec![]), &[])];
        assert_eq!(extents(&empty).unwrap(), Attributes::new());
    }

    #[test]
    fn periods() {
        let cases: [(&[&str], &str, &str, Option<&str>); 7] = [
            (
                &["2010-01-01", "2010-02-01", "2010-03-01"],
                "2010-01-01T00:00:00Z",
                "2010-03-01T00:00:00Z",
                Some("P1M"),
            ),
            (
                &["2010-01-31", "2010-02-28", "2010-03-31"],
                "2010-01-31T00:00:00Z",
                "2010-03-31T00:00:00Z",
                Some("P1M"),
            ),
            (
                &["2010-01-01", "2011-01-01", "2012-01-01", "2013-01-01"],
                "2010-01-01T00:00:00Z",
                "2013-01-01T00:00:00Z",
                Some("P1Y"),
            ),
            (
                &["2010-01-09", "2010-01-01"],
                "2010-01-01T00:00:00Z",
                "2010-01-09T00:00:00Z",
                Some("P8D"),
            ),
            (
                &["2010-01-01", "2010-01-02 06:30:00.5"],
                "2010-01-01T00:00:00Z",
                "2010-01-02T06:30:00.500Z",
                Some("P1DT6H30M0.5S"),
            ),
            (
                &["2010-01-01", "2010-01-02", "2010-01-05"],
                "2010-01-01T00:00:00Z",
                "2010-01-05T00:00:00Z",
                None,
            ),
            (
                &["2010-01-01"],
                "2010-01-01T00:00:00Z",
                "2010-01-01T00:00:00Z",
                None,
            ),
        ];
        for (dates, start, end, resolution) in cases {
            let found = extents(&[axis("time", AxisRole::Time, real(dates), &[])]).unwrap();
            assert_eq!(found["time_coverage_start"], start);
            assert_eq!(found["time_coverage_end"], end);
            let stated = found
                .get("time_coverage_resolution")
                .and_then(Value::as_str);
            assert_eq!(stated, resolution, "{dates:?}");
        }
    }

    #[test]
    fn periods_of_cells_and_of_models() {
        let mut months = axis(
            "time",
            AxisRole::Time,
            real(&["2010-01-01", "2010-02-01"]),
            &[],
        );
        months.bounds = Some(real(&[
            "2010-01-01",
            "2010-02-01",
            "2010-02-01",
            "2010-03-01",
        ]));
        let found = extents(&[months]).unwrap();
        assert_eq!(found["time_coverage_end"], "2010-03-01T00:00:00Z");
        let dates = micros(
            Calendar::Day360,
            &["2010-01-30", "2010-02-30", "2010-03-30"],
        );
        let dates: ArrayRef = Arc::new(Int64Array::from(dates));
        let model = axis("time", AxisRole::Time, dates, &[(CALENDAR, "360_day")]);
        let found = extents(&[model]).unwrap();
        assert_eq!(found["time_coverage_end"], "2010-03-30T00:00:00");
        assert_eq!(found["time_coverage_resolution"], "P1M");
    }
}
