//! What Graticule computes: calendars and SQL functions. No input or output, no async.

pub mod calendar;
