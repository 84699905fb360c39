//! Connections of all doors: counted, encrypted, and told when the service stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::Service;

/// How long an accept that failed is waited for: the reason is, as a rule, that no file can be opened just now.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait until they are accepted.
const BACKLOG: u32 = 1024;

/// How long a client may take to agree on a key.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that has connected. It is counted until it is dropped.
pub(crate) struct Connection {
    /// What it speaks over.
    pub(crate) stream: TcpStream,
    /// Its place among the connections; `None`: there are too many, it can only be told so.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// A connection over which the protocol of its door can be spoken. It is counted until it is dropped.
pub(crate) struct Secured {
    /// What it speaks over, in clear where the service has no certificate.
    pub(crate) stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Agrees on a key with the client, if the service has a certificate. `None`: the client does not speak TLS, or says
    /// nothing.
    pub(crate) async fn secured(self, tls: Option<&Arc<ServerConfig>>) -> Option<Secured> {
        let stream = match tls {
            None => Either::Left(self.stream),
            Some(tls) => {
                let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(self.stream);
                let agreed = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
                Either::Right(Box::new(agreed.ok()?.ok()?))
            }
        };
        Some(Secured {
            stream,
            _place: self.place,
        })
    }
}

/// Listens at an address. Connections inherit that the system asks silent clients whether they are still there.
///
/// # Errors
/// What the system says.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that starts again may take the address of the one before.
    socket.set_reuseaddr(true)?;
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Hands each connection to the door called `door` to `serve`, until the service stops; then waits for those that are open.
pub(crate) async fn accept<S>(
    service: &Arc<Service>,
    door: &'static str,
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
                Ok((stream, _)) => {
                    // Answers are small and waited for.
                    let _ = stream.set_nodelay(true);
                    let place = Arc::clone(&service.places).try_acquire_owned().ok();
                    let counted = service.metrics.connected(door);
                    let serving = serve(Connection { stream, place });
                    open.spawn(async move {
                        serving.await;
                        drop(counted);
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}
