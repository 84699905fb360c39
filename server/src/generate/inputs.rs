//! The cubes that a request reads, as their metadata describe them: [`Input`].

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use graticule_engine::cube::{AxisRole, Cube};
use graticule_functions::metadata::{FLAG_MASKS, FLAG_MEANINGS, FLAG_VALUES};
use graticule_functions::space::zones::{crs_name, is_geographic};

use super::grid::{X, Y};
use super::stores::{Place, Store};
use super::text::identifier;

/// The system of longitudes and latitudes of which nothing else is known.
pub(super) const GEOGRAPHIC: &str = "EPSG:4326";

/// Suffixes of cubes, which are no part of the names of tables, and the formats in which they are written.
pub(super) const FORMATS: [(&str, &str); 5] = [
    (".zarr", "zarr"),
    (".levels", "levels"),
    (".nc", "netcdf"),
    (".tif", "geotiff"),
    (".icechunk", "icechunk"),
];

/// A cube that is read.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// As a statement names it: `input.cube`.
    pub(super) table: String,
    pub(super) axes: Vec<InputAxis>,
    pub(super) variables: Vec<InputVariable>,
    /// Its coordinate reference system, as a code where there is one.
    pub(super) crs: Option<String>,
    /// Are the coordinates longitudes and latitudes?
    pub(super) is_geographic: bool,
}

/// An axis of it.
#[derive(Debug, Clone)]
pub(super) struct InputAxis {
    pub(super) name: String,
    pub(super) role: AxisRole,
    /// `None` where the cube is out of reach.
    pub(super) coordinates: Option<ArrayRef>,
}

/// A variable of it.
#[derive(Debug, Clone)]
pub(super) struct InputVariable {
    pub(super) name: String,
    /// Is there nothing between two of its values, as between flags or texts?
    pub(super) is_category: bool,
    /// Does it have a value per cell of the map?
    pub(super) is_on_map: bool,
}

impl Input {
    /// What `cube` says of itself.
    pub(super) fn of(table: String, cube: &Cube) -> Self {
        let axes = cube.axes.iter().map(|axis| InputAxis {
            name: axis.field.name().clone(),
            role: axis.role,
            coordinates: Some(axis.coordinates.clone()),
        });
        let is_of_map = |axis: &usize| {
            let role = cube.axes[*axis].role;
            X.contains(&role) || Y.contains(&role)
        };
        let map: Vec<usize> = (0..cube.axes.len()).filter(is_of_map).collect();
        let variables = cube.variables.iter().map(|variable| {
            let metadata = variable.field.metadata();
            let flags = [FLAG_MASKS, FLAG_MEANINGS, FLAG_VALUES];
            InputVariable {
                name: variable.field.name().clone(),
                is_category: flags.iter().any(|key| metadata.contains_key(*key))
                    || !variable.field.data_type().is_numeric(),
                is_on_map: map.iter().all(|axis| variable.axes.contains(axis)),
            }
        });
        let axes: Vec<InputAxis> = axes.collect();
        let crs = cube.crs.as_ref();
        Self {
            table,
            is_geographic: axes.iter().any(|axis| axis.role == AxisRole::Longitude),
            variables: variables.collect(),
            crs: crs.map(|crs| crs_name(crs.definition.as_deref().unwrap_or(&crs.name))),
            axes,
        }
    }

    /// What a cube out of reach most likely is.
    pub(super) fn assumed(table: String, variables: &[String]) -> Self {
        let axis = |name: &str, role| InputAxis {
            name: name.to_string(),
            role,
            coordinates: None,
        };
        Self {
            table,
            axes: vec![
                axis("time", AxisRole::Time),
                axis("lat", AxisRole::Latitude),
                axis("lon", AxisRole::Longitude),
            ],
            variables: variables
                .iter()
                .map(|name| InputVariable {
                    name: name.clone(),
                    is_category: false,
                    is_on_map: true,
                })
                .collect(),
            crs: None,
            is_geographic: true,
        }
    }

    /// The axis that measures one of these.
    pub(super) fn axis(&self, roles: &[AxisRole]) -> Option<&InputAxis> {
        self.axes.iter().find(|axis| roles.contains(&axis.role))
    }

    /// The axis from west to east.
    pub(super) fn x(&self) -> Option<&InputAxis> {
        self.axis(&X)
    }

    /// The axis from south to north.
    pub(super) fn y(&self) -> Option<&InputAxis> {
        self.axis(&Y)
    }

    /// Is `crs` the system of the cube? Systems of longitudes and latitudes count as one, as in xcube.
    pub(super) fn is_in(&self, crs: &str) -> bool {
        if self.is_geographic && is_geographic(crs) == Some(true) {
            return true;
        }
        let own = self.crs.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(&crs_name(crs)))
    }

    /// Are the times of both of types that cannot be compared, because one has a calendar of its own?
    pub(super) fn counts_time_unlike(&self, other: &Self) -> bool {
        let type_of = |input: &Self| {
            let time = input.axis(&[AxisRole::Time])?;
            Some(time.coordinates.as_ref()?.data_type().clone())
        };
        type_of(self)
            .zip(type_of(other))
            .is_some_and(|(own, others)| own != others)
    }

    /// Does the axis of this role have the same coordinates as that of `other`?
    pub(super) fn has_axis_of(&self, other: &Self, roles: &[AxisRole]) -> bool {
        let coordinates = |input: &Self| input.axis(roles)?.coordinates.clone();
        match (coordinates(self), coordinates(other)) {
            (Some(own), Some(others)) => own.as_ref() == others.as_ref(),
            (None, None) => true,
            _ => false,
        }
    }
}

impl InputAxis {
    /// The coordinates as numbers, where they are.
    pub(super) fn numbers(&self) -> Option<Vec<f64>> {
        let coordinates = self.coordinates.as_ref()?;
        let numbers = cast(coordinates, &DataType::Float64).ok()?;
        Some(numbers.as_primitive::<Float64Type>().values().to_vec())
    }

    /// The distance between neighbouring cells, if they are more than one.
    pub(super) fn step(&self) -> Option<f64> {
        let numbers = self.numbers()?;
        let (first, last) = (numbers.first()?, numbers.last()?);
        let steps = numbers.len() - 1;
        (steps > 0).then(|| (last - first).abs() / steps as f64)
    }

    /// The name that xcube gives it: latitudes and longitudes are called `lat` and `lon`.
    pub(super) fn name_in_xcube(&self) -> &str {
        match (self.role, self.name.as_str()) {
            (AxisRole::Latitude, "latitude") => "lat",
            (AxisRole::Longitude, "longitude") => "lon",
            (_, name) => name,
        }
    }
}

/// A system as requests name it, as PROJ does.
pub(super) fn known_crs(crs: &str) -> String {
    let bare: String = crs.chars().filter(|c| !c.is_whitespace()).collect();
    match ["WGS84", "CRS84", "OGC:CRS84"]
        .iter()
        .any(|name| bare.eq_ignore_ascii_case(name))
    {
        true => GEOGRAPHIC.to_string(),
        false => crs.trim().to_string(),
    }
}

/// The name of a table of a store: the path of the cube without its suffix.
pub(super) fn table(store: &Store, place: &Place) -> String {
    format!(
        "{}.{}",
        identifier(&store.name),
        identifier(without_suffix(&place.path))
    )
}

/// A path without the suffix of a format.
pub(super) fn without_suffix(path: &str) -> &str {
    let mut stripped = FORMATS
        .iter()
        .filter_map(|(suffix, _)| path.strip_suffix(suffix));
    stripped.next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_have_one_name() {
        for name in ["WGS84", "wgs 84", "CRS84", "OGC:CRS84", " EPSG:4326"] {
            assert_eq!(known_crs(name), GEOGRAPHIC);
        }
        assert_eq!(known_crs("EPSG:3035"), "EPSG:3035");
    }

    #[test]
    fn suffixes_are_no_part_of_names() {
        for (path, expected) in [
            ("a/b.zarr", "a/b"),
            ("b.levels", "b"),
            ("b", "b"),
            ("b.grib", "b.grib"),
        ] {
            assert_eq!(without_suffix(path), expected);
        }
    }
}
