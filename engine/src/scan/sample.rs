//! `TABLESAMPLE`: a repeatable choice of cells that does not depend on chunk order or parallelism.
//!
//! `BERNOULLI (p)` keeps every cell with probability p. `SYSTEM (p)` keeps whole blocks of the
//! cube's chunk grid with probability √p and cells in them with probability √p, so that it reads
//! about √p of the chunks. A cell's fate is a hash of the seed and of its position.

use crate::cube::Cube;
use crate::scan::grid::{Unit, scan_chunks};

/// How `TABLESAMPLE` chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMethod {
    /// Every cell on its own.
    Bernoulli,
    /// Blocks first, then cells in them.
    System,
}

/// A sample of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// How cells are chosen.
    pub method: SampleMethod,
    /// Expected part of the cells, 0 to 1.
    pub fraction: f64,
    /// `REPEATABLE (seed)`, or a number drawn when the statement was planned.
    pub seed: u64,
}

impl Sample {
    /// Probability with which a block and a cell of a kept block are chosen.
    fn probabilities(&self) -> (f64, f64) {
        match self.method {
            SampleMethod::Bernoulli => (1.0, self.fraction),
            SampleMethod::System => (self.fraction.sqrt(), self.fraction.sqrt()),
        }
    }

    /// Which rows of a unit are in the sample, in row order; `None` when none is.
    pub(crate) fn mask(&self, cube: &Cube, unit: &Unit) -> Option<arrow::buffer::BooleanBuffer> {
        let (block_probability, cell_probability) = self.probabilities();
        let blocks = scan_chunks(cube, &(0..cube.variables.len()).collect::<Vec<_>>());
        let mut cell_hashes = vec![mix(self.seed)];
        let mut block_hashes = vec![mix(!self.seed)];
        for (axis, chunks) in unit.axes.iter().zip(&blocks) {
            let cells = axis.cells();
            let extend = |hashes: Vec<u64>, number: &dyn Fn(u64) -> u64| -> Vec<u64> {
                hashes
                    .iter()
                    .flat_map(|hash| cells.iter().map(move |cell| mix(hash ^ number(*cell))))
                    .collect()
            };
            cell_hashes = extend(cell_hashes, &|cell| cell);
            block_hashes = extend(block_hashes, &|cell| chunks.index_of(cell));
        }
        let kept = cell_hashes.iter().zip(&block_hashes).map(|(cell, block)| {
            uniform(*block) < block_probability && uniform(*cell) < cell_probability
        });
        let mask = arrow::buffer::BooleanBuffer::from_iter(kept);
        (mask.count_set_bits() > 0).then_some(mask)
    }
}

/// Finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in 0..1 from the upper 53 bits.
fn uniform(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
