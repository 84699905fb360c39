//! A part of a scan: some of its units, so that several clients read one scan together, each by itself.
//!
//! ```text
//!  units of the scan   0 1 2 3 4 5 6 …
//!  part 0 of 3         ▪     ▪     ▪
//!  part 1 of 3           ▪     ▪
//! ```
//! Parts share nothing, so that none waits for another one that nobody reads. Clients that read them at the same time walk
//! through the cube side by side.

use crate::scan::CubeScan;
use crate::scan::queue::Claims;

/// Every `of`-th unit, from `number` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanPart {
    number: u64,
    of: u64,
}

impl Default for ScanPart {
    /// All units.
    fn default() -> Self {
        Self { number: 0, of: 1 }
    }
}

impl ScanPart {
    /// Does it stand for the scan where something is said once?
    pub(super) fn is_first(self) -> bool {
        self.number == 0
    }

    /// Claims that all partitions share.
    pub(super) fn claims(self) -> Claims {
        Claims::new(self.number, self.of)
    }

    /// Claims of a partition that shares its units with nobody.
    pub(super) fn claims_of(self, partition: usize, partitions: usize) -> Claims {
        let (partition, partitions) = (partition as u64, partitions as u64);
        Claims::new(self.number + partition * self.of, partitions * self.of)
    }
}

impl CubeScan {
    /// Can its rows be made in parts? Neither where they have an order nor where there are enough of them at some time.
    pub(crate) fn has_parts(&self) -> bool {
        let skipping = &self.skipping;
        self.grid_order.is_none()
            && self.limit.is_none()
            && skipping.tightening.is_none()
            && skipping.order.is_none()
            && skipping.collects.is_none()
    }

    /// Part `number` of `count`; the parts have the workers of the scan together.
    pub(crate) fn part(&self, number: usize, count: usize) -> Self {
        Self {
            part: ScanPart {
                number: number as u64,
                of: count as u64,
            },
            partitions: self.partitions.div_ceil(count),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_their_partitions_have_each_unit_once() {
        for (parts, partitions) in [(1, 1), (1, 4), (3, 1), (3, 2)] {
            let part = |number| ScanPart { number, of: parts };
            let take = |claims: Claims| [(); 5].map(|()| claims.next_unit());
            let alone = (0..parts).flat_map(|number| {
                let claims =
                    (0..partitions).map(move |one| part(number).claims_of(one, partitions));
                claims.flat_map(take)
            });
            let mut alone: Vec<u64> = alone.collect();
            alone.sort_unstable();
            assert!(alone.iter().copied().eq(0..parts * partitions as u64 * 5));
            let mut shared: Vec<u64> = (0..parts)
                .flat_map(|one| take(part(one).claims()))
                .collect();
            shared.sort_unstable();
            assert!(shared.into_iter().eq(0..parts * 5));
        }
    }
}
