//! Connections of all doors: counted, and told when the service stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::Service;

/// How long an accept that failed is waited for: the reason is, as a rule, that no file can be opened just now.
const PAUSE: Duration = Duration::from_millis(100);

/// A client that has connected. It is counted until it is dropped.
pub(crate) struct Connection {
    /// What it speaks over.
    pub(crate) stream: TcpStream,
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// Its place among the connections; `None`: there are too many, it can only be told so.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Hands each connection to `serve`, until the service stops; then waits for those that are open.
pub(crate) async fn accept<S>(
    service: &Arc<Service>,
    listener: TcpListener,
    serve: impl Fn(Connection) -> S,
) where
    S: Future<Output = ()> + Send + 'static,
{
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = service.stopping.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Answers are small and waited for.
                    let _ = stream.set_nodelay(true);
                    let place = Arc::clone(&service.places).try_acquire_owned().ok();
                    open.spawn(serve(Connection { stream, peer, place }));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}
