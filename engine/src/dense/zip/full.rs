//! Full joins: a cube on the coordinates of both.
//!
//! ```text
//!  a   time 0 1 2 3                       time  0 1 2 3 4 5
//!  b   time     2 3 4 5          ─▶       a     ▓ ▓ ▓ ▓ · ·
//!                                         b     · · ▓ ▓ ▓ ▓      · NULL
//! ```
//! The cells of both cubes fill a grid only if the cubes differ along at most one axis.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::{concat, take};
use datafusion::common::Result;

use super::guest::GuestColumns;
use super::mismatch::Remedy;
use super::places::Places;
use super::plan::{Expression, Replacement, Rewritten, ScanJoin, chunks_of, table_conjuncts};
use crate::cube::chunks::AxisChunks;
use crate::cube::zip::{AxisMap, Place, View, zip as zip_cubes};
use crate::scan::CubeScan;
use crate::scan::selection::AxisSelection;

/// The axis along which the two cubes differ, with the cells of both.
struct Union {
    /// Which axis of the left cube.
    axis: usize,
    coordinates: ArrayRef,
    /// Per cell of the union, that of the left and of the right cube.
    maps: [AxisMap; 2],
    /// Has the left or the right cube no cell somewhere?
    is_partial: [bool; 2],
}

impl ScanJoin<'_> {
    /// The scan of a full join, on the axes of the left cube.
    pub(super) fn in_full(&self) -> Result<Rewritten<CubeScan>> {
        let [left, right] = self.scans;
        let has_condition = self.join.filter.is_some()
            || !table_conjuncts(left)?.is_empty()
            || !table_conjuncts(right)?.is_empty();
        if has_condition {
            return Ok(Err(
                "a full join has a condition on more than an axis".to_string()
            ));
        }
        let places = match (self.places(0)?, self.places(1)?) {
            (Ok(of_right), Ok(of_left)) => [of_right, of_left],
            (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
        };
        let mut same = places.iter().flat_map(|places| &places.same);
        let mut differences = places[0].differences.iter();
        let is_rounded = differences.any(|difference| difference.remedy == Remedy::TakeNearest);
        if same.any(Option::is_none) || is_rounded {
            return Ok(Err("a full join is not on the same coordinates".to_string()));
        }
        let union = match self.union(&places)? {
            Ok(union) => union,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut host = left.cube.with_variables(Vec::new());
        if host.zipped.is_empty() {
            host.zipped.push(host.name.clone());
        }
        let mut selections = left.predicate.selections.clone();
        if let Some(union) = &union {
            let coordinates = Arc::clone(&union.coordinates);
            selections[union.axis] = AxisSelection::all(coordinates.len() as u64);
            host.axes[union.axis] = host.axes[union.axis].with_coordinates(coordinates)?;
        }
        let own = left.cube.axes.iter().enumerate();
        let own = own.map(|(axis, of_cube)| Place::Along {
            axis,
            map: AxisMap::new((0..of_cube.coordinates.len()).map(Some)),
        });
        let own_same: Vec<Option<usize>> = (0..left.cube.axes.len()).map(Some).collect();
        let left_view = self.view(0, own.collect(), union.as_ref());
        let right_view = self.view(1, places[0].places.clone(), union.as_ref());

        let mut outputs: Vec<Option<Expression>> = vec![None; self.join.output.len()];
        let mut left_columns = GuestColumns::new(&host, &left.cube, left_view, &own_same, true);
        self.rewrite(0, &mut left_columns, &mut outputs)?;
        let both = host.with_variables(left_columns.variables);
        let same = &places[0].same;
        let mut right_columns = GuestColumns::new(&both, &right.cube, right_view, same, true);
        self.rewrite(1, &mut right_columns, &mut outputs)?;
        let replacement = Replacement {
            cube: zip_cubes(&both, &right.cube.name, right_columns.variables),
            conjuncts: Vec::new(),
            selections: &selections,
            outputs: outputs.into_iter().flatten().collect(),
        };
        replacement.scan(self.join, left, self.options)
    }

    /// Fills in the output columns of the input `side`.
    fn rewrite(
        &self,
        side: usize,
        columns: &mut GuestColumns<'_>,
        outputs: &mut [Option<Expression>],
    ) -> Result<()> {
        for (output, (of, column)) in std::iter::zip(outputs, &self.join.output) {
            if *of == side {
                let column = Arc::clone(&self.columns[side][*column]);
                *output = Some(columns.optional(column, &[])?);
            }
        }
        Ok(())
    }

    /// How a cube is seen on the union, given its `places` on the axes of the left cube.
    fn view(&self, side: usize, mut places: Vec<Place>, union: Option<&Union>) -> View {
        let mut host_chunks = chunks_of(self.scans[0]);
        let mut partial = Vec::new();
        if let Some(union) = union {
            let length = union.coordinates.len() as u64;
            let size = host_chunks[union.axis].size();
            host_chunks[union.axis] = AxisChunks::regular(length, size);
            for (position, place) in places.iter_mut().enumerate() {
                if let Place::Along { axis, map } = place
                    && *axis == union.axis
                {
                    *map = union.maps[side].clone();
                    partial.extend(union.is_partial[side].then_some(position));
                }
            }
        }
        View {
            places,
            partial,
            host_chunks,
        }
    }

    /// The axis along which the cubes differ, if they do.
    fn union(&self, places: &[Places; 2]) -> Result<Rewritten<Option<Union>>> {
        let [left, right] = self.scans;
        let alone = |side: usize, axis: usize| -> Vec<u64> {
            let seen = places[side].seen[axis].mask();
            let cells = self.scans[side].predicate.selections[axis].cells();
            cells.filter(|cell| !seen.value(*cell as usize)).collect()
        };
        let at = |scan: &CubeScan, axis: usize, cells: &[u64]| {
            let cells = UInt64Array::from(cells.to_vec());
            take(&scan.cube.axes[axis].coordinates, &cells, None)
        };
        let mut found = None;
        for (right_axis, place) in places[0].places.iter().enumerate() {
            let Place::Along { axis, map } = place else {
                continue;
            };
            let (left_alone, right_alone) = (alone(0, *axis), alone(1, right_axis));
            if left_alone.is_empty() && right_alone.is_empty() {
                continue;
            }
            if found.is_some() {
                let reason = "the cubes of a full join differ along several axes";
                return Ok(Err(reason.to_string()));
            }
            let left_cells: Vec<u64> = left.predicate.selections[*axis].cells().collect();
            let of_left = left_cells.iter().map(|cell| Some(*cell));
            let of_right = left_cells.iter().map(|cell| map.get(*cell));
            let map = |cells: &mut dyn Iterator<Item = Option<u64>>| {
                AxisMap::new(cells.map(|cell| cell.map(|cell| cell as usize)))
            };
            let coordinates = [
                at(left, *axis, &left_cells)?,
                at(right, right_axis, &right_alone)?,
            ];
            found = Some(Union {
                axis: *axis,
                coordinates: concat(&coordinates.each_ref().map(AsRef::as_ref))?,
                maps: [
                    map(&mut of_left.chain(right_alone.iter().map(|_| None))),
                    map(&mut of_right.chain(right_alone.iter().map(|cell| Some(*cell)))),
                ],
                is_partial: [!right_alone.is_empty(), !left_alone.is_empty()],
            });
        }
        Ok(Ok(found))
    }
}
