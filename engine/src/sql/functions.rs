//! Functions that are written in SQL: [`SqlFunction`].
//!
//! ```text
//!  CREATE FUNCTION celsius(kelvin DOUBLE) RETURNS DOUBLE RETURN kelvin - 273.15
//!
//!  celsius(sst)   ── analysed: an argument is cast to the type that was said ──▶ celsius(CAST(sst AS DOUBLE))
//!                 ── optimised: the function is written out ───────────────────▶ CAST(sst AS DOUBLE) - 273.15
//! ```
//! Written out, a function prunes chunks and runs on the grid as if it had never been one.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{
    CreateFunction, CreateFunctionBody, Expr as AstExpr, FunctionReturnType, Ident, Value,
    visit_expressions_mut,
};

use super::names::quoted;
use super::parser::{Statement, fold, parse};
use super::suggestions::explain_column;
use crate::error::CubeError;

/// The arguments, as a table of one row that the body reads.
const ARGUMENTS: &str = "arguments";

/// A function that is written in SQL.
#[derive(Debug)]
struct SqlFunction {
    name: String,
    signature: Signature,
    arguments: Vec<(String, DataType)>,
    body: Expr,
    /// The same, to be run where nobody has written it out.
    program: Arc<dyn PhysicalExpr>,
    schema: Arc<Schema>,
    returns: DataType,
}

/// The function that a statement makes.
///
/// # Errors
/// Clauses that nothing would come of, the name of a function that is built in, or a body that is no value
/// of the arguments.
pub(crate) async fn sql_function(
    state: &SessionState,
    name: &str,
    create: &CreateFunction,
) -> Result<ScalarUDF> {
    let refuse = |cause: &str| CubeError::unsupported(format!("function {}", quoted(name)), cause);
    if let Some(known) = state.scalar_functions().get(name)
        && !is_in_sql(known)
    {
        return Err(refuse("a function of this name is built in")
            .remedy("choose another name")
            .into());
    }
    let body = match &create.function_body {
        Some(CreateFunctionBody::Return(body)) if create.language.is_none() => body.clone(),
        _ => {
            return Err(refuse("only functions of SQL can be made")
                .remedy("write CREATE FUNCTION name(argument DOUBLE) RETURNS DOUBLE RETURN argument + 1")
                .into());
        }
    };
    let written = written_out(name, create, body)?;
    let Statement::Sql(statement) = parse(&written)? else {
        return Err(refuse("the body is no expression").into());
    };
    let plan = state.statement_to_plan(*statement).await;
    let plan = plan.map_err(explain_column)?;
    let plan = state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {})?;
    let not_plain = || {
        refuse("the body is no value of the arguments")
            .remedy("leave aggregates, windows and subqueries out of it")
    };
    let LogicalPlan::Projection(projection) = &plan else {
        return Err(not_plain().into());
    };
    let is_plain = matches!(
        projection.input.as_ref(),
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::EmptyRelation(_)
    );
    let body = match projection.expr.as_slice() {
        [body] if is_plain => body.clone().unalias_nested().data,
        _ => return Err(not_plain().into()),
    };
    let schema = projection.input.schema();
    let fields = schema.fields().iter();
    let volatility = match body.is_volatile() {
        true => Volatility::Volatile,
        false => Volatility::Immutable,
    };
    Ok(ScalarUDF::from(SqlFunction {
        name: name.to_string(),
        signature: Signature::user_defined(volatility),
        arguments: fields
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect(),
        program: state.create_physical_expr(body.clone(), schema)?,
        schema: Arc::new(schema.as_arrow().clone()),
        returns: plan.schema().field(0).data_type().clone(),
        body,
    }))
}

/// Is the function one that was written in SQL?
pub(crate) fn is_in_sql(function: &ScalarUDF) -> bool {
    let inner: &dyn Any = function.inner().as_ref();
    inner.is::<SqlFunction>()
}

/// A query whose one value is the body's.
fn written_out(name: &str, create: &CreateFunction, mut body: AstExpr) -> Result<String> {
    let refuse = |cause: String| CubeError::invalid(format!("function {}", quoted(name)), cause);
    let arguments = create.args.as_deref().unwrap_or_default();
    let mut columns = Vec::new();
    for (number, argument) in arguments.iter().enumerate() {
        if argument.default_expr.is_some() {
            return Err(refuse("arguments have no defaults".to_string()).into());
        }
        let argument_name = match &argument.name {
            Some(name) => fold(name),
            None => format!("${}", number + 1),
        };
        let data_type = &argument.data_type;
        columns.push(format!(
            "CAST(NULL AS {data_type}) AS {}",
            quoted(&argument_name)
        ));
    }
    // Arguments without names are called by their numbers.
    let unknown = visit_expressions_mut(&mut body, |expression| {
        if let AstExpr::Value(value) = expression
            && let Value::Placeholder(number) = &value.value
        {
            let known = number.trim_start_matches('$').parse::<usize>();
            if known.is_ok_and(|number| (1..=arguments.len()).contains(&number)) {
                *expression = AstExpr::Identifier(Ident::with_quote('"', number.clone()));
            } else {
                return ControlFlow::Break(number.clone());
            }
        }
        ControlFlow::Continue(())
    });
    if let ControlFlow::Break(number) = unknown {
        return Err(refuse(format!("there is no argument {number}")).into());
    }
    let value = match &create.return_type {
        None => body.to_string(),
        Some(FunctionReturnType::DataType(data_type)) => format!("CAST(({body}) AS {data_type})"),
        Some(FunctionReturnType::SetOf(_)) => {
            return Err(refuse("a function gives one value, not a set".to_string()).into());
        }
    };
    Ok(match columns.is_empty() {
        true => format!("SELECT {value}"),
        false => format!(
            "SELECT {value} FROM (SELECT {}) AS {ARGUMENTS}",
            columns.join(", ")
        ),
    })
}

// The program and its columns follow from the body.
impl PartialEq for SqlFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.body == other.body
            && self.arguments == other.arguments
            && self.returns == other.returns
    }
}

impl Eq for SqlFunction {}

impl Hash for SqlFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, &self.body, &self.arguments, &self.returns).hash(state);
    }
}

impl ScalarUDFImpl for SqlFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let wanted: Vec<DataType> = self.arguments.iter().map(|(_, of)| of.clone()).collect();
        let mut pairs = given.iter().zip(&wanted);
        if given.len() == wanted.len() && pairs.all(|(from, to)| can_cast_types(from, to)) {
            return Ok(wanted);
        }
        let describe = |types: &[DataType]| {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            types.join(", ")
        };
        let cause = format!("{} does not take ({})", self.name, describe(given));
        Err(CubeError::invalid("", cause)
            .remedy(format!("its arguments are ({})", describe(&wanted)))
            .into())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(arguments.number_rows));
        let fields = self.schema.fields().iter().zip(&arrays);
        let fields =
            fields.map(|(field, array)| Field::new(field.name(), array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        self.program.evaluate(&batch)
    }

    fn simplify(&self, given: Vec<Expr>, _context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let written_out = self
            .body
            .clone()
            .transform(|expression| match &expression {
                Expr::Column(column) => {
                    let at = self
                        .arguments
                        .iter()
                        .position(|(name, _)| *name == column.name);
                    let value = at.and_then(|at| given.get(at)).ok_or_else(|| {
                        DataFusionError::Internal(format!(
                            "{} has no argument {}",
                            self.name, column.name
                        ))
                    })?;
                    Ok(Transformed::yes(value.clone()))
                }
                _ => Ok(Transformed::no(expression)),
            })?;
        Ok(ExprSimplifyResult::Simplified(written_out.data))
    }
}
