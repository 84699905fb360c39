//! The shape of the Earth that a grid assumes: [`Earth`].

use graticule_engine::error::CubeResult;
use graticule_engine::source::Attributes;
use serde_json::Value;

use crate::formats::grib::damaged;
use crate::formats::grib::octets::Octets;

/// Half axes in metres; of a sphere they are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Earth {
    major: f64,
    minor: f64,
}

impl Earth {
    const fn sphere(radius: f64) -> Self {
        Self {
            major: radius,
            minor: radius,
        }
    }

    /// Edition 1: a sphere, or the ellipsoid of the IAU of 1965.
    pub(super) fn of_first(is_oblate: bool) -> Self {
        match is_oblate {
            true => Self::IAU,
            false => Self::sphere(6_367_470.0),
        }
    }

    const IAU: Self = Self {
        major: 6_378_160.0,
        minor: 6_356_775.0,
    };

    /// Edition 2: code table 3.2.
    pub(super) fn of_second(section: Octets<'_>) -> CubeResult<Self> {
        // A factor of ten and a number; with all bits set they are missing.
        let scaled = |first: usize| -> CubeResult<f64> {
            let scale = section.signed(first, 1)? as i32;
            Ok(section.unsigned(first + 1, 4)? as f64 / 10_f64.powi(scale))
        };
        let axes = |metres: f64| -> CubeResult<Self> {
            Ok(Self {
                major: scaled(21)? * metres,
                minor: scaled(26)? * metres,
            })
        };
        let earth = match section.octet(15)? {
            0 => Self::sphere(6_367_470.0),
            1 => Self::sphere(scaled(16)?),
            2 => Self::IAU,
            3 => axes(1000.0)?,
            4 => Self {
                major: 6_378_137.0,
                minor: 6_356_752.314,
            },
            5 => Self {
                major: 6_378_137.0,
                minor: 6_356_752.314_245_179,
            },
            7 => axes(1.0)?,
            8 => Self::sphere(6_371_200.0),
            9 => Self {
                major: 6_377_563.396,
                minor: 6_356_256.909,
            },
            _ => Self::sphere(6_371_229.0),
        };
        let is_usable = |axis: f64| axis.is_finite() && axis > 1.0;
        match is_usable(earth.major) && is_usable(earth.minor) {
            true => Ok(earth),
            false => Err(damaged("its grid lies on an Earth without size")),
        }
    }

    /// The parameters of a PROJ string.
    pub(super) fn proj(&self) -> String {
        match self.major == self.minor {
            true => format!("+R={}", self.major),
            false => format!("+a={} +b={}", self.major, self.minor),
        }
    }

    /// Attributes of a grid mapping (CF 1.12, appendix F).
    pub(super) fn describe(&self, attributes: &mut Attributes) {
        let mut set = |name: &str, value: f64| {
            attributes.insert(name.to_string(), Value::from(value));
        };
        match self.major == self.minor {
            true => set("earth_radius", self.major),
            false => {
                set("semi_major_axis", self.major);
                set("semi_minor_axis", self.minor);
            }
        }
    }
}
