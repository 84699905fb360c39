//! Keys of the Arrow field metadata that functions read, and what their values look like.
//!
//! Metadata are CF attributes: the cube model writes them on each column, and functions that need
//! to know a column's calendar or flags find them there.

use arrow::datatypes::{DataType, Field};

use crate::calendar::Calendar;

/// CF calendar of a time column: any name that [`Calendar::parse`] knows.
///
/// On an `Int64` column it says that the values are microseconds since 1970-01-01 00:00 counted in
/// that calendar. On a timestamp column only `noleap` matters: it has no 29 February to count.
pub const CALENDAR: &str = "calendar";

/// Names of flags, separated by spaces, as in CF: `LAND CLOUD SUN_GLINT`.
pub const FLAG_MEANINGS: &str = "flag_meanings";

/// For each flag the value of the column (below its mask, if there is one): a JSON array `[0, 1, 2]`,
/// or numbers separated by spaces or commas.
pub const FLAG_VALUES: &str = "flag_values";

/// For each flag the bits it is about, encoded as [`FLAG_VALUES`].
pub const FLAG_MASKS: &str = "flag_masks";

/// On the columns of an axis whose cells are all equally large: the distance between the centres of
/// neighbouring cells, a positive number in the axis's units.
pub const CELL_SIZE: &str = "cell_size";

/// The calendar in which an `Int64` column counts microseconds; `None` for any other column.
pub fn calendar_of(field: &Field) -> Option<Calendar> {
    if *field.data_type() != DataType::Int64 {
        return None;
    }
    field
        .metadata()
        .get(CALENDAR)
        .and_then(|name| Calendar::parse(name))
}
