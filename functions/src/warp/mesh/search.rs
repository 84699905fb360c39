//! Which quadrilateral a point of a lattice lies in, and where: [`Mesh::positions`].

use std::ops::{Range, RangeInclusive};

use super::super::positions::{Lattice, Positions, unroll};
use super::blocks::Bounds;
use super::chart::{Chart, POLAR, short_way};
use super::line::Line;
use super::quadrilateral::{Place, Quadrilateral, dot, minus};
use super::{CIRCLE, Mesh};
use crate::space::ProjectionError;

/// What is smaller by less, in parts, is as large.
const AS_LARGE: f32 = 1e-4;

/// The points of a lattice, and where they have been found so far.
pub(super) struct Search<'a> {
    pub(super) columns: Line<'a>,
    pub(super) rows: Line<'a>,
    /// Rows in one chart.
    bands: Vec<(Chart, Range<usize>)>,
    /// Sine and cosine of the columns' longitudes, where they are needed.
    directions: Vec<(f64, f64)>,
    pub(super) found: Found,
}

/// The positions of points, row by row.
pub(super) struct Found {
    x: Vec<f64>,
    y: Vec<f64>,
    /// The size of what a point lies in.
    sizes: Vec<f32>,
    /// Does a point lie between centres?
    pub(super) is_inner: Vec<bool>,
}

/// A quadrilateral, and what positions its corners have.
pub(super) struct Laid {
    pub(super) corners: [Place; 4],
    pub(super) columns: (f64, f64),
    pub(super) rows: (f64, f64),
    pub(super) is_outer: bool,
}

impl Mesh {
    /// The positions of the points of a lattice; none for those outside.
    ///
    /// # Errors
    /// PROJ fails.
    pub fn positions(&self, lattice: Lattice<'_>) -> Result<Positions, ProjectionError> {
        let mut search = Search::new(lattice, self.is_globe());
        let bounds = search.bounds();
        for (block, columns, rows) in self.blocks.each() {
            if !self.may_meet(&block, &bounds) {
                continue;
            }
            for row in rows {
                for column in columns.clone() {
                    if let Some((corners, is_outer)) = self.corners(column, row) {
                        let (left, right) =
                            (self.column_line(column), self.column_line(column + 1));
                        let (top, bottom) = (self.row_line(row), self.row_line(row + 1));
                        let laid = Laid {
                            corners,
                            columns: (left.0, right.0),
                            rows: (top.0, bottom.0),
                            is_outer,
                        };
                        search.lay(&laid, self.is_globe());
                    }
                }
            }
        }
        self.find_in_torn(&mut search)?;
        let width = lattice.x.len();
        let Found { mut x, y, .. } = search.found;
        if let Some((axis, _)) = self.axes() {
            let cells = x.len();
            unroll(&mut x, width / 2 + cells / 2 / width.max(1) * width, &axis);
        }
        Ok(Positions::Each { width, x, y })
    }

    /// Can what a block covers, moved by full circles, lie between some bounds?
    pub(super) fn may_meet(&self, block: &Bounds, bounds: &Bounds) -> bool {
        match self.is_globe() {
            true => turns(block.x, bounds.x).any(|turn| block.moved(turn).meets(bounds)),
            false => block.meets(bounds),
        }
    }
}

/// The full circles by which a range of longitudes can be moved to meet another.
pub(super) fn turns(own: (f64, f64), other: (f64, f64)) -> impl Iterator<Item = f64> {
    let first = ((other.0 - own.1) / CIRCLE).ceil();
    let last = ((other.1 - own.0) / CIRCLE).floor();
    let turns: RangeInclusive<i64> = match (last - first).is_finite() && own.0 <= own.1 {
        true => first as i64..=last as i64,
        false => RangeInclusive::new(1, 0),
    };
    turns.map(|turn| turn as f64 * CIRCLE)
}

impl<'a> Search<'a> {
    fn new(lattice: Lattice<'a>, is_globe: bool) -> Self {
        let chart = |latitude: &f64| match is_globe {
            true => Chart::at(*latitude),
            false => Chart::Degrees,
        };
        let mut bands: Vec<(Chart, Range<usize>)> = Vec::new();
        for (row, latitude) in lattice.y.iter().enumerate() {
            if is_globe && latitude.abs() > 90.0 {
                continue;
            }
            match bands.last_mut() {
                Some((last, rows)) if *last == chart(latitude) => rows.end = row + 1,
                _ => bands.push((chart(latitude), row..row + 1)),
            }
        }
        let is_polar = bands.iter().any(|(chart, _)| *chart != Chart::Degrees);
        let longitudes = lattice.x.iter().filter(|_| is_polar);
        let cells = lattice.x.len() * lattice.y.len();
        Self {
            columns: Line::new(lattice.x),
            rows: Line::new(lattice.y),
            bands,
            directions: longitudes.map(|x| x.to_radians().sin_cos()).collect(),
            found: Found {
                x: vec![f64::NAN; cells],
                y: vec![f64::NAN; cells],
                sizes: vec![f32::INFINITY; cells],
                is_inner: vec![false; cells],
            },
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            x: self.columns.bounds(),
            y: self.rows.bounds(),
        }
    }

    /// Finds the points that lie in a quadrilateral.
    fn lay(&mut self, laid: &Laid, is_globe: bool) {
        for band in 0..self.bands.len() {
            let (chart, rows) = self.bands[band].clone();
            match chart {
                Chart::Degrees => self.lay_flat(laid, is_globe, &rows),
                _ => self.lay_polar(laid, chart, &rows),
            }
        }
    }

    /// In the plane of the lattice.
    fn lay_flat(&mut self, laid: &Laid, is_globe: bool, band: &Range<usize>) {
        let near = laid.corners[0].0;
        let corners = match is_globe {
            true => laid
                .corners
                .map(|corner| Chart::Degrees.place(corner, near)),
            false => laid.corners,
        };
        let bounds = corners.into_iter().fold(Bounds::NONE, Bounds::with);
        let rows = common(&self.rows.between(bounds.y.0, bounds.y.1), band);
        if rows.is_empty() || is_globe && goes_round(&laid.corners) {
            return;
        }
        let mut quadrilateral = None;
        let mut lay = |turn: f64| {
            let columns = self.columns.between(bounds.x.0 + turn, bounds.x.1 + turn);
            if columns.is_empty() {
                return;
            }
            let made = quadrilateral.get_or_insert_with(|| Quadrilateral::new(corners));
            let Some(quadrilateral) = made.as_ref() else {
                return;
            };
            for row in rows.clone() {
                for column in columns.clone() {
                    let place = (self.columns.points[column] - turn, self.rows.points[row]);
                    if let Some(position) = quadrilateral.position(place, 0.0) {
                        let cell = row * self.columns.points.len() + column;
                        let size = quadrilateral.size();
                        self.found.offer(cell, laid, position, size);
                    }
                }
            }
        };
        match is_globe {
            true => turns(bounds.x, self.columns.bounds()).for_each(lay),
            false => lay(0.0),
        }
    }

    /// In the plane around a pole.
    fn lay_polar(&mut self, laid: &Laid, chart: Chart, band: &Range<usize>) {
        let corners = laid.corners.map(|corner| chart.place(corner, 0.0));
        let radii = laid.corners.map(|corner| chart.radius(corner.1));
        let farthest = radii.into_iter().fold(0.0, f64::max);
        // What lies around the other pole goes round this one, too.
        if farthest > 90.0 {
            return;
        }
        let latitude = |radius: f64| match chart {
            Chart::South => radius - 90.0,
            _ => 90.0 - radius,
        };
        let may_be = self.rows.between(
            latitude(farthest).min(latitude(0.0)),
            latitude(farthest).max(latitude(0.0)),
        );
        if common(&may_be, band).is_empty() {
            return;
        }
        let Some(quadrilateral) = Quadrilateral::new(corners) else {
            return;
        };
        let goes_round = quadrilateral.position((0.0, 0.0), 0.0).is_some();
        let nearest = match goes_round {
            true => 0.0,
            false => nearest(&corners),
        };
        let (one, other) = (latitude(farthest), latitude(nearest));
        let rows = common(&self.rows.between(one.min(other), one.max(other)), band);
        if rows.is_empty() {
            return;
        }
        let mut lay = |columns: Range<usize>| {
            for row in rows.clone() {
                let radius = chart.radius(self.rows.points[row]);
                for column in columns.clone() {
                    let (sine, cosine) = self.directions[column];
                    let place = (radius * cosine, radius * sine);
                    if let Some(position) = quadrilateral.position(place, 0.0) {
                        let cell = row * self.directions.len() + column;
                        let size = quadrilateral.size();
                        self.found.offer(cell, laid, position, size);
                    }
                }
            }
        };
        if goes_round {
            lay(0..self.directions.len());
            return;
        }
        // Corners at the pole have no longitude.
        let with_direction = || std::iter::zip(laid.corners, radii).filter(|(_, r)| *r > 1e-9);
        let near = with_direction().next().map_or(0.0, |((x, _), _)| x);
        let unrolled = with_direction().map(|(corner, _)| Chart::Degrees.place(corner, near));
        let bounds = unrolled.fold(Bounds::NONE, Bounds::with);
        for turn in turns(bounds.x, self.columns.bounds()) {
            lay(self.columns.between(bounds.x.0 + turn, bounds.x.1 + turn));
        }
    }
}

impl Found {
    /// Notes that a point lies in a quadrilateral, unless it lies in a better one.
    pub(super) fn offer(&mut self, cell: usize, laid: &Laid, position: Place, size: f64) {
        let size = size as f32;
        let is_better = match (laid.is_outer, self.is_inner[cell]) {
            (true, true) => false,
            (false, false) => true,
            _ => size < self.sizes[cell] * (1.0 - AS_LARGE),
        };
        if is_better {
            let between = |(first, last): (f64, f64), share: f64| first + (last - first) * share;
            self.is_inner[cell] = !laid.is_outer;
            self.sizes[cell] = size;
            self.x[cell] = between(laid.columns, position.0);
            self.y[cell] = between(laid.rows, position.1);
        }
    }
}

/// Do corners go round a pole?
pub(super) fn goes_round(corners: &[Place; 4]) -> bool {
    let farthest = corners.iter().map(|corner| corner.1.abs());
    if farthest.fold(0.0, f64::max) < POLAR {
        return false;
    }
    let turn = |at: usize| short_way(corners[(at + 1) % 4].0 - corners[at].0);
    (0..4).map(turn).sum::<f64>().abs() > CIRCLE / 2.0
}

/// How near the sides between some corners come to the origin.
fn nearest(corners: &[Place; 4]) -> f64 {
    let distance = |at: usize| {
        let (from, to) = (corners[at], corners[(at + 1) % 4]);
        let side = minus(to, from);
        let length = dot(side, side);
        let share = match length > 0.0 {
            true => -dot(from, side) / length,
            false => 0.0,
        };
        let share = share.clamp(0.0, 1.0);
        (from.0 + side.0 * share).hypot(from.1 + side.1 * share)
    };
    (0..4).map(distance).fold(f64::INFINITY, f64::min)
}

fn common(one: &Range<usize>, other: &Range<usize>) -> Range<usize> {
    let start = one.start.max(other.start);
    start..one.end.min(other.end).max(start)
}
