//! The keys of GeoTIFF, which tell the coordinate reference system: [`Keys`].
//!
//! ```text
//!  GeoKeyDirectory   1 1 0 n │ key place count value │ …      place 0: the value stands here
//!  GeoDoubleParams                    └ 34736: doubles from `value` on
//!  GeoAsciiParams                     └ 34737: `count` characters from `value` on, `|` at their end
//! ```

use std::collections::BTreeMap;

use super::directory::{Directory, tag};

/// Numbers of keys, by the names that OGC GeoTIFF 1.1 (19-008r4) has for them.
pub(super) mod key {
    pub(in super::super) const MODEL_TYPE: u16 = 1024;
    pub(in super::super) const RASTER_TYPE: u16 = 1025;
    pub(in super::super) const CITATION: u16 = 1026;
    pub(in super::super) const GEOGRAPHIC: u16 = 2048;
    pub(in super::super) const GEOGRAPHIC_CITATION: u16 = 2049;
    pub(in super::super) const DATUM: u16 = 2050;
    pub(in super::super) const ANGULAR_UNITS: u16 = 2054;
    pub(in super::super) const ELLIPSOID: u16 = 2056;
    pub(in super::super) const SEMI_MAJOR_AXIS: u16 = 2057;
    pub(in super::super) const SEMI_MINOR_AXIS: u16 = 2058;
    pub(in super::super) const INVERSE_FLATTENING: u16 = 2059;
    pub(in super::super) const PRIME_MERIDIAN: u16 = 2061;
    pub(in super::super) const PROJECTED: u16 = 3072;
    pub(in super::super) const PROJECTED_CITATION: u16 = 3073;
    pub(in super::super) const PROJECTION: u16 = 3074;
    pub(in super::super) const METHOD: u16 = 3075;
    pub(in super::super) const LINEAR_UNITS: u16 = 3076;
    pub(in super::super) const LINEAR_UNIT_SIZE: u16 = 3077;
    pub(in super::super) const FIRST_PARALLEL: u16 = 3078;
    pub(in super::super) const SECOND_PARALLEL: u16 = 3079;
    pub(in super::super) const NATURAL_LONGITUDE: u16 = 3080;
    pub(in super::super) const NATURAL_LATITUDE: u16 = 3081;
    pub(in super::super) const FALSE_EASTING: u16 = 3082;
    pub(in super::super) const FALSE_NORTHING: u16 = 3083;
    pub(in super::super) const FALSE_LONGITUDE: u16 = 3084;
    pub(in super::super) const FALSE_LATITUDE: u16 = 3085;
    pub(in super::super) const FALSE_ORIGIN_EASTING: u16 = 3086;
    pub(in super::super) const FALSE_ORIGIN_NORTHING: u16 = 3087;
    pub(in super::super) const CENTRE_LONGITUDE: u16 = 3088;
    pub(in super::super) const CENTRE_LATITUDE: u16 = 3089;
    pub(in super::super) const CENTRE_EASTING: u16 = 3090;
    pub(in super::super) const CENTRE_NORTHING: u16 = 3091;
    pub(in super::super) const NATURAL_SCALE: u16 = 3092;
    pub(in super::super) const CENTRE_SCALE: u16 = 3093;
    pub(in super::super) const POLE_LONGITUDE: u16 = 3095;
}

/// The keys of an image, by their numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Keys {
    codes: BTreeMap<u16, u16>,
    numbers: BTreeMap<u16, f64>,
    texts: BTreeMap<u16, String>,
}

impl Keys {
    /// The keys of an image; those that point to nowhere are left out.
    pub(super) fn of(directory: &Directory) -> Self {
        let shorts = directory.numbers(tag::KEY_DIRECTORY);
        let doubles = directory.floats(tag::KEY_DOUBLES);
        let texts = directory.text(tag::KEY_TEXTS).unwrap_or_default();
        let mut keys = Self::default();
        for entry in shorts.as_chunks::<4>().0.iter().skip(1) {
            let [key, place, count, value] = entry.map(|short| short as u16);
            let start = usize::from(value);
            match place {
                0 => {
                    keys.codes.insert(key, value);
                }
                tag::KEY_DOUBLES => {
                    let number = doubles.get(start).filter(|number| number.is_finite());
                    keys.numbers.extend(number.map(|number| (key, *number)));
                }
                tag::KEY_TEXTS => {
                    let text = texts.get(start..start + usize::from(count));
                    let text = text.or_else(|| texts.get(start..));
                    let text = text.map(|text| text.trim_end_matches(['|', '\0']).to_string());
                    keys.texts.extend(text.map(|text| (key, text)));
                }
                _ => {}
            }
        }
        keys
    }

    /// The code that a key has; not "undefined" and not "user-defined".
    pub(super) fn code(&self, key: u16) -> Option<u16> {
        let code = self.codes.get(&key).copied();
        code.filter(|code| *code != 0 && *code != USER_DEFINED)
    }

    /// Is what the key names described by other keys?
    pub(super) fn is_user_defined(&self, key: u16) -> bool {
        self.codes.get(&key) == Some(&USER_DEFINED)
    }

    pub(super) fn number(&self, key: u16) -> Option<f64> {
        self.numbers.get(&key).copied()
    }

    /// The number of the first of these keys that is there.
    pub(super) fn first_number(&self, keys: &[u16]) -> Option<f64> {
        keys.iter().find_map(|key| self.number(*key))
    }

    pub(super) fn text(&self, key: u16) -> Option<&str> {
        self.texts.get(&key).map(String::as_str)
    }

    /// Is what is placed the centre of a pixel rather than its corner?
    pub(super) fn is_point(&self) -> bool {
        self.code(key::RASTER_TYPE) == Some(2)
    }

    #[cfg(test)]
    pub(super) fn with(
        codes: &[(u16, u16)],
        numbers: &[(u16, f64)],
        texts: &[(u16, &str)],
    ) -> Self {
        Self {
            codes: codes.iter().copied().collect(),
            numbers: numbers.iter().copied().collect(),
            texts: texts
                .iter()
                .map(|(key, text)| (*key, text.to_string()))
                .collect(),
        }
    }
}

/// What is described rather than named.
const USER_DEFINED: u16 = 32767;
