//! A field: what a message, or one of several in a message, says of its values: [`Field`].
//!
//! ```text
//!  edition 1   section 1 ───────────┐
//!  edition 2   sections 0, 1 and 4 ─┴─▶  parameter · level · reference time and valid time · member · statistic
//! ```

mod first;
mod second;

use std::ops::Range;

pub(super) use self::first::read as of_first;
pub(super) use self::second::{Message, read as of_second};
use super::level::Level;
use super::packing::Encoding;
use super::parameters::Parameter;
use super::time::Seconds;

/// What is known of a field before its values are read.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) product: Product,
    /// Number of the grid in the file.
    pub(super) grid: usize,
    pub(super) data: Data,
}

/// Where the values are, and how they are packed.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) encoding: Encoding,
    /// Ranges of the file, in the order in which they are read.
    pub(super) ranges: Vec<Range<u64>>,
}

/// What the values are of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Product {
    pub(super) parameter: Parameter,
    /// What the values say of an ensemble rather than of the parameter itself, such as its mean, for names.
    pub(super) derived: Option<String>,
    pub(super) level: Level,
    /// When the forecast began.
    pub(super) reference: Seconds,
    /// When what it says is, or at the end of the period of which it is.
    pub(super) valid: Seconds,
    pub(super) statistic: Option<Statistic>,
    /// Member of an ensemble.
    pub(super) number: Option<u64>,
    pub(super) centre: u16,
}

/// What was done to the values of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Statistic {
    /// Code table 4.10.
    pub(super) code: u8,
    /// Length of the period.
    pub(super) seconds: Seconds,
}

impl Statistic {
    /// As ecCodes calls it, and as the attribute `cell_methods` does (CF 1.12, appendix E).
    pub(super) fn names(&self) -> (&'static str, Option<&'static str>) {
        match self.code {
            0 => ("avg", Some("mean")),
            1 => ("accum", Some("sum")),
            2 => ("max", Some("maximum")),
            3 => ("min", Some("minimum")),
            4 => ("diff", None),
            5 => ("rms", Some("root_mean_square")),
            6 => ("sd", Some("standard_deviation")),
            7 => ("cov", None),
            9 => ("ratio", None),
            11 => ("sum", Some("sum")),
            _ => ("period", None),
        }
    }
}
