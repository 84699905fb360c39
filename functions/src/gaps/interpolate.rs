//! `interpolate(v [, axis] [, limit])`: gaps closed along the straight line between their ends.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, LimitEffect, PartitionEvaluator, Signature, TypeSignature, Volatility,
    WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

use super::fill::direction;
use super::limit::{Counted, Limit, axis_of, limit_of, reach};
use crate::gaps::coordinates;
use crate::kernels::Bits;
use crate::kernels::window::Frames;
use crate::kernels::window::between::{self, Line};

/// `interpolate(v [, axis] [, limit])`.
pub fn interpolate() -> WindowUDF {
    Interpolate {
        // The first variant shows in SHOW FUNCTIONS, the second takes what the planner adds.
        signature: Signature::one_of(
            vec![
                TypeSignature::Exact(vec![DataType::Float64]),
                TypeSignature::UserDefined,
            ],
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        datafusion::logical_expr::window_doc_sections::DOC_SECTION_ANALYTICAL,
        "Closes each gap along the straight line between the values at its ends. Gaps at the beginning and at the end of a series stay.",
        "interpolate(v [, axis] [, limit]) OVER (PARTITION BY … ORDER BY axis)",
    )
    .with_argument("v", "Numbers; NULL is a gap.")
    .with_argument(
        "axis",
        "Where the rows lie: a time or number. The key of ORDER BY unless another is given.",
    )
    .with_argument(
        "limit",
        "The longest gap that is closed: a number of cells without a value, or an INTERVAL between the values at its ends. Longer gaps stay whole.",
    )
    .with_related_udf("fill")
    .with_sql_example(
        r#"```sql
> SELECT day, v, interpolate(v) OVER (ORDER BY day) AS closed, interpolate(v, 1) OVER (ORDER BY day) AS short_ones FROM buoy ORDER BY day;
+------------+-----+--------+------------+
| day        | v   | closed | short_ones |
+------------+-----+--------+------------+
| 2024-01-01 |     |        |            |
| 2024-01-02 | 3.0 | 3.0    | 3.0        |
| 2024-01-03 |     | 4.0    |            |
| 2024-01-05 |     | 6.0    |            |
| 2024-01-06 | 7.0 | 7.0    | 7.0        |
+------------+-----+--------+------------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Interpolate {
    signature: Signature,
}

impl WindowUDFImpl for Interpolate {
    fn name(&self) -> &str {
        "interpolate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let Some((value, others)) = types.split_first().filter(|_| types.len() <= 3) else {
            return plan_err!("interpolate takes a value, an axis and the longest gap");
        };
        let value = match value {
            DataType::Float32 => DataType::Float32,
            value if value.is_numeric() || value.is_null() => DataType::Float64,
            value => return plan_err!("interpolate needs numbers, not {value}"),
        };
        Ok(std::iter::once(value)
            .chain(others.iter().cloned())
            .collect())
    }

    fn partition_evaluator(
        &self,
        arguments: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let Some(axis) = axis_of(arguments.input_exprs()) else {
            return plan_err!(
                "interpolate needs to know where the rows lie; give OVER (…) an ORDER BY"
            );
        };
        Ok(Box::new(Interpolating {
            limit: limit_of(arguments.input_exprs())?,
            axis,
        }))
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> Result<FieldRef> {
        let Some(value) = arguments.input_fields().first() else {
            return plan_err!(
                "interpolate needs a value, as in interpolate(v) OVER (ORDER BY time)"
            );
        };
        let field = value.as_ref().clone().with_nullable(true);
        Ok(Arc::new(field.with_name(arguments.name())))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }

    fn limit_effect(&self, _arguments: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}

/// Interpolates in one partition.
#[derive(Debug)]
struct Interpolating {
    limit: Limit,
    axis: usize,
}

impl PartitionEvaluator for Interpolating {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let axis = &values[self.axis];
        let values = &values[0];
        let partition: Range<u32> = 0..rows as u32;
        let options = direction(Some(axis))?;
        let reach = reach(
            &self.limit,
            Some(axis),
            options,
            partition.clone(),
            Counted::Missing,
        )?;
        let order: Vec<u32> = partition.clone().collect();
        let frames = Frames {
            rows: &order,
            ranges: &vec![partition; rows],
            lanes: 1,
        };
        let line_along = Line {
            coordinates: &coordinates(axis)?,
            reach: &reach,
        };
        let valid = values.logical_nulls();
        line(
            frames,
            line_along,
            values,
            valid.as_ref().map(NullBuffer::inner),
        )
    }
}

/// Values interpolated within their frames, of the type of `values`; `valid` says which are known, all
/// where it is `None`.
///
/// # Errors
/// Values that are no floats.
pub fn line(
    frames: Frames<'_>,
    line: Line<'_>,
    values: &ArrayRef,
    valid: Option<&BooleanBuffer>,
) -> Result<ArrayRef> {
    let Some(valid) = valid else {
        return Ok(Arc::clone(values));
    };
    let bits = Bits::new(valid);
    Ok(match values.data_type() {
        DataType::Float32 => {
            let values = values.as_primitive::<Float32Type>().values();
            let (results, known) = between::interpolate(frames, line, values, bits);
            let results: Vec<f32> = results.into_iter().map(|value| value as f32).collect();
            Arc::new(Float32Array::new(results.into(), Some(known.into())))
        }
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>().values();
            let (results, known) = between::interpolate(frames, line, values, bits);
            Arc::new(Float64Array::new(results.into(), Some(known.into())))
        }
        other => return internal_err!("interpolate was given {other}"),
    })
}
