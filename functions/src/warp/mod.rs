//! Values of one grid at the cells of another: where a cell lies in the source, and what is made of the cells there.
//!
//! ```text
//!  target cell ─▶ its place in the source's system ─▶ position among the source's cells: [`Positions`]
//!                   (PROJ, on a control grid)            │ [`CellAxis`], one per axis
//!                                                        ▼
//!  window of the source, one plane ──────────────▶ [`Method`] ─▶ values of the target's cells
//!                                                   [`Interpolation`]: the cells around a centre
//!                                                   [`Footprints`]: the cells under a cell
//!                                                   [`Overlaps`]: how much of each is covered
//! ```
//! A source whose cells have coordinates of their own is a [`Mesh`]: it says itself where points lie among its cells.
//! A position counts in cells: `3.0` is the centre of cell number 3, `2.5` the edge before it. Missing values are NaN.

mod axis;
mod footprint;
mod halving;
mod interpolate;
pub mod mesh;
mod method;
mod overlap;
mod positions;
mod spline;
mod window;

pub use axis::CellAxis;
pub use footprint::Footprints;
pub use halving::{Reduced, halves};
pub use interpolate::{Interpolation, Sample};
pub use method::{Method, Missing};
pub use overlap::Overlaps;
pub use positions::{Lattice, Positions};
pub use spline::Spline;
pub use window::Window;
