//! Which chunks of a variable some points lie in: [`Touched`].

use std::ops::Range;

use super::scale::Position;
use crate::cube::chunks::AxisChunks;

/// One dimension of the variable.
#[derive(Debug)]
pub(super) enum Along {
    /// The points do not name it: all cells of this chunk are wanted.
    Chunk(u64),
    /// The points name it.
    Points {
        /// The chunks in which they lie, ascending.
        chunks: Vec<u64>,
        /// Per point, its cells below and above.
        cells: Vec<Sides>,
        /// The cells of the chunks, as far as one range holds them: for chunks that are decoded in part.
        rows: Range<u64>,
    },
}

/// The cell below a point and the one above, and the share of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    pub(super) below: Place,
    pub(super) above: Place,
    pub(super) weight: f64,
    pub(super) is_absent: bool,
}

/// A cell of a dimension: which of the touched chunks holds it, and where.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) chunk: usize,
    pub(super) cell: usize,
}

impl Along {
    /// The dimension that is cut into `chunks`, with points at these positions.
    pub(super) fn points(positions: &[Position], chunks: &AxisChunks) -> Self {
        let chunk = |cell: u32| chunks.index_of(u64::from(cell));
        let there = || positions.iter().filter(|position| !position.is_absent());
        let mut touched: Vec<u64> = there()
            .flat_map(|position| {
                let above = (position.weight > 0.0).then(|| chunk(position.next));
                std::iter::once(chunk(position.cell)).chain(above)
            })
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let place = |cell: u32| {
            let own = chunk(cell);
            Place {
                chunk: touched.binary_search(&own).unwrap_or(0),
                cell: (u64::from(cell) - chunks.range(own).start) as usize,
            }
        };
        let sides = |position: &Position| match position.is_absent() {
            true => Sides {
                below: Place::default(),
                above: Place::default(),
                weight: 0.0,
                is_absent: true,
            },
            false => {
                let below = place(position.cell);
                let above = (position.weight > 0.0).then(|| place(position.next));
                Sides {
                    below,
                    above: above.unwrap_or(below),
                    weight: position.weight,
                    is_absent: false,
                }
            }
        };
        let cells: Vec<Sides> = positions.iter().map(sides).collect();
        let wanted = cells
            .iter()
            .filter(|sides| !sides.is_absent)
            .flat_map(|sides| [sides.below.cell, sides.above.cell]);
        let first = wanted.clone().min().unwrap_or(0) as u64;
        let end = wanted.max().map_or(0, |last| last as u64 + 1);
        Self::Points {
            rows: first..end,
            chunks: touched,
            cells,
        }
    }

    /// How many chunks of it are touched.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Chunk(_) => 1,
            Self::Points { chunks, .. } => chunks.len(),
        }
    }
}

/// The chunks in which points lie, as combinations of those along each dimension.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) dimensions: Vec<Along>,
    pub(super) points: usize,
    /// Per combination, the last dimension fastest, its number among those that are needed.
    numbers: Vec<Option<usize>>,
}

impl Touched {
    pub(super) fn new(dimensions: Vec<Along>, points: usize) -> Self {
        let combinations = dimensions.iter().map(Along::count).product();
        let mut touched = Self {
            dimensions,
            points,
            numbers: vec![None; combinations],
        };
        let mut is_needed = vec![false; combinations];
        for point in 0..points {
            touched.each_corner(point, |combination, _, _| is_needed[combination] = true);
        }
        let mut count = 0;
        for (number, is_needed) in touched.numbers.iter_mut().zip(is_needed) {
            if is_needed {
                *number = Some(count);
                count += 1;
            }
        }
        touched
    }

    /// The needed chunks, in the order of their numbers.
    pub(super) fn chunks(&self) -> Vec<Vec<u64>> {
        let mut needed = Vec::new();
        for (combination, number) in self.numbers.iter().enumerate() {
            if number.is_none() {
                continue;
            }
            let mut rest = combination;
            let mut chunk: Vec<u64> = self
                .dimensions
                .iter()
                .rev()
                .map(|dimension| {
                    let own = rest % dimension.count();
                    rest /= dimension.count();
                    match dimension {
                        Along::Chunk(chunk) => *chunk,
                        Along::Points { chunks, .. } => chunks[own],
                    }
                })
                .collect();
            chunk.reverse();
            needed.push(chunk);
        }
        needed
    }

    /// The number of a combination among the needed ones.
    pub(super) fn number(&self, combination: usize) -> Option<usize> {
        self.numbers.get(combination).copied().flatten()
    }

    /// The cells along the slowest dimension that are needed of each chunk; `None` for all.
    pub(super) fn rows(&self) -> Option<Range<u64>> {
        match self.dimensions.first() {
            Some(Along::Points { chunks, rows, .. }) if chunks.len() == 1 => Some(rows.clone()),
            _ => None,
        }
    }

    /// Calls `visit` with each corner around a point that has a share of its value: the combination of chunks that holds
    /// it, which sides it is on, a bit per named dimension, and its share. A point that lies nowhere has none.
    pub(super) fn each_corner(&self, point: usize, mut visit: impl FnMut(usize, u32, f64)) {
        let named = self
            .dimensions
            .iter()
            .filter_map(|dimension| match dimension {
                Along::Points { cells, .. } => Some(&cells[point]),
                Along::Chunk(_) => None,
            });
        if named.clone().any(|sides| sides.is_absent) {
            return;
        }
        let corners = 1_u32 << named.count().min(31);
        for corner in 0..corners {
            let (mut combination, mut share, mut bit) = (0, 1.0, 0);
            for dimension in &self.dimensions {
                combination *= dimension.count();
                if let Along::Points { cells, .. } = dimension {
                    let sides = cells[point];
                    let is_above = (corner >> bit) & 1 == 1;
                    share *= if is_above {
                        sides.weight
                    } else {
                        1.0 - sides.weight
                    };
                    let place = if is_above { sides.above } else { sides.below };
                    combination += place.chunk;
                    bit += 1;
                }
            }
            if share > 0.0 {
                visit(combination, corner, share);
            }
        }
    }
}
