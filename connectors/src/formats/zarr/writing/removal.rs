//! Removing a cube, and sweeping away what the visible state does not refer to.

use std::collections::HashMap;

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use object_store::ObjectMeta;

use super::super::{NOTES, OVERVIEWS};
use super::state::{ROOTS, VisibleArray, VisibleState};
use crate::writing::folder::{CubeFolder, version_of};

/// See [`CubeSink::remove`](graticule_engine::sink::CubeSink::remove).
pub(super) async fn remove(location: &Location) -> CubeResult<()> {
    let folder = CubeFolder::new(location);
    check_is_cube(&folder).await?;
    let roots = ROOTS.map(|root| location.child(root).path);
    folder.delete(roots.to_vec()).await?;
    let objects = folder.list().await?;
    let paths = objects.into_iter().map(|object| object.location);
    // Notes last: a folder with notes is known to be ours, should this be broken off.
    let (notes, others) = paths.partition(|path| is_note(folder.name(path)));
    for paths in [others, notes] {
        folder.delete(paths).await?;
    }
    folder.remove_folder().await
}

/// See [`CubeSink::sweep`](graticule_engine::sink::CubeSink::sweep).
pub(super) async fn sweep(location: &Location) -> CubeResult<(u64, u64)> {
    let folder = CubeFolder::new(location);
    check_is_cube(&folder).await?;
    let visible = VisibleState::read(&folder).await?;
    if let Some(visible) = &visible {
        visible.finish(&folder).await?;
    }
    remove_unseen(&folder, visible.as_ref()).await
}

/// Nothing is removed where neither a cube is nor somebody began one.
async fn check_is_cube(folder: &CubeFolder) -> CubeResult<()> {
    let place = folder.url();
    if folder.location().path.is_root() {
        return Err(
            CubeError::invalid(place, "the cube is the root of the store")
                .remedy("give the cube a folder of its own"),
        );
    }
    if VisibleState::root(folder).await?.is_some() || folder.has_any(NOTES).await? {
        return Ok(());
    }
    Err(CubeError::not_found(place, "there is no Zarr cube").remedy("check the path"))
}

/// Removes all objects but notes, overviews and those of the `visible` state, and tells how many objects and
/// bytes that were.
pub(super) async fn remove_unseen(
    folder: &CubeFolder,
    visible: Option<&VisibleState>,
) -> CubeResult<(u64, u64)> {
    let arrays = match visible {
        Some(visible) => visible.arrays(folder.url())?,
        None => HashMap::new(),
    };
    let is_seen = |object: &ObjectMeta| {
        let name = folder.name(&object.location);
        is_note(name)
            || is_overview(name)
            || visible.is_some_and(|visible| refers_to(visible, &arrays, name))
    };
    let mut objects = folder.list().await?;
    objects.retain(|object| !is_seen(object));
    // What became visible meanwhile refers to other objects.
    let now = VisibleState::root(folder).await?;
    let now = now.map(|(_, meta)| version_of(&meta));
    if now != visible.map(VisibleState::version) {
        return Err(CubeError::new(
            ErrorKind::Conflict,
            folder.url(),
            "someone else has changed the cube meanwhile",
        )
        .remedy("run the statement again"));
    }
    let count = objects.len() as u64;
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    // Metadata first: what they lead to must not vanish before they do.
    let is_metadata = |object: &ObjectMeta| {
        let name = object.location.filename().unwrap_or_default();
        ROOTS.contains(&name) || name == ".zattrs"
    };
    let (metadata, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_metadata);
    for objects in [metadata, others] {
        let paths = objects.into_iter().map(|object| object.location);
        folder.delete(paths.collect()).await?;
    }
    let leftovers = folder.remove_leftovers(NOTES).await?;
    Ok((count + leftovers.0, bytes + leftovers.1))
}

pub(super) fn is_note(name: &str) -> bool {
    name.strip_prefix(NOTES)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Overviews have states of their own; whether they are of this one they say themselves.
fn is_overview(name: &str) -> bool {
    name.strip_prefix(OVERVIEWS)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Do readers of the state ever look at the object called `name`?
fn refers_to(visible: &VisibleState, arrays: &HashMap<&str, VisibleArray>, name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let of_folder = name
        .strip_suffix(file)
        .unwrap_or_default()
        .trim_end_matches('/');
    if visible.is_metadata(file) && visible.has(of_folder) {
        return true;
    }
    // The root may be an array; any other is in the folder of its name.
    let ends = name.match_indices('/').map(|(end, _)| end);
    let above = std::iter::once(("", name)).chain(ends.map(|end| (&name[..end], &name[end + 1..])));
    let mut above = above.filter_map(|(path, key)| Some((arrays.get(path)?, key)));
    above.any(|(array, key)| match array.keys {
        Some(keys) => keys.index(key, &array.counts).is_some(),
        // Better too much than too little.
        None => true,
    })
}
