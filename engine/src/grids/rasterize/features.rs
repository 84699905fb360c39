//! The geometries of a query, and the cells that they mark: [`Features`], [`Marks`].

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ident};
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use graticule_functions::space::Transformation;
use graticule_functions::space::zones::{
    Geometry, Plane, Run, burnt, crs_of, envelope, geometries, is_geographic,
};
use graticule_functions::warp::CellAxis;

use super::Overlap;
use crate::error::{CubeError, CubeResult};
use crate::grids::call::Call;
use crate::grids::reproject::{Target, refused};
use crate::sql::suggestions::with_nearest;

/// The column of cells that are inside, where geometries have no attributes.
const INSIDE: &str = "inside";

/// A full circle of longitudes, in degrees.
const CIRCLE: f64 = 360.0;

/// What is read of a relation.
#[derive(Debug)]
pub(super) struct Reading {
    rows: LogicalPlan,
    geometry: FieldRef,
    attributes: Vec<FieldRef>,
    overlap: Overlap,
    /// The system of the geometries.
    pub(super) system: String,
}

impl Reading {
    /// What a call reads.
    ///
    /// # Errors
    /// There is not one column of geometries, nobody knows their system, or an attribute is no column of numbers.
    pub(super) async fn of(call: &Call, overlap: Overlap) -> Result<Self> {
        let rows = call.input_rows().await?;
        let schema = Arc::clone(rows.schema().inner());
        let is_geometry = |field: &&FieldRef| {
            field
                .extension_type_name()
                .is_some_and(|name| name.starts_with("geoarrow."))
        };
        let mut found = schema.fields().iter().filter(is_geometry);
        let (Some(geometry), None) = (found.next(), found.next()) else {
            let cause = "rasterize needs one column of geometries";
            return Err(CubeError::invalid("", cause)
                .remedy("select one, such as ST_GeomFromText(wkt) AS geometry")
                .into());
        };
        let stated = call
            .text_argument("source_crs")?
            .or_else(|| crs_of(geometry));
        // A grid in the system that is asked for, where nobody says another.
        let system = match stated {
            Some(system) => Some(system),
            None => call.text_argument("crs")?,
        };
        let system = system.ok_or_else(|| {
            CubeError::invalid(
                "",
                "the geometries do not say in which coordinate reference system they are",
            )
            .remedy("name it: source_crs => 'EPSG:4326'")
        })?;
        let attributes = attributes(call, &schema, overlap)?;
        let columns = std::iter::once(geometry).chain(&attributes);
        let columns: Vec<_> = columns.map(|field| ident(field.name())).collect();
        Ok(Self {
            rows: LogicalPlanBuilder::from(rows).project(columns)?.build()?,
            geometry: Arc::clone(geometry),
            attributes,
            overlap,
            system,
        })
    }
}

fn attributes(call: &Call, schema: &Schema, overlap: Overlap) -> CubeResult<Vec<FieldRef>> {
    // Times are not added up.
    let is_value = |field: &FieldRef| {
        let kind = field.data_type();
        let is_ordered = kind.is_temporal() || *kind == DataType::Boolean;
        kind.is_numeric() || is_ordered && overlap != Overlap::Sum
    };
    let Some(names) = call.texts("attribute")? else {
        let all = schema.fields().iter().filter(|field| is_value(field));
        return Ok(all.cloned().collect());
    };
    let known = || schema.fields().iter().map(|field| field.name().as_str());
    names
        .iter()
        .map(|name| {
            let mut fields = schema.fields().iter();
            match fields.find(|field| field.name() == name) {
                Some(field) if is_value(field) => Ok(Arc::clone(field)),
                Some(_) => {
                    let kinds = match overlap {
                        Overlap::Sum => "numbers",
                        _ => "numbers, times or truths",
                    };
                    let cause = format!("{name} is no column of {kinds}");
                    Err(CubeError::unsupported("", cause).remedy(format!(
                        "number its values: dense_rank() OVER (ORDER BY {name})"
                    )))
                }
                None => {
                    let error = CubeError::invalid("", format!("there is no column {name}"));
                    Err(with_nearest(error, name, known(), "there are"))
                }
            }
        })
        .collect()
}

/// Geometries in the system of a grid, with their attributes.
#[derive(Debug)]
pub(super) struct Features {
    geometries: Vec<Option<Geometry>>,
    attributes: Vec<(FieldRef, ArrayRef)>,
    overlap: Overlap,
    reservation: MemoryReservation,
}

impl Features {
    /// Runs the query.
    ///
    /// # Errors
    /// It fails or needs too much memory, or a geometry has no place in `system`.
    pub(super) async fn read(call: &Call, reading: Reading, system: &str) -> Result<Self> {
        let context = call.state.task_ctx();
        let reservation = MemoryConsumer::new("rasterize").register(context.memory_pool());
        let plan = call.state.create_physical_plan(&reading.rows).await?;
        let schema = plan.schema();
        let mut rows = execute_stream(plan, context)?;
        let mut batches = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            // Once as they come, once as geometries.
            reservation.try_grow(2 * batch.get_array_memory_size())?;
            batches.push(batch);
        }
        let all = concat_batches(&schema, &batches)?;
        let mut found = geometries(all.column(0).as_ref(), &reading.geometry).map_err(refused)?;
        let transformation = Transformation::between(&reading.system, system).map_err(refused)?;
        if reading.system.trim() != system.trim() {
            for geometry in found.iter_mut().flatten() {
                *geometry = transformation.apply(geometry).map_err(refused)?;
            }
        }
        let mut attributes: Vec<(FieldRef, ArrayRef)> = reading
            .attributes
            .iter()
            .cloned()
            .zip(all.columns().iter().skip(1).cloned())
            .collect();
        if attributes.is_empty() {
            let inside = Arc::new(Field::new(INSIDE, DataType::Boolean, true));
            let values = BooleanArray::from(vec![true; found.len()]);
            attributes.push((inside, Arc::new(values)));
        }
        Ok(Self {
            geometries: found,
            attributes,
            overlap: reading.overlap,
            reservation,
        })
    }

    /// West, south, east and north of all.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn extent(&self) -> Result<[f64; 4]> {
        let each = self.geometries.iter().flatten().filter_map(envelope);
        let around = each.reduce(|one, other| {
            [
                one[0].min(other[0]),
                one[1].min(other[1]),
                one[2].max(other[2]),
                one[3].max(other[3]),
            ]
        });
        around.ok_or_else(|| {
            CubeError::invalid("", "there is no geometry to say what the grid covers")
                .remedy("say it: bbox => [west, south, east, north]")
                .into()
        })
    }

    /// The cells of `target` that they mark.
    ///
    /// # Errors
    /// A coordinate that is no number.
    pub(super) fn on(self, target: &Target) -> Result<Marks> {
        let (x, y) = (&target.x_places, &target.y_places);
        let period = is_geographic(&target.system) == Some(true);
        let period = period.then_some(CIRCLE);
        let in_system = |centres: &[f64]| -> Vec<f64> {
            centres.iter().map(|centre| centre * target.unit).collect()
        };
        let (x, y) = (in_system(&x.centres), in_system(&y.centres));
        let plane = Plane::new(&x, &y, period).map_err(refused)?;
        let (columns, rows) = (axis(&x)?, axis(&y)?);
        let along = |axis: &CellAxis, place: f64| axis.position(place) + 0.5;
        let along_x = |place: f64| along(&columns, place);
        let along_y = |place: f64| along(&rows, place);
        let mut runs = Vec::with_capacity(self.geometries.len());
        for (number, geometry) in self.geometries.iter().enumerate() {
            let marked = match geometry {
                Some(geometry) => burnt(
                    &plane,
                    (&along_x, &along_y),
                    (x.len(), y.len()),
                    number,
                    geometry,
                )
                .map_err(refused)?,
                None => Vec::new(),
            };
            self.reservation.try_grow(marked.len() * size_of::<Run>())?;
            runs.push(marked);
        }
        let attributes = self
            .attributes
            .into_iter()
            .map(|(field, values)| match self.overlap {
                // What is added up may not fit into its type any more.
                Overlap::Sum => {
                    let field = field.as_ref().clone().with_data_type(DataType::Float64);
                    Ok((Arc::new(field), cast(&values, &DataType::Float64)?))
                }
                _ => Ok((field, values)),
            });
        Ok(Marks {
            attributes: attributes.collect::<Result<_>>()?,
            runs,
            overlap: self.overlap,
            _reservation: self.reservation,
        })
    }
}

/// Where coordinates lie among the cells of an axis of the grid.
fn axis(centres: &[f64]) -> CubeResult<CellAxis> {
    CellAxis::new(centres, None).ok_or_else(|| {
        CubeError::unsupported(
            "",
            "an axis of the grid has fewer than two cells, so nobody knows how large they are",
        )
        .remedy("choose a smaller resolution or a larger bbox")
    })
}

/// The cells that features mark.
#[derive(Debug)]
pub(super) struct Marks {
    /// A value per feature.
    pub(super) attributes: Vec<(FieldRef, ArrayRef)>,
    /// Per feature, in the order of rows.
    pub(super) runs: Vec<Vec<Run>>,
    pub(super) overlap: Overlap,
    _reservation: MemoryReservation,
}
