//! Puts the rows of a query where they belong among the cells of a box: [`BoxCells`].
//!
//! ```text
//!  rows   time lat lon │ chl          cells of the box, C order
//!          t0   a   x  │ 1.0    ─▶    [1.0, 1.5, …]  and a bit per cell: seen, not missing
//!          t0   a   y  │ 1.5
//! ```
//! Rows may come in any order. Where they come in that of the cells, as they do from scans and aggregates
//! of grids, whole batches are copied at once. A coordinate column that repeats from batch to batch, as
//! the inner axes of a scan do, is looked up once.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::{Float64Type, Int64Type, UInt64Type};
use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::bit_mask::set_bits;
use arrow::util::display::array_value_to_string;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};

use super::fit::fitted;
use crate::error::CubeError;

/// Coordinate columns of which the positions are kept.
const REMEMBERED: usize = 8;

/// The coordinates of one dimension of a box.
#[derive(Debug)]
struct AxisPlaces {
    name: String,
    keys: Keys,
    remembered: VecDeque<(ArrayRef, Positions)>,
}

/// Values of a coordinate column as what tells them apart.
#[derive(Debug, PartialEq)]
enum Keys {
    Bits(Vec<u64>, HashMap<u64, u32>),
    Texts(HashMap<String, u32>),
}

/// The positions of a column's rows along a dimension of the box.
#[derive(Debug, Clone)]
enum Positions {
    Constant(u32),
    Each(Arc<Vec<u32>>),
}

impl AxisPlaces {
    fn new(name: &str, coordinates: &ArrayRef) -> Result<Self> {
        let keys = match coordinates.data_type() {
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                let texts = cast(coordinates, &DataType::Utf8)?;
                let texts = texts
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::to_string);
                Keys::Texts(texts.zip(0..).collect())
            }
            _ => {
                let bits = bits(coordinates)?;
                let places = bits.iter().copied().zip(0..).collect();
                Keys::Bits(bits, places)
            }
        };
        Ok(Self {
            name: name.to_string(),
            keys,
            remembered: VecDeque::new(),
        })
    }

    fn positions(&mut self, column: &ArrayRef) -> Result<Positions> {
        let is_same = |known: &ArrayRef| {
            let (known, column) = (known.to_data(), column.to_data());
            known.ptr_eq(&column)
        };
        if let Some((_, positions)) = self.remembered.iter().find(|(known, _)| is_same(known)) {
            return Ok(positions.clone());
        }
        if column.null_count() > 0 {
            return Err(
                CubeError::invalid("", format!("a row has no {}", self.name))
                    .remedy(format!("say WHERE {} IS NOT NULL", self.name))
                    .into(),
            );
        }
        let positions = self.look_up(column)?;
        self.remembered
            .push_front((Arc::clone(column), positions.clone()));
        self.remembered.truncate(REMEMBERED);
        Ok(positions)
    }

    fn look_up(&self, column: &ArrayRef) -> Result<Positions> {
        let unknown = |row: usize| -> DataFusionError {
            let value = array_value_to_string(column, row).unwrap_or_default();
            let cause = format!(
                "{} = {value} is not among the coordinates found before",
                self.name
            );
            CubeError::invalid("", cause)
                .remedy("leave functions that give another answer each time out of the query")
                .into()
        };
        match &self.keys {
            Keys::Texts(places) => {
                let texts = cast(column, &DataType::Utf8)?;
                let texts: &StringArray = texts.as_string::<i32>();
                let found = texts
                    .iter()
                    .flatten()
                    .enumerate()
                    .map(|(row, text)| places.get(text).copied().ok_or_else(|| unknown(row)));
                Ok(Positions::Each(Arc::new(found.collect::<Result<_>>()?)))
            }
            Keys::Bits(coordinates, places) => {
                let values = bits(column)?;
                let Some(first) = values.first() else {
                    return Ok(Positions::Each(Arc::default()));
                };
                let find = |row: usize, value: u64| {
                    places.get(&value).copied().ok_or_else(|| unknown(row))
                };
                if values.iter().all(|value| value == first) {
                    return Ok(Positions::Constant(find(0, *first)?));
                }
                let mut positions = Vec::with_capacity(values.len());
                // The same as before, or the next one, more often than not.
                let mut last = find(0, *first)?;
                for (row, value) in values.into_iter().enumerate() {
                    if coordinates[last as usize] != value {
                        last = match coordinates.get(last as usize + 1) {
                            Some(next) if *next == value => last + 1,
                            _ => find(row, value)?,
                        };
                    }
                    positions.push(last);
                }
                Ok(Positions::Each(Arc::new(positions)))
            }
        }
    }
}

/// Numbers as bits that are equal when the numbers are: −0 is 0.
fn bits(array: &ArrayRef) -> Result<Vec<u64>> {
    let whole = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => {
            cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?
        }
        DataType::Float32 | DataType::Float64 => {
            let values = cast(array, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>().values().iter();
            return Ok(values.map(|value| (value + 0.0).to_bits()).collect());
        }
        other if other.is_integer() || other.is_temporal() || *other == DataType::Boolean => {
            let wide = match other {
                DataType::UInt64 => DataType::UInt64,
                _ => DataType::Int64,
            };
            cast(array, &wide)?
        }
        other => {
            return Err(CubeError::unsupported(
                "",
                format!("a dimension cannot be of type {other}"),
            )
            .remedy("cast it to a number, a time or a text")
            .into());
        }
    };
    Ok(match whole.data_type() {
        DataType::UInt64 => whole.as_primitive::<UInt64Type>().values().to_vec(),
        _ => {
            let values = whole.as_primitive::<Int64Type>().values().iter();
            values.map(|value| value.cast_unsigned()).collect()
        }
    })
}

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
        let runs = runs(&cells);
        for run in &runs {
            if self.seen.has_any(run.cells()) {
                return Err(self.twice(run, batch));
            }
            self.seen.set(run.cells(), true);
        }
        let schema = batch.schema_ref();
        let values = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .skip(self.axes.len());
        for (column, (values, field)) in self.columns.iter_mut().zip(values) {
            column.put(&runs, &fitted(values, &column.data_type, field.name())?)?;
        }
        Ok(())
    }

    fn twice(&self, run: &Run, batch: &RecordBatch) -> DataFusionError {
        let again = run
            .cells()
            .position(|cell| self.seen.has_any(cell..cell + 1));
        let row = run.row + again.unwrap_or(0);
        let coordinates = self.axes.iter().zip(batch.columns()).map(|(axis, column)| {
            let value = array_value_to_string(column, row).unwrap_or_default();
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
}

/// The runs in which the rows with these cells come.
fn runs(cells: &[usize]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (row, cell) in cells.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.first + run.length == *cell => run.length += 1,
            _ => runs.push(Run {
                first: *cell,
                row,
                length: 1,
            }),
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
