//! The bands of an image as variables: their names, their attributes, and the value of missing cells.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type};
use graticule_engine::source::{ArrayDescription, ArrayReader, Attributes};
use serde_json::Value;

use super::array::BandArray;
use super::image::Image;
use super::metadata::{Metadata, OfBand};
use crate::formats::stored_file::StoredFile;

/// A number of 16 bits that is no integer.
type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// The variable whose attributes tell the coordinate reference system.
pub(in crate::formats) const GRID_MAPPING: &str = "spatial_ref";

/// Names that arrays other than bands may have.
const TAKEN: [&str; 5] = [GRID_MAPPING, "y", "x", "lat", "lon"];

/// What the variables of an image and those of its overviews have in common.
#[derive(Debug)]
pub(super) struct Bands {
    pub(super) metadata: Metadata,
    /// The text of the tag `GDAL_NODATA`.
    pub(super) nodata: Option<String>,
    /// Names of the dimensions of rows and columns.
    pub(super) dimensions: [&'static str; 2],
    /// Is there a grid mapping?
    pub(super) has_system: bool,
}

impl Bands {
    /// The variables of `image`.
    pub(super) fn of(
        &self,
        file: &Arc<StoredFile>,
        image: &Arc<Image>,
        mask: Option<&Arc<Image>>,
    ) -> Vec<Arc<dyn ArrayReader>> {
        let names = self.names(image.samples);
        let nodata = self.nodata.as_deref();
        let missing = nodata.and_then(|text| stored_value(text, &image.data_type));
        let fill_value = match (&missing, mask) {
            // Cells that the mask leaves out are not stored as a rule, and those that are not stored are left out.
            (_, Some(_)) => Value::Null,
            (Some((value, _)), None) => value.clone(),
            (None, None) => Value::from(0),
        };
        let fill = missing.as_ref().map_or(0, |(_, bits)| *bits);
        let arrays = (0..image.samples).zip(names).map(|(band, name)| {
            let said = self.metadata.bands.get(&band).cloned();
            let missing = missing.as_ref().map(|(value, _)| value);
            let array = BandArray {
                file: Arc::clone(file),
                description: ArrayDescription {
                    attributes: self.attributes(&name, said.unwrap_or_default(), missing),
                    name,
                    dimensions: self.dimensions.map(str::to_string).to_vec(),
                    shape: vec![image.height, image.width],
                    chunks: image.chunks(),
                    data_type: image.data_type.clone(),
                    fill_value: fill_value.clone(),
                    codecs: image.codecs(),
                    shard_shape: None,
                    stored_bytes: None,
                },
                image: Arc::clone(image),
                band,
                mask: mask.cloned(),
                fill,
            };
            Arc::new(array) as Arc<dyn ArrayReader>
        });
        arrays.collect()
    }

    /// The descriptions of the bands where they can be names of columns, else their numbers.
    fn names(&self, count: u64) -> Vec<String> {
        let described = |band: &u64| self.metadata.bands.get(band)?.description.as_deref();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for description in (0..count).filter_map(|band| described(&band)) {
            *seen.entry(description).or_default() += 1;
        }
        (0..count)
            .map(|band| match described(&band) {
                Some(name) if seen.get(name) == Some(&1) && is_name(name) => name.to_string(),
                _ => format!("band_{}", band + 1),
            })
            .collect()
    }

    fn attributes(&self, name: &str, said: OfBand, missing: Option<&Value>) -> Attributes {
        let mut attributes = said.attributes;
        let mut set = |name: &str, value: Option<Value>| {
            attributes.extend(value.map(|value| (name.to_string(), value)));
        };
        let description = said.description.filter(|text| text != name);
        if let Some(description) = description.filter(|text| !text.is_empty()) {
            set("long_name", Some(Value::from(description)));
        }
        set("units", said.units.map(Value::from));
        // Integers that are not scaled stay integers.
        set(
            "scale_factor",
            said.scale.filter(|by| *by != 1.0).map(float),
        );
        set("add_offset", said.offset.filter(|by| *by != 0.0).map(float));
        set("_FillValue", missing.cloned());
        let mapping = self.has_system.then(|| Value::from(GRID_MAPPING));
        set("grid_mapping", mapping);
        attributes
    }
}

/// Can it be written in SQL as it is, and is it no other array's?
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    let starts = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    starts
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
        && !TAKEN.contains(&text)
        && !text.starts_with("band_")
}

/// The value that `text` says for cells of this type, as JSON and as its bits; `None` for a value that no cell can
/// have.
fn stored_value(text: &str, data_type: &DataType) -> Option<(Value, u64)> {
    let text = text.trim();
    if data_type.is_floating() {
        let number: f64 = text.parse().ok()?;
        let (stored, bits) = match data_type {
            DataType::Float16 => {
                let stored = Half::from_f64(number);
                (f64::from(stored), u64::from(stored.to_bits()))
            }
            DataType::Float32 => {
                let stored = number as f32;
                (f64::from(stored), u64::from(stored.to_bits()))
            }
            _ => (number, number.to_bits()),
        };
        let is_kept = stored.is_finite() || !number.is_finite();
        return is_kept.then(|| (float(stored), bits));
    }
    let number: i128 = text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0).then_some(number as i128)
    })?;
    let bits = data_type.primitive_width()? as u32 * 8;
    let (least, most) = match data_type.is_signed_integer() {
        true => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
        false => (0, (1_i128 << bits) - 1),
    };
    if !(least..=most).contains(&number) {
        return None;
    }
    let value = match i64::try_from(number) {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(u64::try_from(number).ok()?),
    };
    Some((value, number as u64))
}

/// A float; those that JSON lacks by name.
fn float(number: f64) -> Value {
    match number {
        number if number.is_nan() => Value::from("NaN"),
        f64::INFINITY => Value::from("Infinity"),
        f64::NEG_INFINITY => Value::from("-Infinity"),
        number => Value::from(number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_missing_cells() {
        let cases = [
            ("0", DataType::UInt8, Some((json!(0), 0))),
            (" 255 ", DataType::UInt8, Some((json!(255), 255))),
            ("-9999", DataType::UInt8, None),
            (
                "-9999",
                DataType::Int16,
                Some((json!(-9999), -9999_i64 as u64)),
            ),
            (
                "-32768.0",
                DataType::Int16,
                Some((json!(-32768), -32768_i64 as u64)),
            ),
            ("1.5", DataType::Int32, None),
            (
                "18446744073709551615",
                DataType::UInt64,
                Some((json!(u64::MAX), u64::MAX)),
            ),
            (
                "nan",
                DataType::Float64,
                Some((json!("NaN"), f64::NAN.to_bits())),
            ),
            (
                "-3.4028234663852886e+38",
                DataType::Float32,
                Some((json!(f64::from(f32::MIN)), u64::from(f32::MIN.to_bits()))),
            ),
            ("1e300", DataType::Float32, None),
            (
                "-inf",
                DataType::Float32,
                Some((json!("-Infinity"), 0xff80_0000)),
            ),
            ("1.5", DataType::Float16, Some((json!(1.5), 0x3e00))),
            ("none", DataType::Float32, None),
        ];
        for (text, data_type, expected) in cases {
            assert_eq!(
                stored_value(text, &data_type),
                expected,
                "{text} {data_type}"
            );
        }
    }

    #[test]
    fn names_of_bands() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["sst", "ice"], &["sst", "ice"]),
            (&["sst", "sst"], &["band_1", "band_2"]),
            (&["sst time=1", ""], &["band_1", "band_2"]),
            (&["lat", "_a1"], &["band_1", "_a1"]),
            (&["band_2", "1a"], &["band_1", "band_2"]),
        ];
        for (descriptions, expected) in cases {
            let of_band = |description: &&str| OfBand {
                description: Some((*description).to_string()),
                ..OfBand::default()
            };
            let bands = Bands {
                metadata: Metadata {
                    bands: (0..).zip(descriptions.iter().map(of_band)).collect(),
                    ..Metadata::default()
                },
                nodata: None,
                dimensions: ["y", "x"],
                has_system: false,
            };
            assert_eq!(bands.names(2), expected);
        }
    }
}
