//! Cubes that are one file: [`FileSink`] writes the formats that describe themselves as a [`FileFormat`].
//!
//! ```text
//!  while the cube is made      sst.nc.graticule/objects/2/0.4.1     an encoded chunk of array 2
//!                                               build.json …        notes of the engine
//!  commit     sizes of all chunks ─ FilePlan::pieces ─▶ [ header ][ chunk ][ chunk ]…
//!             the pieces one behind the other, beside the file; then it takes the name `sst.nc`
//! ```
//! The size of every chunk is known before the first byte of the file is written, so that indexes stand in
//! front of what they point to and nothing is ever rewritten. What is in memory is the header and a chunk.
//!
//! A file is written once: another state of it is another file. It may hold others together, which stand in a
//! folder beside it (`maps.vrt`, `maps.steps/`): these come first, and only with it they are a cube.

use std::sync::Arc;

use arrow::array::ArrayRef;
use async_trait::async_trait;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::sink::{CubeSink, CubeWriter, StoredCube, TargetCube};
use graticule_engine::source::{Location, Options};
use object_store::path::Path;

use super::folder::{CubeFolder, Part, version_of};

/// What follows the name of a file in the name of the folder in which it is made.
const WORK: &str = ".graticule";

/// The folder of the chunks in it.
const OBJECTS: &str = "objects";

/// What the folder of the files that a file holds together has instead of its suffix.
const FILES: &str = ".steps";

/// What a file that was written here has in its first bytes, and others have not.
pub(crate) const MARK: &[u8] = b"Graticule";

/// Bytes at the beginning of a file among which the mark stands.
const MARKED: u64 = 64 << 10;

/// A chunk that was put, and its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredChunk {
    pub(crate) array: usize,
    pub(crate) index: Vec<u64>,
    pub(crate) size: u64,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Chunk(StoredChunk),
}

/// A format of which a cube is one file.
pub(crate) trait FileFormat: std::fmt::Debug + Send + Sync + 'static {
    /// See [`CubeSink::name`].
    fn name(&self) -> &'static str;

    /// See [`CubeSink::suffix`].
    fn suffix(&self) -> &'static str;

    /// See [`CubeSink::options`].
    fn options(&self) -> &'static [(&'static str, &'static str)];

    /// See [`CubeSink::tile_unit`].
    fn tile_unit(&self) -> Option<u64> {
        None
    }

    /// See [`CubeSink::keeps_dimensions`].
    fn keeps_dimensions(&self) -> bool {
        true
    }

    /// Does a file of it hold others together? Then it is not written over: readers would see some of both.
    fn has_files(&self) -> bool {
        false
    }

    /// How the cube becomes the file `name`.
    ///
    /// # Errors
    /// What [`CubeSink::check`] refuses.
    fn plan(
        &self,
        cube: &TargetCube,
        options: &Options,
        name: &str,
    ) -> CubeResult<Arc<dyn FilePlan>>;
}

/// How one cube becomes a file.
pub(crate) trait FilePlan: std::fmt::Debug + Send + Sync {
    /// See [`CubeWriter::encode`]. The error is its cause in words. `None` also for an array that the file has no
    /// place for.
    ///
    /// # Errors
    /// Values that are not the cells of the array's chunk, or a codec failed.
    fn encode(
        &self,
        array: usize,
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String>;

    /// The files that it holds together, by their names in the folder beside it.
    ///
    /// # Errors
    /// One of them would be larger than the format can be.
    fn files(&self, _chunks: &[StoredChunk]) -> CubeResult<Vec<(String, Vec<Piece>)>> {
        Ok(Vec::new())
    }

    /// The file, part by part, from the chunks that are stored: by array, and in C order of their indexes.
    /// The first piece has [`MARK`] among its bytes.
    ///
    /// # Errors
    /// The file would be larger than the format can be.
    fn pieces(&self, chunks: Vec<StoredChunk>) -> CubeResult<Vec<Piece>>;
}

/// Writes a format whose cubes are single files.
#[derive(Debug)]
pub(crate) struct FileSink<F>(pub(crate) F);

/// The folder in which the file at `location` is made: notes, and the folder of [`chunks_of`].
fn work(location: &Location) -> Location {
    Location {
        path: Path::from(format!("{}{WORK}", location.path)),
        url: format!("{}{WORK}", location.url),
        ..location.clone()
    }
}

/// The chunks of the file at `location`, while it is made.
fn chunks_of(location: &Location) -> CubeFolder {
    CubeFolder::new(&work(location).child(OBJECTS))
}

/// The name of the folder of the files that the file `name` holds together.
pub(crate) fn folder_of_files(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}{FILES}")
}

/// The folder of the files that the file at `location` holds together.
fn files_of(location: &Location) -> CubeResult<CubeFolder> {
    let (folder, name) = folder_and_name(location)?;
    let files = folder.location().child(&folder_of_files(&name));
    Ok(CubeFolder::new(&files))
}

/// The folder a file is in, and its name there.
fn folder_and_name(location: &Location) -> CubeResult<(CubeFolder, String)> {
    let mut parts: Vec<_> = location.path.parts().collect();
    let name = parts.pop();
    let name =
        name.ok_or_else(|| CubeError::invalid(&location.url, "this is no name of a file"))?;
    let url = location.url.trim_end_matches(name.as_ref());
    let folder = Location {
        path: parts.into_iter().collect(),
        url: url.trim_end_matches('/').to_string(),
        ..location.clone()
    };
    Ok((CubeFolder::new(&folder), name.as_ref().to_string()))
}

async fn version(location: &Location) -> CubeResult<Option<String>> {
    CubeFolder::new(location).check_is_folder(false)?;
    let (folder, name) = folder_and_name(location)?;
    Ok(folder.meta(&name).await?.as_ref().map(version_of))
}

#[async_trait]
impl<F: FileFormat> CubeSink for FileSink<F> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn suffix(&self) -> &'static str {
        self.0.suffix()
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        self.0.options()
    }

    fn has_shards(&self, _options: &Options) -> bool {
        false
    }

    fn tile_unit(&self) -> Option<u64> {
        self.0.tile_unit()
    }

    fn keeps_dimensions(&self) -> bool {
        self.0.keeps_dimensions()
    }

    fn check(&self, cube: &TargetCube, options: &Options) -> CubeResult<()> {
        self.0.plan(cube, options, "").map(|_| ())
    }

    async fn version(&self, location: &Location) -> CubeResult<Option<String>> {
        version(location).await
    }

    async fn stored(&self, location: &Location) -> CubeResult<Option<StoredCube>> {
        Err(
            CubeError::unsupported(&location.url, "a cube that is one file is written once")
                .remedy("make it anew: CREATE OR REPLACE TABLE … AS SELECT …; or keep a cube that changes as Zarr"),
        )
    }

    async fn open(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: Option<&str>,
    ) -> CubeResult<Arc<dyn CubeWriter>> {
        if !location.listable {
            return Err(CubeError::unsupported(
                &location.url,
                "a plain web server cannot be written to",
            )
            .remedy("write to a local folder, or to S3, Google Cloud Storage or Azure"));
        }
        let (_, name) = folder_and_name(location)?;
        let files = match self.0.has_files() {
            true => Some(files_of(location)?),
            false => None,
        };
        let writer = FileWriter {
            plan: self.0.plan(cube, options, &name)?,
            file: location.clone(),
            chunks: chunks_of(location),
            files,
            over: over.map(str::to_string),
        };
        writer.check_unchanged().await?;
        writer.check_files().await?;
        Ok(Arc::new(writer))
    }

    fn notes(&self, location: &Location) -> Location {
        work(location)
    }

    async fn remove(&self, location: &Location) -> CubeResult<()> {
        let (folder, name) = folder_and_name(location)?;
        if let Some(beginning) = folder.beginning(&name, MARKED).await? {
            let is_ours = beginning.windows(MARK.len()).any(|bytes| bytes == MARK);
            if !is_ours {
                return Err(CubeError::unsupported(
                    &location.url,
                    "the file was not written by Graticule, so it is not removed either",
                )
                .remedy("remove it yourself"));
            }
            folder.delete(vec![location.path.clone()]).await?;
            if self.0.has_files() {
                discard(&files_of(location)?).await?;
            }
        }
        let work = CubeFolder::new(&work(location));
        let left = work.list().await?;
        work.delete(left.into_iter().map(|object| object.location).collect())
            .await?;
        work.remove_folder().await
    }

    async fn sweep(&self, location: &Location) -> CubeResult<(u64, u64)> {
        let mut swept = discard(&chunks_of(location)).await?;
        if self.0.has_files() && version(location).await?.is_none() {
            let files = discard(&files_of(location)?).await?;
            swept = (swept.0 + files.0, swept.1 + files.1);
        }
        Ok(swept)
    }

    async fn clear(&self, location: &Location) -> CubeResult<()> {
        CubeFolder::new(&work(location))
            .remove_empty_folders()
            .await
    }

    fn cube_of_folder<'a>(&self, folder: &'a str) -> Option<&'a str> {
        folder.strip_suffix(WORK)?.strip_suffix(self.suffix())
    }
}

/// Removes all chunks; tells how many objects and bytes that were.
async fn discard(chunks: &CubeFolder) -> CubeResult<(u64, u64)> {
    let objects = chunks.list().await?;
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    let count = objects.len() as u64;
    let paths = objects.into_iter().map(|object| object.location);
    chunks.delete(paths.collect()).await?;
    let leftovers = chunks.remove_leftovers("").await?;
    chunks.remove_folder().await?;
    Ok((count + leftovers.0, bytes + leftovers.1))
}

/// Writes one file.
#[derive(Debug)]
struct FileWriter {
    plan: Arc<dyn FilePlan>,
    file: Location,
    chunks: CubeFolder,
    /// The folder of the files that it holds together.
    files: Option<CubeFolder>,
    /// The version of the file that was there before.
    over: Option<String>,
}

impl FileWriter {
    async fn check_unchanged(&self) -> CubeResult<()> {
        match version(&self.file).await? == self.over {
            true => Ok(()),
            false => Err(self.overtaken()),
        }
    }

    /// What stands beside the file must be of an earlier run of this statement, or be nothing.
    async fn check_files(&self) -> CubeResult<()> {
        let Some(files) = &self.files else {
            return Ok(());
        };
        if self.over.is_some() {
            let cause = "a file that holds others together is written once";
            return Err(CubeError::unsupported(&self.file.url, cause)
                .remedy("remove it and its files, or choose another name"));
        }
        let is_begun = CubeFolder::new(&work(&self.file)).has_any("").await?;
        match !is_begun && files.has_any("").await? {
            true => Err(CubeError::new(
                ErrorKind::Conflict,
                files.url(),
                "there are files in the folder already",
            )
            .remedy("remove it, or choose another name")),
            false => Ok(()),
        }
    }

    /// Makes the files that this one holds together.
    async fn write_files(&self, chunks: &[StoredChunk]) -> CubeResult<()> {
        let Some(folder) = &self.files else {
            return Ok(());
        };
        for (name, pieces) in self.plan.files(chunks)? {
            let there = folder.meta(&name).await?.as_ref().map(version_of);
            let parts = self.parts(pieces);
            let written = folder.assemble(&name, parts, there.as_deref()).await?;
            written.ok_or_else(|| self.overtaken())?;
        }
        Ok(())
    }

    fn parts(&self, pieces: Vec<Piece>) -> Vec<Part> {
        let pieces = pieces.into_iter().map(|piece| match piece {
            Piece::Bytes(bytes) => Part::Bytes(bytes),
            Piece::Chunk(chunk) => {
                let name = name_of(chunk.array, &chunk.index);
                Part::Object(self.chunks.location().child(&name))
            }
        });
        pieces.collect()
    }

    fn overtaken(&self) -> CubeError {
        let cause = "someone else has written the file since this statement began, and nothing of this statement was kept";
        CubeError::new(ErrorKind::Conflict, &self.file.url, cause).remedy("run the statement again")
    }

    /// All chunks that are stored, by array and in C order.
    async fn stored(&self) -> CubeResult<Vec<StoredChunk>> {
        let objects = self.chunks.list().await?;
        let chunks = objects.iter().filter_map(|object| {
            let (array, index) = self.chunks.name(&object.location).split_once('/')?;
            let index = index.split('.').map(|at| at.parse().ok());
            Some(StoredChunk {
                array: array.parse().ok()?,
                index: index.collect::<Option<_>>()?,
                size: object.size,
            })
        });
        let mut chunks: Vec<StoredChunk> = chunks.collect();
        chunks.sort_by(|one, other| (one.array, &one.index).cmp(&(other.array, &other.index)));
        Ok(chunks)
    }
}

/// Where a chunk waits. A scalar has the index 0.
fn name_of(array: usize, index: &[u64]) -> String {
    let index: Vec<String> = index.iter().map(u64::to_string).collect();
    match index.is_empty() {
        true => format!("{array}/0"),
        false => format!("{array}/{}", index.join(".")),
    }
}

#[async_trait]
impl CubeWriter for FileWriter {
    fn encode(
        &self,
        array: usize,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
    ) -> CubeResult<Option<Bytes>> {
        self.plan.encode(array, values, extent).map_err(|cause| {
            let place = format!("{}, array {array}, chunk {index:?}", self.file.url);
            CubeError::invalid(place, format!("the values cannot be encoded: {cause}"))
        })
    }

    async fn put(&self, array: usize, index: &[u64], bytes: Bytes) -> CubeResult<()> {
        let name = name_of(array, index);
        self.chunks.put_unsettled(&name, bytes).await
    }

    async fn settle(&self) -> CubeResult<()> {
        self.chunks.settle().await
    }

    async fn carry(&self, _array: usize, _from: &[u64], _to: &[u64]) -> CubeResult<()> {
        Err(CubeError::unsupported(
            &self.file.url,
            "a cube that is one file is written once",
        ))
    }

    async fn commit(&self) -> CubeResult<String> {
        let chunks = self.stored().await?;
        self.check_unchanged().await?;
        self.write_files(&chunks).await?;
        let parts = self.parts(self.plan.pieces(chunks)?);
        let (folder, name) = folder_and_name(&self.file)?;
        let published = folder.assemble(&name, parts, self.over.as_deref()).await?;
        let version = published.ok_or_else(|| self.overtaken())?;
        discard(&self.chunks).await?;
        Ok(version)
    }

    async fn discard(&self) -> CubeResult<()> {
        if let Some(files) = &self.files {
            discard(files).await?;
        }
        discard(&self.chunks).await.map(|_| ())
    }
}
