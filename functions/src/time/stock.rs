//! A stock function that also knows calendars, under its own name.
//!
//! ```text
//!  date_part(part, time) ── time has a calendar? ──yes──> CalendarKernel
//!                                                 └─no──> stock function, with all it tells the optimizer
//! ```

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::column::{TimeColumn, is_noleap, time_calendar};
use crate::metadata::calendar_of;

/// What a function of a time and something else computes on times of a calendar.
pub(super) trait CalendarKernel: Debug + Send + Sync {
    /// Index of the argument that is a time.
    fn time(&self) -> usize {
        1
    }

    /// Whether `noleap` dates, which are timestamps, need the kernel: where days are counted.
    fn counts_days(&self, first: Option<&ScalarValue>) -> bool;

    /// Type of the result for a column `time`; without a constant first argument the usual one.
    fn result_type(&self, first: Option<&ScalarValue>, time: &Field) -> Result<DataType>;

    /// The result for all rows.
    fn compute(&self, times: &TimeColumn, args: &[ColumnarValue]) -> Result<ColumnarValue>;
}

/// A stock function beside what it does on calendars.
#[derive(Debug)]
pub(super) struct CalendarAware {
    stock: Arc<ScalarUDF>,
    kernel: Box<dyn CalendarKernel>,
    signature: Signature,
    documentation: Documentation,
}

impl CalendarAware {
    /// `stock`, which takes `calendar_signatures` too. Its documentation gains a paragraph and a
    /// tested example.
    pub(super) fn function(
        stock: Arc<ScalarUDF>,
        kernel: impl CalendarKernel + 'static,
        calendar_signatures: Vec<TypeSignature>,
        sql_example: &str,
    ) -> ScalarUDF {
        let mut signatures = vec![stock.signature().type_signature.clone()];
        signatures.extend(calendar_signatures);
        let mut documentation = stock.documentation().cloned().unwrap_or_else(|| {
            Documentation::builder(
                datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME,
                stock.name(),
                stock.name(),
            )
            .build()
        });
        documentation.description = format!(
            "{} On a time column with a calendar of its own (360_day, all_leap) it computes in that calendar.",
            documentation.description.trim()
        );
        documentation.sql_example = Some(sql_example.to_string());
        Self {
            signature: Signature::one_of(signatures, Volatility::Immutable),
            documentation,
            stock,
            kernel: Box::new(kernel),
        }
        .into()
    }

    fn needs_kernel(&self, time: &Field, first: Option<&ScalarValue>) -> bool {
        calendar_of(time).is_some() || (is_noleap(time) && self.kernel.counts_days(first))
    }
}

impl PartialEq for CalendarAware {
    fn eq(&self, other: &Self) -> bool {
        self.stock == other.stock
    }
}

impl Eq for CalendarAware {}

impl Hash for CalendarAware {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.stock.hash(state);
    }
}

impl ScalarUDFImpl for CalendarAware {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let first = args.scalar_arguments.first().copied().flatten();
        let Some(time) = args.arg_fields.get(self.kernel.time()) else {
            return self.stock.return_field_from_args(args);
        };
        if self.needs_kernel(time, first) {
            let data_type = self.kernel.result_type(first, time)?;
            // A result that is a time again stays in the calendar.
            let metadata = if data_type == *time.data_type() {
                time.metadata().clone()
            } else {
                Default::default()
            };
            let field = Field::new(self.name(), data_type, time.is_nullable());
            return Ok(Arc::new(field.with_metadata(metadata)));
        }
        if *time.data_type() == DataType::Int64 {
            time_calendar(time)?;
        }
        match self.stock.return_field_from_args(args) {
            // SHOW FUNCTIONS asks for the type without constants, and lists what has one.
            Err(_) if first.is_none() => {
                let data_type = self.kernel.result_type(None, time)?;
                Ok(Arc::new(Field::new(self.name(), data_type, true)))
            }
            field => field,
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let first = match args.args.first() {
            Some(ColumnarValue::Scalar(scalar)) => Some(scalar),
            _ => None,
        };
        match (
            args.arg_fields.get(self.kernel.time()),
            args.args.get(self.kernel.time()),
        ) {
            (Some(field), Some(time)) if self.needs_kernel(field, first) => {
                let times = TimeColumn::of(time, field)?;
                self.kernel.compute(&times, &args.args)
            }
            _ => self.stock.invoke_with_args(args),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.stock.simplify(args, info)
    }

    fn preimage(
        &self,
        args: &[Expr],
        literal: &Expr,
        info: &SimplifyContext,
    ) -> Result<PreimageResult> {
        self.stock.preimage(args, literal, info)
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        self.stock.evaluate_bounds(inputs)
    }

    fn propagate_constraints(
        &self,
        interval: &Interval,
        inputs: &[&Interval],
    ) -> Result<Option<Vec<Interval>>> {
        self.stock.propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.stock.output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.stock.preserves_lex_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
