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
use std::sync::Arc;

use arrow::array::types::{Float64Type, Int64Type, UInt64Type};
use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanBufferBuilder, RecordBatch, StringArray, make_array,
};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};

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
    valid: BooleanBufferBuilder,
}

#[derive(Debug)]
enum Values {
    /// Cells of `width` bytes each.
    Fixed {
        width: usize,
        bytes: MutableBuffer,
    },
    Truths(BooleanBufferBuilder),
    Texts(Vec<Option<String>>),
}

/// The cells of a box while they are being filled.
#[derive(Debug)]
pub(super) struct BoxCells {
    axes: Vec<AxisPlaces>,
    strides: Vec<usize>,
    seen: BooleanBufferBuilder,
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
                DataType::Boolean => Values::Truths(unset(cells)),
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
                valid: unset(cells),
            })
        });
        Ok(Self {
            axes: axes.collect::<Result<_>>()?,
            strides,
            seen: unset(cells),
            columns: columns.collect::<Result<_>>()?,
            cells,
        })
    }

    /// Puts the rows of a batch into their cells. The columns are the dimensions, then the variables.
    ///
    /// # Errors
    /// A cell that has a row of this layer already, a row without a place.
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
        let first = cells[0];
        let is_run = cells.iter().zip(first..).all(|(cell, next)| *cell == next);
        self.mark(&cells, batch)?;
        let values = batch.columns().iter().skip(self.axes.len());
        for (column, values) in self.columns.iter_mut().zip(values) {
            match is_run {
                true => column.copy(first, values)?,
                false => column.scatter(&cells, values)?,
            }
        }
        Ok(())
    }

    fn mark(&mut self, cells: &[usize], batch: &RecordBatch) -> Result<()> {
        for (row, cell) in cells.iter().enumerate() {
            if self.seen.get_bit(*cell) {
                return Err(self.twice(row, batch));
            }
            self.seen.set_bit(*cell, true);
        }
        Ok(())
    }

    fn twice(&self, row: usize, batch: &RecordBatch) -> DataFusionError {
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
        self.seen = unset(self.cells);
    }

    /// The variables, a value per cell; cells without a row are missing.
    pub(super) fn finish(self) -> Result<Vec<ArrayRef>> {
        let cells = self.cells;
        let columns = self.columns.into_iter();
        columns.map(|column| column.finish(cells)).collect()
    }
}

fn unset(length: usize) -> BooleanBufferBuilder {
    let mut builder = BooleanBufferBuilder::new(length);
    builder.append_n(length, false);
    builder
}

impl Column {
    /// All rows lie side by side, from cell `first` on.
    fn copy(&mut self, first: usize, values: &ArrayRef) -> Result<()> {
        let rows = values.len();
        match (&mut self.values, values.nulls()) {
            (_, None) => set_range(&mut self.valid, first, rows),
            (_, Some(nulls)) => {
                for (row, is_valid) in nulls.iter().enumerate() {
                    self.valid.set_bit(first + row, is_valid);
                }
            }
        }
        match &mut self.values {
            Values::Fixed { width, bytes } => {
                let source = fixed(values, *width)?;
                bytes.as_slice_mut()[first * *width..(first + rows) * *width]
                    .copy_from_slice(source.as_slice());
                Ok(())
            }
            _ => {
                let cells: Vec<usize> = (first..first + rows).collect();
                self.scatter_values(&cells, values)
            }
        }
    }

    fn scatter(&mut self, cells: &[usize], values: &ArrayRef) -> Result<()> {
        for (row, cell) in cells.iter().enumerate() {
            self.valid.set_bit(*cell, values.is_valid(row));
        }
        self.scatter_values(cells, values)
    }

    fn scatter_values(&mut self, cells: &[usize], values: &ArrayRef) -> Result<()> {
        macro_rules! each {
            ($native:ty, $bytes:expr, $source:expr) => {{
                let target: &mut [$native] = $bytes.typed_data_mut();
                let source = $source.typed_data::<$native>();
                for (cell, value) in cells.iter().zip(source) {
                    target[*cell] = *value;
                }
            }};
        }
        match &mut self.values {
            Values::Fixed { width, bytes } => {
                let source = fixed(values, *width)?;
                match *width {
                    1 => each!(u8, bytes, source),
                    2 => each!(u16, bytes, source),
                    4 => each!(u32, bytes, source),
                    8 => each!(u64, bytes, source),
                    16 => each!(u128, bytes, source),
                    other => {
                        return Err(internal_datafusion_err!(
                            "no cells of {other} bytes are known"
                        ));
                    }
                }
            }
            Values::Truths(truths) => {
                let source = values.as_boolean();
                for (row, cell) in cells.iter().enumerate() {
                    truths.set_bit(*cell, source.value(row));
                }
            }
            Values::Texts(texts) => {
                let source = cast(values, &DataType::Utf8)?;
                for (cell, text) in cells.iter().zip(source.as_string::<i32>()) {
                    texts[*cell] = text.map(str::to_string);
                }
            }
        }
        Ok(())
    }

    fn finish(self, cells: usize) -> Result<ArrayRef> {
        let mut valid = self.valid;
        let nulls = NullBuffer::new(valid.finish());
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
            Values::Truths(mut truths) => {
                Arc::new(arrow::array::BooleanArray::new(truths.finish(), nulls))
            }
            Values::Texts(texts) => Arc::new(StringArray::from(texts)),
        })
    }
}

fn set_range(bits: &mut BooleanBufferBuilder, first: usize, count: usize) {
    let end = first + count;
    let bytes = bits.as_slice_mut();
    for bit in first..end {
        if bit % 8 == 0 && bit + 8 <= end {
            // Whole bytes, the rest bit by bit.
            let last = end / 8;
            bytes[bit / 8..last].fill(0xff);
            for bit in last * 8..end {
                bytes[bit / 8] |= 1 << (bit % 8);
            }
            return;
        }
        bytes[bit / 8] |= 1 << (bit % 8);
    }
}

/// The values of a primitive array as bytes.
fn fixed(values: &ArrayRef, width: usize) -> Result<Buffer> {
    let data = values.to_data();
    let wrong = || internal_datafusion_err!("{} has no values side by side", values.data_type());
    let buffer = data.buffers().first().ok_or_else(wrong)?;
    Ok(buffer.slice_with_length(data.offset() * width, data.len() * width))
}
