//! `rectify(t, crs => …, resolution => …)`: a cube whose cells have coordinates of their own on a regular grid.
//!
//! ```text
//!   lon(y, x), lat(y, x)            lat ┌─┬─┬─┬─┬─┐
//!      ╱─╱─╱─╱                          ├─┼─┼─┼─┼─┤     coordinates: found and read     (coordinates)
//!     ╱─╱─╱─╱        ─▶                 ├─┼─┼─┼─┼─┤     mesh: in the plane of the new grid  (functions)
//!    ╱─╱─╱─╱                            └─┴─┴─┴─┴─┘     warp: arrays that compute their chunks
//!   swath, ocean model                       lon
//! ```
//! Coordinates are read when the call is planned; decoded, and moved to the system of the grid, they stay in the cache
//! of decoded chunks, as far as there is room. While the plan lives it holds 16 bytes per cell of the source, and one byte
//! per eight cells, which the memory pool does not know of.

mod coordinates;

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use graticule_functions::warp::Method;
use graticule_functions::warp::mesh::Mesh;

use self::coordinates::Coordinates;
use super::call::Call;
use super::functions::GridFunction;
use super::reproject::{LIKE, Target, given_methods, given_missing};
use super::warp::{Resampling, Way, warped};
use crate::cube::{Cube, Variable};
use crate::error::{CubeError, CubeResult};
use crate::overviews::Levels;
use crate::scan::CubeTable;

/// The system of the new grid where none is asked for.
const DEGREES: &str = "EPSG:4326";

/// The attribute that ties values to their coordinates, which the new cube has not any more.
const COORDINATES: &str = "coordinates";

/// The function.
pub(super) struct Rectify;

#[async_trait]
impl GridFunction for Rectify {
    fn name(&self) -> &'static str {
        "rectify"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "crs",
                "The system of the new grid: a code such as 'EPSG:3035', WKT, PROJJSON or a PROJ string; EPSG:4326 where it is left out",
            ),
            (
                "resolution",
                "Size of the new cells in units of that system: a number, or [x, y]; where it is left out the median of the cube's cells",
            ),
            (
                "size",
                "Instead of a resolution, how many cells there are: [x, y]",
            ),
            (
                "bbox",
                "What the new grid covers, in its own system: [west, south, east, north]; all of the cube where it is left out",
            ),
            (
                "like",
                "Instead of all these, a table or query whose grid is taken",
            ),
            (
                "method",
                "How values are made: bilinear where it is left out; average, min, max, median, mode, q1, q3, sum, rms, first and last take the cells whose centres lie in the new one, or the nearest; conservative weighs cells with the areas of their parts in it, between edges in the middle of centres; flags are always taken from the nearest cell",
            ),
            (
                "methods",
                "Other methods for some variables: 'name=method, …'",
            ),
            (
                "missing",
                "What missing values do to a cell made of several: 'skip', the default, or 'propagate'",
            ),
            (
                "max_distance",
                "How many metres neighbouring centres of the cube may lie apart: nothing is put into wider gaps; where it is left out 20 times as far as most do",
            ),
            (
                "longitude",
                "The name of the variable with the longitudes, where attributes do not say it",
            ),
            (
                "latitude",
                "The name of the variable with the latitudes, where attributes do not say it",
            ),
        ]
    }

    fn relations(&self) -> &'static [&'static str] {
        &[LIKE]
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let (method, methods) = given_methods(call)?;
        let resampling = Resampling {
            method,
            of_flags: Method::Nearest,
            methods,
            missing: given_missing(call)?.unwrap_or_default(),
        };
        let widest = widest(call)?;
        let table = call.input().await?;
        let coordinates = Coordinates::of(table.cube(), call)?;
        let like = call.relation(LIKE).await?;
        let like = like.map(|like| Target::like(call, &like)).transpose()?;
        let system = match &like {
            Some(like) => like.system.clone(),
            None => call.text_argument("crs")?.unwrap_or(DEGREES.to_string()),
        };
        let unit = like.as_ref().map_or(1.0, |like| like.unit);
        let memory = coordinates.reservation(&table)?;
        let while_made = coordinates.reservation(&table)?;
        let mesh = coordinates
            .mesh(&table, call, &system, unit, widest)
            .await?;
        drop(while_made);
        let target = match like {
            Some(like) => like,
            None => Target::asked(
                call,
                system,
                || covered(&mesh, table.cube()),
                |_| mesh.cell_size().unwrap_or(1.0),
            )?,
        };
        let source = coordinates.horizontal(&mesh, table.cube())?;
        let rest = without(table.cube(), &coordinates);
        let rest = CubeTable::new(Arc::new(rest), Arc::clone(table.blocks()));
        // Overviews are made of cells whose neighbours are known by their numbers alone.
        let levels = Levels::default();
        let way = Way::Searched {
            mesh: Box::new(mesh),
            _memory: memory,
        };
        let warped = warped(&call.text, &rest, source, target, way, &resampling, &levels)?;
        Ok(Arc::new(warped))
    }
}

/// How far neighbouring centres may lie apart.
fn widest(call: &Call) -> CubeResult<Option<f64>> {
    let given = call.numbers("max_distance", &[1])?;
    match given.and_then(|numbers| numbers.first().copied()) {
        Some(metres) if metres <= 0.0 => Err(call.wrong("max_distance", "greater than 0")),
        given => Ok(given),
    }
}

/// What the cells of a mesh cover.
fn covered(mesh: &Mesh, cube: &Cube) -> Result<[f64; 4]> {
    mesh.extent().ok_or_else(|| {
        let cause =
            "no four neighbouring cells have coordinates, so it has no place on the new grid";
        CubeError::invalid(&cube.name, cause)
            .remedy("put the table itself on a grid and select from that, or raise max_distance")
            .into()
    })
}

/// The cube without its coordinates: those of the new grid take their place.
fn without(cube: &Cube, coordinates: &Coordinates) -> Cube {
    let dropped = coordinates.names();
    let kept = cube.variables.iter();
    let kept = kept.filter(|variable| !dropped.contains(&variable.field.name().as_str()));
    let variables: Vec<Variable> = kept
        .map(|variable| {
            let mut field = variable.field.as_ref().clone();
            field.metadata_mut().remove(COORDINATES);
            Variable {
                field: Arc::new(field),
                ..variable.clone()
            }
        })
        .collect();
    let fields = cube.axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
    Cube {
        name: cube.name.clone(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        axes: cube.axes.clone(),
        variables,
        attributes: cube.attributes.clone(),
        crs: cube.crs.clone(),
        zipped: Vec::new(),
        overviews: None,
        url: cube.url.clone(),
        format: cube.format.clone(),
        version: cube.version.clone(),
    }
}
