//! One connection: TLS where it is configured, then HTTP/2 until the client goes or the service stops.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::door::FlightDoor;
use crate::serve::{Connection, Service};

/// How long a client may take to say something, or to read that there is no place for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may take to prove who it is. A client that only answers pings would keep its place for ever.
const STRANGER: Duration = Duration::from_secs(30);
/// How often a silent client is asked whether it is still there, and how long it may take to answer.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// What a client may send ahead, in bytes.
const WINDOW: u32 = 1 << 20;
/// What waits for a client that reads slowly, in bytes per call.
const SEND_BUFFER: usize = 4 << 20;
/// The longest message a client may send, in bytes: parameters of a statement.
const MESSAGE: usize = 16 << 20;
/// Calls of a connection at a time.
const CALLS: u32 = 128;

/// Serves a client as long as it stays.
pub(super) async fn serve(service: Arc<Service>, shared: Arc<Shared>, connection: Connection) {
    let has_place = connection.place.is_some();
    let talk = async {
        let said = timeout(PATIENCE, connection.stream.peek(&mut [0])).await;
        if !matches!(said, Ok(Ok(1))) {
            return;
        }
        if let Some(secured) = connection.secured(service.tls_config()).await {
            let door = FlightDoor::new(Arc::clone(&service), shared, has_place);
            talk(secured.stream, door, &service.stopping).await;
        }
    };
    match has_place {
        true => talk.await,
        false => drop(timeout(PATIENCE, talk).await),
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: FlightDoor,
    stopping: &CancellationToken,
) {
    let known = door.known.clone();
    let flight = FlightServiceServer::new(door).max_decoding_message_size(MESSAGE);
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(CALLS)
        .keep_alive_interval(HEARTBEAT)
        .keep_alive_timeout(HEARTBEAT);
    let service = TowerToHyperService::new(flight);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stranger = async {
        if timeout(STRANGER, known.cancelled()).await.is_ok() {
            pending::<()>().await;
        }
    };
    // How a connection ends is the client's business: nobody is left to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stranger => return,
        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
