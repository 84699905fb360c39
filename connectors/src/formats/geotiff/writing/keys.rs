//! Where the image lies: the tags of GeoTIFF, out of an [`ImageGrid`].
//!
//! ```text
//!  ModelPixelScale  width, height, 0                     rows run to the south: no rotation is needed
//!  ModelTiepoint    0, 0, 0 ─▶ west, north, 0            the outer corner of the first cell
//!  GeoKeyDirectory  4326, or a projected system, or an ellipsoid of its own
//! ```

use graticule_engine::cube::crs::{Crs, Ellipsoid};
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::ImageGrid;

use super::directory::{Directory, Values};

const PIXEL_SCALE: u16 = 33550;
const TIEPOINT: u16 = 33922;
const KEY_DIRECTORY: u16 = 34735;
const KEY_DOUBLES: u16 = 34736;
const KEY_TEXTS: u16 = 34737;

/// A system that is described rather than named.
const USER_DEFINED: u16 = 32767;

/// Names of the keys, by their numbers.
mod key {
    pub(super) const MODEL_TYPE: u16 = 1024;
    pub(super) const RASTER_TYPE: u16 = 1025;
    pub(super) const GEOGRAPHIC: u16 = 2048;
    pub(super) const GEOGRAPHIC_CITATION: u16 = 2049;
    pub(super) const DATUM: u16 = 2050;
    pub(super) const ANGULAR_UNITS: u16 = 2054;
    pub(super) const ELLIPSOID: u16 = 2056;
    pub(super) const SEMI_MAJOR_AXIS: u16 = 2057;
    pub(super) const SEMI_MINOR_AXIS: u16 = 2058;
    pub(super) const PROJECTED: u16 = 3072;
}

const PROJECTED_MODEL: u16 = 1;
const GEOGRAPHIC_MODEL: u16 = 2;
const PIXEL_IS_AREA: u16 = 1;
const DEGREE: u16 = 9102;

/// A coordinate reference system as GeoTIFF has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum System {
    Geographic(u16),
    Projected(u16),
    /// Longitudes and latitudes on an ellipsoid.
    Ellipsoid {
        name: String,
        ellipsoid: Ellipsoid,
    },
}

impl System {
    /// The system of the images; `asked` is what the user says of it. `None` where nobody says anything.
    ///
    /// # Errors
    /// A system that has no code of EPSG and is no ellipsoid.
    pub(super) fn of(grid: &ImageGrid, asked: Option<&str>) -> CubeResult<Option<Self>> {
        if let Some(asked) = asked {
            let crs = Crs::of_definition(asked.to_string());
            let is_geographic = crs.is_geographic().unwrap_or(grid.is_geographic);
            let system = Self::of_code(&crs.name, is_geographic);
            return system.map(Some).ok_or_else(|| {
                CubeError::invalid("", format!("option crs = '{asked}' makes no sense"))
                    .remedy("write the code of a system of EPSG, such as EPSG:3035")
            });
        }
        let Some(crs) = &grid.crs else {
            return Ok(None);
        };
        let system = Self::of_code(&crs.name, grid.is_geographic).or_else(|| {
            crs.ellipsoid()
                .map(|ellipsoid| Self::of_ellipsoid(crs, ellipsoid))
        });
        system.map(Some).ok_or_else(|| {
            let cause = format!(
                "GeoTIFF names coordinate reference systems by codes of EPSG, and {} has none",
                crs.name
            );
            CubeError::unsupported("", cause)
                .remedy("say crs = 'EPSG:…' if there is one for it, or write NetCDF or Zarr")
        })
    }

    /// As GDAL reads it in a document.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Geographic(code) | Self::Projected(code) => format!("EPSG:{code}"),
            Self::Ellipsoid { ellipsoid, .. } => {
                let (longer, shorter) = (ellipsoid.semi_major, ellipsoid.semi_minor);
                format!("+proj=longlat +a={longer} +b={shorter} +no_defs")
            }
        }
    }

    fn of_ellipsoid(crs: &Crs, ellipsoid: Ellipsoid) -> Self {
        match ellipsoid {
            Ellipsoid::WGS84 => Self::Geographic(4326),
            ellipsoid => Self::Ellipsoid {
                name: crs.name.clone(),
                ellipsoid,
            },
        }
    }

    fn of_code(name: &str, is_geographic: bool) -> Option<Self> {
        let code = match name.split_once(':')? {
            ("EPSG", code) => code.parse().ok().filter(|code| *code < USER_DEFINED)?,
            ("OGC", "CRS84") => 4326,
            _ => return None,
        };
        Some(match is_geographic {
            true => Self::Geographic(code),
            false => Self::Projected(code),
        })
    }
}

/// Sets the tags that say where the image lies.
pub(super) fn georeference(directory: &mut Directory, grid: &ImageGrid, system: Option<&System>) {
    let (rows, columns) = (&grid.rows, &grid.columns);
    directory.set(
        PIXEL_SCALE,
        Values::Doubles(vec![columns.size, rows.size, 0.0]),
    );
    directory.set(
        TIEPOINT,
        Values::Doubles(vec![0.0, 0.0, 0.0, columns.edge, rows.edge, 0.0]),
    );
    let mut keys = vec![(key::RASTER_TYPE, 0, 1, PIXEL_IS_AREA)];
    let mut own = |key, value| keys.push((key, 0, 1, value));
    match system {
        None => {}
        Some(System::Projected(code)) => {
            own(key::MODEL_TYPE, PROJECTED_MODEL);
            own(key::PROJECTED, *code);
        }
        Some(System::Geographic(code)) => {
            own(key::MODEL_TYPE, GEOGRAPHIC_MODEL);
            own(key::GEOGRAPHIC, *code);
            own(key::ANGULAR_UNITS, DEGREE);
        }
        Some(System::Ellipsoid { name, ellipsoid }) => {
            own(key::MODEL_TYPE, GEOGRAPHIC_MODEL);
            for user_defined in [key::GEOGRAPHIC, key::DATUM, key::ELLIPSOID] {
                own(user_defined, USER_DEFINED);
            }
            own(key::ANGULAR_UNITS, DEGREE);
            // A bar ends each text.
            let citation = format!("{}|", name.replace('|', " "));
            let length = citation.len() as u16;
            keys.push((key::GEOGRAPHIC_CITATION, KEY_TEXTS, length, 0));
            keys.push((key::SEMI_MAJOR_AXIS, KEY_DOUBLES, 1, 0));
            keys.push((key::SEMI_MINOR_AXIS, KEY_DOUBLES, 1, 1));
            directory.set(KEY_TEXTS, Values::Text(citation));
            directory.set(
                KEY_DOUBLES,
                Values::Doubles(vec![ellipsoid.semi_major, ellipsoid.semi_minor]),
            );
        }
    }
    keys.sort_unstable();
    let mut shorts = vec![1, 1, 1, keys.len() as u16];
    shorts.extend(
        keys.into_iter()
            .flat_map(|(key, place, count, value)| [key, place, count, value]),
    );
    directory.set(KEY_DIRECTORY, Values::Shorts(shorts));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use graticule_engine::sink::ImageAxis;
    use serde_json::{Value, json};

    use super::*;

    fn grid(crs: Option<Crs>, is_geographic: bool) -> ImageGrid {
        let axis = |name: &str| ImageAxis {
            name: name.to_string(),
            edge: 0.0,
            size: 1.0,
        };
        ImageGrid {
            rows: axis("y"),
            columns: axis("x"),
            steps: Vec::new(),
            crs,
            is_geographic,
        }
    }

    fn named(name: &str) -> Option<Crs> {
        Some(Crs::of_definition(name.to_string()))
    }

    fn mapping(parameters: Value) -> Option<Crs> {
        Some(Crs {
            name: "latitude_longitude".to_string(),
            definition: None,
            parameters: parameters.as_object().cloned().unwrap_or_default(),
        })
    }

    #[test]
    fn systems_by_code_or_ellipsoid() {
        let sphere = |radius| System::Ellipsoid {
            name: "latitude_longitude".to_string(),
            ellipsoid: Ellipsoid {
                semi_major: radius,
                semi_minor: radius,
            },
        };
        let cases = [
            (None, true, None, None),
            (
                named("OGC:CRS84"),
                true,
                None,
                Some(System::Geographic(4326)),
            ),
            (
                named("EPSG:3035"),
                false,
                None,
                Some(System::Projected(3035)),
            ),
            (
                named("Mine"),
                false,
                Some("epsg:3857"),
                Some(System::Projected(3857)),
            ),
            (
                None,
                true,
                Some("EPSG:4258"),
                Some(System::Geographic(4258)),
            ),
            (
                mapping(json!({"grid_mapping_name": "latitude_longitude"})),
                true,
                None,
                Some(System::Geographic(4326)),
            ),
            (
                mapping(json!({"grid_mapping_name": "latitude_longitude", "earth_radius": 6.4e6})),
                true,
                None,
                Some(sphere(6.4e6)),
            ),
        ];
        for (crs, is_geographic, asked, expected) in cases {
            let found = System::of(&grid(crs.clone(), is_geographic), asked).unwrap();
            assert_eq!(found, expected, "{crs:?} {asked:?}");
        }
    }

    #[test]
    fn systems_without_a_code() {
        let rotated = json!({"grid_north_pole_latitude": 39.0});
        for (crs, asked, expected) in [
            (named("Mine"), None, "Mine has none"),
            (mapping(rotated), None, "has none"),
            (None, Some("ESRI:54009"), "such as EPSG:3035"),
            (None, Some("EPSG:102001"), "such as EPSG:3035"),
        ] {
            let message = System::of(&grid(crs, true), asked).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
