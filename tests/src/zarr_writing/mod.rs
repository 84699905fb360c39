//! Zarr as Graticule writes it: read by others and by ourselves, state after state, and broken off at
//! every step.
//!
//! ```text
//!  random cubes ─▶ ZarrSink ─▶ folder ─┬─▶ zarr-python, xarray, GDAL (oracle/zarr_written.py)
//!                                      └─▶ ZarrFormat
//! ```

mod others;
pub(crate) mod random;
mod states;

pub(crate) use others::{check_own, is_same, judge, stored};
pub(crate) use states::{cube as small_cube, in_memory};

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use arrow::compute::take;
use graticule_connectors::sinks;
use graticule_engine::error::CubeResult;
use graticule_engine::sink::{CubeSink, CubeWriter, TargetArray, TargetCube};
use graticule_engine::source::{Location, Options};
use libtest_mimic::Trial;

use crate::netcdf::location;
use crate::zarr::unravel;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = others::trials();
    trials.extend(states::trials());
    trials
}

/// A cube and the values of its arrays, in C order.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) cube: TargetCube,
    pub(crate) values: Vec<ArrayRef>,
}

/// The place of a cube in a folder of this machine.
pub(crate) fn local(folder: &Path) -> Location {
    Location {
        local: true,
        ..location(folder)
    }
}

/// The sink that writes Zarr.
pub(crate) fn sink() -> Arc<dyn CubeSink> {
    sink_of("ZARR")
}

/// The sink that writes a format.
pub(crate) fn sink_of(format: &str) -> Arc<dyn CubeSink> {
    sinks()
        .into_iter()
        .find(|sink| sink.name() == format)
        .unwrap()
}

pub(crate) fn options(pairs: &[(&str, &str)]) -> Options {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// The values of the shard at `index`, and its cells along each dimension.
fn shard(array: &TargetArray, values: &ArrayRef, index: &[u64]) -> (ArrayRef, Vec<usize>) {
    let sizes = array.object_shape();
    let start: Vec<u64> = index
        .iter()
        .zip(sizes)
        .map(|(at, size)| at * size)
        .collect();
    let axes = start.iter().zip(sizes).zip(&array.shape);
    let extent: Vec<u64> = axes
        .map(|((start, size), end)| (end - start).min(*size))
        .collect();
    let cell = |number: u64| {
        let cell = unravel(number, &extent);
        let cell = cell.iter().zip(&start).zip(&array.shape);
        cell.fold(0, |position, ((at, start), length)| {
            position * length + start + at
        })
    };
    let cells: UInt64Array = (0..extent.iter().product::<u64>()).map(cell).collect();
    let extent = extent.iter().map(|cells| *cells as usize).collect();
    (take(values, &cells, None).unwrap(), extent)
}

/// The numbers of all shards of an array.
pub(crate) fn shards(array: &TargetArray) -> Vec<Vec<u64>> {
    let counts = array.object_counts();
    (0..counts.iter().product())
        .map(|number| unravel(number, &counts))
        .collect()
}

/// Puts all shards of all arrays.
pub(crate) async fn put_all(writer: &dyn CubeWriter, filled: &Filled) -> CubeResult<()> {
    for (number, (array, values)) in filled.cube.arrays.iter().zip(&filled.values).enumerate() {
        for index in shards(array) {
            let (values, extent) = shard(array, values, &index);
            if let Some(bytes) = writer.encode(number, &index, &values, &extent)? {
                writer.put(number, &index, bytes).await?;
            }
        }
    }
    Ok(())
}

/// Writes a state of a cube of Zarr, from the beginning to the commit.
pub(crate) async fn write(
    location: &Location,
    filled: &Filled,
    pairs: &[(&str, &str)],
    over: Option<&str>,
) -> CubeResult<String> {
    write_as("ZARR", location, filled, pairs, over).await
}

/// Writes a state of a cube of a format, from the beginning to the commit.
pub(crate) async fn write_as(
    format: &str,
    location: &Location,
    filled: &Filled,
    pairs: &[(&str, &str)],
    over: Option<&str>,
) -> CubeResult<String> {
    let sink = sink_of(format);
    let options = options(pairs);
    sink.check(&filled.cube, &options)?;
    let writer = sink.open(location, &filled.cube, &options, over).await?;
    writer.discard().await?;
    put_all(writer.as_ref(), filled).await?;
    writer.commit().await
}

/// The same, and leaves no empty folder of notes beside it, as the engine does.
pub(crate) async fn write_and_clear(
    format: &str,
    location: &Location,
    filled: &Filled,
    pairs: &[(&str, &str)],
) -> CubeResult<String> {
    let version = write_as(format, location, filled, pairs, None).await?;
    sink_of(format).clear(location).await?;
    Ok(version)
}
