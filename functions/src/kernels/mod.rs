//! Kernels that reduce blocks: values in one flat array, missing values as a bitmap beside it.
//!
//! ```text
//!  values  ┌ row ─────────────┐   rows of equal length at given offsets, all of one group
//!          └──────────────────┘
//!          ┌ row ─────────────┐   runs::reduce      all cells        ─▶ one Summary
//!          └──────────────────┘   columns::reduce   cells by position ─▶ one entry per position
//! ```
//! The three loops of dense aggregation are made of these two: a group that is constant along the
//! fastest axis reduces its rows to one [`Summary`]; where every position of the fastest axis is a group
//! of its own the rows are reduced position by position; short runs of equal groups are reduced by
//! position first and folded afterwards.
//!
//! Sums do not drift: cells are added in blocks of a few thousand in sixteen lanes, and the sums of
//! blocks are added with Neumaier's compensation ([`compensated::add`]).
//!
//! Ranks need all values of a group: [`series`] keeps them as keys, [`select`] and [`select_columns`] find
//! the one at a rank. [`window`] computes window functions over many series at once.
//!
//! [`unshuffle`] is about stored bytes: it undoes what helped to compress them.
//!
//! Every loop is compiled for the instruction sets in [`dispatch`] and chosen at run time. Loops are
//! plain Rust over arrays of sixteen lanes, which the compiler turns into vector instructions.

// Loops over lanes say what happens to lane after lane; iterators over three arrays would hide it.
#![allow(clippy::needless_range_loop)]

mod bits;
pub mod bitwise;
pub mod columns;
pub mod compensated;
mod dispatch;
mod element;
pub mod order;
pub mod pairs;
pub mod program;
pub mod runs;
pub mod select;
pub mod select_columns;
pub mod series;
pub mod unshuffle;
pub mod validity;
pub mod window;

pub use bits::Bits;
pub use element::Element;

/// Cells that one step of a loop takes.
pub const LANES: usize = 16;

/// What a reduction has to find besides the number of valid cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The sum.
    pub sum: bool,
    /// The sum of squares; needs the sum too.
    pub squares: bool,
    /// Minimum and maximum.
    pub extremes: bool,
}

/// Rows of equal length in one array of values: those cells that belong to one group.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Where each row starts.
    pub offsets: &'a [usize],
    /// Added to every offset.
    pub shift: usize,
    /// Cells of each row.
    pub length: usize,
}

impl Rows<'_> {
    pub(crate) fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        self.offsets.iter().map(|offset| offset + self.shift)
    }
}

#[cfg(test)]
mod tests;
