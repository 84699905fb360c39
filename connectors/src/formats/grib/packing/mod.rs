//! Packed values as numbers, in the order in which they are stored: [`unpack`].
//!
//! ```text
//!  edition 1   bitmap section ─┐   simple · second order                                        first
//!  edition 2   section 6 ──────┤   simple · complex · differences · IEEE · PNG · JPEG 2000 · CCSDS  second
//!                              ▼
//!            Cells: a value per point of the grid, and which points there are
//! ```
//! A value is `(reference + number · 2^E) / 10^D`; packings differ in how they store the numbers.

mod bits;
mod codecs;
mod complex;
mod first;
mod png;
mod second;
mod second_order;

use std::panic::{AssertUnwindSafe, catch_unwind};

use graticule_engine::error::CubeResult;

use super::damaged;

/// Where the points of a grid stand among the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Points of the grid.
    pub(super) points: usize,
    /// Points that stand in one row, one after the other; 0 where rows differ in length.
    pub(super) row: usize,
}

/// How the bytes of a field are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Edition 1: the bitmap section, if there is one, and the data section.
    First {
        has_bitmap: bool,
        /// The power of ten by which values were multiplied.
        decimal_scale: i32,
    },
    /// Edition 2: sections 5, 6 and 7.
    Second,
}

/// The values of a field.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) values: Vec<f64>,
    /// Which of them there are; `None` for all.
    pub(super) present: Option<Vec<bool>>,
}

/// Reads the values of a field.
///
/// # Errors
/// The bytes are damaged, or packed in a way that is not read.
pub(super) fn unpack(encoding: Encoding, bytes: &[u8], layout: Layout) -> CubeResult<Cells> {
    let cells = match encoding {
        Encoding::First {
            has_bitmap,
            decimal_scale,
        } => first::unpack(bytes, has_bitmap, decimal_scale, layout)?,
        Encoding::Second => second::unpack(bytes, layout)?,
    };
    match cells.values.len() == layout.points {
        true => Ok(cells),
        false => Err(damaged(format!(
            "it has {} values for the {} points of its grid",
            cells.values.len(),
            layout.points
        ))),
    }
}

/// From packed numbers to values.
#[derive(Debug, Clone, Copy)]
struct Scaling {
    reference: f64,
    binary: f64,
    decimal: f64,
}

impl Scaling {
    fn of(reference: f64, binary_scale: i64, decimal_scale: i64) -> Self {
        let power = |base: f64, exponent: i64| base.powi(exponent.clamp(-1200, 1200) as i32);
        Self {
            reference,
            binary: power(2.0, binary_scale),
            decimal: power(10.0, -decimal_scale),
        }
    }

    fn value(&self, number: f64) -> f64 {
        (number * self.binary + self.reference) * self.decimal
    }
}

/// Puts `coded` values to the points that the bitmap says they belong to.
fn spread(coded: Vec<f64>, bitmap: Option<Vec<bool>>) -> Result<Cells, String> {
    let Some(bitmap) = bitmap else {
        return Ok(Cells {
            values: coded,
            present: None,
        });
    };
    let wanted = count(&bitmap);
    if coded.len() != wanted {
        return Err(format!(
            "it has {} values, and its bitmap {wanted} points",
            coded.len()
        ));
    }
    let mut coded = coded.into_iter();
    let values = bitmap.iter().map(|is_there| match is_there {
        true => coded.next().unwrap_or_default(),
        false => 0.0,
    });
    Ok(Cells {
        values: values.collect(),
        present: Some(bitmap),
    })
}

fn count(bitmap: &[bool]) -> usize {
    bitmap.iter().filter(|is_there| **is_there).count()
}

/// The bits of a bitmap with one for each point.
fn bitmap(bytes: &[u8], points: usize) -> Result<Vec<bool>, String> {
    let mut present = Vec::new();
    let mut bits = bits::Bits::of(bytes);
    bits.extend(&mut present, 1, points, |bit| bit != 0)
        .map_err(|_| "its bitmap ends too early".to_string())?;
    Ok(present)
}

/// Runs a library's decoder: one that panics on damaged bytes must not take the process with it.
fn fenced<T>(codec: &str, decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    let outcome = outcome.unwrap_or_else(|_| Err("its bytes make no sense".to_string()));
    outcome.map_err(|cause| format!("its {codec} cannot be decoded: {cause}"))
}
