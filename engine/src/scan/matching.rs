//! The rows of a scan's units that its predicate leaves: what everybody who makes rows starts from.
//!
//! ```text
//!  UnitReader ─▶ unit with its early variables ─▶ predicate on rows
//!                                                     │ none: next
//!                                                     ▼
//!                            fetch and decode the other variables ─▶ pieces with a matching row
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::scan::CubeScan;
use crate::scan::assemble::UnitValues;
use crate::scan::predicate::{evaluate_predicate, remap_columns, true_bits};
use crate::scan::queue::Claims;
use crate::scan::rows::{Piece, RowMaker, UnitRows, pieces};
use crate::scan::units::{UnitCells, UnitReader};

/// The pieces of a unit with a matching row, each with its mask unless all its rows match.
pub(crate) type MatchingPieces = VecDeque<(Piece, Option<BooleanBuffer>)>;

/// The predicate on rows, and a filter that tightens, over the columns they read.
struct RowPredicate {
    expression: Option<Arc<dyn PhysicalExpr>>,
    /// Asked as late as can be, because it takes away more and more.
    tightening: Option<Arc<dyn PhysicalExpr>>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl RowPredicate {
    /// What `scan` has of both.
    fn of(scan: &CubeScan) -> Result<Option<Self>> {
        if scan.counts_all_rows() {
            return Ok(None);
        }
        let columns = scan.predicate_columns();
        let remapped = |expression: &Option<Arc<dyn PhysicalExpr>>| {
            let expression = expression.clone();
            let remapped = expression.map(|expression| remap_columns(expression, &columns));
            remapped.transpose()
        };
        Ok(Some(Self {
            expression: remapped(&scan.predicate.rows)?,
            tightening: remapped(&scan.skipping.tightening)?,
            schema: Arc::new(scan.cube.schema.project(&columns)?),
            columns,
        }))
    }

    /// The rows of a piece for which `expression` is true.
    fn matches(
        &self,
        expression: &Arc<dyn PhysicalExpr>,
        rows: &mut RowMaker,
        unit: &UnitRows,
        piece: &Piece,
    ) -> Result<BooleanBuffer> {
        let batch = rows.batch(unit, piece, &self.columns, &self.schema)?;
        Ok(true_bits(&evaluate_predicate(expression, &batch)?))
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
    predicate: Option<RowPredicate>,
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
        let predicate = RowPredicate::of(scan)?;
        Ok(Self {
            reader,
            columns,
            early,
            late,
            predicate,
            rows: RowMaker::new(Arc::clone(&scan.cube)),
            batch_rows: context.session_config().batch_size(),
        })
    }

    /// The next unit and its matching pieces, which may be none. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(UnitRows, MatchingPieces)>> {
        let Some(UnitCells {
            unit, mask, values, ..
        }) = self.reader.next().await?
        else {
            return Ok(None);
        };
        let cube = Arc::clone(&self.reader.scan.cube);
        let of_predicate = self
            .predicate
            .iter()
            .flat_map(|predicate| &predicate.columns);
        let axes: BTreeSet<usize> = of_predicate
            .chain(&self.columns)
            .copied()
            .filter(|column| *column < cube.axes.len())
            .collect();
        let mut unit = UnitRows::new(&cube, unit, axes.into_iter())?;
        self.add(&mut unit, &self.early, values);
        let matching = self.matching_pieces(&unit, mask.as_ref())?;
        if matching.is_empty() {
            self.reader.skip_later(unit.unit());
        } else if !self.late.is_empty() {
            let values = self.reader.read(unit.unit(), &self.late).await?;
            self.add(&mut unit, &self.late, values);
        }
        // Decoding kept this task busy for up to a chunk: let others of the runtime have their turn.
        tokio::task::yield_now().await;
        Ok(Some((unit, matching)))
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
        let Some(predicate) = &self.predicate else {
            return Ok(Some(mask));
        };
        let Some(tightening) = &predicate.tightening else {
            return Ok(Some(mask));
        };
        let matches = predicate.matches(tightening, &mut self.rows, unit, piece)?;
        let left = mask.map_or(matches.clone(), |mask| &mask & &matches);
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

    fn matching_pieces(
        &mut self,
        unit: &UnitRows,
        mask: Option<&BooleanBuffer>,
    ) -> Result<MatchingPieces> {
        let _timer = self.reader.source.metrics.time_rows.timer();
        let mut matching = VecDeque::new();
        for piece in pieces(unit.counts(), self.batch_rows) {
            let mut rows = mask.map(|mask| mask.slice(piece.rows.start, piece.rows.len()));
            if rows.as_ref().is_some_and(|rows| rows.count_set_bits() == 0) {
                continue;
            }
            if let Some(predicate) = &self.predicate {
                // Where other variables wait to be read, all that is known decides whether they are.
                let tightening = predicate.tightening.iter();
                let tightening = tightening.filter(|_| !self.late.is_empty());
                for expression in predicate.expression.iter().chain(tightening) {
                    let matches = predicate.matches(expression, &mut self.rows, unit, &piece)?;
                    rows = Some(rows.map_or(matches.clone(), |rows| &rows & &matches));
                }
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
