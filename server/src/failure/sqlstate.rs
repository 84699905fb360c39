//! SQLSTATE, the five letters of the SQL standard for what went wrong, and the status of HTTP that goes with each.
//!
//! The codes are those of PostgreSQL's appendix "Error Codes".

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use graticule_engine::error::ErrorKind;

use crate::exit_code::ExitCode;

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SqlState(pub(crate) &'static str);

impl SqlState {
    pub(crate) const PROTOCOL_VIOLATION: Self = Self("08P01");
    pub(crate) const FEATURE_NOT_SUPPORTED: Self = Self("0A000");
    pub(crate) const DIVISION_BY_ZERO: Self = Self("22012");
    pub(crate) const DATA_EXCEPTION: Self = Self("22000");
    pub(crate) const INVALID_CHARACTERS: Self = Self("22021");
    pub(crate) const INVALID_PARAMETER_VALUE: Self = Self("22023");
    pub(crate) const INVALID_TEXT_REPRESENTATION: Self = Self("22P02");
    pub(crate) const INVALID_BINARY_REPRESENTATION: Self = Self("22P03");
    pub(crate) const IN_FAILED_TRANSACTION: Self = Self("25P02");
    pub(crate) const UNDEFINED_STATEMENT: Self = Self("26000");
    pub(crate) const INVALID_AUTHORIZATION: Self = Self("28000");
    pub(crate) const INVALID_PASSWORD: Self = Self("28P01");
    pub(crate) const UNDEFINED_CURSOR: Self = Self("34000");
    pub(crate) const SERIALIZATION_FAILURE: Self = Self("40001");
    pub(crate) const SYNTAX_ERROR_OR_RULE: Self = Self("42000");
    pub(crate) const INSUFFICIENT_PRIVILEGE: Self = Self("42501");
    pub(crate) const SYNTAX_ERROR: Self = Self("42601");
    pub(crate) const DUPLICATE_CURSOR: Self = Self("42P03");
    pub(crate) const DUPLICATE_STATEMENT: Self = Self("42P05");
    pub(crate) const UNDEFINED_COLUMN: Self = Self("42703");
    pub(crate) const AMBIGUOUS_COLUMN: Self = Self("42702");
    pub(crate) const DUPLICATE_COLUMN: Self = Self("42701");
    pub(crate) const UNDEFINED_FUNCTION: Self = Self("42883");
    pub(crate) const UNDEFINED_TABLE: Self = Self("42P01");
    pub(crate) const OUT_OF_MEMORY: Self = Self("53200");
    pub(crate) const TOO_MANY_CONNECTIONS: Self = Self("53300");
    pub(crate) const CONFIGURATION_LIMIT_EXCEEDED: Self = Self("53400");
    pub(crate) const QUERY_CANCELED: Self = Self("57014");
    pub(crate) const ADMIN_SHUTDOWN: Self = Self("57P01");
    pub(crate) const IO_ERROR: Self = Self("58030");
    pub(crate) const UNDEFINED_FILE: Self = Self("58P01");
    pub(crate) const INTERNAL_ERROR: Self = Self("XX000");
    pub(crate) const DATA_CORRUPTED: Self = Self("XX001");

    /// The status of HTTP that says the same.
    pub(crate) fn http_status(self) -> u16 {
        match self {
            Self::INVALID_PASSWORD | Self::INVALID_AUTHORIZATION => 401,
            Self::INSUFFICIENT_PRIVILEGE => 403,
            Self::UNDEFINED_TABLE | Self::UNDEFINED_FILE => 404,
            Self::SERIALIZATION_FAILURE => 409,
            Self::CONFIGURATION_LIMIT_EXCEEDED | Self::OUT_OF_MEMORY => 413,
            Self::INTERNAL_ERROR | Self::DATA_CORRUPTED => 500,
            Self::IO_ERROR => 502,
            Self::TOO_MANY_CONNECTIONS | Self::ADMIN_SHUTDOWN => 503,
            Self::QUERY_CANCELED => 504,
            _ => 400,
        }
    }
}

impl From<ErrorKind> for SqlState {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::UNDEFINED_TABLE,
            ErrorKind::Denied => Self::INSUFFICIENT_PRIVILEGE,
            ErrorKind::Corrupt => Self::DATA_CORRUPTED,
            ErrorKind::Unsupported => Self::FEATURE_NOT_SUPPORTED,
            ErrorKind::Invalid => Self::SYNTAX_ERROR_OR_RULE,
            ErrorKind::Limit => Self::CONFIGURATION_LIMIT_EXCEEDED,
            ErrorKind::Conflict => Self::SERIALIZATION_FAILURE,
            ErrorKind::Unavailable => Self::IO_ERROR,
            ErrorKind::Cancelled => Self::QUERY_CANCELED,
        }
    }
}

impl From<ExitCode> for SqlState {
    fn from(code: ExitCode) -> Self {
        match code {
            ExitCode::NotFound => Self::UNDEFINED_TABLE,
            ExitCode::Denied => Self::INSUFFICIENT_PRIVILEGE,
            ExitCode::Unavailable => Self::IO_ERROR,
            ExitCode::Interrupted => Self::QUERY_CANCELED,
            ExitCode::Success | ExitCode::Statement | ExitCode::Usage | ExitCode::Configuration => {
                Self::SYNTAX_ERROR_OR_RULE
            }
        }
    }
}

impl From<&DataFusionError> for SqlState {
    /// The code of the innermost error, one of DataFusion's own.
    fn from(root: &DataFusionError) -> Self {
        match root {
            DataFusionError::SQL(..) => Self::SYNTAX_ERROR,
            DataFusionError::SchemaError(error, _) => match error.as_ref() {
                SchemaError::FieldNotFound { .. } => Self::UNDEFINED_COLUMN,
                SchemaError::AmbiguousReference { .. } => Self::AMBIGUOUS_COLUMN,
                SchemaError::DuplicateQualifiedField { .. }
                | SchemaError::DuplicateUnqualifiedField { .. } => Self::DUPLICATE_COLUMN,
            },
            DataFusionError::Plan(text)
                if text.contains("No function matches") || text.contains("Invalid function") =>
            {
                Self::UNDEFINED_FUNCTION
            }
            DataFusionError::Plan(_) => Self::SYNTAX_ERROR_OR_RULE,
            DataFusionError::NotImplemented(_) => Self::FEATURE_NOT_SUPPORTED,
            DataFusionError::ResourcesExhausted(_) => Self::OUT_OF_MEMORY,
            DataFusionError::ArrowError(error, _) => match error.as_ref() {
                ArrowError::DivideByZero => Self::DIVISION_BY_ZERO,
                _ => Self::DATA_EXCEPTION,
            },
            DataFusionError::Execution(_) => Self::DATA_EXCEPTION,
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => Self::from(first.find_root()),
                None => Self::INTERNAL_ERROR,
            },
            _ => Self::INTERNAL_ERROR,
        }
    }
}
