//! One new snapshot of a cube: [`IcechunkWriter`].
//!
//! ```text
//!  .graticule/chunks             which names the chunks of this build have
//!  .graticule/carried/2/4.0-3.0  chunk 3.0 of array 2 in the snapshot before is chunk 4.0 of the new one
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::ArrayRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{CubeWriter, TargetArray, TargetCube};
use graticule_engine::source::Location;
use icechunk::Repository;
use icechunk::format::format_constants::SpecVersionBin;
use icechunk::format::manifest::{ChunkPayload, ChunkRef};
use icechunk::format::snapshot::{ArrayShape, DimensionName};
use icechunk::format::{CHUNKS_FILE_PATH, ChunkIndices, Path as NodePath};
use icechunk::session::{Session, SessionError, SessionErrorKind};
use object_store::ObjectStore;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::repository::{MAIN, failed, open, session};
use super::super::storage::{RepositoryStorage, is_repository};
use super::NOTES;
use super::chunks::{ChunkNames, MOST_ARRAYS, MOST_CHUNKS, index_of, number_of};
use crate::formats::zarr::writing::plain::PlainZarr;
use crate::stores::store_error;
use crate::writing::conflict::{changed, check_is_empty, exists};
use crate::writing::folder::CubeFolder;

/// Notes, below the repository.
const CHUNKS: &str = ".graticule/chunks";
const CARRIED: &str = ".graticule/carried";

/// Writes one snapshot of one cube.
#[derive(Debug)]
pub(super) struct IcechunkWriter {
    pub(super) zarr: PlainZarr,
    pub(super) cube: TargetCube,
    /// Of a repository that is made.
    pub(super) format_version: SpecVersionBin,
    pub(super) branch: String,
    pub(super) location: Location,
    pub(super) folder: CubeFolder,
    /// The snapshot that readers see until then.
    pub(super) over: Option<String>,
    /// The names of the chunks, once a note of them is known to be there.
    pub(super) names: Mutex<Option<ChunkNames>>,
}

/// Where the chunks of an array are: by their indexes.
type References = BTreeMap<Vec<u32>, ChunkPayload>;

/// Can all chunks of the cube have names?
pub(super) fn check(cube: &TargetCube) -> CubeResult<()> {
    if cube.arrays.len() as u64 > MOST_ARRAYS {
        let cause = format!("a cube of more than {MOST_ARRAYS} arrays");
        return Err(CubeError::unsupported(
            "",
            format!("{cause} cannot be written as ICECHUNK"),
        ));
    }
    for array in &cube.arrays {
        let counts = array.object_counts();
        let all = counts
            .iter()
            .try_fold(1_u64, |all, count| all.checked_mul(*count));
        let is_countable = all.is_some_and(|all| all <= MOST_CHUNKS)
            && counts.iter().all(|count| u32::try_from(*count).is_ok());
        if !is_countable {
            let place = format!("array {:?}", array.name);
            let cause = format!("{counts:?} chunks are more than can be counted");
            return Err(
                CubeError::unsupported(place, cause).remedy("choose larger chunks, or shards")
            );
        }
    }
    Ok(())
}

impl IcechunkWriter {
    /// May this build begin, where readers see the version `now`?
    pub(super) async fn check_can_begin(&self, now: Option<String>) -> CubeResult<()> {
        let place = &self.location.url;
        if !self.location.listable {
            return Err(
                CubeError::unsupported(place, "a plain web server cannot be written to")
                    .remedy("write to a local folder, or to S3, Google Cloud Storage or Azure"),
            );
        }
        match (&now, &self.over) {
            (None, None) if is_repository(&self.location).await? => Ok(()),
            (None, None) if self.branch != MAIN => {
                let cause = format!(
                    "there is no repository yet, and so no branch '{}'",
                    self.branch
                );
                Err(CubeError::not_found(place, cause)
                    .remedy("a new cube begins with the branch main"))
            }
            (None, None) => check_is_empty(&self.folder, NOTES).await,
            (Some(_), None) => Err(exists(place)),
            (now, over) if now == over => Ok(()),
            _ => Err(changed(place)),
        }
    }

    fn array(&self, number: usize) -> CubeResult<&TargetArray> {
        self.cube.arrays.get(number).ok_or_else(|| {
            let count = self.cube.arrays.len();
            let cause = format!("array number {number} is none of the {count} that are written");
            CubeError::invalid(&self.location.url, cause)
        })
    }

    /// The names of the chunks of this build: those that are noted, or new ones.
    async fn names(&self) -> CubeResult<ChunkNames> {
        let mut known = self.names.lock().await;
        if let Some(names) = *known {
            return Ok(names);
        }
        let noted = self.folder.get(CHUNKS).await?;
        let noted = noted.and_then(|(text, _)| ChunkNames::parse(&String::from_utf8_lossy(&text)));
        let names = match noted {
            Some(names) => names,
            None => {
                let mut names = ChunkNames::now();
                while !self.listed(names).await?.is_empty() {
                    names = names.later();
                }
                self.folder
                    .put(CHUNKS, Bytes::from(names.to_string()))
                    .await?;
                names
            }
        };
        *known = Some(names);
        Ok(names)
    }

    /// The chunks of a build that are stored: numbers of the array and of the chunk, and bytes.
    async fn listed(&self, names: ChunkNames) -> CubeResult<Vec<(usize, u64, u64)>> {
        let chunks = self.location.child(CHUNKS_FILE_PATH);
        // Only names that are greater than this one are listed.
        let offset = chunks.child(&names.beginning());
        let listing = chunks
            .store
            .list_with_offset(Some(&chunks.path), &offset.path);
        let objects: Vec<_> = listing
            .try_filter_map(|object| async move {
                let found = object
                    .location
                    .filename()
                    .and_then(|name| names.chunk(name));
                Ok(found.map(|(array, number)| (array, number, object.size)))
            })
            .try_collect()
            .await
            .map_err(|error| store_error(&chunks.url, &error))?;
        Ok(objects)
    }

    /// Where the chunks are that this build has stored, by the numbers of their arrays.
    async fn stored(&self) -> CubeResult<HashMap<usize, References>> {
        let names = self.names().await?;
        let mut stored: HashMap<usize, References> = HashMap::new();
        for (array, number, length) in self.listed(names).await? {
            let counts = self.array(array)?.object_counts();
            let Some(index) = index_of(number, &counts) else {
                continue;
            };
            let reference = ChunkPayload::Ref(ChunkRef {
                id: names.id(array, number),
                offset: 0,
                length,
            });
            stored.entry(array).or_default().insert(index, reference);
        }
        Ok(stored)
    }

    /// The chunks that are carried over: number of the array, index in the new snapshot and in the one before.
    async fn carried(&self) -> CubeResult<Vec<(usize, Vec<u32>, Vec<u32>)>> {
        let folder = CubeFolder::new(&self.location.child(CARRIED));
        let index = |text: &str| -> Option<Vec<u32>> {
            let along = text.split('.').filter(|at| !at.is_empty());
            along.map(|at| at.parse().ok()).collect()
        };
        let objects = folder.list().await?;
        let read = objects.iter().filter_map(|object| {
            let (array, name) = folder.name(&object.location).split_once('/')?;
            let (to, from) = name.split_once('-')?;
            Some((array.parse().ok()?, index(to)?, index(from)?))
        });
        Ok(read.collect())
    }

    /// Where all chunks of the new snapshot are.
    async fn references(&self, before: Option<&Session>) -> CubeResult<HashMap<usize, References>> {
        let mut references = self.stored().await?;
        let carried = self.carried().await?;
        let Some(before) = before else {
            return Ok(references);
        };
        for (array, to, from) in carried {
            let path = self.path(self.array(array)?)?;
            let found = before.get_chunk_ref(&path, &ChunkIndices(from)).await;
            let found = found.map_err(|error| self.failed(&error))?;
            // What was computed anew after a build was taken up again counts.
            if let Some(found) = found {
                let of_array = references.entry(array).or_default();
                of_array.entry(to).or_insert(found);
            }
        }
        Ok(references)
    }

    fn path(&self, array: &TargetArray) -> CubeResult<NodePath> {
        NodePath::new(&format!("/{}", array.name)).map_err(|error| {
            CubeError::invalid(format!("array {:?}", array.name), error)
                .remedy("give the column another name")
        })
    }

    fn failed(&self, error: &SessionError) -> CubeError {
        failed(&self.location.url, error)
    }

    fn overtaken(&self) -> CubeError {
        match self.over {
            Some(_) => changed(&self.location.url),
            None => exists(&self.location.url),
        }
    }

    /// The repository, which is made when it is not there.
    async fn repository(&self) -> CubeResult<Repository> {
        if !is_repository(&self.location).await? {
            let storage = Arc::new(RepositoryStorage::new(&self.location));
            let created = Repository::create(storage)
                .spec_version(self.format_version)
                .check_clean_root(false);
            let created = created.execute().await;
            created.map_err(|error| failed(&self.location.url, &error))?;
        }
        open(&self.location).await
    }

    /// What the new snapshot says of itself: the statement, as the history of the cube has it.
    fn message(&self) -> String {
        let history = self.cube.attributes.get("history").and_then(Value::as_str);
        let line = history.and_then(|history| history.lines().next());
        let statement = line.and_then(|line| Some(line.split_once(": ")?.1));
        statement.unwrap_or("written by Graticule").to_string()
    }

    /// Puts everything into a session: first all that was there is gone.
    async fn fill(
        &self,
        session: &mut Session,
        references: HashMap<usize, References>,
    ) -> CubeResult<()> {
        let failed = |error: SessionError| self.failed(&error);
        let documents = self.zarr.documents(&self.cube);
        session.clear().await.map_err(failed)?;
        let root = self.bytes(&documents.group)?;
        session
            .add_group(NodePath::root(), root)
            .await
            .map_err(failed)?;
        let mut references = references;
        for (number, (array, document)) in
            self.cube.arrays.iter().zip(&documents.arrays).enumerate()
        {
            let (path, shape) = (self.path(array)?, self.shape(array)?);
            let document = self.bytes(document)?;
            session
                .add_array(path.clone(), shape, Some(names(array)), document)
                .await
                .map_err(failed)?;
            for (index, reference) in references.remove(&number).unwrap_or_default() {
                session
                    .set_chunk_ref(path.clone(), ChunkIndices(index), Some(reference))
                    .await
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    fn bytes(&self, document: &Value) -> CubeResult<Bytes> {
        let bytes = serde_json::to_vec_pretty(document);
        bytes
            .map(Bytes::from)
            .map_err(|error| CubeError::invalid(&self.location.url, error))
    }

    fn shape(&self, array: &TargetArray) -> CubeResult<ArrayShape> {
        let counts = array.object_counts();
        let along = array.shape.iter().zip(&counts);
        let along =
            along.map(|(length, count)| (*length, u32::try_from(*count).unwrap_or(u32::MAX)));
        ArrayShape::new(along).ok_or_else(|| {
            let cause = format!("the shape of {} is wrong", array.name);
            CubeError::invalid(&self.location.url, cause)
        })
    }

    /// Commits a snapshot with other attributes; the chunks are those of the snapshot before.
    pub(super) async fn describe(&self) -> CubeResult<String> {
        let failed = |error: SessionError| self.failed(&error);
        let (_, mut changes) = self.begin().await?;
        let documents = self.zarr.documents(&self.cube);
        let root = self.bytes(&documents.group)?;
        changes
            .update_group(&NodePath::root(), root)
            .await
            .map_err(failed)?;
        for (array, document) in self.cube.arrays.iter().zip(&documents.arrays) {
            let (path, shape) = (self.path(array)?, self.shape(array)?);
            let document = self.bytes(document)?;
            changes
                .update_array(&path, shape, Some(names(array)), document)
                .await
                .map_err(failed)?;
        }
        self.finish(changes).await
    }

    /// The repository, and a session in which its branch is changed, if it is where it was when this writer was opened.
    async fn begin(&self) -> CubeResult<(Repository, Session)> {
        let repository = self.repository().await?;
        let changes = repository.writable_session(&self.branch).await;
        let changes = changes.map_err(|error| failed(&self.location.url, &error))?;
        if let Some(over) = &self.over
            && changes.snapshot_id().to_string() != *over
        {
            return Err(self.overtaken());
        }
        Ok((repository, changes))
    }

    /// Makes the changes a snapshot. Gives its name.
    async fn finish(&self, mut changes: Session) -> CubeResult<String> {
        let properties = BTreeMap::from([(
            "program".to_string(),
            json!(format!("Graticule {}", env!("CARGO_PKG_VERSION"))),
        )]);
        let committed = changes
            .commit(self.message())
            .properties(properties)
            .execute()
            .await;
        let snapshot = committed.map_err(|error| match error.kind {
            SessionErrorKind::Conflict { .. } => self.overtaken(),
            _ => self.failed(&error),
        })?;
        Ok(snapshot.to_string())
    }
}

fn names(array: &TargetArray) -> Vec<DimensionName> {
    let names = array.dimensions.iter();
    names
        .map(|name| DimensionName::Name(name.clone()))
        .collect()
}

#[async_trait]
impl CubeWriter for IcechunkWriter {
    fn encode(
        &self,
        array: usize,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
    ) -> CubeResult<Option<Bytes>> {
        let name = &self.array(array)?.name;
        self.zarr
            .encode(array, index, values, extent)
            .map_err(|cause| {
                let place = format!("{}/{name}, chunk {index:?}", self.location.url);
                CubeError::invalid(place, format!("the values cannot be encoded: {cause}"))
            })
    }

    async fn put(&self, array: usize, index: &[u64], bytes: Bytes) -> CubeResult<()> {
        let number = number_of(index, &self.array(array)?.object_counts());
        let id = self.names().await?.id(array, number);
        self.folder
            .put_unsettled(&format!("{CHUNKS_FILE_PATH}/{id}"), bytes)
            .await
    }

    async fn settle(&self) -> CubeResult<()> {
        self.folder.settle().await
    }

    async fn carry(&self, array: usize, from: &[u64], to: &[u64]) -> CubeResult<()> {
        let index = |index: &[u64]| {
            let index: Vec<String> = index.iter().map(u64::to_string).collect();
            index.join(".")
        };
        let note = format!("{CARRIED}/{array}/{}-{}", index(to), index(from));
        self.folder.put(&note, Bytes::new()).await
    }

    async fn commit(&self) -> CubeResult<String> {
        self.folder.settle().await?;
        let (repository, mut changes) = self.begin().await?;
        let before = match &self.over {
            None => None,
            Some(_) => Some(session(&repository, &self.location, changes.snapshot_id()).await?),
        };
        if before.is_none()
            && super::has_arrays(&repository, &self.location, changes.snapshot_id()).await?
        {
            return Err(self.overtaken());
        }
        let references = self.references(before.as_ref()).await?;
        self.fill(&mut changes, references).await?;
        let snapshot = self.finish(changes).await?;
        // The snapshot is there: notes that stay are those of a build that is not continued.
        let _ = forget(&self.location).await;
        Ok(snapshot)
    }

    /// What was put is left to [`CubeSink::sweep`](graticule_engine::sink::CubeSink::sweep): whether a snapshot
    /// refers to it is known only to who looks at all of them.
    async fn discard(&self) -> CubeResult<()> {
        let mut known = self.names.lock().await;
        *known = None;
        forget(&self.location).await
    }
}

/// Removes the notes about the build of a repository, so that the next chunks have other names.
pub(super) async fn forget(location: &Location) -> CubeResult<()> {
    let carried = CubeFolder::new(&location.child(CARRIED));
    let objects = carried.list().await?;
    let mut paths: Vec<_> = objects.into_iter().map(|object| object.location).collect();
    paths.push(location.child(CHUNKS).path);
    carried.delete(paths).await?;
    carried.remove_folder().await
}
