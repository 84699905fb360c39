//! Boxes of cells cut out of an array in C order, run by run.
//!
//! ```text
//!  source 4 × 6     . . . . . .
//!                   . a b c . .       start (1, 1), count (2, 3)
//!                   . d e f . .       runs: a b c, d e f
//!                   . . . . . .
//! ```

/// A part of a source array, in cells along each dimension.
#[derive(Debug, Clone)]
pub(crate) struct CellBox<'a> {
    /// The shape of the source.
    pub(crate) source: &'a [usize],
    /// Where the box begins.
    pub(crate) start: Vec<usize>,
    /// Its size.
    pub(crate) count: Vec<usize>,
}

impl CellBox<'_> {
    /// Cells in the box.
    pub(crate) fn cells(&self) -> usize {
        self.count.iter().product()
    }

    /// Calls `each` for every run of cells that lie side by side in the source as well as in a `target`
    /// that is at least as large as the box and begins with it: first cell in the source, first cell in
    /// the target, cells.
    pub(crate) fn runs(&self, target: &[usize], mut each: impl FnMut(usize, usize, usize)) {
        if self.cells() == 0 {
            return;
        }
        // Trailing dimensions that are whole in both are one with the dimension before them.
        let rank = self.count.len();
        let is_whole =
            |axis: usize| self.count[axis] == self.source[axis] && self.count[axis] == target[axis];
        let mut last = rank;
        let mut run = 1;
        while last > 0 {
            last -= 1;
            run *= self.count[last];
            if !is_whole(last) {
                break;
            }
        }
        let strides = |shape: &[usize]| {
            let mut strides = vec![1; rank];
            for axis in (1..rank).rev() {
                strides[axis - 1] = strides[axis] * shape[axis];
            }
            strides
        };
        let (in_source, in_target) = (strides(self.source), strides(target));
        let first: usize = self.start.iter().zip(&in_source).map(|(a, b)| a * b).sum();
        let mut index = vec![0; last];
        loop {
            let at = |strides: &[usize]| -> usize {
                index.iter().zip(strides).map(|(a, b)| a * b).sum()
            };
            each(first + at(&in_source), at(&in_target), run);
            let mut axis = last;
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < self.count[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of `shape` by number, and of a box in it, in a target filled with -1.
    fn check(source: &[usize], start: &[usize], count: &[usize], target: &[usize], runs: usize) {
        let part = CellBox {
            source,
            start: start.to_vec(),
            count: count.to_vec(),
        };
        let unravel = |mut number: usize, shape: &[usize]| {
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = number % shape[axis];
                number /= shape[axis];
            }
            index
        };
        let ravel = |index: &[usize], shape: &[usize]| {
            index
                .iter()
                .zip(shape)
                .fold(0, |sum, (at, length)| sum * length + at)
        };
        let mut expected = vec![None; target.iter().product()];
        for number in 0..part.cells() {
            let index = unravel(number, count);
            let from: Vec<usize> = index.iter().zip(start).map(|(a, b)| a + b).collect();
            expected[ravel(&index, target)] = Some(ravel(&from, source));
        }
        let mut found = vec![None; expected.len()];
        let mut seen = 0;
        part.runs(target, |from, to, cells| {
            seen += 1;
            for cell in 0..cells {
                assert_eq!(found[to + cell].replace(from + cell), None);
            }
        });
        assert_eq!(found, expected, "{source:?} {start:?} {count:?} {target:?}");
        assert_eq!(seen, runs, "{source:?} {start:?} {count:?} {target:?}");
    }

    #[test]
    fn boxes() {
        check(&[4, 6], &[1, 1], &[2, 3], &[2, 3], 2);
        check(&[4, 6], &[2, 0], &[2, 6], &[2, 6], 1);
        check(&[4, 6], &[2, 0], &[2, 6], &[5, 6], 1);
        check(&[4, 6], &[2, 0], &[2, 6], &[2, 7], 2);
        check(&[3, 4, 5], &[1, 1, 0], &[2, 2, 5], &[3, 3, 5], 2);
        check(&[3, 4, 5], &[1, 1, 1], &[2, 3, 4], &[2, 3, 4], 6);
        check(&[7], &[3], &[4], &[9], 1);
        check(&[], &[], &[], &[], 1);
        check(&[3, 4], &[1, 1], &[0, 3], &[2, 3], 0);
        check(&[1, 1, 1], &[0, 0, 0], &[1, 1, 1], &[2, 2, 2], 1);
    }
}
