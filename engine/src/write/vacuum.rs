//! `VACUUM`: removes what is left of builds whose writers died, and of states that nobody sees any more.

use std::fmt;
use std::sync::Arc;

use datafusion::object_store::path::Path;

use super::claim::is_claimed;
use super::notes::{BuildNotes, failed};
use crate::error::{CubeError, CubeResult};
use crate::sink::CubeSink;
use crate::source::Location;

/// What a folder turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A cube.
    Cube,
    /// A build that nobody works at any more.
    DeadBuild,
    /// Someone writes it: it was left alone.
    Written,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cube => "cube",
            Self::DeadBuild => "dead build",
            Self::Written => "being written",
        })
    }
}

/// What became of a cube.
#[derive(Debug, Clone)]
pub(crate) struct Swept {
    pub(crate) name: String,
    pub(crate) found: Found,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// Sweeps the cubes directly below `root`, or the one called `name`.
///
/// # Errors
/// The store failed, denied access or cannot be listed; or there is no such cube.
pub(crate) async fn vacuum(
    root: &Location,
    sinks: &[Arc<dyn CubeSink>],
    name: Option<&str>,
) -> CubeResult<Vec<Swept>> {
    let listing = root
        .store
        .list_with_delimiter(Some(&root.path))
        .await
        .map_err(|error| failed(root, &error))?;
    let mut swept = Vec::new();
    for folder in &listing.common_prefixes {
        let Some((sink, cube)) = recognise(folder, sinks) else {
            continue;
        };
        if name.is_none_or(|name| name == cube) {
            let location = root.child(&format!("{cube}{}", sink.suffix()));
            swept.push(sweep(sink, &location, cube).await?);
        }
    }
    match (swept.is_empty(), name) {
        (true, Some(name)) => Err(CubeError::not_found(
            &root.url,
            format!("there is no cube {name}"),
        )),
        _ => Ok(swept),
    }
}

fn recognise<'a>(
    folder: &'a Path,
    sinks: &'a [Arc<dyn CubeSink>],
) -> Option<(&'a Arc<dyn CubeSink>, &'a str)> {
    let name = folder.filename()?;
    sinks
        .iter()
        .find_map(|sink| Some((sink, name.strip_suffix(sink.suffix())?)))
}

async fn sweep(sink: &Arc<dyn CubeSink>, location: &Location, name: &str) -> CubeResult<Swept> {
    let notes = BuildNotes::new(sink.notes(location));
    let mut swept = Swept {
        name: name.to_string(),
        found: Found::Written,
        objects: 0,
        bytes: 0,
    };
    if is_claimed(notes.folder()).await? {
        return Ok(swept);
    }
    swept.found = match sink.version(location).await? {
        Some(_) => Found::Cube,
        None => Found::DeadBuild,
    };
    (swept.objects, swept.bytes) = match swept.found {
        Found::DeadBuild => {
            let size = notes.size_of(location).await?;
            sink.remove(location).await?;
            size
        }
        _ => {
            notes.forget().await?;
            sink.sweep(location).await?
        }
    };
    Ok(swept)
}
