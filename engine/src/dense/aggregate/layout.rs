//! The rows of a unit by group: which cells of its flat arrays belong together.
//!
//! A row is a unit's cells along the fastest axis. Rows whose codes on the other axes agree form a
//! [`Bucket`]; what happens along the fastest axis is the same for all of them ([`Inner`]).
//!
//! ```text
//!  GROUP BY lat         buckets: one per lat, a row for each time       inner: One       runs
//!  GROUP BY lat, lon    buckets: one per lat                            inner: Identity  columns
//!  GROUP BY time        buckets: one per time, its rows merged to one   inner: One       runs
//!  GROUP BY floor(lon)  one bucket                                      inner: Segments  fold, or runs
//! ```

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use datafusion::common::Result;
use graticule_functions::kernels::Rows;

use crate::dense::keys::GroupKeys;
use crate::scan::grid::Unit;

/// The groups of a tile: codes of each axis from `low` on, `sizes` of them.
#[derive(Debug, Clone)]
pub(crate) struct Extent {
    /// First code, per axis.
    pub(crate) low: Vec<usize>,
    /// Number of codes, per axis.
    pub(crate) sizes: Vec<usize>,
}

impl Extent {
    /// Groups of one plane: of one code of the slowest axis. A cube of one axis is one plane.
    pub(crate) fn plane(&self) -> usize {
        self.sizes[self.first_inner()..].iter().product()
    }

    /// Number of planes.
    pub(crate) fn planes(&self) -> usize {
        self.sizes[..self.first_inner()].iter().product()
    }

    /// The plane of a group, given its code on each axis from `low` on, and its place in the plane.
    pub(crate) fn place(&self, group: &[usize]) -> (usize, usize) {
        let (planes, inner) = group.split_at(self.first_inner());
        let sizes = &self.sizes[self.first_inner()..];
        let place = std::iter::zip(inner, sizes).fold(0, |place, (code, size)| place * size + code);
        (planes.first().copied().unwrap_or(0), place)
    }

    fn first_inner(&self) -> usize {
        usize::from(self.sizes.len() > 1)
    }
}

/// Rows that belong to the same groups.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Which plane of the extent.
    pub(crate) plane: usize,
    /// Group within the plane of code 0 of the fastest axis.
    pub(crate) base: usize,
    /// Where each row starts in the unit's flat arrays.
    pub(crate) offsets: Vec<usize>,
    /// The rows with neighbours merged, by length; only where the group is one along the row. Rows of
    /// regions start and end where they like.
    pub(crate) merged: Vec<(usize, Vec<usize>)>,
}

/// A run of equal codes along the fastest axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// First cell of the row.
    pub(crate) start: usize,
    /// Cells.
    pub(crate) length: usize,
    /// Code within the extent.
    pub(crate) code: usize,
}

/// The groups along the fastest axis.
#[derive(Debug)]
pub(crate) enum Inner {
    /// All cells of a row belong to one group.
    One {
        /// Code within the extent.
        code: usize,
    },
    /// Each cell has a group of its own, in order.
    Identity {
        /// Code of the first cell within the extent.
        code: usize,
        /// Cells of a row.
        length: usize,
    },
    /// Anything else.
    Segments {
        /// Runs of equal codes.
        segments: Vec<Segment>,
        /// Cells of a row.
        length: usize,
    },
}

/// Segments shorter than this are reduced position by position and folded afterwards.
const SHORT_SEGMENT: usize = 32;

/// Rows that are reduced in one go, and into which groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit<'a> {
    /// Which plane of the extent.
    pub(crate) plane: usize,
    /// The cells.
    pub(crate) rows: Rows<'a>,
    /// Where they go.
    pub(crate) groups: Groups<'a>,
}

/// The groups of a visit, within its plane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Groups<'a> {
    /// All cells belong to this one.
    One(usize),
    /// Each position of the rows has its own, from this one on.
    Each(usize),
    /// Runs of positions share one: `base` plus the run's code.
    Segments {
        /// Added to the codes.
        base: usize,
        /// Short runs that cover the rows.
        segments: &'a [Segment],
    },
}

/// The rows of one unit by group.
#[derive(Debug)]
pub(crate) struct UnitLayout {
    /// See [`Bucket`].
    pub(crate) buckets: Vec<Bucket>,
    /// See [`Inner`].
    pub(crate) inner: Inner,
    /// Is every cell in one group?
    pub(crate) is_partition: bool,
}

/// The cells of a unit that are in groups, one after the other.
#[derive(Debug)]
pub(crate) struct Members {
    /// Which cells; `None` when every cell is in one group.
    pub(crate) cells: Option<UInt32Array>,
    /// The group of each.
    pub(crate) groups: Vec<usize>,
}

impl Members {
    /// The values of the members, of arrays with those of all cells.
    pub(crate) fn take(&self, all: impl Iterator<Item = ArrayRef>) -> Result<Vec<ArrayRef>> {
        match &self.cells {
            None => Ok(all.collect()),
            Some(cells) => all.map(|values| Ok(take(&values, cells, None)?)).collect(),
        }
    }

    /// The bits of the members, of those of all cells.
    pub(crate) fn take_mask(&self, all: Option<BooleanBuffer>) -> Result<Option<BooleanArray>> {
        let all = all.map(|all| BooleanArray::new(all, None));
        match (all, &self.cells) {
            (Some(all), Some(cells)) => Ok(Some(take(&all, cells, None)?.as_boolean().clone())),
            (all, _) => Ok(all),
        }
    }
}

impl UnitLayout {
    /// Sorts the rows of `unit`, all of whose groups lie in `extent`.
    pub(crate) fn new(keys: &GroupKeys, unit: &Unit, extent: &Extent) -> Self {
        if let Some(joint) = &keys.joint {
            return Self::of_joint(keys, joint, unit, extent);
        }
        let rank = unit.axes.len();
        let codes: Vec<Vec<usize>> = (0..rank)
            .map(|axis| {
                let codes = keys.axes[axis].of(&unit.axes[axis]).into_iter();
                codes.map(|code| code as usize - extent.low[axis]).collect()
            })
            .collect();
        let inner = inner(&codes[rank - 1], keys.axes[rank - 1].is_identity);
        let length = codes[rank - 1].len();
        let mut buckets = vec![Bucket {
            plane: 0,
            base: 0,
            offsets: vec![0],
            merged: Vec::new(),
        }];
        for (axis, codes) in codes[..rank - 1].iter().enumerate() {
            buckets = refine(buckets, axis, codes, extent.sizes[axis]);
        }
        let last = extent.sizes[rank - 1];
        for bucket in &mut buckets {
            bucket.base *= last;
            for offset in &mut bucket.offsets {
                *offset *= length;
            }
            if matches!(inner, Inner::One { .. }) {
                bucket.offsets.sort_unstable();
                bucket.merged = merge(&bucket.offsets, length);
            }
        }
        Self {
            buckets,
            inner,
            is_partition: true,
        }
    }

    /// Everything that is to be reduced.
    pub(crate) fn visits(&self) -> impl Iterator<Item = Visit<'_>> {
        self.buckets
            .iter()
            .flat_map(|bucket| self.bucket_visits(bucket))
    }

    fn bucket_visits<'a>(&'a self, bucket: &'a Bucket) -> Vec<Visit<'a>> {
        let visit = |offsets: &'a [usize], shift, length, groups| Visit {
            plane: bucket.plane,
            rows: Rows {
                offsets,
                shift,
                length,
            },
            groups,
        };
        let (offsets, base) = (bucket.offsets.as_slice(), bucket.base);
        match &self.inner {
            Inner::One { code } => {
                let merged = bucket.merged.iter();
                let one = Groups::One(base + code);
                merged
                    .map(|(length, offsets)| visit(offsets, 0, *length, one))
                    .collect()
            }
            Inner::Identity { code, length } => {
                vec![visit(offsets, 0, *length, Groups::Each(base + code))]
            }
            Inner::Segments { segments, length } if length / segments.len() < SHORT_SEGMENT => {
                vec![visit(
                    offsets,
                    0,
                    *length,
                    Groups::Segments { base, segments },
                )]
            }
            Inner::Segments { segments, .. } => segments
                .iter()
                .map(|segment| {
                    let one = Groups::One(base + segment.code);
                    visit(offsets, segment.start, segment.length, one)
                })
                .collect(),
        }
    }

    /// The group of every one of `cells` cells, or of those that are in groups: planes first, then groups
    /// within a plane of `plane` groups.
    pub(crate) fn members(&self, cells: usize, plane: usize) -> Members {
        if self.is_partition {
            let mut groups = vec![0; cells];
            self.for_each(plane, |cells, first, step| {
                for (place, group) in groups[cells].iter_mut().enumerate() {
                    *group = first + place * step;
                }
            });
            return Members {
                cells: None,
                groups,
            };
        }
        let (mut members, mut groups) = (Vec::new(), Vec::new());
        self.for_each(plane, |cells, first, step| {
            groups.extend((0..cells.len()).map(|place| first + place * step));
            members.extend(cells.map(|cell| cell as u32));
        });
        Members {
            cells: Some(members.into()),
            groups,
        }
    }

    /// Calls `visit` with neighbouring cells, the group of the first, and how far apart their groups are.
    fn for_each(&self, plane: usize, mut visit: impl FnMut(Range<usize>, usize, usize)) {
        for bucket in &self.buckets {
            let base = bucket.plane * plane + bucket.base;
            match &self.inner {
                Inner::One { code } => {
                    for (length, offsets) in &bucket.merged {
                        for offset in offsets {
                            visit(*offset..offset + length, base + code, 0);
                        }
                    }
                }
                Inner::Identity { code, length } => {
                    for offset in &bucket.offsets {
                        visit(*offset..offset + length, base + code, 1);
                    }
                }
                Inner::Segments { segments, .. } => {
                    let each = |offset| segments.iter().map(move |segment| (offset, segment));
                    for (offset, segment) in bucket.offsets.iter().flat_map(each) {
                        let start = offset + segment.start;
                        visit(start..start + segment.length, base + segment.code, 0);
                    }
                }
            }
        }
    }
}

/// Splits buckets by the codes of one more axis.
fn refine(buckets: Vec<Bucket>, axis: usize, codes: &[usize], size: usize) -> Vec<Bucket> {
    let mut distinct: Vec<usize> = codes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut cells: Vec<Vec<usize>> = vec![Vec::new(); distinct.len()];
    for (cell, code) in codes.iter().enumerate() {
        if let Ok(position) = distinct.binary_search(code) {
            cells[position].push(cell);
        }
    }
    let mut refined = Vec::with_capacity(buckets.len() * distinct.len());
    for bucket in &buckets {
        for (code, cells) in std::iter::zip(&distinct, &cells) {
            let mut offsets = Vec::with_capacity(bucket.offsets.len() * cells.len());
            for offset in &bucket.offsets {
                offsets.extend(cells.iter().map(|cell| offset * codes.len() + cell));
            }
            refined.push(Bucket {
                plane: if axis == 0 { *code } else { bucket.plane },
                base: if axis == 0 {
                    0
                } else {
                    bucket.base * size + code
                },
                offsets,
                merged: Vec::new(),
            });
        }
    }
    refined
}

/// What happens along the fastest axis, whose cells have `codes`.
pub(super) fn inner(codes: &[usize], is_identity: bool) -> Inner {
    let length = codes.len();
    let first = codes.first().copied().unwrap_or(0);
    if codes.iter().all(|code| *code == first) {
        return Inner::One { code: first };
    }
    if is_identity {
        return Inner::Identity {
            code: first,
            length,
        };
    }
    let mut segments: Vec<Segment> = Vec::new();
    for (cell, code) in codes.iter().enumerate() {
        match segments.last_mut() {
            Some(last) if last.code == *code => last.length += 1,
            _ => segments.push(Segment {
                start: cell,
                length: 1,
                code: *code,
            }),
        }
    }
    Inner::Segments { segments, length }
}

/// Joins rows that follow each other without a gap, and sorts the results by length.
fn merge(offsets: &[usize], length: usize) -> Vec<(usize, Vec<usize>)> {
    let mut by_length: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut add = |start: usize, length: usize| match by_length
        .iter_mut()
        .find(|(other, _)| *other == length)
    {
        Some((_, starts)) => starts.push(start),
        None => by_length.push((length, vec![start])),
    };
    let mut offsets = offsets.iter();
    let Some(mut start) = offsets.next().copied() else {
        return by_length;
    };
    let mut end = start + length;
    for offset in offsets {
        if *offset == end {
            end += length;
        } else {
            add(start, end - start);
            (start, end) = (*offset, offset + length);
        }
    }
    add(start, end - start);
    by_length
}
