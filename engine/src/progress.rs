//! What a running query has read so far, for progress bars and for the line under a result.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters that the scans of one query add to. Shared between the query and who watches it.
#[derive(Debug, Default)]
pub struct QueryProgress {
    chunks_total: AtomicU64,
    chunks_done: AtomicU64,
    bytes_fetched: AtomicU64,
    bytes_decoded: AtomicU64,
    boxes_total: AtomicU64,
    boxes_done: AtomicU64,
    bytes_written: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgressSnapshot {
    /// Chunks that the scans opened so far intend to read.
    pub chunks_total: u64,
    /// Chunks read, found missing, or pruned while running.
    pub chunks_done: u64,
    /// Bytes that came from stores.
    pub bytes_fetched: u64,
    /// Bytes of decoded values.
    pub bytes_decoded: u64,
    /// Parts of the cube that the statement makes; 0 when it makes none.
    pub boxes_total: u64,
    /// Parts that are written, those of an earlier run included.
    pub boxes_done: u64,
    /// Bytes that went to stores.
    pub bytes_written: u64,
}

impl QueryProgress {
    /// A scan announces how many chunks it intends to read.
    pub fn expect_chunks(&self, count: u64) {
        self.chunks_total.fetch_add(count, Relaxed);
    }

    /// `count` announced chunks are dealt with.
    pub fn finish_chunks(&self, count: u64) {
        self.chunks_done.fetch_add(count, Relaxed);
    }

    /// A chunk arrived from its store.
    pub fn add_fetched(&self, bytes: u64) {
        self.bytes_fetched.fetch_add(bytes, Relaxed);
    }

    /// A chunk was decoded.
    pub fn add_decoded(&self, bytes: u64) {
        self.bytes_decoded.fetch_add(bytes, Relaxed);
    }

    /// A cube will be made in so many parts.
    pub fn expect_boxes(&self, count: u64) {
        self.boxes_total.fetch_add(count, Relaxed);
    }

    /// `count` parts of the cube are written.
    pub fn finish_boxes(&self, count: u64) {
        self.boxes_done.fetch_add(count, Relaxed);
    }

    /// Bytes are on their way to a store.
    pub fn add_written(&self, bytes: u64) {
        self.bytes_written.fetch_add(bytes, Relaxed);
    }

    /// The counters now.
    pub fn snapshot(&self) -> ProgressSnapshot {
        ProgressSnapshot {
            chunks_total: self.chunks_total.load(Relaxed),
            chunks_done: self.chunks_done.load(Relaxed),
            bytes_fetched: self.bytes_fetched.load(Relaxed),
            bytes_decoded: self.bytes_decoded.load(Relaxed),
            boxes_total: self.boxes_total.load(Relaxed),
            boxes_done: self.boxes_done.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
        }
    }
}
