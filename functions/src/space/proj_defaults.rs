//! What PROJ is told once, before anything is asked of it: to be silent, to stay offline, and where its files are.
//!
//! ```text
//!  PROJ's own folders ─┐
//!  proj_files ─────────┼─▶ search paths of the default context ─▶ every context that is made, in any thread
//!  [engine] proj_data ─┘
//! ```

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use proj_sys as sys;

use super::{datum_grids, proj_files};

/// Tells PROJ, unless it has been told. Every context must be made after this.
///
/// # Errors
/// There is no folder for the database, or the name of a folder cannot be told to PROJ.
pub(super) fn set() -> Result<(), String> {
    static SET: OnceLock<Result<(), String>> = OnceLock::new();
    SET.get_or_init(|| {
        let carried = proj_files::folder()?;
        let grids = datum_grids::folders().iter().map(PathBuf::as_path);
        let folders = std::iter::once(carried).chain(grids).map(as_proj_takes_it);
        tell(folders.collect::<Result<Vec<CString>, String>>()?);
        Ok(())
    })
    .clone()
}

fn as_proj_takes_it(folder: &Path) -> Result<CString, String> {
    let text = folder.to_str().and_then(|text| CString::new(text).ok());
    text.ok_or_else(|| format!("PROJ cannot look in {}", folder.display()))
}

#[allow(unsafe_code)]
fn tell(folders: Vec<CString>) {
    // SAFETY: a context that is null stands for the default one, of which PROJ makes copies for those that it creates. Only
    // this function changes it, once, and all contexts are made afterwards. The next call of proj_info frees the text of the
    // one before: it is copied, and nobody else calls it. PROJ copies the paths that it is given.
    unsafe {
        let path = sys::proj_info().searchpath;
        let own = match path.is_null() {
            true => String::new(),
            false => CStr::from_ptr(path).to_string_lossy().into_owned(),
        };
        let own = std::env::split_paths(&own).collect::<Vec<PathBuf>>();
        let own = own.iter().filter(|path| !path.as_os_str().is_empty());
        let mut paths: Vec<CString> = own.filter_map(|path| as_proj_takes_it(path).ok()).collect();
        paths.extend(folders);
        let pointers: Vec<*const c_char> = paths.iter().map(|path| path.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).unwrap_or(0);
        // What it cannot do it gives as a value, too.
        sys::proj_log_level(ptr::null_mut(), sys::PJ_LOG_LEVEL_PJ_LOG_NONE);
        sys::proj_context_set_search_paths(ptr::null_mut(), count, pointers.as_ptr());
        // Whatever PROJ_NETWORK and proj.ini say: a definition of a user must not lead to a server.
        sys::proj_context_set_enable_network(ptr::null_mut(), 0);
    }
}
