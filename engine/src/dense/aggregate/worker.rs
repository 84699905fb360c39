//! One partition of a grid aggregate at work.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int64Type};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;
use graticule_functions::kernels::{Bits, Element, Needs};

use crate::dense::aggregate::gathered::Gathered;
use crate::dense::aggregate::general::Accumulators;
use crate::dense::aggregate::inputs::{Evaluator, spread};
use crate::dense::aggregate::known::add_known;
use crate::dense::aggregate::layout::{Extent, UnitLayout};
use crate::dense::aggregate::output::{InputState, as_elements, flat, key_columns, present};
use crate::dense::aggregate::pairs::PairState;
use crate::dense::aggregate::plan::{ElementType, GridAggregatePlan, Input, Mode, Output, Source};
use crate::dense::aggregate::state::State;
use crate::dense::aggregate::tiles::Tiling;
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;
use crate::scan::predicate::true_bits;
use crate::scan::rows::UnitRows;
use crate::scan::units::{UnitCells, UnitReader};

/// The states of the groups of one code of the first axis.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) inputs: Vec<InputState>,
    pairs: Vec<PairState>,
}

impl Plane {
    pub(super) fn new(plan: &GridAggregatePlan, groups: usize) -> Self {
        let inputs = plan.inputs.iter();
        let inputs = inputs.map(|input| match input.element {
            ElementType::Float32 => InputState::Float32(State::new(groups, input.needs)),
            ElementType::Float64 => InputState::Float64(State::new(groups, input.needs)),
            ElementType::Int64 => InputState::Int64(State::new(groups, input.needs)),
        });
        Self {
            inputs: inputs.collect(),
            pairs: plan.pairs.iter().map(|_| PairState::new(groups)).collect(),
        }
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        for (mine, theirs) in std::iter::zip(&mut self.inputs, &other.inputs) {
            mine.merge(theirs)?;
        }
        for (mine, theirs) in std::iter::zip(&mut self.pairs, &other.pairs) {
            mine.merge(theirs);
        }
        Ok(())
    }
}

/// The states of the groups that a worker holds at a time.
pub(crate) struct Groups {
    pub(super) extent: Extent,
    /// Per code of the first axis, when a cell of it has been seen.
    pub(super) planes: Vec<Option<Plane>>,
    general: Accumulators,
}

impl Groups {
    fn new(plan: &GridAggregatePlan, extent: Extent) -> Result<Self> {
        let groups = extent.planes() * extent.plane();
        Ok(Self {
            planes: (0..extent.planes()).map(|_| None).collect(),
            general: Accumulators::new(&plan.general, &plan.scan.cube.schema, groups)?,
            extent,
        })
    }

    /// Adds the groups of another worker.
    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        for (mine, theirs) in std::iter::zip(&mut self.planes, other.planes) {
            match (mine.as_mut(), theirs) {
                (_, None) => {}
                (None, theirs) => *mine = theirs,
                (Some(mine), Some(theirs)) => mine.merge(&theirs)?,
            }
        }
        self.general.merge(other.general)
    }
}

/// One partition of a grid aggregate.
pub(crate) struct Worker {
    plan: Arc<GridAggregatePlan>,
    units: UnitReader,
    gathered: Arc<Gathered>,
    /// Variables read with every unit, and those read only for units with a matching row.
    early: Vec<usize>,
    late: Vec<usize>,
    predicate: Option<Evaluator>,
    expressions: Evaluator,
    tile: Option<u64>,
    groups: Groups,
    ready: VecDeque<RecordBatch>,
    batch_rows: usize,
    begun: bool,
    done: bool,
    memory: MemoryReservation,
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
        let predicate = match &plan.scan.predicate.rows {
            Some(predicate) => Some(Evaluator::new(cube, &[Arc::clone(predicate)])?),
            None => None,
        };
        let expressions = Evaluator::new(cube, &expressions(&plan))?;
        let groups = Groups::new(&plan, Tiling::everything(&plan.keys))?;
        memory.try_resize(plan.state_bytes())?;
        Ok(Self {
            units,
            gathered,
            early,
            late,
            predicate,
            expressions,
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
                None => self.finish()?,
            }
            tokio::task::yield_now().await;
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.done = true;
        let nothing = Extent {
            low: self.groups.extent.low.clone(),
            sizes: vec![0; self.groups.extent.sizes.len()],
        };
        match self.plan.mode {
            Mode::Tiles => self.emit_all(),
            Mode::Shared => {
                let none = Groups::new(&self.plan, nothing)?;
                let groups = std::mem::replace(&mut self.groups, none);
                if let Some(all) = self.gathered.finish(groups)? {
                    self.groups = all;
                    self.tile = Some(0);
                    self.emit_all()?;
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
            self.enter(number)?;
        }
        if let Some(summaries) = summaries {
            return add_known(&mut self.groups, &plan, &unit, &summaries);
        }
        let cube = Arc::clone(&plan.scan.cube);
        let mut read: Vec<Option<UnitValues>> = vec![None; cube.variables.len()];
        for (variable, values) in std::iter::zip(&self.early, values) {
            read[*variable] = Some(values);
        }
        let axes = |columns: &[usize]| -> Vec<usize> {
            let axes = columns.iter().filter(|column| **column < cube.axes.len());
            axes.copied().collect()
        };
        if let Some(predicate) = &mut self.predicate {
            let _timer = self.units.source.metrics.time_rows.timer();
            let mut rows =
                UnitRows::new(&cube, unit.clone(), axes(predicate.columns()).into_iter())?;
            add_variables(&mut rows, &cube, &read);
            if let Some(matches) = predicate.evaluate(&rows)?.first() {
                let matches = true_bits(matches.as_boolean());
                mask = Some(match mask {
                    Some(mask) => &mask & &matches,
                    None => matches,
                });
            }
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
        let computed = if self.expressions.is_empty() {
            Vec::new()
        } else {
            let columns = self.expressions.columns();
            let mut rows = UnitRows::new(&cube, unit.clone(), axes(columns).into_iter())?;
            add_variables(&mut rows, &cube, &read);
            self.expressions.evaluate(&rows)?
        };
        self.reduce(&unit, &read, computed, mask.as_ref())
    }

    /// Adds the values of one unit to the states of its groups.
    fn reduce(
        &mut self,
        unit: &Unit,
        read: &[Option<UnitValues>],
        computed: Vec<ArrayRef>,
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let cube = &plan.scan.cube;
        let layout = UnitLayout::new(&plan.keys, unit, &self.groups.extent);
        let plane = self.groups.extent.plane();
        for bucket in &layout.buckets {
            let states = &mut self.groups.planes[bucket.plane];
            states.get_or_insert_with(|| Plane::new(&plan, plane));
        }
        let mut computed = computed.into_iter();
        let mut next = || computed.next();
        for (position, input) in plan.inputs.iter().enumerate() {
            let values = match &input.source {
                Source::Rows => None,
                Source::Variable(variable) => {
                    let values = read[*variable].as_ref();
                    let axes = &cube.variables[*variable].axes;
                    let values = values
                        .map(|values| spread(values, axes, unit))
                        .transpose()?;
                    match values.flatten() {
                        Some(values) => Some(values),
                        None => {
                            // All missing: nothing to add. An unused filter is passed over.
                            if input.filter.is_some() {
                                next();
                            }
                            continue;
                        }
                    }
                }
                Source::Computed(_) => next(),
            };
            let filter = match &input.filter {
                Some(_) => next().map(|filter| true_bits(filter.as_boolean())),
                None => None,
            };
            let valid = [mask.cloned(), filter, values.as_ref().and_then(null_bits)];
            let valid = valid.into_iter().flatten().reduce(|a, b| &a & &b);
            let bits = valid.as_ref().map(Bits::new);
            self.add(position, input, values.as_ref(), bits, &layout)?;
        }
        for (position, pair) in plan.pairs.iter().enumerate() {
            let (Some(x), Some(y)) = (next(), next()) else {
                return internal_err!("a pair of series was not evaluated");
            };
            let filter = match &pair.filter {
                Some(_) => next().map(|filter| true_bits(filter.as_boolean())),
                None => None,
            };
            let valid = [mask.cloned(), filter, null_bits(&x), null_bits(&y)];
            let valid = valid.into_iter().flatten().reduce(|a, b| &a & &b);
            let bits = valid.as_ref().map(Bits::new);
            let values = [flat::<Float64Type>(&x)?, flat::<Float64Type>(&y)?];
            for bucket in &layout.buckets {
                if let Some(plane) = &mut self.groups.planes[bucket.plane] {
                    plane.pairs[position].add(values, bits, bucket, &layout.inner);
                }
            }
        }
        if plan.general.is_empty() {
            return Ok(());
        }
        let indices = layout.indices(unit.rows(), plane);
        for (position, general) in plan.general.iter().enumerate() {
            let arguments: Vec<ArrayRef> =
                general.arguments.iter().filter_map(|_| next()).collect();
            let filter = match &general.filter {
                Some(_) => next().map(|filter| true_bits(filter.as_boolean())),
                None => None,
            };
            let filter = [mask.cloned(), filter]
                .into_iter()
                .flatten()
                .reduce(|a, b| &a & &b);
            let filter = filter.map(|filter| BooleanArray::new(filter, None));
            self.groups
                .general
                .add(position, &arguments, &indices, filter.as_ref())?;
        }
        self.memory
            .try_resize(self.plan.state_bytes() + self.groups.general.size())
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
        fn each<E: Element>(
            planes: &mut [Option<Plane>],
            layout: &UnitLayout,
            position: usize,
            state: impl Fn(&mut InputState) -> Option<&mut State<E>>,
            values: &[E],
            valid: Option<Bits<'_>>,
        ) {
            for bucket in &layout.buckets {
                let plane = planes[bucket.plane].as_mut();
                if let Some(state) = plane.and_then(|plane| state(&mut plane.inputs[position])) {
                    state.add(values, valid, bucket, &layout.inner);
                }
            }
        }
        let planes = &mut self.groups.planes;
        let counts_only = input.needs == Needs::default();
        let converted;
        match input.element {
            ElementType::Float32 => {
                let values = match values {
                    Some(values) if !counts_only => flat::<Float32Type>(values)?,
                    _ => &[],
                };
                each(
                    planes,
                    layout,
                    position,
                    InputState::as_float32,
                    values,
                    valid,
                );
            }
            ElementType::Float64 => {
                let values = match values {
                    Some(values) if !counts_only => {
                        converted = as_elements(values, &DataType::Float64)?;
                        flat::<Float64Type>(&converted)?
                    }
                    _ => &[],
                };
                each(
                    planes,
                    layout,
                    position,
                    InputState::as_float64,
                    values,
                    valid,
                );
            }
            ElementType::Int64 => {
                let values = match values {
                    Some(values) if !counts_only => {
                        converted = as_elements(values, &DataType::Int64)?;
                        flat::<Int64Type>(&converted)?
                    }
                    _ => &[],
                };
                each(
                    planes,
                    layout,
                    position,
                    InputState::as_int64,
                    values,
                    valid,
                );
            }
        }
        Ok(())
    }

    /// Gets ready for unit `number`: emits what its tile, or its position, ends.
    fn enter(&mut self, number: u64) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let tile = plan.tiling.tile_of(number);
        if self.tile != Some(tile) {
            self.emit_all()?;
            self.groups = Groups::new(&plan, plan.tiling.extent(&plan.keys, tile))?;
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
        self.emit(&done)
    }

    /// Emits all planes that are still held.
    fn emit_all(&mut self) -> Result<()> {
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
        self.emit(&planes)
    }

    /// Emits the groups of `planes` and forgets them.
    fn emit(&mut self, planes: &[usize]) -> Result<()> {
        if planes.is_empty() {
            return Ok(());
        }
        let plan = Arc::clone(&self.plan);
        let size = self.groups.extent.plane();
        let general: Vec<ArrayRef> = (0..plan.general.len())
            .map(|position| self.groups.general.results(position))
            .collect::<Result<_>>()?;
        for plane in planes {
            let states = self.groups.planes[*plane].take();
            let states = states.unwrap_or_else(|| Plane::new(&plan, size));
            let mut columns = key_columns(&plan, &self.groups.extent, &[*plane])?;
            for output in &plan.outputs {
                let returns = plan.schema.field(columns.len()).data_type();
                columns.push(match output {
                    Output::Kernel { kind, input } => {
                        states.inputs[*input].column(*kind, returns)?
                    }
                    Output::Pair { kind, position } => states.pairs[*position].column(*kind)?,
                    Output::General { position } => general[*position].slice(plane * size, size),
                });
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
fn null_bits(values: &ArrayRef) -> Option<BooleanBuffer> {
    let nulls = values.logical_nulls();
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    nulls.map(NullBuffer::into_inner)
}

fn add_variables(rows: &mut UnitRows, cube: &crate::cube::Cube, read: &[Option<UnitValues>]) {
    for (variable, values) in read.iter().enumerate() {
        if let Some(values) = values {
            rows.add(cube, variable, values.clone());
        }
    }
}

/// All expressions of a plan, in the order in which [`Worker::reduce`] takes their values.
fn expressions(plan: &GridAggregatePlan) -> Vec<Arc<dyn PhysicalExpr>> {
    let mut all = Vec::new();
    for input in &plan.inputs {
        if let Source::Computed(expression) = &input.source {
            all.push(Arc::clone(expression));
        }
        all.extend(input.filter.clone());
    }
    for pair in &plan.pairs {
        all.extend([Arc::clone(&pair.x), Arc::clone(&pair.y)]);
        all.extend(pair.filter.clone());
    }
    for general in &plan.general {
        all.extend(general.arguments.iter().cloned());
        all.extend(general.filter.clone());
    }
    all
}
