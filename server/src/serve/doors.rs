//! The doors: a protocol each, one line in [`DOORS`].

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Service;
use crate::failure::Failure;
use crate::{flight, http, postgres};

/// A door that serves until the service stops.
pub(crate) type Serving = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A protocol that the service speaks.
pub(crate) struct Door {
    /// Its name: the flag `--NAME ADDRESS`, and the key in `[server]`.
    pub(crate) name: &'static str,
    /// Where it listens unless it is told otherwise, on this machine only.
    pub(crate) port: u16,
    /// How its URLs begin: without and with TLS.
    pub(crate) schemes: [&'static str; 2],
    /// What follows the address in its URL.
    pub(crate) path: &'static str,
    /// Accepts connections until the service stops.
    pub(crate) serve: fn(Arc<Service>, TcpListener) -> Serving,
}

impl Door {
    /// What a client connects to.
    pub(super) fn url(&self, address: SocketAddr, has_tls: bool) -> String {
        let scheme = self.schemes[usize::from(has_tls)];
        format!("{scheme}://{address}{}", self.path)
    }
}

/// All doors.
pub(super) const DOORS: &[Door] = &[postgres::DOOR, http::DOOR, flight::DOOR];
