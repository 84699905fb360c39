//! Turns the cells of a unit into record batches: values first, coordinates last.
//!
//! ```text
//!  unit, counts (t=48, y=91, x=180), batch of 32 768 rows
//!  piece = 2 whole planes:   t  filled      y, x  the same buffers for every piece, made once
//! ```
//! A piece is a range along one axis ("split"), all cells of the axes inside it, and one cell of each
//! axis outside it. So the columns of inner axes repeat from piece to piece and are shared.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue};

use crate::cube::Cube;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;
use crate::scan::predicate::batch_of;

/// Rows of a unit that become one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Rows of the unit, counted from its first.
    pub(crate) rows: Range<usize>,
    /// The axis along which the piece is a range.
    split: usize,
    /// Cells along the split axis.
    along: Range<usize>,
    /// Product of the counts of the axes inside the split axis.
    inner: usize,
}

/// Cuts a unit into pieces of at most about `target` rows.
pub(crate) fn pieces(counts: &[usize], target: usize) -> Vec<Piece> {
    let total: usize = counts.iter().product();
    if total == 0 {
        return Vec::new();
    }
    // The outermost axis whose inside still fits into a piece.
    let mut split = counts.len().saturating_sub(1);
    let mut inner = 1;
    while split > 0 && inner * counts[split] <= target {
        inner *= counts[split];
        split -= 1;
    }
    let along = counts.get(split).copied().unwrap_or(1);
    let step = (target / inner).max(1);
    let outer = total / (inner * along);
    let mut pieces = Vec::with_capacity(outer * along.div_ceil(step));
    for prefix in 0..outer {
        for start in (0..along).step_by(step) {
            let end = (start + step).min(along);
            let first = (prefix * along + start) * inner;
            pieces.push(Piece {
                rows: first..first + (end - start) * inner,
                split,
                along: start..end,
                inner,
            });
        }
    }
    pieces
}

/// A column of a unit before it is laid out in rows.
#[derive(Debug, Clone)]
struct UnitColumn {
    values: UnitValues,
    /// The axes the values run along, ascending.
    axes: Vec<usize>,
}

/// Makes batches of some of a cube's columns, unit after unit.
#[derive(Debug)]
pub(crate) struct RowMaker {
    cube: Arc<Cube>,
    shared: HashMap<SharedKey, ArrayRef>,
    shared_bytes: usize,
}

/// Where a column of an inner axis repeats: column, chunks of the axes from the split on, rows along the split axis.
type SharedKey = (usize, Vec<u64>, Range<usize>);

/// Columns shared between pieces are forgotten beyond this many bytes.
const SHARED_BYTES: usize = 32 << 20;

/// The columns of one unit, ready to be cut into batches.
#[derive(Debug)]
pub(crate) struct UnitRows {
    unit: Unit,
    counts: Vec<usize>,
    columns: HashMap<usize, UnitColumn>,
}

impl UnitRows {
    /// Starts with the coordinates of `axes` only.
    pub(crate) fn new(cube: &Cube, unit: Unit, axes: impl Iterator<Item = usize>) -> Result<Self> {
        let mut columns = HashMap::new();
        for axis in axes {
            let cells = UInt64Array::from(unit.axes[axis].cells());
            let values = UnitValues::Array(take(&cube.axes[axis].coordinates, &cells, None)?);
            columns.insert(
                axis,
                UnitColumn {
                    values,
                    axes: vec![axis],
                },
            );
        }
        let counts = unit.counts();
        Ok(Self {
            unit,
            counts,
            columns,
        })
    }

    /// Adds the values of a variable, assembled for this unit.
    pub(crate) fn add(&mut self, cube: &Cube, variable: usize, values: UnitValues) {
        let mut axes = cube.variables[variable].axes.clone();
        axes.sort_unstable();
        self.columns
            .insert(cube.axes.len() + variable, UnitColumn { values, axes });
    }

    /// The unit.
    pub(crate) fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Selected cells per axis.
    pub(crate) fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The values of a column of the table, and the axes they run along, ascending; `None` where it was not read.
    pub(crate) fn values(&self, column: usize) -> Option<(&UnitValues, &[usize])> {
        let column = self.columns.get(&column)?;
        Some((&column.values, &column.axes))
    }
}

impl RowMaker {
    /// A maker of rows of `cube`.
    pub(crate) fn new(cube: Arc<Cube>) -> Self {
        Self {
            cube,
            shared: HashMap::new(),
            shared_bytes: 0,
        }
    }

    /// The rows of `piece` with `columns` (indices into the table's schema), as a batch of `schema`.
    pub(crate) fn batch(
        &mut self,
        unit: &UnitRows,
        piece: &Piece,
        columns: &[usize],
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        let arrays = columns
            .iter()
            .map(|column| self.column(unit, piece, *column))
            .collect::<Result<Vec<_>>>()?;
        batch_of(schema, arrays, piece.rows.len())
    }

    fn column(&mut self, unit: &UnitRows, piece: &Piece, index: usize) -> Result<ArrayRef> {
        let Some(column) = unit.columns.get(&index) else {
            return datafusion::common::internal_err!("column {index} was not read for this unit");
        };
        let rows = piece.rows.len();
        let values = match &column.values {
            UnitValues::Constant(value) => return value.to_array_of_size(rows),
            UnitValues::Array(values) => values,
        };
        if column.axes.len() == unit.counts.len() {
            return Ok(values.slice(piece.rows.start, rows));
        }
        if column.axes.iter().all(|axis| *axis < piece.split) {
            let value =
                ScalarValue::try_from_array(values, self.position(unit, piece, &column.axes))?;
            return value.to_array_of_size(rows);
        }
        if index < self.cube.axes.len() {
            return self.shared_column(unit, piece, index, column, values);
        }
        self.lay_out(unit, piece, column, values)
    }

    fn shared_column(
        &mut self,
        unit: &UnitRows,
        piece: &Piece,
        index: usize,
        column: &UnitColumn,
        values: &ArrayRef,
    ) -> Result<ArrayRef> {
        // Columns of axes inside the split axis repeat whatever the range along it, if it is as long.
        let along = if index > piece.split {
            0..piece.along.len()
        } else {
            piece.along.clone()
        };
        let chunks = unit.unit.axes[piece.split..]
            .iter()
            .map(|axis| axis.chunk)
            .collect();
        let key = (index, chunks, along);
        if let Some(shared) = self.shared.get(&key) {
            return Ok(Arc::clone(shared));
        }
        let made = self.lay_out(unit, piece, column, values)?;
        if self.shared_bytes > SHARED_BYTES {
            self.shared.clear();
            self.shared_bytes = 0;
        }
        self.shared_bytes += made.get_array_memory_size();
        self.shared.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// Index of the first value of `axes` at the piece's first row.
    fn position(&self, unit: &UnitRows, piece: &Piece, axes: &[usize]) -> usize {
        let mut row = piece.rows.start;
        let mut cell = vec![0; unit.counts.len()];
        for (axis, count) in unit.counts.iter().enumerate().rev() {
            cell[axis] = row % count;
            row /= count;
        }
        axes.iter().fold(0, |position, axis| {
            position * unit.counts[*axis] + cell[*axis]
        })
    }

    /// The values at every row of a piece, for values over some of the axes.
    fn lay_out(
        &self,
        unit: &UnitRows,
        piece: &Piece,
        column: &UnitColumn,
        values: &ArrayRef,
    ) -> Result<ArrayRef> {
        // How far a step along each axis moves within the values; 0 for axes they do not run along.
        let mut strides = vec![0; unit.counts.len()];
        let mut stride = 1;
        for axis in column.axes.iter().rev() {
            strides[*axis] = stride;
            stride *= unit.counts[*axis];
        }
        let first = self.position(unit, piece, &column.axes);
        // Positions of one inside of the split axis, then of the whole piece.
        let mut inside = vec![0u32];
        for (count, stride) in unit.counts.iter().zip(&strides).skip(piece.split + 1) {
            inside = inside
                .iter()
                .flat_map(|base| (0..*count).map(move |cell| base + (cell * stride) as u32))
                .collect();
        }
        let along_stride = strides.get(piece.split).copied().unwrap_or(0);
        let mut positions = Vec::with_capacity(piece.rows.len());
        for cell in 0..piece.along.len() {
            let base = (first + cell * along_stride) as u32;
            positions.extend(inside.iter().map(|position| base + position));
        }
        Ok(take(values, &UInt32Array::from(positions), None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_row_once() {
        for counts in [
            vec![],
            vec![5],
            vec![3, 7],
            vec![2, 3, 5, 4],
            vec![1, 1, 1],
            vec![4, 1, 9],
        ] {
            for target in [1, 2, 6, 20, 59, 60, 1000] {
                let total: usize = counts.iter().product();
                let mut next = 0;
                for piece in pieces(&counts, target) {
                    assert_eq!(piece.rows.start, next, "{counts:?} {target}");
                    assert_eq!(piece.rows.len(), piece.along.len() * piece.inner);
                    assert!(piece.rows.len() <= target);
                    next = piece.rows.end;
                }
                assert_eq!(next, total, "{counts:?} {target}");
            }
        }
        assert!(pieces(&[3, 0], 10).is_empty());
    }
}
