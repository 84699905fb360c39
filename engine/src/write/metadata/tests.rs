//! A whole cube: what `tests_data/monthly_means.json` says is what xarray understands, see
//! `tests_data/monthly_means.py`.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array,
    TimestampMicrosecondArray, UInt8Array,
};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;
use graticule_functions::calendar::DatePart;
use serde_json::{Value, json};

use super::*;
use crate::cube::crs::Crs;
use crate::cube::encoding::Encoding;
use crate::source::{Attributes, Options};

const DAY: i64 = 86_400_000_000;

fn field(name: &str, data_type: DataType, metadata: &[(&str, &str)]) -> FieldRef {
    let metadata = metadata.iter();
    let metadata = metadata.map(|(name, text)| (name.to_string(), text.to_string()));
    Arc::new(Field::new(name, data_type, true).with_metadata(metadata.collect()))
}

fn axis(field: FieldRef, role: AxisRole, coordinates: ArrayRef) -> TargetAxis {
    TargetAxis {
        field,
        coordinates,
        role,
        bounds: None,
        encoding: EncodingOptions::default(),
    }
}

fn axes() -> [TargetAxis; 3] {
    let starts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, 31 * DAY]));
    let mut time = axis(
        field("time", starts.data_type().clone(), &[]),
        AxisRole::Time,
        Arc::clone(&starts),
    );
    let cells = TimeCells::Truncated(DatePart::Month);
    time.bounds = Some(time_bounds(&time.field, &starts, cells).unwrap());
    let latitude = [("units", "degrees_north"), ("cell_size", "0.5")];
    let latitude = field("lat", DataType::Float32, &latitude);
    let longitude = field("lon", DataType::Float64, &[]);
    [
        time,
        axis(
            latitude,
            AxisRole::Latitude,
            Arc::new(Float32Array::from(vec![50.5, 50.0])),
        ),
        axis(
            longitude,
            AxisRole::Longitude,
            Arc::new(Float64Array::from(vec![7.0])),
        ),
    ]
}

/// One variable with what it comes from, how it is stored, and its values.
fn variables() -> Vec<(FieldRef, Lineage, EncodingOptions, ArrayRef)> {
    let sst = [
        ("units", "K"),
        ("standard_name", "sea_surface_temperature"),
        ("crs", "OGC:CRS84"),
    ];
    let sst = field("sst", DataType::Float32, &sst);
    let over_time = |method| {
        Some(CellMethod {
            method,
            over: vec![("time".to_string(), AxisRole::Time)],
        })
    };
    let of = |source: &FieldRef, method| Lineage {
        source: Some(Arc::clone(source)),
        method,
    };
    let packed = [
        ("dtype", "int16"),
        ("scale_factor", "0.01"),
        ("add_offset", "273.15"),
    ];
    let packed = packed.map(|(name, value)| (name.to_string(), value.to_string()));
    let packed = EncodingOptions::parse(&Options::from(packed)).unwrap();
    let quality = [
        ("flag_values", "[0,1,2]"),
        ("flag_meanings", "bad fair good"),
    ];
    let quality = field("quality", DataType::UInt8, &quality);
    let plain = EncodingOptions::default;
    vec![
        (
            field("sst_mean", DataType::Float64, &[]),
            of(&sst, over_time(Method::Mean)),
            packed,
            Arc::new(Float64Array::from(vec![
                Some(280.0),
                None,
                Some(290.125),
                Some(273.15),
            ])),
        ),
        (
            field("sst_deviation", DataType::Float64, &[]),
            of(&sst, over_time(Method::StandardDeviation)),
            plain(),
            Arc::new(Float64Array::from(vec![
                Some(0.5),
                None,
                Some(1.5),
                Some(0.0),
            ])),
        ),
        (
            field("cells", DataType::Int64, &[]),
            of(&sst, over_time(Method::Count)),
            plain(),
            Arc::new(Int64Array::from(vec![31, 0, 28, 27])),
        ),
        (
            field("worst", DataType::UInt8, &[]),
            of(&quality, over_time(Method::Minimum)),
            plain(),
            Arc::new(UInt8Array::from(vec![Some(0), None, Some(2), Some(1)])),
        ),
        (
            field("is_warm", DataType::Boolean, &[]),
            Lineage::default(),
            plain(),
            Arc::new(BooleanArray::from(vec![true, false, true, false])),
        ),
        (
            field(
                "warmest",
                DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
                &[],
            ),
            Lineage::default(),
            plain(),
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(DAY),
                None,
                Some(40 * DAY + 1),
                Some(0),
            ])),
        ),
    ]
}

fn described(
    name: &str,
    dimensions: &[String],
    attributes: &Attributes,
    stored: &ArrayRef,
) -> Value {
    let numbers = (0..stored.len()).map(|cell| array_value_to_string(stored, cell).unwrap());
    json!({
        "name": name,
        "dimensions": dimensions,
        "dtype": stored.data_type().to_string().to_lowercase(),
        "stored": numbers.collect::<Vec<_>>(),
        "attributes": attributes,
    })
}

#[test]
fn monthly_means() {
    let axes = axes();
    let variables = variables();
    let crs = Crs::of_definition("OGC:CRS84".to_string());
    let names = axes.iter().map(|axis| axis.field.name().as_str());
    let names: Vec<&str> = names
        .chain(variables.iter().map(|v| v.0.name().as_str()))
        .collect();
    let mapping = GridMapping::of(&crs, |name| names.contains(&name));
    let small = coordinate_arrays(&axes, Some(&mapping)).unwrap();
    let mut arrays: Vec<Value> = small
        .iter()
        .map(|array| {
            let target = &array.target;
            described(
                &target.name,
                &target.dimensions,
                &target.attributes,
                &array.values,
            )
        })
        .collect();
    let dimensions: Vec<String> = axes.iter().map(|axis| axis.field.name().clone()).collect();
    let references = References {
        grid_mapping: Some(mapping.name()),
        names: &names,
    };
    for (field, lineage, options, values) in &variables {
        let encoding = Encoding::plan(field, options).unwrap();
        let attributes = variable_attributes(field, &encoding, lineage, references);
        let (stored, _) = encoding.encode(values).unwrap();
        arrays.push(described(field.name(), &dimensions, &attributes, &stored));
    }
    let fields: Vec<FieldRef> = variables
        .iter()
        .map(|variable| Arc::clone(&variable.0))
        .collect();
    let provenance = Provenance {
        statement: "CREATE TABLE monthly AS SELECT …".to_string(),
        sources: vec![("s3://lake/sst.zarr".to_string(), "7f3a".to_string())],
        date: 1_262_304_000_000_000,
        is_selection: false,
    };
    let source = json!({"institution": "Met", "history": "2009-12-31: measured", "id": "x"});
    let attributes = group_attributes(
        &axes,
        &fields,
        Some(&crs),
        &provenance,
        &[source.as_object().unwrap()],
    );
    let found = json!({"attributes": attributes.unwrap(), "arrays": arrays});
    let found = serde_json::to_string_pretty(&found).unwrap();
    let found = found.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let expected = include_str!("../../../tests_data/monthly_means.json");
    assert!(found == expected.trim_end(), "{found}");
}
