//! The columns of one block: rows of lanes, step after step along the series.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int64Type};
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, MutableArrayData, PrimitiveArray,
    RecordBatch, UInt32Array, UInt64Array, make_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_err};
use graticule_functions::gaps;
use graticule_functions::kernels::window::between::Line;
use graticule_functions::kernels::window::fold::{
    FloatSum, Fold, IntegerSum, Maximum, Minimum, fold,
};
use graticule_functions::kernels::window::{Frames, NONE, count::count, nearest};
use graticule_functions::kernels::{self, Bits};

use crate::dense::window::function::{Element, Function};
use crate::dense::window::general;
use crate::dense::window::plan::{Output, WindowColumn, Windows};
use crate::dense::window::sequence::Sequence;

/// What a block is computed from.
pub(crate) struct Block<'a> {
    pub(crate) windows: &'a Windows,
    /// Series side by side.
    pub(crate) lanes: usize,
    /// The columns of the table that were read, at every cell.
    pub(crate) cells: &'a RecordBatch,
    /// Which cells are rows; `None` when all are.
    pub(crate) present: Option<&'a BooleanBuffer>,
}

impl Block<'_> {
    /// One column of the result.
    ///
    /// # Errors
    /// Values for which an expression or a function is not defined.
    pub(crate) fn column(&self, output: Output) -> Result<ArrayRef> {
        match output {
            Output::Input(position) => {
                let input = &self.windows.inputs[position];
                Ok(input
                    .evaluate(self.cells)?
                    .into_array(self.cells.num_rows())?)
            }
            Output::Window(position) => self.window(&self.windows.columns[position]),
        }
    }

    fn window(&self, column: &WindowColumn) -> Result<ArrayRef> {
        let sequence = &self.windows.sequences[column.sequence];
        let result = match (&column.function, column.arguments.as_slice()) {
            (Function::General, _) => general::evaluate(self, &column.expression, sequence)?,
            (Function::RowNumber, _) => {
                let rows = self.present.map(Bits::new);
                let numbers = count(self.frames(column, sequence), rows);
                let numbers = numbers.into_iter().map(u64::from);
                Arc::new(UInt64Array::from_iter_values(numbers))
            }
            (_, [argument]) => {
                let values = argument.evaluate(self.cells)?;
                let values = values.into_array(self.cells.num_rows())?;
                self.computed(column, sequence, &values)?
            }
            (function, _) => return internal_err!("{} has no argument", function.name()),
        };
        let wanted = column.field.data_type();
        if result.data_type() == wanted {
            return Ok(result);
        }
        Ok(cast(&result, wanted)?)
    }

    fn frames<'a>(&self, column: &'a WindowColumn, sequence: &'a Sequence) -> Frames<'a> {
        Frames {
            rows: &sequence.rows,
            ranges: &column.ranges,
            lanes: self.lanes,
        }
    }

    /// The cells that a kernel counts: those of rows that have a value. `None` when all are.
    fn valid(&self, values: &ArrayRef) -> Option<BooleanBuffer> {
        let nulls = values.logical_nulls();
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        match (nulls.map(NullBuffer::into_inner), self.present) {
            (Some(valid), Some(present)) => Some(&valid & present),
            (valid, present) => valid.or_else(|| present.cloned()),
        }
    }

    /// The result of a kernel that reads `values`.
    fn computed(
        &self,
        column: &WindowColumn,
        sequence: &Sequence,
        values: &ArrayRef,
    ) -> Result<ArrayRef> {
        let frames = self.frames(column, sequence);
        let valid = self.valid(values);
        let bits = valid.as_ref().map(Bits::new);
        match &column.function {
            Function::Count => {
                let counts = count(frames, bits).into_iter().map(i64::from);
                Ok(Arc::new(Int64Array::from_iter_values(counts)))
            }
            Function::Sum(element) => sums(frames, values, bits, *element, false),
            Function::Average(element) => sums(frames, values, bits, *element, true),
            Function::Minimum(element) => extremes::<Minimum>(frames, values, bits, *element),
            Function::Maximum(element) => extremes::<Maximum>(frames, values, bits, *element),
            Function::End {
                last,
                ignore_nulls: true,
            } => nearest_values(frames, values, valid.as_ref(), *last),
            Function::End { last: false, .. } => {
                rows(frames, values, None, |_, frame| frame.clone().next())
            }
            Function::End { last: true, .. } => {
                rows(frames, values, None, |_, frame| frame.clone().next_back())
            }
            Function::Nth(place) => rows(frames, values, None, |_, frame| {
                let distance = usize::try_from(place.unsigned_abs()).ok()?.checked_sub(1)?;
                match *place > 0 {
                    true => frame.clone().nth(distance),
                    false => frame.clone().nth_back(distance),
                }
            }),
            Function::Shift { back, default } => {
                rows(frames, values, Some(default), |place, frame| {
                    let source = i64::from(place).checked_sub(*back)?;
                    u32::try_from(source)
                        .ok()
                        .filter(|source| frame.contains(source))
                })
            }
            Function::Fill(_) => nearest_values(frames, values, valid.as_ref(), true),
            Function::Interpolate(_) => {
                let Some(gaps) = &column.gaps else {
                    return internal_err!("a window without ORDER BY is interpolated");
                };
                let line = Line {
                    coordinates: &gaps.coordinates,
                    reach: &gaps.reach,
                };
                gaps::line(frames, line, values, valid.as_ref())
            }
            Function::General | Function::RowNumber => {
                internal_err!("{} is computed elsewhere", column.function.name())
            }
        }
    }
}

/// Valid cells of each frame, where it matters: not when every frame is full.
struct Counts {
    counts: Option<Vec<u32>>,
}

impl Counts {
    fn new(frames: Frames<'_>, valid: Option<Bits<'_>>) -> Self {
        let needed = valid.is_some() || frames.ranges.iter().any(Range::is_empty);
        Self {
            counts: needed.then(|| count(frames, valid)),
        }
    }

    fn nulls(&self) -> Option<NullBuffer> {
        let counts = self.counts.as_ref()?;
        let valid = BooleanBuffer::collect_bool(counts.len(), |cell| counts[cell] > 0);
        let nulls = NullBuffer::new(valid);
        (nulls.null_count() > 0).then_some(nulls)
    }
}

fn native<T: ArrowPrimitiveType>(values: &ArrayRef) -> Result<&[T::Native]> {
    match values.as_primitive_opt::<T>() {
        Some(values) => Ok(values.values()),
        None => internal_err!("a window kernel was given {}", values.data_type()),
    }
}

fn sums(
    frames: Frames<'_>,
    values: &ArrayRef,
    valid: Option<Bits<'_>>,
    element: Element,
    mean: bool,
) -> Result<ArrayRef> {
    let counts = Counts::new(frames, valid);
    let mut sums = match element {
        Element::Float32 => fold::<f32, FloatSum>(frames, native::<Float32Type>(values)?, valid),
        Element::Float64 => fold::<f64, FloatSum>(frames, native::<Float64Type>(values)?, valid),
        Element::Int64 => {
            let values = cast(values, &DataType::Int64)?;
            let values = native::<Int64Type>(&values)?;
            let sums = fold::<i64, IntegerSum>(frames, values, valid);
            return Ok(Arc::new(Int64Array::new(sums.into(), counts.nulls())));
        }
    };
    if mean {
        match &counts.counts {
            Some(counts) => {
                for (sum, count) in sums.iter_mut().zip(counts) {
                    *sum /= f64::from(*count);
                }
            }
            None => {
                for (row, range) in std::iter::zip(frames.rows, frames.ranges) {
                    let first = *row as usize * frames.lanes;
                    for sum in &mut sums[first..first + frames.lanes] {
                        *sum /= range.len() as f64;
                    }
                }
            }
        }
    }
    Ok(Arc::new(Float64Array::new(sums.into(), counts.nulls())))
}

fn extremes<F>(
    frames: Frames<'_>,
    values: &ArrayRef,
    valid: Option<Bits<'_>>,
    element: Element,
) -> Result<ArrayRef>
where
    F: Fold<f32, Result = f32> + Fold<f64, Result = f64> + Fold<i64, Result = i64>,
{
    fn found<T: ArrowPrimitiveType, F: Fold<T::Native, Result = T::Native>>(
        frames: Frames<'_>,
        values: &ArrayRef,
        valid: Option<Bits<'_>>,
    ) -> Result<ArrayRef>
    where
        T::Native: kernels::Element,
    {
        let nulls = Counts::new(frames, valid).nulls();
        let found = fold::<T::Native, F>(frames, native::<T>(values)?, valid);
        let found = PrimitiveArray::<T>::new(ScalarBuffer::from(found), nulls);
        Ok(Arc::new(found))
    }
    match element {
        Element::Float32 => found::<Float32Type, F>(frames, values, valid),
        Element::Float64 => found::<Float64Type, F>(frames, values, valid),
        Element::Int64 => {
            let stored = values.data_type().clone();
            let found = found::<Int64Type, F>(frames, &cast(values, &DataType::Int64)?, valid)?;
            Ok(cast(&found, &stored)?)
        }
    }
}

/// The first or last valid value of each frame.
fn nearest_values(
    frames: Frames<'_>,
    values: &ArrayRef,
    valid: Option<&BooleanBuffer>,
    last: bool,
) -> Result<ArrayRef> {
    let all;
    let valid = match valid {
        Some(valid) => valid,
        None => {
            all = BooleanBuffer::new_set(frames.cells());
            &all
        }
    };
    let cells = match last {
        true => nearest::last(frames, Bits::new(valid)),
        false => nearest::first(frames, Bits::new(valid)),
    };
    let found = BooleanBuffer::collect_bool(cells.len(), |cell| cells[cell] != NONE);
    let cells = UInt32Array::new(cells.into(), Some(found.into()));
    Ok(take(values, &cells, None)?)
}

/// Whole rows of lanes from elsewhere: `source` gives the place of each place's row, given its frame.
/// Where there is none, the default, or NULL.
fn rows(
    frames: Frames<'_>,
    values: &ArrayRef,
    default: Option<&ScalarValue>,
    source: impl Fn(u32, &Range<u32>) -> Option<u32>,
) -> Result<ArrayRef> {
    let lanes = frames.lanes;
    let mut sources: Vec<Option<u32>> = vec![None; frames.rows.len()];
    for (place, (row, range)) in std::iter::zip(frames.rows, frames.ranges).enumerate() {
        let place = source(place as u32, range);
        sources[*row as usize] = place.map(|place| frames.rows[place as usize]);
    }
    let default = match default {
        Some(default) if !default.is_null() => Some(default.to_array_of_size(lanes)?.to_data()),
        _ => None,
    };
    let data = values.to_data();
    let arrays = std::iter::once(&data).chain(&default).collect();
    let mut result = MutableArrayData::new(arrays, true, data.len());
    for row in sources {
        match row {
            Some(row) => {
                let first = row as usize * lanes;
                result.try_extend(0, first, first + lanes)?;
            }
            None if default.is_some() => result.try_extend(1, 0, lanes)?,
            None => result.try_extend_nulls(lanes)?,
        }
    }
    Ok(make_array(result.freeze()))
}
