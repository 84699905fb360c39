//! Cubic splines through the values of a series: [`Spline`].
//!
//! ```text
//!     ·╲                 a cubic between each two values, with the same slope and curvature where two meet;
//!    ╱  ╲·──·╲           the first two are one cubic, and the last two ("not a knot")
//!   ·         ·
//! ```
//! Unknown are the slopes at the values; they solve equations of three neighbours each. Two values give a line, three a
//! parabola.

/// A spline; its memory serves one series after the other.
#[derive(Debug, Default)]
pub struct Spline {
    places: Vec<f64>,
    values: Vec<f64>,
    slopes: Vec<f64>,
    /// What is left of each equation's share of the next slope.
    shares: Vec<f64>,
}

impl Spline {
    /// Puts the spline through `values` at `places`, which ascend; missing values, NaN, are left out.
    pub fn fit(&mut self, places: &[f64], values: &[f64]) {
        self.places.clear();
        self.values.clear();
        let there = std::iter::zip(places, values).filter(|(_, value)| !value.is_nan());
        for (place, value) in there {
            self.places.push(*place);
            self.values.push(*value);
        }
        match self.places.len() {
            0..=1 => self.slopes = vec![0.0; self.places.len()],
            2 => self.slopes = vec![self.secant(0); 2],
            3 => self.parabola(),
            count => self.solve(count),
        }
    }

    /// Its value at `place`; NaN outside of the values it goes through.
    #[must_use]
    pub fn at(&self, place: f64) -> f64 {
        let after = self.places.partition_point(|own| *own <= place);
        let Some(before) = after.checked_sub(1) else {
            return f64::NAN;
        };
        if self.places[before] == place {
            return self.values[before];
        }
        if after == self.places.len() {
            return f64::NAN;
        }
        let (width, way) = (self.width(before), place - self.places[before]);
        let (secant, first, last) = (self.secant(before), self.slopes[before], self.slopes[after]);
        let cubic = (first + last - 2.0 * secant) / (width * width);
        let square = (3.0 * secant - 2.0 * first - last) / width;
        self.values[before] + way * (first + way * (square + way * cubic))
    }

    fn width(&self, at: usize) -> f64 {
        self.places[at + 1] - self.places[at]
    }

    fn secant(&self, at: usize) -> f64 {
        (self.values[at + 1] - self.values[at]) / self.width(at)
    }

    fn parabola(&mut self) {
        let (first, second) = (self.width(0), self.width(1));
        let (before, after) = (self.secant(0), self.secant(1));
        let bend = (after - before) / (first + second);
        self.slopes = vec![
            before - bend * first,
            before + bend * first,
            after + bend * second,
        ];
    }

    /// The slopes at `count` values, four at least: eliminated from the first to the last, and put in backwards.
    fn solve(&mut self, count: usize) {
        let last = count - 1;
        self.slopes.clear();
        self.shares.clear();
        for at in 0..count {
            // The shares of the slope before, of this one and of the next one, and what they sum up to.
            let (before, own, next, sum) = match at {
                0 => {
                    let (near, far) = (self.width(0), self.width(1));
                    let both = near + far;
                    let sum =
                        (near + 2.0 * both) * far * self.secant(0) + near * near * self.secant(1);
                    (0.0, far, both, sum / both)
                }
                at if at == last => {
                    let (near, far) = (self.width(at - 1), self.width(at - 2));
                    let both = near + far;
                    let sum = near * near * self.secant(at - 2)
                        + (2.0 * both + near) * far * self.secant(at - 1);
                    (both, far, 0.0, sum / both)
                }
                at => {
                    let (left, right) = (self.width(at - 1), self.width(at));
                    let sum = 3.0 * (right * self.secant(at - 1) + left * self.secant(at));
                    (right, 2.0 * (left + right), left, sum)
                }
            };
            let (share, slope) = match at.checked_sub(1) {
                Some(previous) => (self.shares[previous], self.slopes[previous]),
                None => (0.0, 0.0),
            };
            let rest = own - before * share;
            self.shares.push(next / rest);
            self.slopes.push((sum - before * slope) / rest);
        }
        for at in (0..last).rev() {
            self.slopes[at] -= self.shares[at] * self.slopes[at + 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cubic is its own spline, whatever the distances.
    #[test]
    fn a_cubic_comes_back() {
        let cubic = |x: f64| 0.5 * x * x * x - 2.0 * x * x + 3.0 * x - 1.0;
        let places = [0.0, 0.5, 2.0, 2.25, 4.0, 7.0];
        let values = places.map(cubic);
        let mut spline = Spline::default();
        spline.fit(&places, &values);
        for place in [0.0, 0.1, 1.9, 2.1, 3.0, 6.5, 7.0] {
            assert!((spline.at(place) - cubic(place)).abs() < 1e-12, "{place}");
        }
        assert!(spline.at(-0.1).is_nan() && spline.at(7.1).is_nan());
    }

    #[test]
    fn few_values_give_what_they_can() {
        let mut spline = Spline::default();
        let square = |x: f64| x * x - x;
        let places = [0.0, 1.0, 3.0];
        spline.fit(&places, &places.map(square));
        assert!((spline.at(2.0) - 2.0).abs() < 1e-12);
        spline.fit(&places, &[0.0, f64::NAN, 6.0]);
        assert!((spline.at(1.0) - 2.0).abs() < 1e-12);
        spline.fit(&places, &[f64::NAN, 4.0, f64::NAN]);
        assert!(spline.at(1.0) == 4.0 && spline.at(2.0).is_nan());
        spline.fit(&places, &[f64::NAN; 3]);
        assert!(spline.at(1.0).is_nan());
    }
}
