//! One partition of a grid aggregate at work.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::filter_record_batch;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;
use graticule_functions::kernels::{Bits, Needs};

use crate::dense::aggregate::fused::Fused;
use crate::dense::aggregate::groups::{Gathered, Groups, Plane, Values};
use crate::dense::aggregate::kept::{Cells, too_large, variable};
use crate::dense::aggregate::known::add_known;
use crate::dense::aggregate::layout::{Extent, UnitLayout};
use crate::dense::aggregate::output::{as_elements, key_columns, present};
use crate::dense::aggregate::plan::{GridAggregatePlan, Input, Mode, Output, Source};
use crate::dense::aggregate::quantiles::Kept;
use crate::dense::aggregate::tiles::Tiling;
use crate::dense::expressions::{Evaluator, Predicate, spread, unit_rows};
use crate::runtime::yield_now;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;
use crate::scan::predicate::true_bits;
use crate::scan::units::{UnitCells, UnitReader};

/// One partition of a grid aggregate.
pub(crate) struct Worker {
    pub(super) plan: Arc<GridAggregatePlan>,
    units: UnitReader,
    gathered: Arc<Gathered>,
    /// Variables read with every unit, and those read only for units with a matching row.
    early: Vec<usize>,
    late: Vec<usize>,
    predicate: Option<Predicate>,
    fused: Fused,
    /// Arguments and filters of aggregates without a kernel.
    general: Evaluator,
    tile: Option<u64>,
    pub(super) groups: Groups,
    ready: VecDeque<RecordBatch>,
    batch_rows: usize,
    begun: bool,
    done: bool,
    pub(super) memory: MemoryReservation,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<GridAggregatePlan>,
        units: UnitReader,
        gathered: Arc<Gathered>,
        early: Vec<usize>,
        late: Vec<usize>,
        batch_rows: usize,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let cube = &plan.scan.cube;
        let predicate = Predicate::new(&plan.scan)?;
        let fused = Fused::new(&plan)?;
        let general = Evaluator::new(cube, &general_expressions(&plan))?;
        let groups = match plan.mode {
            Mode::Tiles => Groups::none(&plan)?,
            Mode::Shared => Groups::new(&plan, Tiling::everything(&plan.keys))?,
        };
        memory
            .try_resize(plan.state_bytes())
            .map_err(|error| too_large(&plan, error))?;
        Ok(Self {
            units,
            gathered,
            early,
            late,
            predicate,
            fused,
            general,
            tile: None,
            groups,
            ready: VecDeque::new(),
            batch_rows,
            begun: false,
            done: false,
            memory,
            plan,
        })
    }

    /// The next batch of groups, or `None` at the end.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        // Not when it is made: a partition that nobody polls must not keep the others waiting. One that
        // begins after the others have finished finds no unit left, and adds nothing.
        if !self.begun {
            self.begun = true;
            self.gathered.begin();
        }
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.done {
                return Ok(None);
            }
            match self.units.next().await? {
                Some(cells) => self.take(cells).await?,
                None => self.finish().await?,
            }
            yield_now().await;
        }
    }

    async fn finish(&mut self) -> Result<()> {
        self.done = true;
        match self.plan.mode {
            Mode::Tiles => self.emit_all().await,
            Mode::Shared => {
                let none = Groups::none(&self.plan)?;
                let groups = std::mem::replace(&mut self.groups, none);
                if let Some((all, memory)) = self.gathered.finish(groups, self.memory.take())? {
                    (self.groups, self.memory) = (all, memory);
                    self.tile = Some(0);
                    self.emit_all().await?;
                }
                Ok(())
            }
        }
    }

    /// Reduces one unit.
    async fn take(&mut self, cells: UnitCells) -> Result<()> {
        let UnitCells {
            number,
            unit,
            mut mask,
            values,
            summaries,
        } = cells;
        let plan = Arc::clone(&self.plan);
        if plan.mode == Mode::Tiles {
            self.enter(number).await?;
        }
        if let Some(summaries) = summaries {
            return add_known(&mut self.groups, &plan, &unit, &summaries);
        }
        let cube = Arc::clone(&plan.scan.cube);
        let mut read: Vec<Option<UnitValues>> = vec![None; cube.variables.len()];
        for (variable, values) in std::iter::zip(&self.early, values) {
            read[*variable] = Some(values);
        }
        if let Some(predicate) = &mut self.predicate {
            let _timer = self.units.source.metrics.time_rows.timer();
            let matches = predicate.matches(&unit, &read)?;
            mask = Some(match mask {
                Some(mask) => &mask & &matches,
                None => matches,
            });
        }
        if mask.as_ref().is_some_and(|mask| mask.count_set_bits() == 0) {
            self.units.skip_later(&unit);
            return Ok(());
        }
        if !self.late.is_empty() {
            let values = self.units.read(&unit, &self.late).await?;
            for (variable, values) in std::iter::zip(&self.late, values) {
                read[*variable] = Some(values);
            }
        }
        let metrics = self.units.source.metrics.clone();
        let _timer = metrics.time_rows.timer();
        self.reduce(&unit, &read, mask.as_ref())
    }

    /// Adds the values of one unit to the states of its groups.
    fn reduce(
        &mut self,
        unit: &Unit,
        read: &[Option<UnitValues>],
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let layout = UnitLayout::new(&plan.keys, unit, &self.groups.extent);
        let plane = self.groups.extent.plane();
        for bucket in &layout.buckets {
            let states = &mut self.groups.planes[bucket.plane];
            states.get_or_insert_with(|| Plane::new(&plan, plane));
        }
        let cube = &plan.scan.cube;
        for (position, input) in plan.inputs.iter().enumerate() {
            if input.is_fused() {
                continue;
            }
            let mut values = None;
            if let Source::Variable(variable) = input.source {
                let axes = &cube.variables[variable].axes;
                let stored = read[variable].as_ref();
                let stored = stored
                    .map(|values| spread(values, axes, unit))
                    .transpose()?;
                let Some(stored) = stored.flatten() else {
                    // All missing: nothing to add.
                    continue;
                };
                values = Some(stored);
            }
            let valid = [mask.cloned(), values.as_ref().and_then(null_bits)];
            let valid = valid.into_iter().flatten().reduce(|a, b| &a & &b);
            let bits = valid.as_ref().map(Bits::new);
            self.add(position, input, values.as_ref(), bits, &layout)?;
        }
        self.fused
            .reduce(unit, read, mask, &layout, &mut self.groups.planes)?;
        if plan.general.is_empty() && plan.series.is_empty() && plan.edges.is_empty() {
            return Ok(());
        }
        let mut computed = self.evaluate_general(unit, read)?.into_iter();
        let mut cells = Cells {
            unit,
            read,
            mask,
            layout: &layout,
            computed: &mut computed,
        };
        self.keep(&mut cells)?;
        self.add_edges(&mut cells)?;
        let members = layout.members(unit.rows(), plane);
        for (position, general) in plan.general.iter().enumerate() {
            let arguments = computed.by_ref().take(general.arguments.len());
            let arguments = members.take(arguments)?;
            let filter = match &general.filter {
                Some(_) => computed.next().map(|filter| true_bits(filter.as_boolean())),
                None => None,
            };
            let filter = [mask.cloned(), filter]
                .into_iter()
                .flatten()
                .reduce(|a, b| &a & &b);
            let filter = members.take_mask(filter)?;
            self.groups
                .general
                .add(position, &arguments, &members.groups, filter.as_ref())?;
        }
        let resized = self.memory.try_resize(self.held_bytes());
        resized.map_err(|error| too_large(&self.plan, error))
    }

    /// What is computed of series that are kept, then arguments and filters of the aggregates without a
    /// kernel, at all cells of a unit.
    fn evaluate_general(
        &mut self,
        unit: &Unit,
        read: &[Option<UnitValues>],
    ) -> Result<Vec<ArrayRef>> {
        let rows = unit_rows(&self.plan.scan.cube, unit, read, self.general.columns())?;
        self.general.evaluate(&rows)
    }

    /// Adds one input's values to its states.
    fn add(
        &mut self,
        position: usize,
        input: &Input,
        values: Option<&ArrayRef>,
        valid: Option<Bits<'_>>,
        layout: &UnitLayout,
    ) -> Result<()> {
        let values = values.filter(|_| input.needs != Needs::default());
        let converted = values.map(|values| as_elements(values, input.element));
        let converted = converted.transpose()?;
        let values = Values::of(converted.as_ref(), input.element)?;
        for visit in layout.visits() {
            if let Some(plane) = &mut self.groups.planes[visit.plane] {
                plane.inputs[position].add(values, valid, &visit)?;
            }
        }
        Ok(())
    }

    /// Gets ready for unit `number`: emits what its tile, or its position, ends.
    async fn enter(&mut self, number: u64) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let tile = plan.tiling.grid.tile_of(number);
        if self.tile != Some(tile) {
            self.emit_all().await?;
            let mut kept = std::mem::take(&mut self.groups.kept);
            kept.iter_mut().for_each(Kept::clear);
            self.groups = Groups::new(&plan, plan.tiling.extent(&plan.keys, tile))?;
            // Its memory serves the next tile.
            self.groups.kept = kept;
            self.tile = Some(tile);
            return Ok(());
        }
        if !plan.general.is_empty() || self.groups.extent.sizes.len() < 2 {
            return Ok(());
        }
        let position = plan.tiling.first_position(number);
        let low = self.groups.extent.low[0];
        let done: Vec<usize> = (0..self.groups.planes.len())
            .filter(|plane| self.groups.planes[*plane].is_some())
            .filter(|plane| plan.tiling.is_done(low + plane, position))
            .collect();
        self.emit(&done).await
    }

    /// Emits all planes that are still held.
    async fn emit_all(&mut self) -> Result<()> {
        if self.tile.is_none() {
            return Ok(());
        }
        // Without keys there is one group, also when no cell was selected.
        let is_total = self.plan.keys.columns.is_empty();
        let extent_is_empty = self.groups.extent.sizes.contains(&0);
        if extent_is_empty && is_total {
            self.groups = Groups::new(
                &self.plan,
                Extent {
                    low: vec![0; self.plan.keys.axes.len()],
                    sizes: vec![1; self.plan.keys.axes.len()],
                },
            )?;
        } else if extent_is_empty {
            return Ok(());
        }
        let all_exist = is_total || self.plan.rows.is_none();
        let planes: Vec<usize> = (0..self.groups.planes.len())
            .filter(|plane| {
                let is_held = self.groups.planes[*plane].is_some();
                is_held
                    || (all_exist && self.plan.mode == Mode::Shared)
                    || !self.plan.general.is_empty()
            })
            .collect();
        self.emit(&planes).await
    }

    /// Emits the groups of `planes` and forgets them.
    async fn emit(&mut self, planes: &[usize]) -> Result<()> {
        if planes.is_empty() {
            return Ok(());
        }
        let plan = Arc::clone(&self.plan);
        let size = self.groups.extent.plane();
        let general: Vec<ArrayRef> = (0..plan.general.len())
            .map(|position| self.groups.general.results(position))
            .collect::<Result<_>>()?;
        for plane in planes {
            let mut quantiles = self.quantiles(*plane, size).await?.into_iter();
            let states = self.groups.planes[*plane].take();
            let states = states.unwrap_or_else(|| Plane::new(&plan, size));
            let mut columns = key_columns(&plan, &self.groups.extent, &[*plane])?;
            for output in &plan.outputs {
                let returns = plan.schema.field(columns.len()).data_type();
                columns.push(match output {
                    Output::Kernel { kind, input } => {
                        states.inputs[*input].column(*kind, returns)?
                    }
                    Output::Quantile { .. } => match quantiles.next() {
                        Some(column) => column,
                        None => return internal_err!("a quantile was not selected"),
                    },
                    Output::Edge { position } => {
                        let element = plan.edges[*position].element;
                        states.edges[*position].column(element, returns)?
                    }
                    Output::Pair { kind, position } => states.pairs[*position].column(*kind)?,
                    Output::General { position } => general[*position].slice(plane * size, size),
                });
            }
            for kept in &mut self.groups.kept {
                kept.forget(*plane);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(size));
            let schema = Arc::clone(&plan.schema);
            let mut batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
            if let Some(rows) = plan.rows {
                batch = filter_record_batch(&batch, &present(states.inputs[rows].counts()))?;
            }
            let metrics = &self.units.source.metrics;
            metrics.output_rows.add(batch.num_rows());
            let mut start = 0;
            while start < batch.num_rows() {
                let rows = (batch.num_rows() - start).min(self.batch_rows);
                self.ready.push_back(batch.slice(start, rows));
                start += rows;
            }
        }
        Ok(())
    }
}

/// The cells that have a value; `None` when all have.
pub(super) fn null_bits(values: &ArrayRef) -> Option<BooleanBuffer> {
    let nulls = values.logical_nulls();
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    nulls.map(NullBuffer::into_inner)
}

/// What is computed of series and of first and last values, and arguments and filters of aggregates without
/// a kernel, in the order in which [`Worker::reduce`] takes their values.
fn general_expressions(plan: &GridAggregatePlan) -> Vec<Arc<dyn PhysicalExpr>> {
    let mut all = Vec::new();
    for series in &plan.series {
        let is_variable = variable(&plan.scan.cube, &series.values).is_some();
        all.extend((!is_variable).then(|| Arc::clone(&series.values)));
        all.extend(series.filter.clone());
    }
    for edge in &plan.edges {
        let is_variable = variable(&plan.scan.cube, &edge.values).is_some();
        all.extend((!is_variable).then(|| Arc::clone(&edge.values)));
        all.extend(edge.filter.clone());
    }
    for general in &plan.general {
        all.extend(general.arguments.iter().cloned());
        all.extend(general.filter.clone());
    }
    all
}
