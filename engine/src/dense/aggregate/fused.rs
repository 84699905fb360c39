//! Inputs that are computed: evaluated piece by piece and reduced while they are in the cache.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, internal_err};
use graticule_functions::kernels::Needs;
use graticule_functions::kernels::program::{CellType, Cells, PIECE};

use crate::dense::aggregate::groups::{Plane, Values};
use crate::dense::aggregate::inputs::column;
use crate::dense::aggregate::layout::{UnitLayout, Visit};
use crate::dense::aggregate::pieces::for_each_piece;
use crate::dense::aggregate::plan::{ElementType, GridAggregatePlan, Input, Source};
use crate::dense::expressions::{Compiler, Expressions};
use crate::scan::assemble::UnitValues;
use crate::scan::grid::Unit;

/// The computed inputs and the pairs of a plan, as steps of one program.
pub(crate) struct Fused {
    expressions: Expressions,
    inputs: Vec<FusedInput>,
    pairs: Vec<FusedPair>,
}

struct FusedInput {
    /// Its place among the inputs of the plan.
    position: usize,
    /// The step that leaves its values; rows have none.
    values: Option<usize>,
    filter: Option<usize>,
    counts_only: bool,
}

struct FusedPair {
    x: usize,
    y: usize,
    filter: Option<usize>,
}

impl Fused {
    /// Compiles the expressions of a plan.
    ///
    /// # Errors
    /// A part that reads one axis and fails on one of its selected coordinates.
    pub(crate) fn new(plan: &GridAggregatePlan) -> Result<Self> {
        let scan = &plan.scan;
        let mut compiler = Compiler::new(&scan.cube, &scan.predicate.selections);
        let mut inputs = Vec::new();
        for (position, input) in plan.inputs.iter().enumerate() {
            if !input.is_fused() {
                continue;
            }
            let counts_only = input.needs == Needs::default();
            let expression = match &input.source {
                Source::Rows => None,
                Source::Variable(variable) => Some(column(&scan.cube, *variable)),
                Source::Computed(expression) => Some(Arc::clone(expression)),
            };
            let wanted = match input.element {
                ElementType::Float32 => CellType::Float32,
                ElementType::Float64 => CellType::Float64,
                ElementType::Int64 | ElementType::Bits => CellType::Int64,
            };
            let values = match expression {
                None => None,
                Some(expression) if counts_only => Some(compiler.presence(&expression)?),
                Some(expression) => Some(compiler.values(&expression, wanted)?),
            };
            inputs.push(FusedInput {
                position,
                values,
                filter: compiler.filter(input.filter.as_ref())?,
                counts_only,
            });
        }
        let mut pairs = Vec::new();
        for pair in &plan.pairs {
            pairs.push(FusedPair {
                x: compiler.values(&pair.x, CellType::Float64)?,
                y: compiler.values(&pair.y, CellType::Float64)?,
                filter: compiler.filter(pair.filter.as_ref())?,
            });
        }
        Ok(Self {
            expressions: Expressions::new(&scan.cube, compiler)?,
            inputs,
            pairs,
        })
    }

    /// Adds the values of one unit to the states of its groups.
    ///
    /// # Errors
    /// An expression that fails on a value.
    pub(crate) fn reduce(
        &mut self,
        unit: &Unit,
        read: &[Option<UnitValues>],
        mask: Option<&BooleanBuffer>,
        layout: &UnitLayout,
        planes: &mut [Option<Plane>],
    ) -> Result<()> {
        if self.inputs.is_empty() && self.pairs.is_empty() {
            return Ok(());
        }
        self.expressions.enter(unit, read, mask)?;
        for visit in layout.visits() {
            let Some(plane) = &mut planes[visit.plane] else {
                continue;
            };
            for_each_piece(&visit, PIECE, &mut |starts, length, piece| {
                self.expressions.run(starts, length);
                self.add(plane, piece)
            })?;
        }
        Ok(())
    }

    /// Adds the piece that the program has just run on.
    fn add(&self, plane: &mut Plane, visit: &Visit<'_>) -> Result<()> {
        let mut bits = [0; PIECE / 8];
        for input in &self.inputs {
            let values = input.values.as_slice();
            let valid = self.expressions.valid(values, input.filter, &mut bits);
            let state = &mut plane.inputs[input.position];
            let step = input.values.filter(|_| !input.counts_only);
            let cells = match step.map(|step| self.expressions.cells(step)) {
                Some(Cells::Float32(cells)) => Values::Float32(cells),
                Some(Cells::Float64(cells)) => Values::Float64(cells),
                Some(Cells::Int64(cells)) => Values::Int64(cells),
                Some(Cells::Boolean(_)) | None => Values::Any,
            };
            state.add(cells, valid, visit)?;
        }
        for (pair, state) in std::iter::zip(&self.pairs, &mut plane.pairs) {
            let valid = self
                .expressions
                .valid(&[pair.x, pair.y], pair.filter, &mut bits);
            let cells = [pair.x, pair.y].map(|step| self.expressions.cells(step));
            let [Cells::Float64(x), Cells::Float64(y)] = cells else {
                return internal_err!("a pair of series is not one of doubles");
            };
            state.add([x, y], valid, visit);
        }
        Ok(())
    }
}

impl Input {
    /// Is it evaluated piece by piece? A bare variable is reduced where it was decoded.
    pub(crate) fn is_fused(&self) -> bool {
        matches!(self.source, Source::Computed(_)) || self.filter.is_some()
    }
}
