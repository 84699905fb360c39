//! The units of a tile, held as they were decoded, and blocks gathered from them.
//!
//! ```text
//!  units of the tile       value of row r, lane l  =  unit(r)[ offset(r) + offset(l) ]
//!  along the series        rows of lanes that lie side by side are copied whole
//! ```

use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::ArrowPrimitiveType;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, MutableArrayData, PrimitiveArray, UInt64Array,
    downcast_primitive, make_array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{interleave, take};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::cube::Cube;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::{ScanGrid, Unit};
use crate::scan::units::UnitCells;

/// Where the rows of a series lie among the units of a tile.
#[derive(Debug)]
pub(crate) struct SeriesLayout {
    series: Vec<usize>,
    /// For each series axis, the unit along it and the cell within, at each selected cell.
    cells: Vec<Vec<(u32, u32)>>,
    /// Units of a tile along each series axis.
    units: Vec<usize>,
    rows: Vec<Row>,
}

impl SeriesLayout {
    pub(crate) fn new(grid: &ScanGrid, series: &[usize]) -> Self {
        let counts = grid.counts();
        let of_axis = |axis: &usize| -> Vec<(u32, u32)> {
            let units = 0..counts[*axis];
            units
                .flat_map(|unit| {
                    let cells = grid.axis_unit(*axis, unit).count as u32;
                    (0..cells).map(move |cell| (unit as u32, cell))
                })
                .collect()
        };
        let cells: Vec<_> = series.iter().map(of_axis).collect();
        let units: Vec<usize> = series.iter().map(|axis| counts[*axis] as usize).collect();
        Self {
            rows: rows(&cells, &units),
            series: series.to_vec(),
            cells,
            units,
        }
    }

    /// Units of a tile.
    fn slots(&self) -> usize {
        self.units.iter().product()
    }

    /// Which unit of a tile `number` is.
    fn slot(&self, counts: &[u64], mut number: u64) -> usize {
        let mut positions = vec![0; counts.len()];
        for (position, count) in positions.iter_mut().zip(counts).rev() {
            *position = (number % count) as usize;
            number /= count;
        }
        let along = std::iter::zip(&self.series, &self.units);
        along.fold(0, |slot, (axis, units)| slot * units + positions[*axis])
    }

    /// Cells of the series along each of its axes.
    fn lengths(&self) -> Vec<usize> {
        self.cells.iter().map(Vec::len).collect()
    }
}

/// The unit of each row, and its cell along each series axis.
fn rows(cells: &[Vec<(u32, u32)>], units: &[usize]) -> Vec<Row> {
    let mut rows = vec![Row {
        slot: 0,
        cells: [0; MOST_SERIES_AXES],
    }];
    for (axis, (cells, units)) in std::iter::zip(cells, units).enumerate() {
        let along = |outer: &Row| {
            let outer = *outer;
            cells.iter().map(move |(unit, cell)| {
                let mut row = outer;
                row.slot = outer.slot * *units as u32 + unit;
                row.cells[axis] = *cell;
                row
            })
        };
        rows = rows.iter().flat_map(along).collect();
    }
    rows
}

/// Series run along at most this many axes.
pub(crate) const MOST_SERIES_AXES: usize = 4;

/// A row of a series: its unit in the tile, and its cell in there along each series axis.
#[derive(Debug, Clone, Copy)]
struct Row {
    slot: u32,
    cells: [u32; MOST_SERIES_AXES],
}

/// A variable's values in one unit. The strides of axes it does not run along are 0.
#[derive(Debug)]
struct HeldValues {
    values: ArrayRef,
    strides: Vec<usize>,
}

#[derive(Debug)]
struct HeldUnit {
    mask: Option<BooleanBuffer>,
    strides: Vec<usize>,
    values: Vec<HeldValues>,
}

/// The units of one tile.
#[derive(Debug)]
pub(crate) struct Tile {
    layout: Arc<SeriesLayout>,
    units: Vec<Option<HeldUnit>>,
    /// Any unit: the lanes of all are the same.
    lanes: Option<Unit>,
    /// Axes that series do not run along.
    lane_axes: Vec<usize>,
}

impl Tile {
    pub(crate) fn new(layout: &Arc<SeriesLayout>, rank: usize) -> Self {
        Self {
            units: (0..layout.slots()).map(|_| None).collect(),
            lanes: None,
            lane_axes: (0..rank)
                .filter(|axis| !layout.series.contains(axis))
                .collect(),
            layout: Arc::clone(layout),
        }
    }

    /// Holds a unit that was read with `variables`; `number` is its number in a grid of `counts`.
    /// Returns the bytes it needs.
    ///
    /// # Errors
    /// A constant that cannot be an array.
    pub(crate) fn hold(
        &mut self,
        cube: &Cube,
        counts: &[u64],
        variables: &[usize],
        cells: UnitCells,
    ) -> Result<usize> {
        let UnitCells {
            number,
            unit,
            mask,
            values,
            ..
        } = cells;
        let along = unit.counts();
        let mut bytes = mask.as_ref().map_or(0, |mask| mask.len() / 8);
        let held = std::iter::zip(variables, values).map(|(variable, values)| {
            let held = match values {
                UnitValues::Constant(value) => HeldValues {
                    values: value.to_array()?,
                    strides: vec![0; along.len()],
                },
                UnitValues::Array(values) => HeldValues {
                    values: compact(&values)?,
                    strides: strides(&along, |axis| {
                        cube.variables[*variable].axes.contains(&axis)
                    }),
                },
            };
            bytes += held.values.to_data().get_slice_memory_size()?;
            Ok(held)
        });
        let held = HeldUnit {
            mask,
            strides: strides(&along, |_| true),
            values: held.collect::<Result<_>>()?,
        };
        let slot = self.layout.slot(counts, number);
        self.units[slot] = Some(held);
        self.lanes = Some(unit);
        Ok(bytes)
    }

    /// Number of series; 0 for a tile without a selected cell.
    pub(crate) fn lanes(&self) -> usize {
        let Some(unit) = &self.lanes else { return 0 };
        let counts = self.lane_axes.iter().map(|axis| unit.axes[*axis].count);
        counts.product()
    }

    /// Opens a block of the given lanes.
    pub(crate) fn block(&self, lanes: Range<usize>) -> BlockCells<'_> {
        let counts: Vec<usize> = match &self.lanes {
            Some(unit) => self
                .lane_axes
                .iter()
                .map(|axis| unit.axes[*axis].count)
                .collect(),
            None => Vec::new(),
        };
        let cells = lanes.map(|mut lane| {
            let mut cells = vec![0; counts.len()];
            for (cell, count) in cells.iter_mut().zip(&counts).rev() {
                *cell = lane % count;
                lane /= count;
            }
            cells
        });
        BlockCells {
            lanes: cells.collect(),
            rows: &self.layout.rows,
            tile: self,
        }
    }
}

/// A copy where `values` are a small part of a buffer, which would otherwise stay in memory whole.
fn compact(values: &ArrayRef) -> Result<ArrayRef> {
    let data = values.to_data();
    if data.get_buffer_memory_size() < 2 * data.get_slice_memory_size()? + 4096 {
        return Ok(Arc::clone(values));
    }
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}

/// How far a step along each axis moves within the values; 0 for axes they do not run along.
fn strides(counts: &[usize], runs_along: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut strides = vec![0; counts.len()];
    let mut stride = 1;
    for axis in (0..counts.len()).rev() {
        if runs_along(axis) {
            strides[axis] = stride;
            stride *= counts[axis];
        }
    }
    strides
}

/// The cells of one block: rows × lanes.
pub(crate) struct BlockCells<'a> {
    tile: &'a Tile,
    rows: &'a [Row],
    /// The cell of each lane along each lane axis.
    lanes: Vec<Vec<usize>>,
}

/// Where the cells of a block lie in the arrays of the units.
struct Addresses {
    /// Offset of each row within its unit.
    rows: Vec<(usize, usize)>,
    /// Offset of each lane, for each unit.
    lanes: Vec<Lanes>,
}

/// Offsets of the lanes of a block in one unit.
struct Lanes {
    offsets: Vec<usize>,
    is_run: bool,
}

impl BlockCells<'_> {
    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() * self.lanes.len()
    }

    fn addresses<'b>(&'b self, strides: impl Fn(&'b HeldUnit) -> &'b [usize]) -> Addresses {
        let tile = self.tile;
        let series = &tile.layout.series;
        let of_unit = |unit: &'b Option<HeldUnit>| {
            let strides = unit.as_ref().map(&strides);
            let offsets: Vec<usize> = self
                .lanes
                .iter()
                .map(|cells| match strides {
                    Some(strides) => std::iter::zip(cells, &tile.lane_axes)
                        .map(|(cell, axis)| cell * strides[*axis])
                        .sum(),
                    None => 0,
                })
                .collect();
            Lanes {
                is_run: offsets.windows(2).all(|pair| pair[1] == pair[0] + 1),
                offsets,
            }
        };
        let rows = self.rows.iter().map(|row| {
            let slot = row.slot as usize;
            let offset = tile.units[slot].as_ref().map_or(0, |unit| {
                let strides = strides(unit);
                std::iter::zip(row.cells, series)
                    .map(|(cell, axis)| cell as usize * strides[*axis])
                    .sum()
            });
            (slot, offset)
        });
        Addresses {
            rows: rows.collect(),
            lanes: tile.units.iter().map(of_unit).collect(),
        }
    }

    /// Which cells are rows of the table; `None` when all are.
    pub(crate) fn present(&self) -> Option<BooleanBuffer> {
        let units = &self.tile.units;
        let is_whole =
            |unit: &Option<HeldUnit>| unit.as_ref().is_some_and(|unit| unit.mask.is_none());
        if units.iter().all(is_whole) {
            return None;
        }
        let addresses = self.addresses(|unit| &unit.strides);
        let mut bits = BooleanBufferBuilder::new(self.len());
        for (slot, offset) in &addresses.rows {
            match &units[*slot] {
                None => bits.append_n(self.lanes.len(), false),
                Some(HeldUnit { mask: None, .. }) => bits.append_n(self.lanes.len(), true),
                Some(HeldUnit {
                    mask: Some(mask), ..
                }) => {
                    append_bits(&mut bits, mask, *offset, &addresses.lanes[*slot]);
                }
            }
        }
        Some(bits.finish())
    }

    /// The values of the variable at `position` among those the units were read with.
    ///
    /// # Errors
    /// Values that cannot be gathered.
    pub(crate) fn variable(&self, position: usize, data_type: &DataType) -> Result<ArrayRef> {
        let addresses = self.addresses(|unit| &unit.values[position].strides);
        let sources: Vec<Option<&ArrayRef>> = self
            .tile
            .units
            .iter()
            .map(|unit| unit.as_ref().map(|unit| &unit.values[position].values))
            .collect();
        macro_rules! primitive {
            ($type:ty) => {
                Ok(gather_primitive::<$type>(&sources, &addresses, data_type))
            };
        }
        downcast_primitive! {
            data_type => (primitive),
            _ => gather_any(&sources, &addresses, data_type),
        }
    }

    /// The coordinates of `axis` at every cell.
    ///
    /// # Errors
    /// Coordinates that cannot be taken.
    pub(crate) fn coordinates(
        &self,
        cube: &Cube,
        grid: &ScanGrid,
        axis: usize,
    ) -> Result<ArrayRef> {
        let coordinates = &cube.axes[axis].coordinates;
        let layout = &self.tile.layout;
        let lanes = self.lanes.len();
        let cells: UInt64Array = match layout.series.iter().position(|series| *series == axis) {
            Some(position) => {
                let counts = grid.counts();
                let units = (0..counts[axis]).map(|unit| grid.axis_unit(axis, unit).cells());
                let cells: Vec<u64> = units.flatten().collect();
                let lengths = layout.lengths();
                let inside: usize = lengths[position + 1..].iter().product();
                let rows = (0..self.rows.len()).map(|row| cells[row / inside % lengths[position]]);
                rows.flat_map(|cell| std::iter::repeat_n(cell, lanes))
                    .collect::<Vec<_>>()
                    .into()
            }
            None => {
                let unit = self.tile.lanes.as_ref().map(|unit| unit.axes[axis].cells());
                let cells = unit.unwrap_or_default();
                let position = self.tile.lane_axes.iter().position(|lane| *lane == axis);
                let position = position.unwrap_or(0);
                let row: Vec<u64> = self
                    .lanes
                    .iter()
                    .map(|lane| cells[lane[position]])
                    .collect();
                row.repeat(self.rows.len()).into()
            }
        };
        Ok(take(coordinates, &cells, None)?)
    }
}

fn append_bits(bits: &mut BooleanBufferBuilder, source: &BooleanBuffer, row: usize, lanes: &Lanes) {
    if lanes.is_run
        && let Some(first) = lanes.offsets.first()
    {
        bits.append_buffer(&source.slice(row + first, lanes.offsets.len()));
        return;
    }
    for offset in &lanes.offsets {
        bits.append(source.value(row + offset));
    }
}

fn gather_primitive<T: ArrowPrimitiveType>(
    sources: &[Option<&ArrayRef>],
    addresses: &Addresses,
    data_type: &DataType,
) -> ArrayRef {
    let sources: Vec<Option<&PrimitiveArray<T>>> = sources
        .iter()
        .map(|source| source.and_then(|source| source.as_primitive_opt::<T>()))
        .collect();
    let has_nulls =
        |source: &Option<&PrimitiveArray<T>>| source.is_none_or(|source| source.null_count() > 0);
    let has_nulls = sources.iter().any(has_nulls);
    let width = addresses
        .lanes
        .first()
        .map_or(0, |lanes| lanes.offsets.len());
    let cells = addresses.rows.len() * width;
    let mut values: Vec<T::Native> = Vec::with_capacity(cells);
    let mut valid = BooleanBufferBuilder::new(if has_nulls { cells } else { 0 });
    for (slot, row) in &addresses.rows {
        let lanes = &addresses.lanes[*slot];
        let Some(source) = sources[*slot] else {
            values.extend(std::iter::repeat_n(T::Native::default(), width));
            valid.append_n(width, false);
            continue;
        };
        let stored = source.values();
        match lanes.offsets.first() {
            Some(first) if lanes.is_run => {
                let start = row + first;
                values.extend_from_slice(&stored[start..start + width]);
            }
            _ => values.extend(lanes.offsets.iter().map(|offset| stored[row + offset])),
        }
        if has_nulls {
            match source.nulls() {
                Some(nulls) => append_bits(&mut valid, nulls.inner(), *row, lanes),
                None => valid.append_n(width, true),
            }
        }
    }
    let nulls = has_nulls.then(|| NullBuffer::new(valid.finish()));
    let values = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
    Arc::new(values.with_data_type(data_type.clone()))
}

fn gather_any(
    sources: &[Option<&ArrayRef>],
    addresses: &Addresses,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let missing = new_null_array(data_type, 1);
    let arrays: Vec<&dyn Array> = sources
        .iter()
        .map(|source| source.map_or(missing.as_ref(), AsRef::as_ref))
        .collect();
    let mut indices = Vec::new();
    for (slot, row) in &addresses.rows {
        let lanes = &addresses.lanes[*slot];
        match sources[*slot] {
            Some(_) => indices.extend(lanes.offsets.iter().map(|offset| (*slot, row + offset))),
            None => indices.extend(lanes.offsets.iter().map(|_| (*slot, 0))),
        }
    }
    Ok(interleave(&arrays, &indices)?)
}
