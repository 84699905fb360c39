//! How far a gap may reach: so many cells, or an interval along the axis.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, IntervalMonthDayNanoType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::window_state::WindowFrameContext;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

/// The longest gap that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Limit {
    /// However long.
    None,
    /// This many cells.
    Cells(u64),
    /// This far along the axis: an interval.
    Distance(ScalarValue),
}

impl Limit {
    /// Reads a limit that a statement names.
    ///
    /// # Errors
    /// It is neither a positive whole number nor an interval.
    pub fn new(value: &ScalarValue) -> Result<Self> {
        match value.data_type() {
            DataType::Interval(_) => Ok(Self::Distance(value.clone())),
            data_type if data_type.is_integer() && !value.is_null() => {
                match value.cast_to(&DataType::UInt64) {
                    Ok(ScalarValue::UInt64(Some(cells))) => Ok(Self::Cells(cells)),
                    _ => plan_err!("a gap of {value} cells makes no sense; give a positive number"),
                }
            }
            _ => plan_err!(
                "the longest gap is {value}, but has to be a number of cells or an interval, as in fill(v, 3) or fill(v, INTERVAL '3 days')"
            ),
        }
    }
}

/// The limit among the arguments of a gap function: the one after the first that is a constant.
///
/// # Errors
/// See [`Limit::new`].
pub fn limit_of(arguments: &[Arc<dyn PhysicalExpr>]) -> Result<Limit> {
    let mut further = arguments.iter().skip(1);
    let literal = further.find_map(|argument| argument.downcast_ref::<Literal>());
    literal.map_or(Ok(Limit::None), |literal| Limit::new(literal.value()))
}

/// The position of the axis among the arguments: the one after the first that is no constant.
pub fn axis_of(arguments: &[Arc<dyn PhysicalExpr>]) -> Option<usize> {
    (1..arguments.len()).find(|position| !arguments[*position].is::<Literal>())
}

/// What a limit in cells counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The cells to which a value is carried.
    Filled,
    /// The cells without a value between two that have one.
    Missing,
}

/// For each of the `places` of one partition the first place that is beyond the limit; the end of the
/// partition where none is. `axis` has one coordinate per place, sorted as `options` say.
///
/// # Errors
/// A distance along something that is no time.
pub fn reach(
    limit: &Limit,
    axis: Option<&ArrayRef>,
    options: SortOptions,
    places: Range<u32>,
    counted: Counted,
) -> Result<Vec<u32>> {
    let end = places.end;
    match limit {
        Limit::None => Ok(vec![end; places.len()]),
        Limit::Cells(cells) => {
            let step = cells.saturating_add(match counted {
                Counted::Filled => 1,
                Counted::Missing => 2,
            });
            let reach = |place: u32| u64::from(place).saturating_add(step).min(end.into());
            Ok(places.map(|place| reach(place) as u32).collect())
        }
        Limit::Distance(interval) => {
            let Some(axis) = axis else {
                return exec_err!("a gap measured by an interval needs an ORDER BY a time");
            };
            let distance = along(axis.data_type(), interval)?;
            let frame = WindowFrame::new_bounds(
                WindowFrameUnits::Range,
                WindowFrameBound::CurrentRow,
                WindowFrameBound::Following(distance),
            );
            let mut context = WindowFrameContext::new(Arc::new(frame), vec![options]);
            let columns = [Arc::clone(axis)];
            let mut last = 0..0;
            let reach = (0..places.len()).map(|place| {
                last = context.calculate_range(&columns, &last, places.len(), place)?;
                Ok(places.start + last.end as u32)
            });
            reach.collect()
        }
    }
}

/// An interval in the units of an axis.
fn along(axis: &DataType, interval: &ScalarValue) -> Result<ScalarValue> {
    match axis {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Ok(interval.clone()),
        // The times of a model's calendar: microseconds.
        DataType::Int64 => {
            let parts = interval.cast_to(&DataType::Interval(
                arrow::datatypes::IntervalUnit::MonthDayNano,
            ))?;
            let ScalarValue::IntervalMonthDayNano(Some(parts)) = parts else {
                return exec_err!("the interval {interval} is NULL");
            };
            let (months, days, nanoseconds) = IntervalMonthDayNanoType::to_parts(parts);
            if months != 0 {
                return exec_err!(
                    "a gap of months has no fixed length in a model's calendar; give it in days"
                );
            }
            let micros = i64::from(days) * 86_400_000_000 + nanoseconds / 1000;
            Ok(ScalarValue::Int64(Some(micros)))
        }
        axis => exec_err!(
            "a gap measured by an interval needs an ORDER BY a time, and this one is {axis}; give the gap in cells"
        ),
    }
}

/// The frames in which `fill` takes the last value, given how far each place reaches within its
/// partition.
pub fn fill_ranges(reach: &[u32], partitions: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut ranges = Vec::with_capacity(reach.len());
    for partition in partitions {
        let mut start = partition.start;
        for place in partition.clone() {
            while reach[start as usize] <= place && start < place {
                start += 1;
            }
            ranges.push(start..place + 1);
        }
    }
    ranges
}
