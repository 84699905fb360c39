//! How one axis is cut into chunks: at equal steps, or at given places (files of unequal length).

use std::ops::Range;
use std::sync::Arc;

/// The chunks along one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AxisChunks {
    /// Every chunk has `size` cells, the last one perhaps fewer.
    Regular {
        /// Cells of the axis.
        length: u64,
        /// Cells of a chunk, at least 1.
        size: u64,
    },
    /// Chunk `i` covers the cells `bounds[i]..bounds[i + 1]`; ascending, starts with 0.
    Irregular {
        /// One more entry than there are chunks.
        bounds: Arc<[u64]>,
    },
}

impl AxisChunks {
    /// Chunks of `size` cells on an axis of `length`. A `size` of 0 counts as 1.
    pub fn regular(length: u64, size: u64) -> Self {
        Self::Regular {
            length,
            size: size.max(1),
        }
    }

    /// Chunks that end at the cells `bounds`, which start with 0; regular if the steps are equal.
    pub(crate) fn ending_at(bounds: Vec<u64>) -> Self {
        let size = bounds.get(1).copied().unwrap_or(1);
        let length = bounds.last().copied().unwrap_or(0);
        let regular = Self::regular(length, size);
        let steps = bounds.len().saturating_sub(1) as u64;
        let even = regular.count() == steps
            && (0..steps)
                .zip(bounds.iter().skip(1))
                .all(|(chunk, end)| regular.range(chunk).end == *end);
        if even {
            regular
        } else {
            Self::Irregular {
                bounds: bounds.into(),
            }
        }
    }

    /// Cells of the axis.
    pub fn length(&self) -> u64 {
        match self {
            Self::Regular { length, .. } => *length,
            Self::Irregular { bounds } => bounds.last().copied().unwrap_or(0),
        }
    }

    /// Number of chunks.
    pub fn count(&self) -> u64 {
        match self {
            Self::Regular { length, size } => length.div_ceil(*size),
            Self::Irregular { bounds } => bounds.len().saturating_sub(1) as u64,
        }
    }

    /// The largest number of cells in a chunk.
    pub fn size(&self) -> u64 {
        match self {
            Self::Regular { size, .. } => *size,
            Self::Irregular { bounds } => bounds.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(1),
        }
    }

    /// Cells of a chunk, where all have as many but perhaps the last.
    pub(crate) fn regular_size(&self) -> Option<u64> {
        match self {
            Self::Regular { size, .. } => Some(*size),
            Self::Irregular { .. } => None,
        }
    }

    /// The cells of chunk `index`.
    pub fn range(&self, index: u64) -> Range<u64> {
        match self {
            Self::Regular { length, size } => index * size..((index + 1) * size).min(*length),
            Self::Irregular { bounds } => bounds[index as usize]..bounds[index as usize + 1],
        }
    }

    /// The chunk that holds `cell`.
    pub fn index_of(&self, cell: u64) -> u64 {
        match self {
            Self::Regular { size, .. } => cell / size,
            Self::Irregular { bounds } => bounds.partition_point(|start| *start <= cell) as u64 - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_equal_steps_are_regular() {
        let cases: &[(&[u64], bool)] = &[
            (&[0], true),
            (&[0, 1, 2, 3], true),
            (&[0, 4, 8, 9], true),
            (&[0, 4, 5, 9], false),
            (&[0, 31, 59, 90], false),
        ];
        for (bounds, regular) in cases {
            let chunks = AxisChunks::ending_at(bounds.to_vec());
            assert_eq!(
                matches!(chunks, AxisChunks::Regular { .. }),
                *regular,
                "{bounds:?}"
            );
            assert_eq!(chunks.length(), *bounds.last().unwrap_or(&0));
            for chunk in 0..chunks.count() {
                let at = chunk as usize;
                assert_eq!(chunks.range(chunk), bounds[at]..bounds[at + 1]);
            }
        }
    }
}
