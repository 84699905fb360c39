//! Where the axes of one cube are on another, as the equalities of a join say.
//!
//! ```text
//!  a.time = b.time                      every axis of b must occur, in an expression over that axis alone
//!  CAST(a.lat AS Float64) = b.lat       whose values are unique; the other side of the equality reads one
//!  date_part('month', a.time) = b.month axis of a, and may be anything
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use datafusion::common::Result;
use datafusion::common::utils::normalize_float_zero;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::cube::zip::{AxisMap, Place};
use crate::cube::{AxisOrder, Cube};
use crate::dense::keys::on_axis;
use crate::dense::zip::alignment::{Alignment, Near};
use crate::dense::zip::mismatch::{Compared, Difference};
use crate::scan::selection::AxisSelection;

type Expression = Arc<dyn PhysicalExpr>;

/// One side of a join: a cube, and the cells of it that take part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) cube: &'a Cube,
    pub(crate) selections: &'a [AxisSelection],
}

/// Where the axes of the guest are on the host.
#[derive(Debug)]
pub(crate) struct Places {
    /// One entry per axis of the guest.
    pub(crate) places: Vec<Place>,
    /// Per axis of the guest, the axis of the host with the same coordinates, bit by bit, wherever both
    /// have a cell.
    pub(crate) same: Vec<Option<usize>>,
    /// Axes of the guest of which some selected cell of the host sees nothing.
    pub(crate) partial: Vec<usize>,
    /// Per axis of the host, the selected cells that see one of every axis of the guest.
    pub(crate) seen: Vec<AxisSelection>,
    /// Coordinates that should be equal, as it seems.
    pub(crate) differences: Vec<Difference>,
}

/// The axis that an expression over the columns of `cube` reads, when that is all it reads.
pub(crate) fn only_axis(cube: &Cube, expression: &Expression) -> Option<usize> {
    let columns = collect_columns(expression);
    let mut axes = columns.iter().map(Column::index);
    match (axes.next(), axes.next()) {
        (Some(axis), None) if axis < cube.axes.len() && !is_volatile(expression) => Some(axis),
        _ => None,
    }
}

/// Is an expression a column, perhaps in another type?
fn is_coordinate(expression: &Expression) -> bool {
    match expression.downcast_ref::<CastExpr>() {
        Some(cast) => is_coordinate(cast.expr()),
        None => expression.is::<Column>(),
    }
}

/// Numbers for tuples of keys: equal ones, as a join knows it, have the same.
pub(crate) struct KeyNumbers {
    groups: Box<dyn GroupValues>,
}

impl KeyNumbers {
    pub(crate) fn new(types: impl Iterator<Item = DataType>) -> Result<Self> {
        let fields = types.map(|data_type| Field::new("key", data_type, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            groups: new_group_values(schema, &GroupOrdering::None)?,
        })
    }

    /// The number of each tuple, `None` where one of its keys is NULL: that equals nothing.
    pub(crate) fn of(&mut self, keys: &[ArrayRef]) -> Result<Vec<Option<usize>>> {
        let normal: Vec<ArrayRef> = keys.iter().map(normalize_float_zero).collect();
        let mut numbers = Vec::new();
        self.groups.intern(&normal, &mut numbers)?;
        let is_null = |row| normal.iter().any(|keys| keys.is_null(row));
        let rows = numbers.into_iter().enumerate();
        Ok(rows
            .map(|(row, number)| (!is_null(row)).then_some(number))
            .collect())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.size()
    }
}

/// Is one of the keys a NaN? Joins and groups do not agree on whether it equals itself.
pub(crate) fn has_nan(keys: &ArrayRef) -> bool {
    match keys.data_type() {
        DataType::Float32 => keys
            .as_primitive::<Float32Type>()
            .iter()
            .flatten()
            .any(f32::is_nan),
        DataType::Float64 => keys
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .any(f64::is_nan),
        _ => false,
    }
}

/// Finds the axes of `guest` on `host`; `on` holds pairs of an expression over the host's columns and
/// one over the guest's. `Err` holds the reason why they are not there.
///
/// # Errors
/// A key that fails on a selected coordinate.
pub(crate) fn find(
    host: Side<'_>,
    guest: Side<'_>,
    on: &[[&Expression; 2]],
    alignment: Alignment,
) -> Result<std::result::Result<Places, String>> {
    let name = |side: Side<'_>, axis: usize| {
        let axis = side.cube.axes[axis].field.name();
        format!("{axis} of {}", side.cube.name)
    };
    let mut pairs: Vec<Vec<[&Expression; 2]>> = vec![Vec::new(); guest.cube.axes.len()];
    let mut host_axes: Vec<Option<usize>> = vec![None; guest.cube.axes.len()];
    for [host_key, guest_key] in on {
        let Some(guest_axis) = only_axis(guest.cube, guest_key) else {
            return Ok(Err(format!("the join key {guest_key} reads no axis alone")));
        };
        let Some(host_axis) = only_axis(host.cube, host_key) else {
            return Ok(Err(format!("the join key {host_key} reads no axis alone")));
        };
        if host_axes[guest_axis].is_some_and(|before| before != host_axis) {
            let axis = name(guest, guest_axis);
            return Ok(Err(format!("{axis} is joined with two axes")));
        }
        host_axes[guest_axis] = Some(host_axis);
        pairs[guest_axis].push([*host_key, *guest_key]);
    }
    let mut found = Places {
        places: Vec::new(),
        same: Vec::new(),
        partial: Vec::new(),
        seen: host.selections.to_vec(),
        differences: Vec::new(),
    };
    let mut taken = vec![false; host.cube.axes.len()];
    for (guest_axis, (host_axis, pairs)) in std::iter::zip(host_axes, pairs).enumerate() {
        let Some(host_axis) = host_axis else {
            let selection = &guest.selections[guest_axis];
            let [cell] = selection.cells().take(2).collect::<Vec<_>>()[..] else {
                let axis = name(guest, guest_axis);
                return Ok(Err(format!("{axis} is no join key")));
            };
            found.places.push(Place::Cell(cell));
            found.same.push(None);
            continue;
        };
        if std::mem::replace(&mut taken[host_axis], true) {
            let axis = name(host, host_axis);
            return Ok(Err(format!("{axis} is joined with two axes")));
        }
        let axes = AxisPair {
            host,
            guest,
            host_axis,
            guest_axis,
            pairs: &pairs,
        };
        let map = match axes.map(alignment, &mut found.differences)? {
            Ok(map) => map,
            Err(reason) => return Ok(Err(reason)),
        };
        let sees: BooleanArray = map.cells().map(|cell| Some(cell.is_some())).collect();
        let seen = host.selections[host_axis].and(&sees);
        if seen.len() < host.selections[host_axis].len() {
            found.partial.push(guest_axis);
        }
        found.seen[host_axis] = seen;
        found
            .same
            .push(axes.has_same_coordinates(&map)?.then_some(host_axis));
        found.places.push(Place::Along {
            axis: host_axis,
            map,
        });
    }
    Ok(Ok(found))
}

/// Two axes that a join equates.
struct AxisPair<'a> {
    host: Side<'a>,
    guest: Side<'a>,
    host_axis: usize,
    guest_axis: usize,
    pairs: &'a [[&'a Expression; 2]],
}

impl AxisPair<'_> {
    fn name(&self) -> String {
        let axis = self.guest.cube.axes[self.guest_axis].field.name();
        format!("{axis} of {}", self.guest.cube.name)
    }

    /// Per cell of the host's axis, the selected cell of the guest's with equal keys.
    fn map(
        &self,
        alignment: Alignment,
        differences: &mut Vec<Difference>,
    ) -> Result<std::result::Result<AxisMap, String>> {
        let host_selection = &self.host.selections[self.host_axis];
        let guest_selection = &self.guest.selections[self.guest_axis];
        let host_axis = &self.host.cube.axes[self.host_axis];
        let guest_axis = &self.guest.cube.axes[self.guest_axis];
        if self.joins_coordinates()
            && guest_axis.order != AxisOrder::Unordered
            && host_axis.coordinates.as_ref() == guest_axis.coordinates.as_ref()
        {
            differences.extend(self.difference(None, alignment)?);
            let selected = guest_selection.mask();
            let cells = (0..selected.len()).map(|cell| selected.value(cell).then_some(cell));
            return Ok(Ok(AxisMap::new(cells)));
        }
        let host_keys = self.keys(self.host, self.host_axis, 0)?;
        let guest_keys = self.keys(self.guest, self.guest_axis, 1)?;
        for (host, guest) in std::iter::zip(&host_keys, &guest_keys) {
            if host.data_type() != guest.data_type() {
                return Ok(Err("the join keys have different types".to_string()));
            }
            if has_nan(host) || has_nan(guest) {
                return Ok(Err(format!("{} is joined with NaN", self.name())));
            }
        }
        let mut numbers = KeyNumbers::new(guest_keys.iter().map(|keys| keys.data_type().clone()))?;
        let of_guest = numbers.of(&guest_keys)?;
        let mut guest_cells = vec![None; of_guest.len()];
        for (number, cell) in std::iter::zip(of_guest, guest_selection.cells()) {
            let Some(number) = number else { continue };
            if guest_cells[number].replace(cell as usize).is_some() {
                return Ok(Err(format!("{} has equal keys", self.name())));
            }
        }
        let mut found: Vec<Option<usize>> = numbers
            .of(&host_keys)?
            .into_iter()
            .map(|number| guest_cells.get(number?).copied().flatten())
            .collect();
        if self.compares_coordinates() {
            let has_equal = found.iter().any(Option::is_some);
            let cells: Vec<u64> = guest_selection.cells().collect();
            let near = alignment.compare(&host_keys[0], &guest_keys[0], &cells, &mut found)?;
            let mut difference = self.difference(near, alignment)?;
            if let Some(difference) = &mut difference {
                difference.is_disjoint &= !has_equal;
            }
            differences.extend(difference);
        }
        let mut cells = vec![None; host_axis.coordinates.len()];
        for (found, cell) in std::iter::zip(found, host_selection.cells()) {
            cells[cell as usize] = found;
        }
        Ok(Ok(AxisMap::new(cells.into_iter())))
    }

    fn keys(&self, side: Side<'_>, axis: usize, of: usize) -> Result<Vec<ArrayRef>> {
        let keys: Vec<&Expression> = self.pairs.iter().map(|pair| pair[of]).collect();
        on_axis(side.cube, axis, &side.selections[axis], &keys)
    }

    /// Are the coordinates themselves equated, and nothing else?
    fn joins_coordinates(&self) -> bool {
        match self.pairs {
            [[host, guest]] => host.is::<Column>() && guest.is::<Column>(),
            _ => false,
        }
    }

    /// Are coordinates equated, perhaps in another type, and nothing else?
    fn compares_coordinates(&self) -> bool {
        match self.pairs {
            [[host, guest]] => is_coordinate(host) && is_coordinate(guest),
            _ => false,
        }
    }

    /// How the coordinates differ, selected or not; some that are selected are `near` each other.
    fn difference(&self, near: Option<Near>, alignment: Alignment) -> Result<Option<Difference>> {
        let whole = |side: Side<'_>, axis: usize, of: usize| -> Result<ArrayRef> {
            let all = AxisSelection::all(side.cube.axes[axis].coordinates.len() as u64);
            let keys = on_axis(side.cube, axis, &all, &[self.pairs[0][of]])?;
            Ok(Arc::clone(&keys[0]))
        };
        let host_keys = whole(self.host, self.host_axis, 0)?;
        let guest_keys = whole(self.guest, self.guest_axis, 1)?;
        if !(host_keys.data_type().is_floating()
            || matches!(host_keys.data_type(), DataType::Timestamp(..)))
        {
            return Ok(None);
        }
        let host = Compared {
            cube: self.host.cube,
            axis: self.host_axis,
            keys: &host_keys,
        };
        let beside = host.beside(&Compared {
            cube: self.guest.cube,
            axis: self.guest_axis,
            keys: &guest_keys,
        })?;
        let is_disjoint = beside.as_ref().is_some_and(|beside| beside.is_disjoint);
        // What a predicate leaves does not decide whether coordinates are near.
        let near = match near {
            None if is_disjoint && alignment == Alignment::Nearest => {
                let cells: Vec<u64> = (0..guest_keys.len() as u64).collect();
                let mut found = vec![None; host_keys.len()];
                alignment.compare(&host_keys, &guest_keys, &cells, &mut found)?
            }
            near => near,
        };
        Ok(match near {
            None => beside,
            Some(near) => {
                let axis = self.host.cube.axes[self.host_axis].field.name();
                let is_disjoint = is_disjoint && alignment != Alignment::Nearest;
                Some(near.difference(axis, is_disjoint))
            }
        })
    }

    /// Are the coordinates of every cell and the one that it sees the same, metadata included?
    fn has_same_coordinates(&self, map: &AxisMap) -> Result<bool> {
        let host = &self.host.cube.axes[self.host_axis];
        let guest = &self.guest.cube.axes[self.guest_axis];
        if !self.joins_coordinates()
            || host.field.data_type() != guest.field.data_type()
            || host.field.metadata() != guest.field.metadata()
        {
            return Ok(false);
        }
        let cells = map.cells().zip(0u64..);
        let (seen, cells): (Vec<u64>, Vec<u64>) =
            cells.filter_map(|(seen, cell)| Some((seen?, cell))).unzip();
        let host = take(&host.coordinates, &UInt64Array::from(cells), None)?;
        let guest = take(&guest.coordinates, &UInt64Array::from(seen), None)?;
        // Arrays are compared bit by bit, so that -0.0 is not 0.0.
        Ok(host == guest)
    }
}
