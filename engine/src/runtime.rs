//! Where waiting happens: fetches run on a runtime of their own, so that a partition that is busy
//! decoding never keeps a network connection waiting. What computes runs where the caller polls it.

use std::future::poll_fn;
use std::task::Poll;
use std::{io, mem};

use datafusion::common::runtime::JoinSet;
use datafusion::prelude::SessionConfig;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{CubeError, CubeResult, ErrorKind};

/// Threads for fetches; they wait most of the time.
const IO_THREADS: usize = 2;

/// Threads for what blocks, such as reads of local files. Each keeps memory of its own for what it has read.
const BLOCKING_THREADS: usize = 8;

/// The runtime for input and output, carried in the session's configuration.
#[derive(Debug, Clone)]
pub struct IoRuntime(pub Handle);

/// The runtime for fetches: the session's own, else the one that runs the query.
pub(crate) fn io_handle(config: &SessionConfig) -> Handle {
    config
        .get_extension::<IoRuntime>()
        .map_or_else(Handle::current, |io| io.0.clone())
}

/// Lets other tasks run. The task waits where an idle thread finds it. That is why it is not tokio's function of
/// this name, which keeps a task back until its own thread has nothing else to do: with two partitions on one
/// thread, the other thread then is idle for as long as a chunk takes to decode.
pub(crate) async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs `work` on the runtime for input and output; dropping this stops it.
///
/// # Errors
/// Those of `work`; or it was stopped, because the process ends.
pub(crate) async fn run_on<T: Send + 'static>(
    io: &Handle,
    work: impl Future<Output = CubeResult<T>> + Send + 'static,
) -> CubeResult<T> {
    let mut task = JoinSet::new();
    task.spawn_on(work, io);
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Err(CubeError::new(
            ErrorKind::Unavailable,
            "",
            "a request ended before it was done",
        )
        .remedy("run the statement again; if this repeats, the server is shutting down")),
    }
}

/// The threads behind an [`IoRuntime`]; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct IoThreads(Option<Runtime>);

impl IoThreads {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("graticule-io")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// The runtime, to be carried in the configuration of sessions.
    pub(crate) fn runtime(&self) -> Option<IoRuntime> {
        self.0
            .as_ref()
            .map(|runtime| IoRuntime(runtime.handle().clone()))
    }
}

impl Drop for IoThreads {
    /// Waits for nothing: waiting for a runtime is forbidden inside of another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
