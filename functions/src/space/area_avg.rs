//! `area_avg(v, lat [, lat_step])`: a mean in which every cell counts by its area.
//!
//! In SQL it becomes the two sums that it consists of, which are computed as fast as any sum:
//!
//! ```text
//!  area_avg(v, lat)  →  sum(v * lat_weight(lat)) / sum(CASE WHEN v IS NOT NULL THEN lat_weight(lat) END)
//! ```
//! Cells in one row of latitude are equally large, so their width does not matter. As a window function, and
//! where no SQL is planned, it is the aggregate below.

use std::sync::{Arc, LazyLock};

use arrow::array::types::Float64Type;
use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, ScalarUDF, Signature,
    TypeSignature, Volatility, when,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::cell_area::lat_weight;
use super::cell_size::{no_constant, share_of_band, size, unknown_size};

const NAME: &str = "area_avg";

/// `area_avg(v, lat [, lat_step])`.
pub fn area_avg() -> AggregateUDF {
    let numbers = |count: usize| TypeSignature::Exact(vec![DataType::Float64; count]);
    AreaAverage {
        signature: Signature::one_of(vec![numbers(2), numbers(3)], Volatility::Immutable),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Mean in which every cell counts by its area on the Earth, given the cells' latitude. Cells without a value do not count. Cells of a cube with equal steps know their size; for others it has to be stated.",
        "area_avg(v, lat [, lat_step])",
    )
    .with_argument("v", "Numbers.")
    .with_argument("lat", "Latitude of the cells' centres in degrees.")
    .with_argument("lat_step", "Height of the cells in degrees.")
    .with_sql_example(
        r#"```sql
> SELECT avg(warming) AS plain, round(area_avg(warming, lat), 4) AS by_area FROM grid;
+-------+---------+
| plain | by_area |
+-------+---------+
| 2.0   | 1.342   |
+-------+---------+
```"#,
    )
    .build()
});

/// Plans [`area_avg`] as the sums that it consists of.
#[derive(Debug)]
pub struct AreaPlanner;

impl ExprPlanner for AreaPlanner {
    fn plan_aggregate(
        &self,
        aggregate: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        if aggregate.func.name() != NAME {
            return Ok(PlannerResult::Original(aggregate));
        }
        if aggregate.distinct {
            return no_distinct();
        }
        let (value, latitude) = match aggregate.args.as_slice() {
            [value, latitude @ ..] if (1..=2).contains(&latitude.len()) => (value, latitude),
            // The signature says what is wrong.
            _ => return Ok(PlannerResult::Original(aggregate)),
        };
        static LAT_WEIGHT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(lat_weight()));
        let weight = LAT_WEIGHT.call(latitude.to_vec());
        let sum = |term: Expr| {
            Expr::AggregateFunction(AggregateFunction {
                func: sum_udaf(),
                params: AggregateFunctionParams {
                    args: vec![term],
                    distinct: false,
                    filter: aggregate.filter.clone(),
                    order_by: Vec::new(),
                    null_treatment: None,
                },
            })
        };
        let counted = when(value.clone().is_not_null(), weight.clone()).end()?;
        let mean = sum(value.clone() * weight) / sum(counted);
        let written = Expr::AggregateFunction(AggregateFunction::new_udf(
            aggregate.func,
            aggregate.args,
            false,
            aggregate.filter,
            aggregate.order_by,
            aggregate.null_treatment,
        ));
        Ok(PlannerResult::Planned(
            mean.alias(written.schema_name().to_string()),
        ))
    }
}

fn no_distinct<T>() -> Result<T> {
    plan_err!("{NAME} weighs cells, of which none is a duplicate of another; leave DISTINCT out")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AreaAverage {
    signature: Signature,
}

impl AggregateUDFImpl for AreaAverage {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return no_distinct();
        }
        let Some(latitude) = args.expr_fields.get(1) else {
            return internal_err!("{NAME} takes a latitude");
        };
        let constant = match args.exprs.get(2) {
            None => None,
            Some(step) => match step.downcast_ref::<Literal>() {
                Some(literal) => Some(literal.value()),
                None => return no_constant(NAME, "area_avg(v, lat, 0.25)"),
            },
        };
        match size(NAME, latitude, constant)? {
            Some(step) => Ok(Box::new(Sums {
                step,
                ..Sums::default()
            })),
            None => unknown_size(NAME, latitude, "area_avg(v, lat, 0.25)"),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let part = |part: &str, data_type| {
            Arc::new(Field::new(
                format!("{}[{part}]", args.name),
                data_type,
                false,
            ))
        };
        Ok(vec![
            part("sum", DataType::Float64),
            part("weight", DataType::Float64),
            part("count", DataType::Float64),
        ])
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

#[derive(Debug, Default)]
struct Sums {
    step: f64,
    sum: f64,
    weight: f64,
    /// How many values: without any the mean is NULL.
    count: f64,
}

impl Sums {
    fn add(&mut self, columns: &[ArrayRef], sign: f64) -> Result<()> {
        let [values, latitudes, ..] = columns else {
            return exec_err!("{NAME} takes values and latitudes");
        };
        let values = values.as_primitive::<Float64Type>();
        let latitudes = latitudes.as_primitive::<Float64Type>();
        for (value, latitude) in values.iter().zip(latitudes) {
            let (Some(value), Some(latitude)) = (value, latitude) else {
                continue;
            };
            let weight = share_of_band(latitude, self.step);
            self.sum += sign * value * weight;
            self.weight += sign * weight;
            self.count += sign;
        }
        Ok(())
    }
}

impl Accumulator for Sums {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1.0)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1.0)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mean = (self.count > 0.0).then(|| self.sum / self.weight);
        Ok(ScalarValue::Float64(mean))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let parts = [self.sum, self.weight, self.count];
        Ok(parts.map(ScalarValue::from).to_vec())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let total = |state: &ArrayRef| -> f64 {
            let state: &Float64Array = state.as_primitive();
            state.iter().flatten().sum()
        };
        let [sum, weight, count] = states else {
            return internal_err!("{NAME} has three sums");
        };
        self.sum += total(sum);
        self.weight += total(weight);
        self.count += total(count);
        Ok(())
    }
}
