//! The longitudes and latitudes of a cube's cells: found by their attributes, read, and made a mesh. Key type:
//! [`Coordinates`].

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::Float64Type;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_functions::space::Transformation;
use graticule_functions::warp::CellAxis;
use graticule_functions::warp::mesh::{Centres, Mesh, Plane, Projection};
use tokio::runtime::Handle;

use super::super::call::Call;
use super::super::reproject::{is_in_degrees, refused};
use super::super::system::Horizontal;
use super::super::warp::SourceChunks;
use super::COORDINATES;
use crate::cache::BlockKey;
use crate::cube::block::{Block, BlockValues};
use crate::cube::conventions::role_of_column;
use crate::cube::{AxisRole, Cube, Variable};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::runtime::{io_handle, run_on};
use crate::scan::CubeTable;
use crate::sql::suggestions::with_nearest;

/// The system that coordinates are in.
const GEOGRAPHIC: &str = "OGC:CRS84";

/// Places that a task moves to another system.
const PLACES: usize = 1 << 16;

/// Cells whose coordinates are kept, at most: 4 GiB of them.
const MOST_CELLS: usize = 1 << 28;

/// Bytes of the coordinates of a cell: a longitude and a latitude, or x and y.
const BYTES_OF_CELL: usize = 16;

/// Longitudes beyond are those of no place, but numbers that stand for none.
const MOST_LONGITUDE: f64 = 720.0;

/// Latitudes beyond are those of no place; they are rounded.
const MOST_LATITUDE: f64 = 90.0001;

/// Where the coordinates of a cube are.
pub(super) struct Coordinates {
    longitude: Variable,
    latitude: Variable,
    /// The axes along which they run, y first.
    axes: (usize, usize),
    /// Positions along x and y.
    cells: (CellAxis, CellAxis),
}

impl Coordinates {
    /// Those of `cube`: the variables that a call names, or those that their attributes say.
    ///
    /// # Errors
    /// There are none, or several, or they run along other than two axes.
    pub(super) fn of(cube: &Cube, call: &Call) -> CubeResult<Self> {
        let named = (
            named(cube, call, "longitude")?,
            named(cube, call, "latitude")?,
        );
        let (longitude, latitude) = match named {
            (Some(longitude), Some(latitude)) => (longitude, latitude),
            (None, None) => found(cube)?,
            _ => {
                let cause = "longitude and latitude belong together, and one of them is not given";
                return Err(CubeError::invalid(&cube.name, cause)
                    .remedy("name both: longitude => '…', latitude => '…'"));
            }
        };
        let axes = plane_of(cube, longitude)?;
        if plane_of(cube, latitude)? != axes {
            let cause = format!(
                "{} and {} run along different axes",
                longitude.field.name(),
                latitude.field.name()
            );
            return Err(CubeError::invalid(&cube.name, cause)
                .remedy("name two that belong together: longitude => '…', latitude => '…'"));
        }
        for variable in [longitude, latitude] {
            if !variable.decoding.data_type().is_numeric() {
                let cause = format!("{} is no number", variable.field.name());
                return Err(CubeError::invalid(&cube.name, cause));
            }
        }
        let along = |axis: usize| {
            let length = cube.axes[axis].coordinates.len();
            let numbers: Vec<f64> = (0..length).map(|cell| cell as f64).collect();
            CellAxis::new(&numbers, None).ok_or_else(|| {
                let cause = format!(
                    "axis {} has fewer than two cells, so nobody knows how large they are",
                    cube.axes[axis].field.name()
                );
                CubeError::unsupported(&cube.name, cause).remedy("select more of it")
            })
        };
        let cells = (along(axes.1)?, along(axes.0)?);
        if cells.0.cells().saturating_mul(cells.1.cells()) > MOST_CELLS {
            let cause = format!(
                "it has {} × {} cells, more than rectify keeps coordinates of",
                cells.1.cells(),
                cells.0.cells()
            );
            return Err(CubeError::new(ErrorKind::Limit, &cube.name, cause)
                .remedy("select fewer rows and columns of it: rectify((SELECT … WHERE …), …)"));
        }
        Ok(Self {
            cells,
            longitude: longitude.clone(),
            latitude: latitude.clone(),
            axes,
        })
    }

    /// Their names.
    pub(super) fn names(&self) -> [&str; 2] {
        [self.longitude.field.name(), self.latitude.field.name()]
    }

    /// Memory for them in another system, beside what they take as they are until the mesh is made.
    ///
    /// # Errors
    /// There is not as much.
    pub(super) fn reservation(&self, table: &CubeTable) -> Result<Option<MemoryReservation>> {
        let reservation = table.blocks().reservation("coordinates of cells");
        if let Some(reservation) = &reservation {
            let cells = self.cells.0.cells().saturating_mul(self.cells.1.cells());
            reservation.try_grow(cells.saturating_mul(BYTES_OF_CELL))?;
        }
        Ok(reservation)
    }

    /// Reads them, and moves them to a system whose axes count `unit` of its units.
    ///
    /// # Errors
    /// The store failed, or the system is not known.
    pub(super) async fn mesh(
        &self,
        table: &CubeTable,
        call: &Call,
        system: &str,
        unit: f64,
        widest: Option<f64>,
    ) -> Result<Mesh> {
        let io = io_handle(call.state.config());
        let projection = Projection {
            forth: Transformation::between(GEOGRAPHIC, system).map_err(refused)?,
            back: Transformation::between(system, GEOGRAPHIC).map_err(refused)?,
            unit,
        };
        let axes = (&self.cells.0, &self.cells.1);
        let longitude = SourceChunks::new(table, &self.longitude);
        let latitude = SourceChunks::new(table, &self.latitude);
        let mut x = longitude.plane(self.axes, axes, &io).await?;
        let mut y = latitude.plane(self.axes, axes, &io).await?;
        for (x, y) in std::iter::zip(&mut x, &mut y) {
            if !(x.abs() <= MOST_LONGITUDE && y.abs() <= MOST_LATITUDE) {
                (*x, *y) = (f64::NAN, f64::NAN);
            }
        }
        let places = Centres {
            x: x.into(),
            y: y.into(),
            width: self.cells.0.cells(),
        };
        let centres = match is_same(system) {
            true => places.clone(),
            false => {
                let tasks = call.state.config().target_partitions();
                self.projected(table, &places, system, &projection, tasks)
                    .await?
            }
        };
        let plane = match is_in_degrees(system) || system.contains("+proj=ob_tran") {
            true => Plane::Globe,
            false => Plane::Projected(projection),
        };
        Mesh::new(&places, centres, plane, widest).map_err(refused)
    }

    /// The coordinates in another system, kept as decoded chunks are.
    async fn projected(
        &self,
        table: &CubeTable,
        places: &Centres,
        system: &str,
        projection: &Projection,
        tasks: usize,
    ) -> Result<Centres> {
        let keys = self.keys(system, projection.unit);
        let kept = |key: &BlockKey| match &table.blocks().get(key)?.values {
            BlockValues::Array(values) => {
                Some(values.as_primitive_opt::<Float64Type>()?.values().clone())
            }
            BlockValues::Constant(_) => None,
        };
        let known = keys.as_ref().and_then(|[x, y]| Some((kept(x)?, kept(y)?)));
        if let Some((x, y)) = known {
            return Ok(Centres {
                x,
                y,
                width: places.width,
            });
        }
        let parts: Vec<_> = (0..places.x.len())
            .step_by(PLACES)
            .map(|start| start..(start + PLACES).min(places.x.len()))
            .map(|part| (part, places.clone(), projection.clone(), Handle::current()))
            .collect();
        let parts = parts
            .into_iter()
            .map(|(part, places, projection, compute)| async move {
                let work = async move { moved(&places, part, &projection) };
                run_on(&compute, work).await
            });
        let mut parts = stream::iter(parts).buffered(tasks.max(1));
        let (mut x, mut y) = (Vec::new(), Vec::new());
        while let Some(part) = parts.try_next().await? {
            x.extend(part.iter().map(|place| place.0));
            y.extend(part.iter().map(|place| place.1));
        }
        let (x, y) = (ScalarBuffer::from(x), ScalarBuffer::from(y));
        if let Some(keys) = keys {
            for (key, values) in std::iter::zip(keys, [&x, &y]) {
                let values: ArrayRef = Arc::new(Float64Array::new(values.clone(), None));
                let block = Arc::new(Block {
                    shape: vec![places.height(), places.width],
                    first: 0,
                    values: BlockValues::Array(values),
                });
                table.blocks().get_or_decode(&key, || Ok(block))?;
            }
        }
        Ok(Centres {
            x,
            y,
            width: places.width,
        })
    }

    /// What x and y in another system are kept as.
    fn keys(&self, system: &str, unit: f64) -> Option<[BlockKey; 2]> {
        let (longitude, latitude) = (
            self.longitude.origin.as_ref()?,
            self.latitude.origin.as_ref()?,
        );
        let array: Arc<str> =
            format!("{longitude}\n{latitude}\nin units of {unit} of {system}").into();
        Some([0, 1].map(|number| BlockKey {
            array: Arc::clone(&array),
            chunk: [number].into(),
        }))
    }

    /// The axes of the cells, counted.
    ///
    /// # Errors
    /// There are too few of them.
    pub(super) fn horizontal(&self, mesh: &Mesh, cube: &Cube) -> CubeResult<Horizontal> {
        let (x_cells, y_cells) = mesh.axes().ok_or_else(|| {
            CubeError::unsupported(&cube.name, "it has fewer than two rows or columns of cells")
        })?;
        let counted = |axis: &CellAxis| (0..axis.cells()).map(|cell| cell as f64).collect();
        Ok(Horizontal {
            y: self.axes.0,
            x: self.axes.1,
            x_centres: counted(&x_cells),
            y_centres: counted(&y_cells),
            x_cells,
            y_cells,
            system: GEOGRAPHIC.to_string(),
            unit: 1.0,
        })
    }
}

/// Some places in the system of a projection.
fn moved(
    places: &Centres,
    part: Range<usize>,
    projection: &Projection,
) -> CubeResult<Vec<(f64, f64)>> {
    let both = std::iter::zip(&places.x[part.clone()], &places.y[part]);
    let mut moved: Vec<(f64, f64)> = both.map(|(x, y)| (*x, *y)).collect();
    let done = projection.project(&mut moved);
    done.map_err(|error| CubeError::invalid("", error))?;
    Ok(moved)
}

/// Are the coordinates in this system already?
fn is_same(system: &str) -> bool {
    ["EPSG:4326", GEOGRAPHIC].contains(&system.trim())
}

/// The variable that a call names.
fn named<'a>(cube: &'a Cube, call: &Call, argument: &str) -> CubeResult<Option<&'a Variable>> {
    let Some(name) = call.text_argument(argument)? else {
        return Ok(None);
    };
    let names = || {
        let variables = cube.variables.iter();
        variables.map(|variable| variable.field.name().as_str())
    };
    let own = cube.variables.iter();
    let own = own.into_iter().find(|own| *own.field.name() == name);
    own.map(Some).ok_or_else(|| {
        let error = CubeError::invalid(&cube.name, format!("there is no variable {name}"));
        with_nearest(error, &name, names(), "there are")
    })
}

/// The axes y and x of coordinates; those of one cell do not count.
fn plane_of(cube: &Cube, variable: &Variable) -> CubeResult<(usize, usize)> {
    let mut axes = variable.axes.clone();
    if axes.len() > 2 {
        axes.retain(|axis| cube.axes[*axis].coordinates.len() != 1);
    }
    axes.sort_unstable();
    match axes[..] {
        [y, x] => Ok((y, x)),
        _ => {
            let names: Vec<&str> = axes
                .iter()
                .map(|axis| cube.axes[*axis].field.name().as_str())
                .collect();
            let cause = format!(
                "{} runs along {}, and coordinates that rectify understands run along two axes",
                variable.field.name(),
                match names.is_empty() {
                    true => "no axis".to_string(),
                    false => names.join(", "),
                }
            );
            let remedy = match axes.len() > 2 {
                true => {
                    "put the table itself on a grid and select from that; where coordinates change along an axis, select one cell of it first: rectify((SELECT … WHERE …), …)"
                }
                false => "use reproject for axes that are coordinates",
            };
            Err(CubeError::unsupported(&cube.name, cause).remedy(remedy))
        }
    }
}

/// The variables that attributes, or else names, say are longitudes and latitudes.
fn found(cube: &Cube) -> CubeResult<(&Variable, &Variable)> {
    let with_role = |role: AxisRole| -> Vec<&Variable> {
        let variables = cube.variables.iter();
        variables
            .filter(|variable| role_of_column(&variable.field) == role)
            .collect()
    };
    let (longitudes, latitudes) = (
        with_role(AxisRole::Longitude),
        with_role(AxisRole::Latitude),
    );
    let mut pairs: Vec<(&Variable, &Variable)> = Vec::new();
    for longitude in &longitudes {
        let sorted = |variable: &Variable| {
            let mut axes = variable.axes.clone();
            axes.sort_unstable();
            axes
        };
        let same = latitudes.iter();
        let same = same.filter(|own| sorted(own) == sorted(longitude));
        pairs.extend(same.map(|latitude| (*longitude, *latitude)));
    }
    if pairs.iter().any(|(own, _)| plane_of(cube, own).is_ok()) {
        pairs.retain(|(own, _)| plane_of(cube, own).is_ok());
    }
    if pairs.len() > 1 {
        // Those that are said to belong to values.
        let is_said = |own: &Variable| {
            cube.variables.iter().any(|variable| {
                let said = variable.field.metadata().get(COORDINATES);
                said.is_some_and(|said| {
                    said.split_whitespace().any(|word| word == own.field.name())
                })
            })
        };
        let said = |(longitude, latitude): &(&Variable, &Variable)| {
            is_said(longitude) && is_said(latitude)
        };
        if pairs.iter().any(said) {
            pairs.retain(said);
        }
    }
    match pairs[..] {
        [only] => Ok(only),
        [] => Err(none(cube)),
        _ => {
            let names = pairs.iter().map(|(longitude, latitude)| {
                format!("{} and {}", longitude.field.name(), latitude.field.name())
            });
            let names: Vec<String> = names.collect();
            let cause = format!("it has several coordinates: {}", names.join("; "));
            Err(CubeError::invalid(&cube.name, cause)
                .remedy("name those to take: longitude => '…', latitude => '…'"))
        }
    }
}

fn none(cube: &Cube) -> CubeError {
    let axis = |role: AxisRole| {
        let mut axes = cube.axes.iter();
        axes.find(|axis| axis.role == role)
            .map(|axis| axis.field.name())
    };
    match (axis(AxisRole::Latitude), axis(AxisRole::Longitude)) {
        (Some(latitude), Some(longitude)) => {
            let cause = format!("its axes {latitude} and {longitude} are its coordinates already");
            CubeError::invalid(&cube.name, cause).remedy("use reproject")
        }
        _ => {
            let cause = "it has no coordinates along two axes: no variables are longitudes and latitudes by standard_name, units or name";
            CubeError::invalid(&cube.name, cause)
                .remedy("name them: longitude => '…', latitude => '…'; where y and x are axes of a coordinate reference system, use reproject")
        }
    }
}
