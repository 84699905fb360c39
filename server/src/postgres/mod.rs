//! The door `pg`: PostgreSQL's protocol, so that whatever speaks to PostgreSQL speaks to Graticule.
//!
//! ```text
//!  Connection ─▶ entry: TLS, cancel request? ─▶ startup: who is it?  ─▶ Conversation, until the client leaves
//!                          │                      scram, tokens            │ messages over a Wire
//!                          ▼                                               ▼
//!                    Cancellations ──────────── token ──────────────▶ one statement at a time
//!                                                                          │ command: SET, BEGIN, COPY, FETCH …
//!                                                                          │ dialect: what only PostgreSQL says
//!                                                                          ▼
//!                                   Client ─▶ Execution ─▶ Rows ─▶ encoding: DataRow, COPY; text, binary
//!                                      └◀─ on disk ◀─ batches ◀─ intake ◀─ COPY … FROM STDIN
//! ```
//! What the engine takes, it takes as it is: its own statements come first, and only what it does not understand, or
//! what asks for PostgreSQL's catalogue, is rewritten.

mod cancel;
mod command;
mod commands;
mod conversation;
mod copy;
mod copy_from;
mod dialect;
mod encoding;
mod entry;
mod extended;
mod intake;
mod messages;
mod parameters;
mod rows;
mod scram;
mod settings;
mod startup;
mod statement;
mod tokens;
mod trouble;
mod wire;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::failure::{Failure, SqlState};
use crate::random::random_bytes;
use crate::serve::{Connection, Door, Service, Serving, accept};
use cancel::Cancellations;
use conversation::Conversation;
use dialect::Dialect;
use entry::Entry;
use startup::Startup;
use trouble::Trouble;
use wire::Wire;

/// The door.
pub(crate) const DOOR: Door = Door {
    name: "pg",
    port: 5432,
    schemes: ["postgresql", "postgresql"],
    path: "/graticule",
    serve,
};

/// How long a client may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one that there is no place for may take to say what it wants.
const HASTE: Duration = Duration::from_secs(3);

/// What all connections of the door share.
struct Postgres {
    service: Arc<Service>,
    tls: Option<TlsAcceptor>,
    cancellations: Arc<Cancellations>,
    dialect: Arc<Dialect>,
}

impl Postgres {
    fn new(service: Arc<Service>) -> Result<Self, Failure> {
        Ok(Self {
            tls: service.tls_config().map(|config| entry::acceptor(config)),
            service,
            cancellations: Arc::default(),
            dialect: Arc::new(Dialect::new()?),
        })
    }
}

fn serve(service: Arc<Service>, listener: TcpListener) -> Serving {
    Box::pin(async move {
        let postgres = Arc::new(Postgres::new(Arc::clone(&service))?);
        let attend = |connection| attend(Arc::clone(&postgres), connection);
        accept(&service, DOOR.name, listener, attend).await;
        Ok(())
    })
}

/// Attends to one connection until it ends.
async fn attend(postgres: Arc<Postgres>, connection: Connection) {
    let Connection { stream, place, .. } = connection;
    let is_of_here = stream
        .peer_addr()
        .is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let patience = if place.is_some() { PATIENCE } else { HASTE };
    let entering = timeout(patience, entry::enter(stream, postgres.tls.as_ref()));
    let entered = tokio::select! {
        entered = entering => entered,
        () = postgres.service.stopping.cancelled() => return,
    };
    let Ok(Ok(entry)) = entered else {
        return;
    };
    match entry {
        Entry::Cancel { number, secret } => postgres.cancellations.cancel(number, secret),
        Entry::Startup {
            transport,
            is_encrypted,
            version,
            parameters,
        } => {
            let mut wire = Wire::new(transport, postgres.service.stopping.clone());
            let is_private = is_encrypted || is_of_here;
            let startup = match postgres.tls.is_some() && !is_encrypted {
                true => Err(Trouble::Fatal(unencrypted())),
                false => Startup::read(version, parameters).map_err(Trouble::Fatal),
            };
            let admitted = match (startup, &place) {
                (Ok(_), None) => Err(Trouble::Fatal(full())),
                (Ok(startup), Some(_)) => {
                    match timeout(patience, admit(&mut wire, startup, &postgres, is_private)).await
                    {
                        Ok(admitted) => admitted,
                        Err(_) => Err(Trouble::Gone),
                    }
                }
                (Err(trouble), _) => Err(trouble),
            };
            let outcome = match admitted {
                Ok(conversation) => conversation.hold(&mut wire).await,
                Err(trouble) => Err(trouble),
            };
            if let Err(Trouble::Fatal(failure) | Trouble::Statement(failure)) = outcome
                && wire.send(trouble::error(&failure, "FATAL")).is_ok()
            {
                let _ = timeout(HASTE, wire.flush()).await;
            }
            let _ = timeout(HASTE, wire.close()).await;
        }
    }
}

/// Finds out who the client is, and opens its session.
async fn admit(
    wire: &mut Wire,
    startup: Startup,
    postgres: &Postgres,
    is_private: bool,
) -> Result<Conversation, Trouble> {
    let identity = startup::authenticate(wire, &startup, postgres, is_private).await?;
    let secret = i32::from_be_bytes(random_bytes()?);
    // The end of the service is that of every connection.
    let end = postgres.service.stopping.child_token();
    let cancellable = postgres.cancellations.register(secret, &identity.name, end);
    let client = postgres.service.connect(identity, DOOR.name)?;
    let key = (cancellable.number, secret);
    let conversation = Conversation::new(client, cancellable, postgres, startup.settings)?;
    startup::welcome(wire, conversation.settings(), key)?;
    wire.trust();
    Ok(conversation)
}

/// What a client sends in clear, its password left aside, others could read and change.
fn unencrypted() -> Failure {
    Failure::with_state(
        SqlState::INVALID_AUTHORIZATION,
        "the server takes encrypted connections only; connect with sslmode=require",
    )
}

fn full() -> Failure {
    Failure::with_state(
        SqlState::TOO_MANY_CONNECTIONS,
        "too many connections are open; close some, or raise connections in [server]",
    )
}
