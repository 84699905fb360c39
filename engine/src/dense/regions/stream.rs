//! One partition of a join with regions at work on rows.
//!
//! ```text
//!  MatchingUnits, only units and cells of regions ─▶ piece, all its rows, made as a scan makes them
//!          RegionMap ─▶ the rows of each region  ─▶ pairs (row of the piece, region) ─▶ take ─▶ rest ─▶ output
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, UInt32Array, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{BatchCoalescer, take};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;

use crate::dense::regions::gather::Regions;
use crate::dense::regions::join::{JoinKind, RegionJoin};
use crate::dense::regions::map::{RegionMap, RegionRows};
use crate::scan::grid::Unit;
use crate::scan::matching::{MatchingPieces, MatchingUnits};
use crate::scan::predicate::{batch_of, evaluate_predicate, remap_columns, true_bits};
use crate::scan::rows::{Piece, UnitRows};
use crate::scan::units::UnitFilter;

/// Which regions the partitions of one execution have found a cell of.
#[derive(Debug, Default)]
pub(super) struct Found {
    state: Mutex<FoundState>,
}

#[derive(Debug, Default)]
struct FoundState {
    working: usize,
    taken: bool,
    regions: Vec<bool>,
}

impl Found {
    /// A partition begins.
    pub(super) fn begin(&self) {
        self.lock().working += 1;
    }

    /// A partition has found a cell of `regions`. The last one gets what all have found.
    fn finish(&self, regions: &[bool]) -> Option<Vec<bool>> {
        let mut state = self.lock();
        state.regions.resize(regions.len(), false);
        for (all, mine) in std::iter::zip(&mut state.regions, regions) {
            *all |= mine;
        }
        state.working -= 1;
        let is_last = state.working == 0 && !state.taken;
        state.taken |= is_last;
        is_last.then(|| state.regions.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FoundState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The units and cells that a join has use for.
pub(super) fn filter(map: Arc<RegionMap>, kind: JoinKind) -> UnitFilter {
    Box::new(move |unit: &Unit| {
        let rows = map.rows(unit);
        let wants_others = kind.needs_cells_of_no_region();
        if rows.is_empty() {
            return wants_others.then_some(None);
        }
        let mut mask = BooleanBufferBuilder::new(unit.rows());
        for rows in &rows {
            if rows.start > mask.len() {
                mask.append_n(rows.start - mask.len(), wants_others);
            }
            if rows.end > mask.len() {
                mask.append_n(rows.end - mask.len(), !wants_others);
            }
        }
        mask.append_n(unit.rows() - mask.len(), wants_others);
        let mask = mask.finish();
        match mask.count_set_bits() {
            0 => None,
            set if set == mask.len() => Some(None),
            _ => Some(Some(mask)),
        }
    })
}

/// The columns of the joined table that a join makes of its pairs, ascending.
pub(super) fn columns_read(join: &RegionJoin) -> Vec<usize> {
    let rest = join.rest.iter().flat_map(collect_columns);
    let mut columns = join.outputs.column_indices();
    columns.extend(rest.map(|column: Column| column.index()));
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// A piece on its way to pairs.
struct Pairing {
    /// All rows of the piece.
    cells: RecordBatch,
    /// Which of them, with which region.
    pairs: VecDeque<(u32, u32)>,
}

pub(super) struct RegionStream {
    join: Arc<RegionJoin>,
    regions: Arc<Regions>,
    map: Arc<RegionMap>,
    shared: Arc<Found>,
    units: MatchingUnits,
    /// Columns of the regions' table that are read.
    region_columns: Vec<usize>,
    cell_schema: SchemaRef,
    pair_schema: SchemaRef,
    /// Over the pairs' columns.
    outputs: Vec<Arc<dyn PhysicalExpr>>,
    rest: Option<Arc<dyn PhysicalExpr>>,
    current: Option<UnitRows>,
    pieces: MatchingPieces,
    /// Rows of regions in the current unit, from the current piece on.
    rows: VecDeque<RegionRows>,
    pairing: Option<Pairing>,
    found: Vec<bool>,
    coalescer: BatchCoalescer,
    batch_rows: usize,
    done: bool,
}

impl RegionStream {
    pub(super) fn new(
        join: Arc<RegionJoin>,
        regions: Arc<Regions>,
        map: Arc<RegionMap>,
        shared: Arc<Found>,
        units: MatchingUnits,
        batch_rows: usize,
    ) -> Result<Self> {
        let columns = columns_read(&join);
        let first = join.first_of_regions();
        let pair_schema = Arc::new(join.joined.project(&columns)?);
        let over_pairs = |expression| remap_columns(expression, &columns);
        let outputs = join
            .outputs
            .expr_iter()
            .map(over_pairs)
            .collect::<Result<_>>()?;
        let rest = join.rest.clone().map(over_pairs).transpose()?;
        Ok(Self {
            cell_schema: Arc::new(join.joined.project(&units.columns)?),
            region_columns: columns
                .iter()
                .filter_map(|column| column.checked_sub(first))
                .collect(),
            coalescer: BatchCoalescer::new(Arc::clone(&pair_schema), batch_rows)
                .with_biggest_coalesce_batch_size(Some(batch_rows / 2)),
            pair_schema,
            outputs,
            rest,
            current: None,
            pieces: VecDeque::new(),
            rows: VecDeque::new(),
            pairing: None,
            found: vec![false; regions.rows.num_rows()],
            batch_rows,
            done: false,
            join,
            regions,
            map,
            shared,
            units,
        })
    }

    /// The next batch of the output, or `None` at the end.
    pub(super) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return self.emit(&batch).map(Some);
            }
            if let Some(pairing) = self.pairing.take() {
                self.pair(pairing)?;
                continue;
            }
            if let Some((piece, mask)) = self.pieces.pop_front() {
                self.begin(&piece, mask)?;
                continue;
            }
            if self.done {
                return Ok(None);
            }
            self.current = None;
            match self.units.next().await? {
                Some((unit, pieces)) => {
                    if !self.join.kind.emits_cells() {
                        self.rows = self.map.rows(unit.unit()).into();
                    }
                    self.pieces = pieces;
                    self.current = Some(unit);
                }
                None => {
                    self.done = true;
                    self.coalescer.finish_buffered_batch()?;
                    if self.join.kind.remembers_regions()
                        && let Some(found) = self.shared.finish(&self.found)
                    {
                        return self.regions_left(&found).map(Some);
                    }
                }
            }
        }
    }

    /// Gets the rows of a piece, and which of them belong to which region.
    fn begin(&mut self, piece: &Piece, mask: Option<BooleanBuffer>) -> Result<()> {
        let metrics = self.units.reader.source.metrics.clone();
        let _timer = metrics.time_rows.timer();
        let Some(unit) = &self.current else {
            return Ok(());
        };
        let cells = self.units.batch(unit, piece, &self.cell_schema)?;
        if self.join.kind.emits_cells() {
            match mask {
                None => self.coalescer.push_batch(cells)?,
                Some(mask) => {
                    let mask = BooleanArray::new(mask, None);
                    self.coalescer.push_batch_with_filter(cells, &mask)?;
                }
            }
            return Ok(());
        }
        let mut pairs = VecDeque::new();
        let mut later = Vec::new();
        while let Some(mut rows) = self.rows.pop_front() {
            if rows.start >= piece.rows.end {
                self.rows.push_front(rows);
                break;
            }
            rows.start = rows.start.max(piece.rows.start);
            let here = rows.start..rows.end.min(piece.rows.end);
            let cells = here.map(|row| row - piece.rows.start);
            let matching = cells.filter(|row| mask.as_ref().is_none_or(|mask| mask.value(*row)));
            pairs.extend(matching.map(|row| (row as u32, rows.region)));
            if rows.end > piece.rows.end {
                later.push(rows);
            }
        }
        for rows in later.into_iter().rev() {
            self.rows.push_front(rows);
        }
        self.pairing = Some(Pairing { cells, pairs });
        Ok(())
    }

    /// Makes a batch of the next pairs of a piece.
    fn pair(&mut self, mut pairing: Pairing) -> Result<()> {
        let metrics = self.units.reader.source.metrics.clone();
        let _timer = metrics.time_rows.timer();
        let count = pairing.pairs.len().min(self.batch_rows);
        let (cells, regions): (Vec<u32>, Vec<u32>) = pairing.pairs.drain(..count).unzip();
        if count == 0 {
            return Ok(());
        }
        let cells = UInt32Array::from(cells);
        let of_cells = pairing.cells.columns().iter();
        let columns = of_cells
            .map(|column| take(column, &cells, None))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let batch = self.with_regions(columns, &UInt32Array::from(regions.clone()))?;
        if !pairing.pairs.is_empty() {
            self.pairing = Some(pairing);
        }
        let matches = match &self.rest {
            Some(rest) => Some(evaluate_predicate(rest, &batch)?),
            None => None,
        };
        if self.join.kind.remembers_regions() {
            let bits = matches.as_ref().map(true_bits);
            for (pair, region) in regions.iter().enumerate() {
                let is_match = bits.as_ref().is_none_or(|bits| bits.value(pair));
                self.found[*region as usize] |= is_match;
            }
        }
        match (self.join.kind, matches) {
            (JoinKind::Inner | JoinKind::AllRegions, None) => self.coalescer.push_batch(batch)?,
            (JoinKind::Inner | JoinKind::AllRegions, Some(matches)) => {
                self.coalescer.push_batch_with_filter(batch, &matches)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds the columns of regions to those of cells.
    fn with_regions(
        &self,
        mut columns: Vec<ArrayRef>,
        regions: &UInt32Array,
    ) -> Result<RecordBatch> {
        for column in &self.region_columns {
            columns.push(take(self.regions.rows.column(*column), regions, None)?);
        }
        batch_of(&self.pair_schema, columns, regions.len())
    }

    /// The output that depends on which regions have been found.
    fn regions_left(&self, found: &[bool]) -> Result<RecordBatch> {
        let wanted = self.join.kind == JoinKind::RegionsWithCells;
        let regions = std::iter::zip(0.., found).filter(|(_, found)| **found == wanted);
        let regions: UInt32Array = regions
            .map(|(region, _)| region)
            .collect::<Vec<u32>>()
            .into();
        let first = self.join.first_of_regions();
        let columns = std::iter::zip(self.join.outputs.expr_iter(), self.join.schema.fields())
            .map(|(output, field)| match output.downcast_ref::<Column>() {
                Some(column) if column.index() >= first => {
                    let column = self.regions.rows.column(column.index() - first);
                    Ok(take(column, &regions, None)?)
                }
                _ => Ok(new_null_array(field.data_type(), regions.len())),
            })
            .collect::<Result<Vec<_>>>()?;
        self.units
            .reader
            .source
            .metrics
            .output_rows
            .add(regions.len());
        batch_of(&self.join.schema, columns, regions.len())
    }

    fn emit(&self, pairs: &RecordBatch) -> Result<RecordBatch> {
        let metrics = &self.units.reader.source.metrics;
        let _timer = metrics.time_rows.timer();
        let rows = pairs.num_rows();
        let columns = self
            .outputs
            .iter()
            .map(|output| output.evaluate(pairs)?.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        metrics.output_rows.add(rows);
        batch_of(&self.join.schema, columns, rows)
    }
}
