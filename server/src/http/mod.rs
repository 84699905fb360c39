//! The door `http`: SQL over HTTP/1.1 and HTTP/2, jobs, the catalogue, and what operators ask for.
//!
//! ```text
//!  connection ─▶ TLS ─▶ version of HTTP ─▶ router ─┬─ POST /sql ─▶ request ─▶ client ─▶ Execution
//!                                                  │                 batches ─▶ encoder ─▶ body
//!                                                  ├─ /jobs     statements that nobody waits for
//!                                                  ├─ /tables   the schema cube, as JSON
//!                                                  ├─ /health, /ready, /metrics
//!                                                  └─ /, /openapi.json
//! ```
//! A response is made as fast as it is taken, and no faster: its batches are encoded one by one. One session of the
//! engine serves one request, so that settings do not leak. Mistakes are told as problems, see [`problem`].

mod authentication;
mod body;
mod catalogue;
mod connection;
mod disk;
mod documentation;
mod formats;
mod grids;
mod job;
mod jobs;
mod open_requests;
mod operations;
mod origins;
mod page;
mod parameters;
mod problem;
mod request;
mod router;
mod running;
mod statements;
mod zip;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::serve::{Door, Service, Serving, accept};

/// The door.
pub(crate) const DOOR: Door = Door {
    name: "http",
    port: 8080,
    schemes: ["http", "https"],
    path: "",
    serve,
};

fn serve(service: Arc<Service>, listener: TcpListener) -> Serving {
    Box::pin(async move {
        let router = router::router(&service);
        accept(&service, DOOR.name, listener, |connection| {
            connection::serve(Arc::clone(&service), router.clone(), connection)
        })
        .await;
        Ok(())
    })
}
