//! The door `flight`: Arrow Flight SQL, for ADBC, JDBC and whatever else takes record batches as they are.
//!
//! ```text
//!  connection   TLS, HTTP/2 ─▶ door: a call of Flight, its command taken out of its envelope (envelope)
//!                                │ whose is it?   Credentials ─▶ sessions
//!        ┌───────────────┬───────┴───────┬───────────────┐
//!        ▼               ▼               ▼               ▼
//!  GetFlightInfo       DoGet           DoPut          DoAction
//!  columns, ticket     rows            parameters,    prepare, close,
//!        │               │             changes        cancel
//!        └─ browsing, information ──── statements ───────┘
//!                        │ batches of an Execution, taken as fast as the client reads
//!                        ▼
//!                     messages   cut to a size that every client accepts
//! ```
//!
//! A ticket of a statement holds the statement: nothing runs, and nothing is kept, before it is fetched. Only the query
//! of a large result is kept, planned, so that several tickets, which may be fetched at the same time and over
//! connections of their own, hold parts of its rows: see [`divisions`].
//!
//! Failures are the statuses of gRPC, see [`status`], with the SQLSTATE as `sqlstate` in the metadata.

mod actions;
mod browsing;
mod connection;
mod divisions;
mod door;
mod envelope;
mod information;
mod keys;
mod messages;
mod parameters;
mod sessions;
mod statements;
mod status;
mod types;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::serve::{Door, Service, Serving, accept};
use divisions::Divisions;
use sessions::Sessions;

/// Sessions that began with a handshake, at most; a user's own, and the least used, give way.
const SESSIONS: usize = 1000;

/// The door.
pub(crate) const DOOR: Door = Door {
    name: "flight",
    port: 50051,
    schemes: ["grpc", "grpc+tls"],
    path: "",
    serve,
};

/// What all connections share.
struct Shared {
    /// Sessions that began with a handshake.
    tokens: Sessions,
    /// Queries whose rows are taken in parts.
    divisions: Arc<Divisions>,
}

fn serve(service: Arc<Service>, listener: TcpListener) -> Serving {
    Box::pin(async move {
        let shared = Arc::new(Shared {
            tokens: Sessions::new(SESSIONS),
            divisions: Divisions::new(),
        });
        accept(&service, DOOR.name, listener, |connection| {
            connection::serve(Arc::clone(&service), Arc::clone(&shared), connection)
        })
        .await;
        Ok(())
    })
}
