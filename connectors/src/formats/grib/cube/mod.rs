//! Fields become cubes: [`groups`].
//!
//! ```text
//!  fields ─▶ per grid ─▶ variables: one per name and kind of level ─▶ one group, or one per kind of level
//!                            │                                         where names would be taken twice
//!                            └─▶ number, time (or time and step), level: axes of all variables of a group
//! ```
//! The first grid's cube is the root; those of others are the groups `grid_2`, …. Time is the time that values are
//! valid at, and the reference time beside a step only where that would not tell them apart: where forecasts overlap.
//! Of two fields with the same coordinates the later one counts, as for cfgrib.

mod axes;
mod coordinates;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use graticule_engine::source::{ArrayReader, Attributes, Group};
use serde_json::Value;

use self::axes::Axes;
pub(super) use self::coordinates::POINTS;
use self::variables::Variable;
use super::array::FieldArray;
use super::grid::{Grid, Places};
use super::scan::Contents;
use crate::formats::stored_file::StoredFile;

/// The variable whose attributes tell the coordinate reference system.
const GRID_MAPPING: &str = "spatial_ref";

/// Originating centres (WMO-No. 306, common code table C-11), the code and what cfgrib calls the institution.
const CENTRES: [(u16, &str); 12] = [
    (7, "US National Weather Service - NCEP"),
    (8, "US National Weather Service - NWSTG"),
    (34, "Japanese Meteorological Agency - Tokyo"),
    (38, "Beijing"),
    (54, "Canadian Meteorological Service - Montreal"),
    (59, "NOAA Forecast Systems Laboratory, Boulder"),
    (74, "UK Met Office - Exeter"),
    (78, "Offenbach"),
    (80, "Rome"),
    (82, "Norrköping"),
    (85, "Toulouse"),
    (98, "European Centre for Medium-Range Weather Forecasts"),
];

/// The cubes of a file.
pub(super) fn groups(file: &Arc<StoredFile>, contents: Contents) -> Vec<Group> {
    let attributes = attributes(&contents);
    let format = format!("grib {}", contents.edition);
    let mut of_grids: BTreeMap<usize, Vec<Variable>> = BTreeMap::new();
    for (grid, variables) in variables::of_grids(&contents.fields) {
        of_grids.insert(grid, variables);
    }
    let mut groups = Vec::new();
    for (position, (grid, variables)) in of_grids.into_iter().enumerate() {
        let Some(grid) = contents.grids.get(grid) else {
            continue;
        };
        let base = match position {
            0 => String::new(),
            other => format!("grid_{}", other + 1),
        };
        for (below, variables) in apart(variables) {
            let path = match (base.as_str(), below.as_str()) {
                ("", below) => below.to_string(),
                (base, "") => base.to_string(),
                (base, below) => format!("{base}/{below}"),
            };
            groups.push(Group {
                attributes: attributes.clone(),
                arrays: arrays(file, grid, variables),
                url: match path.as_str() {
                    "" => file.location.url.clone(),
                    path => format!("{}/{path}", file.location.url),
                },
                path,
                format: format.clone(),
                version: file.version.clone(),
            });
        }
    }
    groups
}

fn attributes(contents: &Contents) -> Attributes {
    let mut attributes = Attributes::new();
    let mut set = |name: &str, value: Value| {
        attributes.insert(name.to_string(), value);
    };
    set("Conventions", Value::from("CF-1.7"));
    set("GRIB_edition", Value::from(contents.edition));
    let centres: BTreeSet<u16> = contents.fields.iter().map(|f| f.product.centre).collect();
    if let Some(centre) = centres.first().filter(|_| centres.len() == 1) {
        set("GRIB_centre", Value::from(*centre));
        if let Some((_, name)) = CENTRES.iter().find(|(code, _)| code == centre) {
            set("institution", Value::from(*name));
        }
    }
    let references: BTreeSet<_> = contents
        .fields
        .iter()
        .map(|f| f.product.reference)
        .collect();
    if let Some(reference) = references.first().filter(|_| references.len() == 1) {
        let text = super::time::text(*reference);
        set("forecast_reference_time", Value::from(text));
    }
    let left_out = contents.left_out.iter();
    let left_out: Vec<String> = left_out
        .map(|(error, count)| format!("{count} fields: {error}"))
        .collect();
    if !left_out.is_empty() {
        set("GRIB_left_out", Value::from(left_out.join("\n")));
    }
    attributes
}

/// Variables by the group that they are in: all in one as long as their names differ, else in one per kind of level.
fn apart(variables: Vec<Variable>) -> Vec<(String, Vec<Variable>)> {
    let names: BTreeSet<&str> = variables
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    if names.len() == variables.len() {
        return vec![(String::new(), variables)];
    }
    let mut groups: Vec<(String, Vec<Variable>)> = Vec::new();
    for variable in variables {
        let kind = variable.kind().name.clone();
        match groups.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, group)) => group.push(variable),
            None => groups.push((kind, vec![variable])),
        }
    }
    groups
}

/// The arrays of a group: axes first, then variables.
fn arrays(
    file: &Arc<StoredFile>,
    grid: &Arc<Grid>,
    variables: Vec<Variable>,
) -> Vec<Arc<dyn ArrayReader>> {
    let axes = Axes::of(&variables);
    let mut arrays = coordinates::arrays(file, grid, &axes);
    for variable in variables {
        let (dimensions, lengths) = axes.dimensions(&variable);
        let fields = axes.chunks(&variable);
        let mut attributes = variable.attributes();
        if matches!(
            &grid.places,
            Places::Rectangle {
                mapping: Some(_),
                ..
            }
        ) {
            attributes.insert("grid_mapping".to_string(), Value::from(GRID_MAPPING));
        }
        let beside = coordinates::names_beside(grid, &axes);
        if !beside.is_empty() {
            attributes.insert("coordinates".to_string(), Value::from(beside.join(" ")));
        }
        arrays.push(Arc::new(FieldArray::new(
            file,
            grid,
            variable.name,
            (dimensions, lengths),
            attributes,
            fields,
        )));
    }
    arrays
}
