//! The predicate on values of a scan, unit by unit.

use arrow::buffer::BooleanBuffer;
use datafusion::common::Result;

use crate::dense::expressions::{Compiler, Expressions};
use crate::scan::CubeScan;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;

/// A condition on the values of cells, compiled.
pub(crate) struct Predicate {
    expressions: Expressions,
    condition: usize,
}

impl Predicate {
    /// The predicate on values of `scan`, if it has one.
    ///
    /// # Errors
    /// A part that reads one axis and fails on one of its selected coordinates.
    pub(crate) fn new(scan: &CubeScan) -> Result<Option<Self>> {
        let Some(predicate) = &scan.predicate.rows else {
            return Ok(None);
        };
        let mut compiler = Compiler::new(&scan.cube, &scan.predicate.selections);
        let condition = compiler.condition(predicate)?;
        Ok(Some(Self {
            expressions: Expressions::new(&scan.cube, compiler)?,
            condition,
        }))
    }

    /// The cells of a unit where it holds.
    ///
    /// # Errors
    /// An expression that fails on a value.
    pub(crate) fn matches(
        &mut self,
        unit: &Unit,
        read: &[Option<UnitValues>],
    ) -> Result<BooleanBuffer> {
        self.expressions.enter(unit, read, None)?;
        Ok(self.expressions.truths(self.condition, unit.rows()))
    }
}
