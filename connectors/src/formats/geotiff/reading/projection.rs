//! Projected systems without a code: keys as a PROJ string, [`definition`].
//!
//! ```text
//!  ProjCoordTrans 10, ProjCenterLong 10, ProjCenterLat 52, …  ─▶  +proj=laea +lat_0=52 +lon_0=10 +x_0=… +datum=WGS84 …
//! ```
//! Which key holds a parameter differs between writers; any of those that can is taken. A system whose datum has no
//! code that is known here has no definition: another datum would move it by some hundred metres.

use super::keys::{Keys, key};
use super::system::has_degrees;

/// Methods of projection (`ProjCoordTransGeoKey`), what PROJ calls them, and their parameters beside false
/// easting and northing.
const METHODS: [(u16, &str, &[Parameter]); 21] = {
    use Parameter::{FirstParallel, Latitude, Longitude, Scale, SecondParallel, TrueScale};
    [
        (1, "tmerc", &[Latitude, Longitude, Scale]),
        (7, "merc", &[TrueScale, Longitude, Scale]),
        (
            8,
            "lcc",
            &[FirstParallel, SecondParallel, Latitude, Longitude],
        ),
        (9, "lcc", &[Latitude, Longitude, Scale]),
        (10, "laea", &[Latitude, Longitude]),
        (
            11,
            "aea",
            &[FirstParallel, SecondParallel, Latitude, Longitude],
        ),
        (12, "aeqd", &[Latitude, Longitude]),
        (
            13,
            "eqdc",
            &[FirstParallel, SecondParallel, Latitude, Longitude],
        ),
        (14, "stere", &[Latitude, Longitude, Scale]),
        (15, "stere", &[Latitude, Longitude, Scale]),
        (16, "sterea", &[Latitude, Longitude, Scale]),
        (17, "eqc", &[TrueScale, Latitude, Longitude]),
        (18, "cass", &[Latitude, Longitude]),
        (19, "gnom", &[Latitude, Longitude]),
        (20, "mill", &[Longitude]),
        (21, "ortho", &[Latitude, Longitude]),
        (22, "poly", &[Latitude, Longitude]),
        (23, "robin", &[Longitude]),
        (24, "sinu", &[Longitude]),
        (25, "vandg", &[Longitude]),
        (28, "cea", &[TrueScale, Longitude]),
    ]
};

/// Lambert's conformal cone with one standard parallel, the latitude of its origin.
const CONE_OF_ONE_PARALLEL: u16 = 9;
/// The stereographic projection about a pole; its latitude is that of true scale.
const POLAR_STEREOGRAPHIC: u16 = 15;

/// A parameter of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Latitude,
    Longitude,
    FirstParallel,
    SecondParallel,
    TrueScale,
    Scale,
}

impl Parameter {
    /// What PROJ calls it, and the keys that may hold it.
    fn names(self) -> (&'static str, &'static [u16]) {
        match self {
            Self::Latitude => (
                "lat_0",
                &[
                    key::NATURAL_LATITUDE,
                    key::CENTRE_LATITUDE,
                    key::FALSE_LATITUDE,
                ],
            ),
            Self::Longitude => (
                "lon_0",
                &[
                    key::NATURAL_LONGITUDE,
                    key::CENTRE_LONGITUDE,
                    key::FALSE_LONGITUDE,
                    key::POLE_LONGITUDE,
                ],
            ),
            Self::FirstParallel => ("lat_1", &[key::FIRST_PARALLEL]),
            Self::SecondParallel => ("lat_2", &[key::SECOND_PARALLEL]),
            Self::TrueScale => ("lat_ts", &[key::FIRST_PARALLEL]),
            Self::Scale => ("k_0", &[key::NATURAL_SCALE, key::CENTRE_SCALE]),
        }
    }
}

/// Zones of UTM as projections (`ProjectionGeoKey`): north, then south of the equator.
const UTM_NORTH: u16 = 16_000;
const UTM_SOUTH: u16 = 16_100;

/// Geographic systems that PROJ has names for or whose ellipsoid is all that there is to them: code of the system,
/// code of the datum, and what PROJ calls them.
const DATUMS: [(u16, u16, &str); 6] = [
    (4326, 6326, "+datum=WGS84"),
    (4269, 6269, "+datum=NAD83"),
    (4267, 6267, "+datum=NAD27"),
    (4258, 6258, "+ellps=GRS80 +towgs84=0,0,0"),
    (4047, 6047, "+R=6371007"),
    (4035, 6035, "+R=6371000"),
];

/// Ellipsoids by their codes: the longer half axis, and the inverse of the flattening, 0 for a sphere.
const ELLIPSOIDS: [(u16, f64, f64); 10] = [
    (7001, 6_377_563.396, 299.324_964_6),
    (7004, 6_377_397.155, 299.152_812_8),
    (7008, 6_378_206.4, 294.978_698_213_898),
    (7012, 6_378_249.145, 293.465),
    (7019, 6_378_137.0, 298.257_222_101),
    (7022, 6_378_388.0, 297.0),
    (7024, 6_378_245.0, 298.3),
    (7030, 6_378_137.0, 298.257_223_563),
    (7035, 6_371_000.0, 0.0),
    (7048, 6_371_007.0, 0.0),
];

/// The ellipsoid that a key names: its longer half axis, and the inverse of its flattening.
pub(super) fn ellipsoid(keys: &Keys) -> Option<(f64, f64)> {
    let code = keys.code(key::ELLIPSOID)?;
    let known = ELLIPSOIDS.iter().find(|(known, ..)| *known == code);
    known.map(|(_, semi_major, inverse_flattening)| (*semi_major, *inverse_flattening))
}

/// A projected system without a code as a PROJ string, or as the code of the zone of UTM that it is.
pub(super) fn definition(keys: &Keys) -> Option<String> {
    if !has_degrees(keys) {
        return None;
    }
    if let Some(code) = utm(keys) {
        return Some(code);
    }
    let method = keys.code(key::METHOD)?;
    let (_, name, parameters) = METHODS.iter().find(|(known, ..)| *known == method)?;
    let unit = unit(keys)?;
    let mut words = vec![format!("+proj={name}")];
    for parameter in *parameters {
        let (name, candidates) = parameter.names();
        let number = keys.first_number(candidates);
        words.extend(number.map(|number| format!("+{name}={number}")));
    }
    match method {
        CONE_OF_ONE_PARALLEL => {
            let latitude = keys.first_number(Parameter::Latitude.names().1);
            words.extend(latitude.map(|latitude| format!("+lat_1={latitude}")));
        }
        POLAR_STEREOGRAPHIC => {
            let latitude = keys.first_number(Parameter::Latitude.names().1)?;
            let pole = if latitude < 0.0 { -90 } else { 90 };
            words.retain(|word| !word.starts_with("+lat_0="));
            words.extend([format!("+lat_0={pole}"), format!("+lat_ts={latitude}")]);
        }
        _ => {}
    }
    let easting = [
        key::FALSE_EASTING,
        key::CENTRE_EASTING,
        key::FALSE_ORIGIN_EASTING,
    ];
    let northing = [
        key::FALSE_NORTHING,
        key::CENTRE_NORTHING,
        key::FALSE_ORIGIN_NORTHING,
    ];
    for (name, candidates) in [("x_0", easting), ("y_0", northing)] {
        // In metres, whatever the units of the coordinates are.
        let metres = keys.first_number(&candidates).unwrap_or_default() * unit;
        words.push(format!("+{name}={metres}"));
    }
    words.push(earth(keys)?);
    if let Some(meridian) = keys.number(key::PRIME_MERIDIAN).filter(|at| *at != 0.0) {
        words.push(format!("+pm={meridian}"));
    }
    words.push(match unit {
        1.0 => "+units=m".to_string(),
        unit => format!("+to_meter={unit}"),
    });
    words.push("+no_defs".to_string());
    Some(words.join(" "))
}

/// The code of a zone of UTM on WGS 84 or NAD 83.
fn utm(keys: &Keys) -> Option<String> {
    let projection = keys.code(key::PROJECTION)?;
    let zone = |from: u16| {
        let zone = projection.checked_sub(from)?;
        (1..=60).contains(&zone).then_some(zone)
    };
    let code = match (
        keys.code(key::GEOGRAPHIC)?,
        zone(UTM_NORTH),
        zone(UTM_SOUTH),
    ) {
        (4326, Some(zone), _) => 32_600 + zone,
        (4326, _, Some(zone)) => 32_700 + zone,
        (4269, Some(zone @ 1..=23), _) => 26_900 + zone,
        _ => return None,
    };
    (unit(keys)? == 1.0).then(|| format!("EPSG:{code}"))
}

/// Metres in a unit of the coordinates.
fn unit(keys: &Keys) -> Option<f64> {
    match keys.code(key::LINEAR_UNITS) {
        Some(9001) => Some(1.0),
        Some(9002) => Some(0.3048),
        Some(9003) => Some(1200.0 / 3937.0),
        Some(9036) => Some(1000.0),
        Some(_) => None,
        None => Some(keys.number(key::LINEAR_UNIT_SIZE).unwrap_or(1.0)),
    }
}

/// Datum or ellipsoid.
fn earth(keys: &Keys) -> Option<String> {
    let number = |key| keys.number(key);
    let semi_major = number(key::SEMI_MAJOR_AXIS);
    let system = keys.code(key::GEOGRAPHIC);
    let datum = keys.code(key::DATUM);
    let known = DATUMS.iter().find(|(code, of_datum, _)| {
        system == Some(*code) || (system.is_none() && datum == Some(*of_datum))
    });
    if let Some((_, _, words)) = known {
        return Some((*words).to_string());
    }
    if system.is_some() || datum.is_some() {
        return None;
    }
    let inverse_flattening = number(key::INVERSE_FLATTENING).filter(|inverse| *inverse != 0.0);
    match (semi_major, number(key::SEMI_MINOR_AXIS), inverse_flattening) {
        (Some(a), Some(b), _) if a == b => Some(format!("+R={a}")),
        (Some(a), Some(b), _) => Some(format!("+a={a} +b={b}")),
        (Some(a), None, Some(inverse)) => Some(format!("+a={a} +rf={inverse}")),
        (Some(a), None, None) => Some(format!("+R={a}")),
        (None, ..) => match ellipsoid(keys)? {
            (a, 0.0) => Some(format!("+R={a}")),
            (a, inverse) => Some(format!("+a={a} +rf={inverse}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_of_keys() {
        let own = |key| (key, 32767);
        let wgs84 = (key::GEOGRAPHIC, 4326);
        let metre = (key::LINEAR_UNITS, 9001);
        let cases = [
            (
                Keys::with(&[wgs84, metre, (key::PROJECTION, 16_013)], &[], &[]),
                Some("EPSG:32613"),
            ),
            (
                Keys::with(&[wgs84, (key::PROJECTION, 16_160)], &[], &[]),
                Some("EPSG:32760"),
            ),
            (
                Keys::with(
                    &[wgs84, metre, (key::METHOD, 10)],
                    &[
                        (key::CENTRE_LONGITUDE, 10.0),
                        (key::CENTRE_LATITUDE, 52.5),
                        (key::FALSE_EASTING, 4_321_000.0),
                    ],
                    &[],
                ),
                Some(
                    "+proj=laea +lat_0=52.5 +lon_0=10 +x_0=4321000 +y_0=0 +datum=WGS84 +units=m +no_defs",
                ),
            ),
            (
                Keys::with(
                    &[own(key::GEOGRAPHIC), (key::METHOD, 24)],
                    &[
                        (key::CENTRE_LONGITUDE, 0.0),
                        (key::SEMI_MAJOR_AXIS, 6_371_007.181),
                        (key::SEMI_MINOR_AXIS, 6_371_007.181),
                    ],
                    &[],
                ),
                Some("+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"),
            ),
            (
                Keys::with(
                    &[wgs84, metre, (key::METHOD, 15)],
                    &[
                        (key::NATURAL_LATITUDE, -71.0),
                        (key::POLE_LONGITUDE, 0.0),
                        (key::NATURAL_SCALE, 1.0),
                    ],
                    &[],
                ),
                Some(
                    "+proj=stere +lon_0=0 +k_0=1 +lat_0=-90 +lat_ts=-71 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
                ),
            ),
            (
                Keys::with(
                    &[
                        (key::GEOGRAPHIC, 4269),
                        (key::METHOD, 8),
                        (key::LINEAR_UNITS, 9002),
                    ],
                    &[
                        (key::FIRST_PARALLEL, 33.0),
                        (key::SECOND_PARALLEL, 45.0),
                        (key::FALSE_LATITUDE, 23.0),
                        (key::FALSE_LONGITUDE, -96.0),
                        (key::FALSE_ORIGIN_EASTING, 1000.0),
                    ],
                    &[],
                ),
                Some(
                    "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=23 +lon_0=-96 +x_0=304.8 +y_0=0 +datum=NAD83 +to_meter=0.3048 +no_defs",
                ),
            ),
            // A datum that is not known, a method that is not, and angles that are no degrees.
            (
                Keys::with(&[(key::GEOGRAPHIC, 4314), (key::METHOD, 1)], &[], &[]),
                None,
            ),
            (Keys::with(&[wgs84, (key::METHOD, 3)], &[], &[]), None),
            (
                Keys::with(
                    &[wgs84, (key::METHOD, 24), (key::ANGULAR_UNITS, 9105)],
                    &[],
                    &[],
                ),
                None,
            ),
        ];
        for (keys, expected) in cases {
            assert_eq!(definition(&keys).as_deref(), expected);
        }
    }
}
