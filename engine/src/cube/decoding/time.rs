//! Stored time offsets to microseconds: an adapter between stored types and [`TimeUnits`].

use arrow::buffer::NullBuffer;
use graticule_functions::calendar::{DecodedTime, TimeUnits};

use super::number::Stored;

/// Microseconds of the stored offsets `value × scale + offset`, `None` where `nulls` says so and
/// where a time lies beyond what a timestamp holds: that is a fill value the data do not declare.
/// Integers without scaling are exact.
pub(super) fn decode<T: Stored>(
    units: &TimeUnits,
    values: &[T],
    nulls: Option<&NullBuffer>,
    scale: f64,
    offset: f64,
) -> Vec<Option<i64>> {
    let is_valid = |cell: usize| nulls.is_none_or(|nulls| nulls.is_valid(cell));
    let exact = scale == 1.0 && offset == 0.0;
    let integers: Option<Vec<i64>> = values
        .iter()
        .enumerate()
        .map(|(cell, value)| {
            if !is_valid(cell) {
                return Some(0);
            }
            value.to_i64().filter(|_| exact)
        })
        .collect();
    let mut times = match integers {
        Some(integers) => units.decode_integers(&integers).map_or_else(
            |_| one_by_one(&integers, |one| units.decode_integers(one).ok()),
            |decoded| decoded.values,
        ),
        None => {
            let floats = values.iter().map(|value| value.to_f64() * scale + offset);
            let floats: Vec<f64> = floats
                .enumerate()
                .map(|(cell, value)| if is_valid(cell) { value } else { f64::NAN })
                .collect();
            units.decode_floats(&floats).map_or_else(
                |_| one_by_one(&floats, |one| units.decode_floats(one).ok()),
                |decoded| decoded.values,
            )
        }
    };
    for (cell, time) in times.iter_mut().enumerate() {
        if !is_valid(cell) {
            *time = None;
        }
    }
    times
}

fn one_by_one<T>(offsets: &[T], decode: impl Fn(&[T]) -> Option<DecodedTime>) -> Vec<Option<i64>> {
    let one = |offset| decode(std::slice::from_ref(offset))?.values.pop()?;
    offsets.iter().map(one).collect()
}
