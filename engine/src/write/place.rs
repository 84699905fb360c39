//! Puts the rows of a query where they belong among the cells of a box: [`BoxCells`].
//!
//! ```text
//!  rows   time lat lon │ chl          cells of the box, C order
//!          t0   a   x  │ 1.0    ─▶    [1.0, 1.5, …]  and a bit per cell: seen, not missing
//!          t0   a   y  │ 1.5
//! ```
//! A block of a grid, as a scan reads it, comes as it is: a run of its innermost axis is a run of cells. Other
//! rows may come in any order. Where they come in that of the cells, as they do from scans and aggregates
//! of grids, whole batches are copied at once.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::bit_mask::set_bits;
use arrow::util::display::array_value_to_string;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};

use super::axis_places::{AxisPlaces, Positions};
use super::fit::fitted;
use crate::error::CubeError;

/// One variable of a box.
#[derive(Debug)]
struct Column {
    data_type: DataType,
    values: Values,
    /// Not missing.
    valid: CellBits,
}

#[derive(Debug)]
enum Values {
    /// Cells of `width` bytes each.
    Fixed {
        width: usize,
        bytes: MutableBuffer,
    },
    Truths(CellBits),
    Texts(Vec<Option<String>>),
}

/// Cells at all combinations of the coordinates of some axes, in C order of these.
pub(super) struct GridBlock<'a> {
    /// Cells along each axis.
    pub(super) counts: &'a [usize],
    /// Per dimension of the box the axis of the block that it is, and the coordinates of the block along it.
    pub(super) coordinates: Vec<(usize, ArrayRef)>,
    /// The variables: name, and a value per cell.
    pub(super) values: Vec<(&'a str, ArrayRef)>,
    /// The cells that count; `None` for all.
    pub(super) mask: Option<&'a BooleanBuffer>,
}

/// The cells of a box while they are being filled.
#[derive(Debug)]
pub(super) struct BoxCells {
    axes: Vec<AxisPlaces>,
    strides: Vec<usize>,
    seen: CellBits,
    columns: Vec<Column>,
    cells: usize,
}

impl BoxCells {
    /// An empty box over `coordinates` (name and values per dimension) for variables of these types.
    ///
    /// # Errors
    /// Coordinates of a type that cannot be looked up.
    pub(super) fn new(coordinates: &[(&str, ArrayRef)], variables: &[DataType]) -> Result<Self> {
        let axes = coordinates.iter();
        let axes = axes.map(|(name, values)| AxisPlaces::new(name, values));
        let mut strides = vec![1; coordinates.len()];
        for axis in (1..coordinates.len()).rev() {
            strides[axis - 1] = strides[axis] * coordinates[axis].1.len();
        }
        let cells: usize = coordinates.iter().map(|(_, values)| values.len()).product();
        let columns = variables.iter().map(|data_type| {
            let values = match data_type {
                DataType::Boolean => Values::Truths(CellBits::unset(cells)),
                DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                    Values::Texts(vec![None; cells])
                }
                _ => {
                    let width = data_type.primitive_width().ok_or_else(|| {
                        let cause = format!("a variable cannot be of type {data_type}");
                        CubeError::unsupported("", cause).remedy("cast it to a number or a text")
                    })?;
                    Values::Fixed {
                        width,
                        bytes: MutableBuffer::from_len_zeroed(cells * width),
                    }
                }
            };
            Ok(Column {
                data_type: data_type.clone(),
                values,
                valid: CellBits::unset(cells),
            })
        });
        Ok(Self {
            axes: axes.collect::<Result<_>>()?,
            strides,
            seen: CellBits::unset(cells),
            columns: columns.collect::<Result<_>>()?,
            cells,
        })
    }

    /// Puts the rows of a batch into their cells. The columns are the dimensions, then the variables.
    ///
    /// # Errors
    /// A cell that has a row of this layer already, a row without a place, a value that its variable cannot
    /// hold.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let mut cells: Vec<usize> = vec![0; rows];
        for (axis, (places, stride)) in self.axes.iter_mut().zip(&self.strides).enumerate() {
            let stride = *stride;
            match places.positions(batch.column(axis))? {
                Positions::Constant(position) => {
                    let offset = position as usize * stride;
                    cells.iter_mut().for_each(|cell| *cell += offset);
                }
                Positions::Each(positions) => {
                    for (cell, position) in cells.iter_mut().zip(positions.iter()) {
                        *cell += *position as usize * stride;
                    }
                }
            }
        }
        let schema = batch.schema_ref();
        let values = batch.columns().iter().skip(self.axes.len());
        let names = schema.fields().iter().skip(self.axes.len());
        let values = values.zip(names.map(|field| field.name().as_str()));
        let runs = runs(cells.into_iter().map(Some));
        self.put(&runs, values, |axis, row| (batch.column(axis), row))
    }

    /// Puts the cells of a block of a grid into their places.
    ///
    /// # Errors
    /// Those of [`BoxCells::add`].
    pub(super) fn add_block(&mut self, block: &GridBlock<'_>) -> Result<()> {
        let mut offsets: Vec<Vec<Option<usize>>> = block
            .counts
            .iter()
            .map(|count| vec![Some(0); *count])
            .collect();
        let dimensions = self.axes.iter_mut().zip(&self.strides);
        for ((places, stride), (axis, coordinates)) in dimensions.zip(&block.coordinates) {
            let positions = match (places.positions(coordinates), block.mask) {
                (Err(error), None) => return Err(error),
                // Perhaps of cells that do not count.
                (Err(_), Some(_)) => places.find(coordinates)?,
                (Ok(positions), _) => {
                    let all = (0..coordinates.len()).map(|cell| Some(positions.at(cell)));
                    all.collect()
                }
            };
            for (offset, position) in offsets[*axis].iter_mut().zip(positions) {
                *offset = offset
                    .zip(position)
                    .map(|(offset, position)| offset + stride * position);
            }
        }
        let mut runs = runs_of_block(&offsets);
        if let Some(mask) = block.mask {
            runs = runs.iter().flat_map(|run| run.within(mask)).collect();
            let placed: usize = runs.iter().map(|run| run.length).sum();
            if placed != mask.count_set_bits() {
                for (places, (_, coordinates)) in self.axes.iter_mut().zip(&block.coordinates) {
                    places.positions(coordinates)?;
                }
            }
        }
        let strides: Vec<usize> = (0..block.counts.len())
            .map(|axis| block.counts[axis + 1..].iter().product())
            .collect();
        let values = block.values.iter().map(|(name, values)| (values, *name));
        self.put(&runs, values, |dimension, row| {
            let (axis, coordinates) = &block.coordinates[dimension];
            (coordinates, row / strides[*axis] % block.counts[*axis])
        })
    }

    /// Puts rows into their cells. `coordinate` says where the coordinate of a dimension and a row stands.
    fn put<'a>(
        &mut self,
        runs: &[Run],
        values: impl Iterator<Item = (&'a ArrayRef, &'a str)>,
        coordinate: impl Fn(usize, usize) -> (&'a ArrayRef, usize),
    ) -> Result<()> {
        for run in runs {
            if self.seen.has_any(run.cells()) {
                return Err(self.twice(run, coordinate));
            }
            self.seen.set(run.cells(), true);
        }
        for (column, (values, name)) in self.columns.iter_mut().zip(values) {
            column.put(runs, &fitted(values, &column.data_type, name)?)?;
        }
        Ok(())
    }

    fn twice<'a>(
        &self,
        run: &Run,
        coordinate: impl Fn(usize, usize) -> (&'a ArrayRef, usize),
    ) -> DataFusionError {
        let again = run
            .cells()
            .position(|cell| self.seen.has_any(cell..cell + 1));
        let row = run.row + again.unwrap_or(0);
        let coordinates = self.axes.iter().enumerate().map(|(dimension, axis)| {
            let (column, at) = coordinate(dimension, row);
            let value = array_value_to_string(column, at).unwrap_or_default();
            format!("{} = {value}", axis.name)
        });
        let coordinates: Vec<String> = coordinates.collect();
        let keys: Vec<&str> = self.axes.iter().map(|axis| axis.name.as_str()).collect();
        CubeError::invalid(
            "",
            format!(
                "the query has two rows for the cell {}",
                coordinates.join(", ")
            ),
        )
        .remedy(format!(
            "reduce them, for example avg(…) … GROUP BY {}",
            keys.join(", ")
        ))
        .into()
    }

    /// The rows that follow are laid over those that came before.
    pub(super) fn next_layer(&mut self) {
        self.seen = CellBits::unset(self.cells);
    }

    /// The variables, a value per cell; cells without a row are missing.
    pub(super) fn finish(self) -> Result<Vec<ArrayRef>> {
        let cells = self.cells;
        let columns = self.columns.into_iter();
        columns.map(|column| column.finish(cells)).collect()
    }
}

/// Rows that lie side by side, in cells that lie side by side.
#[derive(Debug, PartialEq)]
struct Run {
    first: usize,
    row: usize,
    length: usize,
}

impl Run {
    fn cells(&self) -> Range<usize> {
        self.first..self.first + self.length
    }

    /// The parts of which the rows are in `mask`.
    fn within(&self, mask: &BooleanBuffer) -> Vec<Run> {
        let mask = mask.slice(self.row, self.length);
        let parts = mask.set_slices().map(|(start, end)| Run {
            first: self.first + start,
            row: self.row + start,
            length: end - start,
        });
        parts.collect()
    }

    /// Adds a run that comes after the others.
    fn push(self, runs: &mut Vec<Run>) {
        match runs.last_mut() {
            Some(last)
                if last.first + last.length == self.first && last.row + last.length == self.row =>
            {
                last.length += self.length;
            }
            _ => runs.push(self),
        }
    }
}

/// The runs of a block, given what each cell of an axis adds to the place of its rows; `None` for cells without a place.
fn runs_of_block(offsets: &[Vec<Option<usize>>]) -> Vec<Run> {
    let Some((inner, outer)) = offsets.split_last() else {
        return runs([Some(0)]);
    };
    let inner_runs = runs(inner.iter().copied());
    let mut outer_cells = vec![Some(0)];
    for along in outer {
        let longer = |base: &Option<usize>| {
            let base = *base;
            along
                .iter()
                .map(move |offset| base.zip(*offset).map(|(base, offset)| base + offset))
        };
        outer_cells = outer_cells.iter().flat_map(longer).collect();
    }
    let mut all = Vec::with_capacity(outer_cells.len() * inner_runs.len());
    for (position, base) in outer_cells.into_iter().enumerate() {
        let Some(base) = base else { continue };
        for run in &inner_runs {
            let moved = Run {
                first: run.first + base,
                row: run.row + position * inner.len(),
                length: run.length,
            };
            moved.push(&mut all);
        }
    }
    all
}

/// The runs in which the rows with these cells come; those without a cell are left out.
fn runs(cells: impl IntoIterator<Item = Option<usize>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (row, cell) in cells.into_iter().enumerate() {
        if let Some(first) = cell {
            let length = 1;
            Run { first, row, length }.push(&mut runs);
        }
    }
    runs
}

/// A bit per cell.
#[derive(Debug)]
struct CellBits(MutableBuffer);

impl CellBits {
    fn unset(cells: usize) -> Self {
        Self(MutableBuffer::from_len_zeroed(cells.div_ceil(8)))
    }

    /// The bytes whose bits are all of `cells`, and the cells before and after them.
    fn parts(cells: Range<usize>) -> (Range<usize>, Range<usize>, Range<usize>) {
        let (start, end) = (cells.start.div_ceil(8), cells.end / 8);
        match start < end {
            true => (cells.start..start * 8, start..end, end * 8..cells.end),
            false => (cells, 0..0, 0..0),
        }
    }

    fn has_any(&self, cells: Range<usize>) -> bool {
        let (before, whole, after) = Self::parts(cells);
        let bytes = self.0.as_slice();
        let has = |cell: usize| bytes[cell / 8] & 1 << (cell % 8) != 0;
        bytes[whole].iter().any(|byte| *byte != 0) || before.chain(after).any(has)
    }

    fn set(&mut self, cells: Range<usize>, value: bool) {
        let (before, whole, after) = Self::parts(cells);
        let bytes = self.0.as_slice_mut();
        bytes[whole].fill(if value { 0xff } else { 0 });
        for cell in before.chain(after) {
            match value {
                true => bytes[cell / 8] |= 1 << (cell % 8),
                false => bytes[cell / 8] &= !(1 << (cell % 8)),
            }
        }
    }

    /// Copies the bits from `row` on.
    fn copy(&mut self, cells: Range<usize>, source: &BooleanBuffer, row: usize) {
        self.set(cells.clone(), false);
        let offset = source.offset() + row;
        set_bits(
            self.0.as_slice_mut(),
            source.values(),
            cells.start,
            offset,
            cells.len(),
        );
    }

    fn finish(self, cells: usize) -> BooleanBuffer {
        BooleanBuffer::new(self.0.into(), 0, cells)
    }
}

impl Column {
    /// Puts the rows of each run into its cells.
    fn put(&mut self, runs: &[Run], values: &ArrayRef) -> Result<()> {
        for run in runs {
            match values.nulls() {
                None => self.valid.set(run.cells(), true),
                Some(nulls) => self.valid.copy(run.cells(), nulls.inner(), run.row),
            }
        }
        match &mut self.values {
            Values::Fixed { width, bytes } => {
                let source = fixed(values, *width)?;
                let (source, target) = (source.as_slice(), bytes.as_slice_mut());
                for run in runs {
                    let (from, to) = (run.row * *width, run.first * *width);
                    let length = run.length * *width;
                    target[to..to + length].copy_from_slice(&source[from..from + length]);
                }
            }
            Values::Truths(truths) => {
                let source = values.as_boolean();
                for run in runs {
                    truths.copy(run.cells(), source.values(), run.row);
                }
            }
            Values::Texts(texts) => {
                let source = cast(values, &DataType::Utf8)?;
                let source = source.as_string::<i32>();
                for run in runs {
                    for (cell, row) in run.cells().zip(run.row..) {
                        texts[cell] = source.is_valid(row).then(|| source.value(row).to_string());
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self, cells: usize) -> Result<ArrayRef> {
        let nulls = NullBuffer::new(self.valid.finish(cells));
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(match self.values {
            Values::Fixed { bytes, .. } => {
                let data = ArrayData::builder(self.data_type)
                    .len(cells)
                    .add_buffer(bytes.into())
                    .nulls(nulls)
                    .build()?;
                make_array(data)
            }
            Values::Truths(truths) => Arc::new(BooleanArray::new(truths.finish(cells), nulls)),
            Values::Texts(texts) => Arc::new(StringArray::from(texts)),
        })
    }
}

/// The values of a primitive array as bytes.
fn fixed(values: &ArrayRef, width: usize) -> Result<Buffer> {
    let data = values.to_data();
    let wrong = || internal_datafusion_err!("{} has no values side by side", values.data_type());
    let buffer = data.buffers().first().ok_or_else(wrong)?;
    Ok(buffer.slice_with_length(data.offset() * width, data.len() * width))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{Float32Array, Int32Array};
    use arrow::datatypes::{Field, Float32Type, Schema};

    use super::*;

    /// A box of 3 × 40 cells, and rows with a value every third of which is missing.
    fn box_and_rows(cells: &[usize]) -> (BoxCells, RecordBatch) {
        let y: ArrayRef = Arc::new(Int32Array::from_iter_values(0..3));
        let x: ArrayRef = Arc::new(Int32Array::from_iter_values(0..40));
        let made = BoxCells::new(&[("y", y), ("x", x)], &[DataType::Float32]).unwrap();
        let of = |part: fn(usize) -> usize| -> ArrayRef {
            let values = cells.iter().map(|cell| part(*cell) as i32);
            Arc::new(Int32Array::from_iter_values(values))
        };
        let values = cells
            .iter()
            .map(|cell| (cell % 3 != 0).then_some(*cell as f32));
        let schema = Schema::new(vec![
            Field::new("y", DataType::Int32, false),
            Field::new("x", DataType::Int32, false),
            Field::new("v", DataType::Float32, true),
        ]);
        let columns = vec![
            of(|cell| cell / 40),
            of(|cell| cell % 40),
            Arc::new(Float32Array::from_iter(values)) as ArrayRef,
        ];
        (
            made,
            RecordBatch::try_new(Arc::new(schema), columns).unwrap(),
        )
    }

    fn expect(made: BoxCells, cells: &[usize]) {
        let values = made.finish().unwrap().remove(0);
        let values = values.as_primitive::<Float32Type>();
        for cell in 0..120 {
            let expected = (cells.contains(&cell) && cell % 3 != 0).then_some(cell as f32);
            let found = values.is_valid(cell).then(|| values.value(cell));
            assert_eq!(found, expected, "cell {cell} of {cells:?}");
        }
    }

    #[test]
    fn rows_come_into_their_cells_in_any_order() {
        let orders: [Vec<usize>; 5] = [
            (0..120).collect(),
            (5..99).collect(),
            (0..120).rev().collect(),
            (0..120).map(|row| row * 7 % 120).collect(),
            vec![119, 3, 4, 5, 80, 40, 41],
        ];
        for cells in orders {
            let (mut made, rows) = box_and_rows(&cells);
            made.add(&rows).unwrap();
            expect(made, &cells);
        }
    }

    #[test]
    fn a_cell_that_occurs_twice_is_named() {
        let (mut made, rows) = box_and_rows(&[10, 11, 12, 50]);
        made.add(&rows).unwrap();
        let error = made.add(&rows.slice(3, 1)).unwrap_err().to_string();
        assert!(error.contains("y = 1, x = 10"), "{error}");
        made.next_layer();
        made.add(&rows).unwrap();
        expect(made, &[10, 11, 12, 50]);
    }
}
