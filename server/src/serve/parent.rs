//! The span of a client that a statement belongs to: what the headers `traceparent` and `tracestate` say (W3C Trace
//! Context), or a comment at the end of the statement (sqlcommenter): [`Parent`].
//!
//! ```text
//!  traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//!  SELECT 1 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/
//! ```
//! What makes no sense is as if it were not there: nobody is refused because of a trace.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// A span that somebody else has begun.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parent(SpanContext);

/// The two headers.
struct Headers<'h> {
    parent: &'h str,
    state: Option<&'h str>,
}

impl Parent {
    /// What headers say, which `header` finds by their names.
    pub(crate) fn in_headers<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<Self> {
        Self::read(&Headers {
            parent: header(PARENT)?,
            state: header(STATE),
        })
    }

    /// What the comment that a statement ends with says.
    pub(crate) fn in_comment(statement: &str) -> Option<Self> {
        let statement = statement.trim_end().trim_end_matches(';').trim_end();
        let (_, comment) = statement.strip_suffix("*/")?.rsplit_once("/*")?;
        let value = |name: &str| {
            let mut pairs = comment.split(',').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
            value.trim().strip_prefix('\'')?.strip_suffix('\'')
        };
        Self::read(&Headers {
            parent: value(PARENT)?,
            // It is written in another way there, and nothing here hangs on it.
            state: None,
        })
    }

    fn read(headers: &Headers<'_>) -> Option<Self> {
        let read = TraceContextPropagator::new().extract_with_context(&Context::new(), headers);
        let context = read.span().span_context().clone();
        context.is_valid().then_some(Self(context))
    }

    /// What is below it.
    pub(super) fn into_context(self) -> Context {
        Context::new().with_remote_span_context(self.0)
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => Some(self.parent),
            STATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn in_header(value: &str) -> Option<Parent> {
        Parent::in_headers(|name| (name == PARENT).then_some(value))
    }

    #[test]
    fn headers_and_comments_name_the_same_span() {
        let parent = in_header(SPAN);
        let ids = parent.as_ref().map(|Parent(context)| {
            let ids = (
                context.trace_id().to_string(),
                context.span_id().to_string(),
            );
            (ids, context.is_sampled())
        });
        let trace = "0af7651916cd43dd8448eb211c80319c".to_string();
        let span = "b7ad6b7169203331".to_string();
        assert_eq!(ids, Some(((trace, span), true)));
        for statement in [
            format!("SELECT 1 /*traceparent='{SPAN}'*/"),
            format!("SELECT 1 /* route='a', traceparent='{SPAN}',x='y' */ ;\n"),
        ] {
            assert_eq!(Parent::in_comment(&statement), parent, "{statement}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_there() {
        let zero = SPAN.replace(|c: char| c.is_ascii_hexdigit(), "0");
        for value in ["", "00-1-2", "ff", &zero, &SPAN[3..], "é"] {
            assert_eq!(in_header(value), None, "{value}");
        }
        for statement in [
            "SELECT 1".to_string(),
            "SELECT 1 /* traceparent */".to_string(),
            format!("SELECT '/*traceparent=''{SPAN}''*/'"),
            format!("SELECT 1 /*traceparent='{SPAN}'*/ + 1"),
            format!("*/ traceparent='{SPAN}' */"),
        ] {
            assert_eq!(Parent::in_comment(&statement), None, "{statement}");
        }
    }
}
