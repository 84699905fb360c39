//! The names of the chunk objects of a build: [`ChunkNames`]. A name tells which chunk the object is, so that
//! no notes are needed to find out what a build that was broken off has stored.
//!
//! ```text
//!  ff 0192 83a5 71 │ 0 03 │ 0 0000 0007       12 bytes, in base 32 as Icechunk writes them
//!  time of the build │ array │ number of the chunk in C order
//! ```
//! Names of later builds are greater, and those of other writers are random: a listing that begins with the
//! names of this build finds little else.

use std::time::{SystemTime, UNIX_EPOCH};

use icechunk::format::ChunkId;

/// The first byte of all names: most names of others are smaller.
const FIRST: u8 = 0xff;

/// Arrays and chunks that can be told apart.
pub(super) const MOST_ARRAYS: u64 = 1 << 12;
pub(super) const MOST_CHUNKS: u64 = 1 << 36;

/// Characters of base 32 that are decided by the time of the build.
const SHARED: usize = 9;

/// The names of the chunks of one build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkNames {
    /// Steps of 1/256 s since 1970, 40 bits.
    begun: u64,
}

impl ChunkNames {
    /// Names for a build that begins now.
    pub(super) fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let steps = since.as_secs() << 8 | u64::from(since.subsec_nanos() / 3_906_250);
        Self {
            begun: steps & 0xff_ffff_ffff,
        }
    }

    /// Names for a build that begins a moment later.
    pub(super) fn later(self) -> Self {
        Self {
            begun: (self.begun + 1) & 0xff_ffff_ffff,
        }
    }

    /// The names that [`ChunkNames::to_string`] describes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let begun = u64::from_str_radix(text.trim(), 16).ok()?;
        (begun >> 40 == 0).then_some(Self { begun })
    }

    /// The name of a chunk.
    pub(super) fn id(self, array: usize, number: u64) -> ChunkId {
        let mut bytes = [0; 12];
        bytes[0] = FIRST;
        bytes[1..6].copy_from_slice(&self.begun.to_be_bytes()[3..]);
        let place = (array as u64) << 36 | number;
        bytes[6..].copy_from_slice(&place.to_be_bytes()[2..]);
        ChunkId::new(bytes)
    }

    /// What the names of all chunks of the build begin with.
    pub(super) fn beginning(self) -> String {
        self.id(0, 0).to_string().chars().take(SHARED).collect()
    }

    /// The array and the number of a chunk with this name, if it is one of the build.
    pub(super) fn chunk(self, name: &str) -> Option<(usize, u64)> {
        let id = ChunkId::try_from(name).ok()?;
        let mut place = [0; 8];
        place[2..].copy_from_slice(&id.0[6..]);
        let place = u64::from_be_bytes(place);
        let array = usize::try_from(place >> 36).ok()?;
        let number = place & (MOST_CHUNKS - 1);
        (self.id(array, number) == id).then_some((array, number))
    }
}

impl std::fmt::Display for ChunkNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:010x}", self.begun)
    }
}

/// The number of the chunk at `index`, where there are `counts` along each dimension.
pub(super) fn number_of(index: &[u64], counts: &[u64]) -> u64 {
    let along = index.iter().zip(counts);
    along.fold(0, |number, (at, count)| number * count + at)
}

/// The index of a chunk by its number; `None` when there are not so many.
pub(super) fn index_of(mut number: u64, counts: &[u64]) -> Option<Vec<u32>> {
    let mut index = vec![0; counts.len()];
    for (at, count) in index.iter_mut().zip(counts).rev() {
        *at = u32::try_from(number.checked_rem(*count)?).ok()?;
        number /= count;
    }
    (number == 0).then_some(index)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_lead_back_to_chunks() {
        let names = ChunkNames::now();
        assert_eq!(ChunkNames::parse(&names.to_string()), Some(names));
        for (array, number) in [(0, 0), (3, 7), (4095, MOST_CHUNKS - 1)] {
            let name = names.id(array, number).to_string();
            assert_eq!(names.chunk(&name), Some((array, number)));
            assert!(name.starts_with(&names.beginning()), "{name}");
            assert_eq!(names.later().chunk(&name), None);
            assert!(names.later().id(0, 0).to_string() > name);
        }
        assert_eq!(names.chunk("8X"), None);
        assert_eq!(ChunkNames::parse("no"), None);
    }

    #[test]
    fn numbers_lead_back_to_indexes() {
        let counts = [3, 4, 5];
        for number in 0..60 {
            let index = index_of(number, &counts).unwrap();
            let index: Vec<u64> = index.into_iter().map(u64::from).collect();
            assert_eq!(number_of(&index, &counts), number);
        }
        assert_eq!(index_of(60, &counts), None);
        assert_eq!(index_of(0, &[]), Some(vec![]));
        assert_eq!(index_of(1, &[]), None);
        assert_eq!(index_of(0, &[0]), None);
    }
}
