//! What a scan counts for `EXPLAIN ANALYZE`, and passes on to the query's progress.

use std::sync::Arc;

use datafusion::common::format::MetricCategory;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

use crate::progress::QueryProgress;

/// The metrics of one partition of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanMetrics {
    /// Rows emitted.
    pub(crate) output_rows: Count,
    /// Chunks of the scanned variables in the whole cube.
    pub(crate) chunks_total: Count,
    /// Chunks that no selected cell lies in.
    pub(crate) chunks_pruned: Count,
    /// Chunks fetched and decoded, or taken from the cache.
    pub(crate) chunks_read: Count,
    /// Chunks that are not stored, so that their cells are the fill value.
    pub(crate) chunks_missing: Count,
    /// Chunks among those read that were still decoded from an earlier query.
    pub(crate) cache_hits: Count,
    bytes_fetched: Count,
    bytes_decoded: Count,
    /// Time the partition waited for bytes.
    pub(crate) time_fetch: Time,
    /// Time spent decoding, masking and scaling.
    pub(crate) time_decode: Time,
    /// Time spent making rows.
    pub(crate) time_rows: Time,
    /// What the whole query has read.
    pub(crate) progress: Arc<QueryProgress>,
}

impl ScanMetrics {
    /// Registers the metrics of `partition`.
    pub(crate) fn new(
        set: &ExecutionPlanMetricsSet,
        partition: usize,
        context: &TaskContext,
    ) -> Self {
        let count = |name: &'static str, category| {
            MetricBuilder::new(set)
                .with_category(category)
                .counter(name, partition)
        };
        let time = |name: &'static str| MetricBuilder::new(set).subset_time(name, partition);
        Self {
            output_rows: MetricBuilder::new(set).output_rows(partition),
            chunks_total: count("chunks_total", MetricCategory::Rows),
            chunks_pruned: count("chunks_pruned", MetricCategory::Rows),
            chunks_read: count("chunks_read", MetricCategory::Rows),
            chunks_missing: count("chunks_missing", MetricCategory::Rows),
            cache_hits: count("cache_hits", MetricCategory::Rows),
            bytes_fetched: count("bytes_fetched", MetricCategory::Bytes),
            bytes_decoded: count("bytes_decoded", MetricCategory::Bytes),
            time_fetch: time("time_fetch"),
            time_decode: time("time_decode"),
            time_rows: time("time_rows"),
            progress: context
                .session_config()
                .get_extension::<QueryProgress>()
                .unwrap_or_default(),
        }
    }

    /// A chunk arrived from its store.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.bytes_fetched.add(bytes as usize);
        self.progress.add_fetched(bytes);
    }

    /// A chunk was decoded.
    pub(crate) fn decoded(&self, bytes: usize) {
        self.bytes_decoded.add(bytes);
        self.progress.add_decoded(bytes as u64);
    }
}
