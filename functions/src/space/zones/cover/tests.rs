//! Fractions of cells against areas that geo computes after clipping, and against sums that are known.
#![allow(clippy::unwrap_used)]

use geo::{Area, BooleanOps};
use geo_types::{LineString, MultiPolygon, Polygon, Rect};
use proptest::prelude::*;

use super::super::midpoints;
use super::*;

fn polygon(rings: &[&[(f64, f64)]]) -> Polygon {
    let mut rings = rings
        .iter()
        .map(|vertices| LineString::from(vertices.to_vec()));
    Polygon::new(rings.next().unwrap(), rings.collect())
}

/// The fractions of all cells, row by row as stored.
fn fractions(bounds: &Plane, geometry: &Geometry, measure: Measure) -> Vec<Vec<f64>> {
    let cover = ZoneCover::new(bounds, 0, geometry, measure).unwrap();
    let (rows, cells) = (bounds.y.len() - 1, bounds.x.len() - 1);
    let mut listed = vec![vec![0.0; cells]; rows];
    for run in &cover.full {
        for cell in run.start..run.end {
            listed[run.row as usize][cell as usize] += 1.0;
        }
    }
    for partial in &cover.partial {
        assert!(partial.fraction > 0.0 && partial.fraction < 1.0);
        listed[partial.row as usize][partial.cell as usize] += partial.fraction;
    }
    for (row, values) in listed.iter().enumerate() {
        for (cell, value) in values.iter().enumerate() {
            assert_eq!(cover.fraction(row as u32, cell as u32), *value);
        }
    }
    listed
}

#[test]
fn known_fractions() {
    let cells = [0.0, 1.0, 2.0, 3.0];
    let square: &[(f64, f64)] = &[(0.5, 0.0), (2.5, 0.0), (2.5, 2.0), (0.5, 2.0)];
    let triangle: &[(f64, f64)] = &[(0.0, 0.0), (3.0, 0.0), (0.0, 3.0)];
    let all: &[(f64, f64)] = &[(-9.0, -9.0), (9.0, -9.0), (9.0, 9.0), (-9.0, 9.0)];
    let hole: &[(f64, f64)] = &[(1.25, 1.25), (1.25, 1.75), (1.75, 1.75), (1.75, 1.25)];
    let touching: &[(f64, f64)] = &[(1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (1.0, 2.0)];
    let wide: &[(f64, f64)] = &[(-1.0, 0.75), (4.0, 0.75), (4.0, 2.5), (-1.0, 2.5)];
    let cases: [(&[&[(f64, f64)]], [[f64; 3]; 3]); 7] = [
        (&[wide], [[0.25; 3], [1.0; 3], [0.5; 3]]),
        (
            &[square],
            [[0.5, 1.0, 0.5], [0.5, 1.0, 0.5], [0.0, 0.0, 0.0]],
        ),
        (
            &[triangle],
            [[1.0, 1.0, 0.5], [1.0, 0.5, 0.0], [0.5, 0.0, 0.0]],
        ),
        (&[all], [[1.0; 3]; 3]),
        (&[all, hole], [[1.0; 3], [1.0, 0.75, 1.0], [1.0; 3]]),
        (&[all, touching], [[1.0; 3], [1.0, 0.0, 1.0], [1.0; 3]]),
        (&[&[(7.0, 0.0), (8.0, 0.0), (8.0, 3.0)]], [[0.0; 3]; 3]),
    ];
    for (rings, expected) in cases {
        let geometry = Geometry::Polygon(polygon(rings));
        let rising = Plane::new(&cells, &cells, None).unwrap();
        let found = fractions(&rising, &geometry, Measure::Plane);
        assert_eq!(found, expected.map(|row| row.to_vec()), "{rings:?}");
        let falling: Vec<f64> = cells.iter().rev().copied().collect();
        let falling = Plane::new(&falling, &falling, None).unwrap();
        let mut found = fractions(&falling, &geometry, Measure::Plane);
        found.reverse();
        found.iter_mut().for_each(|row| row.reverse());
        assert_eq!(
            found,
            expected.map(|row| row.to_vec()),
            "falling, {rings:?}"
        );
    }
}

#[test]
fn a_hemisphere_is_half_the_sphere() {
    let latitudes: Vec<f64> = (0..=36)
        .map(|bound| -90.0 + 5.0 * f64::from(bound))
        .collect();
    let longitudes: Vec<f64> = (0..=72).map(|bound| 5.0 * f64::from(bound)).collect();
    let bounds = Plane::new(&longitudes, &latitudes, Some(360.0)).unwrap();
    let area = |geometry: &Geometry| -> f64 {
        let rows = fractions(&bounds, geometry, Measure::Sphere);
        let weights = latitudes
            .windows(2)
            .map(|row| row[1].to_radians().sin() - row[0].to_radians().sin());
        let sums = rows
            .iter()
            .map(|row| row.iter().sum::<f64>() * 5.0_f64.to_radians());
        sums.zip(weights).map(|(sum, weight)| sum * weight).sum()
    };
    let half_turn = std::f64::consts::PI;
    let cases = [
        // Between parallels and meridians: the difference of longitudes times that of sines.
        (
            polygon(&[&[(-180.0, 0.0), (180.0, 0.0), (180.0, 90.0), (-180.0, 90.0)]]),
            2.0 * half_turn,
        ),
        (
            polygon(&[&[(-7.5, 30.0), (22.5, 30.0), (22.5, 42.0), (-7.5, 42.0)]]),
            { 30.0_f64.to_radians() * (42.0_f64.to_radians().sin() - 0.5) },
        ),
        // Under the slope from (0, 0) to (90, 90): ∫ sin φ dλ with φ = λ is 1.
        (polygon(&[&[(0.0, 0.0), (90.0, 0.0), (90.0, 90.0)]]), 1.0),
        (
            polygon(&[&[(350.0, 0.0), (260.0, 90.0), (260.0, 0.0)]]),
            1.0,
        ),
        (polygon(&[&[(0.0, 0.0), (90.0, 0.0), (90.0, -90.0)]]), 1.0),
    ];
    for (polygon, expected) in cases {
        let found = area(&Geometry::Polygon(polygon));
        assert!(
            (found - expected).abs() < 1e-12,
            "{found} is not {expected}"
        );
    }
    let beyond = Plane::new(&longitudes, &[80.0, 90.5], None).unwrap();
    let geometry = Geometry::Rect(Rect::new((0.0, 0.0), (1.0, 1.0)));
    assert!(ZoneCover::new(&beyond, 0, &geometry, Measure::Sphere).is_err());
}

#[test]
fn no_cells_are_covered_by_nothing() {
    let geometry = Geometry::Rect(Rect::new((0.0, 0.0), (1.0, 1.0)));
    for bounds in [vec![], vec![0.5], vec![0.0, 1.0]] {
        let plane = Plane::new(&bounds, &[], Some(360.0)).unwrap();
        assert_eq!(
            ZoneCover::new(&plane, 0, &geometry, Measure::Plane).unwrap(),
            ZoneCover::default()
        );
        let plane = Plane::new(&[], &bounds, Some(360.0)).unwrap();
        assert_eq!(
            ZoneCover::new(&plane, 0, &geometry, Measure::Plane).unwrap(),
            ZoneCover::default()
        );
    }
    let plane = Plane::new(&[0.5], &[0.0, 1.0], None).unwrap();
    assert_eq!(
        ZoneCover::new(&plane, 0, &geometry, Measure::Plane).unwrap(),
        ZoneCover::default()
    );
}

/// A ring around the origin with a hole of the same shape.
fn ring_with_hole() -> impl Strategy<Value = Polygon> {
    (
        proptest::collection::vec(1.0..10.0_f64, 3..20),
        0.1..0.9_f64,
        any::<bool>(),
    )
        .prop_map(|(distances, shrink, reversed)| {
            let turn = std::f64::consts::TAU / distances.len() as f64;
            let vertex = |(at, distance): (usize, &f64)| {
                let angle = turn * at as f64;
                (distance * angle.cos(), distance * angle.sin())
            };
            let mut outer: Vec<(f64, f64)> = distances.iter().enumerate().map(vertex).collect();
            let hole: Vec<(f64, f64)> = outer
                .iter()
                .map(|(x, y)| (x * shrink, y * shrink))
                .collect();
            if reversed {
                outer.reverse();
            }
            polygon(&[&outer, &hole])
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn agrees_with_clipping(
        shape in ring_with_hole(),
        x in proptest::collection::btree_set(-110..110_i32, 2..14),
        y in proptest::collection::btree_set(-110..110_i32, 2..14),
    ) {
        let bounds = |set: std::collections::BTreeSet<i32>| -> Vec<f64> { set.into_iter().map(|v| f64::from(v) / 10.0).collect() };
        let (x, y) = (bounds(x), bounds(y));
        let plane = Plane::new(&x, &y, None).unwrap();
        let found = fractions(&plane, &Geometry::Polygon(shape.clone()), Measure::Plane);
        for (row, y) in y.windows(2).enumerate() {
            for (cell, x) in x.windows(2).enumerate() {
                let cell_shape = Rect::new((x[0], y[0]), (x[1], y[1]));
                let common: MultiPolygon = shape.intersection(&cell_shape.to_polygon());
                let expected = common.unsigned_area() / cell_shape.unsigned_area();
                prop_assert!((found[row][cell] - expected).abs() < 1e-5, "{} is not {expected}", found[row][cell]);
            }
        }
    }

    #[test]
    fn finer_cells_add_up(shape in ring_with_hole(), parts in 2..9_usize) {
        // On the sphere, too, a cell covers what its parts cover.
        let centres = |cells: usize| -> Vec<f64> {
            let step = 24.0 / cells as f64;
            (0..cells).map(|cell| -12.0 + step * (cell as f64 + 0.5)).collect()
        };
        let total = |cells: usize| -> f64 {
            let bounds = midpoints(&centres(cells), Some([-90.0, 90.0])).unwrap();
            let lifted: Vec<f64> = bounds.iter().map(|y| y + 60.0).collect();
            let raise = |ring: &LineString| -> Vec<(f64, f64)> { ring.0.iter().map(|v| (v.x, v.y + 60.0)).collect() };
            let (outer, hole) = (raise(shape.exterior()), raise(&shape.interiors()[0]));
            let plane = Plane::new(&bounds, &lifted, None).unwrap();
            let rows = fractions(&plane, &Geometry::Polygon(polygon(&[&outer, &hole])), Measure::Sphere);
            let width = 24.0 / cells as f64;
            rows.iter()
                .zip(lifted.windows(2))
                .map(|(row, y)| row.iter().sum::<f64>() * width * (y[1].to_radians().sin() - y[0].to_radians().sin()))
                .sum()
        };
        let (coarse, fine) = (total(2), total(2 * parts));
        prop_assert!((coarse - fine).abs() < 1e-10 * coarse, "{coarse} is not {fine}");
    }
}
