//! How levels are cut into tiles, and in which order these are made.

use graticule_functions::warp::Method;

/// Cells along the sides of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) y: usize,
    pub(super) x: usize,
}

/// Cells along a side of a tile, about.
const SIDE: u64 = 256;
/// The shortest side.
const SHORTEST_SIDE: u64 = 16;
/// Cells of a tile and all planes of a block, at most.
const MOST_CELLS: u64 = 2 << 20;

/// Cells along a side of a tile, where the cube has chunks of `chunk` cells and blocks are `depth` planes deep: such that
/// the edges of tiles of the first level are edges of chunks, where that can be, and an even number.
pub(super) fn side(chunk: u64, depth: u64) -> usize {
    let mut side = SIDE;
    while side > SHORTEST_SIDE && side * side * depth > MOST_CELLS {
        side /= 2;
    }
    // What lies under a tile.
    let below = 2 * side;
    let chunk = chunk.max(1);
    let parts = (1..=chunk)
        .take_while(|parts| chunk / parts >= below / 2)
        .filter(|parts| chunk.is_multiple_of(*parts))
        .map(|parts| chunk / parts);
    let several = (1..=2 * below / chunk).map(|count| count * chunk);
    let fits = |cells: &u64| cells.is_multiple_of(4) && (below / 2..=2 * below).contains(cells);
    let cells = parts.chain(several).filter(fits);
    let cells = cells.min_by_key(|cells| cells.abs_diff(below));
    (cells.unwrap_or(below) / 2) as usize
}

/// The place of number `at` of a curve through a square of a power of two: neighbours on it are neighbours in the square,
/// and each quarter is left when it is done (Morton 1966).
pub(super) fn place_on_curve(at: u64) -> (u64, u64) {
    let every_other = |bits: u64| {
        let mut kept = 0;
        for bit in 0..32 {
            kept |= (bits >> (2 * bit) & 1) << bit;
        }
        kept
    };
    (every_other(at >> 1), every_other(at))
}

/// Bytes per cell of what a tile carries, beside its values.
pub(super) fn carried(method: Method) -> usize {
    graticule_functions::warp::Reduced::<f64>::bytes(method, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_follow_chunks() {
        for (chunk, depth, expected) in [
            (250, 1, 250),
            (100, 5, 250),
            (200, 5, 300),
            (1800, 1, 300),
            (512, 1, 256),
            (3600, 1, 300),
            (7, 1, 252),
            (10, 1000, 30),
            (1, 1, 256),
        ] {
            let found = side(chunk, depth);
            assert!(
                found.is_multiple_of(2) && (8..=512).contains(&found),
                "{chunk} {depth}: {found}"
            );
            assert_eq!(found, expected, "{chunk} {depth}");
        }
    }

    #[test]
    fn a_quarter_is_done_before_the_next_begins() {
        let places: Vec<(u64, u64)> = (0..8).map(place_on_curve).collect();
        let expected = [
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
            (0, 2),
            (0, 3),
            (1, 2),
            (1, 3),
        ];
        assert_eq!(places, expected);
    }
}
