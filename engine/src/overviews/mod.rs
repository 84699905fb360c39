//! Overviews: a cube in half, a quarter, … of its resolution, so that coarse grids need few bytes.
//!
//! ```text
//!  CREATE OVERVIEWS ON t ─▶ write::overviews ─▶ cube.zarr/overviews/ 1, 2, 3 …    beside the cube, or in another folder
//!                                                        │ kept: which are there, and of which version of the cube
//!                                                        ▼
//!  reproject(t, resolution => coarse) ─▶ choice: a level for each variable ─▶ the rest is as with the cube itself
//! ```
//! A level is a cube of its own that any reader of the format can open. The planner takes it for the cube only while
//! the cube has the version that the levels were made of.

mod choice;
mod counting;
mod kept;
mod methods;
mod of_query;
pub(crate) mod precision;

/// The option of a store or table that says where its overviews are.
pub(crate) const OPTION: (&str, &str) = (
    "overviews",
    "Folder for overviews of cubes, which cannot be kept in the folders of the cubes themselves",
);

pub(crate) use choice::Levels;
pub(crate) use kept::{Counts, Folder, Found, Level, MOST_LEVELS, Overviews, made_of};
pub(crate) use methods::OverviewMethods;
pub(crate) use of_query::OfQuery;
