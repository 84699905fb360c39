//! Failures as statuses of gRPC: the code by the SQLSTATE, which is in the metadata, and the message as it is.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::failure::{Failure, SqlState};

/// The name of the SQLSTATE in the metadata.
const SQLSTATE: &str = "sqlstate";
/// The name of the character of the statement that the message is about, from 1.
const POSITION: &str = "position";
/// Bytes of a message at most. Messages travel in headers, three characters for a byte that is no ASCII, and clients
/// drop an answer with more than 8 KiB of headers.
const LONGEST: usize = 2000;

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut metadata = MetadataMap::new();
        metadata.insert(SQLSTATE, MetadataValue::from_static(failure.state.0));
        if let Some(position) = failure.position {
            metadata.insert(POSITION, MetadataValue::from(position as u64));
        }
        let message = shortened(failure.message);
        Self::with_metadata(code(failure.state), message, metadata)
    }
}

/// A message that may be long because of the names in it, as far as it is allowed in a header.
fn shortened(mut message: String) -> String {
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push('…');
    }
    message
}

fn code(state: SqlState) -> Code {
    match state {
        SqlState::INVALID_PASSWORD => Code::Unauthenticated,
        SqlState::INSUFFICIENT_PRIVILEGE => Code::PermissionDenied,
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_FILE => Code::NotFound,
        SqlState::SERIALIZATION_FAILURE => Code::Aborted,
        SqlState::FEATURE_NOT_SUPPORTED => Code::Unimplemented,
        SqlState::OUT_OF_MEMORY
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::CONFIGURATION_LIMIT_EXCEEDED => Code::ResourceExhausted,
        SqlState::QUERY_CANCELED => Code::Cancelled,
        SqlState::ADMIN_SHUTDOWN | SqlState::IO_ERROR => Code::Unavailable,
        SqlState::DATA_CORRUPTED => Code::DataLoss,
        SqlState::INTERNAL_ERROR => Code::Internal,
        _ => Code::InvalidArgument,
    }
}
