//! What Graticule computes: calendars, SQL functions and kernels. No input or output, no async.
//!
//! [`registry`] lists every function; a session registers what it lists and nothing else.

pub mod calendar;
pub mod flags;
pub mod gaps;
pub mod kernels;
pub mod metadata;
pub mod registry;
pub mod space;
pub mod time;
pub mod trends;
pub mod warp;
