//! The cells of regions as boxes: a stretch of cells along each of some axes.
//!
//! ```text
//!  polygon     ▄██▄     one box for each stretch of a row
//!  rectangle   ████     one box
//!  cell        █        one box
//! ```

use std::ops::Range;

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

/// Boxes over some axes of a cube, each of one region. No two boxes of a region overlap.
///
/// A stretch may reach over cells that the query does not select; those are in no unit.
#[derive(Debug)]
pub(crate) struct Boxes {
    /// The axes of the cube, ascending.
    pub(crate) axes: Vec<usize>,
    /// The region of each box, ascending.
    regions: Vec<u32>,
    /// One stretch per axis for each box, in cells of the cube.
    stretches: Vec<Range<u32>>,
    memory: MemoryReservation,
}

impl Boxes {
    /// No boxes over `axes`, which are ascending; their memory is taken from the pool of `memory`.
    pub(super) fn new(axes: Vec<usize>, memory: &MemoryReservation) -> Self {
        Self {
            axes,
            regions: Vec::new(),
            stretches: Vec::new(),
            memory: memory.new_empty(),
        }
    }

    /// Adds a box with a stretch for each axis. Regions come in ascending order.
    ///
    /// # Errors
    /// The memory pool has no room.
    pub(super) fn push(
        &mut self,
        region: u32,
        stretches: impl IntoIterator<Item = Range<u32>>,
    ) -> Result<()> {
        if self.regions.len() == self.regions.capacity() {
            let more = self.regions.len().max(64);
            let bytes = size_of::<u32>() + self.axes.len() * size_of::<Range<u32>>();
            self.memory.try_grow(more * bytes)?;
            self.regions.reserve_exact(more);
            self.stretches.reserve_exact(more * self.axes.len());
        }
        self.regions.push(region);
        self.stretches.extend(stretches);
        Ok(())
    }

    /// How many boxes.
    pub(crate) fn len(&self) -> usize {
        self.regions.len()
    }

    /// The region of a box, and its stretch along each of the axes.
    pub(crate) fn get(&self, position: usize) -> (u32, &[Range<u32>]) {
        let first = position * self.axes.len();
        let stretches = &self.stretches[first..first + self.axes.len()];
        (self.regions[position], stretches)
    }

    /// All boxes, see [`Boxes::get`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[Range<u32>])> {
        (0..self.len()).map(|position| self.get(position))
    }

    /// The boxes of `region`.
    fn of_region(&self, region: u32) -> Range<usize> {
        let start = self.regions.partition_point(|other| *other < region);
        let end = self.regions.partition_point(|other| *other <= region);
        start..end
    }

    /// The cells that are in a region's boxes of both.
    ///
    /// # Errors
    /// The memory pool has no room.
    pub(super) fn and(&self, other: &Self) -> Result<Self> {
        let mut axes: Vec<usize> = self.axes.iter().chain(&other.axes).copied().collect();
        axes.sort_unstable();
        axes.dedup();
        let mine = places(&axes, &self.axes);
        let theirs = places(&axes, &other.axes);
        let mut both = Self::new(axes, &self.memory);
        let mut stretches = Vec::with_capacity(both.axes.len());
        for (region, here) in self.iter() {
            for position in other.of_region(region) {
                let (_, there) = other.get(position);
                stretches.clear();
                stretches.extend(std::iter::zip(&mine, &theirs).map(|(mine, theirs)| {
                    match (mine, theirs) {
                        (Some(mine), Some(theirs)) => {
                            let (here, there) = (&here[*mine], &there[*theirs]);
                            here.start.max(there.start)..here.end.min(there.end)
                        }
                        (Some(mine), None) => here[*mine].clone(),
                        (None, Some(theirs)) => there[*theirs].clone(),
                        (None, None) => 0..0,
                    }
                }));
                if !stretches.iter().any(Range::is_empty) {
                    both.push(region, stretches.iter().cloned())?;
                }
            }
        }
        Ok(both)
    }
}

/// Where each of `axes` stands in `among`.
fn places(axes: &[usize], among: &[usize]) -> Vec<Option<usize>> {
    axes.iter()
        .map(|axis| among.iter().position(|other| other == axis))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use datafusion::execution::memory_pool::{
        GreedyMemoryPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool,
    };

    fn memory(pool: impl MemoryPool + 'static) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::new(pool);
        MemoryConsumer::new("test").register(&pool)
    }

    #[test]
    fn boxes_of_both_conditions_meet() {
        let memory = memory(UnboundedMemoryPool::default());
        let mut runs = Boxes::new(vec![1, 2], &memory);
        runs.push(0, [0..1, 2..5]).unwrap();
        runs.push(0, [1..2, 3..9]).unwrap();
        runs.push(2, [5..6, 0..4]).unwrap();
        let mut steps = Boxes::new(vec![0, 2], &memory);
        steps.push(0, [7..8, 4..6]).unwrap();
        steps.push(0, [9..10, 0..3]).unwrap();
        steps.push(1, [0..10, 0..10]).unwrap();
        let both = runs.and(&steps).unwrap();
        assert_eq!(both.axes, [0, 1, 2]);
        let found: Vec<_> = both
            .iter()
            .map(|(region, b)| (region, b.to_vec()))
            .collect();
        let expected = [
            (0, vec![7..8, 0..1, 4..5]),
            (0, vec![9..10, 0..1, 2..3]),
            (0, vec![7..8, 1..2, 4..6]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn boxes_are_weighed() {
        let mut boxes = Boxes::new(vec![0], &memory(GreedyMemoryPool::new(4096)));
        let full = (0..1000).find(|region| boxes.push(*region, [0..1]).is_err());
        assert_eq!(full, Some(256));
    }
}
