//! The groups that a worker holds, and how those of several workers become one.

use std::sync::{Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::array::types::{Float32Type, Float64Type, Int64Type};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use graticule_functions::kernels::Bits;

use crate::dense::aggregate::bits::BitState;
use crate::dense::aggregate::edges::EdgeState;
use crate::dense::aggregate::general::Accumulators;
use crate::dense::aggregate::layout::{Extent, Visit};
use crate::dense::aggregate::output::flat;
use crate::dense::aggregate::pairs::PairState;
use crate::dense::aggregate::plan::{ElementType, GridAggregatePlan, Input};
use crate::dense::aggregate::quantiles::Kept;
use crate::dense::aggregate::state::State;

/// The values of an input, flat, in the type in which kernels read them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a> {
    /// Only their number counts.
    Any,
    /// 32-bit floats.
    Float32(&'a [f32]),
    /// 64-bit floats.
    Float64(&'a [f64]),
    /// Integers.
    Int64(&'a [i64]),
}

impl<'a> Values<'a> {
    /// Those of an array of `element`.
    ///
    /// # Errors
    /// An array of another type, which the plan rules out.
    pub(crate) fn of(values: Option<&'a ArrayRef>, element: ElementType) -> Result<Self> {
        let Some(values) = values else {
            return Ok(Self::Any);
        };
        Ok(match element {
            ElementType::Float32 => Self::Float32(flat::<Float32Type>(values)?),
            ElementType::Float64 => Self::Float64(flat::<Float64Type>(values)?),
            ElementType::Int64 | ElementType::Bits => Self::Int64(flat::<Int64Type>(values)?),
        })
    }
}

/// The state of one input, in the type in which kernels read it.
#[derive(Debug, Clone)]
pub(crate) enum InputState {
    /// Of 32-bit floats.
    Float32(State<f32>),
    /// Of 64-bit floats.
    Float64(State<f64>),
    /// Of integers.
    Int64(State<i64>),
    /// Of the bits of integers.
    Bits(BitState),
}

impl InputState {
    fn new(input: &Input, groups: usize) -> Self {
        match input.element {
            ElementType::Float32 => Self::Float32(State::new(groups, input.needs)),
            ElementType::Float64 => Self::Float64(State::new(groups, input.needs)),
            ElementType::Int64 => Self::Int64(State::new(groups, input.needs)),
            ElementType::Bits => Self::Bits(BitState::new(groups)),
        }
    }

    /// Adds the cells of one visit.
    ///
    /// # Errors
    /// Values of another type than the state's, which the plan rules out.
    pub(crate) fn add(
        &mut self,
        values: Values<'_>,
        valid: Option<Bits<'_>>,
        visit: &Visit<'_>,
    ) -> Result<()> {
        match (self, values) {
            (Self::Float32(state), Values::Any) => state.add(&[], valid, visit),
            (Self::Float64(state), Values::Any) => state.add(&[], valid, visit),
            (Self::Int64(state), Values::Any) => state.add(&[], valid, visit),
            (Self::Float32(state), Values::Float32(values)) => state.add(values, valid, visit),
            (Self::Float64(state), Values::Float64(values)) => state.add(values, valid, visit),
            (Self::Int64(state), Values::Int64(values)) => state.add(values, valid, visit),
            (Self::Bits(state), Values::Int64(values)) => state.add(values, valid, visit),
            _ => return internal_err!("an input is read in another type than it is reduced in"),
        }
        Ok(())
    }

    /// Adds the groups of another worker.
    fn merge(&mut self, other: &Self) -> Result<()> {
        match (self, other) {
            (Self::Float32(mine), Self::Float32(theirs)) => mine.merge_floats(theirs),
            (Self::Float64(mine), Self::Float64(theirs)) => mine.merge_floats(theirs),
            (Self::Int64(mine), Self::Int64(theirs)) => mine.merge_integers(theirs),
            (Self::Bits(mine), Self::Bits(theirs)) => mine.merge(theirs),
            _ => return internal_err!("workers of one aggregate read different types"),
        }
        Ok(())
    }

    /// Valid cells of each group.
    pub(crate) fn counts(&self) -> &[u64] {
        match self {
            Self::Float32(state) => &state.count,
            Self::Float64(state) => &state.count,
            Self::Int64(state) => &state.count,
            Self::Bits(state) => state.counts(),
        }
    }
}

/// The states of the groups of one code of the first axis.
#[derive(Debug)]
pub(crate) struct Plane {
    /// One per input of the plan.
    pub(crate) inputs: Vec<InputState>,
    /// One per pair of the plan.
    pub(crate) pairs: Vec<PairState>,
    /// One per first or last value of the plan.
    pub(crate) edges: Vec<EdgeState>,
}

impl Plane {
    /// Nothing seen in `groups` groups.
    pub(crate) fn new(plan: &GridAggregatePlan, groups: usize) -> Self {
        let inputs = plan.inputs.iter();
        let inputs = inputs.map(|input| InputState::new(input, groups));
        Self {
            inputs: inputs.collect(),
            pairs: plan.pairs.iter().map(|_| PairState::new(groups)).collect(),
            edges: plan.edges.iter().map(|_| EdgeState::new(groups)).collect(),
        }
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        for (mine, theirs) in std::iter::zip(&mut self.inputs, &other.inputs) {
            mine.merge(theirs)?;
        }
        for (mine, theirs) in std::iter::zip(&mut self.pairs, &other.pairs) {
            mine.merge(theirs);
        }
        for (mine, theirs) in std::iter::zip(&mut self.edges, &other.edges) {
            mine.merge(theirs);
        }
        Ok(())
    }
}

/// The states of the groups that a worker holds at a time.
pub(crate) struct Groups {
    /// Which groups they are.
    pub(crate) extent: Extent,
    /// Per code of the first axis, when a cell of it has been seen.
    pub(crate) planes: Vec<Option<Plane>>,
    /// Values that are kept, one entry per series of the plan.
    pub(crate) kept: Vec<Kept>,
    /// The states of aggregates without a kernel.
    pub(crate) general: Accumulators,
}

impl Groups {
    /// Nothing seen in the groups of `extent`.
    pub(crate) fn new(plan: &GridAggregatePlan, extent: Extent) -> Result<Self> {
        let groups = extent.planes() * extent.plane();
        let kept = plan.series.iter().map(|series| Kept::new(series.element));
        Ok(Self {
            planes: (0..extent.planes()).map(|_| None).collect(),
            kept: kept.collect(),
            general: Accumulators::new(&plan.general, &plan.scan.cube.schema, groups)?,
            extent,
        })
    }

    /// No groups at all.
    pub(crate) fn none(plan: &GridAggregatePlan) -> Result<Self> {
        let rank = plan.keys.axes.len();
        let extent = Extent {
            low: vec![0; rank],
            sizes: vec![0; rank],
        };
        Self::new(plan, extent)
    }

    /// Adds the groups of another worker.
    fn merge(&mut self, other: Self) -> Result<()> {
        for (mine, theirs) in std::iter::zip(&mut self.planes, other.planes) {
            match (mine.as_mut(), theirs) {
                (_, None) => {}
                (None, theirs) => *mine = theirs,
                (Some(mine), Some(theirs)) => mine.merge(&theirs)?,
            }
        }
        for (mine, theirs) in std::iter::zip(&mut self.kept, other.kept) {
            mine.merge(theirs)?;
        }
        self.general.merge(other.general)
    }
}

/// What the workers of one execution have gathered so far.
#[derive(Default)]
pub(crate) struct Gathered {
    state: Mutex<GatheredState>,
}

#[derive(Default)]
struct GatheredState {
    working: usize,
    emitted: bool,
    /// The groups of those that have finished, and what they weigh.
    groups: Option<(Groups, MemoryReservation)>,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl Gathered {
    /// A worker begins.
    pub(crate) fn begin(&self) {
        self.lock().working += 1;
    }

    /// A worker has finished with `groups`, which weigh `memory`. The last one gets everything back.
    pub(crate) fn finish(
        &self,
        groups: Groups,
        memory: MemoryReservation,
    ) -> Result<Option<(Groups, MemoryReservation)>> {
        let mut state = self.lock();
        let gathered = match state.groups.take() {
            None => (groups, memory),
            Some((mut gathered, held)) => {
                gathered.merge(groups)?;
                held.grow(memory.free());
                (gathered, held)
            }
        };
        state.working -= 1;
        if state.working == 0 && !state.emitted {
            state.emitted = true;
            return Ok(Some(gathered));
        }
        state.groups = Some(gathered);
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GatheredState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
