//! Traces of statements, for a collector that speaks OpenTelemetry's protocol: [`Traces`], off unless it is said where
//! the collector is.
//!
//! ```text
//!  statement ─▶ Trace, a span below its client's ─┬─ wait      until there is a place for it
//!                                                 ├─ plan      until its columns are known
//!                                                 └─ execute   until its last row
//!  spans that ended ─▶ a queue with an end ─▶ a thread of its own ─▶ collector
//! ```
//! A full queue drops spans: a collector that is slow, or away, keeps no statement waiting. What the attributes are called
//! is OpenTelemetry's semantic conventions for databases; those that only we know begin with `graticule.`.
//!
//! ```toml
//! [telemetry]
//! otlp_endpoint = "http://127.0.0.1:4317"    # or the variable OTEL_EXPORTER_OTLP_ENDPOINT
//! ```

use std::env;
use std::time::Duration;

use graticule_engine::{as_listed, shortened};
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use super::metrics::Done;
use super::parent::Parent;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, SqlState};

/// What we are called among other services, and among other databases.
const NAME: &str = "graticule";

/// The variables that say where a collector is; the first one counts.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// How long the last spans may take when the server stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// The section `[telemetry]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TelemetrySection {
    /// Where the collector is.
    pub(crate) otlp_endpoint: Option<String>,
}

/// Where spans are made, and sent from.
pub(super) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Starts to send, from the runtime that is entered; `None` where nobody has said where to.
    ///
    /// # Errors
    /// What was said is no address that can be sent to.
    pub(super) fn start(section: &TelemetrySection) -> Result<Option<Self>, Failure> {
        let is_set = |variable: &&str| env::var_os(variable).is_some_and(|url| !url.is_empty());
        let mut exporter = SpanExporter::builder().with_tonic();
        match &section.otlp_endpoint {
            Some(endpoint) => exporter = exporter.with_endpoint(endpoint),
            None if ENDPOINTS.iter().any(is_set) => {}
            None => return Ok(None),
        }
        let exporter = exporter.build().map_err(|error| {
            let text = format!(
                "cannot send traces: {error}; name a collector such as http://127.0.0.1:4317, without TLS"
            );
            Failure::new(ExitCode::Configuration, text)
        })?;
        let mut resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(NAME);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Some(Self {
            tracer: provider.tracer(NAME),
            provider,
        }))
    }

    /// Sends what has not been sent, and stops; what takes too long is given up. It blocks, and needs the runtime that it
    /// was started from.
    pub(super) fn finish(&self) {
        // Nobody is left who would want to know.
        let _ = self.provider.shutdown_with_timeout(PATIENCE);
    }

    /// A statement that has come in through `door`, and waits.
    pub(super) fn begin(
        &self,
        parent: Option<Parent>,
        door: &'static str,
        user: &str,
        statement: &str,
    ) -> Trace {
        let parent = parent.or_else(|| Parent::in_comment(statement));
        let inside = parent.map_or_else(Context::new, Parent::into_context);
        let mut span = self
            .tracer
            .span_builder(NAME)
            .with_kind(SpanKind::Server)
            .start_with_context(&self.tracer, &inside);
        if span.is_recording() {
            let text = shortened(as_listed(statement));
            if let Some(operation) = operation(&text) {
                span.update_name(operation.clone());
                span.set_attribute(KeyValue::new("db.operation.name", operation));
            }
            span.set_attribute(KeyValue::new("db.query.text", text));
            span.set_attribute(KeyValue::new("db.system.name", NAME));
            span.set_attribute(KeyValue::new("user.name", user.to_string()));
            span.set_attribute(KeyValue::new("graticule.door", door));
        }
        let inside = inside.with_remote_span_context(span.span_context().clone());
        let mut trace = Trace {
            tracer: self.tracer.clone(),
            span,
            inside,
            stage: None,
        };
        trace.stage("wait");
        trace
    }
}

/// One statement. Dropping it ends its spans.
pub(super) struct Trace {
    tracer: SdkTracer,
    // Ends before the span that it is a part of.
    stage: Option<Span>,
    span: Span,
    /// What is below the span.
    inside: Context,
}

impl Trace {
    /// What it did is over, and this begins.
    pub(super) fn stage(&mut self, name: &'static str) {
        self.stage = None;
        self.stage = Some(self.tracer.start_with_context(name, &self.inside));
    }

    /// It has ended, because of `trouble` where there was some.
    pub(super) fn end(mut self, trouble: Option<SqlState>, done: &Done) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut tell = |name, value| self.span.set_attribute(KeyValue::new(name, count(value)));
        tell("db.response.returned_rows", done.rows);
        tell("graticule.result.bytes", done.bytes);
        tell("graticule.fetched.bytes", done.read.bytes_fetched);
        tell("graticule.decoded.bytes", done.read.bytes_decoded);
        let Some(SqlState(state)) = trouble else {
            return;
        };
        let mut part = self.stage.take();
        for span in part.iter_mut().chain([&mut self.span]) {
            span.set_attribute(KeyValue::new("error.type", state));
            span.set_status(Status::error(state));
        }
        let code = KeyValue::new("db.response.status_code", state);
        self.span.set_attribute(code);
    }
}

/// The word that a statement begins with.
fn operation(statement: &str) -> Option<String> {
    let word = statement.split_whitespace().next()?;
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let is_word = (1..=16).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic());
    is_word.then(|| word.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_called_as_their_statements_begin() {
        for (statement, expected) in [
            ("select 1", Some("SELECT")),
            ("  (SELECT 1)", Some("SELECT")),
            ("", None),
            ("'text'", Some("TEXT")),
            ("x'1'", None),
            ("averyveryverylongword", None),
        ] {
            assert_eq!(operation(statement).as_deref(), expected, "{statement}");
        }
    }
}
