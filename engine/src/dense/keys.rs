//! Group keys as small integers: every key that reads one axis is evaluated once on its coordinates.
//!
//! ```text
//!  time    Jan 1 · Jan 2 · … · Feb 1 · …      date_part('month', time)      codes  0 0 … 1 …
//!  lat     90 · 89 · …                        lat                           codes  0 1 2 …   (each its own)
//!  lon     0 · 0.5 · …                        no key                        codes  0 0 0 …   (all one)
//! ```
//! Equal keys get equal codes wherever they stand, so that duplicate and unsorted coordinates group as
//! rows do. Codes are numbered in the order in which they appear along the axis. What reads two axes, or
//! the regions that a cube is joined with, has codes over several axes: [`crate::dense::joint`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr_common::physical_expr::is_volatile;

use crate::cube::{AxisOrder, Cube};
use crate::dense::joint::{self, JointCodes, grouped};
use crate::dense::regions::Regions;
use crate::scan::grid::{ScanGrid, Unit, UnitAxis};
use crate::scan::predicate::remap_columns;
use crate::scan::selection::AxisSelection;

/// How the selected cells of one axis fall into groups.
#[derive(Debug, Clone)]
pub(crate) struct AxisCodes {
    /// Code of each cell of the axis; those of cells that are not selected mean nothing.
    codes: Arc<[u32]>,
    /// Number of codes.
    pub(crate) count: usize,
    /// Does every selected cell have a code of its own, in ascending order?
    pub(crate) is_identity: bool,
    /// Have cells of the axis codes of their own? Not where it has no key, or codes are over several axes.
    pub(crate) is_keyed: bool,
}

impl AxisCodes {
    /// The codes of a unit's cells along this axis, in the order of rows.
    pub(crate) fn of(&self, unit: &UnitAxis) -> Vec<u32> {
        let cells = unit.cells();
        cells
            .iter()
            .map(|cell| self.codes[*cell as usize])
            .collect()
    }

    /// The codes of a unit's cells along this axis, in storage order.
    pub(crate) fn stored<'a>(&'a self, unit: &'a UnitAxis) -> impl Iterator<Item = u32> + 'a {
        let runs = unit.runs.iter();
        runs.flat_map(|run| &self.codes[run.start as usize..run.end as usize])
            .copied()
    }
}

/// One group column of the output.
#[derive(Debug, Clone)]
pub(crate) struct KeyColumn {
    /// The axis whose coordinates it reads, or the first one of several.
    pub(crate) axis: usize,
    /// Its value for each code of the axis; none before regions are known.
    pub(crate) values: ArrayRef,
    /// As `EXPLAIN` shows it.
    pub(crate) name: String,
}

/// All group keys of an aggregate.
#[derive(Debug, Clone)]
pub(crate) struct GroupKeys {
    /// One entry per axis of the cube.
    pub(crate) axes: Vec<AxisCodes>,
    /// The group columns, in the order of the output.
    pub(crate) columns: Vec<KeyColumn>,
    /// Codes over several axes. They stand on the first of them.
    pub(crate) joint: Option<Arc<JointCodes>>,
    /// Keys that read columns of the regions that a cube is joined with: position among the columns, and
    /// what to evaluate on the regions.
    of_regions: Vec<(usize, Arc<dyn PhysicalExpr>)>,
}

/// The regions that a cube is joined with, while planning.
#[derive(Debug, Clone)]
pub(crate) struct RegionColumns {
    /// The axes of which they select cells, ascending.
    pub(crate) axes: Vec<usize>,
    /// The columns of the joined table: the cube's, then theirs.
    pub(crate) joined: SchemaRef,
}

/// Positions of keys by what they read.
struct Sorted {
    of_axis: Vec<Vec<usize>>,
    /// The two axes that keys read together, and the keys that read either or both.
    of_plane: Option<([usize; 2], Vec<usize>)>,
    of_regions: Vec<usize>,
}

impl Sorted {
    fn new(
        cube: &Cube,
        selections: &[AxisSelection],
        keys: &[(Arc<dyn PhysicalExpr>, String)],
        regions: Option<&RegionColumns>,
    ) -> std::result::Result<Self, String> {
        let rank = cube.axes.len();
        let first_of_regions = cube.schema.fields().len();
        let is_of_regions =
            |axis: &usize| regions.is_some_and(|regions| regions.axes.contains(axis));
        let mut sorted = Self {
            of_axis: vec![Vec::new(); rank],
            of_plane: None,
            of_regions: Vec::new(),
        };
        for (position, (key, name)) in keys.iter().enumerate() {
            let mut columns: Vec<usize> = collect_columns(key).iter().map(Column::index).collect();
            columns.sort_unstable();
            let last = columns.last().copied();
            let refused = match columns.as_slice() {
                _ if is_volatile(key) => Some("is volatile"),
                [first, ..] if *first >= first_of_regions => None,
                _ if last >= Some(first_of_regions) => Some("reads cells and regions"),
                _ if last >= Some(rank) => Some("reads a variable"),
                axes if axes.iter().any(is_of_regions) => Some("reads an axis that the regions do"),
                [_, _] if regions.is_some() => Some("reads several axes beside the regions"),
                [_, _, _, ..] => Some("reads more than two axes"),
                _ => None,
            };
            if let Some(reason) = refused {
                return Err(format!("the group key {name} {reason}"));
            }
            match columns.as_slice() {
                // A constant may stand on any axis that has keys of its own.
                [] => match (0..rank).find(|axis| !is_of_regions(axis)) {
                    Some(axis) => sorted.of_axis[axis].push(position),
                    None => sorted.of_regions.push(position),
                },
                [axis] if *axis < rank => sorted.of_axis[*axis].push(position),
                [first, second] if *first < rank => {
                    let axes = [*first, *second];
                    let plane = sorted.of_plane.get_or_insert((axes, Vec::new()));
                    if plane.0 != axes {
                        return Err(format!("the group key {name} reads other axes together"));
                    }
                    plane.1.push(position);
                }
                _ => sorted.of_regions.push(position),
            }
        }
        if let Some((axes, positions)) = &mut sorted.of_plane {
            let cells = axes.map(|axis| selections[axis].len());
            if cells[0].saturating_mul(cells[1]) > joint::MOST_CELLS {
                return Err("a group key reads a plane of too many cells".to_string());
            }
            for axis in axes {
                positions.append(&mut sorted.of_axis[*axis]);
            }
        }
        Ok(sorted)
    }
}

impl GroupKeys {
    /// Do all cells of a unit belong to the same group?
    pub(crate) fn is_one_group(&self, unit: &Unit) -> bool {
        let is_one = |(codes, unit): (&AxisCodes, &UnitAxis)| {
            let mut codes = codes.stored(unit);
            let first = codes.next();
            codes.all(|code| Some(code) == first)
        };
        self.joint.is_none() && std::iter::zip(&self.axes, &unit.axes).all(is_one)
    }

    /// Evaluates group keys over the table's schema, or that of its join with regions, on the selected
    /// coordinates. `Err` holds the reason why they cannot be codes.
    ///
    /// # Errors
    /// A key that fails on a selected coordinate.
    pub(crate) fn new(
        cube: &Cube,
        selections: &[AxisSelection],
        keys: &[(Arc<dyn PhysicalExpr>, String)],
        regions: Option<&RegionColumns>,
    ) -> Result<std::result::Result<Self, String>> {
        let sorted = match Sorted::new(cube, selections, keys, regions) {
            Ok(sorted) => sorted,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut columns: Vec<Option<KeyColumn>> = vec![None; keys.len()];
        let mut add = |axis: usize, positions: &[usize], values: Vec<ArrayRef>| {
            for (position, values) in std::iter::zip(positions, values) {
                let name = keys[*position].1.clone();
                columns[*position] = Some(KeyColumn { axis, values, name });
            }
        };
        let expressions = |positions: &[usize]| -> Vec<&Arc<dyn PhysicalExpr>> {
            positions
                .iter()
                .map(|position| &keys[*position].0)
                .collect()
        };
        let mut axes = Vec::with_capacity(cube.axes.len());
        for (axis, positions) in sorted.of_axis.iter().enumerate() {
            let keys = expressions(positions);
            let (codes, values) = axis_codes(cube, axis, &selections[axis], &keys)?;
            axes.push(codes);
            add(axis, positions, values);
        }
        let mut joint = None;
        if let Some((of_plane, positions)) = &sorted.of_plane {
            let keys = expressions(positions);
            let (codes, count, values) = JointCodes::of_plane(cube, selections, *of_plane, &keys)?;
            axes[of_plane[0]].count = count;
            joint = Some(Arc::new(codes));
            add(of_plane[0], positions, values);
        }
        let mut of_regions = Vec::with_capacity(sorted.of_regions.len());
        if let Some(RegionColumns { axes, joined }) = regions {
            let theirs: Vec<usize> = (cube.schema.fields().len()..joined.fields().len()).collect();
            for position in sorted.of_regions {
                let key = &keys[position].0;
                add(
                    axes[0],
                    &[position],
                    vec![new_empty_array(&key.data_type(joined)?)],
                );
                of_regions.push((position, remap_columns(Arc::clone(key), &theirs)?));
            }
        }
        Ok(Ok(Self {
            axes,
            columns: columns.into_iter().flatten().collect(),
            joint,
            of_regions,
        }))
    }

    /// The same keys with the codes of regions, whose cells in a scan are those of `grid`.
    ///
    /// # Errors
    /// A key that fails on a region, or the memory pool has no room.
    pub(crate) fn with_regions(&self, regions: Regions, grid: &ScanGrid) -> Result<Self> {
        let expressions: Vec<_> = self
            .of_regions
            .iter()
            .map(|(_, key)| Arc::clone(key))
            .collect();
        let (codes, count, values) = JointCodes::of_regions(regions, &expressions, grid)?;
        let mut keys = self.clone();
        for ((position, _), values) in std::iter::zip(&self.of_regions, values) {
            keys.columns[*position].values = values;
        }
        for (place, axis) in codes.axes().iter().enumerate() {
            keys.axes[*axis].count = if place == 0 { count } else { 1 };
        }
        keys.joint = Some(Arc::new(codes));
        Ok(keys)
    }

    /// Are the codes of all keys known? Not before regions are.
    pub(crate) fn is_complete(&self) -> bool {
        self.of_regions.is_empty()
    }

    /// Does the group column at `position` read regions?
    pub(crate) fn is_of_regions(&self, position: usize) -> bool {
        self.of_regions.iter().any(|(other, _)| *other == position)
    }

    /// Number of groups, if every combination of codes occurs.
    pub(crate) fn groups(&self) -> usize {
        let counts = self.axes.iter().map(|axis| axis.count);
        counts.fold(1, usize::saturating_mul)
    }
}

/// The values of expressions that read one axis, at its selected cells.
///
/// # Errors
/// An expression that fails on a selected coordinate.
pub(crate) fn on_axis(
    cube: &Cube,
    axis: usize,
    selection: &AxisSelection,
    keys: &[&Arc<dyn PhysicalExpr>],
) -> Result<Vec<ArrayRef>> {
    let coordinates = &cube.axes[axis].coordinates;
    let coordinates = selection.take(coordinates)?;
    let rows = coordinates.len();
    let schema = Arc::new(cube.schema.project(&[axis])?);
    let batch = RecordBatch::try_new(schema, vec![coordinates])?;
    keys.iter()
        .map(|key| {
            remap_columns(Arc::clone(key), &[axis])?
                .evaluate(&batch)?
                .into_array(rows)
        })
        .collect()
}

fn axis_codes(
    cube: &Cube,
    axis: usize,
    selection: &AxisSelection,
    keys: &[&Arc<dyn PhysicalExpr>],
) -> Result<(AxisCodes, Vec<ArrayRef>)> {
    let coordinates = &cube.axes[axis].coordinates;
    let length = coordinates.len();
    let selected = selection.len() as usize;
    let place = |of_selected: &dyn Fn(usize) -> u32| {
        let mut codes = vec![0; length];
        for (position, cell) in selection.cells().enumerate() {
            codes[cell as usize] = of_selected(position);
        }
        Arc::from(codes)
    };
    if keys.is_empty() {
        let codes = AxisCodes {
            codes: vec![0; length].into(),
            count: selected.min(1),
            is_identity: false,
            is_keyed: false,
        };
        return Ok((codes, Vec::new()));
    }
    let values = on_axis(cube, axis, selection, keys)?;
    let is_coordinate = |key: &&Arc<dyn PhysicalExpr>| key.is::<Column>();
    if keys.iter().any(is_coordinate) && cube.axes[axis].order != AxisOrder::Unordered {
        let codes = AxisCodes {
            codes: place(&|position| position as u32),
            count: selected,
            is_identity: true,
            is_keyed: true,
        };
        return Ok((codes, values));
    }
    let (indices, values) = grouped(&values)?;
    let count = indices.iter().max().map_or(0, |last| last + 1);
    let codes = AxisCodes {
        is_identity: indices
            .iter()
            .enumerate()
            .all(|(position, code)| position == *code),
        codes: place(&|position| indices[position] as u32),
        count,
        is_keyed: true,
    };
    Ok((codes, values))
}
