//! A snapshot of a repository as objects: [`SnapshotObjects`], so that the Zarr reader reads it.
//!
//! ```text
//!  zarr.json, sst/zarr.json   documents of the snapshot                 no request: they are in memory
//!  sst/c/0/1                  the manifest says which part of which object ─▶ one ranged GET
//!                                  chunks/8X…, bytes 0..4096             or the bytes themselves
//!                                  s3://other/a.nc, bytes 512..4096      or a part of a file outside
//! ```
//! Nothing of it ever changes. The entity tag of a chunk is where its bytes are, so that statistics of a chunk
//! hold in all snapshots that share it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use graticule_engine::error::{CubeError, ErrorKind};
use graticule_engine::source::{Location, Options};
use icechunk::format::manifest::{Checksum, ChunkPayload, ChunkRef, VirtualChunkRef};
use icechunk::format::snapshot::{NodeData, NodeSnapshot};
use icechunk::format::{CHUNKS_FILE_PATH, ChunkIndices, Path as NodePath};
use icechunk::session::{Session, SessionErrorKind};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use serde_json::Value;

use super::repository::failed;
use crate::formats::kerchunk::targets::Targets;
use crate::versions::token_of_bytes;

/// The document of a group or an array.
const DOCUMENT: &str = "zarr.json";

/// The objects of one snapshot. Paths are those below the cube.
#[derive(Debug)]
pub(super) struct SnapshotObjects {
    session: Session,
    /// The repository.
    location: Location,
    /// The files outside that chunks are parts of.
    targets: Targets,
}

/// What an object is.
enum Found {
    Bytes(Bytes),
    /// A part of an object of the repository.
    Part(ChunkRef),
    /// A part of a file outside.
    Outside(Location, VirtualChunkRef),
}

/// A chunk by its key: the array it is of, and where in it.
#[derive(Debug, PartialEq)]
struct ChunkKey<'a> {
    array: &'a str,
    index: Vec<u32>,
}

impl<'a> ChunkKey<'a> {
    /// Reads keys such as `sst/c/0/1`; those of scalars end with `c`.
    fn of(key: &'a str) -> Option<Self> {
        let mut end = key.len();
        let mut index = Vec::new();
        loop {
            let (before, part) = key[..end].rsplit_once('/').unwrap_or(("", &key[..end]));
            if part == "c" {
                index.reverse();
                return Some(Self {
                    array: before,
                    index,
                });
            }
            index.push(part.parse().ok()?);
            if before.is_empty() {
                return None;
            }
            end = before.len();
        }
    }
}

impl SnapshotObjects {
    pub(super) fn new(session: Session, location: Location, options: &Options) -> Self {
        Self {
            targets: Targets::new(&location, options),
            session,
            location,
        }
    }

    async fn node(&self, path: &str) -> Result<Option<NodeSnapshot>> {
        let Ok(path) = NodePath::new(&format!("/{path}")) else {
            return Ok(None);
        };
        match self.session.get_node(&path).await {
            Ok(node) => Ok(Some(node)),
            Err(error) if matches!(error.kind, SessionErrorKind::NodeNotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn find(&self, path: &Path) -> Result<Option<Found>> {
        let key = path.as_ref();
        if let Some(node) = key.strip_suffix(DOCUMENT) {
            let node = self.node(node.trim_end_matches('/')).await?;
            return Ok(node.map(|node| Found::Bytes(document(node))));
        }
        let Some(chunk) = ChunkKey::of(key) else {
            return Ok(None);
        };
        let is_array = |node: &NodeSnapshot| match &node.node_data {
            NodeData::Array { shape, .. } => shape.len() == chunk.index.len(),
            NodeData::Group => false,
        };
        let Some(node) = self.node(chunk.array).await?.filter(is_array) else {
            return Ok(None);
        };
        let index = ChunkIndices(chunk.index);
        let payload = self.session.get_chunk_ref(&node.path, &index).await;
        match payload.map_err(|error| self.failed(&error))? {
            None => Ok(None),
            Some(ChunkPayload::Inline(bytes)) => Ok(Some(Found::Bytes(bytes))),
            Some(ChunkPayload::Ref(part)) => Ok(Some(Found::Part(part))),
            Some(ChunkPayload::Virtual(part)) => {
                let file = self.targets.find(&part.location.url().into());
                let file = file.map_err(because)?;
                Ok(Some(Found::Outside(file, part)))
            }
            Some(_) => Err(Error::NotSupported {
                source: "the chunk is stored in a way that is not known".into(),
            }),
        }
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        because(failed(&self.location.url, error))
    }

    /// The paths of all groups and arrays, without the root.
    async fn nodes(&self) -> Result<Vec<String>> {
        let nodes = self.session.list_nodes(&NodePath::root()).await;
        let nodes = nodes.map_err(|error| self.failed(&error))?;
        let path = |node: NodeSnapshot| node.path.as_str().trim_start_matches('/').to_string();
        nodes
            .map(|node| node.map(path).map_err(|error| self.failed(&error)))
            .filter(|path| !matches!(path, Ok(path) if path.is_empty()))
            .collect()
    }
}

fn because(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: "icechunk",
        source: cause.into(),
    }
}

/// A part of a file outside, of which the reference may say in which state it must be.
async fn outside(
    file: &Location,
    part: &VirtualChunkRef,
    range: Range<u64>,
    head: bool,
) -> Result<GetResult> {
    let at = |place: u64| part.offset.saturating_add(place);
    let bytes = GetRange::Bounded(at(range.start)..at(range.end));
    let mut options = GetOptions {
        range: (!head).then_some(bytes),
        head,
        ..GetOptions::default()
    };
    match &part.checksum {
        Some(Checksum::ETag(tag)) => {
            options.if_match = Some(tag.0.trim_matches('"').to_string());
        }
        Some(Checksum::LastModified(seconds)) => {
            options.if_unmodified_since = DateTime::from_timestamp(i64::from(seconds.0), 0);
        }
        None => {}
    }
    file.store
        .get_opts(&file.path, options)
        .await
        .map_err(|error| match error {
            // It is not that there is no chunk: there is no file any more.
            Error::NotFound { .. } => because(
                CubeError::not_found(&file.url, "a file that chunks of the repository lie in is gone")
                    .remedy("put it back, or make the references anew"),
            ),
            Error::Precondition { .. } => because(
                CubeError::new(
                    ErrorKind::Corrupt,
                    &file.url,
                    "a file that chunks of the repository lie in has changed since they were referred to",
                )
                .remedy("put it back, or make the references anew"),
            ),
            error => error,
        })
}

/// The document of a node. The copies of other documents that some writers put into that of the root may be
/// older than these, and nobody needs them here.
fn document(node: NodeSnapshot) -> Bytes {
    if node.path != NodePath::root() {
        return node.user_data;
    }
    let Ok(Value::Object(mut parsed)) = serde_json::from_slice(&node.user_data) else {
        return node.user_data;
    };
    match parsed.shift_remove("consolidated_metadata") {
        Some(_) => serde_json::to_vec(&parsed).map_or(node.user_data, Bytes::from),
        None => node.user_data,
    }
}

/// What a reader is told of an object. It never changes, so it has no time.
fn meta(path: &Path, found: &Found) -> ObjectMeta {
    let (size, tag) = match found {
        Found::Bytes(bytes) => (bytes.len() as u64, token_of_bytes(bytes)),
        Found::Part(part) => (part.length, format!("{}-{}", part.id, part.offset)),
        Found::Outside(file, part) => (part.length, format!("{}-{}", file.url, part.offset)),
    };
    ObjectMeta {
        location: path.clone(),
        last_modified: DateTime::UNIX_EPOCH,
        size,
        e_tag: Some(tag),
        version: None,
    }
}

fn wanted(range: Option<&GetRange>, size: u64) -> Result<Range<u64>> {
    let Some(range) = range else {
        return Ok(0..size);
    };
    range.as_range(size).map_err(|error| Error::Generic {
        store: "icechunk",
        source: Box::new(error),
    })
}

fn read_only() -> Error {
    Error::NotSupported {
        source: "a version of a cube does not change".into(),
    }
}

impl fmt::Display for SnapshotObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.location.url, self.session.snapshot_id())
    }
}

#[async_trait]
impl ObjectStore for SnapshotObjects {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.find(path).await?.ok_or_else(|| Error::NotFound {
            path: path.to_string(),
            source: "the snapshot has no such object".into(),
        })?;
        let mut meta = meta(path, &found);
        let range = wanted(options.range.as_ref(), meta.size)?;
        let payload = match found {
            Found::Outside(file, part) => {
                let found = outside(&file, &part, range.clone(), options.head).await?;
                // The file may change: in which state it is goes along.
                let state = found.meta.e_tag.as_deref().unwrap_or_default();
                meta.e_tag = meta.e_tag.map(|place| format!("{place}-{state}"));
                meta.last_modified = found.meta.last_modified;
                match options.head {
                    true => stream::empty().boxed(),
                    false => found.into_stream(),
                }
            }
            _ if options.head => stream::empty().boxed(),
            Found::Bytes(bytes) => {
                let part = bytes.slice(range.start as usize..range.end as usize);
                stream::iter([Ok(part)]).boxed()
            }
            Found::Part(part) => {
                let object = self
                    .location
                    .child(&format!("{CHUNKS_FILE_PATH}/{}", part.id));
                let bytes = part.offset + range.start..part.offset + range.end;
                let options = GetOptions {
                    range: Some(GetRange::Bounded(bytes)),
                    ..GetOptions::default()
                };
                match object.store.get_opts(&object.path, options).await {
                    Ok(found) => found.into_stream(),
                    // It is not that there is no chunk: there is no chunk any more.
                    Err(Error::NotFound { .. }) => {
                        return Err(Error::Generic {
                            store: "icechunk",
                            source: format!("the object {} of the repository is gone", object.url)
                                .into(),
                        });
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: Attributes::default(),
        })
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let error = Error::NotSupported {
            source: "chunks of a snapshot are not listed".into(),
        };
        stream::iter([Err(error)]).boxed()
    }

    /// Groups and arrays as folders; objects are not listed.
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.map_or("", |prefix| prefix.as_ref());
        let nodes = self.nodes().await?.into_iter().filter(|path| {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            parent == prefix
        });
        Ok(ListResult {
            common_prefixes: nodes.map(|path| Path::from(path.as_str())).collect(),
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

/// A snapshot as a place where a Zarr cube is.
pub(super) fn as_cube(session: Session, location: &Location, options: &Options) -> Location {
    Location {
        store: Arc::new(SnapshotObjects::new(session, location.clone(), options)),
        path: Path::default(),
        url: location.url.clone(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_chunks() {
        let cases: [(&str, Option<(&str, &[u32])>); 9] = [
            ("sst/c/0/12", Some(("sst", &[0, 12]))),
            ("group/sst/c/3", Some(("group/sst", &[3]))),
            ("crs/c", Some(("crs", &[]))),
            ("c/c/1", Some(("c", &[1]))),
            ("c/0", Some(("", &[0]))),
            ("sst/c.0.1", None),
            ("sst/0/1", None),
            ("sst/.zarray", None),
            ("0/1", None),
        ];
        for (key, expected) in cases {
            let expected = expected.map(|(array, index)| ChunkKey {
                array,
                index: index.to_vec(),
            });
            assert_eq!(ChunkKey::of(key), expected, "{key}");
        }
    }
}
