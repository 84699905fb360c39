//! `sample(t, points)`: the values of a cube at a table of points, a row per point.
//!
//! ```text
//!  points  station  lat   lon   time                sample(t, points)   station  lat  lon  time │ depth │ temp  salt
//!          a        54.2  7.9   2020-03-01 10:30  ─▶                    a        …              │ 0     │ 8.1   33.2
//!          b        55.0  6.3   2020-03-02 08:00                        a        …              │ 10    │ 7.9   33.4
//! ```
//! All columns of the points come first. An axis that they do not name stays: there is a row for each of its cells, unless
//! a predicate selects some. Columns of the cube that are called as a column of the points get `cube_` in front.
//!
//! A point without a value is a row with NULL: one that lies outside of the grid or of its limits, and one whose cell,
//! or with `linear` whose corners, have a missing value.

mod execution;
mod fill;
mod table;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;

use self::table::SampleTable;
use super::call::Call;
use super::functions::GridFunction;
use super::sampling::{Limits, Method, Naming, check_columns};
use crate::error::CubeError;

/// The argument with the points.
const POINTS: &str = "points";

/// The function.
pub(super) struct Sample;

#[async_trait]
impl GridFunction for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                POINTS,
                "A table or query, second without a name too: its columns called as axes of the cube, or lat, lon, x, y and time, or a geometry of points, say where",
            ),
            (
                "method",
                "'nearest', the default, takes the cell whose centre is nearest along each axis; 'linear' what lies between the centres around the point, NULL where one of them is missing; flags and texts are always those of the nearest cell",
            ),
            (
                "max_distance",
                "How far the nearest centre may be from a point: metres on the Earth, for projected grids in units of their system; half a cell beyond the outermost centres where it is left out",
            ),
            (
                "max_time",
                "How far the nearest time may be from that of a point, such as INTERVAL '3 hours'; half a step beyond the first and last where it is left out",
            ),
            (
                "with_cell",
                "true for the coordinates of the nearest cell, cell_lat, cell_lon, …, and its distance",
            ),
        ]
    }

    fn second(&self) -> Option<&'static str> {
        Some(POINTS)
    }

    fn relations(&self) -> &'static [&'static str] {
        &[POINTS]
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let settings = Settings {
            method: Method::of(call)?,
            limits: Limits {
                distance: most(call, "max_distance")?,
                time: call.seconds("max_time")?,
            },
            with_cell: call.flag("with_cell")?,
        };
        let table = call.input().await?;
        let Some(points) = call.rows(POINTS).await? else {
            return Err(CubeError::invalid("", "sample needs points")
                .remedy("write sample(t, (SELECT lat, lon, time FROM …))")
                .into());
        };
        check_columns(points.schema().as_arrow())?;
        let naming = Naming::of(points.schema().as_arrow(), table.cube())?;
        naming.check_limits(table.cube(), settings.limits)?;
        let sample = SampleTable::new(call.text.clone(), table, points, naming, settings)?;
        Ok(Arc::new(sample))
    }
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
struct Settings {
    method: Method,
    limits: Limits,
    with_cell: bool,
}

/// A number that is no less than 0.
fn most(call: &Call, name: &str) -> Result<Option<f64>> {
    let given = call
        .numbers(name, &[1])?
        .and_then(|numbers| numbers.first().copied());
    match given {
        Some(negative) if negative < 0.0 => Err(call.wrong(name, "a number from 0 on").into()),
        given => Ok(given),
    }
}
