//! The index of an array's chunks: a B-tree of version 1, built from the bottom.
//!
//! ```text
//!  root    TREE level 1   key child key child … key
//!                             │         │
//!  leaves  TREE level 0       └─▶ key chunk key chunk … key      64 chunks at most
//! ```
//! A key is the size of the chunk that follows and the cell at which it begins; the last one of a node
//! lies behind all that is in it.

use super::types::UNDEFINED;

/// Children of a node at most: twice the default of the library, which readers take for granted.
const CHILDREN: usize = 64;

/// A chunk in the file.
#[derive(Debug, Clone)]
pub(super) struct PlacedChunk {
    /// The first cell along each dimension.
    pub(super) start: Vec<u64>,
    pub(super) size: u32,
    pub(super) address: u64,
}

/// What a node points to: a chunk or a node below, from this key on.
struct Child {
    key: Vec<u8>,
    address: u64,
}

/// Bytes of a node of an array of `rank` dimensions.
fn node_bytes(rank: usize) -> usize {
    24 + CHILDREN * 8 + (CHILDREN + 1) * key_bytes(rank)
}

fn key_bytes(rank: usize) -> usize {
    8 + 8 * (rank + 1)
}

fn key(size: u32, start: &[u64]) -> Vec<u8> {
    let mut key = size.to_le_bytes().to_vec();
    // No filter is left out of any chunk.
    key.extend([0; 4]);
    key.extend(start.iter().flat_map(|cell| cell.to_le_bytes()));
    // The offset within a cell.
    key.extend([0; 8]);
    key
}

/// Bytes of the index of `chunks` chunks.
pub(super) fn index_bytes(chunks: usize, rank: usize) -> u64 {
    let mut nodes = 0;
    let mut level = chunks;
    while level > 0 {
        level = level.div_ceil(CHILDREN);
        nodes += level;
        if level == 1 {
            break;
        }
    }
    (nodes * node_bytes(rank)) as u64
}

/// The index of the chunks, which are in C order and of the shape `chunk`, as it stands at `address`, and the
/// address of its root.
pub(super) fn index(chunks: &[PlacedChunk], chunk: &[u64], address: u64) -> (Vec<u8>, u64) {
    let rank = chunk.len();
    let Some(last) = chunks.last() else {
        return (Vec::new(), UNDEFINED);
    };
    // Behind the last chunk along the first dimension, and so behind all.
    let mut end = last.start.clone();
    if let (Some(end), Some(length)) = (end.first_mut(), chunk.first()) {
        *end += length;
    }
    let end = key(0, &end);
    let mut children: Vec<Child> = chunks
        .iter()
        .map(|chunk| Child {
            key: key(chunk.size, &chunk.start),
            address: chunk.address,
        })
        .collect();
    let bytes = node_bytes(rank) as u64;
    let mut written = Vec::new();
    for level in 0_u8.. {
        let first = address + written.len() as u64;
        let count = children.chunks(CHILDREN).len();
        let at = |number: usize| first + number as u64 * bytes;
        let mut above = Vec::with_capacity(count);
        for (number, inside) in children.chunks(CHILDREN).enumerate() {
            let begin = written.len();
            written.extend(b"TREE");
            written.extend([1, level]);
            written.extend((inside.len() as u16).to_le_bytes());
            let left = number.checked_sub(1).map_or(UNDEFINED, at);
            let right = Some(number + 1)
                .filter(|next| *next < count)
                .map_or(UNDEFINED, at);
            written.extend(left.to_le_bytes());
            written.extend(right.to_le_bytes());
            for child in inside {
                written.extend(&child.key);
                written.extend(child.address.to_le_bytes());
            }
            let next = children.get(number * CHILDREN + inside.len());
            written.extend(next.map_or(&end, |next| &next.key));
            written.resize(begin + bytes as usize, 0);
            above.extend(inside.first().map(|child| Child {
                key: child.key.clone(),
                address: at(number),
            }));
        }
        if count == 1 {
            return (written, first);
        }
        children = above;
    }
    (written, UNDEFINED)
}
