//! Codes that cells have by their place on several axes together: cells of regions, and group keys over
//! a plane.
//!
//! ```text
//!  JOIN … GROUP BY zone      0 0 · · ·      a cell may be in several regions, or in none
//!                            0 01 1 · ·
//!  GROUP BY round(lat + lon) 0 0 1 1 2      every cell has one code
//!                            0 1 1 2 2
//! ```
//! Both are runs of cells with one code. The codes stand on the first of the axes, see
//! [`crate::dense::keys`]; each of the others has code 0.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::cube::Cube;
use crate::dense::regions::{RegionMap, Regions};
use crate::scan::grid::{ScanGrid, Unit};
use crate::scan::predicate::{batch_of, remap_columns};
use crate::scan::selection::AxisSelection;

/// Cells of a plane for which keys are evaluated while planning, at most.
pub(crate) const MOST_CELLS: u64 = 1 << 23;

/// Cells of a plane on which keys are evaluated at a time.
const PIECE_CELLS: usize = 65_536;

/// Codes over several axes.
#[derive(Debug)]
pub(crate) enum JointCodes {
    /// Of the cells of regions.
    Regions {
        /// Code of each region.
        codes: Vec<u32>,
        map: RegionMap,
        /// The regions weigh on the memory pool as long as they are here.
        _regions: Regions,
    },
    /// Of every cell of two axes.
    Plane {
        axes: [usize; 2],
        /// Cells of the second axis.
        length: usize,
        /// Code of each cell, the second axis fastest; those of cells that are not selected mean nothing.
        codes: Vec<u32>,
    },
}

/// Neighbouring cells with one code along the last of the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeRun {
    pub(crate) code: u32,
    /// Row of the unit at which it starts, at the first cell of each other axis.
    pub(crate) start: usize,
    /// Cells.
    pub(crate) cells: usize,
}

impl JointCodes {
    /// The codes of regions by `keys` over their table, and the keys of each code. The cells of a scan
    /// are those of `grid`.
    ///
    /// # Errors
    /// A key that fails on a region, or the memory pool has no room.
    pub(super) fn of_regions(
        regions: Regions,
        keys: &[Arc<dyn PhysicalExpr>],
        grid: &ScanGrid,
    ) -> Result<(Self, usize, Vec<ArrayRef>)> {
        let rows = regions.rows.num_rows();
        let map = RegionMap::new(&regions.boxes, grid, &regions.memory)?;
        let values = keys
            .iter()
            .map(|key| key.evaluate(&regions.rows)?.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let (codes, values) = match values.is_empty() {
            true => (vec![0; rows], values),
            false => grouped(&values)?,
        };
        let codes: Vec<u32> = codes.into_iter().map(|code| code as u32).collect();
        let count = codes.iter().max().map_or(0, |last| *last as usize + 1);
        let codes = Self::Regions {
            codes,
            map,
            _regions: regions,
        };
        Ok((codes, count, values))
    }

    /// The codes of the selected cells of two axes by `keys` over the table's schema, and the keys of
    /// each code.
    ///
    /// # Errors
    /// A key that fails on a selected cell.
    pub(super) fn of_plane(
        cube: &Cube,
        selections: &[AxisSelection],
        axes: [usize; 2],
        keys: &[&Arc<dyn PhysicalExpr>],
    ) -> Result<(Self, usize, Vec<ArrayRef>)> {
        let [rows, cells] = axes.map(|axis| selections[axis].cells().collect::<Vec<u64>>());
        let coordinates = [
            selections[axes[0]].take(&cube.axes[axes[0]].coordinates)?,
            selections[axes[1]].take(&cube.axes[axes[1]].coordinates)?,
        ];
        let [all_rows, length] = axes.map(|axis| cube.axes[axis].coordinates.len());
        let schema = Arc::new(cube.schema.project(&axes)?);
        let keys = keys
            .iter()
            .map(|key| remap_columns(Arc::clone(key), &axes))
            .collect::<Result<Vec<_>>>()?;
        let fields = keys.iter().map(|key| key.return_field(&schema));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let mut groups = new_group_values(
            key_schema(fields.iter().map(AsRef::as_ref)),
            &GroupOrdering::None,
        )?;
        let mut codes = vec![0; all_rows * length];
        let mut indices = Vec::new();
        let at_once = (PIECE_CELLS / cells.len().max(1)).max(1);
        for first in (0..rows.len()).step_by(at_once) {
            let here = first..(first + at_once).min(rows.len());
            let count = here.len() * cells.len();
            let slow: UInt32Array = here
                .clone()
                .flat_map(|row| std::iter::repeat_n(row as u32, cells.len()))
                .collect::<Vec<_>>()
                .into();
            let fast: UInt32Array = (0..count)
                .map(|cell| (cell % cells.len()) as u32)
                .collect::<Vec<_>>()
                .into();
            let columns = vec![
                take(&coordinates[0], &slow, None)?,
                take(&coordinates[1], &fast, None)?,
            ];
            let batch = batch_of(&schema, columns, count)?;
            let values = keys
                .iter()
                .map(|key| key.evaluate(&batch)?.into_array(count))
                .collect::<Result<Vec<_>>>()?;
            groups.intern(&values, &mut indices)?;
            for (row, indices) in std::iter::zip(here, indices.chunks(cells.len().max(1))) {
                let line = &mut codes[rows[row] as usize * length..][..length];
                for (cell, index) in std::iter::zip(&cells, indices) {
                    line[*cell as usize] = *index as u32;
                }
            }
        }
        let count = groups.len();
        let codes = Self::Plane {
            axes,
            length,
            codes,
        };
        Ok((codes, count, groups.emit(EmitTo::All)?))
    }

    /// The axes, ascending.
    pub(crate) fn axes(&self) -> &[usize] {
        match self {
            Self::Regions { map, .. } => map.axes(),
            Self::Plane { axes, .. } => axes,
        }
    }

    /// Has every cell one code?
    pub(crate) fn is_partition(&self) -> bool {
        matches!(self, Self::Plane { .. })
    }

    /// May a cell of the unit have a code?
    pub(crate) fn touches(&self, unit: &Unit) -> bool {
        match self {
            Self::Regions { map, .. } => map.touches(unit),
            Self::Plane { .. } => true,
        }
    }

    /// The cells of a unit that have codes.
    pub(crate) fn runs(&self, unit: &Unit) -> Vec<CodeRun> {
        match self {
            Self::Regions { codes, map, .. } => {
                let runs = map.runs(unit).into_iter();
                runs.map(|run| CodeRun {
                    code: codes[run.region as usize],
                    start: run.start,
                    cells: run.cells,
                })
                .collect()
            }
            Self::Plane {
                axes,
                length,
                codes,
            } => {
                let [slow, fast] = axes.map(|axis| unit.axes[axis].cells());
                let strides = unit.strides();
                let [slow_stride, fast_stride] = axes.map(|axis| strides[axis]);
                let mut runs = Vec::new();
                for (row, slow) in slow.iter().enumerate() {
                    let line = &codes[*slow as usize * length..][..*length];
                    let mut start = 0;
                    for same in
                        fast.chunk_by(|one, other| line[*one as usize] == line[*other as usize])
                    {
                        runs.push(CodeRun {
                            code: line[same[0] as usize],
                            start: row * slow_stride + start * fast_stride,
                            cells: same.len(),
                        });
                        start += same.len();
                    }
                }
                runs
            }
        }
    }
}

/// The group of each row of `keys`, numbered in the order in which they appear, and the keys of each
/// group.
pub(super) fn grouped(keys: &[ArrayRef]) -> Result<(Vec<usize>, Vec<ArrayRef>)> {
    let fields: Vec<Field> = keys
        .iter()
        .map(|key| Field::new("key", key.data_type().clone(), true))
        .collect();
    // The very grouping of DataFusion's hash aggregate, so that NaN, -0.0 and NULL group alike.
    let mut groups = new_group_values(key_schema(fields.iter()), &GroupOrdering::None)?;
    let mut indices = Vec::new();
    groups.intern(keys, &mut indices)?;
    Ok((indices, groups.emit(EmitTo::All)?))
}

fn key_schema<'a>(fields: impl Iterator<Item = &'a Field>) -> Arc<Schema> {
    let nullable = |field: &Field| Field::new("key", field.data_type().clone(), true);
    Arc::new(Schema::new(fields.map(nullable).collect::<Vec<_>>()))
}
