//! Axes of two cubes that lie beside each other, and the grid function that would align them: [`Difference`].
//!
//! ```text
//!  a  ├───┼───┼───┼───┤        steps of 0.5 and 0.25        coarsen(b, lat => 2)
//!  b  ├─┼─┼─┼─┼─┼─┼─┼─┤
//!
//!  a    ·   ·   ·   ·          the same step, offset         at_times(b, like => a)
//!  b   ·   ·   ·   ·
//! ```
//! Only where both axes reach is looked at: what one of them has beyond the other is no difference. Nor is it one where all
//! coordinates of one of them are among those of the other: it is a part of it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::Result;
use graticule_functions::space::zones::crs_name;

use crate::cube::metadata::CRS;
use crate::cube::{AxisRole, Cube};
use crate::grids::coarser_centres;

/// Steps whose quotient is as near to a whole number are meant to be a whole number of each other.
const WHOLE: f64 = 1e-6;

/// Units of time for people, in microseconds.
const UNITS_OF_TIME: [(f64, &str); 4] =
    [(86_400e6, "d"), (3_600e6, "h"), (60e6, "min"), (1e6, "s")];

/// How an axis of one cube lies beside that of another.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// What differs, and by how much.
    pub(crate) words: String,
    /// What makes it equal.
    pub(crate) remedy: Remedy,
    /// Do the axes cover each other without one coordinate in common?
    pub(crate) is_disjoint: bool,
}

/// What makes the coordinates of two cubes equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// They are, but for rounding.
    TakeNearest,
    /// Larger cells of the cube of this name, along an axis.
    Coarsen(String, String, u64),
    /// The horizontal grid of the other one.
    Reproject(String, String),
    /// The times of the other one.
    AtTimes(String, String),
    /// No grid function does; this is the axis.
    ByExpression(String),
}

/// What is to be done about all differences: each function once.
pub(crate) fn remedies(differences: &[Difference]) -> String {
    let is_reprojected = |cube: &String| {
        let mut remedies = differences.iter().map(|difference| &difference.remedy);
        remedies.any(|remedy| matches!(remedy, Remedy::Reproject(first, second) if first == cube || second == cube))
    };
    let mut coarsened: Vec<(&String, Vec<String>)> = Vec::new();
    let mut calls: Vec<String> = Vec::new();
    for difference in differences {
        let call = match &difference.remedy {
            Remedy::Coarsen(cube, axis, factor) if !is_reprojected(cube) => {
                let argument = format!("{axis} => {factor}");
                match coarsened.iter_mut().find(|(known, _)| *known == cube) {
                    Some((_, arguments)) => arguments.push(argument),
                    None => coarsened.push((cube, vec![argument])),
                }
                continue;
            }
            Remedy::Reproject(cube, like) => format!("reproject({cube}, like => {like})"),
            Remedy::AtTimes(cube, like) => format!("at_times({cube}, like => {like})"),
            _ => continue,
        };
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    let coarsened = coarsened
        .into_iter()
        .map(|(cube, arguments)| format!("coarsen({cube}, {})", arguments.join(", ")));
    calls.extend(coarsened);
    let has = |remedy: &Remedy| differences.iter().any(|own| own.remedy == *remedy);
    let mut sentences = Vec::new();
    match calls.len() {
        0 => {}
        1 => sentences.push(format!("{} aligns them", calls[0])),
        _ => sentences.push(format!("{} align them", calls.join(" and "))),
    }
    if has(&Remedy::TakeNearest) {
        sentences.push(
            "SET cube.grid_alignment = 'nearest' takes them for equal, 'exact' joins only what is equal"
                .to_string(),
        );
    }
    for difference in differences {
        if let Remedy::ByExpression(axis) = &difference.remedy {
            sentences.push(format!(
                "join {axis} by an expression that is equal in both, such as round({axis})"
            ));
        }
    }
    sentences.join("; ")
}

/// An axis of a cube, and all that a join compares of it: its coordinates, perhaps in another type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared<'a> {
    pub(crate) cube: &'a Cube,
    pub(crate) axis: usize,
    pub(crate) keys: &'a ArrayRef,
}

impl Compared<'_> {
    /// How the axis lies beside that of a guest, if it does.
    ///
    /// # Errors
    /// Coordinates that are no numbers after all.
    pub(crate) fn beside(&self, guest: &Compared<'_>) -> Result<Option<Difference>> {
        let systems = self.system().zip(guest.system());
        let systems = systems.filter(|(own, other)| own != other);
        if systems.is_none() && self.keys.as_ref() == guest.keys.as_ref() {
            return Ok(None);
        }
        let (own, others) = (Coordinates::of(self)?, Coordinates::of(guest)?);
        let Some(shared) = Shared::of(&own.sorted, &others.sorted) else {
            return Ok(None);
        };
        // Every second day of the days of the other cube is a part of it.
        let is_part = shared.equal > 0 && shared.alone.contains(&0);
        if is_part && systems.is_none() {
            return Ok(None);
        }
        let (name, [first, second]) = (self.name(), [&self.cube.name, &guest.cube.name]);
        let in_words = |number: f64| self.in_words(number);
        let has_two_systems = systems.is_some();
        let words = match (systems, own.step, others.step) {
            (Some((own, other)), ..) => {
                format!("{name} is in {own} in {first} and in {other} in {second}")
            }
            (None, Some(own), Some(other)) if is_far(own / other, 1.0) => {
                let (own, other) = (in_words(own), in_words(other));
                format!("{name} has steps of {own} in {first} and {other} in {second}")
            }
            (None, Some(step), Some(_)) => format!(
                "{name} has steps of {} in both, which lie {} apart",
                in_words(step),
                in_words(shared.farthest)
            ),
            _ => {
                let (alone, all, of, other) = match shared.alone {
                    [0, alone] => (alone, others.sorted.len(), second, first),
                    [alone, _] => (alone, own.sorted.len(), first, second),
                };
                let farthest = in_words(shared.farthest);
                format!(
                    "{alone} of {all} coordinates of {name} in {of} have no equal one in {other}, up to {farthest} away"
                )
            }
        };
        Ok(Some(Difference {
            words,
            remedy: match () {
                () if self.is_time() => Remedy::AtTimes(second.clone(), first.clone()),
                () if !self.is_horizontal() => Remedy::ByExpression(name.to_string()),
                () if has_two_systems => Remedy::Reproject(second.clone(), first.clone()),
                () => self.coarsened(&own, guest, &others),
            },
            is_disjoint: shared.equal == 0,
        }))
    }

    /// What puts the finer of two grids on the coarser one: whole cells of it, where these make the coarser grid.
    fn coarsened(&self, own: &Coordinates, guest: &Compared<'_>, others: &Coordinates) -> Remedy {
        let name = |compared: &Compared<'_>| compared.cube.name.clone();
        let (Some(own_step), Some(other_step)) = (own.step, others.step) else {
            return Remedy::Reproject(name(guest), name(self));
        };
        let ([fine, coarse], [finer, coarser], quotient) = match own_step < other_step {
            true => ([self, guest], [own, others], other_step / own_step),
            false => ([guest, self], [others, own], own_step / other_step),
        };
        let factor = quotient.round();
        let makes_it = || {
            let made = coarser_centres(&finer.stored, factor as usize);
            let mut made: Vec<f64> = made.into_iter().map(without_sign_of_zero).collect();
            made.sort_by(f64::total_cmp);
            let (first, last) = (finer.sorted.first(), finer.sorted.last());
            let is_within = |place: &&f64| first <= Some(*place) && Some(*place) <= last;
            let mut wanted = coarser.sorted.iter().filter(is_within);
            wanted.all(|place| {
                made.binary_search_by(|other| other.total_cmp(place))
                    .is_ok()
            })
        };
        match factor >= 2.0 && !is_far(quotient, factor) && makes_it() {
            true => Remedy::Coarsen(name(fine), fine.name().to_string(), factor as u64),
            false => Remedy::Reproject(name(fine), name(coarse)),
        }
    }

    fn name(&self) -> &str {
        self.cube.axes[self.axis].field.name()
    }

    /// The system of a projected axis.
    fn system(&self) -> Option<String> {
        let axis = &self.cube.axes[self.axis];
        let is_projected = matches!(axis.role, AxisRole::X | AxisRole::Y);
        let stated = axis.field.metadata().get(CRS).filter(|_| is_projected)?;
        Some(crs_name(stated))
    }

    fn is_horizontal(&self) -> bool {
        use AxisRole::{Latitude, Longitude, X, Y};
        matches!(self.cube.axes[self.axis].role, Latitude | Longitude | X | Y)
    }

    fn is_time(&self) -> bool {
        matches!(self.keys.data_type(), DataType::Timestamp(..))
    }

    /// A distance on the axis.
    fn in_words(&self, distance: f64) -> String {
        if !self.is_time() {
            return rounded(distance).to_string();
        }
        let mut units = UNITS_OF_TIME.iter();
        let unit = units.find(|(length, _)| distance >= *length);
        let (length, unit) = unit.unwrap_or(&(1e6, "s"));
        format!("{} {unit}", rounded(distance / length))
    }
}

/// Are two positive numbers more than rounding apart?
fn is_far(one: f64, other: f64) -> bool {
    (one - other).abs() > WHOLE * other
}

/// A number with six digits, for people.
pub(super) fn rounded(number: f64) -> f64 {
    let scale = 10f64.powf(5.0 - number.abs().log10().floor());
    let rounded = (number * scale).round() / scale;
    if rounded.is_finite() { rounded } else { number }
}

/// The same number, 0.0 where it is -0.0.
fn without_sign_of_zero(number: f64) -> f64 {
    number + 0.0
}

/// Coordinates as numbers, times in microseconds.
struct Coordinates {
    /// In the order of the axis.
    stored: Vec<f64>,
    /// Ascending, each once.
    sorted: Vec<f64>,
    /// From one to the next, where that is always the same.
    step: Option<f64>,
}

impl Coordinates {
    fn of(compared: &Compared<'_>) -> Result<Self> {
        let keys = match compared.is_time() {
            true => {
                let unit = DataType::Timestamp(TimeUnit::Microsecond, None);
                cast(&cast(compared.keys, &unit)?, &DataType::Int64)?
            }
            false => Arc::clone(compared.keys),
        };
        let keys = cast(&keys, &DataType::Float64)?;
        // The two zeros are equal in SQL, and their order is not.
        let stored: Vec<f64> = keys
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .map(without_sign_of_zero)
            .collect();
        let mut sorted = stored.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        let mean = match sorted[..] {
            [first, .., last] => Some((last - first) / (sorted.len() - 1) as f64),
            _ => None,
        };
        // Coordinates that were stored with seven digits have steps that differ.
        let even = |mean: &f64| {
            let mut steps = sorted.windows(2).map(|pair| pair[1] - pair[0]);
            steps.all(|step| (step - mean).abs() < 0.01 * mean)
        };
        Ok(Self {
            step: mean.filter(even),
            stored,
            sorted,
        })
    }
}

/// What two axes have in common where both reach.
struct Shared {
    /// Coordinates of both.
    equal: usize,
    /// Coordinates of the first and the second without an equal one.
    alone: [usize; 2],
    /// How far one that is alone is from the nearest of the other axis, at most: one of the first axis, where there is one.
    farthest: f64,
}

impl Shared {
    /// `None` where no part of the first axis lies beside the second.
    fn of(first: &[f64], second: &[f64]) -> Option<Self> {
        let low = first.first()?.max(*second.first()?);
        let high = first.last()?.min(*second.last()?);
        let within = |sorted: &[f64]| {
            let from = sorted.partition_point(|number| *number < low);
            let to = sorted.partition_point(|number| *number <= high);
            sorted[from..to.max(from)].to_vec()
        };
        let (first_within, second_within) = (within(first), within(second));
        if first_within.is_empty() && second_within.is_empty() {
            return None;
        }
        let alone = |of: &[f64], others: &[f64]| -> Vec<f64> {
            let is_alone = |number: &&f64| {
                others
                    .binary_search_by(|other| other.total_cmp(number))
                    .is_err()
            };
            of.iter().filter(is_alone).copied().collect()
        };
        let distance = |number: &f64, others: &[f64]| {
            let after = others.partition_point(|other| other < number);
            let around = &others[after.saturating_sub(1)..others.len().min(after + 1)];
            let distances = around.iter().map(|other| (other - number).abs());
            distances.fold(f64::INFINITY, f64::min)
        };
        let farthest = |alone: &[f64], others: &[f64]| {
            let distances = alone.iter().map(|number| distance(number, others));
            distances.fold(0.0, f64::max)
        };
        let of_first = alone(&first_within, second);
        let of_second = alone(&second_within, first);
        Some(Self {
            equal: first_within.len() - of_first.len(),
            farthest: match of_first.is_empty() {
                true => farthest(&of_second, first),
                false => farthest(&of_first, second),
            },
            alone: [of_first.len(), of_second.len()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_equal() {
        let zeros = |number: f64| vec![without_sign_of_zero(number), 1.0];
        let shared = Shared::of(&zeros(-0.0), &zeros(0.0)).map(|shared| shared.equal);
        assert_eq!(shared, Some(2));
    }
}
