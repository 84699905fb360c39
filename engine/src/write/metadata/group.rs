//! The attributes of a cube as a whole: which conventions it follows, where it comes from, what it
//! covers.

use arrow::datatypes::FieldRef;
use graticule_functions::calendar::Calendar;
use serde_json::{Value, json};

use super::extents::extents;
use super::{Provenance, TargetAxis};
use crate::cube::crs::Crs;
use crate::error::CubeResult;
use crate::source::Attributes;
use crate::sql::secrets::without_secrets;

/// The conventions that the attributes follow.
const CONVENTIONS: &str = "CF-1.11 ACDD-1.3";

/// Attributes of the data that are true of what is computed from them: who made them and how, and what
/// one may do with them. Names that end with `_` stand for all that start so.
const LASTING: [&str; 36] = [
    "acknowledgement",
    "acknowledgment",
    "activity_id",
    "comment",
    "contact",
    "contributor_",
    "creator_",
    "credits",
    "disclaimer",
    "experiment",
    "experiment_id",
    "funding",
    "institute_id",
    "institution",
    "institution_id",
    "instrument",
    "instrument_",
    "keywords",
    "keywords_vocabulary",
    "licence",
    "license",
    "mip_era",
    "mission",
    "model_id",
    "platform",
    "platform_",
    "program",
    "project",
    "project_id",
    "publisher_",
    "references",
    "sensor",
    "source",
    "source_id",
    "standard_name_vocabulary",
    "variant_label",
];

/// Texts about the data as a whole, which one cube computed from one other keeps.
const DESCRIPTIONS: [&str; 2] = ["title", "summary"];

/// Attributes that are not true any more of some of the cells, or of the same cells in another place: extents, dates,
/// identifiers, and how the whole was stored. Names that end with `_` or `:` stand for all that start so.
const OF_THE_WHOLE: [&str; 29] = [
    "_",
    "cdm_data_type",
    "Conventions",
    "coordinates",
    "creation_",
    "date_",
    "dimensions",
    "easternmost_longitude",
    "geospatial_",
    "graticule_",
    "grid_mapping",
    "history",
    "id",
    "metadata_link",
    "multiscales",
    "netcdf_version_id",
    "northernmost_latitude",
    "number_of_",
    "proj:",
    "southernmost_latitude",
    "spatial:",
    "start_",
    "stop_",
    "time_coverage_",
    "tracking_id",
    "uuid",
    "valid_time",
    "westernmost_longitude",
    "zarr_conventions",
];

/// The attributes of a cube with `axes` and `variables`, computed from cubes with the attributes
/// `sources`.
///
/// What the sources say of themselves survives where all of them say the same and it stays true: of a selection all
/// but extents, dates and identifiers, of what is computed in another way who made it and the like.
///
/// # Errors
/// A time of an axis is no date of its calendar.
pub(crate) fn group_attributes(
    axes: &[TargetAxis],
    variables: &[FieldRef],
    crs: Option<&Crs>,
    provenance: &Provenance,
    sources: &[&Attributes],
) -> CubeResult<Attributes> {
    let date = date(provenance.date);
    let mut attributes = Attributes::new();
    let mut add = |name: &str, value: Value| {
        attributes.insert(name.to_string(), value);
    };
    add("Conventions", json!(CONVENTIONS));
    add("title", json!(title(axes, variables)));
    let shared = sources.split_first().map(|(first, others)| {
        let is_shared =
            |name: &str, value: &Value| others.iter().all(|other| other.get(name) == Some(value));
        first.iter().filter(move |(name, value)| {
            let is_true = match provenance.is_selection {
                true => !is_among(&OF_THE_WHOLE, name),
                false => is_among(&LASTING, name) || DESCRIPTIONS.contains(&name.as_str()),
            };
            is_true && is_shared(name, value)
        })
    });
    for (name, value) in shared.into_iter().flatten() {
        add(name, value.clone());
    }
    let addresses: Vec<String> = provenance.sources.iter().map(source).collect();
    if !attributes.contains_key("source") {
        let source = format!("computed by {}", program());
        attributes.insert("source".to_string(), json!(source));
    }
    let mut add = |name: &str, value: Value| {
        attributes.insert(name.to_string(), value);
    };
    add(
        "history",
        json!(history(&date, &provenance.statement, sources)),
    );
    add(
        "graticule_sql",
        json!(without_secrets(&provenance.statement)),
    );
    add("graticule_sources", json!(addresses));
    add("date_created", json!(date));
    add("date_modified", json!(date));
    if let Some(code) = crs.and_then(code) {
        add("proj:code", json!(code));
    }
    attributes.extend(extents(axes)?);
    Ok(attributes)
}

/// The attributes of a cube after `statement` has changed what it says of itself.
pub(crate) fn described_anew(before: &Attributes, statement: &str, date_micros: i64) -> Attributes {
    let date = date(date_micros);
    let mut attributes = before.clone();
    attributes.insert(
        "history".to_string(),
        json!(history(&date, statement, &[before])),
    );
    attributes.insert("date_modified".to_string(), json!(date));
    attributes
}

fn program() -> String {
    format!("Graticule {}", env!("CARGO_PKG_VERSION"))
}

/// Seconds since 1970 in UTC, as ISO 8601.
pub(crate) fn date(micros: i64) -> String {
    let seconds = micros - micros.rem_euclid(1_000_000);
    format!("{}Z", Calendar::ProlepticGregorian.civil(seconds))
}

/// `analysed sea surface temperature over time, lat, lon`.
fn title(axes: &[TargetAxis], variables: &[FieldRef]) -> String {
    let names = variables.iter().map(|variable| {
        let long_name = variable.metadata().get("long_name");
        long_name.unwrap_or_else(|| variable.name()).as_str()
    });
    let names: Vec<&str> = names.collect();
    let axes: Vec<&str> = axes.iter().map(|axis| axis.field.name().as_str()).collect();
    format!("{} over {}", names.join(", "), axes.join(", "))
}

/// Is it one of the `names`, or does it start like one that ends with `_` or `:`?
fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| match known.ends_with(['_', ':']) {
        true => name.starts_with(known),
        false => name == *known,
    })
}

/// A line about this statement, in front of the history of the one source.
fn history(date: &str, statement: &str, sources: &[&Attributes]) -> String {
    let statement = without_secrets(statement);
    // An entry of the history is one line.
    let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("{date} {}: {statement}", program());
    let before = match sources {
        [only] => only.get("history").and_then(Value::as_str),
        _ => None,
    };
    match before.map(str::trim).filter(|before| !before.is_empty()) {
        Some(before) => format!("{line}\n{before}"),
        None => line,
    }
}

/// Address and version of a source: `s3://lake/sst.zarr (version …)`.
fn source((address, version): &(String, String)) -> String {
    let address = without_secrets(address);
    match version.is_empty() {
        true => address,
        false => format!("{address} (version {version})"),
    }
}

/// The code of a system as GeoZarr has it, `EPSG:3035`.
fn code(crs: &Crs) -> Option<&str> {
    let (authority, code) = crs.name.split_once(':')?;
    let is_plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    (is_plain(authority) && is_plain(code)).then_some(crs.name.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::Float64Array;
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::cube::AxisRole;
    use crate::cube::encoding::EncodingOptions;

    fn of(sources: &[Value], crs: &str) -> Attributes {
        computed(sources, crs, false)
    }

    fn computed(sources: &[Value], crs: &str, is_selection: bool) -> Attributes {
        let axis = TargetAxis {
            field: Arc::new(Field::new("lat", DataType::Float64, false)),
            coordinates: Arc::new(Float64Array::from(vec![1.0, 2.0])),
            role: AxisRole::Latitude,
            bounds: None,
            encoding: EncodingOptions::default(),
        };
        let variables = [Arc::new(Field::new("sst", DataType::Float32, true))];
        let provenance = Provenance {
            statement: "CREATE TABLE a AS\n  SELECT * FROM 'https://h/b.zarr?sig=s3cr3t'"
                .to_string(),
            sources: vec![
                (
                    "https://me:s3cr3t@h/b.zarr?sig=s3cr3t".to_string(),
                    "7".to_string(),
                ),
                ("data/?.nc".to_string(), String::new()),
            ],
            date: 1_262_304_000_123_456,
            is_selection,
        };
        let sources: Vec<Attributes> = sources
            .iter()
            .map(|source| source.as_object().unwrap().clone())
            .collect();
        let sources: Vec<&Attributes> = sources.iter().collect();
        let crs = Crs::of_definition(crs.to_string());
        group_attributes(&[axis], &variables, Some(&crs), &provenance, &sources).unwrap()
    }

    #[test]
    fn a_cube_says_where_it_comes_from() {
        let attributes = of(&[json!({})], "EPSG:4326");
        let program = format!("Graticule {}", env!("CARGO_PKG_VERSION"));
        let expected = json!({
            "Conventions": "CF-1.11 ACDD-1.3",
            "title": "sst over lat",
            "source": format!("computed by {program}"),
            "history": format!("2010-01-01T00:00:00Z {program}: CREATE TABLE a AS SELECT * FROM 'https://h/b.zarr'"),
            "graticule_sql": "CREATE TABLE a AS\n  SELECT * FROM 'https://h/b.zarr'",
            "graticule_sources": ["https://h/b.zarr (version 7)", "data/?.nc"],
            "date_created": "2010-01-01T00:00:00Z",
            "date_modified": "2010-01-01T00:00:00Z",
            "proj:code": "EPSG:4326",
            "geospatial_lat_min": 1.0,
            "geospatial_lat_max": 2.0,
            "geospatial_lat_units": "degrees_north",
            "geospatial_lat_resolution": 1.0,
        });
        assert_eq!(Value::Object(attributes), expected);
        assert!(!of(&[], "My own system").contains_key("proj:code"));
    }

    #[test]
    fn what_lasts_and_what_does_not() {
        let one = json!({
            "title": "Daily temperatures", "institution": "Met", "license": "CC-BY-4.0",
            "creator_name": "Ada", "history": "made\nlong ago", "Conventions": "CF-1.6",
            "geospatial_lat_min": -90.0, "time_coverage_start": "1900", "date_created": "1900",
            "id": "x", "tracking_id": "y", "frequency": "day", "creatorship": "none",
        });
        let attributes = of(std::slice::from_ref(&one), "EPSG:3035");
        for (name, expected) in [
            ("title", json!("Daily temperatures")),
            ("institution", json!("Met")),
            ("license", json!("CC-BY-4.0")),
            ("creator_name", json!("Ada")),
            ("Conventions", json!("CF-1.11 ACDD-1.3")),
            ("geospatial_lat_min", json!(1.0)),
        ] {
            assert_eq!(attributes[name], expected, "{name}");
        }
        for name in [
            "id",
            "tracking_id",
            "frequency",
            "creatorship",
            "time_coverage_start",
        ] {
            assert!(!attributes.contains_key(name), "{name}");
        }
        let selected = computed(std::slice::from_ref(&one), "EPSG:3035", true);
        assert_eq!(selected["frequency"], "day");
        assert_eq!(selected["creatorship"], "none");
        for name in ["id", "tracking_id", "time_coverage_start"] {
            assert!(!selected.contains_key(name), "{name}");
        }
        let history = attributes["history"].as_str().unwrap();
        assert!(
            history.ends_with("'https://h/b.zarr'\nmade\nlong ago"),
            "{history}"
        );
        let mut other = one.clone();
        other["institution"] = json!("Sea");
        let both = of(&[one, other], "EPSG:3035");
        assert_eq!(both["license"], "CC-BY-4.0");
        assert!(!both.contains_key("institution"));
        assert!(!both["history"].as_str().unwrap().contains('\n'));
    }
}
