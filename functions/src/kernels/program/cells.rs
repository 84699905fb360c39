//! The values that a step of a program leaves: one register of cells and their validity.

use super::PIECE;

/// The type of a step's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellType {
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// Integers.
    Int64,
    /// Truth values.
    Boolean,
}

/// A value that is the same for all cells; `None` is NULL.
#[derive(Debug, Clone, Copy)]
pub enum Constant {
    /// Single precision.
    Float32(Option<f32>),
    /// Double precision.
    Float64(Option<f64>),
    /// Integer.
    Int64(Option<i64>),
    /// Truth value.
    Boolean(Option<bool>),
}

/// Bit by bit: −0 is another value than 0, and NaN is equal to itself.
impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float32(a), Self::Float32(b)) => a.map(f32::to_bits) == b.map(f32::to_bits),
            (Self::Float64(a), Self::Float64(b)) => a.map(f64::to_bits) == b.map(f64::to_bits),
            (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            _ => false,
        }
    }
}

/// Up to [`PIECE`] cells of one type; truth values are bits, the first cell lowest.
#[derive(Debug, Clone)]
pub enum Cells {
    /// Single precision.
    Float32(Box<[f32]>),
    /// Double precision.
    Float64(Box<[f64]>),
    /// Integers.
    Int64(Box<[i64]>),
    /// Truth values.
    Boolean(Box<[u8]>),
}

impl Cells {
    pub(super) fn new(cell_type: CellType) -> Self {
        match cell_type {
            CellType::Float32 => Self::Float32(vec![0.0; PIECE].into()),
            CellType::Float64 => Self::Float64(vec![0.0; PIECE].into()),
            CellType::Int64 => Self::Int64(vec![0; PIECE].into()),
            CellType::Boolean => Self::Boolean(vec![0; PIECE / 8].into()),
        }
    }
}

/// Which cells of a register have a value.
#[derive(Debug, Clone)]
pub(super) struct Validity {
    /// One bit per cell; without meaning where all are valid.
    pub(super) bits: Box<[u8]>,
    /// Has every cell a value?
    pub(super) all: bool,
}

impl Validity {
    pub(super) fn new() -> Self {
        Self {
            bits: vec![0; PIECE / 8].into(),
            all: true,
        }
    }

    pub(super) fn fill(&mut self, valid: bool) {
        self.all = valid;
        self.bits.fill(0);
    }

    /// Valid where both are.
    pub(super) fn both(&mut self, left: &Self, right: &Self, bytes: usize) {
        match (left.all, right.all) {
            (true, true) => self.all = true,
            (true, false) => self.copy(right, bytes),
            (false, true) => self.copy(left, bytes),
            (false, false) => {
                self.all = false;
                combine(&left.bits, &right.bits, &mut self.bits, bytes, |a, b| a & b);
            }
        }
    }

    /// Valid where one of both is.
    pub(super) fn either(&mut self, left: &Self, right: &Self, bytes: usize) {
        self.all = left.all || right.all;
        if !self.all {
            combine(&left.bits, &right.bits, &mut self.bits, bytes, |a, b| a | b);
        }
    }

    pub(super) fn copy(&mut self, other: &Self, bytes: usize) {
        self.all = other.all;
        if !other.all {
            self.bits[..bytes].copy_from_slice(&other.bits[..bytes]);
        }
    }

    /// The bits of eight cells.
    #[inline(always)]
    pub(super) fn byte(&self, byte: usize) -> u8 {
        if self.all { 0xff } else { self.bits[byte] }
    }
}

/// Combines bits byte by byte.
#[inline(always)]
pub(super) fn combine(
    left: &[u8],
    right: &[u8],
    out: &mut [u8],
    bytes: usize,
    operator: impl Fn(u8, u8) -> u8,
) {
    let pairs = left[..bytes].iter().zip(&right[..bytes]);
    for (out, (left, right)) in out[..bytes].iter_mut().zip(pairs) {
        *out = operator(*left, *right);
    }
}
