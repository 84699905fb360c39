//! PROJ's database of coordinate reference systems. The program carries it, and PROJ reads it from a file: so it is laid
//! out once in the user's cache folder, wherever the program stands.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// `proj.db` of the PROJ that the program is linked with.
static DATABASE: &[u8] = include_bytes!(env!("GRATICULE_PROJ_DATABASE"));

const NAME: &str = "proj.db";

/// The folder in which the database lies; it is written when it is asked for first.
///
/// # Errors
/// Neither the cache folder nor the folder for temporary files can be written.
pub(super) fn folder() -> Result<&'static Path, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        DATABASE.hash(&mut hasher);
        let name = format!("proj-{:016x}", hasher.finish());
        // In a folder that all users share, a file of that name may be anybody's.
        let temporary = std::env::temp_dir().join(format!("graticule-{}", std::process::id()));
        let folders = cache_folder().into_iter().chain([temporary]);
        let mut outcome = Err("there is no folder to write it to".to_string());
        for folder in folders {
            let folder = folder.join(&name);
            outcome = lay_out(&folder)
                .map(|()| folder.clone())
                .map_err(|error| format!("{}: {error}", folder.display()));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    });
    folder.as_deref().map_err(Clone::clone)
}

fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))?;
    Some(cache.join("graticule"))
}

/// Writes the database to `folder`, unless it is there. Whoever reads it sees all of it or nothing.
fn lay_out(folder: &Path) -> io::Result<()> {
    let database = folder.join(NAME);
    if fs::metadata(&database).is_ok_and(|found| found.len() == DATABASE.len() as u64) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!("{NAME}.{}", std::process::id()));
    fs::write(&partial, DATABASE)?;
    fs::rename(&partial, &database)
}
