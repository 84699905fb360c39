//! Where points lie on the axes of a cube that they name: [`Sites`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::Result;

use super::Method;
use super::coordinates::{Coordinates, Metric};
use super::scale::{Position, Scale};
use crate::cube::chunks::AxisChunks;
use crate::cube::{Axis, AxisRole, Cube};
use crate::grids::system::{is_turning, system_of};

/// How far the nearest cell may be away.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::grids) struct Limits {
    /// Between the point and the cell's centre, see [`Metric`].
    pub(in crate::grids) distance: Option<f64>,
    /// In seconds.
    pub(in crate::grids) time: Option<f64>,
}

/// The positions of points.
#[derive(Debug, Clone)]
pub(in crate::grids) struct Sites {
    /// The axes that the points name, ascending, each with the position of every point.
    pub(super) along: Vec<(usize, Arc<[Position]>)>,
    /// How many points there are.
    pub(super) count: usize,
}

/// The nearest cells of points.
#[derive(Debug)]
pub(in crate::grids) struct NearestCells {
    /// Per named axis the coordinate of the cell.
    pub(in crate::grids) coordinates: Vec<(usize, ArrayRef)>,
    /// How far away its centre is; missing where the points have no place.
    pub(in crate::grids) distance: ArrayRef,
}

impl NearestCells {
    fn of(
        cube: &Cube,
        along: &[(usize, Vec<Position>)],
        distance: &[f64],
        is_absent: &[bool],
    ) -> Result<Self> {
        let of_axis = |(axis, positions): &(usize, Vec<Position>)| {
            Ok((*axis, centres(&cube.axes[*axis].coordinates, positions)?))
        };
        let known = std::iter::zip(distance, is_absent)
            .map(|(away, is_absent)| Some(*away).filter(|away| !is_absent && away.is_finite()));
        Ok(Self {
            coordinates: along.iter().map(of_axis).collect::<Result<_>>()?,
            distance: Arc::new(known.collect::<Float64Array>()),
        })
    }
}

impl Sites {
    /// Sites of no points, which name these axes.
    pub(in crate::grids) fn none(axes: &[usize]) -> Self {
        let none = || Arc::from([]);
        Self {
            along: axes.iter().map(|axis| (*axis, none())).collect(),
            count: 0,
        }
    }

    /// Sites that name one axis, at these positions.
    pub(in crate::grids) fn along_one(axis: usize, positions: Vec<Position>) -> Self {
        Self {
            count: positions.len(),
            along: vec![(axis, positions.into())],
        }
    }

    /// Where points with these coordinates lie. Those beyond the limits, or outside of the cube, lie nowhere. It
    /// `describes` their nearest cells, too.
    ///
    /// # Errors
    /// An axis on which nothing has a position.
    pub(in crate::grids) fn of(
        coordinates: &Coordinates,
        cube: &Cube,
        method: Method,
        limits: Limits,
        describes: bool,
    ) -> Result<(Self, Option<NearestCells>)> {
        let count = coordinates
            .along
            .first()
            .map_or(0, |(_, values)| values.len());
        let mut scales = Vec::new();
        let mut along = Vec::new();
        for (axis, values) in &coordinates.along {
            let described = &cube.axes[*axis];
            let scale = Scale::of(described, goes_round(cube, *axis), method)?;
            let is_limited = match described.role {
                AxisRole::Time => limits.time.is_some(),
                role => is_horizontal(role) && limits.distance.is_some(),
            };
            along.push((*axis, scale.positions(values, method, is_limited)?));
            scales.push(scale);
        }
        let mut is_absent = vec![false; count];
        let mut mark = |absent: &mut dyn Iterator<Item = bool>| {
            for (is_absent, absent) in is_absent.iter_mut().zip(absent) {
                *is_absent |= absent;
            }
        };
        for (_, positions) in &along {
            mark(&mut positions.iter().map(|position| position.is_absent()));
        }
        let is_measured = limits.distance.is_some() || describes;
        let distance = match is_measured {
            true => distances(coordinates, &along, cube)?,
            false => Vec::new(),
        };
        let is_far = |away: f64, most: f64| away.is_nan() || away > most;
        if let Some(most) = limits.distance {
            mark(&mut distance.iter().map(|away| is_far(*away, most)));
        }
        if let Some(most) = limits.time {
            for (place, (axis, positions)) in along.iter().enumerate() {
                let described = &cube.axes[*axis];
                if described.role == AxisRole::Time {
                    let away = times_away(
                        &scales[place],
                        &coordinates.along[place].1,
                        positions,
                        described,
                    )?;
                    mark(&mut away.into_iter().map(|away| is_far(away, most)));
                }
            }
        }
        for (_, positions) in &mut along {
            for (position, is_absent) in positions.iter_mut().zip(&is_absent) {
                if *is_absent {
                    *position = Position::ABSENT;
                }
            }
        }
        let cells = match describes {
            true => Some(NearestCells::of(cube, &along, &distance, &is_absent)?),
            false => None,
        };
        let along = along.into_iter();
        let sites = Self {
            along: along.map(|(axis, at)| (axis, at.into())).collect(),
            count,
        };
        Ok((sites, cells))
    }

    /// The axes that the points name.
    pub(super) fn axes(&self) -> impl Iterator<Item = usize> + '_ {
        self.along.iter().map(|(axis, _)| *axis)
    }

    /// The order of the points by the chunk in which they lie, where `chunks` cut the axes; those that lie nowhere come
    /// last.
    pub(in crate::grids) fn by_chunk(&self, chunks: &[AxisChunks]) -> Vec<u32> {
        let mut keyed: Vec<(Option<u128>, u32)> = (0..self.count)
            .map(|point| (self.chunk(point, chunks), point as u32))
            .collect();
        keyed.sort_unstable_by_key(|(chunk, point)| (chunk.unwrap_or(u128::MAX), *point));
        keyed.into_iter().map(|(_, point)| point).collect()
    }

    /// The number of the chunk in which a point lies.
    fn chunk(&self, point: usize, chunks: &[AxisChunks]) -> Option<u128> {
        self.along.iter().try_fold(0, |number: u128, (axis, at)| {
            let position = Some(at[point]).filter(|position| !position.is_absent())?;
            let chunks = &chunks[*axis];
            let own = chunks.index_of(u64::from(position.cell));
            Some(
                number
                    .wrapping_mul(chunks.count().into())
                    .wrapping_add(own.into()),
            )
        })
    }

    /// The same sites in another order.
    #[must_use]
    pub(in crate::grids) fn ordered(&self, order: &[u32]) -> Self {
        let along = self.along.iter().map(|(axis, at)| {
            let at: Vec<Position> = order.iter().map(|point| at[*point as usize]).collect();
            (*axis, at.into())
        });
        Self {
            along: along.collect(),
            count: order.len(),
        }
    }

    /// The same points on the centres of their nearest cells.
    #[must_use]
    pub(super) fn nearest(&self) -> Self {
        let along = self.along.iter().map(|(axis, at)| {
            let at = at.iter().map(|position| Position::on(position.nearest()));
            (*axis, at.collect())
        });
        Self {
            along: along.collect(),
            count: self.count,
        }
    }

    /// Chunks of the points, each in one chunk of `chunks` and of no more than `most` points.
    pub(super) fn cuts(&self, chunks: &[AxisChunks], most: u64) -> AxisChunks {
        let mut bounds = vec![0];
        let mut before = None;
        for point in 0..self.count {
            let chunk = self.chunk(point, chunks);
            let begun = bounds.last().copied().unwrap_or(0);
            let is_full = point as u64 - begun >= most.max(1);
            if point > 0 && (before != Some(chunk) || is_full) {
                bounds.push(point as u64);
            }
            before = Some(chunk);
        }
        if self.count > 0 {
            bounds.push(self.count as u64);
        }
        AxisChunks::ending_at(bounds)
    }
}

fn is_horizontal(role: AxisRole) -> bool {
    use AxisRole::{Latitude, Longitude, X, Y};
    matches!(role, Latitude | Longitude | X | Y)
}

/// Are the coordinates of an axis angles that come back to where they were?
fn goes_round(cube: &Cube, axis: usize) -> bool {
    match cube.axes[axis].role {
        AxisRole::Longitude => true,
        AxisRole::X => system_of(cube, axis).is_ok_and(|system| is_turning(&system)),
        _ => false,
    }
}

/// How far points are from the centres of their nearest cells; no numbers where they have none.
fn distances(
    coordinates: &Coordinates,
    along: &[(usize, Vec<Position>)],
    cube: &Cube,
) -> Result<Vec<f64>> {
    let find = |roles: [AxisRole; 2]| {
        let mut axes = along.iter();
        axes.position(|(axis, _)| roles.contains(&cube.axes[*axis].role))
    };
    let x = find([AxisRole::Longitude, AxisRole::X]);
    let y = find([AxisRole::Latitude, AxisRole::Y]);
    let (Some(x), Some(y)) = (x, y) else {
        let count = along.first().map_or(0, |(_, positions)| positions.len());
        return Ok(vec![f64::NAN; count]);
    };
    let numbers = |place: usize| -> Result<(Vec<f64>, Vec<f64>)> {
        let (axis, positions) = &along[place];
        let centres = centres(&cube.axes[*axis].coordinates, positions)?;
        Ok((
            as_numbers(&coordinates.along[place].1)?,
            as_numbers(&centres)?,
        ))
    };
    let ((x_points, x_cells), (y_points, y_cells)) = (numbers(x)?, numbers(y)?);
    let metric = Metric::of(cube, along[x].0);
    let places = |x: Vec<f64>, y: Vec<f64>| x.into_iter().zip(y);
    let pairs = places(x_points, y_points).zip(places(x_cells, y_cells));
    let distance = |(point, cell): ((f64, f64), (f64, f64))| {
        let is_known = [point.0, point.1, cell.0, cell.1]
            .into_iter()
            .all(f64::is_finite);
        if is_known {
            metric.distance(point, cell)
        } else {
            f64::NAN
        }
    };
    Ok(pairs.map(distance).collect())
}

/// How many seconds points are from their nearest cells.
fn times_away(
    scale: &Scale,
    points: &ArrayRef,
    positions: &[Position],
    axis: &Axis,
) -> Result<Vec<f64>> {
    let cells = scale.numbers(&centres(&axis.coordinates, positions)?)?;
    let points = scale.numbers(points)?;
    let second = match axis.coordinates.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1e9,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1e6,
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date64 => 1e3,
        DataType::Date32 => 1.0 / 86_400.0,
        _ => 1.0,
    };
    let pairs = points.iter().zip(&cells);
    Ok(pairs
        .map(|(one, other)| (one - other).abs() / second)
        .collect())
}

/// The coordinates of the nearest cells.
fn centres(coordinates: &ArrayRef, positions: &[Position]) -> Result<ArrayRef> {
    let cells = positions
        .iter()
        .map(|position| (!position.is_absent()).then(|| position.nearest()));
    let cells: UInt32Array = cells.collect();
    Ok(take(coordinates, &cells, None)?)
}

fn as_numbers(values: &ArrayRef) -> Result<Vec<f64>> {
    let numbers = cast(values, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>();
    Ok(numbers
        .iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect())
}
