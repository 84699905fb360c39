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
//! A ticket of a statement holds the statement: nothing runs, and nothing is kept, before it is fetched.
//! Failures are the statuses of gRPC, see [`status`], with the SQLSTATE as `sqlstate` in the metadata.

mod actions;
mod browsing;
mod connection;
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

fn serve(service: Arc<Service>, listener: TcpListener) -> Serving {
    Box::pin(async move {
        let tokens = Arc::new(Sessions::new(SESSIONS));
        accept(&service, DOOR.name, listener, |connection| {
            connection::serve(Arc::clone(&service), Arc::clone(&tokens), connection)
        })
        .await;
        Ok(())
    })
}
