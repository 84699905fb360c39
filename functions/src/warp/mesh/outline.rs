//! The edges of a mesh's cells: [`Mesh::outline`].
//!
//! ```text
//!   ●     ●     ●      ● centres of cells
//!      +─────+         + where four cells meet, in the middle between their centres; at the outermost ones
//!   ●  │  ●  │  ●        half a cell beyond, and along a gap as far beyond as on the other side of the centre
//!      +─────+
//!   ●     ●     ●
//! ```
//! Neighbours have their corners in common, so together they cover each place once. They lie in a plane in which areas
//! are right: that of a projection, or longitudes and sines of latitudes.

use super::chart::{Chart, POLAR, short_way};
use super::quadrilateral::Place;
use super::search::goes_round;
use super::{CIRCLE, Mesh};

/// Corners whose longitudes lie farther apart are met in the middle around a pole, in degrees.
const FAR: f64 = 90.0;

impl Mesh {
    /// A latitude, or a place along y, where equal steps are equal areas.
    pub(super) fn by_area(&self, y: f64) -> f64 {
        match self.is_globe() {
            true => y.clamp(-90.0, 90.0).to_radians().sin().to_degrees(),
            false => y,
        }
    }

    /// The polygon around a centre; `None` where it has no place, or stands alone.
    pub(super) fn outline(&self, column: usize, row: usize) -> Option<Vec<Place>> {
        let centre = self.centres.at(column, row);
        let at = |(right, down): (usize, usize)| {
            self.crossing(column + right, row + down).or_else(|| {
                let opposite = self.crossing(column + 1 - right, row + 1 - down)?;
                let opposite = self.near(opposite, centre.0);
                let beyond = (2.0 * centre.0 - opposite.0, 2.0 * centre.1 - opposite.1);
                Some(match self.is_globe() {
                    // A cell around a row of centres at a pole ends there.
                    true => (beyond.0, beyond.1.clamp(-90.0, 90.0)),
                    false => beyond,
                })
            })
        };
        let corners = [at((0, 0))?, at((1, 0))?, at((1, 1))?, at((0, 1))?];
        let is_whole = |(x, y): &Place| (x + y).is_finite();
        if !is_whole(&centre) || !corners.iter().all(is_whole) {
            return None;
        }
        let places = match self.is_globe() && goes_round(&corners) {
            true => around_pole(&corners),
            false => corners.map(|corner| self.near(corner, centre.0)).to_vec(),
        };
        let by_area = places.into_iter().map(|(x, y)| (x, self.by_area(y)));
        Some(by_area.collect())
    }

    /// Where cells meet: the upper left corner of the one in this column and row.
    fn crossing(&self, column: usize, row: usize) -> Option<Place> {
        let (across, down) = (self.centres.width, self.centres.height());
        let quadrilateral = match self.is_closed {
            true => (column + across - 1) % across,
            false => column,
        };
        let (corners, _) = self.corners(quadrilateral, row)?;
        let last_column = !self.is_closed && column == across;
        let first_column = !self.is_closed && column == 0;
        // Upper left, upper right, lower right, lower left.
        let is_met = [(false, false), (true, false), (true, true), (false, true)];
        let met = std::iter::zip(corners, is_met).filter(|(_, (is_right, is_below))| {
            !(first_column && *is_right || last_column && !is_right)
                && !(row == 0 && *is_below || row == down && !is_below)
        });
        let met: Vec<Place> = met.map(|(corner, _)| corner).collect();
        Some(self.middle(&met))
    }

    /// The middle between some places.
    fn middle(&self, places: &[Place]) -> Place {
        let count = places.len() as f64;
        let mean = |places: &mut dyn Iterator<Item = Place>| {
            let (x, y) = places.fold((0.0, 0.0), |sum, place| (sum.0 + place.0, sum.1 + place.1));
            (x / count, y / count)
        };
        let near = places.first().map_or(0.0, |place| place.0);
        let is_wide = |place: &Place| short_way(place.0 - near).abs() > FAR;
        let chart = Chart::at(places.first().map_or(0.0, |place| place.1));
        let is_polar = self.is_globe()
            && chart != Chart::Degrees
            && places.iter().any(is_wide)
            && places.iter().all(|place| place.1.abs() > POLAR / 2.0);
        match is_polar {
            true => chart.back(mean(
                &mut places.iter().map(|place| chart.place(*place, 0.0)),
            )),
            false => mean(&mut places.iter().map(|place| self.near(*place, near))),
        }
    }

    /// A place with a longitude near another.
    fn near(&self, place: Place, near: f64) -> Place {
        match self.is_globe() {
            true => Chart::Degrees.place(place, near),
            false => place,
        }
    }
}

/// What lies between a pole and the sides of a cell that go round it: those sides, and the pole along all longitudes.
fn around_pole(corners: &[Place; 4]) -> Vec<Place> {
    let mut places = vec![corners[0]];
    let mut last = corners[0].0;
    for at in 1..=4 {
        let corner = Chart::Degrees.place(corners[at % 4], last);
        last = corner.0;
        places.push(corner);
    }
    let pole = 90.0_f64.copysign(corners[0].1);
    debug_assert!((last - corners[0].0).abs() > CIRCLE / 2.0);
    places.extend([(last, pole), (corners[0].0, pole)]);
    places
}
