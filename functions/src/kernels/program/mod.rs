//! Expressions over blocks, evaluated piece by piece so that every intermediate result stays in the
//! cache next to the processor.
//!
//! ```text
//!  avg((t2m − 273.15) · cos(radians(lat)))
//!
//!  0  input t2m             Float32     loaded from the block
//!  1  cast 0                Float64
//!  2  constant 273.15       Float64
//!  3  subtract 1, 2         Float64
//!  4  input cos(radians(…)) Float64     one value per latitude, repeated
//!  5  multiply 3, 4         Float64  ─▶ reduced at once
//! ```
//! A [`Program`] is a list of [`Operation`]s, each of which reads results of earlier ones. A [`Machine`]
//! runs it on up to [`PIECE`] cells at a time. Types are four: narrower integers are widened before.
//! Results agree with DataFusion's kernels: floats are compared in their total order with one zero,
//! `greatest` and `least` know two, integers wrap around, AND and OR know three truth values.

mod cells;
mod compare;
mod elementwise;
mod machine;
#[cfg(test)]
mod tests;

pub use cells::{CellType, Cells, Constant};
pub use machine::{Machine, Series, SeriesValues};

/// Cells that are evaluated at a time: a register of doubles is 8 KiB.
pub const PIECE: usize = 1024;

/// Arithmetic on two values of the same type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `a + b`; integers wrap around.
    Add,
    /// `a − b`; integers wrap around.
    Subtract,
    /// `a · b`; integers wrap around.
    Multiply,
    /// `a / b` of floats.
    Divide,
}

/// Order of two values of the same type; floats in their total order, but −0 equals 0, as DataFusion
/// compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `a = b`
    Equal,
    /// `a <> b`
    NotEqual,
    /// `a < b`
    Less,
    /// `a <= b`
    LessOrEqual,
    /// `a > b`
    Greater,
    /// `a >= b`
    GreaterOrEqual,
}

/// A function of one float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `−a`
    Negative,
    /// `|a|`
    Absolute,
    /// The largest whole number that is not above `a`.
    Floor,
    /// The smallest whole number that is not below `a`.
    Ceiling,
    /// Degrees to radians.
    Radians,
    /// Radians to degrees.
    Degrees,
    /// Sine of radians.
    Sine,
    /// Cosine of radians.
    Cosine,
    /// Tangent of radians.
    Tangent,
    /// `eᵃ`
    Exponential,
}

/// One step of a program. Operands are the numbers of earlier steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Loaded before the program runs.
    Input,
    /// The same value everywhere.
    Constant(Constant),
    /// A value in the type of this step.
    Cast(usize),
    /// Arithmetic on two values; NULL where one is.
    Arithmetic(Arithmetic, usize, usize),
    /// A function of one float; NULL where it is.
    Function(Function, usize),
    /// The smaller of two values, or the one that is not NULL.
    Least(usize, usize),
    /// The larger of two values, or the one that is not NULL.
    Greatest(usize, usize),
    /// Whether an order holds; NULL where one value is.
    Compare(Comparison, usize, usize),
    /// `a AND b` in three truth values.
    And(usize, usize),
    /// `a OR b` in three truth values.
    Or(usize, usize),
    /// `NOT a`
    Not(usize),
    /// `a IS NULL`
    IsNull(usize),
    /// The value of `then` where `when` is true, that of `otherwise` elsewhere, NULL without one.
    Select {
        /// A truth value.
        when: usize,
        /// Of the type of this step.
        then: usize,
        /// Of the type of this step.
        otherwise: Option<usize>,
    },
}

/// A step and the type of its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is done.
    pub operation: Operation,
    /// The type of the result.
    pub cell_type: CellType,
}

/// Steps in the order in which they are done; equal steps are done once.
#[derive(Debug, Clone, Default)]
pub struct Program {
    steps: Vec<Step>,
}

impl Program {
    /// Adds a step unless there is an equal one, and returns its number. Inputs are all different.
    pub fn add(&mut self, operation: Operation, cell_type: CellType) -> usize {
        let step = Step {
            operation,
            cell_type,
        };
        let known = self.steps.iter().position(|other| *other == step);
        match known.filter(|_| step.operation != Operation::Input) {
            Some(known) => known,
            None => {
                self.steps.push(step);
                self.steps.len() - 1
            }
        }
    }

    /// Takes back all steps from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.steps.truncate(length);
    }

    /// The type of the result of step `number`.
    pub fn cell_type(&self, number: usize) -> CellType {
        self.steps[number].cell_type
    }

    /// All steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
