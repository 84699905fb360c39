//! Several files as one cube: arrays put together along the one dimension in which the files differ.
//!
//! ```text
//!  20170605.nc   time 0      ┐                    time  0 1 2
//!  20170606.nc   time 0      ├─ open_many ─▶      sst   ▓ ░ ▒   one Concatenated array, whose chunks
//!  20170607.nc   time 0      ┘                                  are those of the files
//! ```
//! Opening reads every file's metadata and one-dimensional coordinates, nothing else. The files must
//! agree in all that a query relies on: variables, types, other axes, scaling, missing values. Times
//! counted from different dates in different files are recounted, see [`recounted`].

mod agreement;
mod array;
mod axis;
mod rechunked;
mod recounted;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use self::agreement::check_same_variables;
use self::array::concatenate_array;
use self::axis::{Coordinates, choose_dimension, put_in_order, read_coordinates};
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayReader, CubeFormat, Group, Location, Options};

/// Files that are opened, or whose coordinates are read, at the same time.
const CONCURRENT_FILES: usize = 32;

/// Options that [`open_many`] reads, with one line of documentation each.
pub const CONCATENATE_OPTIONS: &[(&str, &str)] = &[(
    "concatenate",
    "the dimension along which several files are put together; found by itself when only one differs",
)];

/// One file's part of a group.
#[derive(Debug)]
pub(super) struct Member {
    /// The file, for people.
    url: String,
    group: Group,
    coordinates: Coordinates,
}

impl Member {
    fn array(&self, name: &str) -> Option<&Arc<dyn ArrayReader>> {
        self.group
            .arrays
            .iter()
            .find(|array| array.description().name == name)
    }

    /// Length of a dimension; `None` when the group has no such dimension.
    fn length(&self, dimension: &str) -> Option<u64> {
        self.group.arrays.iter().find_map(|array| {
            let description = array.description();
            let position = description.dimensions.iter().position(|d| d == dimension)?;
            description.shape.get(position).copied()
        })
    }
}

/// Opens the files at `locations` as one cube.
///
/// # Errors
/// Those of the format, and those of [`concatenate`].
pub async fn open_many(
    format: &Arc<dyn CubeFormat>,
    locations: &[Location],
    options: &Options,
) -> CubeResult<Vec<Group>> {
    let opened = stream::iter(locations.to_vec()).map(|location| async move {
        let groups = format.open(&location, options).await?;
        Ok::<_, CubeError>((location.url, groups))
    });
    let opened = opened.buffered(CONCURRENT_FILES).try_collect().await?;
    concatenate(opened, options).await
}

/// Puts the groups of several files, each with its URL, together: one group for every path.
///
/// Files may come in any order. The dimension is that of the option `concatenate`, else the only
/// one whose length or coordinates differ between files. Variables without that dimension are the
/// first file's.
///
/// # Errors
/// The files differ in variables, types, other axes, or how values are decoded; their coordinates
/// overlap or repeat; no dimension, or more than one, differs; a coordinate cannot be read.
pub async fn concatenate(
    members: Vec<(String, Vec<Group>)>,
    options: &Options,
) -> CubeResult<Vec<Group>> {
    let Some((first_url, first_groups)) = members.first() else {
        return Err(CubeError::not_found(
            "",
            "there are no files to put together",
        ));
    };
    if members.len() == 1 {
        return Ok(first_groups.clone());
    }
    let paths: Vec<String> = first_groups
        .iter()
        .map(|group| group.path.clone())
        .collect();
    check_same_groups(&members, &paths)?;
    let mut concatenated = Vec::with_capacity(paths.len());
    let mut differing = false;
    for path in &paths {
        let parts = members.iter().filter_map(|(url, groups)| {
            let group = groups.iter().find(|group| group.path == *path)?;
            Some((url.clone(), group.clone()))
        });
        let parts = read_members(parts.collect(), options).await?;
        let (group, differs) = concatenate_group(parts, options)?;
        differing |= differs;
        concatenated.push(group);
    }
    if differing {
        return Ok(concatenated);
    }
    Err(CubeError::invalid(
        first_url,
        format!("the {} files do not differ in any coordinate", members.len()),
    )
    .remedy("attach one of them; or, if their order matters, name its dimension with concatenate = 'NAME'"))
}

fn check_same_groups(members: &[(String, Vec<Group>)], paths: &[String]) -> CubeResult<()> {
    let expected: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    for (url, groups) in members {
        let found: BTreeSet<&str> = groups.iter().map(|group| group.path.as_str()).collect();
        if let Some(path) = expected.symmetric_difference(&found).next() {
            let cause = format!("the group '{path}' is not in all of the files");
            return Err(CubeError::invalid(url, cause).remedy("attach the files that have it"));
        }
    }
    Ok(())
}

/// Reads the coordinates of every file, without the arrays that the option `drop_variables` names.
async fn read_members(parts: Vec<(String, Group)>, options: &Options) -> CubeResult<Vec<Member>> {
    let dropped: Vec<String> = options
        .get("drop_variables")
        .map(|names| {
            names
                .split(',')
                .map(|name| name.trim().to_string())
                .collect()
        })
        .unwrap_or_default();
    let members = stream::iter(parts).map(|(url, mut group)| {
        group
            .arrays
            .retain(|array| !dropped.contains(&array.description().name));
        async move {
            let coordinates = read_coordinates(&group)
                .await
                .map_err(|error| error.within(&url))?;
            Ok(Member {
                url,
                group,
                coordinates,
            })
        }
    });
    members.buffered(CONCURRENT_FILES).try_collect().await
}

/// One group out of all files', and whether they differ in a dimension. If not, it is the first's.
fn concatenate_group(members: Vec<Member>, options: &Options) -> CubeResult<(Group, bool)> {
    check_same_variables(&members)?;
    let wanted = options.get("concatenate").map(String::as_str);
    let dimension = choose_dimension(&members, wanted)?;
    let members = match &dimension {
        Some(dimension) => put_in_order(members, dimension)?,
        None => members,
    };
    let Some(first) = members.first() else {
        return Err(CubeError::invalid("", "there are no files to put together"));
    };
    let arrays = first
        .group
        .arrays
        .iter()
        .map(|array| concatenate_array(&members, array.description(), dimension.as_deref()));
    let arrays = arrays.collect::<CubeResult<_>>()?;
    let mut hasher = DefaultHasher::new();
    for member in &members {
        (&member.url, &member.group.version).hash(&mut hasher);
    }
    let others = members.len() - 1;
    let group = Group {
        path: first.group.path.clone(),
        attributes: first.group.attributes.clone(),
        arrays,
        url: format!("{} and {others} more", first.group.url),
        format: first.group.format.clone(),
        version: format!("{:016x}", hasher.finish()),
    };
    Ok((group, dimension.is_some()))
}
