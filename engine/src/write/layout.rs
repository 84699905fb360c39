//! The shape of chunks and shards of a new cube, where nobody chose it.
//!
//! ```text
//!  map     time  1 · y 512 · x 512       a chunk is about a mebibyte of decoded values: it fits into
//!  series  time all · y 16 · x 16        a core's cache, and is worth a request
//!  both    time 32 · y 90 · x 90
//!  images  time  1 · y 368 · x 480       tiles, whose sides are multiples of 16 cells in GeoTIFF
//! ```
//! Large cubes are sharded: an object holds about 64 MiB of decoded values, or as many as memory allows.

use super::options::{ALL, LayoutOptions, Purpose, Shards};
use crate::cube::AxisRole;
use crate::error::{CubeError, CubeResult};

/// Decoded bytes of a chunk, about.
const CHUNK_BYTES: u64 = 1 << 20;

/// Decoded bytes of a shard, about.
const SHARD_BYTES: u64 = 64 << 20;

/// A variable with more decoded bytes than this is sharded.
const SHARDED_FROM: u64 = 256 << 20;

/// Steps along time in a chunk that serves maps and series.
const STEPS_OF_BOTH: u64 = 32;

/// Cells along each horizontal axis in a chunk for series, at least.
const PLACES_OF_SERIES: u64 = 16;

/// Cells along each side of a tile, at most.
const LONGEST_TILE: u64 = 512;

/// A dimension of the cube.
#[derive(Debug, Clone)]
pub(crate) struct Dimension {
    pub(crate) name: String,
    /// In cells.
    pub(crate) length: u64,
    pub(crate) role: AxisRole,
}

impl Dimension {
    /// A number of cells along it, of which [`ALL`] is its length.
    fn cells(&self, cells: u64) -> u64 {
        if cells == ALL { self.length } else { cells }
    }

    fn is_horizontal(&self) -> bool {
        matches!(
            self.role,
            AxisRole::Latitude | AxisRole::Longitude | AxisRole::X | AxisRole::Y
        )
    }
}

/// The shape of chunks and, if there are any, shards, in cells per dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) chunks: Vec<u64>,
    pub(crate) shards: Option<Vec<u64>>,
}

impl Layout {
    /// The layout that `options` ask for; what they leave open is chosen for variables of `width`
    /// bytes a value. `can_shard`: does the format have shards? `tile_unit`: see [`CubeSink::tile_unit`].
    ///
    /// # Errors
    /// Shards that are no multiple of chunks, or chunks that are no tiles where the format has images.
    ///
    /// [`CubeSink::tile_unit`]: crate::sink::CubeSink::tile_unit
    pub(crate) fn choose(
        dimensions: &[Dimension],
        width: u64,
        options: &LayoutOptions,
        can_shard: bool,
        tile_unit: Option<u64>,
    ) -> CubeResult<Self> {
        let chosen = match tile_unit {
            Some(unit) => tile(dimensions, unit),
            None => chunks(dimensions, width, options.purpose),
        };
        let chunks: Vec<u64> = dimensions
            .iter()
            .zip(chosen)
            .map(|(dimension, chosen)| {
                let asked = options.chunks.get(&dimension.name);
                asked.map_or(chosen, |cells| dimension.cells(*cells)).max(1)
            })
            .collect();
        if let Some(unit) = tile_unit {
            check_is_tile(dimensions, &chunks, unit)?;
        }
        let shards = match &options.shards {
            Shards::None => None,
            Shards::Automatic => {
                let most = options.most_cells.map(|cells| cells.saturating_mul(width));
                let most = most.map_or(SHARD_BYTES, |bytes| bytes.min(SHARD_BYTES));
                shards(dimensions, &chunks, width, most).filter(|_| can_shard)
            }
            Shards::Of(asked) => {
                let along = dimensions.iter().zip(&chunks);
                let shards = along.map(|(dimension, chunk)| {
                    let shard = match asked.get(&dimension.name) {
                        Some(&ALL) => dimension.length.next_multiple_of(*chunk),
                        Some(cells) => *cells,
                        None => *chunk,
                    };
                    match shard % chunk {
                        0 => Ok(shard),
                        _ => Err(no_multiple(&dimension.name, shard, *chunk)),
                    }
                });
                Some(shards.collect::<CubeResult<Vec<u64>>>()?)
            }
        };
        let shards = shards.filter(|shards| *shards != chunks);
        Ok(Self { chunks, shards })
    }
}

/// A tile of one image: as even as its sides can be.
fn tile(dimensions: &[Dimension], unit: u64) -> Vec<u64> {
    let side = |dimension: &Dimension| match dimension.is_horizontal() {
        true => even(dimension.length, LONGEST_TILE).next_multiple_of(unit),
        false => 1,
    };
    dimensions.iter().map(side).collect()
}

fn check_is_tile(dimensions: &[Dimension], chunks: &[u64], unit: u64) -> CubeResult<()> {
    for (dimension, chunk) in dimensions.iter().zip(chunks) {
        let name = &dimension.name;
        let (is_fine, cause, near) = match dimension.is_horizontal() {
            true => (
                chunk % unit == 0,
                format!(
                    "the sides of a tile are multiples of {unit} cells, not {chunk}, along {name}"
                ),
                chunk.next_multiple_of(unit),
            ),
            false => (
                *chunk == 1,
                format!("a tile is of one image, not of {chunk} along {name}"),
                1,
            ),
        };
        if !is_fine {
            return Err(
                CubeError::invalid("", cause).remedy(format!("say chunks = '{name}={near}'"))
            );
        }
    }
    Ok(())
}

impl Layout {
    /// Cells of an object per dimension.
    pub(crate) fn object(&self) -> &[u64] {
        self.shards.as_deref().unwrap_or(&self.chunks)
    }
}

/// The smallest block of cells in which all these objects are whole, per dimension.
pub(super) fn block_of_objects<'a>(objects: impl Iterator<Item = &'a [u64]>) -> Vec<u64> {
    objects.fold(Vec::new(), |block, object| match block.is_empty() {
        true => object.to_vec(),
        false => {
            let along = block.iter().zip(object);
            along
                .map(|(one, other)| least_common_multiple(*one, *other))
                .collect()
        }
    })
}

fn least_common_multiple(one: u64, other: u64) -> u64 {
    let (mut divisor, mut rest) = (one.max(1), other.max(1));
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (one / divisor).saturating_mul(other)
}

fn no_multiple(name: &str, shard: u64, chunk: u64) -> CubeError {
    let cause = format!("shards of {shard} cells along {name} do not hold chunks of {chunk} whole");
    let near = shard.div_ceil(chunk) * chunk;
    CubeError::invalid("", cause).remedy(format!("say shards = '{name}={near}'"))
}

fn chunks(dimensions: &[Dimension], width: u64, purpose: Purpose) -> Vec<u64> {
    let cells = (CHUNK_BYTES / width.max(1)).max(1);
    let horizontal = dimensions.iter().filter(|d| d.is_horizontal()).count() as u32;
    let mut sizes: Vec<u64> = vec![1; dimensions.len()];
    let others = |sizes: &mut Vec<u64>, most: u64| {
        let mut room = most;
        for (size, dimension) in sizes.iter_mut().zip(dimensions) {
            if !dimension.is_horizontal() {
                *size = dimension.length.clamp(1, room.max(1));
                room /= *size;
            }
        }
    };
    match (purpose, horizontal) {
        (_, 0) => others(&mut sizes, cells),
        (Purpose::Map, _) => {}
        (Purpose::Series, axes) => {
            others(&mut sizes, (cells / PLACES_OF_SERIES.pow(axes)).max(1));
        }
        (Purpose::Both, _) => others(&mut sizes, STEPS_OF_BOTH),
    }
    // Horizontal axes share what is left, the shorter ones first: what they leave the others take.
    let mut order: Vec<usize> = (0..dimensions.len())
        .filter(|at| dimensions[*at].is_horizontal())
        .collect();
    order.sort_by_key(|at| dimensions[*at].length);
    let mut room = (cells / sizes.iter().product::<u64>().max(1)).max(1);
    let mut left = order.len() as u32;
    for at in order {
        let share = (room as f64).powf(1.0 / f64::from(left)).round().max(1.0) as u64;
        sizes[at] = even(dimensions[at].length, share);
        room = (room / sizes[at].max(1)).max(1);
        left -= 1;
    }
    for (size, dimension) in sizes.iter_mut().zip(dimensions) {
        if !dimension.is_horizontal() {
            *size = even(dimension.length, *size);
        }
    }
    sizes
}

/// The length of pieces, of at most about `most` cells, that cut `length` without a short last one.
fn even(length: u64, most: u64) -> u64 {
    let pieces = length.div_ceil(most.max(1)).max(1);
    length.div_ceil(pieces).max(1)
}

/// Shards of at most `most` bytes, or of one chunk.
fn shards(dimensions: &[Dimension], chunks: &[u64], width: u64, most: u64) -> Option<Vec<u64>> {
    let bytes = dimensions.iter().fold(width, |bytes, dimension| {
        bytes.saturating_mul(dimension.length)
    });
    if bytes <= SHARDED_FROM {
        return None;
    }
    let mut counts: Vec<u64> = vec![1; chunks.len()];
    let size = |counts: &[u64]| {
        let along = chunks.iter().zip(counts);
        along.fold(width, |bytes, (chunk, count)| {
            bytes.saturating_mul(chunk * count)
        })
    };
    // Doubles along the axis that has most chunks outside of the shard.
    loop {
        let outside = |at: usize| {
            dimensions[at]
                .length
                .div_ceil(chunks[at])
                .div_ceil(counts[at])
        };
        let longest = (0..chunks.len()).max_by_key(|at| outside(*at))?;
        if outside(longest) <= 1 || size(&counts) * 2 > most {
            break;
        }
        counts[longest] *= 2;
    }
    Some(
        chunks
            .iter()
            .zip(counts)
            .map(|(chunk, count)| chunk * count)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn dimensions() -> Vec<Dimension> {
        [
            ("time", 1000, AxisRole::Time),
            ("lat", 720, AxisRole::Latitude),
            ("lon", 1440, AxisRole::Longitude),
        ]
        .map(|(name, length, role)| Dimension {
            name: name.to_string(),
            length,
            role,
        })
        .to_vec()
    }

    fn layout(purpose: Purpose) -> Layout {
        let options = LayoutOptions {
            purpose,
            ..LayoutOptions::default()
        };
        Layout::choose(&dimensions(), 4, &options, true, None).unwrap()
    }

    #[test]
    fn chunks_suit_their_purpose_and_weigh_about_a_mebibyte() {
        for (purpose, chunks) in [
            (Purpose::Map, vec![1, 360, 720]),
            (Purpose::Series, vec![1000, 16, 16]),
            (Purpose::Both, vec![32, 90, 90]),
        ] {
            let layout = layout(purpose);
            assert_eq!(layout.chunks, chunks, "{purpose}");
            let shards = layout.shards.unwrap();
            assert!(
                shards
                    .iter()
                    .zip(&chunks)
                    .all(|(shard, chunk)| shard % chunk == 0)
            );
            let bytes = shards.iter().product::<u64>() * 4;
            assert!((SHARD_BYTES / 4..=SHARD_BYTES).contains(&bytes), "{bytes}");
        }
    }

    #[test]
    fn shards_are_no_larger_than_memory_allows() {
        for most_cells in [1 << 21, 1 << 18, 1] {
            let options = LayoutOptions {
                most_cells: Some(most_cells),
                ..LayoutOptions::default()
            };
            let layout = Layout::choose(&dimensions(), 4, &options, true, None).unwrap();
            let chunk: u64 = layout.chunks.iter().product();
            let cells: u64 = layout.object().iter().product();
            assert!(cells <= most_cells.max(chunk), "{most_cells}: {layout:?}");
        }
    }

    #[test]
    fn shards_hold_whole_chunks() {
        let asked = |chunk: u64, shard: u64| LayoutOptions {
            chunks: [("lat".to_string(), chunk)].into(),
            shards: Shards::Of([("lat".to_string(), shard)].into()),
            ..LayoutOptions::default()
        };
        let layout = Layout::choose(&dimensions(), 4, &asked(100, 200), true, None).unwrap();
        assert_eq!(layout.shards.unwrap()[1], 200);
        let error = Layout::choose(&dimensions(), 4, &asked(100, 250), true, None).unwrap_err();
        assert!(error.to_string().contains("shards = 'lat=300'"), "{error}");
    }

    #[test]
    fn a_block_holds_objects_of_all_variables() {
        let objects: [&[u64]; 3] = [&[4, 10, 7], &[6, 10, 1], &[1, 4, 7]];
        assert_eq!(block_of_objects(objects.into_iter()), [12, 20, 7]);
    }

    #[test]
    fn tiles_are_of_one_image() {
        let choose = |chunks: &[(&str, u64)]| {
            let chunks = chunks.iter().map(|(name, size)| (name.to_string(), *size));
            let options = LayoutOptions {
                chunks: chunks.collect(),
                ..LayoutOptions::default()
            };
            Layout::choose(&dimensions(), 4, &options, false, Some(16))
        };
        assert_eq!(choose(&[]).unwrap().chunks, [1, 368, 480]);
        assert_eq!(choose(&[("lat", 64)]).unwrap().chunks, [1, 64, 480]);
        for (chunks, expected) in [
            (("lat", 100), "chunks = 'lat=112'"),
            (("time", 8), "chunks = 'time=1'"),
        ] {
            let error = choose(&[chunks]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
