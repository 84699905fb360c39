//! Grids of edition 1: the grid description section, by [`read`].

use graticule_engine::error::{CubeError, CubeResult};

use super::earth::Earth;
use super::projected::{Projected, Projection};
use super::rectangle::{Corners, Pole};
use super::{Grid, Latitudes};
use crate::formats::grib::octets::Octets;

/// What octets 7 and 8, the points of a row, are where rows differ in length.
const NOT_ONE: u64 = 0xffff;

/// # Errors
/// A grid that is not read, or a damaged one.
pub(in crate::formats::grib) fn read(
    section: Octets<'_>,
    latitudes: &mut Latitudes,
) -> CubeResult<Grid> {
    let kind = section.octet(6)?;
    let earth = Earth::of_first(section.octet(17).is_ok_and(|flags| flags & 0x40 != 0));
    match kind {
        0 | 4 => of_degrees(section, kind == 4, latitudes),
        10 => {
            let pole = Pole {
                latitude: degrees(section, 33)?,
                longitude: degrees(section, 36)?,
                angle: section.ibm_float(39)?,
            };
            corners(section)?.rotated(pole, earth)
        }
        1 => {
            let projection = Projection::Mercator {
                parallel: degrees(section, 24)?,
                meridian: meridian(degrees(section, 14)?, degrees(section, 21)?),
            };
            projected(section, 29, earth, projection)
        }
        3 => {
            let parallels = [degrees(section, 29)?, degrees(section, 32)?];
            let projection = Projection::Lambert {
                latitude: parallels[0],
                parallels,
                meridian: degrees(section, 18)?,
            };
            projected(section, 21, earth, projection)
        }
        5 => {
            let is_south = section.octet(27)? & 0x80 != 0;
            let projection = Projection::PolarStereographic {
                is_south,
                parallel: if is_south { -60.0 } else { 60.0 },
                meridian: degrees(section, 18)?,
            };
            projected(section, 21, earth, projection)
        }
        other => Err(unsupported(other)),
    }
}

/// The meridian about which a grid from `first` to `last` is drawn, so that it is not cut in two.
pub(super) fn meridian(first: f64, last: f64) -> f64 {
    let east = |longitude: f64| (longitude + 540.0).rem_euclid(360.0) - 180.0;
    match east(first) <= east(last) {
        true => 0.0,
        false => 180.0,
    }
}

fn unsupported(kind: u8) -> CubeError {
    let name = match kind {
        50 | 60 | 70 | 80 => "spherical harmonics".to_string(),
        14 => "a rotated Gaussian grid".to_string(),
        90 => "a view from space".to_string(),
        kind => format!("the grid of data representation type {kind}"),
    };
    CubeError::unsupported("", format!("its values are on {name}"))
        .remedy("regrid it first, for example with `cdo`")
}

fn degrees(section: Octets<'_>, first: usize) -> CubeResult<f64> {
    Ok(section.signed(first, 3)? as f64 / 1000.0)
}

fn corners(section: Octets<'_>) -> CubeResult<Corners> {
    let has_steps = section.octet(17)? & 0x80 != 0;
    let step = section.unsigned(24, 2)?;
    Ok(Corners {
        columns: section.unsigned(7, 2)?,
        rows: section.unsigned(9, 2)?,
        first: [degrees(section, 11)?, degrees(section, 14)?],
        last: [degrees(section, 18)?, degrees(section, 21)?],
        step: (has_steps && step != NOT_ONE && step != 0).then(|| step as f64 / 1000.0),
        unit: 1e-3,
        flags: section.octet(28)?,
    })
}

fn of_degrees(
    section: Octets<'_>,
    is_gaussian: bool,
    latitudes: &mut Latitudes,
) -> CubeResult<Grid> {
    let corners = corners(section)?;
    let half = section.unsigned(26, 2)?;
    match (corners.columns, is_gaussian) {
        (NOT_ONE, _) => {
            let vertical = 4 * section.count(4, 1)?;
            let first = section.count(5, 1)? + vertical;
            let lengths = (0..corners.rows as usize).map(|row| {
                let length = section.unsigned(first + 2 * row, 2)?;
                Ok(length as u32)
            });
            let lengths = lengths.collect::<CubeResult<Vec<u32>>>()?;
            corners.reduced(is_gaussian.then_some(half), lengths, latitudes)
        }
        (_, true) => corners.gaussian(half, latitudes),
        (_, false) => corners.regular("regular_ll"),
    }
}

/// `steps` is the octet at which widths begin.
fn projected(
    section: Octets<'_>,
    steps: usize,
    earth: Earth,
    projection: Projection,
) -> CubeResult<Grid> {
    Projected {
        columns: section.unsigned(7, 2)?,
        rows: section.unsigned(9, 2)?,
        first: [degrees(section, 11)?, degrees(section, 14)?],
        steps: [
            section.unsigned(steps, 3)? as f64,
            section.unsigned(steps + 3, 3)? as f64,
        ],
        flags: section.octet(28)?,
        earth,
        projection,
    }
    .grid()
}
