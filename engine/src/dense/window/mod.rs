//! `GridWindowExec`: window functions along an axis of a cube, without a sort.
//!
//! ```text
//!  OVER (PARTITION BY lat, lon ORDER BY time …)
//!
//!  series axes   time: what a partition runs along       lane axes   lat, lon: one series per cell
//!
//!  tile = all units along time, one along lat and lon      block = a few lanes of a tile, all of time
//!   ┌───┐ ┌───┐ ┌───┐                                        rows ┌──────┐ one row per time,
//!   │ t │ │ t │ │ t │  held as they were decoded   ─gather─▶      │      │ lanes side by side:
//!   └───┘ └───┘ └───┘                                             └──────┘ kernels, then batches
//! ```
//!  | file | what |
//!  |---|---|
//!  | plan | which axes are series and which are lanes, and what is computed |
//!  | sequence | the order of rows, and the frame of each, once for all series |
//!  | function | which kernel a window function has, if any |
//!  | cuts | lanes cut so that a tile fits into memory |
//!  | tile | the units of a tile, and blocks gathered from them |
//!  | block | the columns of one block |
//!  | general | any other function, by DataFusion's own evaluator, series after series |
//!  | worker, exec | one partition, and the operator that DataFusion sees |
//!
//! Where all partitions are whole axes (`avg(v) OVER (PARTITION BY lat)`) the series run along several
//! axes at once. Partitions along the series (`PARTITION BY date_part('month', time), lat, lon`) are
//! ranges of the sequence.
//!
//! Rows come out block by block and step by step within a block, as they lie in memory: SQL promises no
//! order, and neither order of a whole result could be declared when tiles are chunks.

mod block;
mod cuts;
pub(crate) mod exec;
mod function;
mod general;
pub(crate) mod plan;
mod sequence;
mod tile;
mod worker;

pub(crate) use exec::GridWindowExec;
