//! What the partitions of one execution need and only one of them works out.

use std::future::Future;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use tokio::sync::OnceCell;

/// A value that is made once, or fails once: whoever asks later is told the same, because the plan below
/// may not be executed again.
#[derive(Debug)]
pub(crate) struct Once<T> {
    made: OnceCell<std::result::Result<T, Arc<DataFusionError>>>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            made: OnceCell::new(),
        }
    }
}

impl<T> Once<T> {
    /// The value that the first caller's `make` gives.
    ///
    /// # Errors
    /// That of the first caller's `make`.
    pub(crate) async fn get(&self, make: impl Future<Output = Result<T>>) -> Result<&T> {
        let made = self
            .made
            .get_or_init(|| async { make.await.map_err(Arc::new) });
        made.await.as_ref().map_err(DataFusionError::from)
    }
}
