//! The SQL surface: what Graticule understands beyond DataFusion, and what it refuses.
//!
//! ```text
//!  text ── parser ──▶ Command ───────────────▶ statements ──▶ a small result
//!              └────▶ SQL ── traps ── plan ──▶ DataFusion
//!                                      └─ failed: suggestions ──▶ "did you mean …"
//! ```

pub(crate) mod addresses;
mod altering;
mod analyze;
mod changing;
mod copying;
mod creating;
mod declaring;
pub(crate) mod depth;
pub(crate) mod describe;
pub(crate) mod described;
mod extents;
pub(crate) mod functions;
mod granting;
pub(crate) mod names;
mod naming;
mod overviews;
pub(crate) mod parser;
mod planned;
pub(crate) mod planning;
mod privileges;
pub(crate) mod receiving;
pub(crate) mod relations;
pub(crate) mod secrets;
pub(crate) mod settings;
mod splitting;
pub(crate) mod statements;
pub(crate) mod suggestions;
pub(crate) mod traps;
pub(crate) mod versions;
pub(crate) mod visiting;
mod writing;
