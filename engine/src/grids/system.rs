//! The horizontal grid of a cube, and the coordinate reference system that it is in: [`Horizontal`].

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use graticule_functions::space::grid_mapping::definition_of;
use graticule_functions::space::share_of_band;
use graticule_functions::space::zones::is_geographic;
use graticule_functions::warp::CellAxis;

use crate::cube::crs::Crs;
use crate::cube::metadata::UNITS;
use crate::cube::{Axis, AxisRole, Cube};
use crate::error::{CubeError, CubeResult};
use crate::sql::names::quoted;

/// A full circle of longitudes, in degrees.
pub(super) const CIRCLE: f64 = 360.0;

/// The horizontal axes of a cube.
#[derive(Debug, Clone)]
pub(crate) struct Horizontal {
    /// Number of the axis along a row of a map.
    pub(crate) x: usize,
    /// Number of the axis along a column.
    pub(crate) y: usize,
    /// Centres of the cells along x, in the units of the axis.
    pub(crate) x_centres: Vec<f64>,
    /// Centres of the cells along y.
    pub(crate) y_centres: Vec<f64>,
    /// Positions along x.
    pub(crate) x_cells: CellAxis,
    /// Positions along y.
    pub(crate) y_cells: CellAxis,
    /// The system, as PROJ understands it.
    pub(crate) system: String,
    /// What a unit of the axes is in units of the system: 1000 where the axes count kilometres.
    pub(crate) unit: f64,
}

impl Horizontal {
    /// Those of `cube`, in the system `stated`, or else the one that the cube states.
    ///
    /// # Errors
    /// The cube has no horizontal axes, they have no order, or nobody knows in which system they are.
    pub(crate) fn of(cube: &Cube, stated: Option<String>) -> Result<Self> {
        let (x, y) = horizontal_axes(cube)?;
        let system = match stated {
            Some(stated) => stated,
            None => system_of(cube, x)?,
        };
        let is_turning = is_turning(&system);
        let circle = is_turning.then_some(CIRCLE);
        let (x_centres, x_cells) = cells(cube, x, circle)?;
        let (y_centres, y_cells) = cells(cube, y, None)?;
        Ok(Self {
            unit: unit(&system, &cube.axes[x]),
            x,
            y,
            x_centres,
            y_centres,
            x_cells,
            y_cells,
            system,
        })
    }

    /// How large the cells of a row are, next to those of others.
    pub(super) fn size_of_row(&self, row: usize) -> f64 {
        match (self.y_centres.get(row), is_geographic(&self.system)) {
            (Some(centre), Some(true)) => share_of_band(*centre, self.step_of_row(row)),
            _ => 1.0,
        }
    }

    /// The position along y at which as much of a row's area lies before it as there lie cells before `position`.
    /// Rows of a projected grid are as large at either edge.
    pub(super) fn by_area(&self, position: f64) -> f64 {
        let edge = position + 0.5;
        let row = edge.floor();
        let is_row = row >= 0.0 && row < self.y_centres.len() as f64;
        if !is_row || is_geographic(&self.system) != Some(true) {
            return position;
        }
        let step = self.step_of_row(row as usize);
        let centre = self.y_centres[row as usize];
        let descends = self.y_centres.first() > self.y_centres.last();
        let share = edge - row;
        // From the row's first edge to the position, and all of it.
        let first = if descends {
            centre + step / 2.0
        } else {
            centre - step / 2.0
        };
        let towards = if descends { -step } else { step };
        let part = share_of_band(first + towards * share / 2.0, step * share);
        let whole = share_of_band(centre, step);
        match whole > 0.0 {
            true => row + part / whole - 0.5,
            false => position,
        }
    }

    fn step_of_row(&self, row: usize) -> f64 {
        let first = row.min(self.y_centres.len().saturating_sub(2));
        let pair = self.y_centres.get(first).zip(self.y_centres.get(first + 1));
        pair.map_or(0.0, |(one, other)| (one - other).abs())
    }

    /// The edges of the cells along x and y.
    pub(super) fn edges(&self) -> (Vec<f64>, Vec<f64>) {
        (edges(&self.x_centres), edges(&self.y_centres))
    }
}

/// The axes along a row and along a column of a map.
///
/// # Errors
/// One is missing.
pub(super) fn horizontal_axes(cube: &Cube) -> Result<(usize, usize)> {
    let find = |roles: [AxisRole; 2]| cube.axes.iter().position(|axis| roles.contains(&axis.role));
    let x = find([AxisRole::Longitude, AxisRole::X]);
    let y = find([AxisRole::Latitude, AxisRole::Y]);
    x.zip(y).ok_or_else(|| {
        let names: Vec<String> = cube
            .axes
            .iter()
            .map(|axis| quoted(axis.field.name()))
            .collect();
        let cause = format!(
            "it has no horizontal grid: none of its axes ({}) are latitude and longitude, or y and x",
            names.join(", ")
        );
        CubeError::unsupported(&cube.name, cause)
            .remedy("select the axes of the grid, too")
            .into()
    })
}

/// The edges between cells in the middle between their centres.
pub(super) fn edges(centres: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (centres.first(), centres.last()) else {
        return Vec::new();
    };
    let half = |one: f64, other: f64| (one - other) / 2.0;
    let second = centres.get(1).unwrap_or(first);
    let before_last = centres.iter().rev().nth(1).unwrap_or(last);
    let inner = centres.windows(2).map(|pair| half(pair[0], -pair[1]));
    std::iter::once(first - half(*second, *first))
        .chain(inner)
        .chain(std::iter::once(last + half(*last, *before_last)))
        .collect()
}

fn cells(cube: &Cube, axis: usize, circle: Option<f64>) -> Result<(Vec<f64>, CellAxis)> {
    let axis = &cube.axes[axis];
    let name = axis.field.name();
    let centres = cast(&axis.coordinates, &DataType::Float64)?;
    let centres: Vec<f64> = centres.as_primitive::<Float64Type>().values().to_vec();
    let cells = CellAxis::new(&centres, circle).filter(|_| axis.coordinates.null_count() == 0);
    match cells {
        Some(cells) => Ok((centres, cells)),
        None => {
            let cause = match centres.len() {
                0 | 1 => format!(
                    "axis {name} has fewer than two cells, so nobody knows how large they are"
                ),
                _ => format!("the coordinates of axis {name} are not in order"),
            };
            Err(CubeError::unsupported(&cube.name, cause)
                .remedy("put it on a grid first, or select more of it")
                .into())
        }
    }
}

/// The system of the horizontal axes, as PROJ understands it.
pub(super) fn system_of(cube: &Cube, x: usize) -> CubeResult<String> {
    let role = cube.axes[x].role;
    let crs = cube
        .crs
        .as_ref()
        .map(|crs| crs.of_roles(std::iter::once(role)));
    let stated = crs.as_ref().and_then(definition);
    let stated = stated.or_else(|| match role {
        AxisRole::Longitude => Some("OGC:CRS84".to_string()),
        _ => None,
    });
    stated.ok_or_else(|| {
        CubeError::invalid(
            &cube.name,
            "it does not say in which coordinate reference system its x and y are",
        )
        .remedy("name it: source_crs => 'EPSG:…'")
    })
}

/// What PROJ can read of what the data say.
fn definition(crs: &Crs) -> Option<String> {
    match &crs.definition {
        Some(definition) => Some(definition.clone()),
        None => definition_of(&crs.parameters),
    }
}

/// Are coordinates of a system angles on the Earth, which go round?
pub(super) fn is_turning(system: &str) -> bool {
    is_geographic(system) == Some(true) || system.contains("+proj=ob_tran")
}

/// What a unit of a horizontal axis is in units of its system: 1000 where the axis counts kilometres.
pub(super) fn unit(system: &str, axis: &Axis) -> f64 {
    match is_turning(system) || states_its_unit(system) {
        true => 1.0,
        false => metres(axis),
    }
}

/// Does a system say that it counts in other units than metres?
fn states_its_unit(system: &str) -> bool {
    ["+units=", "+to_meter=", "[\"kilomet", "[\"km\""]
        .iter()
        .any(|unit| system.contains(unit))
}

/// Metres per unit of an axis, 1 where it says none.
fn metres(axis: &Axis) -> f64 {
    let units = axis.field.metadata().get(UNITS).map(String::as_str);
    match units {
        Some("km" | "kilometre" | "kilometer" | "kilometres" | "kilometers") => 1000.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lie_between_centres() {
        assert_eq!(edges(&[1.0, 2.0, 4.0]), [0.5, 1.5, 3.0, 5.0]);
        assert_eq!(edges(&[5.0, 3.0]), [6.0, 4.0, 2.0]);
    }
}
