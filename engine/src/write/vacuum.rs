//! `VACUUM`: removes what is left of builds whose writers died, and of states that nobody sees any more.
//! `DROP TABLE`: removes all. Both hold the claim of a writer, so that nobody begins to write meanwhile.

use std::fmt;
use std::sync::Arc;

use datafusion::object_store::path::Path;
use tokio::runtime::Handle;

use super::claim::Claim;
use super::durable::remove_empty;
use super::notes::{BuildNotes, failed};
use crate::error::{CubeError, CubeResult, ErrorKind};
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
    io: &Handle,
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
            let folder = Location {
                path: folder.clone(),
                ..location.clone()
            };
            swept.extend(sweep(sink, &location, &folder, cube, io).await?);
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
        .find_map(|sink| Some((sink, sink.cube_of_folder(name)?)))
}

/// `None` when the folder is neither a cube nor one that somebody began to write.
async fn sweep(
    sink: &Arc<dyn CubeSink>,
    location: &Location,
    folder: &Location,
    name: &str,
    io: &Handle,
) -> CubeResult<Option<Swept>> {
    let notes = BuildNotes::new(sink.notes(location));
    if sink.version(location).await?.is_none() && !notes.exist().await? {
        remove_empty(location).await?;
        return Ok(None);
    }
    let mut swept = Swept {
        name: name.to_string(),
        found: Found::Written,
        objects: 0,
        bytes: 0,
    };
    let claim = match Claim::take(notes.folder(), io).await {
        Ok(claim) => claim,
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(Some(swept)),
        Err(error) => return Err(error),
    };
    swept.found = match sink.version(location).await? {
        Some(_) => Found::Cube,
        None => Found::DeadBuild,
    };
    (swept.objects, swept.bytes) = match swept.found {
        Found::DeadBuild => {
            let size = notes.size_of(folder).await?;
            sink.remove(location).await?;
            size
        }
        _ => {
            notes.forget().await?;
            sink.sweep(location).await?
        }
    };
    claim.release().await?;
    sink.clear(location).await?;
    Ok(Some(swept))
}

/// Removes a cube.
///
/// # Errors
/// Someone writes it, or the store failed or denied access.
pub(crate) async fn remove_cube(
    sink: &Arc<dyn CubeSink>,
    location: &Location,
    io: &Handle,
) -> CubeResult<()> {
    let claim = Claim::take(&sink.notes(location), io).await?;
    let removed = sink.remove(location).await;
    claim.release().await?;
    // Of a cube that stays nothing is left beside it either.
    sink.clear(location).await?;
    removed
}
