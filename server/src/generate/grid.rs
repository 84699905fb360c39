//! Where the cells of the wanted cube lie: [`Grid`].
//!
//! ```text
//!  crs, spatial_res  as the cube has them ─▶ WHERE lat BETWEEN … AND lon BETWEEN …
//!                    otherwise            ─▶ reproject(t, crs => …, resolution => …, bbox => […], method => …)
//! ```

use graticule_engine::cube::AxisRole;
use graticule_functions::space::wkt_of;
use graticule_functions::space::zones::is_geographic;

use super::inputs::{Input, InputAxis, known_crs};
use super::remarks::Remarks;
use super::request::CubeConfig;
use super::text::{identifier, literal};

/// How much two sizes of cells may differ and count as one: coordinates may be floats of 32 bits.
const SAME: f64 = 1e-6;

/// Metres along a degree of a great circle, to tell coarser cells from finer ones across systems.
const METRES_PER_DEGREE: f64 = 111_320.0;

/// What axes from west to east measure, and those from south to north.
pub(super) const X: [AxisRole; 2] = [AxisRole::Longitude, AxisRole::X];
pub(super) const Y: [AxisRole; 2] = [AxisRole::Latitude, AxisRole::Y];

/// The grid of the wanted cube.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Grid {
    /// That of the cube that is read, or a part of it.
    Same {
        /// West, south, east, north.
        bbox: Option<[f64; 4]>,
    },
    /// Another one.
    Other {
        /// The arguments of `reproject`, but for the method.
        arguments: String,
        /// Names of the axes along y and x.
        axes: [String; 2],
        /// Do the arguments alone say where all cells lie?
        is_given: bool,
        method: Method,
        /// Those that leave the part of it that is wanted.
        conditions: Vec<String>,
    },
}

/// How values come onto another grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Cells are of the same size or smaller, or nobody knows.
    Bilinear,
    /// Cells become larger.
    Average,
}

impl Method {
    /// For people.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Bilinear => {
                "values are interpolated between the nearest four cells; flags are those of the nearest"
            }
            Self::Average => {
                "cells become larger: values are means of the cells below; flags are those of the nearest"
            }
        }
    }

    /// From cells of a size to others, in degrees or metres.
    fn of(from: Option<(f64, bool)>, to: Option<(f64, bool)>) -> Self {
        let metres = |(size, is_geographic)| match is_geographic {
            true => size * METRES_PER_DEGREE,
            false => size,
        };
        let sizes = from.map(metres).zip(to.map(metres));
        match sizes.is_some_and(|(from, to)| to > from * (1.0 + SAME)) {
            true => Self::Average,
            false => Self::Bilinear,
        }
    }
}

impl Grid {
    /// The grid that `config` asks for, of a cube like `input`.
    pub(super) fn of(config: &CubeConfig, input: &Input, remarks: &mut Remarks) -> Self {
        let bbox = bbox(config, remarks);
        let crs = config.crs.as_deref().map(known_crs);
        let is_same_system = crs.as_ref().is_none_or(|crs| input.is_in(crs));
        let sizes = config.spatial_res.map(|sizes| sizes.both());
        if let Some([x, y]) = sizes
            && !(x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite())
        {
            remarks.refuse(
                "cube_config.spatial_res",
                "sizes of cells are greater than 0; write one in units of crs",
            );
        }
        let is_asked = bbox.is_some() || crs.is_some() || sizes.is_some();
        if is_asked && (input.x().is_none() || input.y().is_none()) {
            let text = format!(
                "the cells of {} lie along no axes from west to east and from south to north; put them on a grid first, or leave bbox, crs and spatial_res out",
                input.table
            );
            remarks.refuse("cube_config", text);
        }
        let step = |axis: Option<&InputAxis>| axis.and_then(|axis| axis.step());
        let own = [step(input.x()), step(input.y())];
        let is_same_size = sizes.is_none_or(|sizes| {
            let mut pairs = sizes.iter().zip(own);
            pairs.all(|(asked, own)| {
                own.is_some_and(|own| (asked - own).abs() <= SAME * own.max(*asked))
            })
        });
        if is_same_system && is_same_size {
            return Self::Same { bbox };
        }
        let geographic = match &crs {
            // What a definition does not say by itself, its WKT does.
            Some(crs) => is_geographic(crs)
                .or_else(|| is_geographic(&wkt_of(crs).ok()?))
                .unwrap_or(false),
            None => input.is_geographic,
        };
        let mut arguments = Vec::new();
        if let Some(crs) = &crs {
            arguments.push(format!("crs => {}", literal(crs)));
        }
        if let Some([x, y]) = sizes {
            arguments.push(match x == y {
                true => format!("resolution => {x}"),
                false => format!("resolution => [{x}, {y}]"),
            });
        }
        if let Some([west, south, east, north]) = bbox {
            // Across the antimeridian the east is further east.
            let east = if geographic && east < west {
                east + 360.0
            } else {
                east
            };
            arguments.push(format!("bbox => [{west}, {south}, {east}, {north}]"));
        }
        Self::Other {
            is_given: bbox.is_some() && sizes.is_some(),
            arguments: arguments.join(", "),
            axes: if geographic {
                ["lat", "lon"]
            } else {
                ["y", "x"]
            }
            .map(String::from),
            method: Method::of(
                own[0].map(|size| (size, input.is_geographic)),
                sizes.map(|[x, _]| (x, geographic)),
            ),
            conditions: Vec::new(),
        }
    }

    /// The grid on which `other` comes to lie on this one, which is that of `input`.
    pub(super) fn shared_with(&self, input: &Input, other: &Input) -> Self {
        let size = |input: &Input| input.x()?.step().map(|size| (size, input.is_geographic));
        match self {
            Self::Same { .. } if other.has_axis_of(input, &X) && other.has_axis_of(input, &Y) => {
                self.clone()
            }
            Self::Same { .. } => Self::Other {
                arguments: format!("like => {}", input.table),
                axes: [input.y(), input.x()]
                    .map(|axis| axis.map(|axis| axis.name.clone()).unwrap_or_default()),
                is_given: false,
                method: Method::of(size(other), size(input)),
                conditions: self.conditions(input),
            },
            Self::Other {
                arguments,
                axes,
                is_given,
                method,
                conditions,
            } => Self::Other {
                arguments: match is_given {
                    true => arguments.clone(),
                    false => format!("like => reproject({}, {arguments})", input.table),
                },
                axes: axes.clone(),
                is_given: *is_given,
                method: *method,
                conditions: conditions.clone(),
            },
        }
    }

    /// What stands in `FROM`.
    pub(super) fn relation(&self, input: &Input) -> String {
        match self {
            Self::Same { .. } => input.table.clone(),
            Self::Other {
                arguments, method, ..
            } => {
                let method = match method {
                    Method::Bilinear => "",
                    Method::Average => ", method => 'average'",
                };
                format!("reproject({}, {arguments}{method})", input.table)
            }
        }
    }

    /// Conditions that leave the part of the grid that is wanted.
    pub(super) fn conditions(&self, input: &Input) -> Vec<String> {
        let [west, south, east, north] = match self {
            Self::Same { bbox: Some(bbox) } => bbox,
            Self::Same { bbox: None } => return Vec::new(),
            Self::Other { conditions, .. } => return conditions.clone(),
        };
        let (Some(x), Some(y)) = (input.x(), input.y()) else {
            return Vec::new();
        };
        let turns = x.role == AxisRole::Longitude
            && (east < west
                || *west < 0.0
                    && x.numbers()
                        .is_some_and(|lon| lon.iter().any(|lon| *lon > 180.0)));
        let (x, y) = (identifier(&x.name), identifier(&y.name));
        vec![
            format!("{y} BETWEEN {south} AND {north}"),
            match turns {
                true => format!("lon_between({x}, {west}, {east})"),
                false => format!("{x} BETWEEN {west} AND {east}"),
            },
        ]
    }
}

/// West, south, east and north.
fn bbox(config: &CubeConfig, remarks: &mut Remarks) -> Option<[f64; 4]> {
    let bbox = config.bbox.as_ref()?;
    let numbers: Option<[f64; 4]> = bbox.as_slice().try_into().ok();
    let is_fine = |[west, south, east, north]: &[f64; 4]| south < north && west != east;
    let found = numbers.filter(is_fine);
    if found.is_none() {
        remarks.refuse(
            "cube_config.bbox",
            "a box is [west, south, east, north] with south < north; write four numbers in units of crs",
        );
    }
    found
}
