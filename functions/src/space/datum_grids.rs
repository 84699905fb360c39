//! Grids of datums: files in which PROJ looks up how far one datum lies from another, and where they are.
//!
//! ```text
//!  [engine] proj_data ─▶ search_in ─┐
//!  PROJ_DATA, which PROJ reads ─────┴─▶ folders ─▶ grids, such as BETA2007.gsb
//!                                                    └ not there: missing names it
//! ```
//! The program carries some, see `functions/datum_grids`. Without one PROJ takes another operation, which is less exact;
//! [`MissingGrids`] says how much.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use proj_sys as sys;

use super::proj_defaults;

/// Pairs of systems of which is kept what is missing. To ask PROJ takes milliseconds, and each image of a mosaic does.
const KEPT_PAIRS: usize = 1024;

static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Grids that would make the way from one system to another more exact, and are nowhere to be found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MissingGrids {
    /// Where each is to be had, or its name where PROJ does not know that.
    pub sources: Vec<String>,
    /// How far off places may be with them, in metres; `None` where PROJ does not know.
    pub accuracy_with: Option<f64>,
    /// How far off they may be without them, by the way that PROJ takes instead.
    pub accuracy_without: Option<f64>,
}

impl MissingGrids {
    /// Is nothing missing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }
}

/// `https://…/a.tif (accuracy 2 m instead of 0.1 m)`
impl fmt::Display for MissingGrids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metres = |accuracy: Option<f64>| match accuracy {
            Some(metres) => format!("{metres} m"),
            None => "unknown".to_string(),
        };
        let (with, without) = (self.accuracy_with, self.accuracy_without);
        write!(f, "{}", self.sources.join(" and "))?;
        write!(
            f,
            " (accuracy {} instead of {})",
            metres(without),
            metres(with)
        )
    }
}

/// The grids that are missing between two systems.
type Missing = HashMap<(String, String), MissingGrids>;

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
pub(super) fn missing(from: &str, to: &str) -> MissingGrids {
    static KEPT: LazyLock<Mutex<Missing>> = LazyLock::new(Mutex::default);
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (from.to_string(), to.to_string());
    if let Some(grids) = kept().get(&key) {
        return grids.clone();
    }
    let texts = (CString::new(from), CString::new(to));
    let (Ok(from), Ok(to)) = texts else {
        return MissingGrids::default();
    };
    if proj_defaults::set().is_err() {
        return MissingGrids::default();
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
fn missing_between(from: &CStr, to: &CStr) -> MissingGrids {
    // SAFETY: every pointer comes from PROJ and from the context that is made here and used by this thread alone. What may be
    // null is asked before it is used, or PROJ asks; all is given back once, and texts are copied before their operation is.
    unsafe {
        let context = sys::proj_context_create();
        if context.is_null() {
            // To PROJ that would be the default one, which all threads share.
            return MissingGrids::default();
        }
        let source = sys::proj_create(context, from.as_ptr());
        let target = sys::proj_create(context, to.as_ptr());
        let mut grids = MissingGrids::default();
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
                grids = of_ways(context, ways);
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

/// What the best of some operations misses, and how exact the first one is for which everything is there.
///
/// # Safety
/// `ways` must be a list of operations, of this context.
#[allow(unsafe_code)]
unsafe fn of_ways(context: *mut sys::PJ_CONTEXT, ways: *const sys::PJ_OBJ_LIST) -> MissingGrids {
    let mut grids = MissingGrids::default();
    // SAFETY: indices are below the count that PROJ gives; each operation is asked only while it lives.
    unsafe {
        for index in 0..sys::proj_list_get_count(ways) {
            let way = sys::proj_list_get(context, ways, index);
            if way.is_null() {
                continue;
            }
            // What is not known is a negative number.
            let accuracy = sys::proj_coordoperation_get_accuracy(context, way);
            let accuracy = (accuracy >= 0.0).then_some(accuracy);
            let is_whole = sys::proj_coordoperation_is_instantiable(context, way) != 0;
            if index == 0 {
                grids.sources = absent(context, way);
                grids.accuracy_with = accuracy;
            }
            sys::proj_destroy(way);
            if is_whole {
                grids.accuracy_without = accuracy;
                break;
            }
        }
    }
    let gains = match (grids.accuracy_with, grids.accuracy_without) {
        (Some(with), Some(without)) => with < without,
        _ => true,
    };
    match gains {
        true => grids,
        false => MissingGrids::default(),
    }
}

/// The grids of an operation that are not there: where they are to be had.
///
/// # Safety
/// `operation` must be one, of this context.
#[allow(unsafe_code)]
unsafe fn absent(context: *mut sys::PJ_CONTEXT, operation: *const sys::PJ) -> Vec<String> {
    let mut sources = Vec::new();
    // SAFETY: indices are below the count that PROJ gives, and the texts belong to the operation, which lives on.
    unsafe {
        for index in 0..sys::proj_coordoperation_get_grid_used_count(context, operation) {
            let (mut name, mut url): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
            let mut is_there: c_int = 0;
            let is_known = sys::proj_coordoperation_get_grid_used(
                context,
                operation,
                index,
                &raw mut name,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut url,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut is_there,
            );
            if is_known == 0 || is_there != 0 {
                continue;
            }
            let texts = [url, name].into_iter().filter(|text| !text.is_null());
            let mut texts = texts.map(|text| CStr::from_ptr(text).to_string_lossy().into_owned());
            sources.extend(texts.find(|text| !text.is_empty()));
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_that_are_not_there_are_named() {
        for (from, to, expected) in [
            ("EPSG:3035", "OGC:CRS84", None),
            ("EPSG:4326", "EPSG:32632", None),
            // Those that are carried.
            ("EPSG:31467", "EPSG:25832", None),
            ("EPSG:27572", "EPSG:2154", None),
            ("EPSG:27200", "EPSG:2193", None),
            // Ordnance Survey's shifts, and what is known without them.
            (
                "EPSG:27700",
                "EPSG:4326",
                Some("OSTN15_NTv2_OSGBtoETRS.tif (accuracy 2 m instead of 1 m)"),
            ),
            (
                "OGC:CRS84",
                "EPSG:27700",
                Some("OSTN15_NTv2_OSGBtoETRS.tif (accuracy 2 m instead of 1 m)"),
            ),
            (
                "EPSG:27700",
                "EPSG:3035",
                Some("OSTN15_NTv2_OSGBtoETRS.tif (accuracy unknown instead of 0.03 m)"),
            ),
        ] {
            let found = missing(from, to);
            match expected {
                None => assert!(found.is_empty(), "{from} to {to}: {found}"),
                Some(said) => assert!(found.to_string().ends_with(said), "{from} to {to}: {found}"),
            }
        }
    }
}
