//! One new state of a cube: [`ZarrWriter`].
//!
//! ```text
//!  put, carry   objects of other names than those that readers see
//!  commit       a new cube     sst/zarr.json …, then zarr.json, if there is none by now
//!               a new state    zarr.json, if it is still the old one, then sst/zarr.json …
//! ```
//!
//! Readers of consolidated metadata read `zarr.json` alone, so that they see the old state or the new
//! one. When a commit is broken off after it, the next `open` or `sweep` completes it.

use std::hash::{BuildHasher, Hasher, RandomState};

use arrow::array::ArrayRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{CubeWriter, TargetCube};
use graticule_engine::source::Location;
use serde_json::Value;

use super::super::NOTES;
use super::ZarrVersion;
use super::encoder::ArrayEncoder;
use super::keys::ChunkKeys;
use super::metadata::{Document, array_v3, documents_v2, group_v3, stores_all_in_v2};
use super::removal::remove_unseen;
use super::state::{CONCURRENT_REQUESTS, VisibleArray, VisibleState, bytes_of};
use crate::writing::conflict::{changed, check_is_empty, exists};
use crate::writing::folder::{CubeFolder, version_of};

/// Writes one state of one cube.
#[derive(Debug)]
pub(crate) struct ZarrWriter {
    folder: CubeFolder,
    arrays: Vec<WrittenArray>,
    /// Metadata of the arrays, and of a group of Zarr v2 what is not consolidated.
    documents: Vec<Document>,
    /// The object that makes the state visible.
    root: (&'static str, Bytes),
    /// What readers see until then.
    over: Option<VisibleState>,
}

/// What becomes of the objects of the state before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objects {
    /// Others take their places.
    Replaced,
    /// They stay, and so do their names: only what is said of them changes.
    Stay,
}

#[derive(Debug)]
struct WrittenArray {
    name: String,
    encoder: ArrayEncoder,
    keys: ChunkKeys,
    stores_all: bool,
    /// The array of this name that readers see.
    before: Option<VisibleArray>,
}

impl ZarrWriter {
    /// A writer of `cube`, whose arrays the `encoders` encode, over the version `over`.
    pub(super) async fn open(
        location: &Location,
        cube: &TargetCube,
        version: ZarrVersion,
        encoders: Vec<ArrayEncoder>,
        over: Option<&str>,
        objects: Objects,
    ) -> CubeResult<Self> {
        let place = &location.url;
        if !location.listable {
            return Err(
                CubeError::unsupported(place, "a plain web server cannot be written to")
                    .remedy("write to a local folder, or to S3, Google Cloud Storage or Azure"),
            );
        }
        let folder = CubeFolder::new(location);
        let visible = VisibleState::read(&folder).await?;
        match (&visible, over) {
            (None, None) => check_is_free(&folder).await?,
            (Some(_), None) => return Err(exists(place)),
            (Some(visible), Some(over)) if visible.version() == over => {
                if version == ZarrVersion::V2 {
                    return Err(cannot_change_v2(place));
                }
                visible.finish(&folder).await?;
            }
            _ => return Err(changed(place)),
        }
        let mut arrays = Vec::new();
        for (array, encoder) in cube.arrays.iter().zip(encoders) {
            let before = match &visible {
                Some(visible) => visible.array(&array.name, place)?,
                None => None,
            };
            let rank = array.shape.len();
            arrays.push(WrittenArray {
                name: array.name.clone(),
                keys: match version {
                    ZarrVersion::V3 => keys(before.as_ref(), objects, rank, &array.name, place)?,
                    ZarrVersion::V2 => ChunkKeys::V2('.'),
                },
                stores_all: version == ZarrVersion::V2 && stores_all_in_v2(array),
                encoder,
                before,
            });
        }
        let (documents, root) = match version {
            ZarrVersion::V3 => documents_v3(cube, &arrays, place)?,
            ZarrVersion::V2 => {
                let encoders: Vec<&ArrayEncoder> =
                    arrays.iter().map(|array| &array.encoder).collect();
                let (documents, consolidated) = documents_v2(cube, &encoders);
                (documents, (".zmetadata", bytes_of(&consolidated, place)?))
            }
        };
        Ok(Self {
            folder,
            arrays,
            documents,
            root,
            over: visible,
        })
    }

    fn array(&self, number: usize) -> CubeResult<&WrittenArray> {
        self.arrays.get(number).ok_or_else(|| {
            let count = self.arrays.len();
            let cause = format!("array number {number} is none of the {count} that are written");
            CubeError::invalid(self.folder.url(), cause)
        })
    }

    async fn put_documents(&self) -> CubeResult<()> {
        self.put_those(|_| true).await
    }

    /// Stores the metadata of the arrays, so that each can be read by its own path before the cube is visible.
    ///
    /// # Errors
    /// The store failed, is full, or denied access.
    pub(crate) async fn describe_arrays(&self) -> CubeResult<()> {
        self.put_those(|name| name.contains('/')).await
    }

    async fn put_those(&self, is_wanted: impl Fn(&str) -> bool) -> CubeResult<()> {
        let documents = self.documents.iter();
        let documents = documents.filter(|(name, _)| is_wanted(name));
        let puts: Vec<_> = documents
            .map(|(name, document)| self.put_document(name, document))
            .collect();
        stream::iter(puts)
            .buffer_unordered(CONCURRENT_REQUESTS)
            .try_collect()
            .await
    }

    async fn put_document(&self, name: &str, document: &Value) -> CubeResult<()> {
        let bytes = bytes_of(document, self.folder.url())?;
        self.folder.put(name, bytes).await
    }

    /// Do readers still see what they saw when this writer was opened? Or what it has published?
    async fn check_unchanged(&self) -> CubeResult<()> {
        let (name, bytes) = &self.root;
        let now = VisibleState::root(&self.folder).await?;
        let version = now.as_ref().map(|(_, meta)| version_of(meta));
        if version == self.over.as_ref().map(VisibleState::version) {
            return Ok(());
        }
        match self.folder.get(name).await? {
            Some((found, _)) if found == *bytes => Ok(()),
            _ => Err(self.overtaken()),
        }
    }

    /// Makes the state visible, unless another one became so since this writer was opened.
    async fn publish(&self) -> CubeResult<String> {
        let (name, bytes) = &self.root;
        let before = self.over.as_ref().and_then(VisibleState::root_of_v3);
        let published = self.folder.publish(name, bytes.clone(), before).await?;
        published.ok_or_else(|| self.overtaken())
    }

    fn overtaken(&self) -> CubeError {
        match self.over {
            Some(_) => changed(self.folder.url()),
            None => exists(self.folder.url()),
        }
    }
}

/// Documents of the arrays, and the object that makes them visible.
fn documents_v3(
    cube: &TargetCube,
    arrays: &[WrittenArray],
    place: &str,
) -> CubeResult<(Vec<Document>, (&'static str, Bytes))> {
    let written = cube.arrays.iter().zip(arrays);
    let documents: Vec<(String, Value)> = written
        .map(|(array, written)| {
            let document = array_v3(array, &written.encoder, written.keys);
            (array.name.clone(), document)
        })
        .collect();
    let state = new_state();
    let root = group_v3(&cube.attributes, &documents, &state);
    let documents = documents.into_iter();
    let documents = documents.map(|(name, document)| (format!("{name}/zarr.json"), document));
    Ok((documents.collect(), ("zarr.json", bytes_of(&root, place)?)))
}

/// What tells a state from any other.
pub(super) fn new_state() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The keys of the array of this name that is `before`, or such that it did not have.
fn keys(
    before: Option<&VisibleArray>,
    objects: Objects,
    rank: usize,
    name: &str,
    place: &str,
) -> CubeResult<ChunkKeys> {
    let Some(before) = before else {
        return Ok(ChunkKeys::after(None, rank));
    };
    let keys = before.keys.ok_or_else(|| {
        let cause = format!("the objects of the array {name:?} have names that are not understood");
        CubeError::unsupported(place, cause).remedy("write to another place")
    })?;
    Ok(match objects {
        Objects::Stay => keys,
        Objects::Replaced => ChunkKeys::after(Some((keys, before.counts.len())), rank),
    })
}

/// A new cube must not be mixed with what is there already.
async fn check_is_free(folder: &CubeFolder) -> CubeResult<()> {
    match check_is_empty(folder, NOTES).await {
        // In this order: what somebody else begins meanwhile ends with a cube.
        Err(_) if VisibleState::root(folder).await?.is_some() => Err(exists(folder.url())),
        checked => checked,
    }
}

fn cannot_change_v2(place: &str) -> CubeError {
    CubeError::unsupported(
        place,
        "a cube of Zarr 2 cannot be written over: its one-dimensional arrays have only one name \
         for an object, so that readers would see old and new values mixed",
    )
    .remedy("drop the cube first, or write it as zarr_version = '3'")
}

#[async_trait]
impl CubeWriter for ZarrWriter {
    fn encode(
        &self,
        array: usize,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
    ) -> CubeResult<Option<Bytes>> {
        let array = self.array(array)?;
        let encoded = array
            .encoder
            .encode(index, values, extent, array.stores_all);
        encoded.map_err(|cause| {
            let key = array.keys.key(index);
            let place = format!("{}/{}, chunk {key}", self.folder.url(), array.name);
            CubeError::invalid(place, format!("the values cannot be encoded: {cause}"))
        })
    }

    async fn put(&self, array: usize, index: &[u64], bytes: Bytes) -> CubeResult<()> {
        let array = self.array(array)?;
        let name = format!("{}/{}", array.name, array.keys.key(index));
        self.folder.put_unsettled(&name, bytes).await
    }

    async fn settle(&self) -> CubeResult<()> {
        self.folder.settle().await
    }

    async fn carry(&self, array: usize, from: &[u64], to: &[u64]) -> CubeResult<()> {
        let array = self.array(array)?;
        let before = array.before.as_ref().and_then(|before| before.keys);
        let before = before.ok_or_else(|| {
            let cause = format!("there is no array {:?} to take objects from", array.name);
            CubeError::invalid(self.folder.url(), cause)
        })?;
        let from = format!("{}/{}", array.name, before.key(from));
        let to = format!("{}/{}", array.name, array.keys.key(to));
        self.folder.copy(&from, &to).await.map(|_| ())
    }

    async fn commit(&self) -> CubeResult<String> {
        self.check_unchanged().await?;
        match &self.over {
            None => {
                self.put_documents().await?;
                self.publish().await
            }
            Some(_) => {
                let version = self.publish().await?;
                self.put_documents().await?;
                Ok(version)
            }
        }
    }

    async fn discard(&self) -> CubeResult<()> {
        let visible = VisibleState::read(&self.folder).await?;
        remove_unseen(&self.folder, visible.as_ref())
            .await
            .map(|_| ())
    }
}
