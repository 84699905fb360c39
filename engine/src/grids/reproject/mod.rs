//! `reproject(t, crs => …, resolution => …)`: a cube on another grid.
//!
//! ```text
//!  arguments ─▶ target: the new axes ─▶ warp: arrays that compute their chunks
//! ```

mod target;

use async_trait::async_trait;
use datafusion::common::Result;
use graticule_functions::warp::{Method, Missing};

pub(super) use self::target::{Target, refused};
use super::call::Call;
use super::functions::GridFunction;
use super::system::Horizontal;
use super::warp::{Resampling, warped};
use crate::error::{CubeError, CubeResult};
use crate::scan::CubeTable;
use crate::sql::suggestions::with_nearest;

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

    async fn cube(&self, call: &Call) -> Result<CubeTable> {
        let resampling = Resampling {
            method: method(call)?,
            methods: methods(call)?,
            missing: missing(call)?,
        };
        let table = call.input().await?;
        let source = Horizontal::of(table.cube(), call.text_argument("source_crs")?)?;
        let target = match call.relation("like").await? {
            Some(like) => Target::like(call, &like)?,
            None => Target::of(call, &source)?,
        };
        warped(call, &table, source, target, &resampling)
    }
}

fn method(call: &Call) -> CubeResult<Option<Method>> {
    let Some(name) = call.text_argument("method")? else {
        return Ok(None);
    };
    parse_method(&name).map(Some)
}

fn parse_method(name: &str) -> CubeResult<Method> {
    name.parse().map_err(|()| {
        let error = CubeError::invalid("", format!("there is no method {name}"));
        with_nearest(error, name, Method::names(), "there are")
    })
}

/// `'name=method, …'`
fn methods(call: &Call) -> CubeResult<Vec<(String, Method)>> {
    let Some(text) = call.text_argument("methods")? else {
        return Ok(Vec::new());
    };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, method)) => Ok((name.trim().to_string(), parse_method(method.trim())?)),
        None => Err(call.wrong("methods", "a list such as 'chl=average, flags=mode'")),
    };
    text.split(',').map(pair).collect()
}

fn missing(call: &Call) -> CubeResult<Missing> {
    match call.text_argument("missing")?.as_deref() {
        None | Some("skip") => Ok(Missing::Skip),
        Some("propagate") => Ok(Missing::Propagate),
        Some(_) => Err(call.wrong("missing", "'skip' or 'propagate'")),
    }
}
