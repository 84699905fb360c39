//! What can go wrong between a client and the server, and how the client is told.

use std::io;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::failure::{Failure, SqlState};

/// What ends a statement, or the connection.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The statement failed; the next one may succeed.
    Statement(Failure),
    /// The client is told why, and the connection ends.
    Fatal(Failure),
    /// Nobody is there any more.
    Gone,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Statement(failure)
    }
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// The message that tells of a failure. `severity` is ERROR or FATAL.
pub(super) fn error(failure: &Failure, severity: &str) -> PgWireBackendMessage {
    let mut fields = report(severity, failure.state, &failure.message);
    if let Some(position) = failure.position {
        fields.push((b'P', position.to_string()));
    }
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields))
}

/// A message beside the result of a statement.
pub(super) fn warning(state: SqlState, message: &str) -> PgWireBackendMessage {
    let fields = report("WARNING", state, message);
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields))
}

/// Failures are `cause; remedy`, which PostgreSQL keeps apart.
fn report(severity: &str, state: SqlState, message: &str) -> Vec<(u8, String)> {
    let (cause, remedy) = match message.rsplit_once("; ") {
        Some((cause, remedy)) => (cause, Some(remedy)),
        None => (message, None),
    };
    // A zero ends a text of the protocol.
    let clean = |text: &str| text.replace('\0', "�");
    let mut fields = vec![
        (b'S', severity.to_string()),
        (b'V', severity.to_string()),
        (b'C', state.0.to_string()),
        (b'M', clean(cause)),
    ];
    fields.extend(remedy.map(|remedy| (b'H', clean(remedy))));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_hints() {
        let failure = Failure::with_state(SqlState::UNDEFINED_COLUMN, "no column a; b\0; say c");
        let PgWireBackendMessage::ErrorResponse(response) = error(&failure, "ERROR") else {
            unreachable!()
        };
        let of = |kind| response.fields.iter().find(|(k, _)| *k == kind);
        assert_eq!(of(b'M'), Some(&(b'M', "no column a; b�".to_string())));
        assert_eq!(of(b'H'), Some(&(b'H', "say c".to_string())));
        assert_eq!(of(b'C'), Some(&(b'C', "42703".to_string())));
    }
}
