//! `ANALYZE t`, `ANALYZE t (a, b)`: reads the variables of a cube once and keeps what its chunks hold.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::suggestions::with_nearest;
use crate::catalog::system::column::{Column, batch, schema};
use crate::cube::Cube;
use crate::engine::Query;
use crate::error::CubeError;
use crate::progress::QueryProgress;
use crate::scan::CubeTable;
use crate::session::Session;
use crate::statistics::analyze::{Analysis, Analyzed};

/// Starts the statement: polling the result does the work, dropping it stops it.
///
/// # Errors
/// The table is no cube, a variable is unknown, or the analysis would break a limit.
pub(super) fn analyze(
    session: &Session,
    table: &Arc<dyn TableProvider>,
    names: &[String],
) -> Result<Query> {
    let Some(table) = table.downcast_ref::<CubeTable>() else {
        let cause = "only the chunks of a cube have statistics";
        return Err(CubeError::unsupported("", cause)
            .remedy("name the cube that the table or view reads")
            .into());
    };
    let cube = Arc::clone(table.cube());
    let variables = variables(&cube, names)?;
    let progress = Arc::new(QueryProgress::default());
    let analysis = Analysis::new(
        cube,
        Arc::clone(table.statistics()),
        Arc::new(TaskContext::from(&session.context.state())),
        Arc::clone(&progress),
    );
    analysis.check(&variables)?;
    let columns = Arc::new(columns());
    let schema: SchemaRef = schema(&columns);
    let analysis = Arc::new(analysis);
    let rows = {
        let schema = Arc::clone(&schema);
        futures::stream::iter(variables).then(move |variable| {
            let (analysis, columns) = (Arc::clone(&analysis), Arc::clone(&columns));
            let schema = Arc::clone(&schema);
            async move {
                let analyzed = analysis.run(variable).await?;
                batch(&schema, &columns, &[analyzed])
            }
        })
    };
    Ok(Query {
        schema: Arc::clone(&schema),
        stream: Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
        progress,
        number: 0,
    })
}

/// The variables with these names, all when there are none.
fn variables(cube: &Cube, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..cube.variables.len()).collect());
    }
    let known = || {
        cube.variables
            .iter()
            .map(|variable| variable.field.name().as_str())
    };
    let position = |name: &String| {
        known().position(|known| known == name).ok_or_else(|| {
            let is_axis = cube.axes.iter().any(|axis| axis.field.name() == name);
            let error = match is_axis {
                true => CubeError::invalid(&cube.name, format!("{name} is an axis"))
                    .remedy("axes need no statistics: name variables"),
                false => {
                    let error =
                        CubeError::invalid(&cube.name, format!("there is no variable {name}"));
                    with_nearest(error, name, known(), "there are")
                }
            };
            DataFusionError::from(error)
        })
    };
    names.iter().map(position).collect()
}

fn columns() -> Vec<Column<Analyzed>> {
    vec![
        Column::text("variable", "Name of the variable", |row: &Analyzed| {
            Some(row.name.clone())
        }),
        Column::whole("chunks", "Chunks of the variable", |row| Some(row.chunks)),
        Column::whole(
            "read",
            "Chunks that were read now; the others were known already",
            |row| Some(row.read),
        ),
        Column::whole(
            "unknown",
            "Chunks whose statistics were not kept: the store cannot tell when they change, or they changed while they were read",
            |row| Some(row.unknown),
        ),
        Column::whole("bytes", "Bytes that came from the store", |row| {
            Some(row.bytes)
        }),
        Column::text("min", "Smallest value", |row| text(&row.total.minimum)),
        Column::text("max", "Largest value", |row| text(&row.total.maximum)),
        Column::whole("valid", "Values that are not missing", |row| {
            Some(row.total.valid)
        }),
    ]
}

/// A bound as SQL shows it.
fn text(bound: &ScalarValue) -> Option<String> {
    if bound.is_null() {
        return None;
    }
    let array = bound.to_array().ok()?;
    let formatter = ArrayFormatter::try_new(&array, &FormatOptions::default()).ok()?;
    Some(formatter.value(0).to_string())
}
