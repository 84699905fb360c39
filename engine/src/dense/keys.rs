//! Group keys as small integers: every key that reads one axis is evaluated once on its coordinates.
//!
//! ```text
//!  time    Jan 1 · Jan 2 · … · Feb 1 · …      date_part('month', time)      codes  0 0 … 1 …
//!  lat     90 · 89 · …                        lat                           codes  0 1 2 …   (each its own)
//!  lon     0 · 0.5 · …                        no key                        codes  0 0 0 …   (all one)
//! ```
//! Equal keys get equal codes wherever they stand, so that duplicate and unsorted coordinates group as
//! rows do. Codes are numbered in the order in which they appear along the axis.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::cube::{AxisOrder, Cube};
use crate::scan::grid::{Unit, UnitAxis};
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
    /// Has the axis a key at all?
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
    /// The axis whose coordinates it reads.
    pub(crate) axis: usize,
    /// Its value for each code of the axis.
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
}

impl GroupKeys {
    /// Do all cells of a unit belong to the same group?
    pub(crate) fn is_one_group(&self, unit: &Unit) -> bool {
        std::iter::zip(&self.axes, &unit.axes).all(|(codes, unit)| {
            let mut codes = codes.stored(unit);
            let first = codes.next();
            codes.all(|code| Some(code) == first)
        })
    }

    /// Evaluates group keys over the table's schema on the selected coordinates. `Err` holds the reason
    /// why they cannot be codes.
    ///
    /// # Errors
    /// A key that fails on a selected coordinate.
    pub(crate) fn new(
        cube: &Cube,
        selections: &[AxisSelection],
        keys: &[(Arc<dyn PhysicalExpr>, String)],
    ) -> Result<std::result::Result<Self, String>> {
        let mut of_axis: Vec<Vec<usize>> = vec![Vec::new(); cube.axes.len()];
        for (position, (key, name)) in keys.iter().enumerate() {
            if is_volatile(key) {
                return Ok(Err(format!("the group key {name} is volatile")));
            }
            let columns: Vec<usize> = collect_columns(key).iter().map(Column::index).collect();
            match columns.as_slice() {
                [axis] if *axis < cube.axes.len() => of_axis[*axis].push(position),
                [] => match cube.axes.len() {
                    0 => return Ok(Err("the cube has no axis".to_string())),
                    // A constant may stand on any axis.
                    _ => of_axis[0].push(position),
                },
                columns if columns.iter().any(|column| *column >= cube.axes.len()) => {
                    return Ok(Err(format!("the group key {name} reads a variable")));
                }
                _ => return Ok(Err(format!("the group key {name} reads several axes"))),
            }
        }
        let mut columns: Vec<Option<KeyColumn>> = vec![None; keys.len()];
        let mut axes = Vec::with_capacity(cube.axes.len());
        for (axis, positions) in of_axis.iter().enumerate() {
            let expressions: Vec<_> = positions.iter().map(|at| &keys[*at].0).collect();
            let (codes, values) = axis_codes(cube, axis, &selections[axis], &expressions)?;
            axes.push(codes);
            for (position, values) in std::iter::zip(positions, values) {
                columns[*position] = Some(KeyColumn {
                    axis,
                    values,
                    name: keys[*position].1.clone(),
                });
            }
        }
        Ok(Ok(Self {
            axes,
            columns: columns.into_iter().flatten().collect(),
        }))
    }

    /// Number of groups, if every combination of codes occurs.
    pub(crate) fn groups(&self) -> usize {
        let counts = self.axes.iter().map(|axis| axis.count);
        counts.fold(1, usize::saturating_mul)
    }
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
    let cells = UInt64Array::from_iter_values(selection.cells());
    let coordinates = match selection.is_all() {
        true => Arc::clone(coordinates),
        false => take(coordinates, &cells, None)?,
    };
    let schema = Arc::new(cube.schema.project(&[axis])?);
    let batch = RecordBatch::try_new(schema, vec![coordinates])?;
    let values = keys
        .iter()
        .map(|key| {
            remap_columns(Arc::clone(key), &[axis])?
                .evaluate(&batch)?
                .into_array(selected)
        })
        .collect::<Result<Vec<_>>>()?;
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
    let fields = std::iter::zip(keys, &values)
        .map(|(key, values)| Field::new(key.to_string(), values.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    // The very grouping of DataFusion's hash aggregate, so that NaN, -0.0 and NULL group alike.
    let mut groups = new_group_values(schema, &GroupOrdering::None)?;
    let mut indices = Vec::with_capacity(selected);
    groups.intern(&values, &mut indices)?;
    let count = groups.len();
    let values = groups.emit(EmitTo::All)?;
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
