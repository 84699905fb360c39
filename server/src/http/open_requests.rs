//! The requests of one connection that are open: from their heads until their responses are sent, [`OpenRequests`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;

/// How many are open; `None` before the first one.
#[derive(Debug, Clone)]
pub(super) struct OpenRequests(Arc<watch::Sender<Option<usize>>>);

impl Default for OpenRequests {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl OpenRequests {
    /// Counts a request until what is returned is dropped.
    pub(super) fn open(&self) -> OpenRequest {
        self.0
            .send_modify(|count| *count = Some(count.unwrap_or(0) + 1));
        OpenRequest(self.clone())
    }

    /// Was there any?
    pub(super) fn were_there(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Ends when there were some, and none was open for so long.
    pub(super) async fn none_for(&self, time: Duration) {
        let mut counts = self.0.subscribe();
        // The sender is here: waiting for it does not fail.
        while counts.wait_for(|count| *count == Some(0)).await.is_ok() {
            if timeout(time, counts.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// A request that is open.
#[derive(Debug)]
pub(super) struct OpenRequest(OpenRequests);

impl OpenRequest {
    /// The response, with which the request stays open until it is sent or given up.
    pub(super) fn until_sent(self, response: Response) -> Response {
        response.map(|body| {
            Body::new(Sent {
                body,
                _request: self,
            })
        })
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let count = &self.0.0;
        count.send_modify(|count| *count = count.map(|count| count.saturating_sub(1)));
    }
}

/// The body of a response, and its request.
struct Sent {
    body: Body,
    _request: OpenRequest,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
