//! Variables over some of the dimensions of a cube: [`PartialVariable`].
//!
//! ```text
//!  WITH ("area.dims" = 'lat,lon')      rows   time lat lon │ area        area(lat, lon)
//!                                              t0   a   x  │ 7.0    ─▶    a x 7.0
//!                                              t1   a   x  │ 7.0
//! ```
//! Rows say a value again and again, along the dimensions that are left out; it must be the same one, or missing. It is
//! found by a query of its own when the cube is made, and written whole.

use std::hash::{Hash, Hasher};
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{and, is_not_null};
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::box_query::BoxQuery;
use super::boxes::TargetDimension;
use super::plan::{TargetVariable, bytes_of_value};
use crate::error::{CubeError, CubeResult};

/// A variable over some of the dimensions.
#[derive(Debug, Clone)]
pub(super) struct PartialVariable {
    pub(super) variable: TargetVariable,
    name: String,
    /// Those that it has, as columns of the query.
    dimensions: Vec<TargetDimension>,
    /// The dimensions, the least and the greatest value.
    query: LogicalPlan,
}

impl PartialVariable {
    /// For what tells whether a build was one of the same statement.
    pub(super) fn hash_query(&self, hasher: &mut impl Hasher) {
        let query = self.query.display_indent_schema().to_string();
        query.hash(hasher);
    }

    /// Column number `column` of `query`, over `dimensions`, which are columns of it, too.
    ///
    /// # Errors
    /// Values that have no order.
    pub(super) fn new(
        query: &LogicalPlan,
        column: usize,
        dimensions: impl Iterator<Item = TargetDimension>,
        variable: TargetVariable,
    ) -> Result<Self> {
        let of = |column: usize| Expr::from(query.schema().qualified_field(column));
        let mut dimensions: Vec<TargetDimension> = dimensions.collect();
        let keys: Vec<Expr> = dimensions
            .iter()
            .map(|dimension| of(dimension.column))
            .collect();
        let value = of(column);
        let ends = vec![
            min(value.clone()).alias("least"),
            max(value.clone()).alias("greatest"),
        ];
        let found = LogicalPlanBuilder::from(query.clone())
            .filter(value.is_not_null())?
            .aggregate(keys, ends)?
            .build()?;
        for (position, dimension) in dimensions.iter_mut().enumerate() {
            dimension.column = position;
        }
        Ok(Self {
            name: query.schema().field(column).name().clone(),
            variable,
            dimensions,
            query: found,
        })
    }

    /// The cells that it has along its dimensions.
    pub(super) fn ranges(&self) -> Vec<Range<u64>> {
        let lengths = self.dimensions.iter();
        lengths
            .map(|dimension| 0..dimension.coordinates.len() as u64)
            .collect()
    }

    /// Its values, in C order.
    ///
    /// # Errors
    /// There are several for a cell, memory is too small, or the query fails.
    pub(super) async fn values(&self, state: &SessionState) -> Result<ArrayRef> {
        let context = Arc::new(TaskContext::from(state));
        let ranges = self.ranges();
        let cells: u64 = ranges.iter().map(|range| range.end).product();
        let of_cell = bytes_of_value(&self.variable.data_type, &self.variable.encoding);
        let memory =
            MemoryConsumer::new(format!("writing {}", self.name)).register(context.memory_pool());
        memory
            .try_grow(usize::try_from(cells.saturating_mul(2 * of_cell)).unwrap_or(usize::MAX))?;
        let data_type = &self.variable.data_type;
        let part = BoxQuery {
            state,
            dimensions: &self.dimensions,
            variables: &[
                ("least", data_type.clone()),
                ("greatest", data_type.clone()),
            ],
        };
        let mut ends = part
            .values(iter::once(&self.query), &ranges, context)
            .await?
            .into_iter();
        let (Some(least), Some(greatest)) = (ends.next(), ends.next()) else {
            return Err(self.several("").into());
        };
        let differ = and(&distinct(&least, &greatest)?, &is_not_null(&least)?)?;
        match differ.values().set_indices().next() {
            None => Ok(least),
            Some(cell) => Err(self.several(&self.place_of(cell)).into()),
        }
    }

    /// The coordinates of a cell in words.
    fn place_of(&self, mut cell: usize) -> String {
        let mut places = Vec::new();
        for dimension in self.dimensions.iter().rev() {
            let length = dimension.coordinates.len().max(1);
            let value = array_value_to_string(&dimension.coordinates, cell % length);
            places.push(format!(
                "{} = {}",
                dimension.name,
                value.unwrap_or_default()
            ));
            cell /= length;
        }
        places.reverse();
        places.join(", ")
    }

    fn several(&self, place: &str) -> CubeError {
        let names: Vec<&str> = self
            .dimensions
            .iter()
            .map(|own| own.name.as_str())
            .collect();
        let cause = format!(
            "{} has several values at {place}, along dimensions that it shall not have",
            self.name
        );
        CubeError::invalid("", cause).remedy(format!(
            "leave the option \"{}.dims\" out, or reduce the values to one per {}",
            self.name,
            names.join(", ")
        ))
    }
}

/// Which of the cube's dimensions, `all`, a variable has that shall have those called `asked`.
///
/// # Errors
/// There is none of that name.
pub(super) fn own_dimensions(
    variable: &str,
    asked: Option<&Vec<String>>,
    all: &[String],
) -> CubeResult<Vec<usize>> {
    let Some(asked) = asked else {
        return Ok((0..all.len()).collect());
    };
    if let Some(unknown) = asked.iter().find(|name| !all.contains(name)) {
        let cause = format!("there is no dimension {unknown} for {variable} to have");
        return Err(CubeError::invalid("", cause).remedy(format!("there are {}", all.join(", "))));
    }
    let own = (0..all.len()).filter(|axis| asked.contains(&all[*axis]));
    Ok(own.collect())
}
