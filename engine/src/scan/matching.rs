//! The rows of a scan's units that its predicate leaves: what everybody who makes rows starts from.
//!
//! ```text
//!  UnitReader ─▶ unit with its early variables ─▶ predicate on values, a filter that tightens
//!                                                     │ none: next
//!                                                     ▼
//!                            fetch and decode the other variables ─▶ pieces with a matching row
//! ```
//! The predicate is evaluated as operators on blocks evaluate it, before any row is made.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::dense::expressions::Predicate;
use crate::runtime::yield_now;
use crate::scan::CubeScan;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;
use crate::scan::predicate::{evaluate_predicate, remap_columns, true_bits};
use crate::scan::queue::Claims;
use crate::scan::rows::{Piece, RowMaker, UnitRows, pieces};
use crate::scan::units::{UnitCells, UnitReader};

/// The pieces of a unit with a matching row, each with its mask unless all its rows match.
pub(crate) type MatchingPieces = VecDeque<(Piece, Option<BooleanBuffer>)>;

/// A filter that tightens, over the columns it reads. It takes away more and more, so it is asked as late
/// as can be.
struct TighteningFilter {
    filter: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl TighteningFilter {
    /// What `scan` has of it.
    fn of(scan: &CubeScan) -> Result<Option<Self>> {
        let Some(filter) = &scan.skipping.tightening else {
            return Ok(None);
        };
        let mut columns = scan.skipping.columns();
        columns.sort_unstable();
        columns.dedup();
        Ok(Some(Self {
            filter: remap_columns(Arc::clone(filter), &columns)?,
            schema: Arc::new(scan.cube.schema.project(&columns)?),
            columns,
        }))
    }

    /// The rows of a piece that it leaves now.
    fn matches(
        &self,
        rows: &mut RowMaker,
        unit: &UnitRows,
        piece: &Piece,
    ) -> Result<BooleanBuffer> {
        let batch = rows.batch(unit, piece, &self.columns, &self.schema)?;
        Ok(true_bits(&evaluate_predicate(&self.filter, &batch)?))
    }
}

/// Reads the units of one partition of a scan, and finds their matching rows.
pub(crate) struct MatchingUnits {
    pub(crate) reader: UnitReader,
    /// Columns of the table that are made, ascending.
    pub(crate) columns: Vec<usize>,
    /// Variables read with every unit, and those read only for units with a matching row.
    early: Vec<usize>,
    late: Vec<usize>,
    predicate: Option<Predicate>,
    tightening: Option<TighteningFilter>,
    rows: RowMaker,
    batch_rows: usize,
}

impl MatchingUnits {
    /// Opens one partition of `scan` for rows with `columns` of the table, ascending.
    ///
    /// # Errors
    /// The scan would exceed `cube.max_scan_bytes`.
    pub(crate) fn open(
        scan: &Arc<CubeScan>,
        columns: Vec<usize>,
        partition: usize,
        context: &TaskContext,
        claims: Arc<Claims>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Self> {
        let (mut early, mut late) = scan.variables();
        if scan.counts_all_rows() {
            std::mem::swap(&mut early, &mut late);
        }
        let order = Arc::clone(&claims);
        let reader = UnitReader::open(
            Arc::clone(scan),
            early.clone(),
            partition,
            context,
            claims,
            Box::new(move || order.next_unit()),
            metrics,
        )?;
        Ok(Self {
            reader,
            columns,
            early,
            late,
            predicate: Predicate::new(scan)?,
            tightening: TighteningFilter::of(scan)?,
            rows: RowMaker::new(Arc::clone(&scan.cube)),
            batch_rows: context.session_config().batch_size(),
        })
    }

    /// The next unit and its matching pieces, which may be none. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(UnitRows, MatchingPieces)>> {
        let Some((mut unit, mask)) = self.early().await? else {
            return Ok(None);
        };
        let matching = self.matching_pieces(&unit, mask.as_ref())?;
        self.late(&mut unit, !matching.is_empty()).await?;
        Ok(Some((unit, matching)))
    }

    /// The next unit and which of its rows match, all where there is no mask. `None` at the end.
    pub(crate) async fn next_whole(&mut self) -> Result<Option<(UnitRows, Option<BooleanBuffer>)>> {
        let Some((mut unit, mask)) = self.early().await? else {
            return Ok(None);
        };
        let matches = mask.as_ref().is_none_or(|mask| mask.count_set_bits() > 0);
        self.late(&mut unit, matches).await?;
        Ok(Some((unit, mask)))
    }

    /// The next unit with its early variables, and the rows that the predicate leaves.
    async fn early(&mut self) -> Result<Option<(UnitRows, Option<BooleanBuffer>)>> {
        let Some(UnitCells {
            unit, mask, values, ..
        }) = self.reader.next().await?
        else {
            return Ok(None);
        };
        let mask = self.matching_rows(&unit, mask, &values)?;
        let cube = Arc::clone(&self.reader.scan.cube);
        let of_tightening = self.tightening.iter().flat_map(|filter| &filter.columns);
        let axes: BTreeSet<usize> = of_tightening
            .chain(&self.columns)
            .copied()
            .filter(|column| *column < cube.axes.len())
            .collect();
        let mut unit = UnitRows::new(&cube, unit, axes.into_iter())?;
        self.add(&mut unit, &self.early, values);
        Ok(Some((unit, mask)))
    }

    /// Reads the late variables of a unit, where it has a matching row.
    async fn late(&mut self, unit: &mut UnitRows, matches: bool) -> Result<()> {
        if !matches {
            self.reader.skip_later(unit.unit());
        } else if !self.late.is_empty() {
            let values = self.reader.read(unit.unit(), &self.late).await?;
            self.add(unit, &self.late, values);
        }
        // Decoding kept this task busy for up to a chunk: let others of the runtime have their turn.
        yield_now().await;
        Ok(())
    }

    /// The rows of a piece that a filter which tightens still leaves, of those in `mask`: `None` where
    /// none is left.
    ///
    /// # Errors
    /// The filter fails on a value.
    pub(crate) fn tightened(
        &mut self,
        unit: &UnitRows,
        piece: &Piece,
        mask: Option<BooleanBuffer>,
    ) -> Result<Option<Option<BooleanBuffer>>> {
        let Some(tightening) = &self.tightening else {
            return Ok(Some(mask));
        };
        let left = both(mask, tightening.matches(&mut self.rows, unit, piece)?);
        Ok((left.count_set_bits() > 0).then_some(Some(left)))
    }

    /// All rows of a piece, matching or not, with [`MatchingUnits::columns`], whose schema is `schema`.
    pub(crate) fn batch(
        &mut self,
        unit: &UnitRows,
        piece: &Piece,
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        self.rows.batch(unit, piece, &self.columns, schema)
    }

    fn add(&self, unit: &mut UnitRows, variables: &[usize], values: Vec<UnitValues>) {
        for (variable, values) in std::iter::zip(variables, values) {
            unit.add(&self.reader.scan.cube, *variable, values);
        }
    }

    /// The rows of a unit for which the predicate is true, of those in `mask`; `None` for all.
    fn matching_rows(
        &mut self,
        unit: &Unit,
        mask: Option<BooleanBuffer>,
        values: &[UnitValues],
    ) -> Result<Option<BooleanBuffer>> {
        let Some(predicate) = &mut self.predicate else {
            return Ok(mask);
        };
        let _timer = self.reader.source.metrics.time_rows.timer();
        let mut read = vec![None; self.reader.scan.cube.variables.len()];
        for (variable, values) in std::iter::zip(&self.early, values) {
            read[*variable] = Some(values.clone());
        }
        Ok(Some(both(mask, predicate.matches(unit, &read)?)))
    }

    fn matching_pieces(
        &mut self,
        unit: &UnitRows,
        mask: Option<&BooleanBuffer>,
    ) -> Result<MatchingPieces> {
        let _timer = self.reader.source.metrics.time_rows.timer();
        // Where other variables wait to be read, all that is known decides whether they are.
        let tightening = self.tightening.as_ref();
        let tightening = tightening.filter(|_| !self.late.is_empty());
        let mut matching = VecDeque::new();
        for piece in pieces(unit.counts(), self.batch_rows) {
            let mut rows = mask.map(|mask| mask.slice(piece.rows.start, piece.rows.len()));
            if rows.as_ref().is_some_and(|rows| rows.count_set_bits() == 0) {
                continue;
            }
            if let Some(tightening) = tightening {
                let matches = tightening.matches(&mut self.rows, unit, &piece)?;
                rows = Some(both(rows, matches));
            }
            match rows.as_ref().map(BooleanBuffer::count_set_bits) {
                Some(0) => {}
                Some(set) if set < piece.rows.len() => matching.push_back((piece, rows)),
                _ => matching.push_back((piece, None)),
            }
        }
        Ok(matching)
    }
}

/// The rows in `mask`, all where there is none, that are in `matches`.
fn both(mask: Option<BooleanBuffer>, matches: BooleanBuffer) -> BooleanBuffer {
    match mask {
        Some(mask) => &mask & &matches,
        None => matches,
    }
}
