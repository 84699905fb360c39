//! What statistics say of the units of a scan, and whether they are still true.
//!
//! ```text
//!  unit ─▶ chunks of each variable ─▶ bounds of the unit ─▶ PruningPredicate ─▶ nothing │ everything │ ?
//!                                                                 │ for a window of units at a time
//!                    those on which a verdict rests ─▶ their versions now ─▶ changed: as if not known
//! ```
//! A verdict is used only after the versions of all chunks that it rests on have been compared with those
//! that the statistics are of. That costs metadata, not reading.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::cube::Cube;
use crate::runtime::run_on;
use crate::scan::CubeScan;
use crate::scan::bounds::{UnitChunks, UnitStatistics, best_first};
use crate::scan::grid::{ScanGrid, Unit};
use crate::scan::predicate::negated;
use crate::scan::skipping::{BoundOrder, Skipping};
use crate::source::ChunkVersion;
use crate::statistics::summary::ChunkSummary;

/// Units whose verdicts are found at once: enough for one listing to serve many, few enough for a query
/// that ends early.
const WINDOW: u64 = 1 << 16;

/// More units than this are not put in order, and not counted for `EXPLAIN`.
const MOST_ORDERED: u64 = 1 << 20;

/// Chunks of each variable that are not what the statistics are of.
pub(super) type Untrusted = BTreeMap<usize, HashSet<u64>>;

/// What statistics say of a predicate on a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No row matches.
    Nothing,
    /// Every row matches.
    Everything,
    /// Nobody knows.
    Unknown,
}

/// What is known of consecutive units.
#[derive(Debug)]
pub(crate) struct Window {
    first: u64,
    verdicts: Vec<Verdict>,
    untrusted: Untrusted,
}

impl Window {
    /// The verdict on unit `number`.
    pub(crate) fn verdict(&self, number: u64) -> Verdict {
        let at = number.saturating_sub(self.first) as usize;
        self.verdicts.get(at).copied().unwrap_or(Verdict::Unknown)
    }
}

/// What is known of the units of a scan. Shared by the partitions of one execution.
#[derive(Debug)]
pub(crate) struct Knowledge {
    cube: Arc<Cube>,
    grid: Arc<ScanGrid>,
    skipping: Skipping,
    chunks: BTreeMap<usize, UnitChunks>,
    predicate: Option<UnitPredicate>,
    /// Variables whose statistics are asked for all units, whatever the predicate.
    asked: BTreeSet<usize>,
    windows: Vec<OnceCell<Arc<Window>>>,
    order: OnceLock<Option<Vec<u64>>>,
}

/// A predicate on rows as statistics can judge it.
#[derive(Debug)]
struct UnitPredicate {
    /// Columns of the table that it reads.
    columns: Vec<usize>,
    /// Which units may have a row for which it is true?
    may_match: Option<Arc<PruningPredicate>>,
    /// Which units may have a row for which it is false?
    may_fail: Option<Arc<PruningPredicate>>,
}

impl UnitPredicate {
    fn new(cube: &Cube, predicate: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let may_match = pruning(cube, predicate);
        let may_fail = negated(predicate).and_then(|negated| pruning(cube, &negated));
        let columns = collect_columns(predicate).into_iter();
        let predicate = Self {
            columns: columns.map(|column: Column| column.index()).collect(),
            may_match,
            may_fail,
        };
        (predicate.may_match.is_some() || predicate.may_fail.is_some()).then_some(predicate)
    }
}

/// What finds units without a match; `None` where statistics cannot tell.
pub(super) fn pruning(
    cube: &Cube,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Option<Arc<PruningPredicate>> {
    PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(&cube.schema))
        .build(Arc::clone(predicate))
}

impl Knowledge {
    /// What is known of the units of `scan`; `None` where that is nothing of use.
    pub(crate) fn of(scan: &CubeScan) -> Option<Self> {
        let skipping = scan.skipping.clone();
        let known = Arc::clone(&skipping.known);
        if known.statistics.is_empty() {
            return None;
        }
        let cube = Arc::clone(&scan.cube);
        let axes = cube.axes.len();
        let grid = scan.grid();
        let tightening = skipping.columns().into_iter().map(|column| column - axes);
        let summarised = skipping.summarised.iter();
        let summarised = summarised.flat_map(|summarised| &summarised.variables);
        let asked: BTreeSet<usize> = tightening
            .chain(summarised.map(|(variable, _)| *variable))
            .filter(|variable| known.statistics.contains_key(variable))
            .collect();
        let predicate = scan.predicate.rows.as_ref();
        let predicate = predicate.and_then(|predicate| UnitPredicate::new(&cube, predicate));
        if predicate.is_none() && asked.is_empty() && skipping.order.is_none() {
            return None;
        }
        let chunks = known.statistics.iter();
        let chunks = chunks.map(|(variable, statistics)| {
            let chunks = UnitChunks::new(&cube.variables[*variable], Arc::clone(statistics), &grid);
            (*variable, chunks)
        });
        let windows = grid.unit_count().div_ceil(WINDOW);
        Some(Self {
            chunks: chunks.collect(),
            windows: (0..windows).map(|_| OnceCell::new()).collect(),
            order: OnceLock::new(),
            cube,
            grid,
            skipping,
            predicate,
            asked,
        })
    }

    pub(super) fn cube(&self) -> &Cube {
        &self.cube
    }

    pub(super) fn unit_count(&self) -> u64 {
        self.grid.unit_count()
    }

    /// The window with unit `number`, checked against the store.
    pub(crate) async fn window(&self, number: u64, io: &Handle) -> Result<Arc<Window>> {
        let at = number / WINDOW;
        let Some(cell) = self.windows.get(at as usize) else {
            return datafusion::common::internal_err!("there is no unit {number}");
        };
        let window = cell.get_or_try_init(|| async {
            let units = self.units_of(at);
            let verdicts = self.verdicts(units.clone(), &Untrusted::new());
            let questioned = self.questioned(units.clone(), &verdicts);
            let untrusted = self.untrusted(questioned, io).await;
            let verdicts = match untrusted.is_empty() {
                true => verdicts,
                false => self.verdicts(units.clone(), &untrusted),
            };
            Ok::<_, datafusion::common::DataFusionError>(Arc::new(Window {
                first: units.start,
                verdicts,
                untrusted,
            }))
        });
        window.await.cloned()
    }

    fn units_of(&self, window: u64) -> Range<u64> {
        let first = window * WINDOW;
        first..(first + WINDOW).min(self.grid.unit_count())
    }

    /// The verdicts on `units` if all statistics but the untrusted ones are true.
    fn verdicts(&self, units: Range<u64>, untrusted: &Untrusted) -> Vec<Verdict> {
        let count = (units.end - units.start) as usize;
        let Some(predicate) = &self.predicate else {
            return vec![Verdict::Unknown; count];
        };
        let units: Vec<u64> = units.collect();
        let statistics = self.statistics(&units, &predicate.columns, untrusted);
        let judged = statistics.and_then(|statistics| {
            let judge = |pruning: &Option<Arc<PruningPredicate>>| match pruning {
                Some(pruning) => pruning.prune(&statistics),
                None => Ok(vec![true; count]),
            };
            let without_gaps = statistics.without_gaps(&predicate.columns);
            Ok((
                judge(&predicate.may_match)?,
                judge(&predicate.may_fail)?,
                without_gaps,
            ))
        });
        // A predicate that fails on a bound may not fail on any row.
        let Ok((may_match, may_fail, without_gaps)) = judged else {
            return vec![Verdict::Unknown; count];
        };
        let verdict = |unit: usize| match (may_match[unit], may_fail[unit]) {
            (false, _) => Verdict::Nothing,
            // NULL is not true either.
            (true, false) if without_gaps[unit] => Verdict::Everything,
            _ => Verdict::Unknown,
        };
        (0..count).map(verdict).collect()
    }

    /// The statistics of `units` for a predicate that reads `columns`.
    fn statistics(
        &self,
        units: &[u64],
        columns: &[usize],
        untrusted: &Untrusted,
    ) -> Result<UnitStatistics> {
        UnitStatistics::new(
            &self.cube,
            &self.grid,
            &self.chunks,
            units,
            columns,
            untrusted,
        )
    }

    /// The chunks of each variable on which verdicts, and what is asked of all units, rest.
    fn questioned(
        &self,
        units: Range<u64>,
        verdicts: &[Verdict],
    ) -> BTreeMap<usize, BTreeSet<u64>> {
        let axes = self.cube.axes.len();
        let of_predicate: Vec<usize> = match &self.predicate {
            Some(predicate) => (predicate.columns.iter())
                .filter_map(|column| column.checked_sub(axes))
                .filter(|variable| self.chunks.contains_key(variable))
                .collect(),
            None => Vec::new(),
        };
        let mut questioned: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for (number, verdict) in units.zip(verdicts) {
            let positions = self.grid.positions(number);
            let predicate = of_predicate.iter().filter(|_| *verdict != Verdict::Unknown);
            // Whatever the verdict: it may turn out to rest on what is not true any more.
            for variable in predicate.chain(&self.asked) {
                if let Some(chunks) = self.chunks.get(variable) {
                    let numbers = chunks.at(&positions).into_iter();
                    let known = numbers.filter(|chunk| chunks.is_known(chunk.number));
                    let chunks = questioned.entry(*variable).or_default();
                    chunks.extend(known.map(|chunk| chunk.number));
                }
            }
        }
        questioned
    }

    /// Those of `questioned` that are not what the statistics are of any more.
    async fn untrusted(
        &self,
        questioned: BTreeMap<usize, BTreeSet<u64>>,
        io: &Handle,
    ) -> Untrusted {
        let mut untrusted = Untrusted::new();
        for (variable, numbers) in questioned {
            let (Some(chunks), false) = (self.chunks.get(&variable), numbers.is_empty()) else {
                continue;
            };
            let statistics = chunks.statistics();
            let indices: Vec<Vec<u64>> = numbers
                .iter()
                .map(|number| statistics.grid.index(*number))
                .collect();
            let cube = Arc::clone(&self.cube);
            let ask = async move { cube.variables[variable].versions(&indices).await };
            // Whatever is wrong with the store shows when the chunks are read.
            let versions = run_on(io, ask)
                .await
                .unwrap_or_else(|_| vec![ChunkVersion::Unknown; numbers.len()]);
            let changed: HashSet<u64> = std::iter::zip(numbers, versions)
                .filter(|(number, version)| !statistics.is_of(*number, version))
                .map(|(number, _)| number)
                .collect();
            if !changed.is_empty() {
                untrusted.insert(variable, changed);
            }
        }
        untrusted
    }

    /// Which of `units` may have a row that matches the predicate of which `pruning` was made?
    pub(super) fn may_match(
        &self,
        units: &[u64],
        columns: &[usize],
        pruning: &PruningPredicate,
        window: &Window,
    ) -> Vec<bool> {
        let statistics = self.statistics(units, columns, &window.untrusted);
        let judged = statistics.and_then(|statistics| pruning.prune(&statistics));
        judged.unwrap_or_else(|_| vec![true; units.len()])
    }

    /// What an operator wants to know of a whole unit instead of its values, one entry per summarised
    /// variable. `None` when something of it is not known, or a predicate may take rows away.
    pub(crate) fn summaries(
        &self,
        window: &Window,
        number: u64,
        unit: &Unit,
    ) -> Option<Vec<ChunkSummary>> {
        let summarised = self.skipping.summarised.as_ref()?;
        if !(summarised.is_one_group)(unit) {
            return None;
        }
        let positions = self.grid.positions(number);
        let summary = |(variable, needs_bounds): &(usize, bool)| {
            let untrusted = window.untrusted.get(variable);
            let chunks = self.chunks.get(variable)?;
            let summary = chunks.summary(&positions, unit, untrusted)?;
            (!needs_bounds || summary.is_bounded()).then_some(summary)
        };
        summarised.variables.iter().map(summary).collect()
    }

    /// The numbers of units, those with the best bounds first. `None` where the order does not matter.
    pub(crate) fn order(&self) -> Option<&[u64]> {
        let order = self.order.get_or_init(|| {
            let BoundOrder { variable, options } = self.skipping.order?;
            let chunks = self.chunks.get(&variable)?;
            let units = self.grid.unit_count();
            if units > MOST_ORDERED {
                return None;
            }
            best_first(chunks, &self.grid, units, options).ok()
        });
        order.as_deref()
    }

    /// For `EXPLAIN`: how many units may have a match, and how many of those need not be read, if all
    /// statistics are still true; and how many there are.
    pub(crate) fn count(&self, has_predicate: bool) -> Option<(u64, u64, u64)> {
        let units = self.grid.unit_count();
        if units > MOST_ORDERED {
            return None;
        }
        let verdicts = self.verdicts(0..units, &Untrusted::new());
        let window = Window {
            first: 0,
            verdicts,
            untrusted: Untrusted::new(),
        };
        let (mut matching, mut answered) = (0, 0);
        for number in 0..units {
            let verdict = window.verdict(number);
            if verdict == Verdict::Nothing {
                continue;
            }
            matching += 1;
            let all_rows = !has_predicate || verdict == Verdict::Everything;
            let unit = self.grid.unit(number);
            answered += u64::from(all_rows && self.summaries(&window, number, &unit).is_some());
        }
        Some((matching, answered, units))
    }
}
