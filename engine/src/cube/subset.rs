//! A cube of some cells of another one, and of nothing else: no statistic, overview or attribute of it knows the rest.
//!
//! ```text
//!  lat   0 10 20 30 40 50      kept: 3, 4, 5      ─▶   lat  30 40 50      t2m(time, lat, lon) seen on them
//! ```

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::compute::take;
use arrow::datatypes::FieldRef;

use super::chunks::AxisChunks;
use super::metadata::{CALENDAR, CELL_SIZE, CRS, UNITS};
use super::zip::{AxisMap, Place, View};
use super::{Axis, Cube, Variable};
use crate::error::{CubeError, CubeResult};
use crate::source::Attributes;

/// Attributes of columns that say what values mean. Any other may say which values there are, as `actual_range` does.
const OF_MEANING: [&str; 11] = [
    UNITS,
    CALENDAR,
    CRS,
    CELL_SIZE,
    "standard_name",
    "long_name",
    "axis",
    "positive",
    "flag_values",
    "flag_meanings",
    "flag_masks",
];

impl Cube {
    /// The cube of the cells `kept`, ascending, of each axis; `None` keeps all of an axis.
    ///
    /// # Errors
    /// Coordinates without an order, or a variable of a type without NULL.
    pub(crate) fn subset(&self, kept: &[Option<Vec<u64>>]) -> CubeResult<Cube> {
        let mut hasher = DefaultHasher::new();
        kept.hash(&mut hasher);
        let mut axes = Vec::new();
        let mut places = Vec::new();
        let mut host_chunks = Vec::new();
        for (position, (axis, kept)) in self.axes.iter().zip(kept).enumerate() {
            let map = match kept {
                Some(cells) => AxisMap::new(cells.iter().map(|cell| Some(*cell as usize))),
                None => AxisMap::new((0..axis.coordinates.len()).map(Some)),
            };
            axes.push(match kept {
                Some(cells) => some_of(axis, cells)?,
                None => axis.clone(),
            });
            let length = axes[position].coordinates.len() as u64;
            let whole = || AxisChunks::regular(length, length);
            host_chunks.push(self.chunks_along(position, &map).unwrap_or_else(whole));
            places.push(Place::Along {
                axis: position,
                map,
            });
        }
        let view = View {
            places,
            partial: Vec::new(),
            host_chunks,
        };
        let seen = |variable: &Variable| {
            let is_cut = variable.axes.iter().any(|axis| kept[*axis].is_some());
            let mut seen = view.of(variable)?;
            if is_cut {
                seen.field = of_meaning(&seen.field);
            }
            Ok(seen)
        };
        let variables = self.variables.iter().map(seen);
        let variables = variables.collect::<CubeResult<Vec<Variable>>>()?;
        let whole = Cube {
            axes,
            attributes: Attributes::new(),
            ..self.with_variables(Vec::new())
        };
        let part = format!("part {:016x}", hasher.finish());
        let mut subset = whole.with_variables(variables);
        // What is kept of the whole cube under its address is never taken for this one, nor the other way round.
        subset.url = format!("{} ({part})", self.url);
        subset.version = format!("{part} of {}", self.version);
        Ok(subset)
    }

    /// The cube of the variables among `columns`, without attributes that could name or describe the others.
    pub(crate) fn with_columns(&self, columns: &BTreeSet<String>) -> Cube {
        let kept = self.variables.iter();
        let kept = kept.filter(|variable| columns.contains(variable.field.name()));
        let variables = kept.map(|variable| Variable {
            field: of_meaning(&variable.field),
            ..variable.clone()
        });
        let axes = self.axes.iter().map(|axis| Axis {
            field: of_meaning(&axis.field),
            ..axis.clone()
        });
        let bare = Cube {
            axes: axes.collect(),
            attributes: Attributes::new(),
            ..self.with_variables(Vec::new())
        };
        bare.with_variables(variables.collect())
    }

    /// How the axis is cut where the first variable along it is cut.
    fn chunks_along(&self, axis: usize, map: &AxisMap) -> Option<AxisChunks> {
        let found = self.variables.iter().find_map(|variable| {
            let at = variable.axes.iter().position(|along| *along == axis)?;
            variable.chunks().get(at)
        });
        map.cut_like(found?)
    }
}

fn some_of(axis: &Axis, cells: &[u64]) -> CubeResult<Axis> {
    let cells = UInt64Array::from_iter_values(cells.iter().copied());
    let coordinates = take(&axis.coordinates, &cells, None)
        .map_err(|error| CubeError::corrupt(axis.field.name(), error))?;
    let mut some = axis.with_coordinates(coordinates)?;
    some.field = of_meaning(&some.field);
    Ok(some)
}

fn of_meaning(field: &FieldRef) -> FieldRef {
    let kept = field.metadata().iter();
    let kept = kept.filter(|(name, _)| OF_MEANING.contains(&name.as_str()));
    let kept: HashMap<String, String> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Arc::new(field.as_ref().clone().with_metadata(kept))
}
