//! `fill(v [, limit])`: the last value before a gap carried into it.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, LimitEffect, PartitionEvaluator, Signature, TypeSignature, Volatility,
    WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

use super::limit::{Counted, Limit, axis_of, fill_ranges, limit_of, reach};
use crate::gaps::coordinates;
use crate::kernels::Bits;
use crate::kernels::window::{Frames, NONE, nearest};

/// `fill(v [, limit])`.
pub fn fill() -> WindowUDF {
    Fill {
        // Any value and what the planner adds; the last variant shows in SHOW FUNCTIONS.
        signature: Signature::one_of(
            vec![
                TypeSignature::Any(1),
                TypeSignature::Any(2),
                TypeSignature::Any(3),
                TypeSignature::Exact(vec![DataType::Float64]),
            ],
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        datafusion::logical_expr::window_doc_sections::DOC_SECTION_ANALYTICAL,
        "Carries the last value before a gap into it, in the order of ORDER BY. Gaps at the beginning stay.",
        "fill(v [, limit]) OVER (PARTITION BY … ORDER BY axis)",
    )
    .with_argument("v", "Values of any type; NULL is a gap.")
    .with_argument(
        "limit",
        "How far a value is carried: a number of cells, or an INTERVAL along a time. Cells further away stay NULL.",
    )
    .with_related_udf("interpolate")
    .with_sql_example(
        r#"```sql
> SELECT day, v, fill(v) OVER (ORDER BY day) AS filled, fill(v, 1) OVER (ORDER BY day) AS one_cell FROM buoy ORDER BY day;
+------------+-----+--------+----------+
| day        | v   | filled | one_cell |
+------------+-----+--------+----------+
| 2024-01-01 |     |        |          |
| 2024-01-02 | 3.0 | 3.0    | 3.0      |
| 2024-01-03 |     | 3.0    | 3.0      |
| 2024-01-05 |     | 3.0    |          |
| 2024-01-06 | 7.0 | 7.0    | 7.0      |
+------------+-----+--------+----------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Fill {
    signature: Signature,
}

impl WindowUDFImpl for Fill {
    fn name(&self) -> &str {
        "fill"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        arguments: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Filling {
            limit: limit_of(arguments.input_exprs())?,
            axis: axis_of(arguments.input_exprs()),
        }))
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> Result<FieldRef> {
        let Some(value) = arguments.input_fields().first() else {
            return plan_err!("fill needs a value, as in fill(v) OVER (ORDER BY time)");
        };
        let field = value.as_ref().clone().with_nullable(true);
        Ok(Arc::new(field.with_name(arguments.name())))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }

    fn limit_effect(&self, _arguments: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::None
    }
}

/// Fills one partition.
#[derive(Debug)]
struct Filling {
    limit: Limit,
    axis: Option<usize>,
}

impl PartitionEvaluator for Filling {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let axis = self.axis.map(|position| &values[position]);
        let values = &values[0];
        let Some(valid) = values.logical_nulls() else {
            return Ok(Arc::clone(values));
        };
        let partition = 0..rows as u32;
        let options = direction(axis)?;
        let reach = reach(
            &self.limit,
            axis,
            options,
            partition.clone(),
            Counted::Filled,
        )?;
        let order: Vec<u32> = partition.clone().collect();
        let frames = Frames {
            rows: &order,
            ranges: &fill_ranges(&reach, std::slice::from_ref(&partition)),
            lanes: 1,
        };
        let cells = nearest::last(frames, Bits::new(valid.inner()));
        let found = NullBuffer::from_iter(cells.iter().map(|cell| *cell != NONE));
        Ok(take(
            values,
            &UInt32Array::new(cells.into(), Some(found)),
            None,
        )?)
    }
}

/// The direction in which a partition's rows are sorted.
pub(super) fn direction(axis: Option<&ArrayRef>) -> Result<SortOptions> {
    let ends = match axis {
        None => None,
        Some(axis) => {
            let coordinates = coordinates(axis)?;
            let mut known = coordinates.iter().copied().filter(|at| !at.is_nan());
            known.next().zip(known.next_back())
        }
    };
    Ok(SortOptions {
        descending: ends.is_some_and(|(first, last)| first > last),
        nulls_first: axis.is_some_and(|axis| !axis.is_empty() && axis.is_null(0)),
    })
}
