//! PROJ's database of coordinate reference systems, and grids of datums. The program carries them, and PROJ reads files: so
//! they are laid out once in the user's cache folder, wherever the program stands.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A file by its name.
type File = (&'static str, &'static [u8]);

/// The database of the PROJ that the program is linked with, and the grids of `functions/datum_grids`.
static FILES: [File; 4] = [
    ("proj.db", include_bytes!(env!("GRATICULE_PROJ_DATABASE"))),
    (
        "BETA2007.gsb",
        include_bytes!("../../datum_grids/BETA2007.gsb"),
    ),
    (
        "ntf_r93.gsb",
        include_bytes!("../../datum_grids/ntf_r93.gsb"),
    ),
    (
        "nzgd2kgrid0005.gsb",
        include_bytes!("../../datum_grids/nzgd2kgrid0005.gsb"),
    ),
];

/// The folder in which the files lie; they are written when it is asked for first.
///
/// # Errors
/// Neither the cache folder nor the folder for temporary files can be written.
pub(super) fn folder() -> Result<&'static Path, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        FILES.hash(&mut hasher);
        let name = format!("proj-{:016x}", hasher.finish());
        // In a folder that all users share, a file of that name may be anybody's.
        let temporary = std::env::temp_dir().join(format!("graticule-{}", std::process::id()));
        let folders = cache_folder().into_iter().chain([temporary]);
        let mut outcome = Err("there is no folder to write it to".to_string());
        for folder in folders {
            let folder = folder.join(&name);
            let laid_out = FILES.iter().try_for_each(|file| lay_out(&folder, file));
            outcome = laid_out
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

/// Writes a file to `folder`, unless it is there. Whoever reads it sees all of it or nothing.
fn lay_out(folder: &Path, (name, bytes): &File) -> io::Result<()> {
    let file = folder.join(name);
    if fs::metadata(&file).is_ok_and(|found| found.len() == bytes.len() as u64) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&partial, bytes)?;
    fs::rename(&partial, &file)
}
