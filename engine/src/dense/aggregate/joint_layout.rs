//! The rows of a unit by group where codes are over several axes: those of regions and of planes.
//!
//! ```text
//!  y, x     ··▄██▄···    runs of cells, by code                        ×     offsets of the time
//!           ·▄████···                                                        steps, by code of time
//! ```
//! The codes stand on the first of those axes; the others of them have code 0.

use crate::dense::aggregate::layout::{Bucket, Extent, Inner, UnitLayout, inner};
use crate::dense::joint::JointCodes;
use crate::dense::keys::GroupKeys;
use crate::scan::grid::Unit;

impl UnitLayout {
    /// Sorts the cells of `unit` that have codes of `joint`; all their groups lie in `extent`.
    pub(super) fn of_joint(
        keys: &GroupKeys,
        joint: &JointCodes,
        unit: &Unit,
        extent: &Extent,
    ) -> Self {
        let rank = unit.axes.len();
        let axes = joint.axes();
        let fastest = rank - 1;
        let codes: Vec<Vec<usize>> = (0..rank)
            .map(|axis| match axes.contains(&axis) {
                true => Vec::new(),
                false => {
                    let codes = keys.axes[axis].of(&unit.axes[axis]).into_iter();
                    codes.map(|code| code as usize - extent.low[axis]).collect()
                }
            })
            .collect();
        let inner = match axes.contains(&fastest) {
            true => Inner::One { code: 0 },
            false => inner(&codes[fastest], keys.axes[fastest].is_identity),
        };
        let row = match axes.contains(&fastest) {
            true => None,
            false => Some(unit.axes[fastest].count),
        };
        let others = (0..fastest).filter(|axis| !axes.contains(axis));
        let others = other_axes(unit, &codes, others);
        let mut buckets = Vec::new();
        for (code, runs) in by_code(joint, unit, row) {
            for (of_others, offsets) in &others {
                let mut group = of_others.clone();
                group[axes[0]] = code;
                let (plane, base) = extent.place(&group);
                let starts = |run: usize| offsets.iter().map(move |offset| offset + run);
                let is_one = matches!(inner, Inner::One { .. });
                let mut bucket = Bucket {
                    plane,
                    base,
                    offsets: Vec::new(),
                    merged: Vec::new(),
                };
                for same in runs.chunk_by(|(_, one), (_, other)| one == other) {
                    let rows = same.iter().flat_map(|(start, _)| starts(*start));
                    match is_one {
                        true => bucket.merged.push((same[0].1, rows.collect())),
                        false => bucket.offsets.extend(rows),
                    }
                }
                buckets.push(bucket);
            }
        }
        Self {
            buckets,
            inner,
            is_partition: joint.is_partition(),
        }
    }
}

/// For every combination of codes on `axes`, the rows of a unit at which they stand; the codes are
/// given for all axes, 0 where others.
fn other_axes(
    unit: &Unit,
    codes: &[Vec<usize>],
    axes: impl Iterator<Item = usize>,
) -> Vec<(Vec<usize>, Vec<usize>)> {
    let strides = unit.strides();
    let mut all = vec![(vec![0; codes.len()], vec![0])];
    for axis in axes {
        let mut cells: Vec<(usize, usize)> = codes[axis].iter().copied().zip(0..).collect();
        cells.sort_unstable();
        let refined = all.iter().flat_map(|(group, offsets)| {
            let stride = strides[axis];
            cells
                .chunk_by(|(one, _), (other, _)| one == other)
                .map(move |same| {
                    let mut group = group.clone();
                    group[axis] = same[0].0;
                    let steps = same.iter().map(|(_, cell)| cell * stride);
                    let rows = steps.flat_map(|step| offsets.iter().map(move |start| start + step));
                    (group, rows.collect())
                })
        });
        all = refined.collect();
    }
    all
}

/// The runs of each code: where they start and how many rows they are, shorter ones first. Runs that
/// follow each other are joined. With `row`, the rows of one cell, each cell is a run by itself.
fn by_code(
    joint: &JointCodes,
    unit: &Unit,
    row: Option<usize>,
) -> Vec<(usize, Vec<(usize, usize)>)> {
    let stride = unit.strides()[joint.axes().last().copied().unwrap_or(0)];
    let mut runs: Vec<(u32, usize, usize)> = Vec::new();
    for run in joint.runs(unit) {
        let code = run.code;
        match row {
            None => runs.push((code, run.start, run.cells)),
            Some(row) => {
                runs.extend((0..run.cells).map(|cell| (code, run.start + cell * stride, row)));
            }
        }
    }
    runs.sort_unstable();
    if row.is_none() {
        runs.dedup_by(|next, before| {
            let follows = next.0 == before.0 && next.1 == before.1 + before.2;
            if follows {
                before.2 += next.2;
            }
            follows
        });
    }
    runs.chunk_by(|one, other| one.0 == other.0)
        .map(|same| {
            let mut runs: Vec<(usize, usize)> = same.iter().map(|run| (run.1, run.2)).collect();
            runs.sort_unstable_by_key(|(start, length)| (*length, *start));
            (same[0].0 as usize, runs)
        })
        .collect()
}
