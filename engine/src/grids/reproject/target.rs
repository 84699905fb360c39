//! The grid that a cube is put on: [`Target`].
//!
//! ```text
//!  west             east      edges are multiples of the resolution, so that
//!  ├──┬──┬──┬──┬──┬──┤        grids of one resolution lie on each other
//!  0  ·  ·  ·  ·  ·  5 × resolution
//! ```

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use graticule_functions::metadata::CELL_SIZE;
use graticule_functions::space::zones::is_geographic;
use graticule_functions::space::{Transformation, wkt_of};

use super::super::call::Call;
use super::super::identity::hash_numbers;
use super::super::system::{Horizontal, edges};
use crate::cube::crs::Crs;
use crate::cube::metadata::{CRS, UNITS};
use crate::cube::{Axis, AxisOrder, AxisRole, Cube};
use crate::error::{CubeError, CubeResult};
use crate::scan::CubeTable;

/// Cells of an axis, at most: more is a mistake in the units.
const MOST_CELLS: f64 = 16_000_000.0;

/// Points along a side of the lattice over the source whose places say how far the target reaches.
const PROBES: usize = 65;

/// How far an edge may lie from a multiple of the resolution, in cells, to be one.
const ON_EDGE: f64 = 1e-6;

/// The grid.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its system.
    pub(in crate::grids) crs: Crs,
    /// The system as PROJ understands it.
    pub(in crate::grids) system: String,
    /// What a unit of the axes is in units of the system.
    pub(in crate::grids) unit: f64,
    /// From west to east.
    pub(in crate::grids) x: Axis,
    /// From north to south.
    pub(in crate::grids) y: Axis,
    /// Centres and edges along x.
    pub(in crate::grids) x_places: Places,
    /// Centres and edges along y.
    pub(in crate::grids) y_places: Places,
}

/// Where the cells of an axis lie.
#[derive(Debug, Clone)]
pub(in crate::grids) struct Places {
    /// One per cell.
    pub(in crate::grids) centres: Vec<f64>,
    /// One more than there are cells.
    pub(in crate::grids) edges: Vec<f64>,
}

impl Places {
    /// Cells of `factor` of those between these edges, the last of what is left: up to there, or where it `is_whole`, as
    /// large as if all were there.
    fn coarser(edges: &[f64], factor: usize, is_whole: bool) -> Self {
        let last = edges.last().copied();
        let mut kept: Vec<f64> = edges.iter().step_by(factor).copied().collect();
        if kept.last().copied() != last {
            let missing = factor - (edges.len() - 1) % factor;
            let step = match edges {
                [.., before, last] => last - before,
                _ => 0.0,
            };
            let beyond = if is_whole { step * missing as f64 } else { 0.0 };
            kept.extend(last.map(|last| last + beyond));
        }
        let middle = |pair: &[f64]| (pair[0] + pair[1]) / 2.0;
        Self {
            centres: kept.windows(2).map(middle).collect(),
            edges: kept,
        }
    }

    /// The size of the cells, where they have different ones the mean.
    pub(in crate::grids) fn mean_size(&self) -> f64 {
        match (self.edges.first(), self.edges.last()) {
            (Some(first), Some(last)) => (last - first).abs() / self.centres.len().max(1) as f64,
            _ => 0.0,
        }
    }

    /// The size of the cells, where all have the same.
    fn size(&self) -> Option<f64> {
        let size = |pair: &[f64]| (pair[1] - pair[0]).abs();
        let first = self.edges.windows(2).next().map(size)?;
        let mut sizes = self.edges.windows(2).map(size);
        sizes
            .all(|size| (size - first).abs() <= 1e-9 * first)
            .then_some(first)
    }
}

/// The centres that cells of `factor` of those with these centres have.
pub(crate) fn coarser_centres(centres: &[f64], factor: usize) -> Vec<f64> {
    Places::coarser(&edges(centres), factor, false).centres
}

/// West, south, east and north.
pub(in crate::grids) type Extent = [f64; 4];

impl Target {
    /// The grid that the arguments of a call ask for; what they leave out follows from its sources, of which there is at
    /// least one.
    ///
    /// # Errors
    /// Arguments that contradict each other or make no grid, or a system that is not known.
    pub(in crate::grids) fn of(call: &Call, sources: &[Horizontal]) -> Result<Self> {
        let system = call.text_argument("crs")?;
        let system = system.or_else(|| Some(sources.first()?.system.clone()));
        let system = system.unwrap_or_default();
        let transformations = sources
            .iter()
            .map(|source| Transformation::between(&source.system, &system).map_err(refused))
            .collect::<Result<Vec<_>>>()?;
        let extents = || {
            let pairs = std::iter::zip(sources, &transformations);
            pairs.map(|(source, transformation)| covered(source, transformation))
        };
        // As many cells on the diagonal as the source has (GDAL's rule).
        let step = |source: &Horizontal, [west, south, east, north]: Extent| {
            let (columns, rows) = (source.x_centres.len() as f64, source.y_centres.len() as f64);
            (east - west).hypot(north - south) / columns.hypot(rows)
        };
        let usual = |extent: Extent| match sources {
            [source] => step(source, extent),
            _ => std::iter::zip(sources, extents())
                .filter_map(|(source, extent)| Some(step(source, extent.ok()?)))
                .fold(f64::INFINITY, f64::min),
        };
        let covered = || {
            let nothing = [
                f64::INFINITY,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NEG_INFINITY,
            ];
            extents().try_fold(nothing, |[west, south, east, north], extent| {
                let own = extent?;
                Ok([
                    west.min(own[0]),
                    south.min(own[1]),
                    east.max(own[2]),
                    north.max(own[3]),
                ])
            })
        };
        Self::asked(call, system, covered, usual)
    }

    /// The grid in `system` that the arguments of a call ask for. What they leave out: that the grid lies over what is
    /// `covered`, and has cells of the `usual` size for that.
    ///
    /// # Errors
    /// Arguments that contradict each other or make no grid, or those of `covered`.
    pub(in crate::grids) fn asked(
        call: &Call,
        system: String,
        covered: impl FnOnce() -> Result<Extent>,
        usual: impl FnOnce(Extent) -> f64,
    ) -> Result<Self> {
        let resolution = call.numbers("resolution", &[1, 2])?;
        let size = call.numbers("size", &[2])?;
        let bbox = call.numbers("bbox", &[4])?;
        if resolution.is_some() && size.is_some() {
            return Err(
                CubeError::invalid("", "resolution and size cannot both be given")
                    .remedy("leave one of them out")
                    .into(),
            );
        }
        for (name, numbers) in [("resolution", &resolution), ("size", &size)] {
            let is_positive = |number: &f64| *number > 0.0;
            if numbers
                .as_ref()
                .is_some_and(|numbers| !numbers.iter().all(is_positive))
            {
                return Err(call.wrong(name, "greater than 0").into());
            }
        }
        let given = match &bbox {
            None => None,
            Some(bbox) => match bbox[..] {
                [west, south, east, north] if west < east && south < north => {
                    Some([west, south, east, north])
                }
                _ => {
                    return Err(call
                        .wrong(
                            "bbox",
                            "[west, south, east, north] with west < east and south < north",
                        )
                        .into());
                }
            },
        };
        let is_given = given.is_some();
        let extent = match given {
            Some(extent) => extent,
            None => covered()?,
        };
        let (width, height) = (extent[2] - extent[0], extent[3] - extent[1]);
        let step = match (&resolution, &size) {
            (Some(resolution), _) => {
                let x = resolution[0];
                (x, resolution.get(1).copied().unwrap_or(x))
            }
            (None, Some(size)) => (width / size[0], height / size[1]),
            (None, None) => {
                let step = usual(extent);
                (step, step)
            }
        };
        let snaps = !is_given && size.is_none();
        let x = places(extent[0], extent[2], step.0, snaps)?;
        let mut y = places(extent[1], extent[3], step.1, snaps)?;
        y.centres.reverse();
        y.edges.reverse();
        Self::new(system, x, y)
    }

    /// Adds to `hasher` all that values on the grid depend on.
    pub(in crate::grids) fn hash_places(&self, hasher: &mut impl Hasher) {
        (&self.system, self.unit.to_bits()).hash(hasher);
        for places in [&self.x_places, &self.y_places] {
            hash_numbers(&places.centres, hasher);
            hash_numbers(&places.edges, hasher);
        }
    }

    /// The grid of another cube.
    ///
    /// # Errors
    /// It has none.
    pub(in crate::grids) fn like(call: &Call, other: &CubeTable) -> Result<Self> {
        for name in ["crs", "resolution", "size", "bbox"] {
            if call.has(name) {
                let cause = format!(
                    "like and {name} cannot both be given: the grid is that of the other table"
                );
                return Err(CubeError::invalid("", cause)
                    .remedy("leave one of them out")
                    .into());
            }
        }
        let cube = other.cube();
        let grid = Horizontal::of(cube, None)?;
        let (x_edges, y_edges) = grid.edges();
        let crs = cube.crs.clone();
        Ok(Self {
            crs: crs.unwrap_or_else(|| Crs::of_definition(grid.system.clone())),
            unit: grid.unit,
            x: cube.axes[grid.x].clone(),
            y: cube.axes[grid.y].clone(),
            x_places: Places {
                centres: grid.x_centres,
                edges: x_edges,
            },
            y_places: Places {
                centres: grid.y_centres,
                edges: y_edges,
            },
            system: grid.system,
        })
    }

    /// The grid of a cube with larger cells, each made of as many of those along x and y as `factors` say. The last cells
    /// end with the cube.
    pub(in crate::grids) fn coarser(
        source: &Horizontal,
        cube: &Cube,
        factors: (usize, usize),
    ) -> Self {
        Self::of_cells(source, cube, factors, false)
    }

    /// The grid of an overview, each of whose cells is made of `factor` cells of the cube along both sides. All cells are
    /// as large as the first, so that the last ones may reach over the cube's edge.
    pub(crate) fn overview(source: &Horizontal, cube: &Cube, factor: usize) -> Self {
        Self::of_cells(source, cube, (factor, factor), true)
    }

    fn of_cells(source: &Horizontal, cube: &Cube, factors: (usize, usize), is_whole: bool) -> Self {
        let (x_edges, y_edges) = source.edges();
        let x_places = Places::coarser(&x_edges, factors.0, is_whole);
        let y_places = Places::coarser(&y_edges, factors.1, is_whole);
        let axis = |axis: usize, places: &Places| {
            let axis = cube.axes[axis].clone();
            let mut field = axis
                .field
                .as_ref()
                .clone()
                .with_data_type(DataType::Float64);
            if let Some(size) = places.size() {
                field
                    .metadata_mut()
                    .insert(CELL_SIZE.to_string(), size.to_string());
            } else {
                field.metadata_mut().remove(CELL_SIZE);
            }
            Axis {
                field: Arc::new(field),
                coordinates: Arc::new(Float64Array::from(places.centres.clone())),
                bounds: None,
                cell_bounds: None,
                ..axis
            }
        };
        let crs = cube.crs.clone();
        Self {
            crs: crs.unwrap_or_else(|| Crs::of_definition(source.system.clone())),
            system: source.system.clone(),
            unit: source.unit,
            x: axis(source.x, &x_places),
            y: axis(source.y, &y_places),
            x_places,
            y_places,
        }
    }

    fn new(system: String, x: Places, y: Places) -> Result<Self> {
        let crs = Crs::of_definition(system.clone());
        let geographic = is_in_degrees(&system);
        let axis = |places: &Places, names: [&str; 2], roles: [AxisRole; 2], order| {
            let at = usize::from(!geographic);
            let described = match (geographic, order) {
                (true, AxisOrder::Descending) => ("latitude", "degrees_north"),
                (true, _) => ("longitude", "degrees_east"),
                (false, AxisOrder::Descending) => ("projection_y_coordinate", "m"),
                (false, _) => ("projection_x_coordinate", "m"),
            };
            let step = places.edges.get(1).zip(places.edges.first());
            let step = step.map_or(0.0, |(one, other)| (one - other).abs());
            let metadata = [
                ("standard_name", described.0.to_string()),
                (UNITS, described.1.to_string()),
                (CRS, system.clone()),
                (CELL_SIZE, step.to_string()),
            ];
            let metadata = metadata.map(|(key, value)| (key.to_string(), value));
            let field = Field::new(names[at], DataType::Float64, false);
            Axis {
                field: Arc::new(field.with_metadata(metadata.into())),
                coordinates: Arc::new(Float64Array::from(places.centres.clone())),
                order,
                role: roles[at],
                bounds: None,
                cell_bounds: None,
            }
        };
        let roles = [AxisRole::Longitude, AxisRole::X];
        let x_axis = axis(&x, ["lon", "x"], roles, AxisOrder::Ascending);
        let roles = [AxisRole::Latitude, AxisRole::Y];
        let y_axis = axis(&y, ["lat", "y"], roles, AxisOrder::Descending);
        Ok(Self {
            crs,
            system,
            unit: 1.0,
            x: x_axis,
            y: y_axis,
            x_places: x,
            y_places: y,
        })
    }
}

/// Are the coordinates of a system longitudes and latitudes? What a definition does not say by itself, its WKT does.
pub(in crate::grids) fn is_in_degrees(system: &str) -> bool {
    is_geographic(system)
        .or_else(|| is_geographic(&wkt_of(system).ok()?))
        .unwrap_or(false)
}

pub(in crate::grids) fn refused(
    error: impl std::error::Error + Send + Sync + 'static,
) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What the cells of the source cover in the target's system.
fn covered(source: &Horizontal, transformation: &Transformation) -> Result<Extent> {
    let (x, y) = source.edges();
    let probed = |edges: &[f64]| -> Vec<f64> {
        let last = edges.len() - 1;
        let mut probed: Vec<f64> = (0..PROBES)
            .map(|at| edges[at * last / (PROBES - 1)])
            .collect();
        probed.dedup();
        probed
    };
    let (x, y) = (probed(&x), probed(&y));
    let mut places: Vec<(f64, f64)> = y
        .iter()
        .flat_map(|y| x.iter().map(|x| (*x * source.unit, *y * source.unit)))
        .collect();
    transformation.move_places(&mut places).map_err(refused)?;
    let mut extent = [
        f64::INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NEG_INFINITY,
    ];
    for (x, y) in places.into_iter().filter(|(x, y)| (x + y).is_finite()) {
        extent = [
            extent[0].min(x),
            extent[1].min(y),
            extent[2].max(x),
            extent[3].max(y),
        ];
    }
    match extent[0] < extent[2] && extent[1] < extent[3] {
        true => Ok(extent),
        false => Err(CubeError::invalid(
            "",
            format!("the cube has no place in the system that is asked for ({transformation:?})"),
        )
        .remedy("check both systems, or name that of the cube: source_crs => 'EPSG:…'")
        .into()),
    }
}

/// Cells of size `step` from `low` to `high`; `snaps`: outward to multiples of the step.
fn places(low: f64, high: f64, step: f64, snaps: bool) -> CubeResult<Places> {
    // Multiples of the step, rounded once: equal grids have equal coordinates.
    let (origin, first, count) = match snaps {
        true => {
            let first = (low / step + ON_EDGE).floor();
            let end = (high / step - ON_EDGE).ceil();
            (0.0, first, (end - first).max(1.0))
        }
        false => (low, 0.0, ((high - low) / step).round().max(1.0)),
    };
    if count > MOST_CELLS {
        let cause = format!("a grid of {count} cells along an axis is more than Graticule makes");
        return Err(CubeError::invalid("", cause)
            .remedy("check the units of the resolution: they are those of the new system"));
    }
    let count = count as usize;
    let at = |place: f64| origin + (first + place) * step;
    Ok(Places {
        centres: (0..count).map(|cell| at(cell as f64 + 0.5)).collect(),
        edges: (0..=count).map(|edge| at(edge as f64)).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::super::system::edges;
    use super::*;

    #[test]
    fn larger_cells_end_with_the_cube_or_are_whole() {
        let edges = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let found = Places::coarser(&edges, 4, false);
        assert_eq!(found.edges, [0.0, 4.0, 5.0]);
        let found = Places::coarser(&edges, 4, true);
        assert_eq!(found.centres, [2.0, 6.0]);
        let found = Places::coarser(&[3.0, 2.0, 1.0, 0.0], 2, true);
        assert_eq!(found.centres, [2.0, 0.0]);
    }

    #[test]
    fn cells_end_at_multiples_of_their_size() {
        let found = places(-0.05, 0.95, 0.1, true).unwrap();
        assert_eq!(found.edges.first().copied(), Some(-0.1));
        assert_eq!(found.centres.len(), 11);
        let found = places(0.0, 1.0, 0.25, true).unwrap();
        assert_eq!(found.centres, [0.125, 0.375, 0.625, 0.875]);
        assert_eq!(edges(&found.centres), found.edges);
        let found = places(0.1, 1.1, 0.25, false).unwrap();
        assert_eq!(found.centres.len(), 4);
        assert!(places(0.0, 1e9, 1e-3, true).is_err());
    }
}
