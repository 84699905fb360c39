//! `[EXPLAIN] CREATE OVERVIEWS ON t [WITH (method = 'mean, flags=mode', levels = 3, precision = 20)]`, `DROP OVERVIEWS ON t`.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::sql::parser::DFParser;
use datafusion::sql::sqlparser::keywords::Keyword;

use super::parser::{Command, parse_options};
use super::planned::{Planned, Work};
use super::suggestions::with_nearest;
use crate::error::{CubeError, CubeResult};
use crate::overviews::OverviewMethods;
use crate::overviews::precision::Precision;
use crate::runtime::io_handle;
use crate::scan::CubeTable;
use crate::session::Session;
use crate::source::Options;
use crate::write::overviews::build::remove_overviews;
use crate::write::overviews::{OverviewPlan, OverviewRequest};

/// What follows `CREATE OVERVIEWS`.
///
/// # Errors
/// Something else than a table and options.
pub(super) fn parse_creation(parser: &mut DFParser<'_>, is_explained: bool) -> Result<Command> {
    parser.parser.expect_keyword(Keyword::ON)?;
    let table = parser.parser.parse_object_name(false)?;
    let options = match parser.parser.parse_keyword(Keyword::WITH) {
        true => parse_options(parser)?,
        false => Options::new(),
    };
    Ok(Command::CreateOverviews {
        table,
        options,
        is_explained,
    })
}

/// What follows `DROP OVERVIEWS`.
///
/// # Errors
/// Something else than a table.
pub(super) fn parse_removal(parser: &mut DFParser<'_>) -> Result<Command> {
    parser.parser.expect_keyword(Keyword::ON)?;
    let table = parser.parser.parse_object_name(false)?;
    Ok(Command::DropOverviews { table })
}

/// Plans `CREATE OVERVIEWS` of the table called `name`, one of the store `schema`.
///
/// # Errors
/// The table is no cube, an option makes no sense, or there is no place for overviews.
pub(super) async fn create(
    session: &Session,
    table: &Arc<dyn TableProvider>,
    name: String,
    schema: Option<String>,
    options: &Options,
    text: &str,
) -> Result<Planned> {
    let request = request(options)?;
    let state = session.context.state();
    let plan = OverviewPlan::new(state, cube_of(table)?, name, &request, text).await?;
    Ok(Planned::new(Work::Overviews(Box::new(plan)), schema))
}

/// Removes the overviews of a table.
///
/// # Errors
/// The table is no cube or has no place for overviews, or the store failed.
pub(super) async fn drop_overviews(
    session: &Session,
    table: &Arc<dyn TableProvider>,
) -> Result<()> {
    let cube = cube_of(table)?;
    let overviews = cube.cube().overviews.as_ref();
    let Some(folder) = overviews.and_then(|overviews| overviews.folder()) else {
        return Ok(());
    };
    let io = io_handle(session.context.state().config());
    remove_overviews(&folder.sink, &folder.location, &io).await?;
    Ok(())
}

fn cube_of(table: &Arc<dyn TableProvider>) -> CubeResult<&CubeTable> {
    table.downcast_ref::<CubeTable>().ok_or_else(|| {
        CubeError::unsupported("", "only cubes have overviews")
            .remedy("name the cube that the table or view reads")
    })
}

fn request(options: &Options) -> CubeResult<OverviewRequest> {
    let mut request = OverviewRequest::default();
    for (name, value) in options {
        match name.as_str() {
            "method" => request.methods = OverviewMethods::parse(value)?,
            "levels" => {
                let levels = value.parse().ok().filter(|levels| *levels > 0);
                let wrong = || {
                    CubeError::invalid("", format!("levels = {value} is no number of levels"))
                        .remedy("write a whole number from 1 on")
                };
                request.levels = Some(levels.ok_or_else(wrong)?);
            }
            "precision" => request.precision = Precision::parse(value)?,
            other => {
                let error = CubeError::invalid("", format!("overviews have no option {other}"));
                return Err(with_nearest(
                    error,
                    other,
                    ["method", "levels", "precision"],
                    "there are",
                ));
            }
        }
    }
    Ok(request)
}
