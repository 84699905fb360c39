//! What each array of a group is for: coordinate, auxiliary coordinate, data, or no column at all.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::dimensions::{Dimensions, rank};
use super::roles::{role_of, stated_role};
use crate::cube::AxisRole;
use crate::source::{ArrayDescription, ArrayReader, Attributes, Group};

/// An array that is a column.
#[derive(Debug, Clone)]
pub(in crate::cube) struct Column {
    pub(in crate::cube) array: Arc<dyn ArrayReader>,
    /// Indices into [`Contents::dimensions`].
    pub(super) dimensions: Vec<usize>,
    pub(super) purpose: Purpose,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One-dimensional, gives the coordinates of its dimension.
    Coordinate,
    /// Locates cells without being an axis: 2-D latitudes, the forecast period of a time.
    Auxiliary,
    /// Everything else.
    Data,
}

/// The arrays of a group by purpose.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) dimensions: Dimensions,
    pub(super) columns: Vec<Column>,
    /// Containers of grid mapping attributes.
    pub(super) grid_mappings: Vec<Arc<dyn ArrayReader>>,
}

impl Contents {
    /// Sorts the arrays of `group`, apart from those to drop.
    pub(super) fn of(group: &Group, drop: &[String]) -> Contents {
        let arrays: Vec<_> = group
            .arrays
            .iter()
            .filter(|array| !drop.contains(&array.description().name))
            .collect();
        let descriptions: Vec<_> = arrays.iter().map(|array| array.description()).collect();
        let references = References::of(group, &descriptions);
        let mut dimensions = Dimensions::default();
        // Coordinates first: their dimensions keep the plain names.
        for array in descriptions.iter().filter(|array| is_coordinate(array)) {
            dimensions.of(array);
        }
        let mut columns = Vec::new();
        let mut grid_mappings = Vec::new();
        for array in arrays {
            let description = array.description();
            if references.is_grid_mapping(description) {
                grid_mappings.push(Arc::clone(array));
            } else if !references.is_bounds(description, &descriptions)
                && !is_container(description)
            {
                columns.push(Column {
                    array: Arc::clone(array),
                    dimensions: dimensions.of(description),
                    purpose: references.purpose(description),
                });
            }
        }
        let mut contents = Contents {
            dimensions,
            columns,
            grid_mappings,
        };
        contents.promote_lone_coordinates();
        contents
    }

    /// The coordinate of a dimension, if an array gives it.
    pub(super) fn coordinate(&self, dimension: usize) -> Option<&Column> {
        let wanted = &self.dimensions.list[dimension];
        self.columns.iter().find(|column| {
            let same = |index: &usize| {
                let own = &self.dimensions.list[*index];
                (&own.stored_name, own.length) == (&wanted.stored_name, wanted.length)
            };
            column.purpose == Purpose::Coordinate && column.dimensions.iter().all(same)
        })
    }

    /// A dimension without a coordinate of its name takes the one auxiliary coordinate that runs
    /// along it, if that measures a place or a time: `lat(y)`, `time(record)`.
    fn promote_lone_coordinates(&mut self) {
        for dimension in 0..self.dimensions.list.len() {
            if self.coordinate(dimension).is_some() {
                continue;
            }
            let mut candidates = self.columns.iter_mut().filter(|column| {
                column.dimensions == [dimension] && column.purpose == Purpose::Auxiliary
            });
            if let (Some(only), None) = (candidates.next(), candidates.next())
                && role_of(only.array.description()) != AxisRole::Other
            {
                only.purpose = Purpose::Coordinate;
            }
        }
    }
}

/// A coordinate variable in the sense of CF 1.11 §5: one-dimensional, with its dimension's name.
fn is_coordinate(array: &ArrayDescription) -> bool {
    rank(array) == 1 && array.dimensions.first() == Some(&array.name)
}

/// Scalars that only carry attributes: mesh topologies and geometry containers.
fn is_container(array: &ArrayDescription) -> bool {
    let topology = text(&array.attributes, "cf_role").is_some_and(|r| r.ends_with("_topology"));
    array.dimensions.is_empty() && (topology || array.attributes.contains_key("geometry_type"))
}

/// The names that attributes of other arrays mention.
#[derive(Debug, Default)]
struct References {
    bounds: HashSet<String>,
    grid_mappings: HashSet<String>,
    coordinates: HashSet<String>,
}

impl References {
    fn of(group: &Group, arrays: &[&ArrayDescription]) -> References {
        let mut references = References::default();
        let lists = arrays.iter().map(|array| &array.attributes);
        for attributes in lists.chain([&group.attributes]) {
            for name in ["bounds", "climatology"] {
                let names = text(attributes, name).into_iter();
                references.bounds.extend(names.map(str::to_string));
            }
            let mapping = grid_mapping_names(attributes);
            references.grid_mappings.extend(mapping.map(str::to_string));
            let coordinates = text(attributes, "coordinates").unwrap_or("");
            let names = coordinates.split_whitespace().map(str::to_string);
            references.coordinates.extend(names);
        }
        references
    }

    fn is_grid_mapping(&self, array: &ArrayDescription) -> bool {
        let described = ["grid_mapping_name", "crs_wkt", "spatial_ref"];
        let described = described.iter().any(|a| array.attributes.contains_key(*a));
        // A name that is referred to by mistake may be data.
        let small = array.shape.iter().product::<u64>() <= 1;
        small && (described || self.grid_mappings.contains(&array.name))
    }

    /// Referred to as bounds, or named after a variable as bounds are named by custom.
    fn is_bounds(&self, array: &ArrayDescription, arrays: &[&ArrayDescription]) -> bool {
        let suffixes = ["_bnds", "_bounds"];
        let stem = suffixes
            .iter()
            .find_map(|suffix| array.name.strip_suffix(suffix));
        let named = stem.is_some_and(|stem| {
            let owner = arrays.iter().find(|owner| owner.name == stem);
            owner.is_some_and(|owner| owner.dimensions.len() + 1 == array.dimensions.len())
        });
        self.bounds.contains(&array.name) || named
    }

    fn purpose(&self, array: &ArrayDescription) -> Purpose {
        if is_coordinate(array) {
            return Purpose::Coordinate;
        }
        let located = matches!(
            stated_role(&array.attributes),
            Some(AxisRole::Latitude | AxisRole::Longitude)
        );
        if located || self.coordinates.contains(&array.name) {
            Purpose::Auxiliary
        } else {
            Purpose::Data
        }
    }
}

/// The variables that a `grid_mapping` attribute names: `crs`, or `crs: x y wgs84: lat lon`
/// (CF 1.11 §5.6).
pub(in crate::cube) fn grid_mapping_names(attributes: &Attributes) -> impl Iterator<Item = &str> {
    let mapping = text(attributes, "grid_mapping").unwrap_or("");
    let extended = mapping.contains(':');
    let words = mapping.split_whitespace();
    words
        .filter(move |word| !extended || word.ends_with(':'))
        .map(|word| word.trim_end_matches(':'))
}

/// A text attribute.
pub(in crate::cube) fn text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_str)
}
