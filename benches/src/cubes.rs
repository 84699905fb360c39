//! The cubes that are measured: one on disk, and synthetic ones of any size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use graticule_engine::cache::BlockCache;
use graticule_engine::cube::Cube;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::cube::conventions::interpret;
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use graticule_engine::source::{
    ArrayDescription, ArrayReader, Attributes, EncodedChunk, Group, Options, RawChunk,
};

/// A session with the cube as table `cube`, and no cache, so that every run decodes.
pub(crate) fn session(cube: &Arc<Cube>, threads: usize) -> Result<SessionContext> {
    let mut options = CubeOptions::default();
    options.cache = false;
    let config = SessionConfig::new()
        .with_option_extension(options)
        .with_target_partitions(threads)
        .with_batch_size(32_768);
    let context = SessionContext::new_with_state(
        SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .build(),
    );
    let table = CubeTable::new(Arc::clone(cube), Arc::new(BlockCache::new(0, None)));
    context.register_table("cube", Arc::new(table))?;
    Ok(context)
}

/// Opens a cube on disk.
pub(crate) async fn open(path: &str) -> CubeResult<Arc<Cube>> {
    let stores = graticule_connectors::store_connectors();
    let file = stores.iter().find(|store| store.kinds().contains(&"file"));
    let format = graticule_connectors::formats()
        .into_iter()
        .find(|format| format.name() == "ZARR");
    let (Some(file), Some(format)) = (file, format) else {
        return Err(CubeError::unsupported(
            path,
            "this build reads no Zarr files",
        ));
    };
    let location = file.connect(path, &Options::new())?;
    let groups = format.open(&location, &Options::new()).await?;
    let Some(root) = groups.first() else {
        return Err(CubeError::not_found(path, "the cube holds no array"));
    };
    let cubes = interpret(root, "cube", &Options::new()).await?;
    cubes
        .into_iter()
        .next()
        .map(Arc::new)
        .ok_or_else(|| CubeError::not_found(path, "the cube holds no variable"))
}

/// An array that counts how often it is asked for a chunk, and never has one.
#[derive(Debug)]
struct Counted {
    description: ArrayDescription,
    fetches: Arc<AtomicU64>,
}

#[async_trait]
impl ArrayReader for Counted {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, _index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        self.fetches.fetch_add(1, Relaxed);
        Ok(None)
    }

    fn decode(&self, _index: &[u64], _chunk: EncodedChunk) -> CubeResult<RawChunk> {
        Err(CubeError::unsupported(
            "synthetic cube",
            "it stores no chunk",
        ))
    }
}

/// A cube of `side`³ chunks of 4³ cells; returns it with the counter of its fetches.
pub(crate) async fn synthetic(side: u64) -> CubeResult<(Arc<Cube>, Arc<AtomicU64>)> {
    let fetches = Arc::new(AtomicU64::new(0));
    let length = side * 4;
    let names = ["z", "y", "x"];
    let mut arrays: Vec<Arc<dyn ArrayReader>> = Vec::new();
    for name in names {
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values(
            (0..length).map(|cell| cell as f64),
        ));
        arrays.push(MemoryArray::new(name, &[name], &[length], values).shared());
    }
    arrays.push(Arc::new(Counted {
        description: ArrayDescription {
            name: "v".to_string(),
            dimensions: names.iter().map(ToString::to_string).collect(),
            shape: vec![length; 3],
            chunks: vec![AxisChunks::regular(length, 4); 3],
            data_type: DataType::Float32,
            fill_value: serde_json::json!(0.0),
            attributes: Attributes::new(),
            codecs: String::new(),
            shard_shape: None,
            stored_bytes: None,
        },
        fetches: Arc::clone(&fetches),
    }));
    let group = Group {
        path: String::new(),
        attributes: Attributes::new(),
        arrays,
        url: "synthetic".to_string(),
        format: "synthetic".to_string(),
        version: side.to_string(),
    };
    let cubes = interpret(&group, "cube", &Options::new()).await?;
    let cube = cubes.into_iter().next().map(Arc::new);
    cube.map(|cube| (cube, fetches))
        .ok_or_else(|| CubeError::not_found("synthetic", "no cube"))
}
