//! Sessions of the engine as the program has them, with a cube on disk as table `cube`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use datafusion::error::{DataFusionError, Result};
use futures::StreamExt;
use graticule_engine::{Engine, Session};

/// A session that reads the cube at `path`. Without `cache`, the bytes for decoded chunks, it decodes
/// in every run.
pub(crate) async fn session(
    path: &Path,
    threads: usize,
    cache: Option<u64>,
) -> Result<Arc<Session>> {
    let mut builder = Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .sinks(graticule_connectors::sinks())
        .threads(threads);
    if let Some(bytes) = cache {
        builder = builder.cache(bytes);
    }
    let session = Arc::new(builder.build()?.session());
    drain(&session, &create_table(path)).await?;
    if cache.is_none() {
        drain(&session, "SET cube.cache = false").await?;
    }
    Ok(session)
}

/// The statement that makes the cube at `path` the table `cube`.
pub(crate) fn create_table(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\'', "''");
    format!("CREATE EXTERNAL TABLE cube STORED AS ZARR LOCATION '{path}'")
}

/// Runs a statement on the threads that compute, drops its rows, and returns the seconds.
pub(crate) async fn drain(session: &Arc<Session>, sql: &str) -> Result<f64> {
    let (session, sql) = (Arc::clone(session), sql.to_string());
    let start = Instant::now();
    let work = tokio::task::spawn(async move {
        let mut query = session.run(&sql).await?;
        while let Some(batch) = query.stream.next().await {
            std::hint::black_box(batch?);
        }
        Result::<()>::Ok(())
    });
    work.await
        .map_err(|error| DataFusionError::External(Box::new(error)))??;
    Ok(start.elapsed().as_secs_f64())
}
