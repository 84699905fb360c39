//! One connection: TLS, the version of HTTP, its end.
//!
//! A client that says nothing, or not all, is not waited for. When the service stops, requests are answered and no
//! more are taken.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::problem::Problem;
use crate::failure::{Failure, SqlState};
use crate::serve::{Connection, Service};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client without a place may take: it is only told so.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a client of HTTP/2 that is silent is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// Requests of one connection of HTTP/2 at a time.
const STREAMS: u32 = 100;

/// Serves one connection until either side ends it.
pub(super) async fn serve(service: Arc<Service>, router: Router, connection: Connection) {
    let has_place = connection.place.is_some();
    let Some(secured) = connection.secured(service.tls_config()).await else {
        return;
    };
    let begun = CancellationToken::new();
    let first = begun.clone();
    let answer = tower::service_fn(move |request| {
        first.cancel();
        answer(has_place.then(|| router.clone()), request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS);
    let io = TokioIo::new(secured.stream);
    let mut serving = pin!(builder.serve_connection(io, TowerToHyperService::new(answer)));
    let patience = if has_place {
        HEAD_TIMEOUT
    } else {
        BUSY_TIMEOUT
    };
    let silent = async {
        tokio::time::sleep(patience).await;
        if has_place && begun.is_cancelled() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = serving.as_mut() => {}
        () = silent => {}
        () = service.stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn answer<B>(router: Option<Router>, request: Request<B>) -> Result<Response, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    match router {
        Some(router) => router.oneshot(request.map(Body::new)).await,
        None => {
            let failure = Failure::with_state(
                SqlState::TOO_MANY_CONNECTIONS,
                "too many connections are open; try again in some seconds",
            );
            Ok(Problem::from(failure).into_response())
        }
    }
}
