//! Where waiting happens: fetches run on a runtime of their own, so that a partition that is busy
//! decoding never keeps a network connection waiting.

use datafusion::prelude::SessionConfig;
use tokio::runtime::Handle;

/// The runtime for input and output, carried in the session's configuration.
#[derive(Debug, Clone)]
pub struct IoRuntime(pub Handle);

/// The runtime for fetches: the session's own, else the one that runs the query.
pub(crate) fn io_handle(config: &SessionConfig) -> Handle {
    config
        .get_extension::<IoRuntime>()
        .map_or_else(Handle::current, |io| io.0.clone())
}
