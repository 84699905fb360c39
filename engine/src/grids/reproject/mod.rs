//! `reproject(t, crs => …, resolution => …)`: a cube on another grid.
//!
//! ```text
//!  arguments ─▶ target: the new axes ─▶ warp: arrays that compute their chunks
//! ```

mod target;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use graticule_functions::warp::{Method, Missing};

pub(super) use self::target::{Places, is_in_degrees, refused};
pub(crate) use self::target::{Target, coarser_centres};
use super::call::Call;
use super::functions::GridFunction;
use super::system::Horizontal;
use super::warp::{Resampling, Way, warped};
use crate::error::{CubeError, CubeResult};
use crate::overviews::Levels;
use crate::sql::suggestions::with_nearest;

/// The argument that is a table whose grid is taken.
pub(super) const LIKE: &str = "like";

/// The function.
pub(super) struct Reproject;

#[async_trait]
impl GridFunction for Reproject {
    fn name(&self) -> &'static str {
        "reproject"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "crs",
                "The system of the new grid: a code such as 'EPSG:3035', WKT, PROJJSON or a PROJ string; that of the cube where it is left out",
            ),
            (
                "resolution",
                "Size of the new cells in units of that system: a number, or [x, y]",
            ),
            (
                "size",
                "Instead of a resolution, how many cells there are: [x, y]",
            ),
            (
                "bbox",
                "What the new grid covers, in its own system: [west, south, east, north]; all of the cube where it is left out",
            ),
            (
                "like",
                "Instead of all these, a table or query whose grid is taken",
            ),
            (
                "method",
                "How values are made: bilinear where it is left out; flags and texts of flags are always taken from the nearest cell",
            ),
            (
                "methods",
                "Other methods for some variables: 'name=method, …'",
            ),
            (
                "missing",
                "What missing values do to a cell made of several: 'skip', the default, or 'propagate'",
            ),
            (
                "source_crs",
                "The system of the cube, where it does not say it or says it wrongly",
            ),
        ]
    }

    fn relations(&self) -> &'static [&'static str] {
        &[LIKE]
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let (method, methods) = given_methods(call)?;
        let resampling = Resampling {
            method,
            of_flags: Method::Nearest,
            methods,
            missing: given_missing(call)?.unwrap_or_default(),
        };
        let table = call.input().await?;
        let source = Horizontal::of(table.cube(), call.text_argument("source_crs")?)?;
        let target = match call.relation(LIKE).await? {
            Some(like) => Target::like(call, &like)?,
            None => Target::of(call, std::slice::from_ref(&source))?,
        };
        let levels = Levels::of_any_grid(&table, &call.state).await;
        let way = Way::between(&target, &source)?;
        let warped = warped(
            &call.text,
            &table,
            source,
            target,
            way,
            &resampling,
            &levels,
        )?;
        Ok(Arc::new(warped))
    }
}

/// The method for all variables, and those for some: `'name=method, …'`.
///
/// # Errors
/// A method that is not known.
pub(super) fn given_methods(call: &Call) -> CubeResult<(Option<Method>, Vec<(String, Method)>)> {
    let method = call.text_argument("method")?;
    let method = method.map(|name| parse_method(&name)).transpose()?;
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, method)) => Ok((name.trim().to_string(), parse_method(method.trim())?)),
        None => Err(call.wrong("methods", "a list such as 'chl=average, flags=mode'")),
    };
    let methods = match call.text_argument("methods")? {
        Some(text) => text.split(',').map(pair).collect::<CubeResult<_>>()?,
        None => Vec::new(),
    };
    Ok((method, methods))
}

/// The method of this name.
///
/// # Errors
/// There is none.
pub(super) fn parse_method(name: &str) -> CubeResult<Method> {
    name.parse().map_err(|()| {
        let error = CubeError::invalid("", format!("there is no method {name}"));
        with_nearest(error, name, Method::names(), "there are")
    })
}

/// What missing values do.
///
/// # Errors
/// Another word than those two.
pub(super) fn given_missing(call: &Call) -> CubeResult<Option<Missing>> {
    match call.text_argument("missing")?.as_deref() {
        None => Ok(None),
        Some("skip") => Ok(Some(Missing::Skip)),
        Some("propagate") => Ok(Some(Missing::Propagate)),
        Some(_) => Err(call.wrong("missing", "'skip' or 'propagate'")),
    }
}
