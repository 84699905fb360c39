//! Runs a program on the cells of one unit after the other.

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int64Type};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use graticule_functions::kernels::Bits;
use graticule_functions::kernels::program::{
    CellType, Cells, Machine, PIECE, Series, SeriesValues,
};

use crate::cube::Cube;
use crate::dense::expressions::compile::InputSource;
use crate::dense::expressions::{Compiler, Evaluator, spread, unit_rows};
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;

/// A program and the values of its inputs over one unit.
pub(crate) struct Expressions {
    cube: Arc<Cube>,
    machine: Machine,
    inputs: Vec<Input>,
    others: Evaluator,
}

/// An input over one unit.
struct Input {
    step: usize,
    cell_type: CellType,
    source: InputSource,
    /// In the type that the program reads; `None` where all are missing.
    values: Option<ArrayRef>,
    valid: Option<BooleanBuffer>,
    stride: usize,
}

impl Expressions {
    /// What `compiler` has collected.
    ///
    /// # Errors
    /// An expression over columns that the cube does not have.
    pub(crate) fn new(cube: &Arc<Cube>, compiler: Compiler<'_>) -> Result<Self> {
        let others = Evaluator::new(cube, &compiler.others)?;
        let program = compiler.program;
        let inputs = compiler.inputs.into_iter().map(|(step, source)| Input {
            step,
            cell_type: program.cell_type(step),
            source,
            values: None,
            valid: None,
            stride: 1,
        });
        Ok(Self {
            cube: Arc::clone(cube),
            inputs: inputs.collect(),
            machine: Machine::new(program),
            others,
        })
    }

    /// The step that is true where the mask of the unit leaves a cell.
    pub(crate) const MASK: usize = 0;

    /// Gets ready for a unit: `read` holds the values of each variable that was read.
    ///
    /// # Errors
    /// An expression that fails on a value.
    pub(crate) fn enter(
        &mut self,
        unit: &Unit,
        read: &[Option<UnitValues>],
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let mut others = Vec::new();
        if !self.others.is_empty() {
            let rows = unit_rows(&self.cube, unit, read, self.others.columns())?;
            others = self.others.evaluate(&rows)?;
        }
        let counts = unit.counts();
        for input in &mut self.inputs {
            let (values, stride) = match &input.source {
                InputSource::Mask => {
                    input.valid = mask.cloned();
                    continue;
                }
                InputSource::Variable(variable) => match &read[*variable] {
                    Some(values) => {
                        of_variable(values, &self.cube.variables[*variable].axes, unit, &counts)?
                    }
                    None => (None, 1),
                },
                InputSource::Axis { axis, values } => {
                    let cells = UInt64Array::from(unit.axes[*axis].cells());
                    let values = take(values, &cells, None)?;
                    (Some(values), counts[axis + 1..].iter().product())
                }
                InputSource::Other(position) => (others.get(*position).cloned(), 1),
            };
            let values = values.map(|values| as_cells(&values, input.cell_type));
            let values = values.transpose()?;
            let nulls = values.as_ref().and_then(|values| values.nulls());
            let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
            input.valid = nulls.map(|nulls| nulls.inner().clone());
            input.values = values;
            input.stride = stride;
        }
        Ok(())
    }

    /// Evaluates everything at the cells of rows: `length` cells of the unit from each of `starts`, at
    /// most [`PIECE`] together.
    pub(crate) fn run(&mut self, starts: &[usize], length: usize) {
        for input in &self.inputs {
            if matches!(input.source, InputSource::Mask) && input.valid.is_none() {
                continue;
            }
            let values = match input.source {
                InputSource::Mask => input.valid.as_ref().map(SeriesValues::Boolean),
                _ => input.values.as_ref().and_then(series_values),
            };
            let count = match (&input.values, &input.valid) {
                (Some(values), _) => values.len(),
                (None, Some(mask)) => mask.len(),
                (None, None) => 1,
            };
            let is_mask = matches!(input.source, InputSource::Mask);
            let series = Series {
                values,
                valid: input.valid.as_ref().filter(|_| !is_mask),
                stride: input.stride,
                length: count,
            };
            self.machine.load(input.step, &series, starts, length);
        }
        self.machine.run(starts.len() * length);
    }

    /// The values that a step has left.
    pub(crate) fn cells(&self, step: usize) -> &Cells {
        self.machine.cells(step)
    }

    /// The cells of the piece that the mask leaves, where all `values` are valid and `condition` is
    /// true; `None` where that is all of them.
    pub(crate) fn valid<'a>(
        &self,
        values: &[usize],
        condition: Option<usize>,
        bits: &'a mut [u8; PIECE / 8],
    ) -> Option<Bits<'a>> {
        let has_mask = self.inputs.first().is_some_and(|mask| mask.valid.is_some());
        let mask = has_mask.then_some(Self::MASK);
        let conditions = [mask, condition];
        self.machine
            .keep(values, conditions.into_iter().flatten(), bits)
            .then(|| Bits::of_bytes(bits))
    }

    /// The cells of the whole unit where a condition is true.
    pub(crate) fn truths(&mut self, condition: usize, cells: usize) -> BooleanBuffer {
        let mut all = vec![0u8; cells.div_ceil(PIECE) * (PIECE / 8)];
        for (piece, bits) in all.chunks_mut(PIECE / 8).enumerate() {
            let start = piece * PIECE;
            self.run(&[start], PIECE.min(cells - start));
            self.machine.truths(condition, bits);
        }
        BooleanBuffer::new(all.into(), 0, cells)
    }
}

/// The values of a variable as a series over the unit, and its stride.
fn of_variable(
    values: &UnitValues,
    axes: &[usize],
    unit: &Unit,
    counts: &[usize],
) -> Result<(Option<ArrayRef>, usize)> {
    match values {
        UnitValues::Constant(value) if value.is_null() => Ok((None, 1)),
        UnitValues::Constant(value) => Ok((Some(value.to_array()?), unit.rows().max(1))),
        UnitValues::Array(array) => {
            let mut sorted = axes.to_vec();
            sorted.sort_unstable();
            let is_range = sorted.windows(2).all(|pair| pair[1] == pair[0] + 1);
            match sorted.last() {
                Some(last) if is_range => {
                    Ok((Some(Arc::clone(array)), counts[last + 1..].iter().product()))
                }
                None => Ok((Some(Arc::clone(array)), unit.rows().max(1))),
                Some(_) => Ok((spread(values, axes, unit)?, 1)),
            }
        }
    }
}

/// Values in the type that a program reads. As truths, anything else is where it is not NULL.
fn as_cells(values: &ArrayRef, cell_type: CellType) -> Result<ArrayRef> {
    if cell_type == CellType::Boolean && *values.data_type() != DataType::Boolean {
        let truths = BooleanBuffer::new_set(values.len());
        return Ok(Arc::new(BooleanArray::new(truths, values.logical_nulls())));
    }
    let wanted = match cell_type {
        CellType::Float32 => DataType::Float32,
        CellType::Float64 => DataType::Float64,
        CellType::Int64 => DataType::Int64,
        CellType::Boolean => DataType::Boolean,
    };
    Ok(match *values.data_type() == wanted {
        true => Arc::clone(values),
        false => cast(values, &wanted)?,
    })
}

fn series_values(values: &ArrayRef) -> Option<SeriesValues<'_>> {
    Some(match values.data_type() {
        DataType::Float32 => SeriesValues::Float32(values.as_primitive::<Float32Type>().values()),
        DataType::Float64 => SeriesValues::Float64(values.as_primitive::<Float64Type>().values()),
        DataType::Int64 => SeriesValues::Int64(values.as_primitive::<Int64Type>().values()),
        DataType::Boolean => SeriesValues::Boolean(values.as_boolean().values()),
        _ => return None,
    })
}
