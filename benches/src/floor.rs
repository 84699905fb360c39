//! The floor of a question: fetching and decoding the chunks that it needs, and nothing else.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::{DataFusionError, Result};
use graticule_engine::cube::{Axis, AxisRole, Cube, Variable};
use graticule_engine::error::CubeResult;

use crate::questions::{Question, Region};

/// The chunks that a question cannot do without.
#[derive(Debug, Clone)]
pub(crate) struct Floor {
    chunks: Arc<[(Variable, Vec<u64>)]>,
}

impl Floor {
    /// # Errors
    /// The cube has no such variable.
    pub(crate) fn of(question: &Question, cube: &Cube) -> Result<Self> {
        let mut chunks = Vec::new();
        for name in question.variables {
            let found = cube
                .variables
                .iter()
                .find(|variable| variable.field.name() == name);
            let Some(variable) = found else {
                return Err(DataFusionError::Plan(format!(
                    "the cube has no variable {name}; the questions are about those that make_cube.py makes"
                )));
            };
            let mut indices = vec![Vec::new()];
            for (axis, along) in variable.axes.iter().zip(variable.chunks()) {
                let cells = cells(&cube.axes[*axis], question.region)?;
                let range = match cells.is_empty() {
                    true => 0..0,
                    false => along.index_of(cells.start)..along.index_of(cells.end - 1) + 1,
                };
                indices = indices
                    .iter()
                    .flat_map(|index: &Vec<u64>| {
                        range
                            .clone()
                            .map(|chunk| index.iter().copied().chain([chunk]).collect::<Vec<_>>())
                    })
                    .collect();
            }
            chunks.extend(indices.into_iter().map(|index| (variable.clone(), index)));
        }
        Ok(Self {
            chunks: chunks.into(),
        })
    }

    /// Fetches and decodes every chunk, as stored, on `threads` tasks; returns the seconds.
    pub(crate) async fn measure(&self, threads: usize) -> Result<f64> {
        let start = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let workers = (0..threads).map(|_| {
            let (chunks, next) = (Arc::clone(&self.chunks), Arc::clone(&next));
            tokio::task::spawn(async move {
                while let Some((variable, index)) = chunks.get(next.fetch_add(1, Relaxed)) {
                    if let Some(chunk) = variable.array.fetch(index).await? {
                        std::hint::black_box(variable.array.decode(index, chunk)?);
                    }
                }
                CubeResult::Ok(())
            })
        });
        for worker in futures::future::join_all(workers).await {
            worker.map_err(|error| DataFusionError::External(Box::new(error)))??;
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

/// The cells of an axis from the first to the last one in the region.
fn cells(axis: &Axis, region: Region) -> Result<Range<u64>> {
    let all = 0..axis.coordinates.len() as u64;
    let (low, high) = match (region, axis.role) {
        (Some([south, north, _, _]), AxisRole::Latitude) => (south, north),
        (Some([_, _, west, east]), AxisRole::Longitude) => (west, east),
        _ => return Ok(all),
    };
    let coordinates = cast(&axis.coordinates, &DataType::Float64)?;
    let inside = |value: &f64| (low..=high).contains(value);
    let values = coordinates.as_primitive::<Float64Type>().values();
    let first = values.iter().position(inside).unwrap_or(0) as u64;
    let last = values.iter().rposition(inside);
    Ok(first..last.map_or(first, |last| last as u64 + 1))
}
