//! SIGHUP: the server takes over what the configuration file says now, all of it or nothing: [`Reload`].
//!
//! ```text
//!  SIGHUP ─▶ file read, certificate read ─▶ engine: stores, roles, users ─▶ who may come in, limits, certificate, log
//!                      └── a mistake: it is said, and all is as it was ──┘
//! ```
//! Who is in stays in, and may do at the next statement what the file says now. What only a start can change is said.

use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::log::Log;
use super::{Service, tls};
use crate::access::Access;
use crate::arguments::EngineArguments;
use crate::configuration::Configuration;
use crate::failure::Failure;
use crate::startup::{configure, read_configuration};

/// What is needed to read the file again.
pub(super) struct Reload {
    /// Where the file is.
    pub(super) arguments: EngineArguments,
    /// What it said when the server started.
    pub(super) begun: Configuration,
    pub(super) log: Log,
}

impl Reload {
    /// Reads the file whenever somebody asks for it, and says what came of it.
    pub(super) async fn whenever(self, mut asked: Signal, service: &Arc<Service>) {
        let this = Arc::new(self);
        while asked.recv().await.is_some() {
            let (this, service) = (Arc::clone(&this), Arc::clone(service));
            let reloading = tokio::task::spawn_blocking(move || this.reload(&service));
            match reloading.await.unwrap_or_else(|_| Err(Failure::vanished())) {
                Ok(rest) if rest.is_empty() => eprintln!("reloaded the configuration"),
                Ok(rest) => eprintln!(
                    "reloaded the configuration; only a restart changes {}",
                    rest.join(", ")
                ),
                Err(failure) => {
                    eprintln!("the configuration is not reloaded, all stays as it was: {failure}");
                }
            }
        }
    }

    /// What differs from the start and stays as it was.
    fn reload(&self, service: &Service) -> Result<Vec<&'static str>, Failure> {
        let next = read_configuration(&self.arguments)?;
        let certificate = match (&service.tls, &next.server.tls) {
            (Some(tls), Some((certificate, key))) => Some((tls, tls::load((certificate, key))?)),
            _ => None,
        };
        configure(service.engine(), &next)?;
        self.log.configure(next.server.log)?;
        let access = Access::new(
            &next.access,
            Arc::clone(service.engine().directory()),
            &graticule_connectors::store_connectors(),
        );
        service.configure(access.instead_of(&service.access()), &next.server.limits);
        if let Some((tls, certificate)) = certificate {
            tls.replace(certificate);
        }
        Ok(self.begun.only_at_start(&next))
    }
}
