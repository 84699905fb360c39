//! Bounds of blocks of quadrilaterals: [`Blocks`].

use std::ops::Range;

use super::chart::{Chart, POLAR, short_way};
use super::{CIRCLE, Mesh};

/// Quadrilaterals, or cells, along a side of a block.
const SIDE: usize = 32;

/// What lies between these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
}

impl Bounds {
    pub(super) const NONE: Self = Self {
        x: (f64::INFINITY, f64::NEG_INFINITY),
        y: (f64::INFINITY, f64::NEG_INFINITY),
    };

    /// With one more place.
    pub(super) fn with(self, (x, y): (f64, f64)) -> Self {
        Self {
            x: (self.x.0.min(x), self.x.1.max(x)),
            y: (self.y.0.min(y), self.y.1.max(y)),
        }
    }

    /// Have both something in common?
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.x.0 <= other.x.1
            && self.x.1 >= other.x.0
            && self.y.0 <= other.y.1
            && self.y.1 >= other.y.0
    }

    /// Moved along x.
    pub(super) fn moved(self, x: f64) -> Self {
        Self {
            x: (self.x.0 + x, self.x.1 + x),
            ..self
        }
    }
}

/// The blocks, row by row; longitudes of each are unrolled.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    bounds: Vec<Bounds>,
    across: usize,
    /// Columns and rows of what is in them.
    size: (usize, usize),
}

impl Blocks {
    /// Those of the quadrilaterals of a mesh.
    pub(super) fn of(mesh: &Mesh) -> Self {
        Self::new(mesh.quadrilaterals(), |columns, rows| {
            bounds_of(mesh, columns, rows)
        })
    }

    /// Those of so many columns and rows, with `bounds_of` some of them.
    pub(super) fn new(
        size: (usize, usize),
        bounds_of: impl Fn(Range<usize>, Range<usize>) -> Bounds,
    ) -> Self {
        let (columns, rows) = size;
        let across = columns.div_ceil(SIDE);
        let mut bounds = Vec::with_capacity(across * rows.div_ceil(SIDE));
        for down in 0..rows.div_ceil(SIDE) {
            for block in 0..across {
                let columns = range(block, columns);
                bounds.push(bounds_of(columns, range(down, rows)));
            }
        }
        Self {
            bounds,
            across,
            size,
        }
    }

    /// Bounds of all blocks, and the columns and rows of what is in them.
    pub(super) fn each(&self) -> impl Iterator<Item = (Bounds, Range<usize>, Range<usize>)> {
        let (columns, rows) = self.size;
        self.bounds.iter().enumerate().map(move |(at, bounds)| {
            let (down, across) = (at / self.across, at % self.across);
            (*bounds, range(across, columns), range(down, rows))
        })
    }
}

fn range(block: usize, most: usize) -> Range<usize> {
    block * SIDE..((block + 1) * SIDE).min(most)
}

/// The bounds of what the quadrilaterals in some columns and rows cover.
fn bounds_of(mesh: &Mesh, columns: Range<usize>, rows: Range<usize>) -> Bounds {
    let is_globe = mesh.is_globe();
    let mut bounds = Bounds::NONE;
    let mut before: Option<f64> = None;
    for row in rows.start..=rows.end {
        let mut of_row = None;
        for column in columns.start..=columns.end {
            let (x, y) = mesh.corner(column, row);
            if !(x + y).is_finite() {
                continue;
            }
            let x = match before.filter(|_| is_globe) {
                Some(near) => near + short_way(x - near),
                None => x,
            };
            bounds = bounds.with((x, y));
            // Each after the one before it, rows after the beginning of the one above.
            before = Some(x);
            of_row = of_row.or(before);
        }
        before = of_row.or(before);
    }
    match is_globe {
        true => around_poles(bounds),
        false => bounds,
    }
}

/// Straight sides in a polar plane lie nearer to the pole than their ends.
fn around_poles(bounds: Bounds) -> Bounds {
    let span = bounds.x.1 - bounds.x.0;
    let mut bounds = bounds;
    for (is_near, chart) in [
        (bounds.y.1 > POLAR, Chart::North),
        (bounds.y.0 < -POLAR, Chart::South),
    ] {
        if !is_near {
            continue;
        }
        let nearest = match chart {
            Chart::South => bounds.y.0,
            _ => bounds.y.1,
        };
        let radius = match span < CIRCLE / 2.0 {
            true => chart.radius(nearest) * (span / 2.0).to_radians().cos(),
            // It may go round the pole.
            false => {
                let middle = (bounds.x.0 + bounds.x.1) / 2.0;
                let half = span.max(CIRCLE) / 2.0;
                bounds.x = (middle - half, middle + half);
                0.0
            }
        };
        match chart {
            Chart::South => bounds.y.0 = radius - 90.0,
            _ => bounds.y.1 = 90.0 - radius,
        }
    }
    bounds
}
