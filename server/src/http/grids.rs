//! Results as files of grids: the engine writes one into a folder of its own, which lives as long as the response, as
//! far as there is room for it.
//!
//! ```text
//!  SELECT … ─▶ COPY (SELECT …) TO 'folder/result.nc' STORED AS NETCDF ─▶ file, piece by piece ─▶ client
//!                                                  or a folder ─▶ ZIP archive ┘
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use futures::stream::try_unfold;
use tempfile::TempDir;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::disk::{Share, size};
use super::formats::Grid;
use super::problem::Problem;
use super::running::Listed;
use super::statements::Prepared;
use super::zip;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// How often it is looked how large a file is that is being made.
const GLANCE: Duration = Duration::from_millis(50);

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// Where a file is, as long as somebody needs it.
pub(super) struct Outlet {
    _folder: TempDir,
    _share: Share,
}

/// The body of a response with the result as a grid.
///
/// # Errors
/// The statement is none that reads, its result is no grid, there is no room for it, or it fails.
pub(super) async fn body(
    prepared: &Prepared,
    grid: Grid,
    mut share: Share,
    listed: Listed,
) -> Result<Body, Problem> {
    let statement = &prepared.statement;
    let problem = |failure| prepared.problem(failure);
    // What is wrong with the statement itself is told in its own words, and what is not one cannot end up in ours.
    let describing = async { prepared.client.describe(statement).await.map_err(problem) };
    let described = listed.unless_cancelled(describing).await?;
    if !described.is_read || described.columns.fields().is_empty() {
        return Err(Problem::bad_request(
            "only the result of a query is sent as a grid; send the statement without a format",
        ));
    }
    let folder = tempfile::tempdir().map_err(no_folder)?;
    let (name, format) = match grid {
        Grid::Netcdf => ("result.nc", "NETCDF"),
        Grid::Geotiff => ("result.tif", "GEOTIFF"),
        Grid::Zarr => ("result.zarr", "ZARR"),
    };
    let path = folder.path().join(name);
    let target = path.to_string_lossy().replace('\'', "''");
    let copy = format!("COPY (\n{statement}\n) TO '{target}' STORED AS {format}");
    let parameters = prepared.parameters.clone();
    // Who may read may have what is read as a file; nothing else is written where this one is.
    let client = prepared.client.writing_below(folder.path())?;
    let stop = listed.stop.clone();
    let running = client.run(&copy, parameters, stop, prepared.parent.clone());
    let failed = |mut failure: Failure| {
        // Places in our statement are none of theirs.
        failure.position = None;
        failure.message = without_folder(&failure.message, folder.path());
        Problem::from(failure)
    };
    let mut execution = running.await.map_err(failed)?;
    let progress = Arc::clone(&execution.progress);
    let making = async {
        while execution.next().await.map_err(failed)?.is_some() {}
        Ok::<_, Problem>(())
    };
    let watching = async {
        loop {
            tokio::time::sleep(GLANCE).await;
            if let Err(problem) = share.resize(progress.snapshot().bytes_written) {
                return problem;
            }
        }
    };
    tokio::select! {
        made = making => made?,
        problem = watching => return Err(problem),
    }
    let bytes = size(folder.path()).map_err(no_folder)?;
    share.resize(bytes)?;
    let outlet = Outlet {
        _folder: folder,
        _share: share,
    };
    match grid {
        Grid::Netcdf | Grid::Geotiff => file(&path, outlet).await,
        Grid::Zarr => Ok(Body::from_stream(
            zip::archive(path, outlet).map_err(no_folder)?,
        )),
    }
}

async fn file(path: &Path, outlet: Outlet) -> Result<Body, Problem> {
    let file = File::open(path).await.map_err(no_folder)?;
    let pieces = ReaderStream::with_capacity(file, PIECE);
    let pieces = try_unfold((pieces, outlet), |(mut pieces, outlet)| async move {
        let piece = pieces.next().await.transpose()?;
        Ok::<_, std::io::Error>(piece.map(|piece| (piece, (pieces, outlet))))
    });
    Ok(Body::from_stream(pieces))
}

/// Clients need not know where the server keeps its files.
fn without_folder(message: &str, folder: &Path) -> String {
    let folder = folder.to_string_lossy();
    let with_scheme = message.replace(&format!("file://{folder}/"), "");
    with_scheme.replace(&format!("{folder}/"), "")
}

fn no_folder(error: std::io::Error) -> Problem {
    let text = format!("the server cannot keep the file that it makes for a moment: {error}");
    Problem::from(Failure::new(ExitCode::Unavailable, text))
}
