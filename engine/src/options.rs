//! The settings of a session under the prefix `cube`: `SET cube.max_scan_bytes = 1000000000`.

use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::common::extensions_options;

extensions_options! {
    /// Settings of cube scans.
    pub struct CubeOptions {
        /// A query that would decode more bytes than this fails before it reads anything; 0 means no limit.
        pub max_scan_bytes: u64, default = 1 << 40
        /// Blocks of chunks that a partition fetches ahead of the one it is decoding, at least 1.
        pub prefetch: usize, default = 2
        /// Prune chunks and cells by predicates on coordinates; off only to test that the rows stay the same.
        pub pruning: bool, default = true
        /// Keep decoded chunks of small queries for the next query.
        pub cache: bool, default = true
        /// Answer DISTINCT over coordinates from the axes alone; off only to test that the rows stay the same.
        pub distinct_axes: bool, default = true
        /// Emit rows in the order of the grid where ORDER BY asks for it; off only to test that the rows stay the same.
        pub grid_order: bool, default = true
        /// Aggregate blocks as arrays where the groups follow the grid; off only to test that the answer stays the same.
        pub grid_aggregate: bool, default = true
        /// Join cubes on shared axes as one cube; off only to test that the rows stay the same.
        pub grid_zip: bool, default = true
        /// Coordinates of joined cubes that differ: 'exact' joins what is equal as SQL does, says in EXPLAIN which function aligns the cubes, and refuses an inner join of grids without a coordinate in common where the whole query, count(*) included, could only be about no row; 'error' refuses all that differ; 'nearest' takes those for equal that differ by less than a thousandth of a step; 'sql' never refuses.
        pub grid_alignment: String, default = "exact".to_string()
        /// Join a cube with regions of its grid cell by cell of the axes instead of row by row; off only to test that the answer stays the same.
        pub region_join: bool, default = true
        /// Compute window functions along an axis of blocks where they follow the grid; off only to test that the answer stays the same.
        pub grid_window: bool, default = true
        /// Write cubes that are made of a scan block by block; off only to test that the cube stays the same.
        pub grid_write: bool, default = true
        /// Read overviews of a cube where a coarse grid is asked for; off to read the cube itself.
        pub overviews: bool, default = true
        /// A client that can read several streams at a time takes the rows of a scan in parts of about so many bytes or more, at most one per thread; 0 means in one.
        pub part_bytes: u64, default = 64 << 20
        /// Keep the statistics of whole chunks that a query reads, as ANALYZE does of all.
        pub collect_statistics: bool, default = false
        /// Skip chunks and answer aggregates by the statistics that ANALYZE has made; off only to test that the answer stays the same.
        pub chunk_statistics: bool, default = true
    }
}

impl ConfigExtension for CubeOptions {
    const PREFIX: &'static str = "cube";
}

impl CubeOptions {
    /// The settings in a session's configuration.
    pub fn of(options: &ConfigOptions) -> Self {
        options
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_default()
    }
}
