//! How the values of a target cell are made of those of the source: [`Method`].

use std::fmt;
use std::str::FromStr;

/// A method of resampling, as GDAL and the CF conventions call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The cell in which the centre lies.
    Nearest,
    /// Between the four cells around the centre.
    Bilinear,
    /// The cubic convolution of Keys (1981) with a = −0.5, over 16 cells.
    Cubic,
    /// The cubic B-spline, over 16 cells; it smooths.
    CubicSpline,
    /// Lanczos' windowed sinc with three lobes, over 36 cells.
    Lanczos,
    /// The mean of the cells below, weighted with the parts of them that are covered.
    Average,
    /// As [`Method::Average`], along the edges of the cell as they run in the source, with weights that are areas:
    /// what is summed over areas stays the same (first order; Jones 1999).
    Conservative,
    /// The smallest value below.
    Minimum,
    /// The largest value below.
    Maximum,
    /// The value in the middle of those below, the lower one of two.
    Median,
    /// The value that occurs most often below.
    Mode,
    /// The first quartile of the values below.
    FirstQuartile,
    /// The third quartile of the values below.
    ThirdQuartile,
    /// The sum of the values below, each as much of it as is covered along the edges of the cell.
    Sum,
    /// The root of the mean of the squares below.
    RootMeanSquare,
    /// The first value below, from the source's first row on.
    First,
    /// The last value below.
    Last,
}

/// What missing values do to a cell that is made of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Missing {
    /// The others make it.
    #[default]
    Skip,
    /// It is missing, too.
    Propagate,
}

const NAMES: [(&str, Method); 17] = [
    ("nearest", Method::Nearest),
    ("bilinear", Method::Bilinear),
    ("cubic", Method::Cubic),
    ("cubic_spline", Method::CubicSpline),
    ("lanczos", Method::Lanczos),
    ("average", Method::Average),
    ("conservative", Method::Conservative),
    ("min", Method::Minimum),
    ("max", Method::Maximum),
    ("median", Method::Median),
    ("mode", Method::Mode),
    ("q1", Method::FirstQuartile),
    ("q3", Method::ThirdQuartile),
    ("sum", Method::Sum),
    ("rms", Method::RootMeanSquare),
    ("first", Method::First),
    ("last", Method::Last),
];

impl Method {
    /// The names of all methods.
    #[must_use]
    pub fn names() -> [&'static str; 17] {
        NAMES.map(|(name, _)| name)
    }

    /// Does it look at the cells under the target's cell, not at those around its centre?
    #[must_use]
    pub fn reads_footprint(self) -> bool {
        !matches!(
            self,
            Self::Nearest | Self::Bilinear | Self::Cubic | Self::CubicSpline | Self::Lanczos
        )
    }

    /// Does it weigh cells with how much of them lies between the edges of the target's cell?
    #[must_use]
    pub fn weighs_overlap(self) -> bool {
        matches!(self, Self::Conservative | Self::Sum)
    }

    /// Does it give a mean, so that means of parts must be weighed with how many values these have?
    #[must_use]
    pub fn weighs_counts(self) -> bool {
        matches!(self, Self::Average | Self::RootMeanSquare)
    }

    /// Are its values some of the source's?
    #[must_use]
    pub fn keeps_values(self) -> bool {
        matches!(
            self,
            Self::Nearest
                | Self::Minimum
                | Self::Maximum
                | Self::Median
                | Self::Mode
                | Self::FirstQuartile
                | Self::ThirdQuartile
                | Self::First
                | Self::Last
        )
    }

    /// How far around a position it looks, in cells, where target and source have the same resolution.
    #[must_use]
    pub fn radius(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Cubic | Self::CubicSpline => 2.0,
            Self::Lanczos => 3.0,
            _ => 0.0,
        }
    }
}

impl FromStr for Method {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let name = name.to_ascii_lowercase();
        let name = match name.as_str() {
            "mean" => "average",
            other => other,
        };
        let mut known = NAMES.iter();
        known
            .find(|(known, _)| *known == name)
            .map(|(_, method)| *method)
            .ok_or(())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known = NAMES.iter();
        let name = known.find(|(_, method)| method == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}
