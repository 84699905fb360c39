//! xcube's multi-resolution cubes: [`LevelsFormat`].
//!
//! ```text
//!  cube.levels/   .zlevels     optional JSON: num_levels and more
//!                 0.zarr       the cube in full resolution
//!                 0.link       or: a text file with the path of that cube, relative to cube.levels
//!                 1.zarr       half of it
//!                 2.zarr       a quarter
//! ```
//!
//! Level 0 is the cube: its groups keep their paths. The groups of level *n* > 0 follow with *n* in
//! front of their paths (`1`, `1/group`), so that a coarser level is a table of its own beside the
//! cube, and whoever looks for overviews finds them by number.

pub(crate) mod writing;

use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{CubeFormat, Group, Location, Options};
use serde_json::Value;

use super::zarr::ZarrFormat;
use super::zarr::json::parse_object;
use super::zarr::objects::Objects;

/// More levels than this are not looked for: each is half of the one before.
const MOST_LEVELS: u64 = 64;

/// Levels opened at the same time.
const CONCURRENT_LEVELS: usize = 8;

/// Reads xcube's `.levels` folders. Takes the options of [`ZarrFormat`].
#[derive(Debug)]
pub struct LevelsFormat;

#[async_trait]
impl CubeFormat for LevelsFormat {
    fn name(&self) -> &'static str {
        "LEVELS"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".levels"]
    }

    fn is_directory(&self) -> bool {
        true
    }

    async fn open(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
        let objects = Objects::of(location);
        let count = level_count(&objects, location).await?;
        let Some(cube) = open_level(&objects, location, options, 0).await? else {
            return Err(CubeError::not_found(
                &location.url,
                "there is no level 0: neither 0.zarr nor 0.link exists",
            )
            .remedy("check the path"));
        };
        let levels = match count {
            Some(count) => {
                stream::iter(1..count)
                    .map(|level| open_level(&objects, location, options, level))
                    .buffered(CONCURRENT_LEVELS)
                    .try_collect()
                    .await?
            }
            None => open_until_missing(&objects, location, options).await?,
        };
        let mut groups = cube;
        for (level, opened) in (1_u64..).zip(levels) {
            let opened = opened.ok_or_else(|| {
                CubeError::not_found(&location.url, format!("level {level} is missing"))
                    .remedy("copy the folder again from its source")
            })?;
            groups.extend(opened.into_iter().map(|group| Group {
                path: match group.path.is_empty() {
                    true => level.to_string(),
                    false => format!("{level}/{}", group.path),
                },
                ..group
            }));
        }
        Ok(groups)
    }
}

/// The number of levels, where `.zlevels` tells.
async fn level_count(objects: &Objects, location: &Location) -> CubeResult<Option<u64>> {
    let place = location.child(".zlevels");
    let Some(fetched) = objects.get(&place.path, None, &place.url).await? else {
        return Ok(None);
    };
    let document = parse_object(&fetched.bytes, &place.url)?;
    match document.get("num_levels").map(Value::as_u64) {
        None => Ok(None),
        Some(Some(count @ 1..=MOST_LEVELS)) => Ok(Some(count)),
        Some(_) => Err(CubeError::corrupt(
            &place.url,
            format!("num_levels is not a number from 1 to {MOST_LEVELS}"),
        )),
    }
}

async fn open_until_missing(
    objects: &Objects,
    location: &Location,
    options: &Options,
) -> CubeResult<Vec<Option<Vec<Group>>>> {
    let mut levels = Vec::new();
    for level in 1..MOST_LEVELS {
        match open_level(objects, location, options, level).await? {
            Some(opened) => levels.push(Some(opened)),
            None => break,
        }
    }
    Ok(levels)
}

/// Opens one level. `None` when it does not exist.
async fn open_level(
    objects: &Objects,
    location: &Location,
    options: &Options,
    level: u64,
) -> CubeResult<Option<Vec<Group>>> {
    let link = location.child(&format!("{level}.link"));
    let target = match objects.get(&link.path, None, &link.url).await? {
        None => location.child(&format!("{level}.zarr")),
        Some(fetched) => {
            let text = String::from_utf8_lossy(&fetched.bytes).trim().to_string();
            linked(location, &text).ok_or_else(|| {
                CubeError::unsupported(
                    &link.url,
                    format!("the link {text:?} does not lead to a place in the same store"),
                )
                .remedy("open the linked cube by its own path")
            })?
        }
    };
    match ZarrFormat.open(&target, options).await {
        Ok(groups) => Ok(Some(groups)),
        Err(error) if error.kind() == graticule_engine::error::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The place that `link`, a path relative to the `.levels` folder, leads to. `None` outside of the
/// store and for anything but a relative path.
fn linked(location: &Location, link: &str) -> Option<Location> {
    if link.is_empty() || link.starts_with('/') || link.contains(':') || link.contains('\\') {
        return None;
    }
    let mut target = location.clone();
    for segment in link.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                let parts: Vec<String> = target
                    .path
                    .parts()
                    .map(|part| part.as_ref().to_string())
                    .collect();
                let (_, parents) = parts.split_last()?;
                target.path = parents.iter().map(String::as_str).collect();
                target.url = target.url.rsplit_once('/')?.0.to_string();
            }
            name => target = target.child(name),
        }
    }
    Some(target)
}
