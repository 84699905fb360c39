//! Which columns of a table of points name which axes of a cube: [`Naming`].
//!
//! | columns of the points                       | axes of the cube                | coordinates                    |
//! |---------------------------------------------|---------------------------------|--------------------------------|
//! | called as the axes                          | any                             | as they are                    |
//! | lat, latitude, lon, longitude, x, y, time   | those that measure these        | as they are                    |
//! | lat and lon                                 | x and y of a projected grid     | brought into the grid's system |
//! | a geometry, where none of the above is there| the horizontal ones             | brought into the grid's system |

use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use graticule_functions::space::Transformation;
use graticule_functions::space::zones::crs_of;

use super::sites::Limits;
use crate::cube::crs::Crs;
use crate::cube::{AxisRole, Cube};
use crate::error::{CubeError, CubeResult};
use crate::grids::reproject::refused;
use crate::grids::system::system_of;

/// Longitudes before latitudes, in degrees.
pub(in crate::grids) const DEGREES: &str = "OGC:CRS84";

/// What names the axes of a cube.
#[derive(Debug, Clone)]
pub(in crate::grids) struct Naming {
    /// Axes that are named by a column of the same meaning, and the column.
    pub(super) columns: Vec<(usize, usize)>,
    /// Both horizontal axes, where what names them has to be transformed, or is a geometry.
    pub(super) plane: Option<Plane>,
}

/// What names both horizontal axes.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) places: Places,
    /// Into the system of the cube, where the places are in another one.
    pub(super) transformation: Option<Transformation>,
}

/// Where places stand.
#[derive(Debug, Clone)]
pub(super) enum Places {
    Columns { x: usize, y: usize },
    Geometry(usize),
}

impl Naming {
    /// How the columns of `points` name the axes of `cube`.
    ///
    /// # Errors
    /// None names any, or there is no way from their system to the cube's.
    pub(in crate::grids) fn of(points: &Schema, cube: &Cube) -> Result<Self> {
        let column = |names: &[&str]| {
            let is = |field: &Field| names.contains(&field.name().to_ascii_lowercase().as_str());
            points.fields().iter().position(|field| is(field))
        };
        let naming = |axis: usize| {
            let axis = &cube.axes[axis];
            let own = axis.field.name().to_ascii_lowercase();
            let found = column(&[&own]);
            found.or_else(|| column(names_of(axis.role)))
        };
        let find = |one, other| {
            let mut roles = cube.axes.iter().map(|axis| axis.role);
            roles.position(|role| role == one || role == other)
        };
        let x = find(AxisRole::Longitude, AxisRole::X);
        let y = find(AxisRole::Latitude, AxisRole::Y);
        let mut columns: Vec<(usize, usize)> = (0..cube.axes.len())
            .filter_map(|axis| Some((axis, naming(axis)?)))
            .collect();
        let mut plane = None;
        if let (Some(x), Some(y)) = (x, y)
            && !columns.iter().any(|(axis, _)| *axis == x || *axis == y)
        {
            let degrees = column(names_of(AxisRole::Longitude))
                .zip(column(names_of(AxisRole::Latitude)))
                .map(|(x, y)| (Places::Columns { x, y }, Some(DEGREES.to_string())));
            let geometry = || {
                let is = |field: &Field| is_geometry(field);
                let column = points.fields().iter().position(|field| is(field))?;
                Some((Places::Geometry(column), crs_of(points.field(column))))
            };
            if let Some((places, system)) = degrees.or_else(geometry) {
                plane = Some(Plane {
                    transformation: between(system, cube, x)?,
                    x,
                    y,
                    places,
                });
            }
        }
        if let Some(plane) = &plane {
            columns.retain(|(axis, _)| *axis != plane.x && *axis != plane.y);
        }
        if columns.is_empty() && plane.is_none() {
            return Err(nameless(points, cube).into());
        }
        Ok(Self { columns, plane })
    }

    /// The axes that are named, ascending.
    pub(in crate::grids) fn axes(&self) -> Vec<usize> {
        let mut axes: Vec<usize> = self.columns.iter().map(|(axis, _)| *axis).collect();
        axes.extend(self.plane.iter().flat_map(|plane| [plane.x, plane.y]));
        axes.sort_unstable();
        axes
    }

    /// Can the nearest cells be held to `limits`?
    ///
    /// # Errors
    /// The points do not name the axes along which these are measured.
    pub(in crate::grids) fn check_limits(&self, cube: &Cube, limits: Limits) -> CubeResult<()> {
        let named = self.axes();
        let names = |roles: &[AxisRole]| {
            let mut roles_named = named.iter().map(|axis| cube.axes[*axis].role);
            roles_named.any(|role| roles.contains(&role))
        };
        let x = names(&[AxisRole::Longitude, AxisRole::X]);
        let y = names(&[AxisRole::Latitude, AxisRole::Y]);
        let (argument, axes) = match limits {
            Limits {
                distance: Some(_), ..
            } if !(x && y) => ("max_distance", "both horizontal axes"),
            Limits { time: Some(_), .. } if !names(&[AxisRole::Time]) => {
                ("max_time", "a time axis")
            }
            _ => return Ok(()),
        };
        let cause = format!("{argument} needs points that name {axes} of the cube");
        Err(CubeError::invalid(&cube.name, cause)
            .remedy("give their columns the names of the axes, or leave the argument out"))
    }

    /// The columns that are read.
    pub(in crate::grids) fn read(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.columns.iter().map(|(_, column)| *column).collect();
        match self.plane.as_ref().map(|plane| &plane.places) {
            Some(Places::Columns { x, y }) => columns.extend([*x, *y]),
            Some(Places::Geometry(column)) => columns.push(*column),
            None => {}
        }
        columns
    }

    /// The same naming by columns that stand elsewhere.
    pub(in crate::grids) fn moved(&self, place: impl Fn(usize) -> usize) -> Self {
        let mut moved = self.clone();
        for (_, column) in &mut moved.columns {
            *column = place(*column);
        }
        match moved.plane.as_mut().map(|plane| &mut plane.places) {
            Some(Places::Columns { x, y }) => (*x, *y) = (place(*x), place(*y)),
            Some(Places::Geometry(column)) => *column = place(*column),
            None => {}
        }
        moved
    }
}

/// What columns are called that name axes of a role.
fn names_of(role: AxisRole) -> &'static [&'static str] {
    match role {
        AxisRole::Time => &["time"],
        AxisRole::Latitude => &["lat", "latitude"],
        AxisRole::Longitude => &["lon", "longitude"],
        AxisRole::Y => &["y"],
        AxisRole::X => &["x"],
        AxisRole::Vertical | AxisRole::Other => &[],
    }
}

/// Does a column say that it holds geometries?
pub(in crate::grids) fn is_geometry(field: &Field) -> bool {
    let extension = field.extension_type_name();
    extension.is_some_and(|name| name.starts_with("geoarrow.") || name == "ogc.wkb")
}

/// From the system of places into that of a cube; `None` where they are the same or the places say nothing of theirs.
///
/// # Errors
/// The cube does not state its own, or no way leads there.
pub(in crate::grids) fn between(
    system: Option<String>,
    cube: &Cube,
    x: usize,
) -> Result<Option<Transformation>> {
    let Some(system) = system else {
        return Ok(None);
    };
    let own = system_of(cube, x)?;
    let (of_places, of_cube) = (Crs::of_definition(system), Crs::of_definition(own));
    if of_cube.agrees_with(&of_places) == Some(true) {
        return Ok(None);
    }
    let definition = |crs: Crs| crs.definition.unwrap_or(crs.name);
    let way = Transformation::between(&definition(of_places), &definition(of_cube));
    way.map(Some).map_err(refused)
}

fn nameless(points: &Schema, cube: &Cube) -> CubeError {
    let names = |fields: &mut dyn Iterator<Item = &str>| fields.collect::<Vec<_>>().join(", ");
    let columns = names(&mut points.fields().iter().map(|field| field.name().as_str()));
    let axes = names(&mut cube.axes.iter().map(|axis| axis.field.name().as_str()));
    let cause = format!(
        "no column of the points ({columns}) is called as an axis of the cube ({axes}), and none is a geometry"
    );
    CubeError::invalid(&cube.name, cause).remedy(
        "give the columns other names: (SELECT latitude AS lat, longitude AS lon, … FROM …)",
    )
}

/// Checks that each column of the points can be told from the others.
///
/// # Errors
/// Two have the same name.
pub(in crate::grids) fn check_columns(points: &Schema) -> CubeResult<()> {
    for (at, field) in points.fields().iter().enumerate() {
        if points.fields()[..at]
            .iter()
            .any(|other| other.name() == field.name())
        {
            let cause = format!("two columns of the points are called {}", field.name());
            return Err(CubeError::invalid("", cause).remedy("give one of them another name"));
        }
    }
    Ok(())
}
