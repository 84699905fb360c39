//! What the aggregates of a plan read, each series once, and which kernel computes which aggregate.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use graticule_functions::kernels::Needs;

use crate::cube::Cube;
use crate::dense::aggregate::edges::{AxisRanks, Edge};
use crate::dense::aggregate::pairs::PairKind;
use crate::dense::aggregate::plan::{
    BitOperation, ElementType, General, Input, Kind, Output, Pair, Series, Source,
};
use crate::dense::aggregate::quantiles::Quantile;
use crate::dense::keys::GroupKeys;
use crate::scan::CubeScan;
use crate::scan::skipping::Summarised;

/// What the inputs need of a unit all of whose cells belong to one group: nothing but counts, smallest and
/// largest values of variables. `None` when one of them needs more.
pub(super) fn summarised(inputs: &[Input], keys: &GroupKeys) -> Option<Summarised> {
    let mut variables = BTreeMap::new();
    for input in inputs {
        if input.filter.is_some() || input.needs.sum || input.needs.squares {
            return None;
        }
        match input.source {
            Source::Rows => {}
            Source::Variable(variable) => {
                *variables.entry(variable).or_default() |= input.needs.extremes;
            }
            Source::Computed(_) => return None,
        }
    }
    let keys = keys.clone();
    Some(Summarised {
        variables: variables.into_iter().collect(),
        is_one_group: Arc::new(move |unit| keys.is_one_group(unit)),
    })
}

/// Collects what the aggregates of one plan read.
pub(super) struct Builder<'a> {
    pub(super) scan: &'a CubeScan,
    pub(super) keys: &'a GroupKeys,
    pub(super) inputs: Vec<Input>,
    pub(super) pairs: Vec<Pair>,
    pub(super) series: Vec<Series>,
    pub(super) edges: Vec<Edge>,
    pub(super) general: Vec<General>,
    /// Columns of the table that are read, with repetitions.
    pub(super) variables: Vec<usize>,
}

impl Builder<'_> {
    fn reads(&mut self, expression: &Arc<dyn PhysicalExpr>) {
        let columns = collect_columns(expression);
        self.variables.extend(columns.iter().map(Column::index));
    }

    /// The position of an input, which may be there already.
    pub(super) fn input(
        &mut self,
        source: Source,
        element: ElementType,
        filter: Option<Arc<dyn PhysicalExpr>>,
        needs: Needs,
    ) -> usize {
        match &source {
            Source::Rows => {}
            Source::Variable(variable) => {
                self.variables.push(self.scan.cube.axes.len() + variable);
            }
            Source::Computed(expression) => self.reads(&Arc::clone(expression)),
        }
        if let Some(filter) = &filter {
            self.reads(&Arc::clone(filter));
        }
        let input = Input {
            source,
            element,
            filter,
            needs,
        };
        match self
            .inputs
            .iter_mut()
            .position(|other| other.reads_the_same(&input))
        {
            Some(position) => {
                let known = &mut self.inputs[position].needs;
                known.sum |= needs.sum;
                known.squares |= needs.squares;
                known.extremes |= needs.extremes;
                position
            }
            None => {
                self.inputs.push(input);
                self.inputs.len() - 1
            }
        }
    }

    /// What computes `function`, or the reason why nothing here does.
    ///
    /// # Errors
    /// An argument has no type.
    pub(super) fn output(
        &mut self,
        function: &Arc<AggregateFunctionExpr>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
        filter: Option<Arc<dyn PhysicalExpr>>,
        order: &[(Arc<dyn PhysicalExpr>, PhysicalSortExpr)],
    ) -> Result<std::result::Result<Output, String>> {
        let name = function.fun().name().to_string();
        if function.is_distinct() {
            return Ok(Err(format!("{name}(DISTINCT …)")));
        }
        if arguments.iter().chain(&filter).any(is_volatile) {
            return Ok(Err(format!("an argument of {name} is volatile")));
        }
        let first_of_regions = self.scan.cube.schema.fields().len();
        let mut columns = arguments.iter().chain(&filter).flat_map(collect_columns);
        if columns.any(|column| column.index() >= first_of_regions) {
            return Ok(Err(format!("an argument of {name} reads the regions")));
        }
        if let Some(quantile) = Quantile::of(function, &arguments)
            && let Some(position) = self.kept(&arguments[0], filter.as_ref())?
        {
            return Ok(Ok(Output::Quantile { quantile, position }));
        }
        if let ("first_value" | "last_value", [argument]) = (name.as_str(), &arguments[..])
            && let Some(edge) = self.edge(function, argument, filter.as_ref(), order)?
        {
            return Ok(edge.map(|position| Output::Edge { position }));
        }
        if !order.is_empty() {
            return Ok(Err(format!("{name}(… ORDER BY …)")));
        }
        if let [argument] = arguments.as_slice()
            && let Some(output) = self.kernel(&name, function, argument, filter.as_ref())?
        {
            return Ok(Ok(output));
        }
        for expression in arguments.iter().chain(&filter) {
            self.reads(expression);
        }
        if let (Some((kind, x_first)), [first, second]) = (PairKind::of(&name), &arguments[..])
            && let [Ok(DataType::Float64), Ok(DataType::Float64)] =
                [first, second].map(|argument| argument.data_type(&self.scan.cube.schema))
        {
            let (x, y) = if x_first {
                (first, second)
            } else {
                (second, first)
            };
            let pair = Pair {
                x: Arc::clone(x),
                y: Arc::clone(y),
                filter,
            };
            let position = match self
                .pairs
                .iter()
                .position(|other| pair.reads_the_same(other))
            {
                Some(position) => position,
                None => {
                    self.pairs.push(pair);
                    self.pairs.len() - 1
                }
            };
            return Ok(Ok(Output::Pair { kind, position }));
        }
        self.general.push(General {
            function: Arc::clone(function),
            arguments,
            filter,
        });
        let position = self.general.len() - 1;
        Ok(Ok(Output::General { position }))
    }

    /// The position of a first or last value, or the reason why cells have no order; `None` where its
    /// values are of a type that only DataFusion knows.
    fn edge(
        &mut self,
        function: &AggregateFunctionExpr,
        argument: &Arc<dyn PhysicalExpr>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
        order: &[(Arc<dyn PhysicalExpr>, PhysicalSortExpr)],
    ) -> Result<Option<std::result::Result<usize, String>>> {
        let cube = &self.scan.cube;
        let element = match argument.data_type(&cube.schema)? {
            DataType::Float32 => ElementType::Float32,
            DataType::Float64 => ElementType::Float64,
            DataType::Boolean | DataType::Timestamp(..) => ElementType::Int64,
            returns if returns.is_integer() => ElementType::Bits,
            _ => return Ok(None),
        };
        let name = function.fun().name();
        let selections = &self.scan.predicate.selections;
        let is_last = name == "last_value";
        let ranks = match AxisRanks::new(cube, self.keys, selections, order, is_last) {
            Ok(ranks) => ranks,
            Err(reason) => return Ok(Some(Err(format!("{name}: {reason}")))),
        };
        let edge = Edge {
            values: Arc::clone(argument),
            element,
            filter: filter.cloned(),
            ignore_nulls: function.ignore_nulls(),
            order: ranks,
            name: function.name().to_string(),
        };
        self.reads(&edge.values);
        if let Some(filter) = &edge.filter {
            self.reads(filter);
        }
        self.edges.push(edge);
        Ok(Some(Ok(self.edges.len() - 1)))
    }

    /// The position of a series that is kept, which may be there already; `None` where its values are no
    /// numbers that are floats, or become some without a loss.
    fn kept(
        &mut self,
        argument: &Arc<dyn PhysicalExpr>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<usize>> {
        let returns = argument.data_type(&self.scan.cube.schema)?;
        if !matches!(returns, DataType::Float32 | DataType::Float64) {
            return Ok(None);
        }
        let (source, stored) = self.source(argument)?;
        let values = match source {
            Source::Variable(variable) => column(&self.scan.cube, variable),
            _ => Arc::clone(argument),
        };
        let series = Series {
            values,
            element: match stored {
                DataType::Float32 => ElementType::Float32,
                _ => ElementType::Float64,
            },
            filter: filter.cloned(),
        };
        self.reads(&series.values);
        if let Some(filter) = &series.filter {
            self.reads(filter);
        }
        let mut known = self.series.iter();
        let position = known.position(|other| series.reads_the_same(other));
        if position.is_none() {
            self.series.push(series);
        }
        Ok(Some(position.unwrap_or(self.series.len() - 1)))
    }

    /// The kernel that computes an aggregate of one argument, if there is one.
    fn kernel(
        &mut self,
        name: &str,
        function: &AggregateFunctionExpr,
        argument: &Arc<dyn PhysicalExpr>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<Output>> {
        let sum = Needs {
            sum: true,
            ..Needs::default()
        };
        let extremes = Needs {
            extremes: true,
            ..Needs::default()
        };
        let squares = Needs {
            sum: true,
            squares: true,
            extremes: false,
        };
        let variance = |population, root| (Kind::Variance { population, root }, squares);
        let (kind, needs) = match name {
            "count" => (Kind::Count, Needs::default()),
            "sum" => (Kind::Sum, sum),
            "avg" => (Kind::Average, sum),
            "min" | "bool_and" => (Kind::Minimum, extremes),
            "max" | "bool_or" => (Kind::Maximum, extremes),
            "var" | "var_samp" => variance(false, false),
            "var_pop" => variance(true, false),
            "stddev" | "stddev_samp" => variance(false, true),
            "stddev_pop" => variance(true, true),
            // Their values are read, whatever is done with them.
            "bit_and" => (Kind::Bits(BitOperation::And), sum),
            "bit_or" => (Kind::Bits(BitOperation::Or), sum),
            "bit_xor" => (Kind::Bits(BitOperation::Xor), sum),
            _ => return Ok(None),
        };
        let output = |input| Ok(Some(Output::Kernel { kind, input }));
        if kind == Kind::Count
            && let Some(literal) = argument.downcast_ref::<Literal>()
            && !literal.value().is_null()
        {
            let filter = filter.cloned();
            return output(self.input(Source::Rows, ElementType::Int64, filter, needs));
        }
        let is_float = matches!(kind, Kind::Average | Kind::Variance { .. });
        let (source, stored) = self.source(argument)?;
        let Some(element) = element_type(&stored, kind, is_float) else {
            return Ok(None);
        };
        let is_computed = matches!(source, Source::Computed(_)) || filter.is_some();
        if is_computed && element == ElementType::Bits && stored == DataType::UInt64 {
            return Ok(None);
        }
        let returns = function.field().data_type().clone();
        let is_known = match kind {
            Kind::Sum => match element {
                ElementType::Int64 => matches!(returns, DataType::Int64 | DataType::UInt64),
                _ => returns == DataType::Float64,
            },
            Kind::Average | Kind::Variance { .. } => returns == DataType::Float64,
            _ => true,
        };
        // A variance of a single-precision expression computed by DataFusion is one of doubles too.
        if !is_known {
            return Ok(None);
        }
        output(self.input(source, element, filter.cloned(), needs))
    }

    /// Where an argument comes from and its type there: casts that widen a variable are looked through,
    /// because kernels widen what they read.
    fn source(&self, argument: &Arc<dyn PhysicalExpr>) -> Result<(Source, DataType)> {
        let schema = &self.scan.cube.schema;
        let axes = self.scan.cube.axes.len();
        let bare = match argument.downcast_ref::<CastExpr>() {
            Some(cast) => {
                let stored = cast.expr().data_type(schema)?;
                if widens(&stored, cast.cast_type()) {
                    cast.expr()
                } else {
                    argument
                }
            }
            None => argument,
        };
        if let Some(column) = bare.downcast_ref::<Column>()
            && column.index() >= axes
        {
            let stored = schema.field(column.index()).data_type().clone();
            return Ok((Source::Variable(column.index() - axes), stored));
        }
        Ok((
            Source::Computed(Arc::clone(argument)),
            argument.data_type(schema)?,
        ))
    }
}

fn widens(stored: &DataType, to: &DataType) -> bool {
    match to {
        DataType::Float64 => stored.is_numeric() && *stored != DataType::UInt64,
        DataType::Int64 => stored.is_integer() && *stored != DataType::UInt64,
        DataType::UInt64 => stored.is_unsigned_integer() && *stored != DataType::UInt64,
        _ => false,
    }
}

/// In which type kernels read values of type `stored`; `None` where only DataFusion can.
fn element_type(stored: &DataType, kind: Kind, is_float: bool) -> Option<ElementType> {
    if matches!(kind, Kind::Bits(_)) {
        return stored.is_integer().then_some(ElementType::Bits);
    }
    match stored {
        DataType::Float32 => Some(ElementType::Float32),
        DataType::Float64 => Some(ElementType::Float64),
        DataType::UInt64 => (kind == Kind::Count).then_some(ElementType::Int64),
        stored if stored.is_integer() && is_float => Some(ElementType::Float64),
        stored if stored.is_integer() => Some(ElementType::Int64),
        DataType::Boolean | DataType::Timestamp(..) => {
            let compares = matches!(kind, Kind::Count | Kind::Minimum | Kind::Maximum);
            compares.then_some(ElementType::Int64)
        }
        _ => (kind == Kind::Count).then_some(ElementType::Int64),
    }
}

/// A variable as an expression over the table.
pub(super) fn column(cube: &Cube, variable: usize) -> Arc<dyn PhysicalExpr> {
    let position = cube.axes.len() + variable;
    Arc::new(Column::new(cube.schema.field(position).name(), position))
}
