//! The axes of scenes together: [`Union`].
//!
//! ```text
//!  a   x  0 1 2 3                       x  0 1 2 3 4 5 6      horizontal axes have no gaps:
//!  b   x          5 6         ─▶        a  0 1 2 3 · · ·      cells between the scenes are there, too
//!                                       b  · · · · · 0 1
//! ```
//! Other axes have the coordinates of all scenes, each once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::{SortOptions, cast, concat, partition, sort_to_indices, take};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;

use crate::cube::metadata::CRS;
use crate::cube::zip::AxisMap;
use crate::cube::{Axis, AxisOrder, AxisRole, Cube};
use crate::error::{CubeError, CubeResult};

/// How far a centre may lie beside one of the first scene's grid, in cells, to be on it.
const ON_GRID: f64 = 1e-3;

/// Cells of an axis, at most: more is a mistake in the coordinates.
const MOST_CELLS: f64 = 16_000_000.0;

/// The axes of some scenes, and where the scenes lie on them.
pub(super) struct Union {
    /// In the order of the first scene.
    pub(super) axes: Vec<Axis>,
    /// Per scene and axis of it, the number of the axis above and the cells of the scene along it.
    pub(super) maps: Vec<Vec<(usize, AxisMap)>>,
}

impl Union {
    /// That of these scenes.
    ///
    /// # Errors
    /// Their axes have other names, or they lie on different grids.
    pub(super) fn of(scenes: &[&Cube]) -> Result<Self> {
        let axes = scenes.first().map_or(&[][..], |first| &first.axes);
        let mut maps: Vec<Vec<Option<(usize, AxisMap)>>> = scenes
            .iter()
            .map(|scene| vec![None; scene.axes.len()])
            .collect();
        let mut made = Vec::with_capacity(axes.len());
        for (number, axis) in axes.iter().enumerate() {
            let places = places(scenes, axis.field.name())?;
            let of_scenes: Vec<&Axis> = std::iter::zip(scenes, &places)
                .map(|(scene, place)| &scene.axes[*place])
                .collect();
            let (coordinates, cells) = match is_horizontal(axis) {
                true => snapped(scenes, &of_scenes)?,
                false => merged(scenes, &of_scenes)?,
            };
            for ((maps, place), cells) in maps.iter_mut().zip(places).zip(cells) {
                maps[place] = Some((number, AxisMap::new(cells.into_iter())));
            }
            made.push(Axis {
                bounds: None,
                cell_bounds: None,
                ..axis.with_coordinates(coordinates)?
            });
        }
        let maps = maps
            .into_iter()
            .map(|maps| maps.into_iter().flatten().collect());
        Ok(Self {
            axes: made,
            maps: maps.collect(),
        })
    }
}

/// The coordinates of an axis, and per scene the cells of it along them.
type Along = (ArrayRef, Vec<Vec<Option<usize>>>);

fn is_horizontal(axis: &Axis) -> bool {
    use AxisRole::{Latitude, Longitude, X, Y};
    matches!(axis.role, Latitude | Longitude | X | Y)
}

/// The number of the axis called `name` in each scene.
fn places(scenes: &[&Cube], name: &str) -> CubeResult<Vec<usize>> {
    let rank = scenes.first().map_or(0, |first| first.axes.len());
    let place = |scene: &&Cube| {
        let mut axes = scene.axes.iter();
        let found = axes.position(|axis| axis.field.name() == name);
        found.filter(|_| scene.axes.len() == rank).ok_or_else(|| {
            let cause = "its axes are not those of the first scene of the mosaic";
            CubeError::invalid(&scene.name, cause)
                .remedy("select and name the same axes of all: (SELECT … AS x, … AS y, …)")
        })
    };
    scenes.iter().map(place).collect()
}

/// A horizontal axis, without gaps.
fn snapped(scenes: &[&Cube], axes: &[&Axis]) -> Result<Along> {
    let centres = axes
        .iter()
        .map(|axis| {
            let numbers = cast(&axis.coordinates, &DataType::Float64)?;
            Ok(numbers.as_primitive::<Float64Type>().values().to_vec())
        })
        .collect::<Result<Vec<Vec<f64>>>>()?;
    let (Some(axis), Some(base)) = (axes.first(), centres.first().and_then(|own| own.first()))
    else {
        return Err(CubeError::invalid("", "a scene of the mosaic has no cells").into());
    };
    let steps: Vec<Option<f64>> = centres.iter().map(|centres| step(centres)).collect();
    let Some(step) = steps.iter().copied().flatten().next() else {
        return Err(elsewhere(
            scenes[0],
            axis,
            "has one cell, and nobody knows how large it is",
        )
        .into());
    };
    let mut numbers: Vec<Vec<i64>> = Vec::with_capacity(centres.len());
    for (scene, (own, own_step)) in std::iter::zip(scenes, std::iter::zip(&centres, steps)) {
        let stated = axes[numbers.len()].field.metadata().get(CRS);
        if stated != axis.field.metadata().get(CRS) {
            return Err(elsewhere(
                scene,
                axis,
                "is in another system than that of the first scene",
            )
            .into());
        }
        if own_step.is_some_and(|own| {
            (own.abs() - step.abs()).abs() * own_cells(&centres) > ON_GRID * step.abs()
        }) {
            let cause = format!(
                "has steps of {}, and of {} in the first scene",
                own_step.unwrap_or_default().abs(),
                step.abs()
            );
            return Err(elsewhere(scene, axis, &cause).into());
        }
        let place = |centre: &f64| (centre - base) / step;
        let farthest = own
            .iter()
            .map(|centre| (place(centre) - place(centre).round()).abs());
        let farthest = farthest.fold(0.0, f64::max);
        if farthest.is_nan() || farthest > ON_GRID {
            let cause = format!("lies {farthest:.3} of a cell beside the cells of the first scene");
            return Err(elsewhere(scene, axis, &cause).into());
        }
        numbers.push(
            own.iter()
                .map(|centre| place(centre).round() as i64)
                .collect(),
        );
    }
    let first = numbers.iter().flatten().min().copied().unwrap_or(0);
    let last = numbers.iter().flatten().max().copied().unwrap_or(0);
    if (last - first) as f64 >= MOST_CELLS {
        return Err(elsewhere(
            scenes[0],
            axis,
            "and those of the other scenes lie too far apart",
        )
        .into());
    }
    let mut coordinates: Vec<f64> = (first..=last)
        .map(|number| base + number as f64 * step)
        .collect();
    let mut cells = vec![vec![None; coordinates.len()]; scenes.len()];
    // From the last scene to the first, so that the coordinates of the first one are kept.
    for (scene, own) in numbers.iter().enumerate().rev() {
        for (cell, number) in own.iter().enumerate() {
            let at = (number - first) as usize;
            coordinates[at] = centres[scene][cell];
            cells[scene][at] = Some(cell);
        }
    }
    let coordinates: ArrayRef = Arc::new(Float64Array::from(coordinates));
    Ok((cast(&coordinates, axis.coordinates.data_type())?, cells))
}

/// The most cells that a scene has, over which a difference of steps adds up.
fn own_cells(centres: &[Vec<f64>]) -> f64 {
    centres.iter().map(Vec::len).max().unwrap_or(1) as f64
}

/// From one centre to the next.
fn step(centres: &[f64]) -> Option<f64> {
    match centres {
        [first, .., last] if first != last => Some((last - first) / (centres.len() - 1) as f64),
        _ => None,
    }
}

fn elsewhere(scene: &Cube, axis: &Axis, cause: &str) -> CubeError {
    let name = axis.field.name();
    CubeError::invalid(&scene.name, format!("the axis {name} of a scene {cause}")).remedy(
        "name the grid of the mosaic: crs => 'EPSG:…', resolution => …, or like => a table, and each scene is reprojected",
    )
}

/// Another axis: the coordinates of all scenes, each once.
fn merged(scenes: &[&Cube], axes: &[&Axis]) -> Result<Along> {
    let wanted = axes.first().map(|axis| axis.coordinates.data_type());
    for (scene, axis) in std::iter::zip(scenes, axes) {
        if Some(axis.coordinates.data_type()) != wanted {
            let cause = format!(
                "the axis {} is of another type than in the first scene",
                axis.field.name()
            );
            return Err(CubeError::invalid(&scene.name, cause).into());
        }
    }
    let arrays: Vec<&dyn Array> = axes.iter().map(|axis| axis.coordinates.as_ref()).collect();
    let all = concat(&arrays)?;
    let options = SortOptions {
        descending: axes
            .first()
            .is_some_and(|axis| axis.order == AxisOrder::Descending),
        nulls_first: false,
    };
    let order = sort_to_indices(&all, Some(options), None)?;
    let sorted = take(&all, &order, None)?;
    let groups = partition(&[Arc::clone(&sorted)])?.ranges();
    let mut owners = axes
        .iter()
        .enumerate()
        .flat_map(|(scene, axis)| (0..axis.coordinates.len()).map(move |cell| (scene, cell)));
    let owners: HashMap<u32, (usize, usize)> =
        (0..).map_while(|at| Some((at, owners.next()?))).collect();
    let mut cells = vec![vec![None; groups.len()]; scenes.len()];
    for (number, group) in groups.iter().enumerate() {
        for at in group.clone() {
            if let Some((scene, cell)) = owners.get(&order.value(at)) {
                cells[*scene][number] = Some(*cell);
            }
        }
    }
    let firsts = groups.iter().map(|group| group.start as u32);
    let coordinates = take(&sorted, &UInt32Array::from_iter_values(firsts), None)?;
    Ok((coordinates, cells))
}
