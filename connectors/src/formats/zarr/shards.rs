//! Shards: one object that holds many chunks, and an index that says where each of them is.
//!
//! ```text
//!  shard object   [ chunk ][ chunk ]…[ index: (offset, length) per chunk, C order ]
//!  fetch(chunk) ─▶ index of its shard (one request, kept) ─▶ range of the chunk (one request)
//! ```
//!
//! See the codec `sharding_indexed` of the Zarr v3 specification. Indexes are kept per array, up to
//! [`INDEX_CACHE_BYTES`]; when several readers need the same one, it is requested once.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::AsArray;
use arrow::datatypes::{DataType as ArrowType, UInt64Type};
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::ChunkVersion;
use object_store::GetRange;
use object_store::path::Path;
use serde_json::json;
use tokio::sync::OnceCell;

use super::codecs::Sharding;
use super::data_type::CellType;
use super::decoding::Decoder;
use super::objects::Objects;

/// Memory for the indexes of one array.
const INDEX_CACHE_BYTES: usize = 16 << 20;

/// The largest index of a shard, in bytes as stored.
const LARGEST_INDEX: u64 = 256 << 20;

/// Offset and length of a chunk that is not stored.
const ABSENT: u64 = u64::MAX;

/// Finds chunks in the shards of one array.
#[derive(Debug)]
pub(super) struct Shards {
    /// Chunks per shard, per dimension.
    chunks_per_shard: Vec<u64>,
    index_decoder: Decoder,
    index_at_start: bool,
    /// Bytes of an index as stored.
    index_bytes: u64,
    cache: Mutex<IndexCache>,
}

/// `None`: the shard is not stored.
type Index = Option<Arc<ShardIndex>>;

/// The places of the chunks in a shard.
#[derive(Debug)]
struct ShardIndex {
    /// Offset and length per chunk.
    places: Arc<dyn arrow::array::Array>,
    shard_bytes: u64,
}

#[derive(Debug, Default)]
struct IndexCache {
    indexes: HashMap<Vec<u64>, CachedIndex>,
    oldest_first: VecDeque<Vec<u64>>,
}

/// An index that was read, or is about to be.
#[derive(Debug, Default)]
struct CachedIndex {
    cell: Arc<OnceCell<Index>>,
    /// The version of its shard that was known before it was read.
    version: Option<ChunkVersion>,
}

/// A chunk of a shard: the bytes, and how many bytes were read to get them.
pub(super) type ShardChunk = (Option<Bytes>, u64);

impl Shards {
    /// Shards of `shard_shape` cells. The error is its cause in words.
    pub(super) fn new(sharding: &Sharding, shard_shape: &[u64]) -> Result<Self, String> {
        if sharding.chunk_shape.len() != shard_shape.len() {
            return Err("shards and their chunks differ in the number of dimensions".to_string());
        }
        let per_axis = |(shard, chunk): (&u64, &u64)| (shard % chunk == 0).then(|| shard / chunk);
        let chunks_per_shard: Option<Vec<u64>> = shard_shape
            .iter()
            .zip(&sharding.chunk_shape)
            .map(per_axis)
            .collect();
        let chunks_per_shard = chunks_per_shard
            .filter(|counts| counts.iter().all(|count| *count > 0))
            .ok_or_else(|| {
                format!(
                    "shards of {shard_shape:?} cells cannot be cut into chunks of {:?}",
                    sharding.chunk_shape
                )
            })?;
        let places = CellType::Number(ArrowType::UInt64);
        let index_decoder = Decoder::new(&places, &sharding.index_codecs, &json!(ABSENT))?;
        let mut shards = Self {
            chunks_per_shard,
            index_decoder,
            index_at_start: sharding.index_at_start,
            index_bytes: 0,
            cache: Mutex::default(),
        };
        let shape = shards.index_shape();
        shards.index_decoder.check_size(&shape)?;
        shards.index_bytes = shards
            .index_decoder
            .encoded_size(&shape)?
            .ok_or("the index of the shards is compressed, so its size is not known")?;
        if shards.index_bytes > LARGEST_INDEX {
            return Err(format!(
                "the index of a shard has {} bytes",
                shards.index_bytes
            ));
        }
        Ok(shards)
    }

    /// The shard that holds the chunk at `index`.
    pub(super) fn shard_of(&self, index: &[u64]) -> Vec<u64> {
        let axes = index.iter().zip(&self.chunks_per_shard);
        axes.map(|(chunk, count)| chunk / count).collect()
    }

    /// Reads the chunk at `index` from its shard, the object at `path`. `place` names it in errors.
    pub(super) async fn fetch(
        &self,
        index: &[u64],
        objects: &Objects,
        path: &Path,
        place: &str,
    ) -> CubeResult<ShardChunk> {
        let mut bytes_read = 0;
        let cell = self.cached(self.shard_of(index));
        let shard_index = cell
            .get_or_try_init(|| async {
                let (index, bytes) = self.read_index(objects, path, place).await?;
                bytes_read += bytes;
                CubeResult::Ok(index)
            })
            .await?;
        let Some(shard_index) = shard_index else {
            return Ok((None, bytes_read));
        };
        let Some(range) = self.range(index, shard_index, place)? else {
            return Ok((None, bytes_read));
        };
        if range.is_empty() {
            return Ok((Some(Bytes::new()), bytes_read));
        }
        let range = GetRange::Bounded(range);
        match objects.get(path, Some(range), place).await? {
            Some(fetched) => {
                bytes_read += fetched.bytes.len() as u64;
                Ok((Some(fetched.bytes), bytes_read))
            }
            None => Err(CubeError::new(
                ErrorKind::Unavailable,
                place,
                "the shard was removed while it was read",
            )
            .remedy("try again")),
        }
    }

    fn index_shape(&self) -> Vec<u64> {
        self.chunks_per_shard.iter().copied().chain([2]).collect()
    }

    async fn read_index(
        &self,
        objects: &Objects,
        path: &Path,
        place: &str,
    ) -> CubeResult<(Index, u64)> {
        let range = match self.index_at_start {
            true => GetRange::Bounded(0..self.index_bytes),
            false => GetRange::Suffix(self.index_bytes),
        };
        let Some(fetched) = objects.get(path, Some(range), place).await? else {
            return Ok((None, 0));
        };
        let decoded = match fetched.bytes.len() as u64 == self.index_bytes {
            true => self
                .index_decoder
                .decode(&fetched.bytes, &self.index_shape()),
            false => Err(format!("the shard has only {} bytes", fetched.bytes.len())),
        };
        let places = decoded.map_err(|cause| broken_index(place, &cause))?;
        let index = ShardIndex {
            places,
            shard_bytes: fetched.meta.size,
        };
        Ok((Some(Arc::new(index)), self.index_bytes))
    }

    /// Where the chunk at `index` is in its shard.
    fn range(
        &self,
        index: &[u64],
        shard: &ShardIndex,
        place: &str,
    ) -> CubeResult<Option<Range<u64>>> {
        let axes = index.iter().zip(&self.chunks_per_shard);
        let position = axes.fold(0, |position, (chunk, count)| {
            position * count + chunk % count
        });
        let places = shard.places.as_primitive::<UInt64Type>().values();
        let place_of = |field: u64| places.get((position * 2 + field) as usize).copied();
        let (Some(offset), Some(length)) = (place_of(0), place_of(1)) else {
            return Err(broken_index(place, "it has no entry for the chunk"));
        };
        if offset == ABSENT && length == ABSENT {
            return Ok(None);
        }
        match offset.checked_add(length) {
            Some(end) if end <= shard.shard_bytes => Ok(Some(offset..end)),
            _ => Err(broken_index(
                place,
                "the chunk would reach beyond the shard",
            )),
        }
    }

    /// The place in the cache for the index of `shard`, which may still have to be read.
    fn cached(&self, shard: Vec<u64>) -> Arc<OnceCell<Index>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache.indexes.get(&shard) {
            return Arc::clone(&cached.cell);
        }
        self.add(&mut cache, shard, None)
    }

    /// Forgets the index of `shard` unless it was read after this version of the shard was known.
    pub(super) fn expect(&self, shard: &[u64], version: &ChunkVersion) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.indexes.get_mut(shard);
        match cached {
            Some(cached) if cached.version.as_ref() == Some(version) => {}
            Some(cached) => {
                *cached = CachedIndex {
                    cell: Arc::default(),
                    version: Some(version.clone()),
                };
            }
            None => {
                self.add(&mut cache, shard.to_vec(), Some(version.clone()));
            }
        }
    }

    fn add(
        &self,
        cache: &mut IndexCache,
        shard: Vec<u64>,
        version: Option<ChunkVersion>,
    ) -> Arc<OnceCell<Index>> {
        let most = (INDEX_CACHE_BYTES / (self.index_bytes as usize).max(1)).max(4);
        while cache.oldest_first.len() >= most {
            if let Some(oldest) = cache.oldest_first.pop_front() {
                cache.indexes.remove(&oldest);
            }
        }
        let cached = CachedIndex {
            cell: Arc::default(),
            version,
        };
        let cell = Arc::clone(&cached.cell);
        cache.oldest_first.push_back(shard.clone());
        cache.indexes.insert(shard, cached);
        cell
    }
}

fn broken_index(place: &str, cause: &str) -> CubeError {
    CubeError::corrupt(place, format!("the index of the shard is wrong: {cause}"))
        .remedy("copy the shard again from its source")
}
