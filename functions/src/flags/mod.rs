//! Flags packed into integers, as CF's `flag_meanings`, `flag_values` and `flag_masks` describe them.
//!
//! ```text
//!  flag_masks                  flag_values                 both
//!  bits of their own           one of several values       a value within some bits
//!  value & mask != 0           value = flag value          value & mask = flag value
//! ```
//! Source: CF conventions 1.11, section 3.5 <https://cfconventions.org>.

mod definition;
mod flag_names;
mod has_flag;

pub use flag_names::flag_names;
pub use has_flag::has_flag;
