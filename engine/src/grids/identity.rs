//! What tells cubes apart that the text of a call does not: two calls of the same text may name another grid, other times or
//! other geometries, once a table or view has changed, or for somebody else.

use std::hash::{Hash, Hasher};

use arrow::array::{Array, ArrayRef};

/// Adds numbers to `hasher`, bit by bit.
pub(super) fn hash_numbers(numbers: &[f64], hasher: &mut impl Hasher) {
    numbers.len().hash(hasher);
    for number in numbers {
        number.to_bits().hash(hasher);
    }
}

/// Adds the values of an array without inner ones to `hasher`.
pub(super) fn hash_values(values: &ArrayRef, hasher: &mut impl Hasher) {
    let data = values.to_data();
    (data.data_type(), data.offset(), data.len()).hash(hasher);
    for buffer in data.buffers() {
        buffer.as_slice().hash(hasher);
    }
    if let Some(nulls) = data.nulls() {
        for is_there in nulls {
            is_there.hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;
    use std::sync::Arc;

    use arrow::array::Float64Array;

    use super::*;

    #[test]
    fn values_and_missing_ones_tell_arrays_apart() {
        let hashed = |values: Vec<Option<f64>>| {
            let mut hasher = DefaultHasher::new();
            let values: ArrayRef = Arc::new(Float64Array::from(values));
            hash_values(&values, &mut hasher);
            hasher.finish()
        };
        let of = hashed(vec![Some(1.0), Some(0.0)]);
        assert_eq!(of, hashed(vec![Some(1.0), Some(0.0)]));
        assert_ne!(of, hashed(vec![Some(1.0), Some(2.0)]));
        assert_ne!(of, hashed(vec![Some(1.0), None]));
        assert_ne!(of, hashed(vec![Some(1.0)]));
    }

    #[test]
    fn numbers_keep_their_order() {
        let hashed = |numbers: &[f64]| {
            let mut hasher = DefaultHasher::new();
            hash_numbers(numbers, &mut hasher);
            hasher.finish()
        };
        assert_eq!(hashed(&[1.0, 2.0]), hashed(&[1.0, 2.0]));
        assert_ne!(hashed(&[1.0, 2.0]), hashed(&[2.0, 1.0]));
    }
}
