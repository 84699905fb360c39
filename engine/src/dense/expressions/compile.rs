//! Turns expressions over a cube's table into one program.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, NegativeExpr,
    NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use graticule_functions::kernels::program::{
    Arithmetic, CellType, Comparison, Constant, Function, Operation, Program,
};

use crate::cube::Cube;
use crate::dense::keys::on_axis;
use crate::scan::predicate::remap_columns;
use crate::scan::selection::AxisSelection;

/// Lists of more values than this are looked up by DataFusion.
const LONG_LIST: usize = 8;

/// Where an input of a program comes from.
#[derive(Debug, Clone)]
pub(crate) enum InputSource {
    /// The cells that are left; set only where some are not.
    Mask,
    /// The values of a variable of the cube.
    Variable(usize),
    /// An expression over one axis: its value for each cell of the axis, NULL where not selected.
    Axis { axis: usize, values: ArrayRef },
    /// An expression that DataFusion evaluates, by its position among these.
    Other(usize),
}

/// Collects the steps and inputs of a program.
pub(crate) struct Compiler<'a> {
    cube: &'a Arc<Cube>,
    selections: &'a [AxisSelection],
    pub(super) program: Program,
    /// Step and source of each input.
    pub(super) inputs: Vec<(usize, InputSource)>,
    /// What DataFusion evaluates on whole units.
    pub(super) others: Vec<Arc<dyn PhysicalExpr>>,
}

impl<'a> Compiler<'a> {
    /// A program whose first input is the mask of cells.
    pub(crate) fn new(cube: &'a Arc<Cube>, selections: &'a [AxisSelection]) -> Self {
        let mut program = Program::default();
        let mask = program.add(Operation::Input, CellType::Boolean);
        Self {
            cube,
            selections,
            program,
            inputs: vec![(mask, InputSource::Mask)],
            others: Vec::new(),
        }
    }

    /// The step that leaves the values of `expression`, widened to `wanted`.
    ///
    /// # Errors
    /// A part that reads one axis and fails on one of its selected coordinates.
    pub(crate) fn values(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
        wanted: CellType,
    ) -> Result<usize> {
        if let Some(step) = self.step(expression, true)? {
            match (self.program.cell_type(step), wanted) {
                (found, wanted) if found == wanted => return Ok(step),
                (CellType::Boolean, CellType::Int64) => return Ok(self.truth_as_integer(step)),
                (CellType::Boolean, _) | (_, CellType::Boolean | CellType::Int64) => {}
                (_, wanted) => return Ok(self.program.add(Operation::Cast(step), wanted)),
            }
        }
        Ok(self.other(expression, wanted))
    }

    /// A step that has a value where `expression` is not NULL, whatever it is.
    ///
    /// # Errors
    /// A part that reads one axis and fails on one of its selected coordinates.
    pub(crate) fn presence(&mut self, expression: &Arc<dyn PhysicalExpr>) -> Result<usize> {
        match self.step(expression, true)? {
            Some(step) => Ok(step),
            None => Ok(self.other(expression, CellType::Boolean)),
        }
    }

    /// The step that leaves the truth of a condition.
    ///
    /// # Errors
    /// A part that reads one axis and fails on one of its selected coordinates.
    pub(crate) fn condition(&mut self, expression: &Arc<dyn PhysicalExpr>) -> Result<usize> {
        self.values(expression, CellType::Boolean)
    }

    /// The step of a FILTER, if there is one.
    ///
    /// # Errors
    /// A part that reads one axis and fails on one of its selected coordinates.
    pub(crate) fn filter(
        &mut self,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<usize>> {
        filter.map(|filter| self.condition(filter)).transpose()
    }

    fn input(&mut self, source: InputSource, cell_type: CellType) -> usize {
        let step = self.program.add(Operation::Input, cell_type);
        self.inputs.push((step, source));
        step
    }

    fn variable(&mut self, variable: usize, cell_type: CellType) -> usize {
        let known = self.inputs.iter().find(|(step, source)| {
            matches!(source, InputSource::Variable(known) if *known == variable)
                && self.program.cell_type(*step) == cell_type
        });
        match known {
            Some((step, _)) => *step,
            None => self.input(InputSource::Variable(variable), cell_type),
        }
    }

    /// Leaves an expression to DataFusion.
    fn other(&mut self, expression: &Arc<dyn PhysicalExpr>, cell_type: CellType) -> usize {
        let known = self.others.iter().position(|other| other == expression);
        let position = known.unwrap_or_else(|| {
            self.others.push(Arc::clone(expression));
            self.others.len() - 1
        });
        self.input(InputSource::Other(position), cell_type)
    }

    fn truth_as_integer(&mut self, truth: usize) -> usize {
        let mut constant = |value| {
            let constant = Operation::Constant(Constant::Int64(value));
            self.program.add(constant, CellType::Int64)
        };
        let (one, zero, null) = (constant(Some(1)), constant(Some(0)), constant(None));
        let known = Operation::Select {
            when: truth,
            then: one,
            otherwise: Some(zero),
        };
        let known = self.program.add(known, CellType::Int64);
        let is_null = self
            .program
            .add(Operation::IsNull(truth), CellType::Boolean);
        let select = Operation::Select {
            when: is_null,
            then: null,
            otherwise: Some(known),
        };
        self.program.add(select, CellType::Int64)
    }

    /// The step of an expression, or `None` where there is none. A part without a step is left to
    /// DataFusion when `may_leave` says so: below a CASE, AND or OR it may not be, because those are not
    /// evaluated for all cells and the part may fail where they leave it out.
    fn step(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
        may_leave: bool,
    ) -> Result<Option<usize>> {
        let (steps, inputs, others) = (
            self.program.steps().len(),
            self.inputs.len(),
            self.others.len(),
        );
        let step = self.own_step(expression, may_leave)?;
        if step.is_some() {
            return Ok(step);
        }
        self.program.truncate(steps);
        self.inputs.truncate(inputs);
        self.others.truncate(others);
        let stored = expression.data_type(&self.cube.schema)?;
        Ok(match cell_type(&stored) {
            Some(cell_type) if may_leave => Some(self.other(expression, cell_type)),
            _ => None,
        })
    }

    fn own_step(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
        may_leave: bool,
    ) -> Result<Option<usize>> {
        if is_volatile(expression) {
            return Ok(None);
        }
        let stored = expression.data_type(&self.cube.schema)?;
        let Some(cell_type) = cell_type(&stored) else {
            return Ok(None);
        };
        let axes = self.cube.axes.len();
        let columns: Vec<usize> = collect_columns(expression)
            .iter()
            .map(Column::index)
            .collect();
        match columns.as_slice() {
            [] => return self.constant(expression, cell_type),
            [axis] if *axis < axes => return self.axis(expression, *axis, cell_type).map(Some),
            _ => {}
        }
        if let Some(column) = expression.downcast_ref::<Column>() {
            return Ok(Some(self.variable(column.index() - axes, cell_type)));
        }
        if let Some(cast) = expression.downcast_ref::<CastExpr>() {
            return self.cast(cast, cell_type, may_leave);
        }
        if let Some(binary) = expression.downcast_ref::<BinaryExpr>() {
            return self.binary(binary, &stored, may_leave);
        }
        if let Some(case) = expression.downcast_ref::<CaseExpr>() {
            return self.case(case, cell_type);
        }
        if let Some(call) = expression.downcast_ref::<ScalarFunctionExpr>() {
            return self.call(call, cell_type, may_leave);
        }
        if let Some(list) = expression.downcast_ref::<InListExpr>() {
            return self.in_list(list, may_leave);
        }
        if let Some(is_null) = expression.downcast_ref::<IsNullExpr>() {
            return self.unary(is_null.arg(), Operation::IsNull, cell_type, may_leave);
        }
        if let Some(is_not_null) = expression.downcast_ref::<IsNotNullExpr>() {
            let arg = is_not_null.arg();
            let is_null = self.unary(arg, Operation::IsNull, cell_type, may_leave)?;
            return Ok(is_null.map(|step| self.program.add(Operation::Not(step), cell_type)));
        }
        if let Some(not) = expression.downcast_ref::<NotExpr>() {
            return self.unary(not.arg(), Operation::Not, cell_type, may_leave);
        }
        if let Some(negative) = expression.downcast_ref::<NegativeExpr>()
            && matches!(cell_type, CellType::Float32 | CellType::Float64)
        {
            let operation = |step| Operation::Function(Function::Negative, step);
            return self.unary(negative.arg(), operation, cell_type, may_leave);
        }
        Ok(None)
    }

    fn unary(
        &mut self,
        argument: &Arc<dyn PhysicalExpr>,
        operation: impl Fn(usize) -> Operation,
        cell_type: CellType,
        may_leave: bool,
    ) -> Result<Option<usize>> {
        let step = self.step(argument, may_leave)?;
        Ok(step.map(|step| self.program.add(operation(step), cell_type)))
    }

    fn constant(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
        cell_type: CellType,
    ) -> Result<Option<usize>> {
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
        let expression = remap_columns(Arc::clone(expression), &[])?;
        let value = expression.evaluate(&row)?.into_array(1)?;
        Ok(
            constant(&ScalarValue::try_from_array(&value, 0)?, cell_type)
                .map(|constant| self.program.add(Operation::Constant(constant), cell_type)),
        )
    }

    /// Evaluates an expression that reads one axis on the selected coordinates.
    fn axis(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
        axis: usize,
        cell_type: CellType,
    ) -> Result<usize> {
        let selection = &self.selections[axis];
        let values = on_axis(self.cube, axis, selection, &[expression])?;
        let Some(values) = values.first() else {
            return internal_err!("{expression} has no value on its axis");
        };
        // Back to where the cells are on the axis.
        let mut positions = vec![None; self.cube.axes[axis].coordinates.len()];
        for (position, cell) in selection.cells().enumerate() {
            positions[cell as usize] = Some(position as u64);
        }
        let values = take(values, &UInt64Array::from(positions), None)?;
        Ok(self.input(InputSource::Axis { axis, values }, cell_type))
    }

    fn cast(&mut self, cast: &CastExpr, to: CellType, may_leave: bool) -> Result<Option<usize>> {
        let from = cast.expr().data_type(&self.cube.schema)?;
        let widens = match to {
            CellType::Float32 | CellType::Float64 => from.is_integer() || from.is_floating(),
            // Narrower targets would have to fail on what does not fit.
            CellType::Int64 => from.is_integer() && *cast.cast_type() == DataType::Int64,
            CellType::Boolean => false,
        };
        if !widens || cell_type(&from).is_none() {
            return Ok(None);
        }
        let Some(step) = self.step(cast.expr(), may_leave)? else {
            return Ok(None);
        };
        Ok(Some(match self.program.cell_type(step) == to {
            true => step,
            false => self.program.add(Operation::Cast(step), to),
        }))
    }

    fn binary(
        &mut self,
        binary: &BinaryExpr,
        returns: &DataType,
        may_leave: bool,
    ) -> Result<Option<usize>> {
        let schema = &self.cube.schema;
        let [left, right] = [binary.left(), binary.right()];
        let operands = left.data_type(schema)?;
        if operands != right.data_type(schema)? {
            return Ok(None);
        }
        let connects = match binary.op() {
            Operator::And => Some(Operation::And as fn(usize, usize) -> Operation),
            Operator::Or => Some(Operation::Or as fn(usize, usize) -> Operation),
            _ => None,
        };
        if let Some(connect) = connects {
            return self.pair([left, right], connect, CellType::Boolean, false);
        }
        let comparison = match binary.op() {
            Operator::Eq => Some(Comparison::Equal),
            Operator::NotEq => Some(Comparison::NotEqual),
            Operator::Lt => Some(Comparison::Less),
            Operator::LtEq => Some(Comparison::LessOrEqual),
            Operator::Gt => Some(Comparison::Greater),
            Operator::GtEq => Some(Comparison::GreaterOrEqual),
            _ => None,
        };
        if let Some(comparison) = comparison {
            if !operands.is_numeric() {
                return Ok(None);
            }
            let compare = |a, b| Operation::Compare(comparison, a, b);
            return self.pair([left, right], compare, CellType::Boolean, may_leave);
        }
        let arithmetic = match binary.op() {
            Operator::Plus => Arithmetic::Add,
            Operator::Minus => Arithmetic::Subtract,
            Operator::Multiply => Arithmetic::Multiply,
            Operator::Divide if operands.is_floating() => Arithmetic::Divide,
            _ => return Ok(None),
        };
        // Narrower integers wrap around earlier.
        let cell_type = match returns {
            DataType::Float32 => CellType::Float32,
            DataType::Float64 => CellType::Float64,
            DataType::Int64 => CellType::Int64,
            _ => return Ok(None),
        };
        let operation = |a, b| Operation::Arithmetic(arithmetic, a, b);
        self.pair([left, right], operation, cell_type, may_leave)
    }

    fn pair(
        &mut self,
        [left, right]: [&Arc<dyn PhysicalExpr>; 2],
        operation: impl Fn(usize, usize) -> Operation,
        cell_type: CellType,
        may_leave: bool,
    ) -> Result<Option<usize>> {
        let Some(left) = self.step(left, may_leave)? else {
            return Ok(None);
        };
        let Some(right) = self.step(right, may_leave)? else {
            return Ok(None);
        };
        Ok(Some(self.program.add(operation(left, right), cell_type)))
    }

    fn case(&mut self, case: &CaseExpr, cell_type: CellType) -> Result<Option<usize>> {
        if case.expr().is_some() {
            return Ok(None);
        }
        let mut otherwise = match case.else_expr() {
            Some(expression) => match self.branch(expression, cell_type)? {
                Some(step) => Some(step),
                None => return Ok(None),
            },
            None => None,
        };
        for (when, then) in case.when_then_expr().iter().rev() {
            let Some(when) = self.step(when, false)? else {
                return Ok(None);
            };
            let Some(then) = self.branch(then, cell_type)? else {
                return Ok(None);
            };
            let select = Operation::Select {
                when,
                then,
                otherwise,
            };
            otherwise = Some(self.program.add(select, cell_type));
        }
        Ok(otherwise)
    }

    /// A result of a CASE: NULL of any type is NULL of its type.
    fn branch(
        &mut self,
        expression: &Arc<dyn PhysicalExpr>,
        cell_type: CellType,
    ) -> Result<Option<usize>> {
        if expression.data_type(&self.cube.schema)?.is_null() {
            let null = constant(&ScalarValue::Null, cell_type);
            return Ok(null.map(|null| self.program.add(Operation::Constant(null), cell_type)));
        }
        let step = self.step(expression, false)?;
        Ok(step.filter(|step| self.program.cell_type(*step) == cell_type))
    }

    fn call(
        &mut self,
        call: &ScalarFunctionExpr,
        cell_type: CellType,
        may_leave: bool,
    ) -> Result<Option<usize>> {
        let schema = &self.cube.schema;
        for argument in call.args() {
            // Functions of integers check for overflow, or are of another type than their argument.
            if argument.data_type(schema)? != *call.return_type()
                || !call.return_type().is_floating()
            {
                return Ok(None);
            }
        }
        let fold = match call.name() {
            "least" => Some(Operation::Least as fn(usize, usize) -> Operation),
            "greatest" => Some(Operation::Greatest as fn(usize, usize) -> Operation),
            _ => None,
        };
        if let Some(operation) = fold {
            let mut folded = None;
            for argument in call.args() {
                let Some(step) = self.step(argument, may_leave)? else {
                    return Ok(None);
                };
                folded = Some(match folded {
                    None => step,
                    Some(folded) => self.program.add(operation(folded, step), cell_type),
                });
            }
            return Ok(folded);
        }
        let function = match call.name() {
            "abs" => Function::Absolute,
            "floor" => Function::Floor,
            "ceil" => Function::Ceiling,
            "radians" => Function::Radians,
            "degrees" => Function::Degrees,
            "sin" => Function::Sine,
            "cos" => Function::Cosine,
            "tan" => Function::Tangent,
            "exp" => Function::Exponential,
            _ => return Ok(None),
        };
        match call.args() {
            [argument] => {
                let operation = |step| Operation::Function(function, step);
                self.unary(argument, operation, cell_type, may_leave)
            }
            _ => Ok(None),
        }
    }

    /// Whether a number is one of a few: equal to one of them.
    fn in_list(&mut self, list: &InListExpr, may_leave: bool) -> Result<Option<usize>> {
        let schema = &self.cube.schema;
        let number = list.expr().data_type(schema)?;
        if list.list().len() > LONG_LIST || !number.is_numeric() {
            return Ok(None);
        }
        let Some(value) = self.step(list.expr(), may_leave)? else {
            return Ok(None);
        };
        let mut any = None;
        for item in list.list() {
            if item.data_type(&self.cube.schema)? != number || !collect_columns(item).is_empty() {
                return Ok(None);
            }
            let Some(item) = self.step(item, false)? else {
                return Ok(None);
            };
            let equal = Operation::Compare(Comparison::Equal, value, item);
            let equal = self.program.add(equal, CellType::Boolean);
            any = Some(match any {
                None => equal,
                Some(any) => self
                    .program
                    .add(Operation::Or(any, equal), CellType::Boolean),
            });
        }
        Ok(any.map(|any| match list.negated() {
            true => self.program.add(Operation::Not(any), CellType::Boolean),
            false => any,
        }))
    }
}

/// In which type a program reads values of type `stored`, if it can.
pub(super) fn cell_type(stored: &DataType) -> Option<CellType> {
    match stored {
        DataType::Float32 => Some(CellType::Float32),
        DataType::Float64 => Some(CellType::Float64),
        DataType::UInt64 => None,
        stored if stored.is_integer() => Some(CellType::Int64),
        DataType::Boolean => Some(CellType::Boolean),
        _ => None,
    }
}

fn constant(value: &ScalarValue, cell_type: CellType) -> Option<Constant> {
    let wide = |to: &DataType| value.cast_to(to).ok();
    Some(match cell_type {
        CellType::Float32 => match wide(&DataType::Float32)? {
            ScalarValue::Float32(value) => Constant::Float32(value),
            _ => return None,
        },
        CellType::Float64 => match wide(&DataType::Float64)? {
            ScalarValue::Float64(value) => Constant::Float64(value),
            _ => return None,
        },
        CellType::Int64 => match wide(&DataType::Int64)? {
            ScalarValue::Int64(value) => Constant::Int64(value),
            _ => return None,
        },
        CellType::Boolean => match wide(&DataType::Boolean)? {
            ScalarValue::Boolean(value) => Constant::Boolean(value),
            _ => return None,
        },
    })
}
