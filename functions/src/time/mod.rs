//! Functions of time. Each knows the calendar of its column from the field's metadata.
//!
//! A column of the real calendar is a timestamp; one of `360_day` or `all_leap` is an integer with
//! [`crate::metadata::CALENDAR`]. Functions that DataFusion has too keep their name and, on
//! timestamps, their stock behaviour.

mod calendar_add;
mod calendar_text;
mod column;
mod date_bin;
mod date_part;
mod date_trunc;
mod extremum;
mod planner;
mod season;
mod stock;
mod time_bucket;
mod to_char;
mod year_fraction;

pub use calendar_add::calendar_add;
pub use calendar_text::calendar_text;
pub use date_bin::date_bin;
pub use date_part::date_part;
pub use date_trunc::date_trunc;
pub use extremum::{max, min};
pub use planner::CalendarPlanner;
pub use season::season;
pub use time_bucket::time_bucket;
pub use to_char::to_char;
pub use year_fraction::year_fraction;
