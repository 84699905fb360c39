//! `min` and `max` of times, which stay times of their calendar.
//!
//! The stock aggregates drop the metadata of their column, and with it the calendar. These keep it;
//! all else is the stock aggregates' own.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};

use crate::metadata::calendar_of;

/// The smallest value, which is a time if the column is one.
pub fn min() -> AggregateUDF {
    Extremum { stock: min_udaf() }.into()
}

/// The largest value, which is a time if the column is one.
pub fn max() -> AggregateUDF {
    Extremum { stock: max_udaf() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extremum {
    stock: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Extremum {
    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let field = self.stock.return_field(arg_fields)?;
        match arg_fields {
            [column] if calendar_of(column).is_some() => {
                let metadata = column.metadata().clone();
                Ok(Arc::new(field.as_ref().clone().with_metadata(metadata)))
            }
            _ => Ok(field),
        }
    }

    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.coerce_types(arg_types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arg_types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.stock.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.stock.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.stock.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.stock.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.stock.create_groups_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.stock.reverse_udf()
    }

    fn is_descending(&self) -> Option<bool> {
        self.stock.is_descending()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.stock.inner().set_monotonicity(data_type)
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.stock.value_from_stats(statistics)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}
