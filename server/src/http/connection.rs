//! One connection: TLS, the version of HTTP, its end.
//!
//! ```text
//!  connected ─ HEAD_TIMEOUT ─▶ no request: closed
//!      │ requests; each is open until its response is sent (open_requests)
//!      └─ none is open for IDLE_TIMEOUT ─▶ "no more", GOODBYE ─▶ closed
//! ```
//! A client that says nothing, or not all, is not waited for; nor is one that has nothing more to ask, though it answers
//! when it is asked whether it is still there. When the service stops, requests are answered and no more are taken.

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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::open_requests::OpenRequests;
use super::problem::Problem;
use crate::failure::{Failure, SqlState};
use crate::serve::{Connection, Service};

/// How often a client of HTTP/2 that is silent is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// Requests of one connection of HTTP/2 at a time.
const STREAMS: u32 = 100;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client without a place may take: it is only told so.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client that has asked may take until it asks again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a client may take to go when it is told that the connection ends.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves one connection until either side ends it.
pub(super) async fn serve(service: Arc<Service>, router: Router, connection: Connection) {
    let has_place = connection.place.is_some();
    let Some(secured) = connection.secured(service.tls_config()).await else {
        return;
    };
    let router = has_place.then_some(router);
    let talk = talk(secured.stream, router, IDLE_TIMEOUT, &service.stopping);
    match has_place {
        true => talk.await,
        false => drop(timeout(BUSY_TIMEOUT, talk).await),
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Option<Router>,
    idle: Duration,
    stopping: &CancellationToken,
) {
    let requests = OpenRequests::default();
    let opened = requests.clone();
    let answer = tower::service_fn(move |request| {
        let request_is_open = opened.open();
        let response = answer(router.clone(), request);
        async move { Ok::<_, Infallible>(request_is_open.until_sent(response.await?)) }
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
    let io = TokioIo::new(stream);
    let mut serving = pin!(builder.serve_connection(io, TowerToHyperService::new(answer)));
    let is_silent = async {
        sleep(HEAD_TIMEOUT).await;
        if requests.were_there() {
            std::future::pending::<()>().await;
        }
    };
    // How a connection ends is the client's business: nobody is left to be told.
    tokio::select! {
        _ = serving.as_mut() => {}
        () = is_silent => {}
        () = requests.none_for(idle) => {
            serving.as_mut().graceful_shutdown();
            let _ = timeout(GOODBYE, serving).await;
        }
        () = stopping.cancelled() => {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::routing::get;
    use datafusion::common::runtime::SpawnedTask;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Notify;

    use super::*;

    const IDLE: Duration = Duration::from_millis(100);

    /// What begins a connection of HTTP/2: its preface, and no settings.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    /// `GET http://localhost/`, the first request.
    const GET: &[u8] = b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost";
    /// The types of frames.
    const HEADERS: u8 = 1;
    const PING_FRAME: u8 = 6;
    const GOAWAY: u8 = 7;
    /// The flag of an answer to a ping.
    const ACKNOWLEDGED: u8 = 1;

    /// A connection over which the service says `router`'s answers, and closes it when it is idle.
    fn connect(router: Router) -> (DuplexStream, SpawnedTask<()>) {
        let (client, server) = duplex(1 << 16);
        let talking = SpawnedTask::spawn(async move {
            talk(server, Some(router), IDLE, &CancellationToken::new()).await;
        });
        (client, talking)
    }

    /// Reads frames, and answers pings as a client that lives, until one of this type comes, or the end.
    async fn read_until(client: &mut DuplexStream, wanted: u8) -> bool {
        let mut head = [0; 9];
        while client.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut body = vec![0; length as usize];
            client.read_exact(&mut body).await.unwrap();
            if head[3] == PING_FRAME && head[4] != ACKNOWLEDGED {
                head[4] = ACKNOWLEDGED;
                client
                    .write_all(&[&head[..], &body].concat())
                    .await
                    .unwrap();
            }
            if head[3] == wanted {
                return true;
            }
        }
        false
    }

    #[tokio::test]
    async fn a_client_that_lives_and_asks_no_more_is_told_to_go() {
        let router = Router::new().route("/", get(|| async { "answer" }));
        let (mut client, talking) = connect(router);
        client.write_all(&[PREFACE, GET].concat()).await.unwrap();
        assert!(read_until(&mut client, HEADERS).await);
        assert!(read_until(&mut client, GOAWAY).await);
        // It waits for the client to go, but not for ever.
        assert!(!read_until(&mut client, HEADERS).await);
        talking.join().await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_is_open_keeps_its_connection() {
        let (asked, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_asked, until) = (Arc::clone(&asked), Arc::clone(&finish));
        let slow = get(move || async move {
            on_asked.notify_one();
            until.notified().await;
            "late"
        });
        let (mut client, _talking) = connect(Router::new().route("/", slow));
        client.write_all(&[PREFACE, GET].concat()).await.unwrap();
        asked.notified().await;
        let early = timeout(IDLE * 10, read_until(&mut client, GOAWAY)).await;
        assert!(early.is_err(), "the connection ended under a request");
        finish.notify_one();
        assert!(read_until(&mut client, HEADERS).await);
        assert!(read_until(&mut client, GOAWAY).await);
    }

    #[tokio::test]
    async fn a_connection_of_http_1_ends_as_well() {
        let router = Router::new().route("/", get(|| async { "answer" }));
        let (mut client, talking) = connect(router);
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("answer"), "{answer}");
        talking.join().await.unwrap();
    }
}
