//! A quadrilateral between four neighbouring centres, and positions in it: [`Quadrilateral`].
//!
//! ```text
//!   0,0 ●────────● 1,0      place = first + across·u + down·v + twist·u·v
//!       │   ✕     ╲         v is the root of a quadratic equation, u follows from it
//!   0,1 ●──────────● 1,1
//! ```

/// A place in a plane.
pub(super) type Place = (f64, f64);

/// How far beyond a side, in parts of the area, a place may lie and still be inside: neighbours share their sides, and
/// rounding must leave no place between them.
const ON_SIDE: f64 = 1e-10;

/// A convex quadrilateral.
#[derive(Debug, Clone)]
pub(super) struct Quadrilateral {
    first: Place,
    /// The corners in the order in which they follow each other, from the first.
    corners: [Place; 4],
    across: Place,
    down: Place,
    twist: Place,
    /// Twice the area, negative where the corners run clockwise.
    area: f64,
}

impl Quadrilateral {
    /// Between corners that follow each other; `None` where they are folded, lie on a line, or one is missing.
    pub(super) fn new(corners: [Place; 4]) -> Option<Self> {
        let first = corners[0];
        let corners = corners.map(|corner| minus(corner, first));
        let [_, right, last, below] = corners;
        let area = cross(last, minus(below, right));
        if area == 0.0 || area.is_nan() {
            return None;
        }
        for at in 0..4 {
            let (from, via, to) = (corners[at], corners[(at + 1) % 4], corners[(at + 2) % 4]);
            if cross(minus(via, from), minus(to, via)) * area < -ON_SIDE * area * area {
                return None;
            }
        }
        Some(Self {
            first,
            corners,
            across: right,
            down: below,
            twist: (last.0 - right.0 - below.0, last.1 - right.1 - below.1),
            area,
        })
    }

    /// Its area.
    pub(super) fn size(&self) -> f64 {
        self.area.abs() / 2.0
    }

    /// How far right and down of the first corner a place lies, 0 to 1; `None` where it lies outside by more than
    /// `slack` times the area.
    pub(super) fn position(&self, place: Place, slack: f64) -> Option<Place> {
        let place = minus(place, self.first);
        let sign = self.area.signum();
        let least = -(ON_SIDE + slack) * self.area.abs();
        let is_inside = |at: usize| {
            let (from, to) = (self.corners[at], self.corners[(at + 1) % 4]);
            cross(minus(to, from), minus(place, from)) * sign >= least
        };
        if !(0..4).all(is_inside) {
            return None;
        }
        let square = cross(self.twist, self.down);
        let linear = cross(self.across, self.down) + cross(place, self.twist);
        let constant = cross(place, self.across);
        let root = (linear * linear - 4.0 * square * constant).max(0.0).sqrt() * sign;
        // Of the two ways to write the root the one that takes no near numbers from each other.
        let down = match linear * sign > 0.0 {
            true => -2.0 * constant / (linear + root),
            false => (root - linear) / (2.0 * square),
        };
        // Where two corners are one, all positions between them are those of that place.
        let down = if down.is_finite() { down } else { 0.0 };
        let along = (
            self.across.0 + self.twist.0 * down,
            self.across.1 + self.twist.1 * down,
        );
        let rest = (place.0 - self.down.0 * down, place.1 - self.down.1 * down);
        let length = dot(along, along);
        let across = match length > 0.0 {
            true => dot(rest, along) / length,
            // The side is a point: all places on it are the same.
            false => 0.0,
        };
        (across + down)
            .is_finite()
            .then(|| (across.clamp(0.0, 1.0), down.clamp(0.0, 1.0)))
    }
}

pub(super) fn minus(one: Place, other: Place) -> Place {
    (one.0 - other.0, one.1 - other.1)
}

pub(super) fn cross(one: Place, other: Place) -> f64 {
    one.0 * other.1 - one.1 * other.0
}

pub(super) fn dot(one: Place, other: Place) -> f64 {
    one.0 * other.0 + one.1 * other.1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn positions_come_back() {
        for corners in [
            [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)],
            [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)],
            [
                (5e6, 4e6),
                (5e6 + 310.0, 4e6 - 40.0),
                (5e6 + 260.0, 4e6 - 400.0),
                (5e6 - 90.0, 4e6 - 280.0),
            ],
            // A trapezium, and triangles: two corners are one.
            [(0.0, 0.0), (4.0, 0.0), (3.0, 1.0), (1.0, 1.0)],
            [(2.0, 2.0), (2.0, 2.0), (3.0, 4.0), (1.0, 4.0)],
            [(2.0, 2.0), (5.0, 2.0), (5.0, 2.0), (2.0, 4.0)],
        ] {
            let found = Quadrilateral::new(corners).unwrap();
            for (u, v) in [(0.5, 0.5), (0.25, 0.75), (0.9, 0.1), (0.0, 0.5), (1.0, 1.0)] {
                let mixed = |of: fn(&Place) -> f64| {
                    let [a, b, c, d] = corners.map(|corner| of(&corner));
                    (a * (1.0 - u) + b * u) * (1.0 - v) + (d * (1.0 - u) + c * u) * v
                };
                let place = (mixed(|place| place.0), mixed(|place| place.1));
                let (x, y) = found.position(place, 0.0).unwrap();
                let back = |of: fn(&Place) -> f64| {
                    let [a, b, c, d] = corners.map(|corner| of(&corner));
                    (a * (1.0 - x) + b * x) * (1.0 - y) + (d * (1.0 - x) + c * x) * y
                };
                let off = (back(|place| place.0) - place.0).hypot(back(|place| place.1) - place.1);
                assert!(off < 1e-6, "{corners:?} {u} {v}: {x} {y}");
            }
            assert_eq!(found.position((-9.0, 2.5), 0.0), None);
        }
    }

    #[test]
    fn folded_ones_are_none() {
        for corners in [
            [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)],
            [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)],
            [(0.0, 0.0), (1.0, 0.0), (0.1, 0.1), (0.0, 1.0)],
            [(0.0, 0.0), (1.0, 0.0), (f64::NAN, 1.0), (0.0, 1.0)],
        ] {
            assert!(Quadrilateral::new(corners).is_none(), "{corners:?}");
        }
    }
}
