//! Coordinates of one reference system in another: [`Transformation`].
//!
//! ```text
//!  EPSG:3035 · urn:…:EPSG::3035 · OGC:CRS84 · +proj=laea … · PROJCS["…", …]   ─▶  projection and datum
//!  x, y  ─▶  longitude, latitude on WGS 84  ─▶  x, y
//! ```
//! x comes first, whatever the authority says: longitudes before latitudes, in degrees. The projections are
//! those of the crate proj4rs, a translation of PROJ that is held to agree with it to a micrometre; datums are
//! shifted by their parameters, without grids.

use std::fmt;

use geo::MapCoords;
use geo_types::{Coord, Geometry};
use proj4rs::Proj;
use proj4rs::adaptors::transform_xy;
use thiserror::Error;

use super::zones::crs_name;

/// Longitude and latitude on WGS 84, in this order.
const CRS84: &str = "+proj=longlat +datum=WGS84 +no_defs";

/// Why coordinates cannot be transformed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ProjectionError {
    /// The definition names no system that is known here.
    #[error("the coordinate reference system {name} is not known: {cause}")]
    Unknown {
        /// The system's name.
        name: String,
        /// What is wrong with its definition.
        cause: String,
    },
    /// A place has no coordinates in the other system.
    #[error("the place {x}, {y} of {from} has no coordinates in {to}: {cause}")]
    Place {
        /// Its first coordinate.
        x: f64,
        /// Its second coordinate.
        y: f64,
        /// The system it is given in.
        from: String,
        /// The system it should be in.
        to: String,
        /// Which part of the transformation fails there.
        cause: String,
    },
}

/// From one coordinate reference system to another.
pub struct Transformation {
    from: System,
    to: System,
}

struct System {
    name: String,
    projection: Proj,
}

impl fmt::Debug for Transformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from.name, self.to.name)
    }
}

impl Transformation {
    /// The transformation between two systems, each stated as an authority's code, WKT, or a PROJ string.
    ///
    /// # Errors
    /// A definition that is not known, or a projection that cannot be computed.
    pub fn between(from: &str, to: &str) -> Result<Self, ProjectionError> {
        Ok(Self {
            from: System::of(from)?,
            to: System::of(to)?,
        })
    }

    /// The geometry with all its vertices moved. Its edges are straight lines between them in either system, which are not
    /// the same lines: long edges should have vertices in between.
    ///
    /// # Errors
    /// A vertex has no coordinates in the other system.
    pub fn apply(&self, geometry: &Geometry) -> Result<Geometry, ProjectionError> {
        geometry.try_map_coords(|place| self.place(place))
    }

    fn place(&self, Coord { x, y }: Coord) -> Result<Coord, ProjectionError> {
        let (from, to) = (&self.from.projection, &self.to.projection);
        let radians = |degrees: f64| match from.is_latlong() {
            true => degrees.to_radians(),
            false => degrees,
        };
        let moved = transform_xy(from, to, radians(x), radians(y));
        let failed = |cause: String| ProjectionError::Place {
            x,
            y,
            from: self.from.name.clone(),
            to: self.to.name.clone(),
            cause,
        };
        match moved {
            Ok((x, y)) if x.is_finite() && y.is_finite() => Ok(match to.is_latlong() {
                true => Coord {
                    x: x.to_degrees(),
                    y: y.to_degrees(),
                },
                false => Coord { x, y },
            }),
            Ok(_) => Err(failed("it is infinitely far away".to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl System {
    fn of(definition: &str) -> Result<Self, ProjectionError> {
        let definition = definition.trim();
        let name = crs_name(definition);
        let unknown = |cause: &dyn fmt::Display| ProjectionError::Unknown {
            name: name.clone(),
            cause: cause.to_string(),
        };
        let code = name.split_once(':').filter(|_| !name.starts_with('+'));
        let projection = match code {
            Some(("OGC", "CRS84")) => Proj::from_proj_string(CRS84),
            Some(("EPSG", code)) => {
                let code = code
                    .parse()
                    .map_err(|_| unknown(&"the code is no code of EPSG"))?;
                Proj::from_epsg_code(code)
            }
            _ if definition.contains('[') => {
                let text = proj4wkt::wkt_to_projstring(definition);
                Proj::from_proj_string(&text.map_err(|error| unknown(&error))?)
            }
            _ if definition.starts_with('+') => Proj::from_proj_string(definition),
            _ => return Err(unknown(&"it is no code of EPSG, no WKT and no PROJ string")),
        };
        let projection = projection.map_err(|error| unknown(&error))?;
        Ok(Self { name, projection })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use geo_types::Point;

    use super::*;

    /// As software of ESRI writes it beside a shapefile: without a code.
    const UTM_OF_ESRI: &str = r#"PROJCS["WGS_1984_UTM_Zone_32N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",9.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]"#;

    fn moved(from: &str, to: &str, place: (f64, f64)) -> Result<(f64, f64), ProjectionError> {
        let geometry = Geometry::Point(Point::new(place.0, place.1));
        match Transformation::between(from, to)?.apply(&geometry)? {
            Geometry::Point(point) => Ok(point.x_y()),
            other => panic!("{other:?}"),
        }
    }

    /// What `pyproj.Transformer.from_crs(…, always_xy=True)` of pyproj 3.7 (PROJ 9.5) gives.
    #[test]
    fn places_are_those_of_proj() {
        let cases = [
            (
                "EPSG:3035",
                (10.5, 53.25),
                (4354376.862328672, 3349209.5333859343),
            ),
            (
                "urn:ogc:def:crs:EPSG::25832",
                (7.125, 51.5),
                (369856.3177079224, 5707095.973130199),
            ),
            (
                "EPSG:3857",
                (-122.25, 37.75),
                (-13608807.749477694, 4544169.146645439),
            ),
            (
                "EPSG:32733",
                (15.5, -33.0),
                (546708.1598318298, 6348602.055371303),
            ),
            (
                "EPSG:3413",
                (-45.5, 78.0),
                (-11383.839285454567, -1304458.7770092415),
            ),
            (
                "EPSG:3031",
                (120.0, -72.5),
                (1659080.6056245458, -957870.6342646184),
            ),
            (
                "EPSG:6933",
                (100.0, -40.0),
                (9648628.025089651, -4707084.171338535),
            ),
            (
                "EPSG:2154",
                (2.5, 46.75),
                (661831.1877323759, 6627885.422437869),
            ),
            (
                "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m",
                (33.0, 12.0),
                (3589250.7190462984, 1334340.623719828),
            ),
            (
                UTM_OF_ESRI,
                (9.5, 48.25),
                (537117.1419353782, 5344208.122024585),
            ),
        ];
        for (system, place, expected) in cases {
            let (x, y) = moved("OGC:CRS84", system, place).unwrap();
            let near = (x - expected.0).abs() < 1e-4 && (y - expected.1).abs() < 1e-4;
            assert!(near, "{system}: {x}, {y} instead of {expected:?}");
            let (x, y) = moved(system, "EPSG:4326", expected).unwrap();
            let near = (x - place.0).abs() < 1e-9 && (y - place.1).abs() < 1e-9;
            assert!(near, "{system}: {x}, {y} instead of {place:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let cases = [
            ("EPSG:1", "EPSG:4326", (0.0, 0.0), "EPSG:1 is not known"),
            ("somewhere", "EPSG:4326", (0.0, 0.0), "no PROJ string"),
            ("+proj=nothing", "EPSG:4326", (0.0, 0.0), "is not known"),
            (
                "EPSG:4326",
                "EPSG:3857",
                (0.0, 90.0),
                "has no coordinates in EPSG:3857",
            ),
        ];
        for (from, to, place, expected) in cases {
            let error = moved(from, to, place).unwrap_err().to_string();
            assert!(error.contains(expected), "{from}: {error}");
        }
    }
}
