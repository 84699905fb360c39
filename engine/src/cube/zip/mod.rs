//! A cube with the variables of another cube beside its own, as far as the two share axes.
//!
//! ```text
//!  host    time  lat  lon   t2m(time, lat, lon)
//!           ║     ║    ║                                       time  lat  lon   t2m  mask
//!  guest    ·    lat  lon   mask(lat, lon)           ─▶        the host's axes  │    └ seen on them
//! ```
//! Every axis of the guest has its [`Place`] on the host. Where an axis is the same in both cubes the
//! guest's arrays are taken as they are, whatever their chunks; else they are seen through an
//! [`AxisMap`]. So all that reads cubes reads two of them at once: rows, pruning, aggregates, the cache.

mod filled;
mod map;
mod seen;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, FieldRef, Schema};

use self::filled::Filled;
pub(crate) use self::map::AxisMap;
use self::seen::{Dimension, seen};
use super::chunks::AxisChunks;
use super::decoding::Decoding;
use super::{Axis, Cube, Variable};
use crate::error::CubeResult;
use crate::source::ArrayReader;

/// Where an axis of the guest is on the host.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// Its cells are seen along an axis of the host.
    Along {
        /// The axis of the host.
        axis: usize,
        /// Per cell of that axis, the cell of the guest's.
        map: AxisMap,
    },
    /// All cells of the host see this one.
    Cell(u64),
}

/// How the variables of another cube are seen on a host.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// One entry per axis of the guest; no two are along the same axis of the host.
    pub(crate) places: Vec<Place>,
    /// Positions in `places` of axes of which cells of the host may see nothing, where that has to show
    /// in all of the guest: in an outer join.
    pub(crate) partial: Vec<usize>,
    /// How a scan of the host cuts its axes.
    pub(crate) host_chunks: Vec<AxisChunks>,
}

impl View {
    /// `variable` of the guest as a variable of the host.
    ///
    /// # Errors
    /// There is no NULL of the variable's type.
    pub(crate) fn of(&self, variable: &Variable) -> CubeResult<Variable> {
        let mut dimensions = Vec::new();
        let mut chunks = Vec::new();
        let mut axes = Vec::new();
        for position in &self.partial {
            if let (false, Place::Along { axis, map }) =
                (variable.axes.contains(position), &self.places[*position])
            {
                dimensions.push(Dimension::Presence(map.clone()));
                chunks.push(self.host_chunks[*axis].clone());
                axes.push(*axis);
            }
        }
        let mut is_same = dimensions.is_empty();
        for (own, own_chunks) in std::iter::zip(&variable.axes, variable.chunks()) {
            match &self.places[*own] {
                Place::Cell(cell) => {
                    is_same = false;
                    dimensions.push(Dimension::Cell(*cell));
                }
                Place::Along { axis, map } => {
                    let shows_gaps = self.partial.contains(own);
                    is_same &= !shows_gaps && map.is_identity(own_chunks.length());
                    // Cutting an array in memory costs nothing.
                    let cut = match variable.origin {
                        Some(_) => map.cut_like(own_chunks),
                        None => None,
                    };
                    chunks.push(cut.unwrap_or_else(|| self.host_chunks[*axis].clone()));
                    dimensions.push(Dimension::Along(map.clone()));
                    axes.push(*axis);
                }
            }
        }
        if is_same && variable.origin.is_some() {
            return Ok(Variable {
                axes,
                ..variable.clone()
            });
        }
        seen(variable, dimensions, chunks, axes)
    }
}

/// Values in memory as a variable along `axes`, in their order; `None` when they are not known yet.
///
/// # Errors
/// There is no NULL of this type.
pub(crate) fn in_memory(
    field: &Field,
    axes: Vec<usize>,
    shape: &[u64],
    values: Option<ArrayRef>,
) -> CubeResult<Variable> {
    let array: Arc<dyn ArrayReader> = Filled::array(field.name(), shape, field.data_type(), values);
    Ok(Variable {
        field: Arc::new(field.clone()),
        axes,
        array,
        decoding: Decoding::of_values(field.data_type())?,
        origin: None,
    })
}

/// The coordinates of `axis`, which has the position `position` in its cube, as a variable that may
/// have gaps if it `is_nullable`.
///
/// # Errors
/// There is no NULL of their type.
pub(crate) fn coordinates(axis: &Axis, position: usize, is_nullable: bool) -> CubeResult<Variable> {
    let length = axis.coordinates.len() as u64;
    let values = Some(Arc::clone(&axis.coordinates));
    let field = axis.field.as_ref().clone();
    let field = field.with_nullable(is_nullable || axis.field.is_nullable());
    in_memory(&field, vec![position], &[length], values)
}

impl Cube {
    /// The same cube with other variables.
    pub(crate) fn with_variables(&self, variables: Vec<Variable>) -> Cube {
        let fields = self.axes.iter().map(|axis| Arc::clone(&axis.field));
        let fields = fields.chain(variables.iter().map(|v| Arc::clone(&v.field)));
        Cube {
            name: self.name.clone(),
            axes: self.axes.clone(),
            schema: Arc::new(Schema::new_with_metadata(
                fields.collect::<Vec<FieldRef>>(),
                self.schema.metadata().clone(),
            )),
            variables,
            attributes: self.attributes.clone(),
            crs: self.crs.clone(),
            zipped: self.zipped.clone(),
            overviews: None,
            url: self.url.clone(),
            format: self.format.clone(),
            version: self.version.clone(),
        }
    }
}

/// `host` with more variables, those of a cube called `guest`.
pub(crate) fn zip(host: &Cube, guest: &str, variables: Vec<Variable>) -> Cube {
    let variables = host.variables.iter().cloned().chain(variables);
    let mut cube = host.with_variables(variables.collect());
    if cube.zipped.is_empty() {
        cube.zipped.push(host.name.clone());
    }
    cube.zipped.push(guest.to_string());
    cube.name = cube.zipped.join(" with ");
    cube
}
