//! Cells by scanline against two judges: geo's point in polygon, and a count of crossings for a centre
//! that is moved a trifle to the right and less than that up.
#![allow(clippy::unwrap_used)]

use geo::coordinate_position::{CoordPos, CoordinatePosition};
use geo_types::{Coord, Geometry, GeometryCollection, LineString, MultiPolygon, Polygon, coord};
use proptest::prelude::*;

use super::*;

fn ring(vertices: &[(i32, i32)]) -> LineString {
    vertices
        .iter()
        .map(|(x, y)| (f64::from(*x), f64::from(*y)))
        .collect()
}

fn polygon(rings: &[&[(i32, i32)]]) -> Polygon {
    let mut rings = rings.iter().map(|vertices| ring(vertices));
    Polygon::new(rings.next().unwrap(), rings.collect())
}

fn line(from: f64, step: f64, cells: usize) -> Vec<f64> {
    (0..cells).map(|cell| from + step * cell as f64).collect()
}

/// The cells of one zone as a picture, greatest y first as on a map: `#` inside, `.` outside.
fn picture(plane: &Plane, geometry: &Geometry, rule: EdgeRule) -> String {
    let runs = ZoneRuns::new(plane, [Some(geometry)], rule).unwrap();
    let mut rows = vec![vec!['.'; plane.x.len()]; plane.y.len()];
    for run in runs.zone(0) {
        for cell in run.start..run.end {
            let place = &mut rows[run.row as usize][cell as usize];
            assert_eq!(*place, '.', "cell {cell} of row {} twice", run.row);
            *place = '#';
        }
    }
    let rows: Vec<String> = rows.into_iter().map(String::from_iter).collect();
    rows.join("/")
}

#[test]
fn edges_through_centres() {
    // Rows of the pictures are those of y = 3, 2, 1, 0; columns those of x = 0, 1, 2, 3.
    let square: &[(i32, i32)] = &[(1, 1), (3, 1), (3, 3), (1, 3)];
    let diamond: &[(i32, i32)] = &[(1, 0), (2, 1), (1, 2), (0, 1)];
    let big: &[(i32, i32)] = &[(-1, -1), (4, -1), (4, 4), (-1, 4)];
    let hole: &[(i32, i32)] = &[(1, 1), (1, 2), (2, 2), (2, 1)];
    let bow_tie: &[(i32, i32)] = &[(0, 0), (3, 3), (3, 0), (0, 3)];
    let step: &[(i32, i32)] = &[(0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)];
    let cases: [(&str, &[&[(i32, i32)]], [&str; 3]); 9] = [
        (
            "square",
            &[square],
            [
                "..../.##./.##./....",
                "..../..#./..../....",
                ".###/.###/.###/....",
            ],
        ),
        (
            "vertices on centres",
            &[diamond],
            [
                "..../..../##../....",
                "..../..../.#../....",
                "..../.#../###./.#..",
            ],
        ),
        ("no centre on an edge", &[big], ["####/####/####/####"; 3]),
        (
            "hole",
            &[big, hole],
            [
                "####/####/#.##/####",
                "####/#..#/#..#/####",
                "####/####/####/####",
            ],
        ),
        (
            "holes that share an edge",
            &[big, hole, &[(2, 1), (3, 1), (3, 2), (2, 2)]],
            [
                "####/####/#..#/####",
                "####/#.../#.../####",
                "####/####/####/####",
            ],
        ),
        (
            "hole that fills all",
            &[square, square],
            [
                "..../..../..../....",
                "..../..../..../....",
                ".###/.#.#/.###/....",
            ],
        ),
        (
            "ring that crosses itself",
            &[bow_tie],
            [
                "..../#.#./#.#./....",
                "..../..../..../....",
                "#..#/####/####/#..#",
            ],
        ),
        (
            "level edges",
            &[step],
            [
                "..../#.../#.../###.",
                "..../..../..../....",
                "##../##../####/####",
            ],
        ),
        (
            "nothing inside",
            &[&[(0, 0), (3, 0), (1, 0)]],
            [
                "..../..../..../....",
                "..../..../..../....",
                "..../..../..../####",
            ],
        ),
    ];
    for (name, rings, expected) in cases {
        let mut reversed: Vec<Vec<(i32, i32)>> = rings.iter().map(|ring| ring.to_vec()).collect();
        reversed.iter_mut().for_each(|ring| ring.reverse());
        let reversed: Vec<&[(i32, i32)]> = reversed.iter().map(Vec::as_slice).collect();
        let down = Plane::new(&line(0.0, 1.0, 4), &line(3.0, -1.0, 4), None).unwrap();
        let up = Plane::new(&line(0.0, 1.0, 4), &line(0.0, 1.0, 4), None).unwrap();
        let westward = Plane::new(&line(3.0, -1.0, 4), &line(3.0, -1.0, 4), None).unwrap();
        let rules = [EdgeRule::HalfOpen, EdgeRule::Exclude, EdgeRule::Include];
        for (rule, expected) in rules.into_iter().zip(expected) {
            for rings in [rings, reversed.as_slice()] {
                let geometry = Geometry::Polygon(polygon(rings));
                assert_eq!(
                    picture(&down, &geometry, rule),
                    expected,
                    "{name}, {rule:?}"
                );
                let flipped: Vec<&str> = expected.split('/').rev().collect();
                assert_eq!(
                    picture(&up, &geometry, rule),
                    flipped.join("/"),
                    "{name}, {rule:?}, y rises"
                );
                let mirrored: Vec<String> = expected
                    .split('/')
                    .map(|row| row.chars().rev().collect())
                    .collect();
                assert_eq!(
                    picture(&westward, &geometry, rule),
                    mirrored.join("/"),
                    "{name}, {rule:?}, x falls"
                );
            }
        }
    }
}

#[test]
fn longitudes_wrap() {
    let box_of = |west: f64, east: f64| {
        Geometry::Polygon(Polygon::new(
            LineString::from(vec![(west, -5.0), (east, -5.0), (east, 5.0), (west, 5.0)]),
            Vec::new(),
        ))
    };
    let to_360 = line(0.0, 45.0, 8);
    let both_ends = line(0.0, 45.0, 9);
    let to_180 = line(-180.0, 45.0, 8);
    let cases = [
        (&to_360, Some(360.0), -50.0, 50.0, "##.....#"),
        (&to_360, Some(360.0), -90.0, -45.0, "......#."),
        (&to_360, Some(360.0), 170.0, 190.0, "....#..."),
        (&to_360, Some(360.0), -180.0, 180.0, "########"),
        (&to_360, Some(360.0), -180.0, 0.0, "....####"),
        (&to_360, Some(360.0), 0.0, 180.0, "####...."),
        (&to_360, Some(360.0), -500.0, 500.0, "########"),
        (&to_360, Some(360.0), 1070.0, 1090.0, "#......."),
        (&to_360, None, -50.0, 50.0, "##......"),
        (&both_ends, Some(360.0), -10.0, 10.0, "#.......#"),
        (&to_180, Some(360.0), 170.0, 190.0, "#......."),
        (&to_180, Some(360.0), 190.0, 350.0, ".###...."),
        (&to_180, Some(360.0), 350.0, 370.0, "....#..."),
        (&to_180, None, 350.0, 370.0, "........"),
    ];
    for (x, period, west, east, expected) in cases {
        let plane = Plane::new(x, &[0.0], period).unwrap();
        let found = picture(&plane, &box_of(west, east), EdgeRule::HalfOpen);
        assert_eq!(found, expected, "{west} … {east} on {x:?}");
    }
}

#[test]
fn zones_of_all_kinds() {
    let square = |at: i32| polygon(&[&[(at, 0), (at + 2, 0), (at + 2, 2), (at, 2)]]);
    let plane = Plane::new(&line(0.5, 1.0, 6), &line(0.5, 1.0, 2), None).unwrap();
    let several = Geometry::MultiPolygon(MultiPolygon::new(vec![square(0), square(4)]));
    let overlapping = Geometry::MultiPolygon(MultiPolygon::new(vec![square(0), square(1)]));
    let dot = Geometry::Point(geo_types::Point::new(0.5, 0.5));
    let stroke = Geometry::LineString(ring(&[(0, 0), (9, 9)]));
    let collection = Geometry::GeometryCollection(GeometryCollection::new_from(vec![
        dot.clone(),
        Geometry::GeometryCollection(GeometryCollection::new_from(vec![several.clone()])),
        stroke.clone(),
    ]));
    let empty = Geometry::Polygon(Polygon::new(LineString::new(Vec::new()), Vec::new()));
    let rectangle = Geometry::Rect(geo_types::Rect::new((1.0, 0.0), (3.0, 1.0)));
    let cases = [
        (Some(&several), "##..##/##..##"),
        (Some(&overlapping), "###.../###..."),
        (Some(&collection), "##..##/##..##"),
        (Some(&dot), "....../......"),
        (Some(&stroke), "....../......"),
        (Some(&empty), "....../......"),
        (Some(&rectangle), ".##.../......"),
    ];
    for (geometry, expected) in cases {
        assert_eq!(
            picture(&plane, geometry.unwrap(), EdgeRule::HalfOpen),
            expected,
            "{geometry:?}"
        );
    }
    let zones = cases
        .map(|(geometry, _)| geometry)
        .into_iter()
        .chain([None]);
    let all = ZoneRuns::new(&plane, zones, EdgeRule::HalfOpen).unwrap();
    let cells: Vec<u64> = (0..all.len()).map(|zone| all.cells(zone)).collect();
    assert_eq!(cells, [8, 6, 8, 0, 0, 0, 2, 0]);
    assert_eq!(all.iter().count(), 8);
    assert_eq!(all.zone(8), []);
    assert!(all.size() > 0);

    for (x, y) in [(&[][..], &[0.0][..]), (&[0.0], &[]), (&[], &[])] {
        let plane = Plane::new(x, y, Some(360.0)).unwrap();
        let none = ZoneRuns::new(&plane, [Some(&several)], EdgeRule::Include).unwrap();
        assert_eq!(none.zone(0), []);
    }
    let one_cell = Plane::new(&[1.0], &[1.0], None).unwrap();
    assert_eq!(picture(&one_cell, &several, EdgeRule::HalfOpen), "#");
}

#[test]
fn what_cannot_be_laid_is_refused() {
    let plane = Plane::new(&line(0.0, 1.0, 4), &line(0.0, 1.0, 4), Some(360.0)).unwrap();
    let good = polygon(&[&[(0, 0), (1, 0), (1, 1)]]);
    for (x, message) in [
        (f64::NAN, "zone 1 has a vertex at (NaN, 0)"),
        (f64::INFINITY, "zone 1 has a vertex at (inf, 0)"),
        (1e300, "zone 1 reaches from 0.0 to 1e300"),
        (-1e6, "zone 1 reaches from -1000000.0 to 1.0"),
    ] {
        let ring = LineString::from(vec![(0.0, 0.0), (x, 0.0), (1.0, 1.0)]);
        let bad = Geometry::Polygon(Polygon::new(ring, Vec::new()));
        let good = Geometry::Polygon(good.clone());
        let error = ZoneRuns::new(&plane, [Some(&good), Some(&bad)], EdgeRule::HalfOpen);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

/// Vertices around `(10, 10)` in the order of their direction from there: rings that do not cross themselves.
fn star() -> impl Strategy<Value = Vec<(i32, i32)>> {
    proptest::collection::vec((0..=20_i32, 0..=20_i32), 3..14).prop_filter_map(
        "a ring",
        |mut vertices| {
            let from_centre = |(x, y): &(i32, i32)| (*x - 10, *y - 10);
            vertices.retain(|vertex| from_centre(vertex) != (0, 0));
            let angle = |vertex: &(i32, i32)| {
                let (x, y) = from_centre(vertex);
                f64::from(y).atan2(f64::from(x))
            };
            vertices.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
            let same_direction = |a: &mut (i32, i32), b: &mut (i32, i32)| {
                let ((ax, ay), (bx, by)) = (from_centre(a), from_centre(b));
                ax * by == ay * bx && ax * bx + ay * by > 0
            };
            vertices.dedup_by(same_direction);
            // Two neighbours more than half a turn apart would leave the centre outside.
            let turns_left = |a: &(i32, i32), b: &(i32, i32)| {
                let ((ax, ay), (bx, by)) = (from_centre(a), from_centre(b));
                ax * by - ay * bx > 0
            };
            let closed = vertices.iter().zip(vertices.iter().cycle().skip(1));
            let around = vertices.len() >= 3 && closed.clone().all(|(a, b)| turns_left(a, b));
            around.then_some(vertices)
        },
    )
}

/// Axes with gaps, rising or falling, whose coordinates are vertices' coordinates.
fn axis() -> impl Strategy<Value = Vec<f64>> {
    (
        proptest::collection::btree_set(-1..=21_i32, 1..22),
        any::<bool>(),
    )
        .prop_map(|(cells, falls)| {
            let mut axis: Vec<f64> = cells.into_iter().map(f64::from).collect();
            if falls {
                axis.reverse();
            }
            axis
        })
}

/// Whether the even-odd rule puts the point inside, for a point on no edge.
fn is_inside(polygon: &Polygon, point: Coord) -> bool {
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    let crossed = rings.flat_map(LineString::lines).filter(|edge| {
        let (a, b) = (edge.start, edge.end);
        let spans = (a.y <= point.y) != (b.y <= point.y);
        spans && a.x + (point.y - a.y) / (b.y - a.y) * (b.x - a.x) < point.x
    });
    crossed.count() % 2 == 1
}

/// The picture that a judge of single centres draws.
fn judged(x: &[f64], y: &[f64], judge: impl Fn(Coord) -> bool) -> String {
    let row = |y: f64| -> String {
        let cell = |x: &f64| {
            if judge(coord! { x: *x, y: y }) {
                '#'
            } else {
                '.'
            }
        };
        x.iter().map(cell).collect()
    };
    let rows: Vec<String> = y.iter().map(|y| row(*y)).collect();
    rows.join("/")
}

/// Less than any distance between a centre and a crossing that differ, on this lattice.
const RIGHT: f64 = 1e-3;
const UP: f64 = 1e-7;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn agrees_with_geo(vertices in star(), shrink in 2..4_i32, x in axis(), y in axis()) {
        let hole: Vec<(i32, i32)> = vertices.iter().map(|(x, y)| (10 + (x - 10) / shrink, 10 + (y - 10) / shrink)).collect();
        let plane = Plane::new(&x, &y, None).unwrap();
        let plain = polygon(&[&vertices]);
        for (rule, counts) in [
            (EdgeRule::Exclude, (|place| place == CoordPos::Inside) as fn(CoordPos) -> bool),
            (EdgeRule::Include, |place| place != CoordPos::Outside),
        ] {
            let expected = judged(&x, &y, |centre| counts(plain.coordinate_position(&centre)));
            prop_assert_eq!(picture(&plane, &Geometry::Polygon(plain.clone()), rule), expected);
        }
        let pierced = polygon(&[&vertices, &hole]);
        let expected = judged(&x, &y, |centre| is_inside(&pierced, centre + coord! { x: RIGHT, y: UP }));
        prop_assert_eq!(picture(&plane, &Geometry::Polygon(pierced), EdgeRule::HalfOpen), expected);
    }

    #[test]
    fn rings_may_cross_themselves(
        vertices in proptest::collection::vec((0..=20_i32, 0..=20_i32), 3..12), x in axis(), y in axis()
    ) {
        let polygon = polygon(&[&vertices]);
        let expected = judged(&x, &y, |centre| is_inside(&polygon, centre + coord! { x: RIGHT, y: UP }));
        let plane = Plane::new(&x, &y, None).unwrap();
        prop_assert_eq!(picture(&plane, &Geometry::Polygon(polygon), EdgeRule::HalfOpen), expected);
    }

    #[test]
    fn neighbours_share_the_cells(vertices in star(), x in axis(), y in axis(), scale in 0.1..3.0_f64, turns in -2..3_i32) {
        // Coordinates that are not exact make crossings that are not exact either.
        let scaled = |(x, y): (i32, i32)| (f64::from(x) * scale, f64::from(y) * scale);
        let x: Vec<f64> = x.iter().map(|x| x * scale).collect();
        let y: Vec<f64> = y.iter().map(|y| y * scale).collect();
        let plane = Plane::new(&x, &y, Some(360.0)).unwrap();
        let moved = |vertices: &[(i32, i32)]| {
            let ring = vertices.iter().map(|vertex| scaled(*vertex));
            let ring = ring.map(|(x, y)| (x + 360.0 * f64::from(turns), y));
            Geometry::Polygon(Polygon::new(ring.collect(), Vec::new()))
        };
        let next = vertices.iter().cycle().skip(1);
        let slices: Vec<Geometry> = vertices.iter().zip(next).map(|(a, b)| moved(&[(10, 10), *a, *b])).collect();
        let slices = ZoneRuns::new(&plane, slices.iter().map(Some), EdgeRule::HalfOpen).unwrap();
        let mut together: Vec<Run> = slices.iter().flatten().copied().collect();
        let cells: u64 = (0..slices.len()).map(|slice| slices.cells(slice)).sum();
        normalize(&mut together);
        let whole = ZoneRuns::new(&plane, [Some(&moved(&vertices))], EdgeRule::HalfOpen).unwrap();
        prop_assert_eq!(together.as_slice(), whole.zone(0));
        prop_assert_eq!(cells, whole.cells(0));
    }
}
