//! Which stored numbers mean "missing", and the bitmap of those that do not.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use graticule_functions::kernels::validity;

use super::number::{Number, Stored};

/// The stored numbers that mean "missing". NaN always does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Missing {
    /// `_FillValue` and `missing_value`.
    pub(super) sentinels: Vec<Number>,
    /// `valid_min`: lower values are missing.
    pub(super) lower: Option<Number>,
    /// `valid_max`: higher values are missing.
    pub(super) upper: Option<Number>,
}

impl Missing {
    /// The cells of `values` that are not missing; `None` when none is missing.
    pub(super) fn validity<T: Stored>(&self, values: &[T]) -> Option<NullBuffer> {
        let mut sentinels: Vec<T> = Vec::with_capacity(self.sentinels.len());
        for sentinel in self.sentinels.iter().filter_map(|n| T::from_number(*n)) {
            if sentinel.is_number() && !sentinels.contains(&sentinel) {
                sentinels.push(sentinel);
            }
        }
        let lower = self.lower.and_then(T::ceiling);
        let upper = self.upper.and_then(T::floor);
        match (sentinels.as_slice(), lower, upper) {
            ([], None, None) if !T::HAS_NAN => None,
            ([], None, None) => pack(values, T::is_number),
            ([fill], None, None) => {
                let fill = *fill;
                pack(values, move |value| value.is_number() & (value != fill))
            }
            (sentinels, lower, upper) => {
                let lower = lower.unwrap_or(T::LOWEST);
                let upper = upper.unwrap_or(T::HIGHEST);
                pack(values, move |value| {
                    let inside = (lower <= value) & (value <= upper);
                    let sentinels = sentinels.iter();
                    sentinels.fold(inside, |valid, fill| valid & (*fill != value))
                })
            }
        }
    }
}

/// The validity bitmap of `values`, one bit per cell; `None` when all are valid.
pub(super) fn pack<T: Copy>(values: &[T], is_valid: impl Fn(T) -> bool) -> Option<NullBuffer> {
    let words = validity::pack(values, is_valid)?;
    let bits = BooleanBuffer::new(Buffer::from_vec(words), 0, values.len());
    Some(NullBuffer::new(bits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn missing(sentinels: &[f64], lower: Option<f64>, upper: Option<f64>) -> Missing {
        Missing {
            sentinels: sentinels.iter().map(|n| Number::Float(*n)).collect(),
            lower: lower.map(Number::Float),
            upper: upper.map(Number::Float),
        }
    }

    #[test]
    fn bitmap_equals_a_loop_at_every_length() {
        let rule = missing(&[3.0, -7.0], Some(-50.0), Some(60.0));
        for length in (0..200).chain([1000]) {
            let values: Vec<f32> = (0..length)
                .map(|i| match i % 13 {
                    12 => f32::NAN,
                    _ => ((i * 37) % 151) as f32 - 70.0,
                })
                .collect();
            let expected: Vec<bool> = values
                .iter()
                .map(|v| !(v.is_nan() || *v == 3.0 || *v == -7.0 || *v < -50.0 || *v > 60.0))
                .collect();
            match rule.validity(&values) {
                Some(nulls) => assert_eq!(nulls.iter().collect::<Vec<_>>(), expected),
                None => assert!(expected.iter().all(|valid| *valid), "length {length}"),
            }
        }
    }

    #[test]
    fn nothing_missing_needs_no_bitmap() {
        let whole: Vec<f32> = (0..130).map(|i| i as f32).collect();
        assert!(missing(&[], None, None).validity(&whole).is_none());
        assert!(missing(&[-1.0], None, None).validity(&whole).is_none());
        assert!(missing(&[1.5], None, None).validity(&[1_i16, 2]).is_none());
        assert_eq!(
            missing(&[1.0], None, None)
                .validity(&[1_i16, 2])
                .unwrap()
                .null_count(),
            1
        );
    }
}
