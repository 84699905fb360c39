//! `graticule serve`: the engine behind network doors.
//!
//! ```text
//!  graticule.toml, flags ─▶ Settings ─▶ Service: engine, access, admission, TLS
//!                                          │ one listener per door of DOORS
//!        ┌──────────────┬──────────────────┼──────────────────┐
//!        ▼              ▼                  ▼                  ▼
//!    postgres         http              flight            (the next)
//!        └──────────────┴──────┬───────────┘
//!                              ▼ who is it?  access
//!                       Client: a session of the engine, with limits
//!                              ▼ run         the user's share, admission, timeout, cancellation
//!                       Execution: batches, as fast as they are taken
//! ```
//!
//! Doors translate a protocol and compute nothing: they get a [`Client`] from the [`Service`], and [`Execution`]s from
//! it. They run on threads of their own, so that a heavy query does not keep a connection waiting.

mod admission;
mod checks;
mod connections;
mod credentials;
mod divided;
mod doors;
mod execution;
pub(crate) mod log;
mod metrics;
mod parent;
mod reload;
mod service;
pub(crate) mod settings;
mod share;
mod tally;
mod tls;
pub(crate) mod traces;
mod turn;

use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

pub(crate) use connections::{Connection, accept};
pub(crate) use credentials::Credentials;
pub(crate) use divided::Divided;
pub(crate) use doors::{Door, Serving};
pub(crate) use execution::Execution;
pub(crate) use parent::Parent;
pub(crate) use service::{Client, Service};

use crate::access::Access;
use crate::arguments::ServeArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::startup;
use doors::DOORS;
use log::Log;
use reload::Reload;
use settings::Settings;
use traces::Traces;

/// Threads of the doors: they translate, and wait.
const DOOR_THREADS: usize = 2;

/// Serves until the process is told to stop.
///
/// # Errors
/// A configuration that makes no sense, a certificate that cannot be read, an address that cannot be listened at.
pub(crate) fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    let started = startup::start_serving(&arguments.engine)?;
    let configuration = started.configuration;
    let settings = Settings::of(&configuration.server, arguments)?;
    let access = Access::new(
        &configuration.access,
        Arc::clone(started.engine.directory()),
        &graticule_connectors::store_connectors(),
    );
    access.check(settings.is_loopback(), configuration.server.is_meant_open)?;
    let log = Log::start(settings.log)?;
    let doors = runtime()?;
    let traces = {
        let _entered = doors.enter();
        Traces::start(&configuration.telemetry)?
    };
    let service = Arc::new(Service::new(
        started.engine,
        access,
        &settings,
        traces,
        started.runtime.handle().clone(),
    )?);
    let reload = Reload {
        arguments: arguments.engine.clone(),
        begun: configuration,
        log,
    };
    let outcome = doors.block_on(serve(Arc::clone(&service), &settings, reload));
    // What still runs is cancelled: everybody was told to stop, and the time for it is over.
    started.runtime.shutdown_background();
    if let Some(large) = started.large {
        large.shutdown_background();
    }
    if let Some(traces) = &service.traces {
        traces.finish();
    }
    doors.shutdown_background();
    outcome
}

async fn serve(service: Arc<Service>, settings: &Settings, reload: Reload) -> Result<(), Failure> {
    let hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let mut listening = Vec::new();
    for door in DOORS {
        let Some(address) = settings.address(door.name) else {
            continue;
        };
        let cannot = |error| {
            let text = format!(
                "cannot listen at {address} for {}: {error}; choose another address with --{}",
                door.name, door.name
            );
            Failure::new(ExitCode::Unavailable, text)
        };
        let listener = connections::listen(address).map_err(cannot)?;
        listening.push((door, listener.local_addr().map_err(cannot)?, listener));
    }
    if let Some(warning) = service.access().warning(settings.is_loopback()) {
        eprintln!("warning: {warning}");
    }
    let mut serving = JoinSet::new();
    for (door, address, listener) in listening {
        eprintln!("listening: {}", door.url(address, service.tls.is_some()));
        serving.spawn((door.serve)(Arc::clone(&service), listener));
    }
    let stopped = stop_signal();
    let outcome = tokio::select! {
        signal = stopped => signal,
        () = reload.whenever(hangup, &service) => Ok(()),
        Some(ended) = serving.join_next() => match ended {
            Ok(ended) => ended,
            Err(error) => Err(Failure::new(ExitCode::Unavailable, format!("a door stopped: {error}"))),
        },
    };
    service.stopping.cancel();
    let rest = async { while serving.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(settings.grace, rest).await;
    outcome
}

/// Ends when the process is told to stop, by Ctrl-C or SIGTERM.
async fn stop_signal() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map_err(no_signals),
        _ = terminate.recv() => Ok(()),
    }
}

fn no_signals(error: io::Error) -> Failure {
    let text = format!("cannot wait for signals: {error}");
    Failure::new(ExitCode::Unavailable, text)
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .worker_threads(DOOR_THREADS)
        .thread_name("door")
        .build()
        .map_err(|error| {
            let text = format!("cannot start the threads that serve: {error}");
            Failure::new(ExitCode::Unavailable, text)
        })
}
