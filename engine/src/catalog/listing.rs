//! Finds the cubes of a store: walks its folders in parallel and stops below a folder that is a cube.
//!
//! ```text
//!  store/ ─┬─ a.zarr/        table "a", not entered
//!          ├─ b.nc           table "b"
//!          └─ sub/ ── c.nc   table "sub/c"
//! ```

use std::collections::BTreeMap;

use datafusion::object_store::{Error as StoreError, ObjectStore, path::Path};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::opener::{FormatAt, Opener};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::source::Location;

/// Folders that are listed at once.
const CONCURRENCY: usize = 32;

/// What a listing found at one place.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Table name: the path below the store without the suffix.
    pub(crate) name: String,
    /// Path below the store.
    pub(crate) path: String,
    /// Place in the registry of formats, or why the folder could not be listed.
    pub(crate) format: CubeResult<FormatAt>,
}

/// Lists the cubes below `root`, at most `max_depth` folders deep, in the order of their names.
///
/// A subfolder that cannot be listed is an entry with an error; the rest is still found.
///
/// # Errors
/// The store itself cannot be listed.
pub(crate) async fn list(
    opener: &Opener,
    root: &Location,
    max_depth: usize,
) -> CubeResult<Vec<Found>> {
    if let Some(found) = root_as_cube(opener, root) {
        return Ok(vec![found]);
    }
    let mut found = Vec::new();
    let mut waiting = vec![(root.path.clone(), 0)];
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < CONCURRENCY
            && let Some((folder, depth)) = waiting.pop()
        {
            running.push(async move {
                let listed = root.store.list_with_delimiter(Some(&folder)).await;
                (folder, depth, listed)
            });
        }
        let Some((folder, depth, listed)) = running.next().await else {
            break;
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if folder == root.path => {
                return Err(store_error(&root.url, &error));
            }
            Err(error) => {
                let path = below(&root.path, &folder);
                let place = root.child(&path).url;
                found.push(Found {
                    name: path.clone(),
                    path,
                    format: Err(store_error(&place, &error)),
                });
                continue;
            }
        };
        for object in &listed.objects {
            found.extend(recognise(opener, &root.path, &object.location, false));
        }
        for subfolder in listed.common_prefixes {
            match recognise(opener, &root.path, &subfolder, true) {
                Some(cube) => found.push(cube),
                None if depth < max_depth && !is_hidden(&subfolder) => {
                    waiting.push((subfolder, depth + 1));
                }
                None => {}
            }
        }
    }
    Ok(with_distinct_names(found))
}

/// A cube at a path below the store that is known without listing.
pub(crate) fn declared(opener: &Opener, path: &str) -> Option<Found> {
    [true, false]
        .into_iter()
        .filter_map(|is_directory| opener.recognise(path, is_directory))
        .map(|(format, name)| Found {
            name: name.to_string(),
            path: path.to_string(),
            format: Ok(format),
        })
        .next()
}

/// The store's own URL is that of a cube.
fn root_as_cube(opener: &Opener, root: &Location) -> Option<Found> {
    let found = declared(opener, root.path.filename()?)?;
    Some(Found {
        path: String::new(),
        ..found
    })
}

/// What a store's error means. Connectors keep secrets out of its text.
pub(crate) fn store_error(place: &str, error: &StoreError) -> CubeError {
    let kind = match error {
        StoreError::NotFound { .. } => ErrorKind::NotFound,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            ErrorKind::Denied
        }
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Unavailable,
    };
    CubeError::new(kind, place, format!("cannot list: {error}"))
}

fn recognise(opener: &Opener, root: &Path, place: &Path, is_directory: bool) -> Option<Found> {
    if is_hidden(place) {
        return None;
    }
    let path = below(root, place);
    let (format, name) = opener.recognise(&path, is_directory)?;
    Some(Found {
        name: name.to_string(),
        format: Ok(format),
        path,
    })
}

fn is_hidden(place: &Path) -> bool {
    place.filename().is_some_and(|name| name.starts_with('.'))
}

fn below(root: &Path, place: &Path) -> String {
    let Some(parts) = place.prefix_match(root) else {
        return place.to_string();
    };
    let parts: Vec<String> = parts.map(|part| part.as_ref().to_string()).collect();
    parts.join("/")
}

/// Of cubes with the same name, the one whose format comes first keeps it; the others keep their suffix.
fn with_distinct_names(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| {
        let rank = |found: &Found| {
            let unknown = FormatAt::Table(usize::MAX);
            found.format.as_ref().copied().unwrap_or(unknown)
        };
        (&a.name, rank(a), &a.path).cmp(&(&b.name, rank(b), &b.path))
    });
    let mut distinct: BTreeMap<String, Found> = BTreeMap::new();
    for mut cube in found {
        if distinct.contains_key(&cube.name) {
            cube.name.clone_from(&cube.path);
        }
        distinct.insert(cube.name.clone(), cube);
    }
    distinct.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubes_with_the_same_name_keep_their_suffix() {
        let found = |path: &str, name: &str, format: FormatAt| Found {
            name: name.to_string(),
            path: path.to_string(),
            format: Ok(format),
        };
        let named: Vec<(String, String)> = with_distinct_names(vec![
            found("a.geojson", "a", FormatAt::Table(0)),
            found("a.levels", "a", FormatAt::Cube(1)),
            found("b.nc", "b", FormatAt::Cube(2)),
            found("a.zarr", "a", FormatAt::Cube(0)),
        ])
        .into_iter()
        .map(|found| (found.name, found.path))
        .collect();
        let expected = [
            ("a", "a.zarr"),
            ("a.geojson", "a.geojson"),
            ("a.levels", "a.levels"),
            ("b", "b.nc"),
        ]
        .map(|(name, path)| (name.to_string(), path.to_string()));
        assert_eq!(named, expected);
    }
}
