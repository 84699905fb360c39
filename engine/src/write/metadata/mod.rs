//! The metadata of a cube that is written: attributes, and the small arrays that say where cells are.
//!
//! ```text
//!  TargetAxis ──┬─ coordinate_arrays ──▶ time, time_bnds, lat, lon, crs      whole, one chunk each
//!  GridMapping ─┘
//!  field, Lineage ── variable_attributes ──▶ units, cell_methods, grid_mapping, …
//!  Provenance, sources ── group_attributes ──▶ Conventions, history, geospatial_lat_min, …
//! ```
//! An attribute of the data that a cube was computed from survives where it stays true of the cube. Where
//! it would have become wrong, or might have, it is left out: a gap can be seen, a lie cannot.
//!
//! Sources: CF conventions 1.11 <https://cfconventions.org>, ACDD 1.3
//! <https://wiki.esipfed.org/Attribute_Convention_for_Data_Discovery_1-3>, GeoZarr's `proj:code`
//! <https://github.com/zarr-conventions/geo-proj>.

mod bounds;
mod coordinates;
mod extents;
mod group;
mod images;
mod keys;
mod mapping;
mod method;
#[cfg(test)]
mod tests;
mod texts;
mod times;
mod variables;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;

use crate::cube::AxisRole;
use crate::cube::encoding::EncodingOptions;
use crate::sink::TargetArray;

pub(crate) use self::bounds::{TimeCells, time_bounds};
pub(crate) use self::coordinates::coordinate_arrays;
pub(crate) use self::group::{date, described_anew, group_attributes};
pub(crate) use self::images::image_grid;
pub(crate) use self::mapping::GridMapping;
pub(crate) use self::method::Method;
pub(crate) use self::variables::{References, variable_attributes};

/// An axis of a cube that is written.
#[derive(Debug, Clone)]
pub(crate) struct TargetAxis {
    /// Name, type and metadata, as of a column.
    pub(crate) field: FieldRef,
    /// One coordinate per cell, none of them NULL.
    pub(crate) coordinates: ArrayRef,
    /// What the axis measures.
    pub(crate) role: AxisRole,
    /// Lower and upper bound of each cell, one after the other: twice as many as `coordinates`, of
    /// their type.
    pub(crate) bounds: Option<ArrayRef>,
    /// What the user says about how the coordinates are stored.
    pub(crate) encoding: EncodingOptions,
}

/// An array that is held whole, with its stored numbers.
#[derive(Debug, Clone)]
pub(crate) struct SmallArray {
    /// How it is stored: one chunk.
    pub(crate) target: TargetArray,
    /// The stored numbers, in C order.
    pub(crate) values: ArrayRef,
}

/// What the values of a column come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage {
    /// The column of the data that the values are of: through casts, other names and `method`. `None`
    /// for anything that is computed otherwise.
    pub(crate) source: Option<FieldRef>,
    /// The aggregate that made one value out of many, whatever it computes.
    pub(crate) method: Option<CellMethod>,
}

/// An aggregate over cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellMethod {
    /// What was computed.
    pub(crate) method: Method,
    /// The axes along which cells were taken together, by name and role; those of which only runs of
    /// cells were taken together included.
    pub(crate) over: Vec<(String, AxisRole)>,
}

/// What a cube was made of, by whom and when.
#[derive(Debug, Clone)]
pub(crate) struct Provenance {
    /// The statement, as the user wrote it.
    pub(crate) statement: String,
    /// Address and version of each cube that was read.
    pub(crate) sources: Vec<(String, String)>,
    /// When, in microseconds since 1970-01-01 UTC.
    pub(crate) date: i64,
    /// Are the cells some of those of one cube, with the values that they had?
    pub(crate) is_selection: bool,
}
