//! Aggregates over series: Sen's slope, the test of Mann and Kendall, the longest run.
//!
//! ```text
//!  sens_slope(v, x) · mann_kendall(v, x) · longest_run(condition, x)      one [`SeriesFunction`] each
//!        └ pairs of x and v, kept per group, put in the order of x at the end: [`SeriesAggregate`]
//! ```
//! A series has as many values as a group has rows; that they come in no order does not matter.

mod longest_run;
mod mann_kendall;
mod sens_slope;
mod series;

pub use longest_run::longest_run;
pub use mann_kendall::mann_kendall;
pub use sens_slope::sens_slope;
