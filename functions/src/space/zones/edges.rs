//! The polygons of a geometry and their edges.

use geo_types::{Coord, Geometry, LineString, Polygon};

use super::plane::ZoneError;

/// An edge that points up: from its lower to its upper end. A level edge points right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) low: Coord,
    pub(super) high: Coord,
}

impl Edge {
    pub(super) fn new(one: Coord, other: Coord) -> Self {
        match (one.y, one.x) <= (other.y, other.x) {
            true => Edge {
                low: one,
                high: other,
            },
            false => Edge {
                low: other,
                high: one,
            },
        }
    }

    pub(super) fn is_level(&self) -> bool {
        self.low.y == self.high.y
    }

    /// Where `(x, y)` lies, by exact arithmetic: positive left of the edge, 0 on its line, negative right of it.
    pub(super) fn side(&self, x: f64, y: f64) -> f64 {
        let exact = |point: Coord| robust::Coord {
            x: point.x,
            y: point.y,
        };
        robust::orient2d(exact(self.low), exact(self.high), robust::Coord { x, y })
    }

    /// The x at which the edge passes the height `y`, rounded.
    pub(super) fn x_at(&self, y: f64) -> f64 {
        let part = (y - self.low.y) / (self.high.y - self.low.y);
        self.low.x + part * (self.high.x - self.low.x)
    }
}

/// A polygon's rings, checked.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    polygon: &'a Polygon,
    /// Least and greatest x.
    pub(super) x: [f64; 2],
}

impl<'a> Outline<'a> {
    /// `None` for a polygon without vertices.
    fn new(zone: usize, polygon: &'a Polygon) -> Result<Option<Self>, ZoneError> {
        let mut x = [f64::INFINITY, f64::NEG_INFINITY];
        for vertex in rings(polygon).flat_map(|ring| &ring.0) {
            if !(vertex.x.is_finite() && vertex.y.is_finite()) {
                let Coord { x, y } = *vertex;
                return Err(ZoneError::Vertex { zone, x, y });
            }
            x = [x[0].min(vertex.x), x[1].max(vertex.x)];
        }
        Ok((x[0] <= x[1]).then_some(Outline { polygon, x }))
    }

    /// Rings with their vertices moved along x; the first is the outer one. The last vertex repeats the first.
    pub(super) fn rings(&self, shift: f64) -> impl Iterator<Item = impl Iterator<Item = Coord>> {
        rings(self.polygon).map(move |ring| {
            ring.0.iter().map(move |vertex| Coord {
                x: vertex.x + shift,
                y: vertex.y,
            })
        })
    }

    /// All edges, moved along x.
    pub(super) fn edges(&self, shift: f64) -> impl Iterator<Item = Edge> {
        self.rings(shift).flat_map(|ring| {
            let mut previous: Option<Coord> = None;
            ring.filter_map(move |vertex| {
                let edge = previous.map(|start| Edge::new(start, vertex));
                previous = Some(vertex);
                edge
            })
        })
    }
}

fn rings(polygon: &Polygon) -> impl Iterator<Item = &LineString> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors())
}

/// Calls `visit` with every polygon of a geometry. Points and lines have no area, so they are passed over.
pub(super) fn for_each_polygon<E: From<ZoneError>>(
    zone: usize,
    geometry: &Geometry,
    visit: &mut impl FnMut(Outline<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut visit_one = |polygon: &Polygon| match Outline::new(zone, polygon)? {
        Some(outline) => visit(outline),
        None => Ok(()),
    };
    match geometry {
        Geometry::Polygon(polygon) => visit_one(polygon),
        Geometry::Rect(rectangle) => visit_one(&rectangle.to_polygon()),
        Geometry::Triangle(triangle) => visit_one(&triangle.to_polygon()),
        Geometry::MultiPolygon(polygons) => polygons.iter().try_for_each(visit_one),
        Geometry::GeometryCollection(parts) => parts
            .iter()
            .try_for_each(|part| for_each_polygon(zone, part, visit)),
        Geometry::Point(_)
        | Geometry::Line(_)
        | Geometry::LineString(_)
        | Geometry::MultiPoint(_)
        | Geometry::MultiLineString(_) => Ok(()),
    }
}
