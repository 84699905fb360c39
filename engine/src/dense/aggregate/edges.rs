//! `first_value` and `last_value`: the value of the cell that comes first in an order of axes.
//!
//! ```text
//!  ORDER BY time DESC, lat      rank of a cell  =  rank of its time × latitudes + rank of its latitude
//!                               (what is last in an order is first in the opposite one)
//! ```
//! A rank is a sum of one number per axis, so that the ranks of a row are one number and those along the
//! fastest axis. Without ORDER BY the order is that in which the cube stores its cells.

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow::array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use graticule_functions::kernels::Bits;

use crate::cube::{AxisOrder, Cube};
use crate::dense::aggregate::groups::{Plane, Values};
use crate::dense::aggregate::layout::{Groups, UnitLayout, Visit};
use crate::dense::aggregate::plan::ElementType;
use crate::dense::keys::GroupKeys;
use crate::scan::grid::Unit;
use crate::scan::selection::AxisSelection;

/// Values of which those of one cell per group are kept.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// Over the table's schema.
    pub(crate) values: Arc<dyn PhysicalExpr>,
    pub(crate) element: ElementType,
    /// `FILTER (WHERE …)`.
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
    /// Does a cell whose value is missing count for none?
    pub(crate) ignore_nulls: bool,
    pub(crate) order: AxisRanks,
    /// As `EXPLAIN` shows it.
    pub(crate) name: String,
}

/// The order of cells.
#[derive(Debug, Clone)]
pub(crate) struct AxisRanks {
    /// Per axis: what a step along it adds to the rank; 0 where it does not count.
    weights: Vec<u64>,
    /// Per axis: is the last cell the first one in the order?
    backwards: Vec<bool>,
    lengths: Vec<u64>,
}

impl AxisRanks {
    /// The order of `first_value(… ORDER BY …)`, or of `last_value` where `is_last`, over the cells that
    /// groups of `keys` may hold. `Err` holds the reason why the cells have none.
    pub(crate) fn new(
        cube: &Cube,
        keys: &GroupKeys,
        selections: &[AxisSelection],
        order: &[(Arc<dyn PhysicalExpr>, PhysicalSortExpr)],
        is_last: bool,
    ) -> std::result::Result<Self, String> {
        let rank = cube.axes.len();
        let lengths: Vec<u64> = cube
            .axes
            .iter()
            .map(|axis| axis.coordinates.len() as u64)
            .collect();
        let mut sequence: Vec<(usize, bool)> = Vec::new();
        for (key, sort) in order {
            let column = key.downcast_ref::<Column>().map(Column::index);
            let Some(axis) = column.filter(|column| *column < rank) else {
                return Err(format!("its ORDER BY {} is no axis", sort.expr));
            };
            let is_descending = match cube.axes[axis].order {
                AxisOrder::Ascending => false,
                AxisOrder::Descending => true,
                AxisOrder::Unordered => {
                    return Err(format!(
                        "the axis {} of its ORDER BY has no order",
                        sort.expr
                    ));
                }
            };
            if sequence.iter().all(|(other, _)| *other != axis) {
                sequence.push((axis, is_descending != sort.options.descending));
            }
        }
        if order.is_empty() {
            sequence = (0..rank).map(|axis| (axis, false)).collect();
        }
        for (axis, selection) in selections.iter().enumerate() {
            let is_one_cell = selection.len() <= 1 || keys.axes[axis].is_identity;
            if !is_one_cell && sequence.iter().all(|(other, _)| *other != axis) {
                let name = cube.axes[axis].field.name();
                return Err(format!(
                    "its ORDER BY leaves cells of a group in any order along {name}"
                ));
            }
        }
        let mut ranks = Self {
            weights: vec![0; rank],
            backwards: vec![false; rank],
            lengths,
        };
        let mut weight = 1u64;
        for (axis, is_backwards) in sequence.into_iter().rev() {
            ranks.weights[axis] = weight;
            ranks.backwards[axis] = is_backwards != is_last;
            weight = weight.saturating_mul(ranks.lengths[axis].max(1));
        }
        Ok(ranks)
    }

    /// What each cell of a unit along `axis` adds to the rank.
    fn along(&self, unit: &Unit, axis: usize) -> Vec<u64> {
        let weight = self.weights[axis];
        let cells = unit.axes[axis].cells().into_iter();
        let place = |cell| match self.backwards[axis] {
            true => self.lengths[axis] - 1 - cell,
            false => cell,
        };
        cells.map(|cell| place(cell) * weight).collect()
    }
}

/// The ranks of a unit's cells.
struct UnitRanks {
    along: Vec<Vec<u64>>,
    strides: Vec<usize>,
}

impl UnitRanks {
    /// Calls `take` with each stretch of `length` cells from `start` on that lies in one row of the unit:
    /// its first cell, the rank of the row, and what each of its cells adds.
    fn each_row(&self, start: usize, length: usize, mut take: impl FnMut(usize, u64, &[u64])) {
        let Some((fastest, slow)) = self.along.split_last() else {
            return;
        };
        let mut cell = start;
        while cell < start + length {
            let position = cell % fastest.len();
            let end = (position + start + length - cell).min(fastest.len());
            let of_axes = std::iter::zip(slow, &self.strides);
            let row = of_axes.map(|(along, stride)| along[cell / stride % along.len()]);
            take(cell, row.sum(), &fastest[position..end]);
            cell += end - position;
        }
    }
}

/// The first cell of each group so far.
#[derive(Debug, Clone)]
pub(crate) struct EdgeState {
    /// The highest where there is none.
    ranks: Vec<u64>,
    /// The bits of its value.
    bits: Vec<u64>,
    has_value: Vec<bool>,
}

impl EdgeState {
    /// Bytes of one group.
    pub(crate) const BYTES_PER_GROUP: usize = 17;

    pub(crate) fn new(groups: usize) -> Self {
        Self {
            ranks: vec![u64::MAX; groups],
            bits: vec![0; groups],
            has_value: vec![false; groups],
        }
    }

    fn add_row(
        &mut self,
        start: usize,
        row: u64,
        along: &[u64],
        group_of: impl Fn(usize) -> usize,
        cells: &EdgeCells<'_>,
    ) {
        for (position, more) in along.iter().enumerate() {
            let (group, rank) = (group_of(position), row + more);
            if rank < self.ranks[group] && cells.counts(start + position) {
                self.ranks[group] = rank;
                (self.bits[group], self.has_value[group]) = cells.value(start + position);
            }
        }
    }

    /// Adds the groups of another worker.
    pub(crate) fn merge(&mut self, other: &Self) {
        for group in 0..self.ranks.len() {
            if other.ranks[group] < self.ranks[group] {
                self.ranks[group] = other.ranks[group];
                self.bits[group] = other.bits[group];
                self.has_value[group] = other.has_value[group];
            }
        }
    }

    /// The values of all groups, of type `returns`.
    pub(crate) fn column(&self, element: ElementType, returns: &DataType) -> Result<ArrayRef> {
        let bits = self.bits.iter().copied();
        let nulls = Some(NullBuffer::from(self.has_value.as_slice()));
        let values: ArrayRef = match element {
            ElementType::Float32 => {
                let values = bits.map(|bits| f32::from_bits(bits as u32)).collect();
                Arc::new(PrimitiveArray::<Float32Type>::try_new(values, nulls)?)
            }
            ElementType::Float64 => {
                let values = bits.map(f64::from_bits).collect();
                Arc::new(PrimitiveArray::<Float64Type>::try_new(values, nulls)?)
            }
            _ if *returns == DataType::UInt64 => Arc::new(PrimitiveArray::<UInt64Type>::try_new(
                bits.collect(),
                nulls,
            )?),
            _ if *returns == DataType::Boolean => {
                let truths = bits.map(|bits| bits != 0).collect();
                Arc::new(BooleanArray::new(truths, nulls))
            }
            _ => {
                let values = bits.map(u64::cast_signed).collect();
                Arc::new(PrimitiveArray::<Int64Type>::try_new(values, nulls)?)
            }
        };
        match values.data_type() == returns {
            true => Ok(values),
            false => Ok(cast(&values, returns)?),
        }
    }
}

/// The values of a unit, and which cells count.
#[derive(Clone, Copy)]
pub(crate) struct EdgeCells<'a> {
    /// None where all are missing.
    pub(crate) values: Values<'a>,
    /// Cells that have a value.
    pub(crate) valid: Option<Bits<'a>>,
    /// Cells that predicates and filters leave, and that have a value where others do not count.
    pub(crate) mask: Option<Bits<'a>>,
}

impl EdgeCells<'_> {
    fn counts(&self, cell: usize) -> bool {
        self.mask.is_none_or(|mask| mask.is_set(cell))
    }

    fn value(&self, cell: usize) -> (u64, bool) {
        let has_value = self.valid.is_none_or(|valid| valid.is_set(cell));
        match self.values {
            Values::Any => (0, false),
            Values::Float32(values) => (u64::from(values[cell].to_bits()), has_value),
            Values::Float64(values) => (values[cell].to_bits(), has_value),
            Values::Int64(values) => (values[cell].cast_unsigned(), has_value),
        }
    }
}

impl Edge {
    /// Adds the cells of a unit to its states in planes, at `position` of each.
    pub(crate) fn add(
        &self,
        unit: &Unit,
        layout: &UnitLayout,
        cells: &EdgeCells<'_>,
        position: usize,
        planes: &mut [Option<Plane>],
    ) {
        let axes = 0..unit.axes.len();
        let ranks = UnitRanks {
            along: axes.map(|axis| self.order.along(unit, axis)).collect(),
            strides: unit.strides(),
        };
        for visit in layout.visits() {
            if let Some(plane) = &mut planes[visit.plane] {
                add_visit(&visit, &ranks, cells, &mut plane.edges[position]);
            }
        }
    }
}

fn add_visit(visit: &Visit<'_>, ranks: &UnitRanks, cells: &EdgeCells<'_>, state: &mut EdgeState) {
    let rows = visit.rows;
    for offset in rows.offsets {
        let first_cell = offset + rows.shift;
        match visit.groups {
            Groups::One(group) => ranks.each_row(first_cell, rows.length, |start, row, along| {
                state.add_row(start, row, along, |_| group, cells);
            }),
            Groups::Each(first) => ranks.each_row(first_cell, rows.length, |start, row, along| {
                let group = first + start - first_cell;
                state.add_row(start, row, along, |position| group + position, cells);
            }),
            Groups::Segments { base, segments } => {
                for segment in segments {
                    let group = base + segment.code;
                    let start = first_cell + segment.start;
                    ranks.each_row(start, segment.length, |start, row, along| {
                        state.add_row(start, row, along, |_| group, cells);
                    });
                }
            }
        }
    }
}
