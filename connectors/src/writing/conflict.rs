//! What is said to a writer who finds something else at its place than it expected.

use futures::StreamExt;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use object_store::ObjectStore;

use super::folder::CubeFolder;

/// A new cube must not be mixed with what is there already, unless that is what a writer began, with `notes`.
///
/// # Errors
/// The folder is not empty.
pub(crate) async fn check_is_empty(folder: &CubeFolder, notes: &str) -> CubeResult<()> {
    // In this order: what somebody else begins meanwhile begins with notes.
    if !folder.has_any("").await? || folder.has_any(notes).await? {
        return Ok(());
    }
    Err(CubeError::new(
        ErrorKind::Conflict,
        folder.url(),
        "the folder is not empty, and what is in it is no cube",
    )
    .remedy("choose another place, or empty the folder"))
}

/// There is no cube to read yet, but notes about writing one.
pub(crate) fn being_written(place: &str) -> CubeError {
    CubeError::new(
        ErrorKind::Conflict,
        place,
        "the cube is being written, or its writer died",
    )
    .remedy("run the same statement again, or VACUUM")
}

/// Are there `notes` of a writer below a place? Where the store does not tell, there are none.
pub(crate) async fn has_notes(location: &Location, notes: &str) -> bool {
    let notes = location.child(notes);
    let mut listing = location.store.list(Some(&notes.path));
    location.listable && matches!(listing.next().await, Some(Ok(_)))
}

/// A cube is where none was expected.
pub(crate) fn exists(place: &str) -> CubeError {
    CubeError::new(ErrorKind::Conflict, place, "there is a cube already")
        .remedy("drop it first, replace it, or choose another place")
}

/// The cube is not what it was when the statement began.
pub(crate) fn changed(place: &str) -> CubeError {
    CubeError::new(
        ErrorKind::Conflict,
        place,
        "someone else has written the cube since this statement began, and nothing of this statement was kept",
    )
    .remedy("run the statement again")
}
