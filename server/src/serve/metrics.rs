//! What the service counts, for operators: connections and queries of all doors, what was read and sent, memory.
//!
//! ```text
//!  accept ─▶ Connected            a connection, while it is kept
//!  Client::run ─▶ Tally           a query: waits, runs, ends; see tally.rs
//!  Metrics::text                  all of it in the text format of OpenMetrics, which Prometheus reads
//! ```

use std::fmt;
use std::sync::Arc;

use graticule_engine::Engine;
use graticule_engine::progress::ProgressSnapshot;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of the histogram of seconds: a map takes milliseconds, a long series minutes.
const SECONDS: [f64; 12] = [
    0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0,
];

/// The counters.
pub(crate) struct Metrics {
    registry: Registry,
    connections: Family<OfDoor, Gauge>,
    pub(super) waiting: Family<OfDoor, Gauge>,
    pub(super) running: Family<OfDoor, Gauge>,
    queries: Family<OfOutcome, Counter>,
    seconds: Family<OfDoor, Histogram, fn() -> Histogram>,
    rows: Counter,
    result_bytes: Counter,
    fetched: Counter,
    decoded: Counter,
    written: Counter,
    reserved: Gauge,
    cached: Gauge,
}

/// Names the door that something is counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfDoor {
    pub(super) door: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    door: &'static str,
    outcome: Outcome,
}

/// How a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// All rows were handed to the door.
    Completed,
    /// The statement is wrong, or something could not be read.
    Failed,
    /// Its client, the timeout or the end of the service stopped it.
    Cancelled,
    /// There was no place for it.
    Refused,
}

impl Outcome {
    /// A word for logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder,
    ) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

/// What one query has done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) seconds: f64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) read: ProgressSnapshot,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("graticule"),
            connections: Family::default(),
            waiting: Family::default(),
            running: Family::default(),
            queries: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            rows: Counter::default(),
            result_bytes: Counter::default(),
            fetched: Counter::default(),
            decoded: Counter::default(),
            written: Counter::default(),
            reserved: Gauge::default(),
            cached: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "queries_waiting",
            "Queries that wait for their turn",
            self.waiting.clone(),
        );
        registry.register(
            "queries_running",
            "Queries that run or whose rows are being taken",
            self.running.clone(),
        );
        registry.register("queries", "Queries that have ended", self.queries.clone());
        registry.register_with_unit(
            "query",
            "Time from the arrival of a query to its last row",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "result_rows",
            "Rows that were handed to the doors",
            self.rows.clone(),
        );
        for (name, help, counter) in [
            (
                "result",
                "Bytes of the rows that were handed to the doors",
                &self.result_bytes,
            ),
            ("fetched", "Bytes that came from stores", &self.fetched),
            ("decoded", "Bytes of decoded chunks", &self.decoded),
            ("written", "Bytes that went to stores", &self.written),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, counter.clone());
        }
        for (name, help, gauge) in [
            (
                "memory_reserved",
                "Memory that queries and the cache hold",
                &self.reserved,
            ),
            (
                "cache",
                "Memory of decoded chunks that are kept",
                &self.cached,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
    }

    /// Counts a connection as long as what is returned is kept.
    pub(super) fn connected(self: &Arc<Self>, door: &'static str) -> Connected {
        self.connections.get_or_create(&OfDoor { door }).inc();
        Connected {
            metrics: Arc::clone(self),
            door,
        }
    }

    /// Counts a query that has ended.
    pub(super) fn ended(&self, door: &'static str, outcome: Outcome, done: &Done) {
        self.queries
            .get_or_create(&OfOutcome { door, outcome })
            .inc();
        self.seconds
            .get_or_create(&OfDoor { door })
            .observe(done.seconds);
        self.rows.inc_by(done.rows);
        self.result_bytes.inc_by(done.bytes);
        self.fetched.inc_by(done.read.bytes_fetched);
        self.decoded.inc_by(done.read.bytes_decoded);
        self.written.inc_by(done.read.bytes_written);
    }

    /// Everything, and the memory of `engine` now.
    pub(super) fn text(&self, engine: &Engine) -> String {
        let memory = engine.memory_use();
        let gauge = |gauge: &Gauge, bytes: u64| gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        gauge(&self.reserved, memory.reserved);
        gauge(&self.cached, memory.cached);
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A connection that is counted.
pub(super) struct Connected {
    metrics: Arc<Metrics>,
    door: &'static str,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let of_door = OfDoor { door: self.door };
        self.metrics.connections.get_or_create(&of_door).dec();
    }
}
