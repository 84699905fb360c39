//! GRIB, editions 1 and 2, as cubes, read by ranges from any store: [`Grib`].
//!
//! ```text
//!  open ──▶ scan: headers, message by message ──▶ Field: parameter, level, times, member; where its values are
//!                                                  │ Grid
//!                                                  ▼
//!             cube: variables over number, time, step, level and the grid    a group per grid, and per kind of level
//!                                                                            where names would clash
//!  fetch: the bytes of one field ─▶ decode: unpack, bitmap, scanning mode
//! ```
//! A chunk is a field: values of one time, level and member. Names are those that cfgrib gives, times too, but for what
//! [`cube`] says.
//!
//! Sources: WMO-No. 306, Manual on Codes, FM 92 GRIB (edition 2) and FM 92-XI Ext. GRIB (edition 1); ecCodes, for names
//! and for what centres do where the standard is silent; cfgrib, for what users expect.
//!
//! Values are unpacked here: of the crates that do, `gribberish` indexes into slices with what files say, so that it
//! panics on damaged ones, and has no second-order packing; `grib` has no edition 1. JPEG 2000 and CCSDS
//! 121.0-B are decoded by crates.

mod array;
mod computed;
mod cube;
mod field;
mod grid;
mod level;
pub(crate) mod message;
mod octets;
mod packing;
mod parameters;
mod scan;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{CubeFormat, Group, Location, Options};

use crate::formats::stored_file::StoredFile;

/// GRIB of edition 1 and 2.
#[derive(Debug)]
pub struct Grib;

#[async_trait]
impl CubeFormat for Grib {
    fn name(&self) -> &'static str {
        "GRIB"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".grib", ".grb", ".grib1", ".grb1", ".grib2", ".grb2"]
    }

    fn is_directory(&self) -> bool {
        false
    }

    async fn open(&self, location: &Location, _options: &Options) -> CubeResult<Vec<Group>> {
        let file = Arc::new(StoredFile::find(location).await?);
        read_groups(&file)
            .await
            .map_err(|error| error.within(&location.url))
    }
}

async fn read_groups(file: &Arc<StoredFile>) -> CubeResult<Vec<Group>> {
    let contents = scan::read_fields(file).await?;
    // Fields that cannot be read are left out as long as others can.
    match contents.fields.is_empty() {
        false => Ok(cube::groups(file, contents)),
        true => Err(match contents.left_out.into_iter().next() {
            Some((error, _)) => error,
            None => damaged("it has no fields"),
        }),
    }
}

fn damaged(cause: impl fmt::Display) -> CubeError {
    CubeError::corrupt("", format!("the file is damaged: {cause}"))
        .remedy("copy it again from its source")
}
