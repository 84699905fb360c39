//! NetCDF-3 and NetCDF-4 (HDF5) files as cubes, read by ranges from any store.
//!
//! ```text
//!  open ──▶ library parses headers (file) ──▶ classic │ hdf5 ──▶ one NetcdfArray per variable
//!                                                                  │ layout, element, filters
//!  fetch: ranges of bytes from the store ◀────────────────────────┤
//!  decode: filters undone, bytes to values ◀──────────────────────┘
//! ```
//! Opening reads headers only. Nothing of the library outlives it, so that a thousand opened
//! files cost no more memory than their descriptions.

mod array;
mod attributes;
mod bitshuffle;
mod chunk_index;
mod classic;
mod element;
mod file;
mod filters;
mod hdf5;
mod layout;
pub(crate) mod writing;

use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, CubeFormat, Group, Location, Options,
};
use hdf5_reader::Hdf5File;
use hdf5_reader::storage::DynStorage;
use netcdf_reader::{NcFile, NcFormat, NcGroup};

use file::{StoredFile, library_error};

/// NetCDF-3 (classic, 64-bit offset, 64-bit data) and NetCDF-4 files; also plain HDF5 files.
#[derive(Debug)]
pub struct Netcdf;

#[async_trait]
impl CubeFormat for Netcdf {
    fn name(&self) -> &'static str {
        "NETCDF"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".nc", ".nc4", ".cdf", ".h5", ".hdf5"]
    }

    fn is_directory(&self) -> bool {
        false
    }

    async fn open(&self, location: &Location, _options: &Options) -> CubeResult<Vec<Group>> {
        let file = Arc::new(StoredFile::find(location).await?);
        let opened = file.clone();
        let (groups, _) = file
            .run_library(0, move |storage| read_groups(&opened, storage))
            .await
            .map_err(|error| error.within(&location.url))?;
        Ok(groups)
    }
}

fn read_groups(file: &Arc<StoredFile>, storage: DynStorage) -> CubeResult<Vec<Group>> {
    let url = &file.location.url;
    let failed = |error: netcdf_reader::Error| library_error(url, error);
    recognise(url, storage.as_ref())?;
    let netcdf = NcFile::from_storage(storage.clone()).map_err(failed)?;
    let root = netcdf.root_group().map_err(failed)?;
    let format = format_name(netcdf.format());
    let mut groups = Vec::new();
    match netcdf.format() {
        NcFormat::Nc4 | NcFormat::Nc4Classic => {
            let hdf5 = Hdf5File::from_storage(storage).map_err(|error| failed(error.into()))?;
            add_groups(file, &hdf5, root, "", format, &[], &mut groups)?;
        }
        NcFormat::Classic | NcFormat::Offset64 | NcFormat::Cdf5 => {
            let arrays = classic::arrays(file, root)?;
            groups.push(group(file, "", root, arrays, format));
        }
    }
    groups.retain(|group| !group.arrays.is_empty());
    Ok(groups)
}

/// Adds `group` and the groups below it. `inherited` are the arrays of the groups above, the
/// nearest last.
fn add_groups(
    file: &Arc<StoredFile>,
    hdf5: &Hdf5File,
    stored: &NcGroup,
    path: &str,
    format: &str,
    inherited: &[Arc<dyn ArrayReader>],
    groups: &mut Vec<Group>,
) -> CubeResult<()> {
    let own = hdf5::arrays(file, hdf5, stored, path)?;
    let mut visible = inherited.to_vec();
    visible.extend(own.iter().cloned());
    let arrays = with_inherited(own, inherited);
    groups.push(group(file, path, stored, arrays, format));
    for child in &stored.groups {
        let path = match path {
            "" => child.name.clone(),
            parent => format!("{parent}/{}", child.name),
        };
        add_groups(file, hdf5, child, &path, format, &visible, groups)?;
    }
    Ok(())
}

/// A group's own arrays and those that they need from the groups above: coordinates of inherited
/// dimensions, and what the attributes `coordinates`, `bounds` and `grid_mapping` name (CF 1.12,
/// section 2.7, search by proximity).
fn with_inherited(
    own: Vec<Arc<dyn ArrayReader>>,
    inherited: &[Arc<dyn ArrayReader>],
) -> Vec<Arc<dyn ArrayReader>> {
    if own.is_empty() {
        return own;
    }
    let mut arrays = own;
    let mut next = 0;
    // Arrays that are added may need others in turn.
    while let Some(array) = arrays.get(next).cloned() {
        let description = array.description();
        let named = ["coordinates", "bounds", "grid_mapping"]
            .iter()
            .filter_map(|name| description.attributes.get(*name)?.as_str())
            .flat_map(str::split_whitespace);
        let needed: Vec<&str> = description
            .dimensions
            .iter()
            .map(String::as_str)
            .chain(named)
            .collect();
        for name in needed {
            if arrays.iter().any(|known| known.description().name == name) {
                continue;
            }
            let found = inherited
                .iter()
                .rev()
                .find(|above| above.description().name == name)
                .filter(|above| fits(above.as_ref(), &arrays))
                .cloned();
            arrays.extend(found);
        }
        next += 1;
    }
    arrays
}

/// Are the dimensions of `above` those of `arrays`? A group may have its own dimension of that name.
fn fits(above: &dyn ArrayReader, arrays: &[Arc<dyn ArrayReader>]) -> bool {
    let lengths = |description: &ArrayDescription| -> Vec<(String, u64)> {
        let names = description.dimensions.iter().cloned();
        names.zip(description.shape.iter().copied()).collect()
    };
    let own: Vec<(String, u64)> = arrays
        .iter()
        .flat_map(|array| lengths(array.description()))
        .collect();
    lengths(above.description())
        .iter()
        .all(|(name, length)| own.iter().all(|(other, n)| other != name || n == length))
}

fn group(
    file: &Arc<StoredFile>,
    path: &str,
    stored: &NcGroup,
    arrays: Vec<Arc<dyn ArrayReader>>,
    format: &str,
) -> Group {
    let url = match path {
        "" => file.location.url.clone(),
        path => format!("{}/{path}", file.location.url),
    };
    Group {
        path: path.to_string(),
        attributes: attributes::to_json(&stored.attributes),
        arrays,
        url,
        format: format.to_string(),
        version: file.version.clone(),
    }
}

fn format_name(format: NcFormat) -> &'static str {
    match format {
        NcFormat::Classic => "netcdf-3",
        NcFormat::Offset64 => "netcdf-3 (64-bit offset)",
        NcFormat::Cdf5 => "netcdf-3 (64-bit data)",
        NcFormat::Nc4 => "netcdf-4",
        NcFormat::Nc4Classic => "netcdf-4 (classic model)",
    }
}

/// Names what people rename to `.nc`: an archive or a GRIB file, by its first bytes.
fn recognise(url: &str, storage: &dyn hdf5_reader::Storage) -> CubeResult<()> {
    let length = storage.len().min(4) as usize;
    let start = storage
        .read_range(0, length)
        .map_err(|error| library_error(url, error.into()))?;
    let (other, remedy) = match start.as_ref() {
        [] => ("empty", "copy it again from its source"),
        [b'P', b'K', 3, 4] => ("a zip archive", "unpack it first with `unzip`"),
        [0x1f, 0x8b, ..] => ("compressed with gzip", "unpack it first with `gunzip`"),
        b"GRIB" => (
            "a GRIB file",
            "rename it to `.grib`, or open it with STORED AS GRIB",
        ),
        _ => return Ok(()),
    };
    Err(CubeError::unsupported(url, format!("the file is {other}, not NetCDF")).remedy(remedy))
}
