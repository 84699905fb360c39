//! A set of references as objects: [`ReferenceObjects`], so that the Zarr reader reads it.
//!
//! ```text
//!  sst/.zarray   stands in the set                                      no request
//!  sst/0.1       the set says which part of which file ─▶ one ranged GET
//!                                s3://…/a.nc, bytes 8192..12288
//! ```
//! The entity tag of a part is made of the version of its file, so that statistics of a chunk notice when the file
//! changes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{ChunkVersion, Location};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

use super::parts::ReferenceParts;
use super::references::{Reference, ReferenceTable};
use super::targets::Targets;
use crate::formats::stored_file::truncated;
use crate::stores::store_error;
use crate::versions::{Versions, token_of_bytes};

/// One of these stands at the root of a cube.
pub(super) const ROOT_DOCUMENTS: [&str; 4] = [".zgroup", ".zarray", ".zmetadata", "zarr.json"];

/// References, wherever they are kept.
#[derive(Debug)]
pub(super) enum References {
    /// In memory.
    Table(ReferenceTable),
    /// In files of Parquet.
    Parts(ReferenceParts),
}

impl References {
    /// Is there anything that the Zarr reader takes for a cube?
    pub(super) async fn is_cube(&self) -> CubeResult<bool> {
        for document in ROOT_DOCUMENTS {
            if self.get(document).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn get(&self, key: &str) -> CubeResult<Option<Reference>> {
        match self {
            Self::Table(table) => Ok(table.get(key)),
            Self::Parts(parts) => parts.get(key).await,
        }
    }

    fn nodes_below(&self, parent: &str) -> Vec<String> {
        match self {
            Self::Table(table) => table.nodes_below(parent),
            // All metadata are one document.
            Self::Parts(_) => Vec::new(),
        }
    }
}

/// The objects of one set. Paths are the keys.
#[derive(Debug)]
pub(super) struct ReferenceObjects {
    references: References,
    targets: Targets,
    /// The set, for people.
    url: String,
}

impl ReferenceObjects {
    /// A set as a place where a Zarr cube is.
    pub(super) fn as_cube(references: References, targets: Targets, set: &Location) -> Location {
        Location {
            store: Arc::new(Self {
                references,
                targets,
                url: set.url.clone(),
            }),
            path: Path::default(),
            url: set.url.clone(),
            listable: true,
            missing_is_403: false,
            local: false,
            as_of: None,
        }
    }

    /// What a reader is told of a file or a part of it, without reading it.
    async fn described(
        &self,
        key: &Path,
        file: &Location,
        range: Option<&Range<u64>>,
    ) -> CubeResult<ObjectMeta> {
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let found = file.store.get_opts(&file.path, options).await;
        let found = found.map_err(|error| failed(file, &error))?.meta;
        let token = match Versions::of(file).known(&found).await {
            ChunkVersion::Stored {
                token,
                settled: true,
            } => token,
            // It may change without getting another one: no version equals any other.
            _ => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                format!("{:?}", now.unwrap_or_default())
            }
        };
        Ok(meta(key, range, found.size, &token))
    }

    async fn bytes_of_file(
        &self,
        key: &Path,
        file: &Location,
        range: Option<Range<u64>>,
        wanted: Option<&GetRange>,
    ) -> CubeResult<GetResult> {
        let Some(part) = range else {
            let options = GetOptions {
                range: wanted.cloned(),
                ..GetOptions::default()
            };
            let found = file.store.get_opts(&file.path, options).await;
            let found = found.map_err(|error| failed(file, &error))?;
            let tag = found.meta.e_tag.clone().unwrap_or_default();
            return Ok(GetResult {
                meta: meta(key, None, found.meta.size, &tag),
                range: found.range.clone(),
                attributes: Attributes::default(),
                payload: GetResultPayload::Stream(found.into_stream()),
            });
        };
        let length = part.end - part.start;
        let range = within(wanted, length, &file.url)?;
        let bytes = part.start + range.start..part.start + range.end;
        // Stores do not answer requests for nothing.
        if bytes.is_empty() {
            return Ok(in_memory(
                key,
                Bytes::new(),
                meta(key, Some(&part), 0, ""),
                range,
            ));
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(bytes.clone())),
            ..GetOptions::default()
        };
        let found = file.store.get_opts(&file.path, options).await;
        let found = found.map_err(|error| failed(file, &error))?;
        if found.range.end < bytes.end {
            return Err(truncated(&file.url, bytes.end, found.meta.size));
        }
        let tag = found.meta.e_tag.clone().unwrap_or_default();
        Ok(GetResult {
            meta: meta(key, Some(&part), length, &tag),
            range,
            attributes: Attributes::default(),
            payload: GetResultPayload::Stream(found.into_stream()),
        })
    }

    async fn answer(&self, key: &Path, options: &GetOptions) -> CubeResult<Option<GetResult>> {
        let Some(reference) = self.references.get(key.as_ref()).await? else {
            return Ok(None);
        };
        let (url, range) = match reference {
            Reference::Inline(bytes) => {
                let range = within(options.range.as_ref(), bytes.len() as u64, &self.url)?;
                let meta = meta(key, None, bytes.len() as u64, &token_of_bytes(&bytes));
                let bytes = match options.head {
                    true => Bytes::new(),
                    false => bytes.slice(range.start as usize..range.end as usize),
                };
                return Ok(Some(in_memory(key, bytes, meta, range)));
            }
            Reference::File { url, range } => (url, range),
        };
        let file = self.targets.find(&url)?;
        if options.head {
            let meta = self.described(key, &file, range.as_ref()).await?;
            let all = 0..meta.size;
            return Ok(Some(in_memory(key, Bytes::new(), meta, all)));
        }
        self.bytes_of_file(key, &file, range, options.range.as_ref())
            .await
            .map(Some)
    }
}

fn in_memory(key: &Path, bytes: Bytes, meta: ObjectMeta, range: Range<u64>) -> GetResult {
    let meta = ObjectMeta {
        location: key.clone(),
        ..meta
    };
    GetResult {
        payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
        meta,
        range,
        attributes: Attributes::default(),
    }
}

/// What is told of a part of a file of that version. It has no time of its own.
fn meta(key: &Path, range: Option<&Range<u64>>, size: u64, token: &str) -> ObjectMeta {
    let (size, tag) = match range {
        None => (size, token.to_string()),
        Some(range) => (
            range.end - range.start,
            format!("{token} {}-{}", range.start, range.end),
        ),
    };
    ObjectMeta {
        location: key.clone(),
        last_modified: DateTime::UNIX_EPOCH,
        size,
        e_tag: Some(tag),
        version: None,
    }
}

fn within(wanted: Option<&GetRange>, size: u64, place: &str) -> CubeResult<Range<u64>> {
    match wanted {
        None => Ok(0..size),
        Some(wanted) => wanted
            .as_range(size)
            .map_err(|error| CubeError::corrupt(place, error)),
    }
}

/// The file is not there: that is not a chunk that is not there.
fn failed(file: &Location, error: &Error) -> CubeError {
    match error {
        Error::NotFound { .. } => CubeError::not_found(
            &file.url,
            "the file that the reference leads to is not there",
        )
        .remedy("paths in a reference set start at the folder that the set is in"),
        error => store_error(&file.url, error),
    }
}

fn read_only() -> Error {
    Error::NotSupported {
        source: "a set of references is only read".into(),
    }
}

impl fmt::Display for ReferenceObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[async_trait]
impl ObjectStore for ReferenceObjects {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let answer = self.answer(path, &options).await;
        let answer = answer.map_err(|error| Error::Generic {
            store: "kerchunk",
            source: Box::new(error),
        })?;
        answer.ok_or_else(|| Error::NotFound {
            path: path.to_string(),
            source: "the set has no such reference".into(),
        })
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let error = Error::NotSupported {
            source: "chunks of a set of references are not listed".into(),
        };
        stream::iter([Err(error)]).boxed()
    }

    /// Groups and arrays as folders; objects are not listed.
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.map_or("", |prefix| prefix.as_ref());
        let nodes = self.references.nodes_below(prefix);
        Ok(ListResult {
            common_prefixes: nodes.iter().map(|path| Path::from(path.as_str())).collect(),
            objects: Vec::new(),
        })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::iter([Err(read_only())]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}
