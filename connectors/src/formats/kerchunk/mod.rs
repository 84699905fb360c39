//! kerchunk: cubes whose chunks are ranges of other files, such as those of NetCDF: [`KerchunkFormat`].
//!
//! ```text
//!  sst.kerchunk.json    one file                    json, templates, generated ─▶ ReferenceTable ┐
//!  sst.kerchunk.parq/   a folder of Parquet files                    parts ─▶ ReferenceParts ────┤
//!                                                                                                ▼
//!                          the Zarr reader ◀── objects of the set ◀── ReferenceObjects ◀── targets: which store
//! ```
//! A set of references is a Zarr cube whose objects are looked up in it instead of by their names, so there is no second
//! reader of Zarr; and what is behind a reference is asked of the store that its URL names.
//!
//! Files named `.json` are DataFusion's, so that a set is recognised by `.kerchunk.json`, `.refs.json` or `.kerchunk`, and
//! a folder of Parquet files by `.parq` or `.kerchunk` as well; any other name is read with `STORED AS KERCHUNK`.

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::{CubeFormat, Group, Location, Options};

use super::zarr::ZarrFormat;
use super::zarr::objects::{Objects, version_of};
use objects::{ROOT_DOCUMENTS, ReferenceObjects, References};
use parts::ReferenceParts;
use targets::Targets;

mod generated;
mod json;
mod objects;
mod parts;
mod references;
pub(in crate::formats) mod targets;
mod templates;

/// Reads sets of references. Takes the options of [`ZarrFormat`] and those for the files that the references lead to.
#[derive(Debug)]
pub struct KerchunkFormat;

/// The same, where a listing finds a folder.
#[derive(Debug)]
pub struct KerchunkFolder;

#[async_trait]
impl CubeFormat for KerchunkFormat {
    fn name(&self) -> &'static str {
        "KERCHUNK"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".kerchunk.json", ".refs.json", ".kerchunk"]
    }

    fn is_directory(&self) -> bool {
        false
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        targets::OPTIONS
    }

    async fn open(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
        open(location, options).await
    }
}

#[async_trait]
impl CubeFormat for KerchunkFolder {
    fn name(&self) -> &'static str {
        "KERCHUNK_PARQUET"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[
            ".kerchunk.parq",
            ".refs.parq",
            ".parq",
            ".kerchunk.parquet",
            ".kerchunk",
        ]
    }

    fn is_directory(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        targets::OPTIONS
    }

    async fn open(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
        open(location, options).await
    }
}

async fn open(location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
    let (references, version) = read(location).await?;
    if !references.is_cube().await? {
        let keys = ROOT_DOCUMENTS.join(", ");
        let cause = format!("the references make no cube: none of the keys is one of {keys}");
        return Err(CubeError::not_found(&location.url, cause));
    }
    let targets = Targets::new(location, options);
    let cube = ReferenceObjects::as_cube(references, targets, location);
    let groups = ZarrFormat.open(&cube, options).await?;
    let groups = groups.into_iter().map(|group| Group {
        format: format!("kerchunk, {}", group.format),
        version: version.clone(),
        ..group
    });
    Ok(groups.collect())
}

/// The references of the set at a place, and its version.
async fn read(location: &Location) -> CubeResult<(References, String)> {
    let name = location.path.filename().unwrap_or_default();
    let is_json = [".json", ".json.gz"].iter().any(|end| name.ends_with(end));
    if !is_json {
        // Below a file there is nothing, which stores say in many ways; then the file says what is wrong.
        let is_folder = [".parq", ".parquet"].iter().any(|end| name.ends_with(end));
        match ReferenceParts::open(location).await {
            Ok(Some(parts)) => {
                let version = parts.version.clone();
                return Ok((References::Parts(parts), version));
            }
            Err(error) if is_folder || error.kind() == ErrorKind::Corrupt => return Err(error),
            Ok(None) if is_folder => {
                let cause = "there is no set of references: .zmetadata is missing";
                return Err(CubeError::not_found(&location.url, cause).remedy("check the path"));
            }
            Ok(None) | Err(_) => {}
        }
    }
    let objects = Objects::of(location);
    let fetched = objects.get(&location.path, None, &location.url).await?;
    let fetched = fetched.ok_or_else(|| {
        CubeError::not_found(&location.url, "there is no such file").remedy("check the path")
    })?;
    let version = version_of(&fetched.meta);
    let bytes = fetched.bytes;
    let parsed = tokio::task::spawn_blocking(move || json::parse(&bytes)).await;
    // It fails only when the runtime is shutting down.
    let parsed = parsed.unwrap_or_else(|error| Err(error.to_string()));
    let table = parsed.map_err(|cause| {
        CubeError::corrupt(&location.url, cause)
            .remedy("write it again, or copy it again from its source")
    })?;
    Ok((References::Table(table), version))
}
