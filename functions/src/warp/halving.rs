//! Cells of half the resolution, again and again: [`Reduced`].
//!
//! ```text
//!  plane of the source ──add_plane──▶ Reduced, 2 × 2 cells in one ──values──▶ what level 1 shows
//!                                        │ halved
//!                                        ▼
//!                                     Reduced, 4 × 4 cells in one ──values──▶ what level 2 shows
//! ```
//! Means, sums and root mean squares are carried as sums and counts, so that a level is what it would be if it were made
//! of the source itself, whatever is missing there. Smallest, largest, first and last values are that by nature. Medians,
//! quartiles and modes of a level are those of the level below it.

use super::footprint::reduced;
use super::interpolate::Sample;
use super::method::Method;

/// Some planes of cells, each made of cells of the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced<T> {
    method: Method,
    planes: usize,
    rows: usize,
    columns: usize,
    found: Found<T>,
}

/// What is known of the cells of the source.
#[derive(Debug, Clone, PartialEq)]
enum Found<T> {
    /// Sums of the values, or of their squares, and how many there are.
    Sums { sums: Vec<f64>, counts: Vec<u32> },
    /// A value each.
    Values(Vec<T>),
}

/// Is it a method by which cells become those of half the resolution?
#[must_use]
pub fn halves(method: Method) -> bool {
    method.reads_footprint() && method != Method::Conservative
}

impl<T: Sample> Reduced<T> {
    /// `planes` planes of `rows` × `columns` cells in which nothing is yet.
    #[must_use]
    pub fn empty(method: Method, planes: usize, rows: usize, columns: usize) -> Self {
        let cells = planes * rows * columns;
        let found = match method {
            Method::Average | Method::Sum | Method::RootMeanSquare => Found::Sums {
                sums: vec![0.0; cells],
                counts: vec![0; cells],
            },
            _ => Found::Values(vec![T::MISSING; cells]),
        };
        Self {
            method,
            planes,
            rows,
            columns,
            found,
        }
    }

    /// Rows and columns of its planes.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Makes plane number `plane` of a plane of the source with rows of `width` cells, two by two.
    pub fn add_plane(&mut self, plane: usize, source: &[T], width: usize) {
        let height = source.len() / width.max(1);
        let (rows, columns) = (self.rows, self.columns);
        let cells = plane * rows * columns..(plane + 1) * rows * columns;
        let pairs = Pairs { height, width };
        match &mut self.found {
            Found::Sums { sums, counts } => {
                let (sums, counts) = (&mut sums[cells.clone()], &mut counts[cells]);
                let of = |value: T| match (value.is_missing(), self.method) {
                    (true, _) => (0.0, 0),
                    (false, Method::RootMeanSquare) => (value.wide() * value.wide(), 1),
                    (false, _) => (value.wide(), 1),
                };
                pairs.each(columns, |cell, below| {
                    let (sum, count) = (&mut sums[cell], &mut counts[cell]);
                    for at in below {
                        let (more, one) = of(source[at]);
                        *sum += more;
                        *count += one;
                    }
                });
            }
            Found::Values(values) => {
                let values = &mut values[cells];
                pairs.each(columns, |cell, below| {
                    values[cell] = one_of(self.method, below.map(|at| source[at]));
                });
            }
        }
    }

    /// The same planes with half as many rows and columns.
    #[must_use]
    pub fn halved(&self) -> Self {
        let (rows, columns) = (self.rows.div_ceil(2), self.columns.div_ceil(2));
        let mut half = Self::empty(self.method, self.planes, rows, columns);
        let pairs = Pairs {
            height: self.rows,
            width: self.columns,
        };
        for plane in 0..self.planes {
            let (first, from) = (plane * rows * columns, plane * self.rows * self.columns);
            match (&mut half.found, &self.found) {
                (Found::Sums { sums, counts }, Found::Sums { sums: s, counts: c }) => {
                    pairs.each(columns, |cell, below| {
                        for at in below {
                            sums[first + cell] += s[from + at];
                            counts[first + cell] += c[from + at];
                        }
                    });
                }
                (Found::Values(values), Found::Values(v)) => pairs.each(columns, |cell, below| {
                    values[first + cell] = one_of(self.method, below.map(|at| v[from + at]));
                }),
                _ => {}
            }
        }
        half
    }

    /// Puts the cells of `part`, which has as many planes, at `row` and `column`.
    pub fn put(&mut self, part: &Self, row: usize, column: usize) {
        let length = part.columns.min(self.columns.saturating_sub(column));
        for plane in 0..self.planes.min(part.planes) {
            for down in 0..part.rows.min(self.rows.saturating_sub(row)) {
                let from = (plane * part.rows + down) * part.columns;
                let to = (plane * self.rows + row + down) * self.columns + column;
                match (&mut self.found, &part.found) {
                    (Found::Sums { sums, counts }, Found::Sums { sums: s, counts: c }) => {
                        sums[to..to + length].copy_from_slice(&s[from..from + length]);
                        counts[to..to + length].copy_from_slice(&c[from..from + length]);
                    }
                    (Found::Values(values), Found::Values(v)) => {
                        values[to..to + length].copy_from_slice(&v[from..from + length]);
                    }
                    _ => {}
                }
            }
        }
    }

    /// The values of the cells, plane by plane.
    #[must_use]
    pub fn values(&self) -> Vec<T> {
        let (sums, counts) = match &self.found {
            Found::Values(values) => return values.clone(),
            Found::Sums { sums, counts } => (sums, counts),
        };
        let of = |(sum, count): (&f64, &u32)| match (count, self.method) {
            (0, _) => T::MISSING,
            (_, Method::Sum) => T::of(*sum),
            (count, Method::RootMeanSquare) => T::of((sum / f64::from(*count)).sqrt()),
            (count, _) => T::of(sum / f64::from(*count)),
        };
        sums.iter().zip(counts).map(of).collect()
    }

    /// How many values each cell is made of, where that is known.
    #[must_use]
    pub fn counts(&self) -> Option<&[u32]> {
        match &self.found {
            Found::Sums { counts, .. } => Some(counts),
            Found::Values(_) => None,
        }
    }

    /// Bytes of memory of so many cells.
    #[must_use]
    pub fn bytes(method: Method, cells: usize) -> usize {
        match method {
            Method::Average | Method::Sum | Method::RootMeanSquare => 12 * cells,
            _ => size_of::<T>() * cells,
        }
    }
}

/// The cells of a plane, two by two along both sides; at odd edges fewer.
struct Pairs {
    height: usize,
    width: usize,
}

impl Pairs {
    /// Calls `make` with each cell of a plane of rows of `columns` cells, and the two to four below it, those of the upper
    /// row first; a cell at an edge comes with itself alone.
    #[inline(always)]
    fn each(&self, columns: usize, mut make: impl FnMut(usize, Below)) {
        for row in 0..self.height.div_ceil(2) {
            let upper = 2 * row * self.width;
            let rows = (self.height - 2 * row).min(2);
            for column in 0..self.width.div_ceil(2).min(columns) {
                let below = Below {
                    first: upper + 2 * column,
                    width: self.width,
                    rows,
                    columns: (self.width - 2 * column).min(2),
                    at: 0,
                };
                make(row * columns + column, below);
            }
        }
    }
}

/// The numbers of the cells below one.
#[derive(Clone)]
struct Below {
    first: usize,
    width: usize,
    rows: usize,
    columns: usize,
    at: usize,
}

impl Iterator for Below {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let (row, column) = (self.at / self.columns, self.at % self.columns);
        self.at += 1;
        (row < self.rows).then_some(self.first + row * self.width + column)
    }
}

/// What a method that keeps values takes of up to four.
#[inline(always)]
fn one_of<T: Sample>(method: Method, values: impl Iterator<Item = T>) -> T {
    let mut there = values.filter(|value| !value.is_missing());
    let Some(first) = there.next() else {
        return T::MISSING;
    };
    match method {
        Method::First => first,
        Method::Last => there.last().unwrap_or(first),
        Method::Minimum => there.fold(
            first,
            |least, value| if value < least { value } else { least },
        ),
        Method::Maximum => there.fold(first, |most, value| if value > most { value } else { most }),
        _ => {
            let mut all = [(first, 1.0); 4];
            let mut count = 1;
            for (place, value) in all[1..].iter_mut().zip(there) {
                place.0 = value;
                count += 1;
            }
            reduced(method, &mut all[..count])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: f64 = f64::NAN;

    /// A plane of 5 × 3 cells, its halves and quarters.
    fn check(method: Method, halves: [f64; 6], quarters: [f64; 2]) {
        let plane = [
            1.0, 2.0, 9.0, //
            4.0, M, 9.0, //
            5.0, 5.0, M, //
            6.0, 8.0, M, //
            7.0, M, 3.0,
        ];
        let mut half = Reduced::empty(method, 1, 3, 2);
        half.add_plane(0, &plane, 3);
        assert_same(method, &half.values(), &halves);
        assert_same(method, &half.halved().values(), &quarters);
    }

    fn assert_same(method: Method, found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{method}");
        for (found, expected) in found.iter().zip(expected) {
            let same = (found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan());
            assert!(same, "{method}: {found} is not {expected}");
        }
    }

    #[test]
    fn a_cell_is_made_of_those_below_it() {
        // A quarter is the mean of all cells below it, not the mean of means.
        let mean = (1.0 + 2.0 + 4.0 + 5.0 + 5.0 + 6.0 + 8.0 + 9.0 + 9.0) / 9.0;
        check(
            Method::Average,
            [7.0 / 3.0, 9.0, 6.0, M, 7.0, 3.0],
            [mean, 5.0],
        );
        check(Method::Sum, [7.0, 18.0, 24.0, M, 7.0, 3.0], [49.0, 10.0]);
        let root = |squares: f64, count: f64| (squares / count).sqrt();
        check(
            Method::RootMeanSquare,
            [root(21.0, 3.0), 9.0, root(150.0, 4.0), M, 7.0, 3.0],
            [root(333.0, 9.0), root(58.0, 2.0)],
        );
        check(Method::Minimum, [1.0, 9.0, 5.0, M, 7.0, 3.0], [1.0, 3.0]);
        check(Method::Maximum, [4.0, 9.0, 8.0, M, 7.0, 3.0], [9.0, 7.0]);
        check(Method::First, [1.0, 9.0, 5.0, M, 7.0, 3.0], [1.0, 7.0]);
        check(Method::Last, [4.0, 9.0, 8.0, M, 7.0, 3.0], [8.0, 3.0]);
        check(Method::Mode, [1.0, 9.0, 5.0, M, 7.0, 3.0], [1.0, 7.0]);
        check(Method::Median, [2.0, 9.0, 5.0, M, 7.0, 3.0], [5.0, 3.0]);
    }

    #[test]
    fn parts_come_to_their_places() {
        let mut left = Reduced::empty(Method::Average, 2, 1, 2);
        left.add_plane(0, &[1.0_f32, 3.0, 5.0, 5.0], 4);
        left.add_plane(1, &[7.0, f32::NAN, f32::NAN, f32::NAN], 4);
        let mut whole = Reduced::empty(Method::Average, 2, 2, 2);
        whole.put(&left, 1, 0);
        let values = whole.values();
        assert_eq!(&values[2..4], &[2.0, 5.0]);
        assert_eq!(values[6], 7.0);
        assert!(values[0].is_nan() && values[7].is_nan());
    }
}
