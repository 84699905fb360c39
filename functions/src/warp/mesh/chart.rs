//! The globe around a point: longitudes unrolled, and polar planes. Key type: [`Chart`].

use super::CIRCLE;
use super::quadrilateral::Place;

/// Nearer to the poles than this latitude sides of cells are straight in a polar plane.
pub(super) const POLAR: f64 = 75.0;

/// The plane in which sides are straight at a latitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chart {
    /// Around the north pole: degrees from it, in the direction of the longitude.
    North,
    /// Longitudes and latitudes.
    Degrees,
    /// Around the south pole.
    South,
}

impl Chart {
    /// That of a latitude.
    pub(super) fn at(latitude: f64) -> Self {
        match latitude {
            latitude if latitude > POLAR => Self::North,
            latitude if latitude < -POLAR => Self::South,
            _ => Self::Degrees,
        }
    }

    /// Degrees from the pole of a polar plane.
    pub(super) fn radius(self, latitude: f64) -> f64 {
        match self {
            Self::South => 90.0 + latitude,
            _ => 90.0 - latitude,
        }
    }

    /// The place on the globe of one in a polar plane.
    pub(super) fn back(self, (x, y): Place) -> Place {
        let radius = x.hypot(y);
        let latitude = match self {
            Self::South => radius - 90.0,
            _ => 90.0 - radius,
        };
        (y.atan2(x).to_degrees(), latitude)
    }

    /// A place in the plane; longitudes near `near`.
    pub(super) fn place(self, (x, y): Place, near: f64) -> Place {
        match self {
            Self::Degrees => (near + short_way(x - near), y),
            _ => {
                let (sine, cosine) = x.to_radians().sin_cos();
                let radius = self.radius(y);
                (radius * cosine, radius * sine)
            }
        }
    }
}

/// A difference of longitudes the short way.
pub(super) fn short_way(difference: f64) -> f64 {
    difference - CIRCLE * (difference / CIRCLE).round()
}
