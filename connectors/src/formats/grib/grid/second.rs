//! Grids of edition 2: section 3, by [`read`].

use graticule_engine::error::{CubeError, CubeResult};

use super::earth::Earth;
use super::first::meridian;
use super::projected::{Projected, Projection};
use super::rectangle::{Corners, Pole};
use super::{Grid, Latitudes, Places, Scanning};
use crate::formats::grib::octets::Octets;

/// What the points of a row, and other numbers, are where there is none.
const MISSING: u64 = 0xffff_ffff;

/// # Errors
/// A grid that is not read, or a damaged one.
pub(in crate::formats::grib) fn read(
    section: Octets<'_>,
    latitudes: &mut Latitudes,
) -> CubeResult<Grid> {
    let template = section.unsigned(13, 2)?;
    let points = section.unsigned(7, 4)?;
    match template {
        0 | 40 => of_degrees(section, template == 40, latitudes),
        1 => {
            let pole = Pole {
                latitude: micro(section, 73)?,
                longitude: micro(section, 77)?,
                angle: section.float(81)?,
            };
            corners(section)?.rotated(pole, Earth::of_second(section)?)
        }
        10 => {
            let projection = Projection::Mercator {
                parallel: micro(section, 48)?,
                meridian: meridian(micro(section, 43)?, micro(section, 56)?),
            };
            projected(section, 65, 60, projection)
        }
        20 => {
            let is_south = section.octet(64)? & 0x80 != 0;
            let parallel = micro(section, 48)?;
            let projection = Projection::PolarStereographic {
                is_south,
                // Some files have it without its sign.
                parallel: match is_south {
                    true => -parallel.abs(),
                    false => parallel,
                },
                meridian: micro(section, 52)?,
            };
            projected(section, 56, 65, projection)
        }
        30 => {
            let projection = Projection::Lambert {
                latitude: micro(section, 48)?,
                parallels: [micro(section, 66)?, micro(section, 70)?],
                meridian: micro(section, 52)?,
            };
            projected(section, 56, 65, projection)
        }
        140 => {
            let projection = Projection::LambertEqualArea {
                latitude: micro(section, 47)?,
                meridian: micro(section, 51)?,
            };
            projected(section, 56, 64, projection)
        }
        // Their places are in no section, or in the name of a grid.
        100 | 101 | 150 => Grid {
            kind: match template {
                150 => "healpix",
                _ => "unstructured_grid",
            },
            places: Places::Points { axes: Vec::new() },
            scanning: Scanning::default(),
            points,
        }
        .checked(),
        other => Err(unsupported(other)),
    }
}

fn unsupported(template: u64) -> CubeError {
    let name = match template {
        50..=53 => "spherical harmonics".to_string(),
        41..=43 => "a rotated or stretched Gaussian grid".to_string(),
        2 | 3 => "a stretched grid".to_string(),
        90 => "a view from space".to_string(),
        other => format!("the grid of grid definition template 3.{other}"),
    };
    CubeError::unsupported("", format!("its values are on {name}"))
        .remedy("regrid it first, for example with `cdo`")
}

fn micro(section: Octets<'_>, first: usize) -> CubeResult<f64> {
    Ok(section.signed(first, 4)? as f64 / 1e6)
}

fn corners(section: Octets<'_>) -> CubeResult<Corners> {
    let [basic, parts] = [section.unsigned(39, 4)?, section.unsigned(43, 4)?];
    let is_stated = basic != 0 && basic != MISSING && parts != 0 && parts != MISSING;
    let degrees = |number: f64| match is_stated {
        true => number * basic as f64 / parts as f64,
        false => number / 1e6,
    };
    let angle = |first: usize| Ok(degrees(section.signed(first, 4)? as f64));
    let angle = |first| -> CubeResult<f64> { angle(first) };
    let step = section.unsigned(64, 4)?;
    let has_step = section.octet(55)? & 0x20 != 0 && step != MISSING && step != 0;
    Ok(Corners {
        columns: section.unsigned(31, 4)?,
        rows: section.unsigned(35, 4)?,
        first: [angle(47)?, angle(51)?],
        last: [angle(56)?, angle(60)?],
        step: has_step.then(|| degrees(step as f64)),
        unit: degrees(1.0),
        flags: section.octet(72)?,
    })
}

fn of_degrees(
    section: Octets<'_>,
    is_gaussian: bool,
    latitudes: &mut Latitudes,
) -> CubeResult<Grid> {
    let corners = corners(section)?;
    let half = section.unsigned(68, 4)?;
    match (corners.columns, is_gaussian) {
        (MISSING, _) => {
            // The section is as long as it is, whatever the number of rows.
            let octets = section.count(11, 1)?.max(1);
            let lengths = (73..)
                .step_by(octets)
                .take(corners.rows as usize)
                .map(|first| Ok(section.unsigned(first, octets.min(4))? as u32));
            let lengths = lengths.collect::<CubeResult<Vec<u32>>>()?;
            corners.reduced(is_gaussian.then_some(half), lengths, latitudes)
        }
        (_, true) => corners.gaussian(half, latitudes),
        (_, false) => corners.regular("regular_ll"),
    }
}

/// `steps` and `flags` are the octets at which widths and scanning mode stand.
fn projected(
    section: Octets<'_>,
    steps: usize,
    flags: usize,
    projection: Projection,
) -> CubeResult<Grid> {
    let metres = |first: usize| -> CubeResult<f64> { Ok(section.unsigned(first, 4)? as f64 / 1e3) };
    Projected {
        columns: section.unsigned(31, 4)?,
        rows: section.unsigned(35, 4)?,
        first: [micro(section, 39)?, micro(section, 43)?],
        steps: [metres(steps)?, metres(steps + 4)?],
        flags: section.octet(flags)?,
        earth: Earth::of_second(section)?,
        projection,
    }
    .grid()
}
