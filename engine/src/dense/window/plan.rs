//! What a grid window does, decided while planning.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use graticule_functions::gaps::{Counted, fill_ranges};

use crate::cube::Cube;
use crate::dense::cuts::MOST_PASSES;
use crate::dense::keys::GroupKeys;
use crate::dense::window::cuts::lane_passes;
use crate::dense::window::function::{Chosen, Function, Rows, choose};
use crate::dense::window::sequence::{Gaps, OrderKey, Sequence, move_forward};
use crate::dense::window::tile::MOST_SERIES_AXES;
use crate::scan::CubeScan;
use crate::scan::grid::UnitAxis;
use crate::scan::predicate::remap_columns;
use crate::scan::selection::AxisSelection;

/// Longer series are left to DataFusion's window, which can sort on disk.
const LONGEST_SERIES: u64 = 1 << 22;

/// One window function of the output.
#[derive(Debug, Clone)]
pub(crate) struct WindowColumn {
    pub(crate) function: Function,
    /// What its kernel reads, over the table's schema.
    pub(crate) arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Position among the plan's sequences.
    pub(crate) sequence: usize,
    /// The frame of each place.
    pub(crate) ranges: Arc<[Range<u32>]>,
    /// Which gaps are closed, where the function interpolates.
    pub(crate) gaps: Option<Arc<Gaps>>,
    /// As DataFusion planned it, over the input of the window.
    pub(crate) expression: Arc<dyn WindowExpr>,
    pub(crate) field: FieldRef,
}

/// A column of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// A column of the window's input.
    Input(usize),
    /// A window function.
    Window(usize),
}

/// What is decided once per statement, whatever columns of the result are wanted.
#[derive(Debug)]
pub(crate) struct Windows {
    /// Axes that series run along, ascending.
    pub(crate) series: Vec<usize>,
    /// Rows of a series.
    pub(crate) length: usize,
    pub(crate) sequences: Arc<[Sequence]>,
    pub(crate) columns: Vec<WindowColumn>,
    /// The input of the window, over the table's schema.
    pub(crate) inputs: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) input_schema: SchemaRef,
}

/// A grid window.
#[derive(Debug, Clone)]
pub(crate) struct GridWindowPlan {
    pub(crate) scan: Arc<CubeScan>,
    pub(crate) windows: Arc<Windows>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) schema: SchemaRef,
}

/// A plan, or the reason why rows are sorted instead.
pub(crate) type Decision = std::result::Result<GridWindowPlan, String>;

impl GridWindowPlan {
    /// Plans `expressions`, which all read only the input: `below` over the scan. `schema` is that of the
    /// result: the input, then one column per expression.
    ///
    /// # Errors
    /// A key that fails on a selected coordinate.
    pub(crate) fn new(
        expressions: &[Arc<dyn WindowExpr>],
        below: &ProjectionExprs,
        scan: &CubeScan,
        schema: SchemaRef,
    ) -> Result<Decision> {
        if scan.limit.is_some() {
            return Ok(Err("there is a LIMIT below the window".to_string()));
        }
        if scan.cube.axes.is_empty() {
            return Ok(Err("the cube has no axis".to_string()));
        }
        let over_cube = |expression: &Arc<dyn PhysicalExpr>| -> Result<Arc<dyn PhysicalExpr>> {
            scan.projection
                .unproject_expr(&below.unproject_expr(expression)?)
        };
        let inputs = below
            .expr_iter()
            .map(|input| scan.projection.unproject_expr(&input));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let over_cube: &dyn Fn(&Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> =
            &over_cube;
        if inputs.iter().any(is_volatile) {
            return Ok(Err("a column below the window is volatile".to_string()));
        }
        let mut orders = Vec::with_capacity(expressions.len());
        for expression in expressions {
            match Order::of(expression, scan, over_cube)? {
                Ok(order) => orders.push(order),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let series = match series_axes(&orders, scan) {
            Ok(series) => series,
            Err(reason) => return Ok(Err(reason)),
        };
        if series.len() > MOST_SERIES_AXES {
            return Ok(Err("partitions run along too many axes".to_string()));
        }
        let lengths = series.iter().map(|axis| selection(scan, *axis).len());
        let length = lengths.fold(1, u64::saturating_mul);
        if length > LONGEST_SERIES {
            return Ok(Err(format!(
                "a partition has up to {length} rows, more than {LONGEST_SERIES}"
            )));
        }
        let rows = Rows {
            have_gaps: have_gaps(scan, &series),
        };
        let mut sequences: Vec<(usize, Sequence)> = Vec::new();
        let mut columns = Vec::with_capacity(expressions.len());
        for (position, expression) in expressions.iter().enumerate() {
            let known = sequences
                .iter()
                .position(|(first, _)| orders[*first].is_same(&orders[position]));
            let sequence = match known {
                Some(known) => known,
                None => {
                    let sequence = orders[position].sequence(&scan.cube, scan, &series)?;
                    sequences.push((position, sequence));
                    sequences.len() - 1
                }
            };
            let chosen = choose(expression, rows, &scan.cube.schema, over_cube)?;
            let column = window_column(chosen, expression, sequence, &sequences[sequence].1)?;
            if column.arguments.iter().any(is_volatile) {
                let name = expression.name();
                return Ok(Err(format!("an argument of {name} is volatile")));
            }
            columns.push(column);
        }
        let input_fields: Vec<FieldRef> = schema.fields()[..inputs.len()].to_vec();
        let windows = Arc::new(Windows {
            series,
            length: length as usize,
            sequences: sequences
                .into_iter()
                .map(|(_, sequence)| sequence)
                .collect(),
            input_schema: Arc::new(Schema::new(input_fields)),
            inputs,
            columns,
        });
        let outputs = (0..windows.inputs.len()).map(Output::Input);
        let outputs = outputs.chain((0..expressions.len()).map(Output::Window));
        let plan = Self::with_outputs(scan, windows, outputs.collect(), schema)?;
        let passes = lane_passes(&plan);
        if passes > MOST_PASSES {
            return Ok(Err(format!(
                "series are so long that every chunk would be read {passes} times"
            )));
        }
        Ok(Ok(plan))
    }

    /// The same windows with other columns of the result.
    pub(crate) fn with_outputs(
        scan: &CubeScan,
        windows: Arc<Windows>,
        outputs: Vec<Output>,
        schema: SchemaRef,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        for expression in read_expressions(&windows, &outputs) {
            let read = collect_columns(expression);
            columns.extend(read.iter().map(Column::index));
        }
        Ok(Self {
            scan: Arc::new(scan.for_operator(&columns)?),
            windows,
            outputs,
            schema,
        })
    }

    /// The window functions that the result has.
    pub(crate) fn computed(&self) -> impl Iterator<Item = (usize, &WindowColumn)> {
        let wanted = |position: &usize| self.outputs.contains(&Output::Window(*position));
        let positions = (0..self.windows.columns.len()).filter(wanted);
        positions.map(|position| (position, &self.windows.columns[position]))
    }

    /// Is a function of the result left to DataFusion's evaluator, which reads the whole input?
    pub(crate) fn has_general(&self) -> bool {
        self.computed()
            .any(|(_, column)| matches!(column.function, Function::General))
    }

    /// Columns of the table that a block consists of: axes, then variables, ascending.
    pub(crate) fn read_columns(&self) -> Vec<usize> {
        let mut columns = self.scan.projection.column_indices();
        columns.extend(self.scan.predicate_columns());
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Bytes of one lane of a block: what is read, and what is computed from it.
    pub(crate) fn lane_bytes(&self) -> LaneBytes {
        let cube = &self.scan.cube;
        let width = |column: usize| {
            let data_type = cube.schema.field(column).data_type();
            data_type.primitive_width().unwrap_or(16)
        };
        let read = self.read_columns();
        let (axes, variables): (Vec<usize>, Vec<usize>) = read
            .into_iter()
            .partition(|column| *column < cube.axes.len());
        let widths = |columns: &[usize]| columns.iter().map(|column| width(*column)).sum();
        let held: usize = widths(&variables);
        let made: usize = widths(&axes);
        // A result, its indices or sums, and its counts.
        let computed = self.computed().count() * 24;
        LaneBytes {
            held: self.windows.length.saturating_mul(held + 1),
            computed: self
                .windows
                .length
                .saturating_mul(2 * held + made + computed + 8),
        }
    }
}

/// What one lane of a tile needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneBytes {
    /// Decoded values, as long as the tile is at work.
    pub(crate) held: usize,
    /// What is made of them, as long as a block is at work.
    pub(crate) computed: usize,
}

/// All expressions that have to be evaluated for some columns of the result.
fn read_expressions<'a>(
    windows: &'a Windows,
    outputs: &'a [Output],
) -> Vec<&'a Arc<dyn PhysicalExpr>> {
    let mut read = Vec::new();
    for output in outputs {
        match output {
            Output::Input(position) => read.push(&windows.inputs[*position]),
            Output::Window(position) => {
                let column = &windows.columns[*position];
                read.extend(&column.arguments);
                if matches!(column.function, Function::General) {
                    read.extend(&windows.inputs);
                }
            }
        }
    }
    read
}

fn window_column(
    chosen: Chosen,
    expression: &Arc<dyn WindowExpr>,
    sequence: usize,
    order: &Sequence,
) -> Result<WindowColumn> {
    let Chosen {
        mut function,
        mut arguments,
    } = chosen;
    let mut gaps = None;
    let mut ranges = match &function {
        function if function.reads_frame() => order.ranges(expression.get_window_frame())?,
        Function::RowNumber => order.up_to(),
        Function::Fill(limit) => {
            let reach = order.reach(limit, Counted::Filled)?;
            fill_ranges(&reach, &order.partitions)
        }
        Function::Interpolate(limit) => {
            gaps = order.gaps(limit)?.map(Arc::new);
            order.whole()
        }
        _ => order.whole(),
    };
    if !move_forward(&ranges) {
        (function, arguments) = (Function::General, Vec::new());
        ranges = order.whole();
    }
    Ok(WindowColumn {
        function,
        arguments,
        sequence,
        ranges: ranges.into(),
        gaps,
        expression: Arc::clone(expression),
        field: expression.field()?,
    })
}

/// Do predicates take rows away from some series and not from others, or from the midst of them all?
fn have_gaps(scan: &CubeScan, series: &[usize]) -> bool {
    let predicate = &scan.predicate;
    let crosses = |axes: &[usize; 2]| axes.iter().any(|axis| series.contains(axis));
    predicate.rows.is_some()
        || scan.sample.is_some()
        || predicate.planes.iter().any(|plane| crosses(&plane.axes))
}

fn selection(scan: &CubeScan, axis: usize) -> &AxisSelection {
    &scan.predicate.selections[axis]
}

/// How one window function orders the rows.
struct Order {
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    keys: GroupKeys,
    /// The axis that ORDER BY reads, and its keys.
    order_axis: Option<usize>,
    order_by: Vec<(Arc<dyn PhysicalExpr>, arrow::compute::SortOptions)>,
}

impl Order {
    fn of(
        expression: &Arc<dyn WindowExpr>,
        scan: &CubeScan,
        over_cube: &dyn Fn(&Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>>,
    ) -> Result<std::result::Result<Self, String>> {
        let partition_by = expression.partition_by().iter().map(over_cube);
        let partition_by = partition_by.collect::<Result<Vec<_>>>()?;
        let named = partition_by.iter().map(|key| {
            let name = key.to_string();
            (Arc::clone(key), name)
        });
        let named: Vec<_> = named.collect();
        let keys = match GroupKeys::new(&scan.cube, &scan.predicate.selections, &named, None)? {
            Ok(keys) if keys.joint.is_some() => {
                return Ok(Err("PARTITION BY reads several axes together".to_string()));
            }
            Ok(keys) => keys,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut order_axis = None;
        let mut order_by = Vec::new();
        for key in expression.order_by() {
            let rewritten = over_cube(&key.expr)?;
            if is_volatile(&rewritten) {
                return Ok(Err(format!("ORDER BY {} is volatile", key.expr)));
            }
            let columns = collect_columns(&rewritten);
            let mut columns = columns.iter().map(Column::index);
            match (columns.next(), columns.next()) {
                (None, _) => continue,
                (Some(axis), None) if axis < scan.cube.axes.len() => {
                    if order_axis.is_some_and(|known| known != axis) {
                        return Ok(Err("ORDER BY reads several axes".to_string()));
                    }
                    order_axis = Some(axis);
                }
                (Some(column), None) => {
                    let name = scan.cube.schema.field(column).name();
                    return Ok(Err(format!("ORDER BY reads the variable {name}")));
                }
                _ => return Ok(Err(format!("ORDER BY {} reads several columns", key.expr))),
            }
            order_by.push((rewritten, key.options));
        }
        // Keys that are constant are left out; frames that measure distances along them would not be.
        if order_by.len() < expression.order_by().len() && !order_by.is_empty() {
            return Ok(Err("ORDER BY reads a constant".to_string()));
        }
        Ok(Ok(Self {
            partition_by,
            keys,
            order_axis,
            order_by,
        }))
    }

    /// Does every selected cell of `axis` have a partition of its own?
    fn separates(&self, scan: &CubeScan, axis: usize) -> bool {
        let codes = &self.keys.axes[axis];
        selection(scan, axis).len() <= 1 || codes.is_keyed && codes.is_identity
    }

    fn is_same(&self, other: &Self) -> bool {
        self.partition_by == other.partition_by && self.order_by == other.order_by
    }

    /// The order of the rows of a series, which are the selected cells of `series` in storage order.
    fn sequence(&self, cube: &Cube, scan: &CubeScan, series: &[usize]) -> Result<Sequence> {
        let mut partitions = vec![0u64];
        for axis in series {
            let cells = UnitAxis {
                chunk: 0,
                runs: selection(scan, *axis).runs().to_vec(),
                count: selection(scan, *axis).len() as usize,
                reversed: false,
            };
            let codes = self.keys.axes[*axis].of(&cells);
            let count = self.keys.axes[*axis].count.max(1) as u64;
            partitions = partitions
                .iter()
                .flat_map(|outer| {
                    codes
                        .iter()
                        .map(move |code| outer * count + u64::from(*code))
                })
                .collect();
        }
        let mut order = Vec::with_capacity(self.order_by.len());
        for (key, options) in &self.order_by {
            if let Some(axis) = self.order_axis {
                order.push(OrderKey {
                    values: evaluate_on_series(cube, scan, axis, key)?,
                    options: *options,
                });
            }
        }
        Sequence::new(partitions, order)
    }
}

/// An expression over one axis at its selected cells.
fn evaluate_on_series(
    cube: &Cube,
    scan: &CubeScan,
    axis: usize,
    expression: &Arc<dyn PhysicalExpr>,
) -> Result<ArrayRef> {
    let cells = UInt64Array::from_iter_values(selection(scan, axis).cells());
    let coordinates = take(&cube.axes[axis].coordinates, &cells, None)?;
    let schema = Arc::new(cube.schema.project(&[axis])?);
    let batch = RecordBatch::try_new(schema, vec![coordinates])?;
    let expression = remap_columns(Arc::clone(expression), &[axis])?;
    expression.evaluate(&batch)?.into_array(cells.len())
}

/// The axes that series run along: those that some PARTITION BY does not separate, and the one of ORDER BY.
fn series_axes(orders: &[Order], scan: &CubeScan) -> std::result::Result<Vec<usize>, String> {
    let axes = 0..scan.cube.axes.len();
    let name = |axis: usize| scan.cube.axes[axis].field.name().clone();
    let ordered = orders.iter().find_map(|order| order.order_axis);
    let runs = |axis: &usize| {
        Some(*axis) == ordered || orders.iter().any(|order| !order.separates(scan, *axis))
    };
    let series: Vec<usize> = axes.filter(runs).collect();
    let Some(ordered) = ordered else {
        return Ok(series);
    };
    if orders
        .iter()
        .any(|order| order.order_axis.is_some_and(|axis| axis != ordered))
    {
        return Err("windows are ordered by different axes".to_string());
    }
    match series.iter().find(|axis| **axis != ordered) {
        Some(other) => Err(format!(
            "ORDER BY {} needs a PARTITION BY {}, of which each coordinate occurs once",
            name(ordered),
            name(*other)
        )),
        None => Ok(series),
    }
}

/// A projection that only picks and renames columns of the result, as outputs and schema.
pub(crate) fn picked(
    plan: &GridWindowPlan,
    projection: &[ProjectionExpr],
) -> Option<(Vec<Output>, Vec<FieldRef>)> {
    let mut outputs = Vec::with_capacity(projection.len());
    let mut fields = Vec::with_capacity(projection.len());
    for output in projection {
        let column = output.expr.downcast_ref::<Column>()?;
        outputs.push(plan.outputs[column.index()]);
        let field = plan.schema.field(column.index()).clone();
        fields.push(Arc::new(field.with_name(&output.alias)));
    }
    Some((outputs, fields))
}
