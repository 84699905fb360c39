//! Grids of a map projection: [`Projected`]. PROJ says where the first point lies in it; the others follow in steps.

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::Attributes;
use graticule_functions::space::Transformation;
use serde_json::Value;

use super::earth::Earth;
use super::{Axis, Coordinates, Grid, Places, Scanning, runs_north, runs_west};
use crate::formats::grib::damaged;

/// What sections say of a grid of a projection.
#[derive(Debug, Clone)]
pub(super) struct Projected {
    pub(super) columns: u64,
    pub(super) rows: u64,
    /// Latitude and longitude of the first point.
    pub(super) first: [f64; 2],
    /// Metres from column to column and from row to row.
    pub(super) steps: [f64; 2],
    /// Code table 3.4.
    pub(super) flags: u8,
    pub(super) earth: Earth,
    pub(super) projection: Projection,
}

/// A map projection; angles are in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Projection {
    Mercator {
        parallel: f64,
        meridian: f64,
    },
    PolarStereographic {
        is_south: bool,
        parallel: f64,
        meridian: f64,
    },
    Lambert {
        latitude: f64,
        parallels: [f64; 2],
        meridian: f64,
    },
    LambertEqualArea {
        latitude: f64,
        meridian: f64,
    },
}

impl Projection {
    /// As ecCodes calls grids of it, and as CF calls it (1.12, appendix F).
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Mercator { .. } => ("mercator", "mercator"),
            Self::PolarStereographic { .. } => ("polar_stereographic", "polar_stereographic"),
            Self::Lambert { .. } => ("lambert", "lambert_conformal_conic"),
            Self::LambertEqualArea { .. } => (
                "lambert_azimuthal_equal_area",
                "lambert_azimuthal_equal_area",
            ),
        }
    }

    /// The parameters as PROJ and as CF call them.
    fn parameters(&self) -> (String, Vec<(&'static str, Value)>) {
        match *self {
            Self::Mercator { parallel, meridian } => (
                format!("+proj=merc +lat_ts={parallel} +lon_0={meridian}"),
                vec![
                    ("standard_parallel", Value::from(parallel)),
                    ("longitude_of_projection_origin", Value::from(meridian)),
                ],
            ),
            Self::PolarStereographic {
                is_south,
                parallel,
                meridian,
            } => {
                let pole = if is_south { -90.0 } else { 90.0 };
                (
                    format!("+proj=stere +lat_0={pole} +lat_ts={parallel} +lon_0={meridian}"),
                    vec![
                        ("standard_parallel", Value::from(parallel)),
                        ("latitude_of_projection_origin", Value::from(pole)),
                        (
                            "straight_vertical_longitude_from_pole",
                            Value::from(meridian),
                        ),
                    ],
                )
            }
            Self::Lambert {
                latitude,
                parallels: [one, two],
                meridian,
            } => (
                format!("+proj=lcc +lat_0={latitude} +lat_1={one} +lat_2={two} +lon_0={meridian}"),
                vec![
                    ("standard_parallel", Value::from(vec![one, two])),
                    ("latitude_of_projection_origin", Value::from(latitude)),
                    ("longitude_of_central_meridian", Value::from(meridian)),
                ],
            ),
            Self::LambertEqualArea { latitude, meridian } => (
                format!("+proj=laea +lat_0={latitude} +lon_0={meridian}"),
                vec![
                    ("latitude_of_projection_origin", Value::from(latitude)),
                    ("longitude_of_projection_origin", Value::from(meridian)),
                ],
            ),
        }
    }
}

impl Projected {
    /// # Errors
    /// The projection does not reach the first point, or makes no sense.
    pub(super) fn grid(&self) -> CubeResult<Grid> {
        let (kind, name) = self.projection.names();
        let (parameters, described) = self.projection.parameters();
        let earth = self.earth.proj();
        let system = format!("{parameters} {earth} +units=m +no_defs +type=crs");
        let [x, y] = self.origin(&system)?;
        let axis = |name, standard_name, first, step, count| Axis {
            name,
            standard_name,
            units: "m",
            coordinates: Coordinates::Steps { first, step, count },
        };
        let [width, height] = self.steps;
        let width = if runs_west(self.flags) { -width } else { width };
        let height = if runs_north(self.flags) {
            height
        } else {
            -height
        };
        let mut mapping = Attributes::new();
        mapping.insert("grid_mapping_name".to_string(), Value::from(name));
        let described = described.into_iter();
        mapping.extend(described.map(|(name, value)| (name.to_string(), value)));
        self.earth.describe(&mut mapping);
        mapping.insert("spatial_ref".to_string(), Value::from(system));
        let points = self.rows.checked_mul(self.columns);
        Grid {
            kind,
            places: Places::Rectangle {
                rows: axis("y", "projection_y_coordinate", y, height, self.rows),
                columns: axis("x", "projection_x_coordinate", x, width, self.columns),
                mapping: Some(Box::new(mapping)),
            },
            scanning: Scanning::of(self.flags)?,
            points: points.ok_or_else(|| damaged("its grid has no end"))?,
        }
        .checked()
    }

    /// Where the first point lies.
    fn origin(&self, system: &str) -> CubeResult<[f64; 2]> {
        let failed = |cause: String| {
            CubeError::unsupported("", format!("its grid cannot be placed: {cause}"))
                .remedy("regrid it first")
        };
        let degrees = format!("+proj=longlat {} +no_defs +type=crs", self.earth.proj());
        let [latitude, longitude] = self.first;
        let mut place = [(longitude, latitude)];
        Transformation::between(&degrees, system)
            .and_then(|transformation| transformation.move_places(&mut place))
            .map_err(|error| failed(error.to_string()))?;
        let [(x, y)] = place;
        match x.is_finite() && y.is_finite() {
            true => Ok([x, y]),
            false => Err(failed(format!(
                "{latitude}° N {longitude}° E has no place in its projection"
            ))),
        }
    }
}
