//! `transect(t, 'LINESTRING(…)', step => 1000)`: a section of a cube along a line.
//!
//! ```text
//!  lat                      distance   0    1000  2000  3000  4000
//!   │   ╱·──·                   depth ┌────┬─────┬─────┬─────┬─────
//!   │ ·╱        line             0    │    │     │     │     │       values at the places of the line
//!   └──────── lon               10    │    │     │     │     │
//! ```
//! What comes is a cube: its axes are `distance` and those that are not horizontal, and the horizontal coordinates of the
//! line are variables along `distance`. Columns of the cube that are called as one of these get `cube_` in front.

mod line;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;

use self::line::{Line, step_of};
use super::call::Call;
use super::functions::GridFunction;
use super::sampling::{Coordinates, Limits, Method, Metric, SampledCube, Sites, chunks_of};
use super::system::horizontal_axes;
use crate::cube::metadata::UNITS;
use crate::cube::zip::in_memory;
use crate::cube::{Axis, AxisOrder, AxisRole};
use crate::scan::CubeTable;

/// The argument with the line.
const LINE: &str = "line";

/// The axis of a section.
const DISTANCE: &str = "distance";

/// The function.
pub(super) struct Transect;

#[async_trait]
impl GridFunction for Transect {
    fn name(&self) -> &'static str {
        "transect"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                LINE,
                "Second without a name, too: a LINESTRING in WKT, a list of places [[lon, lat], …], or a query of one row with a geometry or WKT; the shortest way on the Earth from place to place, on projected grids a straight one",
            ),
            (
                "step",
                "How far the points of the section are apart, from the beginning of the line on: metres, for projected grids in units of their system; the distance of two rows of the grid where it is left out",
            ),
            (
                "method",
                "'nearest', the default, or 'linear', as for sample",
            ),
            (
                "crs",
                "The system of the line, where it does not say it and it is not that of the cube",
            ),
        ]
    }

    fn second(&self) -> Option<&'static str> {
        Some(LINE)
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let method = Method::of(call)?;
        let table = call.input().await?;
        let cube = table.cube();
        let (x, y) = horizontal_axes(cube)?;
        let metric = Metric::of(cube, x);
        let line = Line::of(call, cube, x).await?;
        let step = match call.numbers("step", &[1])?.as_deref() {
            Some([step]) if *step > 0.0 => *step,
            Some(_) => return Err(call.wrong("step", "a number above 0").into()),
            None => step_of(cube, (x, y), metric)?,
        };
        let (distances, places) = line.points(step, metric)?;
        let (along_x, along_y): (Vec<f64>, Vec<f64>) = places.into_iter().unzip();
        let coordinates = Coordinates::of_places((x, along_x.clone()), (y, along_y.clone()));
        let (sites, _) = Sites::of(&coordinates, cube, method, Limits::default(), false)?;
        let count = distances.len() as u64;
        let mut known = vec![(x, along_x), (y, along_y)];
        known.sort_by_key(|(axis, _)| *axis);
        let mut taken = vec![DISTANCE.to_string()];
        let mut variables = Vec::new();
        for (axis, values) in known {
            let field = cube.axes[axis].field.as_ref().clone();
            taken.push(field.name().clone());
            let field = field.with_data_type(DataType::Float64);
            let values: ArrayRef = Arc::new(Float64Array::from(values));
            variables.push(in_memory(&field, vec![0], &[count], Some(values))?);
        }
        let section = SampledCube {
            name: &call.text,
            table: &table,
            sites: &sites,
            axis: distance_axis(metric, distances),
            known: variables,
            method,
            keeps: true,
            taken,
        };
        let section = section.cut(&chunks_of(cube, None))?;
        let blocks = Arc::clone(table.blocks());
        Ok(Arc::new(CubeTable::new(Arc::new(section), blocks)))
    }
}

/// The axis along the line.
fn distance_axis(metric: Metric, distances: Vec<f64>) -> Axis {
    let mut field = Field::new(DISTANCE, DataType::Float64, false);
    if let Some(unit) = metric.unit() {
        field
            .metadata_mut()
            .insert(UNITS.to_string(), unit.to_string());
    }
    Axis {
        field: Arc::new(field),
        coordinates: Arc::new(Float64Array::from(distances)),
        order: AxisOrder::Ascending,
        role: AxisRole::Other,
        bounds: None,
        cell_bounds: None,
    }
}
