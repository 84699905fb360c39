//! Medians and percentiles: the values of a group are kept until all are there, and one or two of them
//! are selected.
//!
//! ```text
//!  units of a tile   ┌──┐ ┌──┐ ┌──┐    kept as keys of their order, the cells of a group side by side,
//!                    └──┘ └──┘ └──┘    or those of sixteen neighbours
//!                     └────┬────┘      when a plane of groups is done
//!                       selection
//! ```
//! Definitions are those of DataFusion: of an even number of values the median is the mean of the two in
//! the middle; `percentile_cont` goes from one value to the next in millionths. Values are in total order.

use std::mem::discriminant;
use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type};
use arrow::array::{ArrayRef, Float32Array, Float64Array};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use graticule_functions::kernels::order::TotalOrder;
use graticule_functions::kernels::select::{Ends, Selection, Series};
use graticule_functions::kernels::select_columns::{self, Columns};
use graticule_functions::kernels::{Bits, LANES};

use crate::dense::aggregate::layout::UnitLayout;
use crate::dense::aggregate::output::flat;
use crate::dense::aggregate::plan::ElementType;
use crate::dense::aggregate::stored::{Piece, Shape, Stored};
use crate::runtime::yield_now;

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

    /// The rank of the value among `count`, and how far it is from there to the next one.
    fn place(self, count: usize) -> Option<(usize, f64)> {
        let last = count.checked_sub(1)?;
        Some(match self {
            Self::Median => (last / 2, if count.is_multiple_of(2) { 0.5 } else { 0.0 }),
            Self::Percentile(part) => {
                let index = part * last as f64;
                (index.floor() as usize, index - index.floor())
            }
        })
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

/// The values of one series that are kept.
#[derive(Debug)]
pub(crate) enum Kept {
    Float32(Stored<f32>),
    Float64(Stored<f64>),
}

/// Does the same with either type.
macro_rules! of_either {
    ($kept:expr, $stored:ident => $result:expr) => {
        match $kept {
            Kept::Float32($stored) => $result,
            Kept::Float64($stored) => $result,
        }
    };
}

impl Kept {
    /// Nothing of a series of floats.
    pub(crate) fn new(element: ElementType) -> Self {
        match element {
            ElementType::Float32 => Self::Float32(Stored::default()),
            _ => Self::Float64(Stored::default()),
        }
    }

    /// Keeps the values of a unit.
    ///
    /// # Errors
    /// Values of another type than the series', which the plan rules out.
    pub(crate) fn keep(
        &mut self,
        layout: &UnitLayout,
        values: &ArrayRef,
        valid: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let valid = valid.map(Bits::new);
        match self {
            Self::Float32(stored) => stored.keep(layout, flat::<Float32Type>(values)?, valid),
            Self::Float64(stored) => stored.keep(layout, flat::<Float64Type>(values)?, valid),
        }
        Ok(())
    }

    /// Adds what another worker has kept of the same series.
    ///
    /// # Errors
    /// Values of another type, which the plan rules out.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        match (self, other) {
            (Self::Float32(mine), Self::Float32(theirs)) => mine.merge(theirs),
            (Self::Float64(mine), Self::Float64(theirs)) => mine.merge(theirs),
            _ => return internal_err!("workers of one aggregate keep different types"),
        }
        Ok(())
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        of_either!(self, stored => stored.bytes())
    }

    /// The groups of a plane have been emitted.
    pub(crate) fn forget(&mut self, plane: usize) {
        of_either!(self, stored => stored.forget(plane));
    }

    /// All groups have been emitted.
    pub(crate) fn clear(&mut self) {
        of_either!(self, stored => stored.clear());
    }

    /// Quantiles of all `groups` groups of a plane, one array for each of `wanted`. Memory is asked of
    /// `reserve` before it is used.
    ///
    /// # Errors
    /// There is no room.
    pub(crate) async fn quantiles(
        &self,
        plane: usize,
        groups: usize,
        wanted: &[Wanted],
        reserve: &(dyn Fn(usize) -> Result<()> + Sync),
    ) -> Result<Vec<ArrayRef>> {
        let found =
            of_either!(self, stored => select(stored, plane, groups, wanted, reserve).await)?;
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
}

/// Keys that are looked at without letting others have a turn, about: those of a unit.
const KEYS_AT_ONCE: usize = 1 << 20;

async fn select<F: Middle>(
    stored: &Stored<F>,
    plane: usize,
    groups: usize,
    wanted: &[Wanted],
    reserve: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Vec<Vec<Option<f64>>>> {
    let pieces = stored.pieces(plane);
    let of_groups = pieces.chunk_by(|(one, _), (other, _)| one.group == other.group);
    let of_groups: Vec<&[(Piece<F::Key>, &[F::Key])]> = of_groups.collect();
    let largest = of_groups.iter().map(|same| keys_of(same)).max();
    let largest = largest.unwrap_or(0);
    // Two copies of what is left of the largest one.
    reserve(2 * largest / Selection::<F::Key>::COPIED_PART * size_of::<F::Key>())?;
    let mut found = vec![vec![None; groups]; wanted.len()];
    let mut selection: Selection<F::Key> = Selection::default();
    let mut looked_at = 0;
    for same in of_groups {
        // Others have a turn, and nobody may be waiting any more.
        looked_at += keys_of(same);
        if looked_at > KEYS_AT_ONCE {
            looked_at = 0;
            yield_now().await;
        }
        let (piece, _) = same[0];
        let shape = discriminant(&piece.shape);
        if same
            .iter()
            .any(|(other, _)| discriminant(&other.shape) != shape)
        {
            return internal_err!("the cells of a group are kept in two ways");
        }
        let keys = same.iter().map(|(_, keys)| *keys);
        match piece.shape {
            Shape::Series(_) => {
                let parts: Vec<_> = keys.collect();
                let ends = same.iter().filter_map(|(piece, _)| match piece.shape {
                    Shape::Series(ends) => Some(ends),
                    Shape::Columns(_) => None,
                });
                let Some(ends) = ends.reduce(Ends::merge) else {
                    return internal_err!("a group without cells is kept");
                };
                let series = Series::new(&parts, ends);
                for (found, wanted) in std::iter::zip(&mut found, wanted) {
                    found[piece.group] = select_one::<F>(&mut selection, &series, *wanted);
                }
            }
            Shape::Columns(width) => {
                let parts: Vec<_> = keys.map(|keys| keys.as_chunks().0).collect();
                let columns = Columns::new(&parts);
                for (found, wanted) in std::iter::zip(&mut found, wanted) {
                    let values = select_columns::<F>(&columns, *wanted);
                    found[piece.group..piece.group + width].copy_from_slice(&values[..width]);
                }
            }
        }
    }
    Ok(found)
}

fn keys_of<K>(pieces: &[(Piece<K>, &[K])]) -> usize {
    pieces.iter().map(|(_, keys)| keys.len()).sum()
}

fn select_one<F: Middle>(
    selection: &mut Selection<F::Key>,
    series: &Series<'_, F::Key>,
    wanted: Wanted,
) -> Option<f64> {
    let (rank, part) = wanted.quantile.place(series.valid())?;
    if part == 0.0 {
        let value = selection.nth(series, rank).map(F::of_key);
        return value.map(Into::into);
    }
    let (low, high) = selection.pair(series, rank)?;
    Some(wanted.between(F::of_key(low), F::of_key(high), part))
}

fn select_columns<F: Middle>(
    columns: &Columns<'_, F::Key>,
    wanted: Wanted,
) -> [Option<f64>; LANES] {
    let places = columns.valid().map(|valid| wanted.quantile.place(valid));
    let pairs = columns.pairs(&places.map(|place| select_columns::Wanted {
        rank: place.map(|(rank, _)| rank),
        with_next: place.is_some_and(|(_, part)| part > 0.0),
    }));
    std::array::from_fn(|lane| {
        let (low, high) = pairs[lane];
        let value = |part| match part {
            0.0 => F::of_key(low).into(),
            _ => wanted.between(F::of_key(low), F::of_key(high), part),
        };
        places[lane].map(|(_, part)| value(part))
    })
}

#[cfg(test)]
mod tests {
    use graticule_functions::kernels::select::Key;
    use graticule_functions::kernels::select_columns::Row;

    use super::*;

    const NAN: f64 = f64::NAN;
    const INFINITE: f64 = f64::INFINITY;
    const MEDIAN: Quantile = Quantile::Median;

    /// Values, what is wanted of them, and what DataFusion's definition makes of it.
    const CASES: &[(&[f64], Quantile, Option<f64>)] = &[
        (&[], MEDIAN, None),
        (&[], Quantile::Percentile(0.5), None),
        (&[7.0], MEDIAN, Some(7.0)),
        (&[7.0], Quantile::Percentile(0.9), Some(7.0)),
        (&[-0.0], MEDIAN, Some(-0.0)),
        (&[0.0, -0.0], MEDIAN, Some(0.0)),
        (&[0.0, -0.0, -0.0], MEDIAN, Some(-0.0)),
        (&[3.0, 1.0, 2.0], MEDIAN, Some(2.0)),
        (&[4.0, 1.0, 2.0, 3.0], MEDIAN, Some(2.5)),
        (&[5.0, 5.0, 5.0, 1.0], MEDIAN, Some(5.0)),
        (&[4.0, 1.0, 2.0, 3.0], Quantile::Percentile(0.0), Some(1.0)),
        (
            &[4.0, 1.0, 2.0, 3.0],
            Quantile::Percentile(0.25),
            Some(1.75),
        ),
        (&[4.0, 1.0, 2.0, 3.0], Quantile::Percentile(1.0), Some(4.0)),
        // A third is rounded down to millionths.
        (
            &[0.0, 1e6],
            Quantile::Percentile(1.0 / 3.0),
            Some(333_333.0),
        ),
        (&[NAN, 1.0, 2.0], MEDIAN, Some(2.0)),
        (&[-NAN, 1.0, 2.0], MEDIAN, Some(1.0)),
        (&[NAN, 1.0, NAN, 2.0], MEDIAN, Some(NAN)),
        (&[NAN, NAN], Quantile::Percentile(1.0), Some(NAN)),
        (&[INFINITE, 1.0, -INFINITE], MEDIAN, Some(1.0)),
        (&[INFINITE, -INFINITE], MEDIAN, Some(NAN)),
        (&[INFINITE, 1.0], Quantile::Percentile(0.5), Some(INFINITE)),
        (&[INFINITE, INFINITE], Quantile::Percentile(0.5), Some(NAN)),
    ];

    fn check<F: Middle>(values: &[f64], of: impl Fn(f64) -> F, wanted: Wanted) -> Option<f64> {
        let mut keys: Vec<F::Key> = values.iter().map(|value| of(*value).key()).collect();
        keys.insert(values.len() / 2, F::Key::HIGHEST);
        let mut selection = Selection::default();
        let one = select_one::<F>(
            &mut selection,
            &Series::new(&[&keys], Ends::of(&keys)),
            wanted,
        );
        let rows: Vec<Row<F::Key>> = keys.iter().map(|key| [*key; LANES]).collect();
        let sixteen = select_columns::<F>(&Columns::new(&[&rows]), wanted);
        for lane in sixteen {
            assert_eq!(lane.map(f64::to_bits), one.map(f64::to_bits), "{values:?}");
        }
        one
    }

    #[test]
    fn quantiles_are_those_of_datafusion() {
        for (values, quantile, expected) in CASES {
            for is_wide in [false, true] {
                let wanted = Wanted {
                    quantile: *quantile,
                    is_wide,
                };
                let found = [
                    check(values, |value| value as f32, wanted),
                    check(values, |value| value, wanted),
                ];
                for found in found {
                    let is_nan = [found, *expected].map(|value| value.is_some_and(f64::is_nan));
                    let bits = [found, *expected].map(|value| value.map(f64::to_bits));
                    let agrees = bits[0] == bits[1] || is_nan == [true, true];
                    assert!(
                        agrees,
                        "{found:?}, not {expected:?}: {quantile:?} of {values:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn means_are_of_the_type_of_the_result() {
        let values = [16_777_216.0, 16_777_218.0];
        let median = |is_wide| {
            let wanted = Wanted {
                quantile: MEDIAN,
                is_wide,
            };
            check(&values, |value| value as f32, wanted)
        };
        assert_eq!(
            [median(false), median(true)],
            [Some(16_777_216.0), Some(16_777_217.0)]
        );
    }
}
