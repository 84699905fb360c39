//! Actions: statements are prepared and closed, and what runs is cancelled.

use std::sync::Arc;

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Command,
    ProstMessageExt,
};
use arrow_flight::{Action, ActionType, CancelStatus};
use bytes::Bytes;
use tonic::Status;

use super::divisions::Divisions;
use super::sessions::Session;
use super::statements::Prepared;
use super::{envelope, messages};

/// Ends the session of whoever calls.
pub(super) const CLOSE_SESSION: &str = "CloseSession";
/// The answer to it, `CloseSessionResult`: its first field, the status, says "closed".
pub(super) const SESSION_CLOSED: &[u8] = &[FIRST_FIELD, 1];

const PREPARE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";
const CANCEL_QUERY: &str = "CancelQuery";
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";

/// The key of a message's first field, a number.
const FIRST_FIELD: u8 = 1 << 3;

/// The actions that there are, and what they are for.
pub(super) fn list() -> impl Iterator<Item = ActionType> + Send {
    let actions = [
        (PREPARE, "Prepares a statement; its columns and parameters"),
        (CLOSE, "Forgets a prepared statement"),
        (
            CANCEL_QUERY,
            "Cancels a statement whose rows are being fetched",
        ),
        (
            CANCEL_FLIGHT_INFO,
            "Cancels a statement whose rows are being fetched",
        ),
        (
            CLOSE_SESSION,
            "Ends the session: settings and prepared statements are forgotten",
        ),
    ];
    actions.into_iter().map(|(name, description)| ActionType {
        r#type: name.to_string(),
        description: description.to_string(),
    })
}

/// Does what is asked for, and gives the body of the answer, if it has one.
///
/// # Errors
/// An unknown action, a request that cannot be read, or what the engine says about the statement.
pub(super) async fn act(
    session: &Arc<Session>,
    divisions: &Divisions,
    action: &Action,
) -> Result<Option<Bytes>, Status> {
    match action.r#type.as_str() {
        PREPARE => {
            let Command::ActionCreatePreparedStatementRequest(request) = command(action)? else {
                return Err(misplaced::<ActionCreatePreparedStatementRequest>());
            };
            prepare(session, request.query).await.map(Some)
        }
        CLOSE => {
            let Command::ActionClosePreparedStatementRequest(request) = command(action)? else {
                return Err(misplaced::<ActionClosePreparedStatementRequest>());
            };
            session.forget(&request.prepared_statement_handle);
            Ok(None)
        }
        CANCEL_QUERY => {
            let Command::ActionCancelQueryRequest(request) = command(action)? else {
                return Err(misplaced::<ActionCancelQueryRequest>());
            };
            let result = cancel(session, divisions, &request.info).into();
            let result = ActionCancelQueryResult { result };
            Ok(Some(envelope::close(&result.as_any())))
        }
        CANCEL_FLIGHT_INFO => {
            let status = cancel(session, divisions, &action.body) as u8;
            Ok(Some(Bytes::copy_from_slice(&[FIRST_FIELD, status])))
        }
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
            let text = "there are no transactions: each statement is one of its own";
            Err(Status::unimplemented(text))
        }
        unknown => Err(Status::unimplemented(format!(
            "the action {unknown:?} is not supported"
        ))),
    }
}

async fn prepare(session: &Session, text: String) -> Result<Bytes, Status> {
    let described = session.client.describe(&text).await?;
    let prepared = Prepared::new(text, described);
    let mut result = ActionCreatePreparedStatementResult {
        dataset_schema: messages::schema_message(&prepared.described.columns)?,
        parameter_schema: messages::schema_message(&prepared.parameters())?,
        ..Default::default()
    };
    let handle = session.keep(prepared)?;
    result.prepared_statement_handle = Bytes::copy_from_slice(&handle);
    Ok(envelope::close(&result.as_any()))
}

/// Cancels what a request names. The statuses of both kinds of requests are the same numbers.
fn cancel(session: &Session, divisions: &Divisions, request: &[u8]) -> CancelStatus {
    let user = &session.client.identity.name;
    match session.cancel(request) || divisions.cancel(request, user) {
        true => CancelStatus::Cancelled,
        false => CancelStatus::NotCancellable,
    }
}

fn command(action: &Action) -> Result<Command, Status> {
    envelope::open(&action.body)
}

fn misplaced<M: ProstMessageExt>() -> Status {
    Status::invalid_argument(format!("the body of the action is no {}", M::type_url()))
}
