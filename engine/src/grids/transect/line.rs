//! The line of a section, and points on it: [`Line`].

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use graticule_functions::space::zones::crs_of;
use graticule_functions::space::{GeodesicEdge, vertices};

use super::LINE;
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::grids::call::Call;
use crate::grids::reproject::refused;
use crate::grids::sampling::{Metric, between};
use crate::grids::system::{system_of, unit};

/// Points of a section, at most.
const MOST_POINTS: f64 = 4_194_304.0;

/// Places, one after the other, in the system of a cube.
#[derive(Debug)]
pub(super) struct Line {
    vertices: Vec<(f64, f64)>,
}

/// The way from one place to the next.
enum Edge {
    Geodesic(GeodesicEdge),
    Straight {
        from: (f64, f64),
        to: (f64, f64),
        length: f64,
    },
}

impl Edge {
    fn new(from: (f64, f64), to: (f64, f64), metric: Metric) -> Self {
        match metric {
            Metric::Geodesic => Self::Geodesic(GeodesicEdge::new(from, to)),
            _ => Self::Straight {
                length: metric.distance(from, to),
                from,
                to,
            },
        }
    }

    fn length(&self) -> f64 {
        match self {
            Self::Geodesic(edge) => edge.length(),
            Self::Straight { length, .. } => *length,
        }
    }

    fn place(&self, distance: f64) -> (f64, f64) {
        match self {
            Self::Geodesic(edge) => edge.place(distance),
            Self::Straight { from, to, length } => {
                let share = if *length > 0.0 {
                    distance / length
                } else {
                    0.0
                };
                let between = |from: f64, to: f64| from + share * (to - from);
                (between(from.0, to.0), between(from.1, to.1))
            }
        }
    }
}

impl Line {
    /// The line that a call asks for.
    ///
    /// # Errors
    /// It is none, or there is no way from its system to that of the cube.
    pub(super) async fn of(call: &Call, cube: &Cube, x: usize) -> Result<Self> {
        let (found, stated) = match call.rows(LINE).await? {
            Some(rows) => of_query(call, rows).await?,
            None => match call.pairs(LINE)? {
                Some(places) => (Some(places), None),
                None => (of_text(call)?, None),
            },
        };
        let is_line = |places: &Vec<(f64, f64)>| {
            let is_finite = |place: &(f64, f64)| place.0.is_finite() && place.1.is_finite();
            places.len() > 1 && places.iter().all(is_finite)
        };
        let Some(mut vertices) = found.filter(is_line) else {
            return Err(CubeError::invalid("", "transect needs a line of two places or more")
                .remedy("write transect(t, 'LINESTRING(5 54, 8 55)') or transect(t, [[5, 54], [8, 55]])")
                .into());
        };
        let system = call.text_argument("crs")?.or(stated);
        if let Some(transformation) = between(system, cube, x)? {
            transformation.move_places(&mut vertices).map_err(refused)?;
            let unit = unit(&system_of(cube, x)?, &cube.axes[x]);
            for (x, y) in &mut vertices {
                (*x, *y) = (*x / unit, *y / unit);
            }
            if !is_line(&vertices) {
                let cause = "a place of the line has no coordinates in the system of the cube";
                return Err(CubeError::invalid(&cube.name, cause)
                    .remedy("leave out what lies far away from the cube")
                    .into());
            }
        }
        Ok(Self { vertices })
    }

    /// Points each `step` from the beginning on: how far along the line they are, and where.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn points(
        &self,
        step: f64,
        metric: Metric,
    ) -> CubeResult<(Vec<f64>, Vec<(f64, f64)>)> {
        let edges: Vec<Edge> = self
            .vertices
            .windows(2)
            .map(|pair| Edge::new(pair[0], pair[1], metric))
            .collect();
        let length: f64 = edges.iter().map(Edge::length).sum();
        let count = (length / step).floor() + 1.0;
        // Also where a length is no number, as of latitudes beyond a pole.
        if count.is_nan() || count > MOST_POINTS {
            let cause = match length.is_finite() {
                true => format!(
                    "a line of {length:.0} with a point each {step} has more than {MOST_POINTS:.0} points"
                ),
                false => "the line has no length".to_string(),
            };
            return Err(CubeError::new(ErrorKind::Limit, "", cause)
                .remedy("take a longer step, and longitudes before latitudes"));
        }
        let mut distances = Vec::with_capacity(count as usize);
        let mut places = Vec::with_capacity(count as usize);
        let (mut edge, mut begun) = (0, 0.0);
        for point in 0..count as u64 {
            let distance = point as f64 * step;
            while edge + 1 < edges.len() && distance > begun + edges[edge].length() {
                begun += edges[edge].length();
                edge += 1;
            }
            distances.push(distance);
            places.extend(edges.get(edge).map(|edge| edge.place(distance - begun)));
        }
        Ok((distances, places))
    }
}

/// A line that is written as WKT.
fn of_text(call: &Call) -> CubeResult<Option<Vec<(f64, f64)>>> {
    let Some(text) = call.text_argument(LINE)? else {
        return Ok(None);
    };
    vertices::line_of_text(&text)
        .map_err(|_| call.wrong(LINE, "a line as WKT, such as 'LINESTRING(5 54, 8 55)'"))
}

/// The line that a query gives, and its system.
async fn of_query(
    call: &Call,
    rows: LogicalPlan,
) -> Result<(Option<Vec<(f64, f64)>>, Option<String>)> {
    let two = LogicalPlanBuilder::from(rows).limit(0, Some(2))?.build()?;
    let plan = call.state.create_physical_plan(&two).await?;
    let schema = plan.schema();
    // One batch or two: there are two rows at most.
    let batches = execute_stream(plan, call.state.task_ctx())?;
    let batches: Vec<RecordBatch> = batches.try_collect().await?;
    let rows = concat_batches(&schema, &batches)?;
    if rows.num_rows() != 1 {
        let count = if rows.num_rows() == 0 {
            "none"
        } else {
            "several"
        };
        let cause = format!("the query of the line should give one row, and gives {count}");
        return Err(CubeError::invalid("", cause)
            .remedy("select one line")
            .into());
    }
    let is_line = |field: &arrow::datatypes::Field| {
        field.extension_type_name().is_some()
            || field.data_type() == &DataType::Utf8
            || field.data_type() == &DataType::Utf8View
    };
    let column = schema.fields().iter().position(|field| is_line(field));
    let Some(column) = column else {
        let cause = "the query of the line has no column with a geometry or WKT";
        return Err(CubeError::invalid("", cause).into());
    };
    let field = schema.field(column);
    let line = vertices::line(rows.column(column).as_ref(), field).map_err(refused)?;
    Ok((line, crs_of(field)))
}

/// How far two rows in the middle of the grid are apart.
///
/// # Errors
/// There is one row.
pub(super) fn step_of(cube: &Cube, (x, y): (usize, usize), metric: Metric) -> Result<f64> {
    let centres = |axis: usize| -> Result<Vec<f64>> {
        let centres = cast(&cube.axes[axis].coordinates, &DataType::Float64)?;
        Ok(centres.as_primitive::<Float64Type>().values().to_vec())
    };
    let (columns, rows) = (centres(x)?, centres(y)?);
    let middle = rows.len() / 2;
    let pair = middle
        .checked_sub(1)
        .and_then(|before| rows.get(before).zip(rows.get(middle)));
    let step = pair
        .zip(columns.first())
        .map(|((one, other), column)| metric.distance((*column, *one), (*column, *other)));
    step.filter(|step| *step > 0.0).ok_or_else(|| {
        let cause = "the grid has no two rows whose distance could be the step of a section";
        CubeError::invalid(&cube.name, cause)
            .remedy("write step => … in metres")
            .into()
    })
}
