//! `coarsen(t, lat => 4, lon => 4)`: a cube with fewer, larger cells, each made of whole ones.
//!
//! ```text
//!  ├─┼─┼─┼─┼─┼─┼─┼─┼─┤ 9 cells     lon => 4
//!  ├───────┼───────┼─┤ 3 cells     the last of what is left
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use graticule_functions::warp::{Method, Missing};

use super::call::Call;
use super::functions::GridFunction;
use super::reproject::{Target, given_methods, given_missing};
use super::system::Horizontal;
use super::warp::{Resampling, Way, warped};
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult};
use crate::overviews::Levels;

/// The function.
pub(super) struct Coarsen;

#[async_trait]
impl GridFunction for Coarsen {
    fn name(&self) -> &'static str {
        "coarsen"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "(an axis)",
                "How many cells along the horizontal axis of this name become one",
            ),
            (
                "method",
                "How a value is made of those below: average where it is left out; of flags the one that occurs most often",
            ),
            (
                "methods",
                "Other methods for some variables: 'name=method, …'",
            ),
            (
                "missing",
                "What missing values do to a cell made of several: 'skip', the default, or 'propagate'",
            ),
        ]
    }

    fn takes_axes(&self) -> bool {
        true
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let (method, methods) = given_methods(call)?;
        let method = method.unwrap_or(Method::Average);
        if !method.reads_footprint() {
            let cause = format!(
                "{method} looks at cells around a centre, and coarsen at those below a cell"
            );
            return Err(CubeError::invalid("", cause)
                .remedy("choose average, min, max, median, mode, q1, q3, sum, rms, first or last, or use reproject")
                .into());
        }
        let resampling = Resampling {
            method: Some(method),
            of_flags: Method::Mode,
            methods,
            missing: given_missing(call)?.unwrap_or(Missing::Skip),
        };
        let table = call.input().await?;
        let source = Horizontal::of(table.cube(), None)?;
        let factors = factors(call, table.cube(), &source)?;
        let target = Target::coarser(&source, table.cube(), factors);
        let levels = Levels::of_cells(&table, &call.state, factors).await;
        let way = Way::Whole(factors);
        let warped = warped(
            &call.text,
            &table,
            source,
            target,
            way,
            &resampling,
            &levels,
        )?;
        Ok(Arc::new(warped))
    }
}

/// How many cells along x and y become one.
fn factors(call: &Call, cube: &Cube, grid: &Horizontal) -> CubeResult<(usize, usize)> {
    let mut factors = (1, 1);
    let is_other = |name: &&str| ["method", "methods", "missing"].contains(name);
    for name in call.names().filter(|name| !is_other(name)) {
        let Some(number) = call
            .numbers(name, &[1])?
            .and_then(|numbers| numbers.first().copied())
        else {
            continue;
        };
        if number < 1.0 || number.fract() != 0.0 {
            return Err(call.wrong(name, "a whole number from 1 on"));
        }
        let is = |axis: usize| cube.axes[axis].field.name() == name;
        match () {
            () if is(grid.x) => factors.0 = number as usize,
            () if is(grid.y) => factors.1 = number as usize,
            () => {
                let (x, y) = (
                    cube.axes[grid.x].field.name(),
                    cube.axes[grid.y].field.name(),
                );
                let cause =
                    format!("the horizontal axes are {y} and {x}, there is no {name} among them");
                return Err(CubeError::invalid(&cube.name, cause)
                    .remedy(format!("write {y} => … and {x} => …; other axes become coarser by GROUP BY, such as date_trunc('month', time)")));
            }
        }
    }
    Ok(factors)
}
