//! Expressions over the cells of a unit, evaluated a piece at a time where they are reduced.
//!
//! ```text
//!  avg((t2m − 273.15) · cos(radians(lat)))
//!       │                    └ reads one axis: evaluated once on its coordinates
//!       └ a Program of graticule_functions, run on 1024 cells at a time
//!  avg(power(t2m, 3))
//!       └ no step of a program: DataFusion's kernel, on the whole unit
//! ```
//! [`Compiler`] turns expressions into a program and says where its inputs come from; [`Expressions`]
//! holds them for one worker. What has no step is left to [`Evaluator`], so every expression works.

mod compile;
mod evaluator;
mod predicate;
mod unit;

pub(crate) use compile::Compiler;
pub(crate) use evaluator::{Evaluator, spread, unit_rows};
pub(crate) use predicate::Predicate;
pub(crate) use unit::Expressions;
