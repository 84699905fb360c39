//! Which kernel computes a window function.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr,
};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::windows::WindowUDFExpr;
use graticule_functions::gaps::{self, GapFunction, Limit};

use crate::dense::window::sequence::counts_rows;

/// The type in which kernels read an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Float32,
    Float64,
    Int64,
}

/// How a window function is computed.
#[derive(Debug, Clone)]
pub(crate) enum Function {
    /// Rows, or valid values, of the frame.
    Count,
    Sum(Element),
    Average(Element),
    Minimum(Element),
    Maximum(Element),
    /// Rows of the partition up to this one.
    RowNumber,
    /// First or last value of the frame.
    End {
        last: bool,
        ignore_nulls: bool,
    },
    /// The value at a place of the frame, counted from 1; from its end where negative.
    Nth(i64),
    /// The value this many rows before, or a default.
    Shift {
        back: i64,
        default: ScalarValue,
    },
    /// The last valid value of the frame, which the function itself defines.
    Fill(Limit),
    /// Between the valid neighbours.
    Interpolate(Limit),
    /// By DataFusion's own evaluator.
    General,
}

/// A function with the arguments that its kernel reads.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl Chosen {
    fn general() -> Self {
        Self {
            function: Function::General,
            arguments: Vec::new(),
        }
    }
}

/// What may be asked of the rows of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// Predicates take rows away from some series and not from others.
    pub(crate) have_gaps: bool,
}

/// How `window` is computed. `over_cube` rewrites expressions over its input into such over the table.
///
/// # Errors
/// An argument that has no type.
pub(crate) fn choose(
    window: &Arc<dyn WindowExpr>,
    rows: Rows,
    schema: &Schema,
    over_cube: &dyn Fn(&Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>>,
) -> Result<Chosen> {
    let general = Ok(Chosen::general());
    if rows.have_gaps && counts_rows(window.get_window_frame()) {
        return general;
    }
    let any = window.as_any();
    let aggregate = any
        .downcast_ref::<PlainAggregateWindowExpr>()
        .map(PlainAggregateWindowExpr::get_aggregate_expr)
        .or_else(|| {
            any.downcast_ref::<SlidingAggregateWindowExpr>()
                .map(SlidingAggregateWindowExpr::get_aggregate_expr)
        });
    if let Some(aggregate) = aggregate {
        let has_extras = aggregate.is_distinct() || !aggregate.order_bys().is_empty();
        // The filter of a window is private; it is the last field, and is shown.
        let has_no_filter = format!("{window:?}").ends_with("filter: None }");
        let [argument] = &aggregate.expressions()[..] else {
            return general;
        };
        if has_extras || !has_no_filter {
            return general;
        }
        let argument = over_cube(argument)?;
        let returns = aggregate.field().data_type().clone();
        return chosen_aggregate(aggregate.fun().name(), argument, &returns, schema);
    }
    let Some(standard) = any.downcast_ref::<StandardWindowExpr>() else {
        return general;
    };
    let function = standard.get_standard_func_expr();
    let Some(function) = function.as_any().downcast_ref::<WindowUDFExpr>() else {
        return general;
    };
    let arguments = function.args().iter();
    let arguments = arguments.map(over_cube).collect::<Result<Vec<_>>>()?;
    if let Some(gap) = gaps::gap_function(function.fun()) {
        return chosen_gap(gap, arguments, rows, function, window.order_by(), schema);
    }
    // Whether NULLs are passed over is private too, and shown last.
    let shown = format!("{function:?}");
    let ignore_nulls = match shown.rsplit_once("is_reversed: false, ignore_nulls: ") {
        Some((_, "true }")) => true,
        Some((_, "false }")) => false,
        _ => return general,
    };
    chosen_standard(function, arguments, ignore_nulls, rows, schema)
}

fn chosen_aggregate(
    name: &str,
    argument: Arc<dyn PhysicalExpr>,
    returns: &DataType,
    schema: &Schema,
) -> Result<Chosen> {
    if name == "count" {
        return Ok(Chosen {
            function: Function::Count,
            arguments: vec![argument],
        });
    }
    let argument = match name {
        "sum" | "avg" => without_widening(argument, schema)?,
        _ => argument,
    };
    let stored = argument.data_type(schema)?;
    let element = match (&stored, returns) {
        (DataType::Float32, _) => Element::Float32,
        (DataType::Float64, _) => Element::Float64,
        (DataType::UInt64, _) => return Ok(Chosen::general()),
        (stored, _) if stored.is_integer() => Element::Int64,
        (DataType::Timestamp(..), _) if matches!(name, "min" | "max") => Element::Int64,
        _ => return Ok(Chosen::general()),
    };
    let is_float = element != Element::Int64;
    let function = match (name, returns) {
        ("sum", DataType::Float64) if is_float => Function::Sum(element),
        ("sum", DataType::Int64 | DataType::UInt64) if !is_float => Function::Sum(element),
        ("avg", DataType::Float64) if is_float => Function::Average(element),
        ("min", returns) if *returns == stored => Function::Minimum(element),
        ("max", returns) if *returns == stored => Function::Maximum(element),
        _ => return Ok(Chosen::general()),
    };
    Ok(Chosen {
        function,
        arguments: vec![argument],
    })
}

/// Numbers as they are stored: kernels widen what they read.
fn without_widening(
    argument: Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    let Some(cast) = argument.downcast_ref::<CastExpr>() else {
        return Ok(argument);
    };
    let stored = cast.expr().data_type(schema)?;
    let is_narrow = match cast.cast_type() {
        DataType::Float64 => stored == DataType::Float32,
        DataType::Int64 => stored.is_integer() && stored != DataType::UInt64,
        DataType::UInt64 => stored.is_unsigned_integer() && stored != DataType::UInt64,
        _ => false,
    };
    Ok(match is_narrow {
        true => Arc::clone(cast.expr()),
        false => argument,
    })
}

fn literal(arguments: &[Arc<dyn PhysicalExpr>], position: usize) -> Option<&ScalarValue> {
    let literal = arguments.get(position)?.downcast_ref::<Literal>()?;
    Some(literal.value())
}

fn integer(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(value)) if value.is_some() => value,
        _ => None,
    }
}

fn chosen_standard(
    function: &WindowUDFExpr,
    mut arguments: Vec<Arc<dyn PhysicalExpr>>,
    ignore_nulls: bool,
    rows: Rows,
    schema: &Schema,
) -> Result<Chosen> {
    let name = function.fun().name();
    let counts_rows = rows.have_gaps;
    let function = match name {
        "row_number" => Function::RowNumber,
        "first_value" | "last_value" if ignore_nulls || !counts_rows => Function::End {
            last: name == "last_value",
            ignore_nulls,
        },
        "nth_value" if !ignore_nulls && !counts_rows => {
            match literal(&arguments, 1).and_then(integer) {
                Some(place) => Function::Nth(place),
                None => return Ok(Chosen::general()),
            }
        }
        "lag" | "lead" if !ignore_nulls && !counts_rows => match shift(name, &arguments, schema)? {
            Some(shift) => shift,
            None => return Ok(Chosen::general()),
        },
        _ => return Ok(Chosen::general()),
    };
    arguments.truncate(usize::from(name != "row_number"));
    Ok(Chosen {
        function,
        arguments,
    })
}

fn shift(
    name: &str,
    arguments: &[Arc<dyn PhysicalExpr>],
    schema: &Schema,
) -> Result<Option<Function>> {
    let Some(value) = arguments.first() else {
        return Ok(None);
    };
    let data_type = value.data_type(schema)?;
    let offset = match arguments.len() {
        1 => Some(1),
        _ => literal(arguments, 1).and_then(integer),
    };
    let default = match (arguments.len(), literal(arguments, 2)) {
        (1 | 2, _) => ScalarValue::try_from(&data_type)?,
        (_, Some(default)) => default.cast_to(&data_type)?,
        (_, None) => return Ok(None),
    };
    let Some(offset) = offset.filter(|_| !data_type.is_null()) else {
        return Ok(None);
    };
    let back = match name {
        "lag" => Some(offset),
        _ => offset.checked_neg(),
    };
    Ok(back.map(|back| Function::Shift { back, default }))
}

fn chosen_gap(
    gap: GapFunction,
    mut arguments: Vec<Arc<dyn PhysicalExpr>>,
    rows: Rows,
    function: &WindowUDFExpr,
    order_by: &[PhysicalSortExpr],
    schema: &Schema,
) -> Result<Chosen> {
    let limit = gaps::limit_of(function.args())?;
    // Kernels take the key of ORDER BY for the axis.
    let axis = gaps::axis_of(function.args()).map(|position| &function.args()[position]);
    let key = order_by.first().map(|key| &key.expr);
    let is_key = axis.is_some() && axis == key;
    if !is_key || rows.have_gaps && matches!(limit, Limit::Cells(_)) {
        return Ok(Chosen::general());
    }
    arguments.truncate(1);
    let is_float = matches!(
        arguments[0].data_type(schema)?,
        DataType::Float32 | DataType::Float64
    );
    let function = match gap {
        GapFunction::Fill => Function::Fill(limit),
        GapFunction::Interpolate if is_float => Function::Interpolate(limit),
        GapFunction::Interpolate => return Ok(Chosen::general()),
    };
    Ok(Chosen {
        function,
        arguments,
    })
}

impl Function {
    /// As `EXPLAIN` shows it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::Average(_) => "avg",
            Self::Minimum(_) => "min",
            Self::Maximum(_) => "max",
            Self::RowNumber => "row_number",
            Self::End { last: false, .. } => "first_value",
            Self::End { last: true, .. } => "last_value",
            Self::Nth(_) => "nth_value",
            Self::Shift { back: 0.., .. } => "lag",
            Self::Shift { .. } => "lead",
            Self::Fill(_) => "fill",
            Self::Interpolate(_) => "interpolate",
            Self::General => "general",
        }
    }

    /// Does the frame of the window matter?
    pub(crate) fn reads_frame(&self) -> bool {
        !matches!(
            self,
            Self::RowNumber
                | Self::Shift { .. }
                | Self::Fill(_)
                | Self::Interpolate(_)
                | Self::General
        )
    }
}
