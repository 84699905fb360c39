//! Grids of datums: files in which PROJ looks up how far one datum lies from another, and where they are.
//!
//! ```text
//!  [engine] proj_data ─▶ search_in ─┐
//!  PROJ_DATA, which PROJ reads ─────┴─▶ folders ─▶ grids, such as BETA2007.gsb
//!                                                    └ not there: missing names it
//! ```
//! The program carries PROJ's database and no grids. Without one PROJ takes another operation, which is less exact.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::path::PathBuf;
use std::ptr;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use proj_sys as sys;

use super::proj_defaults;

/// Pairs of systems of which is kept what is missing. To ask PROJ takes milliseconds, and each image of a mosaic does.
const KEPT_PAIRS: usize = 1024;

static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// The grids that are missing between two systems.
type Missing = HashMap<(String, String), Vec<String>>;

/// Lets PROJ look for grids in `folders`, too. They hold for the process, and only if no system has been asked for before;
/// only the first call counts.
pub fn search_in(folders: Vec<PathBuf>) {
    FOLDERS.get_or_init(|| folders);
}

/// The folders that were named.
pub(super) fn folders() -> &'static [PathBuf] {
    FOLDERS.get().map_or(&[], Vec::as_slice)
}

/// The grids that the most exact way from one system to another needs, and which are nowhere to be found.
pub(super) fn missing(from: &str, to: &str) -> Vec<String> {
    static KEPT: LazyLock<Mutex<Missing>> = LazyLock::new(Mutex::default);
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (from.to_string(), to.to_string());
    if let Some(grids) = kept().get(&key) {
        return grids.clone();
    }
    let texts = (CString::new(from), CString::new(to));
    let (Ok(from), Ok(to)) = texts else {
        return Vec::new();
    };
    if proj_defaults::set().is_err() {
        return Vec::new();
    }
    let grids = missing_between(&from, &to);
    let mut kept = kept();
    if kept.len() >= KEPT_PAIRS {
        kept.clear();
    }
    kept.insert(key, grids.clone());
    grids
}

#[allow(unsafe_code)]
fn missing_between(from: &CStr, to: &CStr) -> Vec<String> {
    // SAFETY: every pointer comes from PROJ and from the context that is made here and used by this thread alone. What may be
    // null is asked before it is used, or PROJ asks; all is given back once, and texts are copied before their operation is.
    unsafe {
        let context = sys::proj_context_create();
        if context.is_null() {
            // To PROJ that would be the default one, which all threads share.
            return Vec::new();
        }
        let source = sys::proj_create(context, from.as_ptr());
        let target = sys::proj_create(context, to.as_ptr());
        let mut grids = Vec::new();
        if !source.is_null() && !target.is_null() {
            let factory = sys::proj_create_operation_factory_context(context, ptr::null());
            let overlap = sys::PROJ_SPATIAL_CRITERION_PROJ_SPATIAL_CRITERION_PARTIAL_INTERSECTION;
            sys::proj_operation_factory_context_set_spatial_criterion(context, factory, overlap);
            let whether_or_not = sys::PROJ_GRID_AVAILABILITY_USE_PROJ_GRID_AVAILABILITY_IGNORED;
            sys::proj_operation_factory_context_set_grid_availability_use(
                context,
                factory,
                whether_or_not,
            );
            let ways = sys::proj_create_operations(context, source, target, factory);
            if !ways.is_null() {
                let best = sys::proj_list_get(context, ways, 0);
                if !best.is_null() {
                    grids = absent(context, best);
                    sys::proj_destroy(best);
                }
                sys::proj_list_destroy(ways);
            }
            sys::proj_operation_factory_context_destroy(factory);
        }
        sys::proj_destroy(source);
        sys::proj_destroy(target);
        sys::proj_context_destroy(context);
        grids
    }
}

/// The grids of an operation that are not there.
///
/// # Safety
/// `operation` must be one, of this context.
#[allow(unsafe_code)]
unsafe fn absent(context: *mut sys::PJ_CONTEXT, operation: *const sys::PJ) -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: indices are below the count that PROJ gives, and the texts belong to the operation, which lives on.
    unsafe {
        for index in 0..sys::proj_coordoperation_get_grid_used_count(context, operation) {
            let (mut name, mut is_there): (*const c_char, c_int) = (ptr::null(), 0);
            let is_known = sys::proj_coordoperation_get_grid_used(
                context,
                operation,
                index,
                &raw mut name,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut is_there,
            );
            if is_known != 0 && is_there == 0 && !name.is_null() {
                names.push(CStr::from_ptr(name).to_string_lossy().into_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_that_are_not_there_are_named() {
        for (from, to, expected) in [
            ("EPSG:3035", "OGC:CRS84", None),
            ("EPSG:4326", "EPSG:32632", None),
            // Ordnance Survey's shifts, and those of Germany's states.
            ("EPSG:27700", "EPSG:4326", Some("OSTN15")),
            ("EPSG:31467", "EPSG:25832", Some("BETA2007")),
        ] {
            let found = missing(from, to).join(" ");
            match expected {
                None => assert_eq!(found, "", "{from} to {to}"),
                Some(grid) => assert!(found.contains(grid), "{from} to {to}: {found}"),
            }
        }
    }
}
