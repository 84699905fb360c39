//! The level of a field: [`Level`], its kind by the names that ecCodes gives, and where it lies.

use graticule_engine::error::CubeResult;

use super::octets::Octets;

/// A level or a layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    pub(super) kind: Kind,
    /// The level, or the first surface of a layer; `None` where the kind says all.
    pub(super) value: Option<f64>,
    /// The second surface of a layer.
    pub(super) bottom: Option<f64>,
}

/// A kind of level.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Kind {
    /// As ecCodes calls it, which is the name of the dimension.
    pub(super) name: String,
    pub(super) units: &'static str,
}

/// How the coordinate of a kind is described: kind, standard name, long name, direction.
const DESCRIPTIONS: [(&str, &str, &str, &str); 16] = [
    ("isobaricInhPa", "air_pressure", "pressure", "down"),
    (
        "heightAboveGround",
        "height",
        "height above the surface",
        "up",
    ),
    (
        "heightAboveGroundLayer",
        "height",
        "height above the surface",
        "up",
    ),
    (
        "heightAboveSea",
        "height_above_mean_sea_level",
        "height above mean sea level",
        "up",
    ),
    (
        "hybrid",
        "atmosphere_hybrid_sigma_pressure_coordinate",
        "hybrid level",
        "down",
    ),
    (
        "hybridLayer",
        "atmosphere_hybrid_sigma_pressure_coordinate",
        "hybrid level",
        "down",
    ),
    ("sigma", "atmosphere_sigma_coordinate", "sigma", "down"),
    ("sigmaLayer", "atmosphere_sigma_coordinate", "sigma", "down"),
    ("depthBelowLand", "depth", "depth below land", "down"),
    ("depthBelowLandLayer", "depth", "depth below land", "down"),
    ("soil", "", "soil level", "down"),
    ("soilLayer", "", "soil level", "down"),
    (
        "depthBelowSea",
        "depth",
        "depth below the sea surface",
        "down",
    ),
    (
        "depthBelowSeaLayer",
        "depth",
        "depth below the sea surface",
        "down",
    ),
    (
        "theta",
        "air_potential_temperature",
        "potential temperature",
        "up",
    ),
    (
        "potentialVorticity",
        "ertel_potential_vorticity",
        "potential vorticity",
        "up",
    ),
];

impl Kind {
    fn of(name: impl Into<String>, units: &'static str) -> Self {
        Self {
            name: name.into(),
            units,
        }
    }

    /// Standard name, long name and direction, where they are known.
    pub(super) fn description(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let mut descriptions = DESCRIPTIONS.iter();
        let found = descriptions.find(|(name, ..)| *name == self.name)?;
        Some((found.1, found.2, found.3))
    }

    /// Is a single level of this kind a place on an axis, rather than part of what the variable is?
    pub(super) fn is_axis(&self) -> bool {
        matches!(
            self.name.as_str(),
            "isobaricInhPa" | "hybrid" | "theta" | "sigma"
        )
    }

    /// Are levels listed from the ground up, the highest number first?
    pub(super) fn is_descending(&self) -> bool {
        self.name == "isobaricInhPa"
    }
}

/// Kinds of edition 1 (table 3), by their numbers: name, units, and whether the two octets are the two surfaces of a layer.
const FIRST: [(u8, &str, &str, bool); 34] = [
    (1, "surface", "", false),
    (2, "cloudBase", "", false),
    (3, "cloudTop", "", false),
    (4, "isothermZero", "", false),
    (5, "adiabaticCondensation", "", false),
    (6, "maxWind", "", false),
    (7, "tropopause", "", false),
    (8, "nominalTop", "", false),
    (9, "seaBottom", "", false),
    (20, "isothermal", "0.01 K", false),
    (100, "isobaricInhPa", "hPa", false),
    (101, "isobaricLayer", "kPa", true),
    (102, "meanSea", "", false),
    (103, "heightAboveSea", "m", false),
    (104, "heightAboveSeaLayer", "hm", true),
    (105, "heightAboveGround", "m", false),
    (106, "heightAboveGroundLayer", "hm", true),
    (107, "sigma", "0.0001", false),
    (108, "sigmaLayer", "0.01", true),
    (109, "hybrid", "1", false),
    (110, "hybridLayer", "1", true),
    (111, "depthBelowLand", "cm", false),
    (112, "depthBelowLandLayer", "cm", true),
    (113, "theta", "K", false),
    (114, "thetaLayer", "K", true),
    (115, "pressureFromGround", "hPa", false),
    (116, "pressureFromGroundLayer", "hPa", true),
    (117, "potentialVorticity", "1e-9 K m2 kg-1 s-1", false),
    (160, "depthBelowSea", "m", false),
    (200, "entireAtmosphere", "", false),
    (201, "entireOcean", "", false),
    (211, "oceanWave", "", false),
    (212, "oceanMixedLayer", "", false),
    (210, "isobaricInhPa", "hPa", false),
];

/// Kinds of edition 2 (code table 4.5), by the numbers of both surfaces, 255 for none: name and units.
const SECOND: [(u8, u8, &str, &str); 62] = [
    (1, 255, "surface", ""),
    (1, 7, "troposphere", ""),
    (1, 8, "entireAtmosphere", ""),
    (1, 9, "entireOcean", ""),
    (1, 162, "entireLake", ""),
    (1, 151, "totalSoilLayer", ""),
    (1, 167, "rootZone", ""),
    (1, 100, "lowCloudLayer", ""),
    (2, 255, "cloudBase", ""),
    (3, 255, "cloudTop", ""),
    (4, 255, "isothermZero", ""),
    (5, 255, "adiabaticCondensation", ""),
    (6, 255, "maxWind", ""),
    (7, 255, "tropopause", ""),
    (7, 36, "stratosphere", ""),
    (8, 255, "nominalTop", ""),
    (9, 255, "seaBottom", ""),
    (10, 255, "atmosphere", ""),
    (11, 255, "cumulonimbusBase", ""),
    (12, 255, "cumulonimbusTop", ""),
    (14, 255, "freeConvection", ""),
    (15, 255, "convectiveCondensation", ""),
    (16, 255, "neutralBuoyancy", ""),
    (17, 255, "mostUnstableParcel", ""),
    (18, 255, "mixedLayerParcel", ""),
    (20, 255, "isothermal", "K"),
    (100, 255, "isobaricInhPa", "hPa"),
    (100, 100, "isobaricLayer", "hPa"),
    (100, 8, "highCloudLayer", ""),
    (101, 255, "meanSea", ""),
    (102, 255, "heightAboveSea", "m"),
    (102, 102, "heightAboveSeaLayer", "m"),
    (103, 255, "heightAboveGround", "m"),
    (103, 103, "heightAboveGroundLayer", "m"),
    (104, 255, "sigma", "1"),
    (104, 104, "sigmaLayer", "1"),
    (105, 255, "hybrid", "1"),
    (105, 105, "hybridLayer", "1"),
    (106, 255, "depthBelowLand", "m"),
    (106, 106, "depthBelowLandLayer", "m"),
    (107, 255, "theta", "K"),
    (107, 107, "thetaLayer", "K"),
    (108, 255, "pressureFromGround", "hPa"),
    (108, 108, "pressureFromGroundLayer", "hPa"),
    (109, 255, "potentialVorticity", "K m2 kg-1 s-1"),
    (111, 255, "eta", "1"),
    (114, 255, "snow", "1"),
    (114, 114, "snowLayer", "1"),
    (118, 255, "hybridHeight", "1"),
    (119, 255, "hybridPressure", "1"),
    (150, 255, "generalVertical", "1"),
    (150, 150, "generalVerticalLayer", "1"),
    (151, 255, "soil", "1"),
    (151, 151, "soilLayer", "1"),
    (152, 255, "seaIce", "1"),
    (152, 152, "seaIceLayer", "1"),
    (160, 255, "depthBelowSea", "m"),
    (160, 160, "depthBelowSeaLayer", "m"),
    (162, 255, "lakeBottom", ""),
    (166, 255, "mixingLayer", ""),
    (168, 255, "oceanModel", "1"),
    (168, 168, "oceanModelLayer", "1"),
];

impl Level {
    /// Octets 10 to 12 of edition 1's product definition section.
    pub(super) fn of_first(section: Octets<'_>) -> CubeResult<Self> {
        let number = section.octet(10)?;
        let mut kinds = FIRST.iter();
        let (name, units, is_layer) = match kinds.find(|(known, ..)| *known == number) {
            Some((_, name, units, is_layer)) => ((*name).to_string(), *units, *is_layer),
            None => (format!("level_{number}"), "1", false),
        };
        let [one, two] = [section.octet(11)?, section.octet(12)?].map(f64::from);
        let (value, bottom) = match is_layer {
            true => (one, Some(two)),
            // Pascals, not hectopascals.
            false if number == 210 => ((one * 256.0 + two) / 100.0, None),
            false => (one * 256.0 + two, None),
        };
        let has_value = !units.is_empty();
        Ok(Self {
            kind: Kind::of(name, units),
            value: has_value.then_some(value),
            bottom: bottom.filter(|_| has_value),
        })
    }

    /// Two fixed surfaces of edition 2, each a type, a power of ten and a number, from octet `first` of section 4 on.
    pub(super) fn of_second(section: Octets<'_>, first: usize) -> CubeResult<(Self, [u8; 2])> {
        let types = [section.octet(first)?, section.octet(first + 6)?];
        let mut kinds = SECOND.iter();
        let known = kinds.find(|(one, two, ..)| [*one, *two] == types);
        let (name, units) = match (known, types) {
            (Some((_, _, name, units)), _) => ((*name).to_string(), *units),
            (None, [one, 255]) => (format!("level_{one}"), "1"),
            (None, [one, two]) => (format!("layer_{one}_{two}"), "1"),
        };
        let value = |first: usize| -> CubeResult<Option<f64>> {
            let value = surface_value(section, first)?;
            Ok(match units {
                "" => None,
                "hPa" => value.map(|pascals| pascals / 100.0),
                _ => value,
            })
        };
        let level = Self {
            value: value(first + 1)?,
            bottom: value(first + 7)?.filter(|_| types[1] != 255),
            kind: Kind::of(name, units),
        };
        Ok((level, types))
    }
}

/// The number of a fixed surface, from its power of ten on; `None` where it is missing.
pub(super) fn surface_value(section: Octets<'_>, first: usize) -> CubeResult<Option<f64>> {
    let number = section.unsigned(first + 1, 4)?;
    if number == 0xffff_ffff || section.octet(first)? == 0xff {
        return Ok(None);
    }
    let number = section.signed(first + 1, 4)? as f64;
    let scale = section.signed(first, 1)? as i32;
    Ok(Some(match scale {
        // Dividing keeps 0.1 what it is.
        0.. => number / 10_f64.powi(scale),
        _ => number * 10_f64.powi(-scale),
    }))
}
