//! Values at the centres of the target's cells, out of the cells of the source around them: [`Interpolation`].
//!
//! ```text
//!   ·   ·   ·   ·        cell  the one up and left of the centre, counted in the window
//!   · ╔═══════╗ ·        x, y  how far right and down of it the centre ✕ lies, 0 to 1
//!   · ║cell ✕ ║ ·
//!   · ╚═══════╝ ·        bilinear reads 4 cells, cubic 16, lanczos 36; where the target is
//!   ·   ·   ·   ·        coarser than the source, as many more as it is coarser
//! ```
//! A target cell is missing where the source's cell in which its centre lies is: coasts stay where they are. Of the other
//! cells those count that are not missing. So GDAL does it (`gdalwarpkernel.cpp`), with which results agree.

use super::axis::CellAxis;
use super::method::{Method, Missing};
use super::positions::Positions;
use super::window::Window;

/// A cell without a position.
const NONE: u32 = u32::MAX;

/// Weights that add up to less than this make no value.
const LEAST_WEIGHT: f64 = 1e-6;

/// A type of values that are interpolated.
pub trait Sample: Copy + PartialOrd + Send + Sync + 'static {
    /// The missing value.
    const MISSING: Self;
    /// From a value of 64 bits, rounded.
    fn of(value: f64) -> Self;
    /// As a value of 64 bits.
    fn wide(self) -> f64;
    /// Is it the missing value?
    fn is_missing(self) -> bool;
    /// `one + (other - one) * share`
    fn between(one: Self, other: Self, share: f32) -> Self;
}

macro_rules! sample {
    ($type:ty) => {
        impl Sample for $type {
            const MISSING: Self = <$type>::NAN;
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_missing(self) -> bool {
                self.is_nan()
            }
            #[inline(always)]
            fn between(one: Self, other: Self, share: f32) -> Self {
                one + (other - one) * <$type>::from(share)
            }
        }
    };
}
sample!(f32);
sample!(f64);

/// Where the target's cells lie in a window of the source, the same for every plane of it.
#[derive(Debug, Clone)]
pub struct Interpolation {
    method: Method,
    missing: Missing,
    /// Cells of the source per cell of the target along x and y, at least 1.
    spread: (f64, f64),
    window: Window,
    places: Places,
    /// Weights along x and y.
    taps: (Taps, Taps),
}

/// Where centres lie in the window.
#[derive(Debug, Clone)]
enum Places {
    /// Of each column the window's column before it and how far it lies after that, and so for rows.
    Separable {
        columns: Vec<(u32, f32)>,
        rows: Vec<(u32, f32)>,
    },
    /// Row by row the window's cell, and how far right and down of it the centre lies.
    Each {
        cells: Vec<u32>,
        x: Vec<f32>,
        y: Vec<f32>,
    },
}

impl Places {
    fn new(positions: &Positions, axes: (&CellAxis, &CellAxis), window: &Window) -> Self {
        let part = |position: f64| (position - position.floor()) as f32;
        let cell = |position: f64, start: i64| position.floor() as i64 - start;
        match positions {
            Positions::Separable { x, y } => {
                let along = |positions: &[f64], axis: &CellAxis, start: i64, row: usize| {
                    let places =
                        positions
                            .iter()
                            .map(|position| match is_inside(*position, axis) {
                                true => {
                                    (cell(*position, start) as u32 * row as u32, part(*position))
                                }
                                false => (NONE, 0.0),
                            });
                    places.collect()
                };
                Self::Separable {
                    columns: along(x, axes.0, window.x.start, 1),
                    rows: along(y, axes.1, window.y.start, window.width()),
                }
            }
            Positions::Each { x, y, .. } => {
                let width = window.width() as i64;
                let cells = x.iter().zip(y).map(|(x, y)| {
                    match is_inside(*x, axes.0) && is_inside(*y, axes.1) {
                        true => {
                            let (column, row) =
                                (cell(*x, window.x.start), cell(*y, window.y.start));
                            u32::try_from(row * width + column).unwrap_or(NONE)
                        }
                        false => NONE,
                    }
                });
                Self::Each {
                    cells: cells.collect(),
                    x: x.iter().map(|x| part(*x)).collect(),
                    y: y.iter().map(|y| part(*y)).collect(),
                }
            }
        }
    }

    /// Puts what `value` gives for each centre into `out`: for the window's cell, and how far right and down of it.
    #[inline(always)]
    fn fill<T: Sample>(&self, out: &mut [T], value: impl Fn(usize, f32, f32) -> T) {
        match self {
            Self::Separable { columns, rows } => {
                let width = columns.len().max(1);
                for (out, (row, y)) in out.chunks_exact_mut(width).zip(rows) {
                    for (out, (column, x)) in out.iter_mut().zip(columns) {
                        *out = match *row == NONE || *column == NONE {
                            true => T::MISSING,
                            false => value(*row as usize + *column as usize, *x, *y),
                        };
                    }
                }
            }
            Self::Each { cells, x, y } => {
                for (out, (cell, (x, y))) in out.iter_mut().zip(cells.iter().zip(x.iter().zip(y))) {
                    *out = match *cell == NONE {
                        true => T::MISSING,
                        false => value(*cell as usize, *x, *y),
                    };
                }
            }
        }
    }
}

/// Does a centre lie in a cell of the source?
fn is_inside(position: f64, axis: &CellAxis) -> bool {
    axis.is_closed() && position.is_finite()
        || (-0.5..axis.cells() as f64 - 0.5).contains(&position)
}

impl Interpolation {
    /// For centres at `positions`, on the axes x and y of the source. `spread` says how many cells of the source one of
    /// the target covers along each. `None` where no centre lies in the source.
    #[must_use]
    pub fn new(
        method: Method,
        missing: Missing,
        spread: (f64, f64),
        positions: &Positions,
        axes: (&CellAxis, &CellAxis),
    ) -> Option<Self> {
        // As GDAL: what is hardly coarser is interpolated as if it were not.
        let widened = |spread: f64| if spread < 1.05 { 1.0 } else { spread };
        let spread = match method {
            Method::Nearest => (1.0, 1.0),
            _ => (widened(spread.0), widened(spread.1)),
        };
        let halo = method.radius() * spread.0.max(spread.1);
        let window = match positions {
            Positions::Separable { x, y } => Window::around(
                x.iter().copied().filter(|x| is_inside(*x, axes.0)),
                y.iter().copied().filter(|y| is_inside(*y, axes.1)),
                halo,
            ),
            Positions::Each { x, y, .. } => {
                let places = || x.iter().copied().zip(y.iter().copied());
                let inside = |(x, y): &(f64, f64)| is_inside(*x, axes.0) && is_inside(*y, axes.1);
                let inside = || places().filter(inside);
                Window::around(inside().map(|(x, _)| x), inside().map(|(_, y)| y), halo)
            }
        }?;
        Some(Self {
            places: Places::new(positions, axes, &window),
            taps: (Taps::new(method, spread.0), Taps::new(method, spread.1)),
            method,
            missing,
            spread,
            window,
        })
    }

    /// The cells of the source that are needed.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let places = match &self.places {
            Places::Separable { columns, rows } => (columns.len() + rows.len()) * 8,
            Places::Each { cells, .. } => cells.len() * 12,
        };
        places + (self.taps.0.weights.len() + self.taps.1.weights.len()) * 8
    }

    /// The values of the target's cells out of those of the window, row by row.
    pub fn apply<T: Sample>(&self, plane: &[T], out: &mut [T]) {
        let propagates = self.missing == Missing::Propagate;
        let own = |cell: usize, x: f32, y: f32| {
            let own = plane.get(self.own(cell, x, y)).copied();
            own.unwrap_or(T::MISSING)
        };
        match self.method {
            Method::Nearest => self.places.fill(out, own),
            Method::Bilinear if self.spread == (1.0, 1.0) => {
                let width = self.window.width();
                self.places.fill(out, |cell, x, y| {
                    let Some(four) = plane.get(cell..cell + width + 2) else {
                        return T::MISSING;
                    };
                    let upper = T::between(four[0], four[1], x);
                    let lower = T::between(four[width], four[width + 1], x);
                    let value = T::between(upper, lower, y);
                    match value.is_missing() {
                        true => self.of_four(plane, cell, x, y),
                        false => value,
                    }
                });
            }
            Method::Cubic if self.spread == (1.0, 1.0) => self.places.fill(out, |cell, x, y| {
                let value = match own(cell, x, y).is_missing() {
                    true => return T::MISSING,
                    false => self.weighted(plane, cell, x, y, true),
                };
                match value.is_missing() {
                    // With a cell of the sixteen missing: between the four.
                    true => self.of_four(plane, cell, x, y),
                    false => value,
                }
            }),
            _ => self
                .places
                .fill(out, |cell, x, y| match own(cell, x, y).is_missing() {
                    true => T::MISSING,
                    false => self.weighted(plane, cell, x, y, propagates),
                }),
        }
    }

    /// The window's cell in which the centre lies.
    #[inline(always)]
    fn own(&self, cell: usize, x: f32, y: f32) -> usize {
        cell + usize::from(x >= 0.5) + if y >= 0.5 { self.window.width() } else { 0 }
    }

    /// Between four cells of which some are missing.
    #[cold]
    fn of_four<T: Sample>(&self, plane: &[T], cell: usize, x: f32, y: f32) -> T {
        let is_missing = |cell: usize| plane.get(cell).is_none_or(|value| value.is_missing());
        if is_missing(self.own(cell, x, y)) {
            return T::MISSING;
        }
        let width = self.window.width();
        let (x, y) = (f64::from(x), f64::from(y));
        let (mut sum, mut weights) = (0.0, 0.0);
        for (at, weight) in [
            (cell, (1.0 - x) * (1.0 - y)),
            (cell + 1, x * (1.0 - y)),
            (cell + width, (1.0 - x) * y),
            (cell + width + 1, x * y),
        ] {
            match is_missing(at) {
                false => {
                    sum += plane[at].wide() * weight;
                    weights += weight;
                }
                true if weight > 0.0 && self.missing == Missing::Propagate => return T::MISSING,
                true => {}
            }
        }
        made_of(sum, weights)
    }

    /// The weighted mean of the cells around; missing when one of them is and `all` must be there.
    #[inline(always)]
    fn weighted<T: Sample>(&self, plane: &[T], cell: usize, x: f32, y: f32, all: bool) -> T {
        let (columns, rows) = (self.taps.0.at(x), self.taps.1.at(y));
        let width = self.window.width();
        let first = self.taps.1.first * width as i64 + self.taps.0.first;
        let Some(first) = cell.checked_add_signed(first as isize) else {
            return T::MISSING;
        };
        let mut sum = 0.0;
        for (row, weight_of_row) in rows.iter().enumerate() {
            let start = first + row * width;
            let Some(values) = plane.get(start..start + columns.len()) else {
                return T::MISSING;
            };
            let of_row: f64 = values
                .iter()
                .zip(columns)
                .map(|(value, weight)| value.wide() * weight)
                .sum();
            sum += of_row * weight_of_row;
        }
        // One missing value makes the sum missing, whatever its weight.
        match sum.is_nan() {
            true => self.weighted_of_some(plane, first, columns, rows, all),
            false => T::of(sum),
        }
    }

    /// The weighted mean of those of the cells from `first` on that are not missing.
    #[cold]
    fn weighted_of_some<T: Sample>(
        &self,
        plane: &[T],
        first: usize,
        columns: &[f64],
        rows: &[f64],
        all: bool,
    ) -> T {
        let width = self.window.width();
        let (mut sum, mut weights) = (0.0, 0.0);
        for (row, weight_of_row) in rows.iter().enumerate() {
            let values = plane[first + row * width..].iter().zip(columns);
            for (value, weight) in values {
                let weight = weight * weight_of_row;
                match value.is_missing() {
                    true if all && weight != 0.0 => return T::MISSING,
                    true => {}
                    false => {
                        sum += value.wide() * weight;
                        weights += weight;
                    }
                }
            }
        }
        made_of(sum, weights)
    }
}

fn made_of<T: Sample>(sum: f64, weights: f64) -> T {
    match weights.abs() < LEAST_WEIGHT {
        true => T::MISSING,
        false => T::of(sum / weights),
    }
}

/// Places between two cells for which weights are kept. What lies between two of them is a two-thousandth of a cell off.
const PHASES: usize = 1024;

/// Cells of the source along an axis that make one of the target, at most.
const MOST_TAPS: usize = 512;

/// The weights of the cells along an axis around a centre, which add up to 1.
#[derive(Debug, Clone)]
struct Taps {
    /// Number of the first cell, counted from the one before the centre.
    first: i64,
    count: usize,
    /// Phase after phase.
    weights: Vec<f64>,
}

impl Taps {
    fn new(method: Method, spread: f64) -> Self {
        let radius = (method.radius() * spread).min((MOST_TAPS / 2 - 1) as f64);
        let reach = radius.ceil().max(1.0) as i64;
        let (first, count) = (1 - reach, 2 * reach as usize);
        let mut weights = Vec::with_capacity((PHASES + 1) * count);
        for phase in 0..=PHASES {
            let share = phase as f64 / PHASES as f64;
            let away = (0..count).map(|at| (first + at as i64) as f64 - share);
            let of_phase: Vec<f64> = away.map(|away| kernel(method, away / spread)).collect();
            let sum: f64 = of_phase.iter().sum();
            weights.extend(of_phase.iter().map(|weight| weight / sum));
        }
        Self {
            first,
            count,
            weights,
        }
    }

    /// The weights around a centre that lies `share` of a cell after a cell.
    #[inline(always)]
    fn at(&self, share: f32) -> &[f64] {
        let phase = (share * PHASES as f32 + 0.5) as usize;
        &self.weights[phase.min(PHASES) * self.count..][..self.count]
    }
}

/// The weight of a cell whose centre is `away` cells away.
fn kernel(method: Method, away: f64) -> f64 {
    let x = away.abs();
    match method {
        Method::Bilinear => (1.0 - x).max(0.0),
        Method::Cubic => match x {
            x if x <= 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            x if x <= 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            _ => 0.0,
        },
        Method::CubicSpline => {
            let cube = |x: f64| x.max(0.0).powi(3);
            (cube(x + 2.0) - 4.0 * cube(x + 1.0) + 6.0 * cube(x) - 4.0 * cube(x - 1.0)) / 6.0
        }
        Method::Lanczos => match x {
            0.0 => 1.0,
            x if x < 3.0 => {
                let x = std::f64::consts::PI * x;
                3.0 * x.sin() * (x / 3.0).sin() / (x * x)
            }
            _ => 0.0,
        },
        _ => f64::from(x < 0.5),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const METHODS: [Method; 5] = [
        Method::Nearest,
        Method::Bilinear,
        Method::Cubic,
        Method::CubicSpline,
        Method::Lanczos,
    ];

    /// A plane of 12 × 9 cells, seen at `positions`.
    fn seen(
        method: Method,
        spread: f64,
        positions: &[(f64, f64)],
        value: impl Fn(i64, i64) -> f64,
    ) -> Vec<f64> {
        let axis = |cells: usize| {
            let centres: Vec<f64> = (0..cells).map(|cell| cell as f64).collect();
            CellAxis::new(&centres, None).unwrap()
        };
        let count = positions.len();
        let positions = Positions::Each {
            width: count,
            x: positions.iter().map(|(x, _)| *x).collect(),
            y: positions.iter().map(|(_, y)| *y).collect(),
        };
        let axes = (&axis(12), &axis(9));
        let spread = (spread, spread);
        let made = Interpolation::new(method, Missing::Skip, spread, &positions, axes).unwrap();
        let window = made.window().clone();
        let plane: Vec<f64> = window
            .y
            .clone()
            .flat_map(|y| window.x.clone().map(move |x| (x, y)))
            .map(|(x, y)| match (0..12).contains(&x) && (0..9).contains(&y) {
                true => value(x, y),
                false => f64::NAN,
            })
            .collect();
        let mut out = vec![0.0; count];
        made.apply(&plane, &mut out);
        out
    }

    #[test]
    fn constants_stay_and_outside_is_nothing() {
        let positions = [
            (4.3, 5.9),
            (-0.4, -0.5),
            (11.4, 8.4),
            (11.6, 3.0),
            (f64::NAN, 1.0),
        ];
        for method in METHODS {
            for spread in [1.0, 2.5] {
                let found = seen(method, spread, &positions, |_, _| 7.0);
                let is_seven = |value: &f64| (value - 7.0).abs() < 1e-12;
                assert!(found[..3].iter().all(is_seven), "{method}: {found:?}");
                assert!(
                    found[3].is_nan() && found[4].is_nan(),
                    "{method}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn planes_and_parabolas() {
        for (method, exact) in [
            (Method::Bilinear, 1),
            (Method::Cubic, 2),
            (Method::CubicSpline, 1),
        ] {
            let value = |x: f64, y: f64| 2.0 * x - 3.0 * y + if exact == 2 { x * x } else { 0.0 };
            let positions = [(4.25, 5.75), (6.0, 4.0), (3.5, 3.5)];
            let found = seen(method, 1.0, &positions, |x, y| value(x as f64, y as f64));
            for ((x, y), found) in positions.iter().zip(found) {
                assert!(
                    (found - value(*x, *y)).abs() < 1e-9,
                    "{method} at {x}, {y}: {found}"
                );
            }
        }
    }

    #[test]
    fn missing_cells() {
        let hole = |x, y| if (x, y) == (5, 5) { f64::NAN } else { 1.0 };
        for method in METHODS {
            let found = seen(method, 1.0, &[(5.3, 5.2), (5.7, 5.2)], hole);
            assert!(found[0].is_nan(), "{method}: {found:?}");
            assert!((found[1] - 1.0).abs() < 1e-12, "{method}: {found:?}");
        }
    }
}
