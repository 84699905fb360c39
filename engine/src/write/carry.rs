//! What of a cube stays as it is when the cube is amended: [`Carry`].
//!
//! ```text
//!  before   t0 t1 │ t2 t3 │ t4        objects of two steps; t5 is appended
//!  after    t0 t1 │ t2 t3 │ t4 t5     the first two are carried over, the third is written
//! ```
//! An object is carried over when no layer but the cube itself has rows in it, and its cells are those of
//! one object of the cube before: where something is inserted in between, objects move.

use std::ops::Range;

/// Where the cells of a cube were before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carry {
    /// Per dimension and cell, the cell in the cube before.
    before: Vec<Vec<Option<u64>>>,
    /// Length of the dimensions of the cube before.
    lengths: Vec<u64>,
    /// The layer that is the cube before.
    pub(super) base: usize,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// It is that of the cube before.
    Carried(Vec<u64>),
    /// No cell of it has been there before.
    New,
    /// It has cells of several, or only some of one.
    Mixed,
}

impl Carry {
    pub(super) fn new(before: Vec<Vec<Option<u64>>>, lengths: Vec<u64>, base: usize) -> Self {
        Self {
            before,
            lengths,
            base,
        }
    }

    /// The object with these cells, where objects have `shape` cells.
    pub(super) fn object(&self, shape: &[u64], cells: &[Range<u64>]) -> Object {
        let mut index = Vec::with_capacity(shape.len());
        let mut is_new = false;
        for (axis, (size, range)) in shape.iter().zip(cells).enumerate() {
            let before = &self.before[axis][range.start as usize..range.end as usize];
            is_new |= before.iter().all(Option::is_none);
            let first = before.first().copied().flatten();
            let Some(first) = first.filter(|first| first % size == 0) else {
                continue;
            };
            let is_run = before
                .iter()
                .zip(first..)
                .all(|(cell, at)| *cell == Some(at));
            let is_whole = before.len() as u64 == (*size).min(self.lengths[axis] - first);
            if is_run && is_whole {
                index.push(first / size);
            }
        }
        match index.len() == shape.len() {
            true => Object::Carried(index),
            false if is_new => Object::New,
            false => Object::Mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_carried_whole_or_not_at_all() {
        let carry = |before: &[Option<u64>]| Carry::new(vec![before.to_vec()], vec![5], 0);
        let appended = carry(&[Some(0), Some(1), Some(2), Some(3), Some(4), None]);
        assert_eq!(appended.object(&[2], &[0..2]), Object::Carried(vec![0]));
        assert_eq!(appended.object(&[2], &[2..4]), Object::Carried(vec![1]));
        assert_eq!(appended.object(&[2], &[4..6]), Object::Mixed);
        let inserted = carry(&[Some(0), Some(1), None, None, Some(2), Some(3), Some(4)]);
        assert_eq!(inserted.object(&[2], &[2..4]), Object::New);
        assert_eq!(inserted.object(&[2], &[4..6]), Object::Carried(vec![1]));
        assert_eq!(inserted.object(&[2], &[6..7]), Object::Carried(vec![2]));
        assert_eq!(inserted.object(&[3], &[0..3]), Object::Mixed);
        let removed = carry(&[Some(0), Some(1), Some(3), Some(4)]);
        assert_eq!(removed.object(&[2], &[2..4]), Object::Mixed);
    }
}
