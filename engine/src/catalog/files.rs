//! Tables over files that are no cubes: Parquet, CSV, JSON, Arrow. All of it is DataFusion's.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::{
    ListingTable, ListingTableConfig, ListingTableConfigExt, ListingTableUrl,
};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::{CreateExternalTable, Statement as SqlStatement};
use url::Url;

use super::opener::Opener;
use crate::error::CubeError;
use crate::source::Options;

/// Suffixes by which `FROM 'file'` recognises these formats.
const SUFFIXES: [&str; 6] = [".parquet", ".csv", ".json", ".ndjson", ".arrow", ".tsv"];

/// Does the name of a file or URL say that it is of one of these formats?
pub(crate) fn recognises(url: &str) -> bool {
    SUFFIXES.iter().any(|suffix| url.ends_with(suffix))
}

/// The table over the file or files that `url` names.
///
/// # Errors
/// Nothing is there, or its columns cannot be made out.
pub(crate) async fn at(
    opener: &Opener,
    state: &SessionState,
    url: &str,
) -> Result<Arc<dyn TableProvider>> {
    make_reachable(opener, state, url)?;
    let config = ListingTableConfig::new(ListingTableUrl::parse(url)?)
        .infer_options(state)
        .await
        .map_err(|error| nothing_there(url, error))?
        .infer_schema(state)
        .await?;
    let table = ListingTable::try_new(config)?;
    match table.schema().fields().is_empty() {
        true => {
            Err(CubeError::not_found(url, "there is no such file, or it has no columns").into())
        }
        false => Ok(Arc::new(table)),
    }
}

/// DataFusion takes a file that is not there for a fault of its own.
fn nothing_there(url: &str, error: DataFusionError) -> DataFusionError {
    match error.find_root() {
        DataFusionError::Internal(_) => CubeError::not_found(url, "there is no such file").into(),
        _ => error,
    }
}

/// The table of a `CREATE EXTERNAL TABLE … STORED AS PARQUET|CSV|JSON|ARROW`.
///
/// # Errors
/// An unknown format or option, nothing at the location, or columns that cannot be made out.
pub(crate) async fn external(
    opener: &Opener,
    state: &SessionState,
    table: &CreateExternalTable,
) -> Result<Arc<dyn TableProvider>> {
    let statement = SqlStatement::CreateExternalTable(table.clone());
    let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(command)) =
        state.statement_to_plan(statement).await?
    else {
        return Err(CubeError::invalid("", "the definition is no external table").into());
    };
    let factory = state
        .table_factories()
        .get(&command.file_type.to_uppercase())
        .ok_or_else(|| {
            CubeError::unsupported("", format!("unknown format {}", command.file_type)).remedy(
                format!(
                    "known are {}, PARQUET, CSV, JSON and ARROW",
                    opener.format_names().join(", ")
                ),
            )
        })?;
    factory.create(state, &command).await
}

/// Lets DataFusion reach a URL through our connector. It reaches plain paths by itself.
fn make_reachable(opener: &Opener, state: &SessionState, url: &str) -> Result<()> {
    let Ok(parsed) = Url::parse(url) else {
        return Ok(());
    };
    if parsed.scheme() == "file" {
        return Ok(());
    }
    let connection = opener.connect(None, url, &Options::new())?;
    let root = Url::parse(&parsed[..url::Position::BeforePath])
        .map_err(|error| CubeError::invalid(url, error))?;
    state
        .runtime_env()
        .register_object_store(&root, connection.root.store);
    Ok(())
}
