//! The cube model: what a table of cells is made of.
//!
//! ```text
//!  Cube ─┬─ Axis      name, coordinates (1-D, decoded), order, role, chunks come from the variables
//!        ├─ Variable  array reader + CF decoding + which axes it spans (a subset is broadcast)
//!        └─ schema    axes in storage order, then variables; CF attributes as field metadata
//! ```
//! [`conventions`] reads the model out of a [`crate::source::Group`]; [`decoding`] turns stored
//! numbers into values with a mask, and [`encoding`] turns values into stored numbers.

pub mod block;
mod cell_bounds;
pub mod chunks;
pub mod concatenate;
pub mod conventions;
mod crop;
pub mod crs;
pub mod decoding;
pub mod encoding;
pub(crate) mod gather;
pub mod memory;
mod subset;
pub(crate) mod zip;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, SchemaRef};

pub use self::cell_bounds::CellBounds;
use self::crs::Crs;
use self::decoding::Decoding;
use crate::error::CubeResult;
use crate::overviews::Overviews;
use crate::source::{ArrayReader, Attributes};

/// Keys of the Arrow field metadata that carry CF attributes.
pub mod metadata {
    pub use graticule_functions::metadata::{CALENDAR, CELL_SIZE};

    /// Units as the data have them once decoded.
    pub const UNITS: &str = "units";
    /// Name of the coordinate reference system of a variable with a grid mapping, see [`super::Crs`].
    pub const CRS: &str = "crs";
}

/// A cube: axes, variables, and where they come from. Opened once, shared by all queries.
#[derive(Debug)]
pub struct Cube {
    /// Table name within its schema.
    pub name: String,
    /// Axes in storage order, slowest first.
    pub axes: Vec<Axis>,
    /// Variables over all axes or a subset of them.
    pub variables: Vec<Variable>,
    /// Axes, then variables.
    pub schema: SchemaRef,
    /// Attributes of the group.
    pub attributes: Attributes,
    /// Coordinate reference system of the horizontal axes.
    pub crs: Option<Crs>,
    /// Names of the cubes whose variables are seen on the axes of this one, itself first; empty for a
    /// cube as it is stored. See [`zip`].
    pub zipped: Vec<String>,
    /// Where its overviews are, or would be; `None` where nobody said where they could be.
    pub(crate) overviews: Option<Arc<Overviews>>,
    /// URL of the cube for people.
    pub url: String,
    /// Format and version for people.
    pub format: String,
    /// Changes when the stored cube changes.
    pub version: String,
}

/// How the coordinates of an axis run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisOrder {
    /// Strictly ascending.
    Ascending,
    /// Strictly descending, as latitude often is.
    Descending,
    /// Neither, or with duplicates or missing values.
    Unordered,
}

/// What an axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisRole {
    /// Time.
    Time,
    /// Geographic latitude.
    Latitude,
    /// Geographic longitude.
    Longitude,
    /// Projected y.
    Y,
    /// Projected x.
    X,
    /// Height, depth, pressure.
    Vertical,
    /// Anything else: ensemble member, band, station.
    Other,
}

/// One axis of a cube with its coordinates.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Column: name, type, metadata.
    pub field: FieldRef,
    /// Coordinates (cell centres) in storage order.
    pub coordinates: ArrayRef,
    /// How the coordinates run.
    pub order: AxisOrder,
    /// What the axis measures.
    pub role: AxisRole,
    /// Name of the variable with the cells' bounds.
    pub bounds: Option<String>,
    /// The bounds themselves, where there is such a variable.
    pub cell_bounds: Option<CellBounds>,
}

/// One variable of a cube.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Column: name, decoded type, metadata.
    pub field: FieldRef,
    /// For each dimension of the array the cube's axis it runs along, without the dimension that
    /// counts the characters of a text.
    pub axes: Vec<usize>,
    /// The stored array.
    pub array: Arc<dyn ArrayReader>,
    /// What turns stored numbers into values.
    pub decoding: Decoding,
    /// What identifies the array among those of all cubes, version included, so that decoded chunks can
    /// be kept; `None` when they are not worth keeping.
    pub origin: Option<Arc<str>>,
}

/// What stands between the version of the stored cube and that of its opening.
const OPENING: &str = " opening ";

impl Cube {
    /// The version of the cube as it is stored, whoever opened it.
    pub(crate) fn stored_version(&self) -> &str {
        let before = self.version.split_once(OPENING);
        before.map_or(&self.version, |(stored, _)| stored)
    }

    /// Tells this opening of the cube from others, which may read it with other options or after it has
    /// changed: no decoded chunk of another one is taken for one of these.
    pub(crate) fn opened_as(&mut self, opening: u64) {
        self.version = format!("{}{OPENING}{opening}", self.version);
        for variable in &mut self.variables {
            let name = &variable.array.description().name;
            let origin = format!("{}\n{}\n{name}", self.url, self.version);
            variable.origin = Some(origin.into());
        }
    }
}

impl Axis {
    /// The same axis with other coordinates of its type.
    ///
    /// # Errors
    /// The coordinates are of a type without an order.
    pub(crate) fn with_coordinates(&self, coordinates: ArrayRef) -> CubeResult<Self> {
        Ok(Self {
            order: conventions::order_of(&coordinates)?,
            coordinates,
            ..self.clone()
        })
    }
}
