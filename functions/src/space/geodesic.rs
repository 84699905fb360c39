//! Distances and straight lines on the Earth: [`geodesic_distance`], [`great_circle_distance`], [`GeodesicEdge`].
//!
//! A place is a longitude and a latitude in degrees; lengths are metres.

use geo::{Bearing, Destination, Distance, Geodesic, Haversine};
use geo_types::Point;

/// The length of the shortest line between two places on the WGS 84 ellipsoid.
#[must_use]
pub fn geodesic_distance(one: (f64, f64), other: (f64, f64)) -> f64 {
    Geodesic.distance(Point::from(one), Point::from(other))
}

/// The length of the shortest line between two places on a sphere with the Earth's mean radius. It is the same for places
/// whose longitudes and latitudes are counted from another pole.
#[must_use]
pub fn great_circle_distance(one: (f64, f64), other: (f64, f64)) -> f64 {
    Haversine.distance(Point::from(one), Point::from(other))
}

/// The shortest line between two places on the WGS 84 ellipsoid.
#[derive(Debug, Clone, Copy)]
pub struct GeodesicEdge {
    from: Point,
    bearing: f64,
    length: f64,
}

impl GeodesicEdge {
    /// The line between two places.
    #[must_use]
    pub fn new(from: (f64, f64), to: (f64, f64)) -> Self {
        let (from, to) = (Point::from(from), Point::from(to));
        Self {
            bearing: Geodesic.bearing(from, to),
            length: Geodesic.distance(from, to),
            from,
        }
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The place on it that is `metres` away from where it begins.
    #[must_use]
    pub fn place(&self, metres: f64) -> (f64, f64) {
        Geodesic.destination(self.from, self.bearing, metres).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_meridian() {
        // The quadrant of WGS 84 is 10 001 965.729 m long.
        let edge = GeodesicEdge::new((7.0, 0.0), (7.0, 90.0));
        assert!((edge.length() - 10_001_965.729).abs() < 1e-3);
        let (lon, lat) = edge.place(edge.length());
        assert!((lat - 90.0).abs() < 1e-9, "{lon} {lat}");
        let (lon, lat) = GeodesicEdge::new((179.0, 0.0), (-179.0, 0.0)).place(111_319.490_793);
        assert!(
            (lon.abs() - 180.0).abs() < 1e-9 && lat.abs() < 1e-12,
            "{lon} {lat}"
        );
        assert_eq!(geodesic_distance((350.0, 1.0), (-10.0, 1.0)).round(), 0.0);
    }
}
