//! Coordinates of one reference system in another: [`Transformation`], by PROJ.
//!
//! ```text
//!  EPSG:3035 · urn:…:EPSG::3035 · OGC:CRS84 · +proj=laea … · PROJCRS["…", …] · {"type": "ProjectedCRS", …}
//!       └────────────────────────────────────────┬───────────────────────────────────────────────────┘
//!  x, y in the one system  ─▶  PROJ's pipeline, one per thread and pair of systems  ─▶  x, y in the other
//! ```
//! x comes first, whatever the authority says: longitudes before latitudes, in degrees. Datums are shifted by their
//! parameters, and by grids where these are found: see [`datum_grids`](super::datum_grids).

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use geo::MapCoords;
use geo_types::{Coord, Geometry};
use proj::{Proj, ProjBuilder, ProjCreateError};
use thiserror::Error;

use super::datum_grids::{MissingGrids, missing};
use super::grid_paths::path_in;
use super::proj_defaults;
use super::zones::crs_name;

/// Pipelines that a thread keeps. Making one takes milliseconds, and it belongs to the thread that made it.
const KEPT_PIPELINES: usize = 32;

/// How the WKT of a system begins that has to do with places on the Earth.
const ON_EARTH: [&str; 5] = ["GEOGCRS", "GEODCRS", "PROJCRS", "BOUNDCRS", "COMPOUNDCRS"];

thread_local! {
    /// Not dropped with the thread: one that ends while the process does would use what PROJ has torn down already.
    static PIPELINES: ManuallyDrop<RefCell<HashMap<(String, String), Rc<Proj>>>> =
        ManuallyDrop::new(RefCell::default());
}

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
    /// No way leads from one system to the other.
    #[error("coordinates of {from} cannot be transformed to {to}: {cause}")]
    Apart {
        /// The system they are given in.
        from: String,
        /// The system they should be in.
        to: String,
        /// What PROJ says.
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
    /// PROJ's database of systems cannot be laid out.
    #[error("the database of coordinate reference systems cannot be written: {0}")]
    Database(String),
}

/// From one coordinate reference system to another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Transformation {
    from: String,
    to: String,
}

impl fmt::Debug for Transformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", crs_name(&self.from), crs_name(&self.to))
    }
}

impl Transformation {
    /// The transformation between two systems, each stated as an authority's code, WKT, PROJJSON or a PROJ string.
    ///
    /// # Errors
    /// A definition that is not known, or systems between which there is no way.
    pub fn between(from: &str, to: &str) -> Result<Self, ProjectionError> {
        for system in [from, to] {
            let wkt = wkt_of(system)?;
            if !ON_EARTH.iter().any(|word| wkt.starts_with(word)) {
                let cause = "its coordinates are those of no place on the Earth";
                return Err(ProjectionError::Unknown {
                    name: crs_name(system.trim()),
                    cause: cause.to_string(),
                });
            }
        }
        let transformation = Self {
            from: from.trim().to_string(),
            to: to.trim().to_string(),
        };
        transformation.pipeline()?;
        Ok(transformation)
    }

    /// The geometry with all its vertices moved. Its edges are straight lines between them in either system, which are not
    /// the same lines: long edges should have vertices in between.
    ///
    /// # Errors
    /// A vertex has no coordinates in the other system.
    pub fn apply(&self, geometry: &Geometry) -> Result<Geometry, ProjectionError> {
        let pipeline = self.pipeline()?;
        geometry.try_map_coords(|Coord { x, y }| {
            let failed = |cause: String| ProjectionError::Place {
                x,
                y,
                from: crs_name(&self.from),
                to: crs_name(&self.to),
                cause,
            };
            match pipeline.convert((x, y)) {
                Ok((x, y)) if x.is_finite() && y.is_finite() => Ok(Coord { x, y }),
                Ok(_) => Err(failed("it is infinitely far away".to_string())),
                Err(error) => Err(failed(self.with_grids(error.to_string()))),
            }
        })
    }

    /// Moves places, each an x and a y; those that have no coordinates in the other system become NaN.
    ///
    /// # Errors
    /// The pipeline cannot be made.
    pub fn move_places(&self, places: &mut [(f64, f64)]) -> Result<(), ProjectionError> {
        let pipeline = self.pipeline()?;
        for place in places {
            *place = match pipeline.convert(*place) {
                Ok((x, y)) if x.is_finite() && y.is_finite() => (x, y),
                _ => (f64::NAN, f64::NAN),
            };
        }
        Ok(())
    }

    /// The grids of datums that would make it more exact, and are nowhere to be found.
    #[must_use]
    pub fn missing_grids(&self) -> MissingGrids {
        missing(&self.from, &self.to)
    }

    fn pipeline(&self) -> Result<Rc<Proj>, ProjectionError> {
        PIPELINES.with(|kept| {
            let mut kept = kept.borrow_mut();
            let key = (self.from.clone(), self.to.clone());
            if let Some(pipeline) = kept.get(&key) {
                return Ok(Rc::clone(pipeline));
            }
            let builder = builder()?;
            let made = attempt(|| builder.proj_known_crs(&self.from, &self.to, None));
            let pipeline = Rc::new(made.map_err(|cause| self.refused(&cause))?);
            if kept.len() >= KEPT_PIPELINES {
                kept.clear();
            }
            kept.insert(key, Rc::clone(&pipeline));
            Ok(pipeline)
        })
    }

    /// What PROJ says, and which grids it may have missed.
    fn with_grids(&self, said: String) -> String {
        let stated = self
            .from
            .split_whitespace()
            .chain(self.to.split_whitespace());
        let mut grids: Vec<String> = stated
            .filter_map(|word| Some(word.strip_prefix("+nadgrids=")?.to_string()))
            .collect();
        grids.extend(self.missing_grids().sources);
        grids.dedup();
        match grids.is_empty() {
            true => said,
            false => format!(
                "{said}; it needs the grid {}: put it into a folder, and name that in proj_data of the configuration's section engine, or in PROJ_DATA",
                grids.join(", ")
            ),
        }
    }

    /// Why there is no pipeline: one of the systems is not known, or the two lie apart.
    fn refused(&self, cause: &str) -> ProjectionError {
        for system in [&self.from, &self.to] {
            if let Err(error) = system_of(system) {
                return error;
            }
        }
        ProjectionError::Apart {
            from: crs_name(&self.from),
            to: crs_name(&self.to),
            cause: cause.to_string(),
        }
    }
}

/// The definition of a system as WKT (ISO 19162:2019), on one line.
///
/// # Errors
/// A definition that is not known.
pub fn wkt_of(definition: &str) -> Result<String, ProjectionError> {
    let wkt = system_of(definition)?.as_wkt(None, None);
    let wkt = wkt.map_err(|error| unknown(definition, error.to_string()))?;
    Ok(wkt.lines().map(str::trim).collect())
}

fn system_of(definition: &str) -> Result<Proj, ProjectionError> {
    let definition = definition.trim();
    check_files(definition)?;
    // A PROJ string is a projection unless it says that it is a system.
    let text = match definition.starts_with('+') && !definition.contains("+type=crs") {
        true => format!("{definition} +type=crs"),
        false => definition.to_string(),
    };
    let builder = builder()?;
    attempt(|| builder.proj(&text)).map_err(|cause| unknown(definition, cause))
}

/// Refuses what would let PROJ open any file, wherever it is.
fn check_files(definition: &str) -> Result<(), ProjectionError> {
    let cause = match path_in(definition) {
        Ok(None) => return Ok(()),
        Ok(Some(path)) => format!(
            "it names the file {path} by a path: name the file alone, and its folder in proj_data of the configuration's section engine, or in PROJ_DATA"
        ),
        Err(error) => format!("it is no JSON: {error}"),
    };
    Err(ProjectionError::Unknown {
        name: crs_name(definition),
        cause,
    })
}

/// What PROJ makes, or why it does not. Its crate panics where PROJ makes nothing and gives no reason.
fn attempt(make: impl FnOnce() -> Result<Proj, ProjCreateError>) -> Result<Proj, String> {
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(made) => made.map_err(|error| error.to_string()),
        Err(_) => Err("PROJ does not say why".to_string()),
    }
}

fn unknown(definition: &str, said: String) -> ProjectionError {
    let is_spelled_out = definition.contains(['[', '{', '+']);
    let cause = match definition.contains(':') {
        _ if is_spelled_out => said,
        true => "PROJ's database has no such code".to_string(),
        false => {
            "it is no code such as EPSG:3035, no WKT, no PROJJSON and no PROJ string".to_string()
        }
    };
    ProjectionError::Unknown {
        name: crs_name(definition),
        cause,
    }
}

fn builder() -> Result<ProjBuilder, ProjectionError> {
    proj_defaults::set().map_err(ProjectionError::Database)?;
    // Its own way to set folders forgets those that were set before, and asks for text that another thread frees.
    Ok(ProjBuilder::new())
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
            let near = (x - place.0).abs() < 2e-8 && (y - place.1).abs() < 2e-8;
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
                "+proj=longlat +ellps=bessel +nadgrids=../shifts.gsb",
                "EPSG:4326",
                (0.0, 0.0),
                "names the file ../shifts.gsb by a path",
            ),
            (
                "LOCAL_CS[\"here\"]",
                "EPSG:4326",
                (0.0, 0.0),
                "here is not known",
            ),
            (
                "EPSG:5703",
                "EPSG:4326",
                (0.0, 0.0),
                "no place on the Earth",
            ),
            (
                "EPSG:4326",
                "EPSG:3857",
                (0.0, 91.0),
                "has no coordinates in EPSG:3857",
            ),
        ];
        for (from, to, place, expected) in cases {
            let error = moved(from, to, place).unwrap_err().to_string();
            assert!(error.contains(expected), "{from}: {error}");
        }
    }
}
