//! Cubes written with SQL, by processes that are killed, that meet, and that find no space.
//!
//! ```text
//!  blocks     the cells of a scan come as blocks or as rows: the same bytes
//!  kills      a process is killed at any moment ─▶ the old state or nothing ─▶ run again ─▶ the cube
//!  model      statements in a row, some of them killed, against a table in memory
//!  memory     below the limit, whatever the size of the cube
//!  partial    variables over some of the dimensions, as xarray reads them
//!  rivals     two processes write one cube: one after the other, or one is told of the other
//!  full       no space, no permission: an error, nothing visible, then on from where it stopped
//!  round_trips  real data: cells and attributes as xarray reads them from the sources
//!  readers    zarr-python 2 and xcube find in them what xarray does
//! ```
//! What each statement says is in `tests/slt/writing`; how object stores fail is in `stores`.

mod blocks;
mod full;
mod kills;
mod memory;
mod model;
mod partial;
mod readers;
mod rivals;
mod round_trips;
mod workshop;

pub(crate) use rivals::meet_at;
pub(crate) use workshop::Format;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let all = [
        blocks::trials(),
        full::trials(),
        kills::trials(),
        memory::trials(),
        model::trials(),
        partial::trials(),
        readers::trials(),
        rivals::trials(),
        round_trips::trials(),
    ];
    all.into_iter().flatten().collect()
}

/// A number from the environment, for people who look for more.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    text.parse().unwrap_or(otherwise)
}

/// Numbers that look random: SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
