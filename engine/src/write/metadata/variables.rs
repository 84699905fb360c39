//! The attributes of a variable: those of the quantity that its values are of, as far as they hold.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};
use graticule_functions::metadata::{FLAG_MASKS, FLAG_MEANINGS, FLAG_VALUES};
use serde_json::json;

use super::method::{Method, is_temperature};
use super::texts::attribute;
use super::{CellMethod, Lineage};
use crate::cube::AxisRole;
use crate::cube::encoding::Encoding;
use crate::cube::metadata::UNITS;
use crate::source::Attributes;

const CELL_METHODS: &str = "cell_methods";
const LONG_NAME: &str = "long_name";
const STANDARD_NAME: &str = "standard_name";
const UNITS_METADATA: &str = "units_metadata";

/// Attributes of flags; they hold together or not at all.
const FLAGS: [&str; 3] = [FLAG_MEANINGS, FLAG_VALUES, FLAG_MASKS];

/// The auxiliary coordinates of a variable (CF 1.11 §5).
pub(super) const COORDINATES: &str = "coordinates";

/// The letter of an axis, which a variable is not.
pub(super) const AXIS: &str = "axis";

/// The other arrays of a cube that a variable refers to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct References<'a> {
    /// Name of the grid mapping, for a variable over horizontal axes that have one.
    pub(crate) grid_mapping: Option<&'a str>,
    /// Names of the variables of the cube.
    pub(crate) names: &'a [&'a str],
}

/// The attributes of a variable, those that say how to decode it included.
///
/// They come from the column of the data that its values are of and from the metadata of `field`, as
/// far as the aggregate leaves them true.
pub(crate) fn variable_attributes(
    field: &Field,
    encoding: &Encoding,
    lineage: &Lineage,
    references: References<'_>,
) -> Attributes {
    let variable = Variable {
        field,
        encoding,
        source: lineage.source.as_deref(),
        method: lineage.method.as_ref(),
    };
    let mut attributes = variable.of_quantity(references);
    if let Some(methods) = variable.cell_methods() {
        attributes.insert(CELL_METHODS.to_string(), json!(methods));
    }
    if let Some(name) = references.grid_mapping {
        attributes.insert("grid_mapping".to_string(), json!(name));
    }
    attributes.extend(encoding.attributes().clone());
    attributes
}

struct Variable<'a> {
    field: &'a Field,
    encoding: &'a Encoding,
    source: Option<&'a Field>,
    method: Option<&'a CellMethod>,
}

impl Variable<'_> {
    /// The texts that the column carries, in the order of their names.
    fn texts(&self) -> BTreeMap<&str, &str> {
        let fields = self.source.into_iter().chain([self.field]);
        let texts = fields.flat_map(Field::metadata);
        texts
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect()
    }

    fn of_quantity(&self, references: References<'_>) -> Attributes {
        let texts = self.texts();
        if self.is(Method::Count) {
            return self.of_count(&texts);
        }
        if self.is(Method::Other) {
            return Attributes::new();
        }
        let units = texts.get(UNITS).copied().unwrap_or_default();
        let mut attributes = Attributes::new();
        for (name, text) in &texts {
            if !self.holds(name, units) {
                continue;
            }
            let Some(text) = present(name, text, references.names) else {
                continue;
            };
            let value = attribute(name, &text, self.encoding.stored_type());
            attributes.extend(value.map(|value| ((*name).to_string(), value)));
        }
        if !attributes.contains_key(FLAG_VALUES) && !attributes.contains_key(FLAG_MASKS) {
            attributes.remove(FLAG_MEANINGS);
        }
        let is_difference = self
            .method
            .is_some_and(|method| method.method.is_difference());
        if is_difference && is_temperature(units) {
            let difference = json!("temperature: difference");
            attributes.insert(UNITS_METADATA.to_string(), difference);
        }
        attributes
    }

    /// A count is a number without a unit, of whatever was counted.
    fn of_count(&self, texts: &BTreeMap<&str, &str>) -> Attributes {
        let counted = texts.get(LONG_NAME).copied();
        let counted = counted.or(self.source.map(|source| source.name().as_str()));
        let mut attributes = Attributes::new();
        let name = format!("number of values of {}", counted.unwrap_or_default());
        if counted.is_some() {
            attributes.insert(LONG_NAME.to_string(), json!(name));
        }
        attributes.insert(UNITS.to_string(), json!("1"));
        attributes
    }

    fn is(&self, method: Method) -> bool {
        self.method.is_some_and(|known| known.method == method)
    }

    /// Is the attribute of the quantity still true of the values?
    fn holds(&self, name: &str, units: &str) -> bool {
        let method = self.method.map(|method| method.method);
        match name {
            UNITS => {
                let is_kept = method.is_none_or(|method| method.keeps_units(units));
                is_kept && self.is_same_kind() && !self.encoding.is_time()
            }
            STANDARD_NAME => {
                let is_kept = method
                    .is_none_or(|method| method.keeps_quantity() && method.keeps_units(units));
                is_kept && self.is_same_kind()
            }
            _ if FLAGS.contains(&name) => {
                let is_kept = method.is_none_or(Method::keeps_flags);
                is_kept && self.field.data_type().is_numeric()
            }
            UNITS_METADATA => method.is_none_or(|method| !method.is_difference()),
            _ => name != CELL_METHODS && name != AXIS,
        }
    }

    /// Numbers have units; what was made a text or a truth value has not.
    fn is_same_kind(&self) -> bool {
        let kind = |field: &Field| match field.data_type() {
            DataType::Boolean => 0,
            other if other.is_numeric() => 1,
            other if other.is_temporal() => 2,
            _ => 3,
        };
        self.source
            .is_none_or(|source| kind(source) == kind(self.field))
    }

    /// The methods that the source names, then that of the aggregate (CF 1.11 §7.3).
    fn cell_methods(&self) -> Option<String> {
        if self.is(Method::Count) || self.is(Method::Other) {
            return None;
        }
        let stated = self
            .texts()
            .get(CELL_METHODS)
            .map(|text| text.trim().to_string());
        let added = self.method.and_then(cell_method);
        let methods: Vec<String> = stated.into_iter().chain(added).collect();
        (!methods.is_empty()).then(|| methods.join(" "))
    }
}

/// `time: mean`, `area: maximum`.
fn cell_method(CellMethod { method, over }: &CellMethod) -> Option<String> {
    use AxisRole::{Latitude, Longitude, X, Y};
    let has = |wanted| over.iter().any(|(_, role)| *role == wanted);
    let is_area = (has(Latitude) && has(Longitude)) || (has(Y) && has(X));
    let is_horizontal = |role: &AxisRole| matches!(role, Latitude | Longitude | Y | X);
    let axes = over
        .iter()
        .filter(|(_, role)| !(is_area && is_horizontal(role)));
    let mut axes: Vec<&str> = axes.map(|(name, _)| name.as_str()).collect();
    axes.extend(is_area.then_some("area"));
    let name = method.cf_name()?;
    (!axes.is_empty()).then(|| format!("{}: {name}", axes.join(": ")))
}

/// The text of an attribute, without names of variables that the cube does not have.
fn present(name: &str, text: &str, names: &[&str]) -> Option<String> {
    match name {
        "ancillary_variables" | COORDINATES => {
            let words = text.split_whitespace().filter(|word| names.contains(word));
            let words: Vec<&str> = words.collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        // Pairs of a term and a variable: `area: areacella`.
        "cell_measures" | "formula_terms" => {
            let mut variables = text.split_whitespace().filter(|word| !word.ends_with(':'));
            variables
                .all(|word| names.contains(&word))
                .then(|| text.to_string())
        }
        _ => Some(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::cube::encoding::EncodingOptions;

    fn field(name: &str, data_type: DataType, metadata: &[(&str, &str)]) -> Field {
        let metadata = metadata.iter();
        let metadata = metadata.map(|(name, text)| (name.to_string(), text.to_string()));
        Field::new(name, data_type, true).with_metadata(metadata.collect::<HashMap<_, _>>())
    }

    fn sst() -> Field {
        let metadata = [
            ("units", "K"),
            ("standard_name", "sea_surface_temperature"),
            ("long_name", "temperature of the sea"),
            ("cell_methods", "depth: point"),
            ("crs", "EPSG:4326"),
            ("wavelength", "11.5"),
        ];
        field("sst", DataType::Float32, &metadata)
    }

    fn quality() -> Field {
        let metadata = [
            ("flag_values", "[0,1]"),
            ("flag_meanings", "bad good"),
            ("ancillary_variables", "a b"),
            ("cell_measures", "area: cells"),
        ];
        field("quality", DataType::UInt8, &metadata)
    }

    fn method(method: Method, axes: &[(&str, AxisRole)]) -> Option<CellMethod> {
        let over = axes.iter().map(|(name, role)| (name.to_string(), *role));
        Some(CellMethod {
            method,
            over: over.collect(),
        })
    }

    /// The attributes of a variable of `data_type`, without its fill value.
    fn attributes(
        data_type: DataType,
        source: Field,
        method: Option<CellMethod>,
        references: References<'_>,
    ) -> Value {
        let field = field("v", data_type, &[]);
        let encoding = Encoding::plan(&field, &EncodingOptions::default()).unwrap();
        let lineage = Lineage {
            source: Some(Arc::new(source)),
            method,
        };
        let mut attributes = variable_attributes(&field, &encoding, &lineage, references);
        attributes.remove("_FillValue");
        Value::Object(attributes)
    }

    #[test]
    fn attributes_hold_or_are_left_out() {
        const TIME: [(&str, AxisRole); 1] = [("time", AxisRole::Time)];
        let of = |data_type, how| attributes(data_type, sst(), how, References::default());
        let rest = json!({"long_name": "temperature of the sea", "wavelength": 11.5});
        let with = |more: Value| {
            let mut all = rest.as_object().unwrap().clone();
            all.extend(more.as_object().unwrap().clone());
            Value::Object(all)
        };
        let quantity = json!({"units": "K", "standard_name": "sea_surface_temperature"});
        let methods = |added: &str| {
            let mut all = quantity.as_object().unwrap().clone();
            all.insert("cell_methods".into(), json!(format!("depth: point{added}")));
            with(Value::Object(all))
        };
        let mut difference = methods(" time: standard_deviation");
        difference["units_metadata"] = json!("temperature: difference");
        let count =
            json!({"units": "1", "long_name": "number of values of temperature of the sea"});
        let cases = [
            (DataType::Float32, None, methods("")),
            (
                DataType::Float64,
                method(Method::Mean, &TIME),
                methods(" time: mean"),
            ),
            (
                DataType::Float32,
                method(Method::Maximum, &TIME),
                methods(" time: maximum"),
            ),
            (DataType::Float32, method(Method::Pick, &TIME), methods("")),
            (
                DataType::Float32,
                method(Method::Sum, &TIME),
                methods(" time: sum"),
            ),
            (
                DataType::Float64,
                method(Method::StandardDeviation, &TIME),
                difference,
            ),
            (
                DataType::Float64,
                method(Method::Variance, &TIME),
                with(json!({"cell_methods": "depth: point time: variance"})),
            ),
            (DataType::Int64, method(Method::Count, &TIME), count),
            (DataType::Float64, method(Method::Other, &TIME), json!({})),
            (
                DataType::Boolean,
                None,
                with(json!({"cell_methods": "depth: point", "dtype": "bool"})),
            ),
            (
                DataType::Utf8,
                None,
                with(json!({"cell_methods": "depth: point"})),
            ),
        ];
        for (data_type, how, expected) in cases {
            let what = format!("{data_type} {how:?}");
            assert_eq!(of(data_type, how), expected, "{what}");
        }
    }

    #[test]
    fn flags_and_references_hold_or_are_left_out() {
        let names = References {
            grid_mapping: Some("crs"),
            names: &["b", "cells"],
        };
        let flags = json!({"flag_values": [0, 1], "flag_meanings": "bad good", "grid_mapping": "crs",
            "ancillary_variables": "b", "cell_measures": "area: cells"});
        assert_eq!(attributes(DataType::Int16, quality(), None, names), flags);
        let picked = attributes(DataType::UInt8, quality(), method(Method::Pick, &[]), names);
        assert_eq!(picked, flags);
        let bare = References::default();
        let floats = json!({"flag_values": [0, 1], "flag_meanings": "bad good"});
        let kept = attributes(DataType::Float64, quality(), None, bare);
        assert_eq!(kept, floats);
        let text = attributes(DataType::Utf8, quality(), None, bare);
        assert_eq!(text, json!({}));
        let sum = attributes(DataType::UInt64, quality(), method(Method::Sum, &[]), bare);
        assert_eq!(sum, json!({}));
    }

    #[test]
    fn methods_name_axes_or_the_area() {
        use AxisRole::{Latitude, Longitude, Other, Time, X, Y};
        let cases: [(&[(&str, AxisRole)], Option<&str>); 6] = [
            (&[("time", Time)], Some("time: mean")),
            (&[("lat", Latitude), ("lon", Longitude)], Some("area: mean")),
            (
                &[("time", Time), ("y", Y), ("x", X)],
                Some("time: area: mean"),
            ),
            (&[("lat", Latitude)], Some("lat: mean")),
            (
                &[("member", Other), ("time", Time)],
                Some("member: time: mean"),
            ),
            (&[], None),
        ];
        for (axes, expected) in cases {
            let text = cell_method(&method(Method::Mean, axes).unwrap());
            assert_eq!(text.as_deref(), expected, "{axes:?}");
        }
    }

    #[test]
    fn units_of_the_user_come_last() {
        let options = EncodingOptions {
            units: Some("degC".to_string()),
            ..EncodingOptions::default()
        };
        let encoding = Encoding::plan(&sst(), &options).unwrap();
        let attributes = variable_attributes(
            &sst(),
            &encoding,
            &Lineage::default(),
            References::default(),
        );
        assert_eq!(attributes["units"], "degC");
        assert_eq!(attributes["_FillValue"], "NaN");
    }
}
