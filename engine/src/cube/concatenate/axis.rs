//! Which dimension files are put together along, and in which order.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, DynComparator, UInt64Array, make_comparator};
use arrow::compute::{SortOptions, concat, take};
use arrow::util::display::array_value_to_string;
use futures::future::try_join_all;

use super::Member;
use super::agreement::same_axis;
use super::array::agree;
use crate::cube::AxisOrder;
use crate::cube::conventions::order_of;
use crate::cube::decoding::{Decoding, DecodingRules, stored_scalar};
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, Group, RawChunk};

/// A one-dimensional coordinate of one file.
#[derive(Debug, Clone)]
pub(super) struct Coordinate {
    /// The dimension along which it runs.
    pub(super) dimension: String,
    /// As stored.
    pub(super) stored: ArrayRef,
    /// Decoded by CF: comparable between files whatever their units of time.
    pub(super) values: ArrayRef,
}

/// The coordinates of one file by the names of their arrays.
pub(super) type Coordinates = BTreeMap<String, Coordinate>;

/// How coordinates are decoded for comparison.
pub(super) const RULES: DecodingRules = DecodingRules {
    mask_and_scale: true,
    times: true,
};

/// Reads the one-dimensional arrays that are named like their dimension, and those of times: some
/// models number every file's steps from 0 and keep the time apart.
pub(super) async fn read_coordinates(group: &Group) -> CubeResult<Coordinates> {
    let arrays = group.arrays.iter().filter(|array| {
        let description = array.description();
        matches!(description.dimensions.as_slice(), [only]
            if *only == description.name || is_time(description))
    });
    let read = arrays.map(async |array| {
        let name = array.description().name.clone();
        let coordinate = read_coordinate(array.as_ref())
            .await
            .map_err(|error| error.within(&name))?;
        Ok::<_, CubeError>((name, coordinate))
    });
    Ok(try_join_all(read).await?.into_iter().collect())
}

async fn read_coordinate(array: &dyn ArrayReader) -> CubeResult<Coordinate> {
    let description = array.description();
    let dimension = description.dimensions.first().cloned();
    let chunks = description
        .chunks
        .first()
        .map_or(0, |chunks| chunks.count());
    let pieces = (0..chunks).map(|chunk| read_chunk(array, chunk));
    let pieces = try_join_all(pieces).await?;
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    let stored = match pieces.as_slice() {
        [] => arrow::array::new_empty_array(&description.data_type),
        pieces => concat(pieces).map_err(|error| CubeError::corrupt("", error))?,
    };
    let decoding = Decoding::new(description, RULES)?;
    let decode = |decoding: &Decoding| {
        decoding.apply(RawChunk {
            values: stored.clone(),
            shape: vec![stored.len()],
        })
    };
    let (mut values, _) = decode(&decoding)?;
    if values.null_count() > 0 {
        // CF coordinates have no missing values: a fill value among them is the writer's default.
        (values, _) = decode(&decoding.without_sentinels())?;
    }
    Ok(Coordinate {
        dimension: dimension.unwrap_or_default(),
        stored,
        values,
    })
}

async fn read_chunk(array: &dyn ArrayReader, chunk: u64) -> CubeResult<ArrayRef> {
    let description = array.description();
    let cells = description
        .chunks
        .first()
        .map_or(0..0, |chunks| chunks.range(chunk));
    let cells = (cells.end - cells.start) as usize;
    let values = match array.fetch(&[chunk]).await? {
        Some(encoded) => array.decode(&[chunk], encoded)?.values,
        None => fill_cells(description, cells)?,
    };
    if values.len() < cells {
        return Err(CubeError::corrupt(
            "",
            format!("{} values for {cells} cells", values.len()),
        ));
    }
    Ok(values.slice(0, cells))
}

/// As many cells as wanted with the value of cells that are not stored.
pub(super) fn fill_cells(description: &ArrayDescription, cells: usize) -> CubeResult<ArrayRef> {
    let fill = stored_scalar(&description.fill_value, &description.data_type);
    let fill = fill.ok_or_else(|| {
        CubeError::corrupt(
            &description.name,
            "the fill value is not of the array's type",
        )
    })?;
    take(&fill, &UInt64Array::from(vec![0; cells]), None)
        .map_err(|error| CubeError::corrupt(&description.name, error))
}

/// The dimension to put files together along, `None` when they do not differ in any.
///
/// # Errors
/// The wanted dimension does not exist; files differ in other dimensions as well.
pub(super) fn choose_dimension(
    members: &[Member],
    wanted: Option<&str>,
) -> CubeResult<Option<String>> {
    let Some((first, others)) = members.split_first() else {
        return Ok(None);
    };
    let mut dimensions: Vec<&str> = Vec::new();
    for array in &first.group.arrays {
        for dimension in &array.description().dimensions {
            if !dimensions.contains(&dimension.as_str()) {
                dimensions.push(dimension);
            }
        }
    }
    let differing: Vec<&str> = dimensions
        .iter()
        .copied()
        .filter(|dimension| {
            others
                .iter()
                .any(|other| !same_axis(first, other, dimension))
        })
        .collect();
    let chosen = match wanted {
        Some(wanted) if dimensions.contains(&wanted) => wanted,
        // Another group of the files may have it.
        Some(_) if differing.is_empty() => return Ok(None),
        Some(wanted) => {
            return Err(CubeError::invalid(
                &first.url,
                format!("there is no dimension '{wanted}' to put files together along"),
            )
            .remedy(format!("the dimensions are {}", dimensions.join(", "))));
        }
        None => match differing.as_slice() {
            [] => return Ok(None),
            [only] => only,
            several => several
                .iter()
                .find(|dimension| is_time_axis(first, dimension))
                .unwrap_or(&several[0]),
        },
    };
    for other in others {
        if let Some(axis) = dimensions
            .iter()
            .find(|dimension| **dimension != chosen && !same_axis(first, other, dimension))
        {
            return Err(CubeError::invalid(
                &other.url,
                format!("the axis {axis} is not the same as in {}", first.url),
            )
            .remedy(format!(
                "files that are put together along {chosen} need equal other axes; \
                 attach them apart, or name another dimension with concatenate = 'NAME'"
            )));
        }
    }
    Ok(Some(chosen.to_string()))
}

fn is_time(description: &ArrayDescription) -> bool {
    Decoding::new(description, RULES).is_ok_and(|decoding| decoding.is_time())
}

/// Does any array that runs along `dimension` alone hold times?
fn is_time_axis(member: &Member, dimension: &str) -> bool {
    let mut arrays = member.group.arrays.iter().map(|array| array.description());
    arrays.any(|d| matches!(d.dimensions.as_slice(), [only] if only == dimension) && is_time(d))
}

/// The array by which files are put in order along `dimension`: the coordinate, unless it is the
/// same in all files and times tell them apart.
fn sorting_array(members: &[Member], dimension: &str) -> Option<String> {
    let (first, others) = members.split_first()?;
    let names = first
        .coordinates
        .iter()
        .filter(|(_, c)| c.dimension == dimension);
    let mut names: Vec<&String> = names.map(|(name, _)| name).collect();
    names.sort_by_key(|name| *name != dimension);
    let differs = |name: &str| {
        let values = |member: &Member| member.coordinates.get(name).map(|c| c.values.clone());
        others.iter().any(|other| values(other) != values(first))
    };
    let telling = names.iter().find(|name| differs(name.as_str()));
    telling.or(names.first()).map(ToString::to_string)
}

/// Sorts files by their coordinates along `dimension`; without coordinates they stay as they are.
/// Files without a cell along it are left out.
///
/// # Errors
/// Coordinates of a file that are not in order, or that overlap or repeat those of another.
pub(super) fn put_in_order(members: Vec<Member>, dimension: &str) -> CubeResult<Vec<Member>> {
    let (mut filled, empty): (Vec<Member>, Vec<Member>) = members
        .into_iter()
        .partition(|member| member.length(dimension) != Some(0));
    if filled.is_empty() {
        return Ok(empty.into_iter().take(1).collect());
    }
    let Some(sorting) = sorting_array(&filled, dimension) else {
        return Ok(filled);
    };
    agree(&filled, &sorting, Some(dimension))?;
    let coordinates = filled
        .iter()
        .map(|member| {
            member
                .coordinates
                .get(&sorting)
                .map(|found| found.values.clone())
        })
        .collect::<Option<Vec<ArrayRef>>>();
    let Some(coordinates) = coordinates else {
        return Ok(filled);
    };
    let descending = is_descending(&filled, &coordinates, &sorting)?;
    let seams = Seams::of(&coordinates, &sorting, descending)?;
    let mut order: Vec<usize> = (0..filled.len()).collect();
    order.sort_by(|a, b| (seams.compare)(2 * a, 2 * b));
    for pair in order.windows(2) {
        if let [before, after] = pair
            && (seams.compare)(2 * before + 1, 2 * after) != Ordering::Less
        {
            return Err(seams.overlap(&filled[*before], &filled[*after], *before, *after));
        }
    }
    let mut sorted: Vec<(usize, Member)> = Vec::with_capacity(filled.len());
    for (position, member) in filled.drain(..).enumerate() {
        let rank = order
            .iter()
            .position(|found| *found == position)
            .unwrap_or(position);
        sorted.push((rank, member));
    }
    sorted.sort_by_key(|(rank, _)| *rank);
    Ok(sorted.into_iter().map(|(_, member)| member).collect())
}

/// How the coordinates of all files run; those with a single cell run either way.
fn is_descending(
    members: &[Member],
    coordinates: &[ArrayRef],
    dimension: &str,
) -> CubeResult<bool> {
    let mut direction = None;
    for (member, coordinates) in members.iter().zip(coordinates) {
        if coordinates.len() == 1 {
            continue;
        }
        let order = order_of(coordinates)?;
        let known = *direction.get_or_insert(order);
        let cause = match order {
            AxisOrder::Unordered => "are not in order",
            order if order != known => "run the other way than in other files",
            _ => continue,
        };
        return Err(CubeError::invalid(
            &member.url,
            format!("the coordinates along {dimension} {cause}"),
        )
        .remedy("sort them, or attach the file by itself"));
    }
    Ok(direction == Some(AxisOrder::Descending))
}

/// First and last coordinate of every file, one after the other.
struct Seams<'a> {
    ends: ArrayRef,
    compare: DynComparator,
    dimension: &'a str,
}

impl<'a> Seams<'a> {
    fn of(coordinates: &[ArrayRef], dimension: &'a str, descending: bool) -> CubeResult<Self> {
        let not_comparable = |error| {
            CubeError::invalid("", error).remedy(format!(
                "the coordinates along {dimension} need the same type and calendar in all files"
            ))
        };
        let ends: Vec<ArrayRef> = coordinates
            .iter()
            .flat_map(|values| [values.slice(0, 1), values.slice(values.len() - 1, 1)])
            .collect();
        let ends: Vec<&dyn Array> = ends.iter().map(AsRef::as_ref).collect();
        let ends = concat(&ends).map_err(not_comparable)?;
        let direction = SortOptions {
            descending,
            nulls_first: false,
        };
        let compare = make_comparator(&ends, &ends, direction).map_err(not_comparable)?;
        Ok(Self {
            ends,
            compare,
            dimension,
        })
    }

    fn overlap(&self, before: &Member, after: &Member, first: usize, second: usize) -> CubeError {
        let shown = |position| {
            array_value_to_string(&self.ends, position).unwrap_or_else(|error| error.to_string())
        };
        let (last, start) = (shown(2 * first + 1), shown(2 * second));
        let dimension = self.dimension;
        let cause = if last == start {
            format!("{dimension} {start} is in {} as well", before.url)
        } else {
            format!(
                "{dimension} starts at {start}, before {} ends at {last}",
                before.url
            )
        };
        CubeError::invalid(&after.url, cause).remedy("give files that do not overlap")
    }
}
