//! `at_times(t, like => other)`, `at_times(t, step => INTERVAL '1 day', method => 'linear')`: a cube at other times.
//!
//! ```text
//!  times of t      ·       ·           ·   ·
//!  new times         │   │   │   │   │   │      nearest, previous, next: the value of one of them
//!                                               linear: what lies between the two around
//!                                               spline: on a smooth curve through all of them
//! ```
//! With `like` the times are those of another cube, so that the two are joined by `USING (time, …)`: each step with the
//! nearest one of the other.

mod spline;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, ScalarValue};

use self::spline::{Times, Wanted, splined};
use super::call::Call;
use super::functions::GridFunction;
use super::reproject::LIKE;
use super::sampling::{Method, Position, SampledCube, Sites, chunks_of};
use super::warp::has_values_between;
use crate::cube::{Axis, AxisOrder, AxisRole, Cube};
use crate::error::{CubeError, CubeResult};
use crate::scan::CubeTable;

/// Steps of the new axis, at most: more is a mistake in the units.
const MOST_TIMES: i64 = 16_000_000;

/// Microseconds, in which times are compared: they reach as far as calendars do.
const UNIT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// What a new time has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The value of the nearest time, of two that are as near the later one.
    Nearest,
    /// That of the last time up to it.
    Previous,
    /// That of the first time from it on.
    Next,
    /// What lies on the line between the two.
    Linear,
    /// What lies on the cubic spline through all values, between the two.
    Spline,
}

const CHOICES: [(&str, Choice); 5] = [
    ("nearest", Choice::Nearest),
    ("previous", Choice::Previous),
    ("next", Choice::Next),
    ("linear", Choice::Linear),
    ("spline", Choice::Spline),
];

/// The function.
pub(super) struct AtTimes;

#[async_trait]
impl GridFunction for AtTimes {
    fn name(&self) -> &'static str {
        "at_times"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (LIKE, "A table or query whose times are taken"),
            (
                "step",
                "Instead of like, the time from one step to the next, such as INTERVAL '6 hours'; from the first time of the cube to its last",
            ),
            (
                "times",
                "Instead of like, the times themselves: ['2020-01-01', '2020-02-01 12:00:00']",
            ),
            (
                "method",
                "'nearest', the default, 'previous' or 'next' time; or 'linear' for what lies between these two, NULL where one of them is missing; or 'spline' for what lies there on the cubic spline through all values that are there, not-a-knot at its ends, NULL where it is for 'linear'; flags and texts are always those of the nearest time",
            ),
            (
                "max_time",
                "How far the times that a value is made of may be away, such as INTERVAL '12 hours'; without it as far as the cube reaches",
            ),
        ]
    }

    fn relations(&self) -> &'static [&'static str] {
        &[LIKE]
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let choice = choice(call)?;
        let most = call
            .seconds("max_time")?
            .map(|seconds| (seconds * 1e6) as i64);
        let table = call.input().await?;
        let cube = table.cube();
        let axis = time_axis(cube)?;
        let known = in_microseconds(&cube.axes[axis].coordinates, &cube.axes[axis])?;
        let new = new_axis(call, cube, axis, &known).await?;
        let wanted = in_microseconds(&new.coordinates, &new)?;
        let positions = positions(&known, &wanted, choice, most);
        let sites = Sites::along_one(axis, positions);
        let method = match choice {
            Choice::Linear | Choice::Spline => Method::Linear,
            _ => Method::Nearest,
        };
        let sampled = SampledCube {
            name: &call.text,
            table: &table,
            sites: &sites,
            taken: vec![new.field.name().clone()],
            axis: new,
            known: Vec::new(),
            method,
            keeps: true,
        };
        let mut made = sampled.cut(&chunks_of(cube, None))?;
        if choice == Choice::Spline {
            let times = Arc::new(around(&known, &wanted, most));
            for (variable, made) in std::iter::zip(&cube.variables, &mut made.variables) {
                let dimension = variable.axes.iter().position(|own| *own == axis);
                if let Some(dimension) = dimension.filter(|_| has_values_between(&variable.field)) {
                    *made = splined(&table, variable, dimension, &times, made);
                }
            }
        }
        let blocks = Arc::clone(table.blocks());
        Ok(Arc::new(CubeTable::new(Arc::new(made), blocks)))
    }
}

fn choice(call: &Call) -> CubeResult<Choice> {
    let Some(asked) = call.text_argument("method")? else {
        return Ok(Choice::Nearest);
    };
    let mut known = CHOICES.iter();
    let found = known.find(|(name, _)| *name == asked);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let known = CHOICES.map(|(name, _)| name).join(", ");
        CubeError::invalid("", format!("at_times has no method {asked}"))
            .remedy(format!("choose one of {known}"))
    })
}

fn time_axis(cube: &Cube) -> CubeResult<usize> {
    let is_time = |axis: &Axis| {
        let kind = axis.coordinates.data_type();
        axis.role == AxisRole::Time && matches!(kind, DataType::Timestamp(..))
    };
    cube.axes.iter().position(is_time).ok_or_else(|| {
        CubeError::unsupported(&cube.name, "it has no axis of times")
            .remedy("select its time, too; times of calendars without leap days have no distances")
    })
}

/// Times, ascending or not.
fn in_microseconds(times: &ArrayRef, axis: &Axis) -> Result<Vec<i64>> {
    let whole = cast(&cast(times, &UNIT)?, &DataType::Int64)?;
    match whole.null_count() {
        0 => Ok(whole.as_primitive::<Int64Type>().values().to_vec()),
        _ => {
            let cause = format!("a coordinate of axis {} is missing", axis.field.name());
            Err(CubeError::unsupported("", cause).into())
        }
    }
}

/// The time axis that a call asks for.
async fn new_axis(call: &Call, cube: &Cube, axis: usize, known: &[i64]) -> Result<Axis> {
    let given = [LIKE, "step", "times"];
    let given: Vec<&str> = given.into_iter().filter(|name| call.has(name)).collect();
    let [given] = given[..] else {
        let cause = match given.is_empty() {
            true => "at_times needs to know the new times".to_string(),
            false => format!("{} cannot be given together", given.join(" and ")),
        };
        return Err(CubeError::invalid("", cause)
            .remedy("write one of like => a table, step => INTERVAL '1 day', times => ['2020-01-01', …]")
            .into());
    };
    let own = &cube.axes[axis];
    let coordinates: ArrayRef = match given {
        "step" => by_step(call, known)?,
        "times" => {
            let times = call.places("times", own.coordinates.data_type())?;
            ScalarValue::iter_to_array(times)?
        }
        _ => {
            let like = call.relation(LIKE).await?;
            let Some(like) = like else {
                return Err(call.wrong(LIKE, "a table or a query in parentheses").into());
            };
            let other = time_axis(like.cube())?;
            Arc::clone(&like.cube().axes[other].coordinates)
        }
    };
    let times = in_microseconds(&coordinates, own)?;
    let ascends = times.windows(2).all(|pair| pair[0] < pair[1]);
    if times.is_empty() || !ascends {
        let cause = "the new times are not in ascending order, or there are none";
        return Err(CubeError::invalid("", cause)
            .remedy("order them, and leave out what stands twice")
            .into());
    }
    let field = own.field.as_ref().clone();
    Ok(Axis {
        field: Arc::new(field.with_data_type(coordinates.data_type().clone())),
        coordinates,
        order: AxisOrder::Ascending,
        role: AxisRole::Time,
        bounds: None,
        cell_bounds: None,
    })
}

/// Times at equal distances, from the first that is known to the last.
fn by_step(call: &Call, known: &[i64]) -> Result<ArrayRef> {
    let step = call.seconds("step")?.map(|seconds| (seconds * 1e6) as i64);
    let step = step.filter(|step| *step > 0);
    let step =
        step.ok_or_else(|| call.wrong("step", "longer than no time, such as INTERVAL '1 day'"))?;
    let (Some(first), Some(last)) = (known.iter().min(), known.iter().max()) else {
        return Ok(concat(&[])?);
    };
    let count = (i128::from(*last) - i128::from(*first)) / i128::from(step) + 1;
    if count > i128::from(MOST_TIMES) {
        return Err(call
            .wrong("step", "longer: it makes more steps than Graticule does")
            .into());
    }
    let times = (0..count as i64).map(|at| first + at * step);
    let times: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(times));
    Ok(cast(&times, &UNIT)?)
}

/// Where each time that is wanted lies among those that are known; no further away than `most`.
fn positions(known: &[i64], wanted: &[i64], choice: Choice, most: Option<i64>) -> Vec<Position> {
    let mut order: Vec<u32> = (0..known.len() as u32).collect();
    order.sort_by_key(|cell| known[*cell as usize]);
    let at = |place: usize| order.get(place).map(|cell| (*cell, known[*cell as usize]));
    let is_near =
        |time: i64, other: i64| most.is_none_or(|most| time.abs_diff(other) <= most.unsigned_abs());
    let position = |time: &i64| {
        let time = *time;
        let after = order.partition_point(|cell| known[*cell as usize] < time);
        let next = at(after);
        if let Some((cell, found)) = next
            && found == time
        {
            return Position::on(cell);
        }
        let previous = after.checked_sub(1).and_then(at);
        let one = |found: Option<(u32, i64)>| match found {
            Some((cell, found)) if is_near(time, found) => Position::on(cell),
            _ => Position::ABSENT,
        };
        match (choice, previous, next) {
            (Choice::Previous, previous, _) => one(previous),
            (Choice::Next, _, next) => one(next),
            (Choice::Nearest, Some((_, before)), Some((_, behind))) => {
                one(if time.abs_diff(before) < time.abs_diff(behind) {
                    previous
                } else {
                    next
                })
            }
            (Choice::Nearest, previous, next) => one(previous.or(next)),
            (Choice::Linear | Choice::Spline, Some((cell, before)), Some((next, behind)))
                if is_near(time, before) && is_near(time, behind) =>
            {
                let share = time.abs_diff(before) as f64 / behind.abs_diff(before) as f64;
                Position::between(cell, next, share)
            }
            (Choice::Linear | Choice::Spline, ..) => Position::ABSENT,
        }
    };
    wanted.iter().map(position).collect()
}

/// The times that splines go through, and those of `wanted` that have known ones around them, no further away than `most`.
fn around(known: &[i64], wanted: &[i64], most: Option<i64>) -> Times {
    let mut order: Vec<u32> = (0..known.len() as u32).collect();
    order.sort_by_key(|cell| known[*cell as usize]);
    order.dedup_by_key(|cell| known[*cell as usize]);
    let known: Vec<i64> = order.iter().map(|cell| known[*cell as usize]).collect();
    // Counted from the first one, so that they keep their digits.
    let zero = known.first().copied().unwrap_or(0);
    let passed = |time: i64| (i128::from(time) - i128::from(zero)) as f64;
    let is_near =
        |one: i64, other: i64| most.is_none_or(|most| one.abs_diff(other) <= most.unsigned_abs());
    let between = |time: &i64| {
        let after = known.partition_point(|own| own < time);
        let is_known = known.get(after) == Some(time);
        let before = if is_known {
            after
        } else {
            after.checked_sub(1)?
        };
        let (first, last) = (*known.get(before)?, *known.get(after)?);
        (is_near(*time, first) && is_near(*time, last)).then_some(Wanted {
            time: passed(*time),
            before,
            after,
        })
    };
    Times {
        wanted: wanted.iter().map(between).collect(),
        known: known.iter().map(|time| passed(*time)).collect(),
        order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_find_those_around_them() {
        let known = [10, 20, 40];
        for (choice, most, expected) in [
            (Choice::Nearest, None, [0, 0, 1, 1, 2, 2]),
            (Choice::Previous, None, [u32::MAX, 0, 0, 1, 1, 2]),
            (Choice::Next, None, [0, 0, 1, 1, 2, u32::MAX]),
            (
                Choice::Nearest,
                Some(4),
                [u32::MAX, 0, u32::MAX, 1, u32::MAX, u32::MAX],
            ),
        ] {
            let found = positions(&known, &[5, 10, 15, 20, 35, 50], choice, most);
            let found: Vec<u32> = found.into_iter().map(Position::nearest).collect();
            assert_eq!(found, expected, "{choice:?} {most:?}");
        }
        let found = positions(&known, &[25, 50], Choice::Linear, None);
        assert_eq!(found, [Position::between(1, 2, 0.25), Position::ABSENT]);
    }
}
