//! Medians and percentiles: the values of a group are kept until all are there, and one or two of them
//! are selected.
//!
//! ```text
//!  units of a tile   ┌──┐ ┌──┐ ┌──┐    kept as they were decoded, with the bits of their valid cells
//!                    └──┘ └──┘ └──┘
//!  a few groups       ▏▏   ▏▏   ▏▏     when a plane of groups is done: their cells side by side,
//!                     └────┬────┘      in the cache
//!                       selection
//! ```
//! Definitions are those of DataFusion: of an even number of values the median is the mean of the two in
//! the middle; `percentile_cont` goes from one value to the next in millionths. Values are in total order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type};
use arrow::array::{Array, ArrayRef, Float32Array, Float64Array};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use graticule_functions::kernels::order::TotalOrder;
use graticule_functions::kernels::select::{self, Key, Selection};
use graticule_functions::kernels::series::{self, SideBySide};
use graticule_functions::kernels::{Bits, Rows};

use crate::dense::aggregate::layout::{Groups, UnitLayout, Visit};
use crate::dense::aggregate::output::flat;
use crate::dense::aggregate::plan::ElementType;

/// Which value of a group is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quantile {
    /// The one in the middle.
    Median,
    /// The one below which this part of the values lies.
    Percentile(f64),
}

/// What `WITHIN GROUP` steps from one value to the next are counted in.
const STEPS: f64 = 1e6;

impl Quantile {
    /// What a function finds, if it is a quantile of its first argument.
    pub(crate) fn of(
        function: &AggregateFunctionExpr,
        arguments: &[Arc<dyn PhysicalExpr>],
    ) -> Option<Self> {
        match (function.fun().name(), arguments) {
            ("median", [_]) => Some(Self::Median),
            ("percentile_cont", [_, part]) => {
                let part = match part.downcast_ref::<Literal>()?.value() {
                    ScalarValue::Float32(Some(part)) => f64::from(*part),
                    ScalarValue::Float64(Some(part)) => *part,
                    _ => return None,
                };
                let order = function.order_bys();
                let is_descending = order.first().is_some_and(|first| first.options.descending);
                let part = if is_descending { 1.0 - part } else { part };
                (0.0..=1.0)
                    .contains(&part)
                    .then_some(Self::Percentile(part))
            }
            _ => None,
        }
    }

    /// As `EXPLAIN` shows it.
    pub(crate) fn describe(self, source: &str) -> String {
        match self {
            Self::Median => format!("median({source})"),
            Self::Percentile(part) => format!("percentile_cont({source}, {part})"),
        }
    }

    /// The rank of the value, and how far it is from there to the next one.
    fn place(self, count: usize) -> (usize, f64) {
        match self {
            Self::Median if count.is_multiple_of(2) => (count / 2 - 1, 0.5),
            Self::Median => (count / 2, 0.0),
            Self::Percentile(part) => {
                let index = part * (count - 1) as f64;
                (index.floor() as usize, index - index.floor())
            }
        }
    }
}

/// One quantile of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) quantile: Quantile,
    /// Is it computed in double precision, whatever the values are?
    pub(crate) is_wide: bool,
}

impl Wanted {
    /// What lies a part of the way from a value to the next one.
    fn between<F: Middle>(self, low: F, high: F, part: f64) -> f64 {
        match self.quantile {
            Quantile::Median if self.is_wide => f64::middle(low.into(), high.into()),
            Quantile::Median => low.middle(high).into(),
            Quantile::Percentile(_) => {
                let (low, high): (f64, f64) = (low.into(), high.into());
                low + (high - low) * ((part * STEPS).floor() / STEPS)
            }
        }
    }
}

/// A float of which there are quantiles.
trait Middle: TotalOrder + Into<f64> {
    /// The mean of two values, in their own type.
    fn middle(self, other: Self) -> Self;
}

impl Middle for f32 {
    fn middle(self, other: Self) -> Self {
        (self + other) / 2.0
    }
}

impl Middle for f64 {
    fn middle(self, other: Self) -> Self {
        (self + other) / 2.0
    }
}

/// A unit whose values are kept.
#[derive(Debug)]
struct Held {
    layout: Arc<UnitLayout>,
    values: ArrayRef,
    valid: Option<BooleanBuffer>,
    /// Planes and positions of the layout's buckets, by plane.
    buckets: Vec<(usize, usize)>,
    /// Buckets whose groups have not been emitted.
    left: usize,
}

impl Held {
    fn buckets_of(&self, plane: usize) -> &[(usize, usize)] {
        let first = self.buckets.partition_point(|(other, _)| *other < plane);
        let last = self.buckets.partition_point(|(other, _)| *other <= plane);
        &self.buckets[first..last]
    }

    fn visits(&self, plane: usize) -> impl Iterator<Item = Visit<'_>> {
        let buckets = self.buckets_of(plane).iter();
        buckets.flat_map(|(_, bucket)| self.layout.visits_of(*bucket))
    }

    fn bytes(&self) -> usize {
        let bits = self.valid.as_ref().map_or(0, |valid| valid.len() / 8);
        self.values.get_array_memory_size() + bits
    }
}

/// The values of one series that are kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    units: Vec<Held>,
}

/// Keys that are gathered at a time, about: so many stay in the cache next to the processor.
const GATHERED: usize = 1 << 17;

impl Kept {
    /// Keeps the values of a unit.
    pub(crate) fn keep(
        &mut self,
        layout: &Arc<UnitLayout>,
        values: ArrayRef,
        valid: Option<BooleanBuffer>,
    ) {
        let planes = layout.buckets.iter().map(|bucket| bucket.plane);
        let mut buckets: Vec<(usize, usize)> = planes.zip(0..).collect();
        buckets.sort_unstable();
        self.units.push(Held {
            left: buckets.len(),
            layout: Arc::clone(layout),
            values,
            valid,
            buckets,
        });
    }

    /// Adds what another worker has kept.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.units.append(&mut other.units);
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.units.iter().map(Held::bytes).sum()
    }

    /// The groups of a plane have been emitted.
    pub(crate) fn forget(&mut self, plane: usize) {
        for unit in &mut self.units {
            unit.left -= unit.buckets_of(plane).len();
        }
        self.units.retain(|unit| unit.left > 0);
    }

    /// Quantiles of all `groups` groups of a plane, one array for each of `wanted`. Memory is asked of
    /// `reserve` before it is used.
    pub(crate) fn quantiles(
        &self,
        element: ElementType,
        plane: usize,
        groups: usize,
        wanted: &[Wanted],
        reserve: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<ArrayRef>> {
        let found = match element {
            ElementType::Float32 => {
                let parts = self.parts(|values| flat::<Float32Type>(values))?;
                select_all::<f32>(&parts, plane, groups, wanted, reserve)?
            }
            ElementType::Float64 => {
                let parts = self.parts(|values| flat::<Float64Type>(values))?;
                select_all::<f64>(&parts, plane, groups, wanted, reserve)?
            }
            _ => return internal_err!("a quantile of integers that are no floats"),
        };
        let column = |(found, wanted): (Vec<Option<f64>>, &Wanted)| match wanted.is_wide {
            true => Arc::new(Float64Array::from(found)) as ArrayRef,
            false => {
                let narrow = found
                    .into_iter()
                    .map(|value| value.map(|value| value as f32));
                Arc::new(narrow.collect::<Float32Array>())
            }
        };
        Ok(std::iter::zip(found, wanted).map(column).collect())
    }

    fn parts<'a, F>(
        &'a self,
        values: impl Fn(&'a ArrayRef) -> Result<&'a [F]>,
    ) -> Result<Vec<Part<'a, F>>> {
        let part = |unit: &'a Held| {
            Ok(Part {
                unit,
                values: values(&unit.values)?,
            })
        };
        self.units.iter().map(part).collect()
    }
}

/// A unit and its values in their own type.
struct Part<'a, F> {
    unit: &'a Held,
    values: &'a [F],
}

fn select_all<F: Middle>(
    parts: &[Part<'_, F>],
    plane: usize,
    groups: usize,
    wanted: &[Wanted],
    reserve: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Vec<Option<f64>>>> {
    let mut cells = vec![0; groups];
    for part in parts {
        for visit in part.unit.visits(plane) {
            each_group(&visit, 0..groups, |group, rows| {
                for cells in &mut cells[group..group + rows.positions] {
                    *cells += rows.cells();
                }
            });
        }
    }
    let largest = cells.iter().copied().max().unwrap_or(0);
    let all = cells.iter().sum::<usize>();
    reserve(largest.max(all.min(GATHERED)) * size_of::<F>())?;
    let mut found = vec![Vec::with_capacity(groups); wanted.len()];
    let (mut keys, mut filled) = (Vec::new(), Vec::new());
    let mut selection: Selection<F::Key> = Selection::default();
    let mut first = 0;
    while first < groups {
        // As many groups as stay in the cache together, at least one.
        let (mut last, mut room) = (first + 1, cells[first]);
        while last < groups && room.max(cells[last]) * (last + 1 - first) <= GATHERED {
            room = room.max(cells[last]);
            last += 1;
        }
        keys.clear();
        keys.resize(room * (last - first), F::Key::HIGHEST);
        filled.clear();
        filled.resize(last - first, 0);
        for part in parts {
            gather(part, plane, first..last, room, &mut keys, &mut filled);
        }
        for group in 0..last - first {
            let keys = &keys[group * room..group * room + filled[group]];
            let count = select::valid(keys);
            for (found, wanted) in std::iter::zip(&mut found, wanted) {
                found.push(select_one::<F>(&mut selection, keys, count, *wanted));
            }
        }
        first = last;
    }
    Ok(found)
}

fn select_one<F: Middle>(
    selection: &mut Selection<F::Key>,
    keys: &[F::Key],
    count: usize,
    wanted: Wanted,
) -> Option<f64> {
    if count == 0 {
        return None;
    }
    let (rank, part) = wanted.quantile.place(count);
    if part == 0.0 {
        let value = selection.nth(keys, rank).map(F::of_key);
        return value.map(Into::into);
    }
    let (low, high) = selection.pair(keys, rank)?;
    Some(wanted.between(F::of_key(low), F::of_key(high), part))
}

/// Puts the cells of the groups in `wanted` side by side, each into `room` places of `keys`, of which
/// `filled` are taken.
fn gather<F: Middle>(
    part: &Part<'_, F>,
    plane: usize,
    wanted: Range<usize>,
    room: usize,
    keys: &mut [F::Key],
    filled: &mut [usize],
) {
    let bits = part.unit.valid.as_ref().map(Bits::new);
    for visit in part.unit.visits(plane) {
        each_group(&visit, wanted.clone(), |group, found| {
            let place = group - wanted.start;
            if found.positions == 1 && found.rows.length != 1 {
                let keys = &mut keys[place * room..(place + 1) * room];
                series::copy(part.values, bits, found.rows, keys, filled[place]);
                filled[place] += found.cells();
                return;
            }
            // Neighbours that have as many cells are one call.
            let mut done = 0;
            let all = &mut filled[place..place + found.positions];
            for same in all.chunk_by_mut(|one, other| one == other) {
                let start = (place + done) * room;
                let mut side_by_side = SideBySide {
                    keys: &mut keys[start..start + same.len() * room],
                    room,
                    filled: same[0],
                };
                let rows = Rows {
                    shift: found.rows.shift + done,
                    length: same.len(),
                    ..found.rows
                };
                series::transpose(part.values, bits, rows, &mut side_by_side);
                done += same.len();
                same.fill(side_by_side.filled);
            }
        });
    }
}

/// Rows of neighbouring groups.
struct GroupRows<'a> {
    rows: Rows<'a>,
    /// Groups: one, or one for each position of the rows.
    positions: usize,
}

impl GroupRows<'_> {
    /// Cells of each group.
    fn cells(&self) -> usize {
        self.rows.offsets.len() * (self.rows.length / self.positions)
    }
}

/// Calls `take` with the rows of those groups of a visit that are `wanted`, and the first of them.
fn each_group<'a>(
    visit: &Visit<'a>,
    wanted: Range<usize>,
    mut take: impl FnMut(usize, GroupRows<'a>),
) {
    let rows = visit.rows;
    let part = |start: usize, length: usize, positions: usize| GroupRows {
        rows: Rows {
            shift: rows.shift + start,
            length,
            ..rows
        },
        positions,
    };
    match visit.groups {
        Groups::One(group) if wanted.contains(&group) => take(group, part(0, rows.length, 1)),
        Groups::One(_) => {}
        Groups::Each(first) => {
            let start = wanted.start.max(first);
            let end = wanted.end.min(first + rows.length);
            if start < end {
                take(start, part(start - first, end - start, end - start));
            }
        }
        Groups::Segments { base, segments } => {
            for segment in segments {
                let group = base + segment.code;
                if wanted.contains(&group) {
                    take(group, part(segment.start, segment.length, 1));
                }
            }
        }
    }
}
