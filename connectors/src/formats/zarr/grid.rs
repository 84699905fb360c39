//! How an array is cut into the chunks that are stored: the chunk grids of Zarr.
//!
//! Regular grids store every chunk in full, so a chunk at an edge is padded. Rectilinear grids (and
//! their predecessor, rectangular) list the size of every chunk along an axis.

use std::sync::Arc;

use graticule_engine::cube::chunks::AxisChunks;
use serde_json::Value;

/// No axis may list more chunks than this one by one.
const MOST_LISTED_CHUNKS: u64 = 10_000_000;

/// The chunks of an array, axis by axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    axes: Vec<AxisGrid>,
}

#[derive(Debug, Clone, PartialEq)]
struct AxisGrid {
    length: u64,
    stored: Stored,
}

/// Cells of the stored chunks along one axis.
#[derive(Debug, Clone, PartialEq)]
enum Stored {
    /// All the same, the last one padded.
    Same(u64),
    /// All the same, the last one cut at the end of the array.
    Bounded(u64),
    /// One by one. The last one may reach beyond the end of the array.
    Listed(Vec<u64>),
}

impl Grid {
    /// Chunks of `chunk_shape` on an array of `shape`; the last ones are padded.
    pub(super) fn regular(shape: &[u64], chunk_shape: &[u64]) -> Result<Self, String> {
        let sizes = chunk_shape.iter().map(|size| Ok(Stored::Same(*size)));
        Self::new(shape, sizes)
    }

    /// Reads the `chunk_grid` of Zarr v3. The error is its cause in words.
    pub(super) fn of_v3(shape: &[u64], chunk_grid: &Value) -> Result<Self, String> {
        let name = chunk_grid.get("name").and_then(Value::as_str).unwrap_or("");
        let key = match name {
            "regular" | "zarrs.regular_bounded" | "rectangular" => "chunk_shape",
            "rectilinear" => "chunk_shapes",
            _ => return Err(format!("the chunk grid {name:?} is not known")),
        };
        let sizes = chunk_grid
            .get("configuration")
            .and_then(|configuration| configuration.get(key)?.as_array())
            .ok_or_else(|| format!("the chunk grid has no list {key:?}"))?;
        let sizes = sizes.iter().map(|axis| match (name, axis.as_u64()) {
            ("zarrs.regular_bounded", Some(size)) => Ok(Stored::Bounded(size)),
            (_, Some(size)) => Ok(Stored::Same(size)),
            ("rectangular" | "rectilinear", None) => Ok(Stored::Listed(listed(axis)?)),
            _ => Err(format!("the chunk size {axis} is not a positive number")),
        });
        Self::new(shape, sizes)
    }

    fn new(
        shape: &[u64],
        stored: impl ExactSizeIterator<Item = Result<Stored, String>>,
    ) -> Result<Self, String> {
        if stored.len() != shape.len() {
            return Err(format!(
                "the array has {} dimensions, its chunks have {}",
                shape.len(),
                stored.len()
            ));
        }
        let axes = shape.iter().zip(stored).map(|(length, stored)| {
            let axis = AxisGrid {
                length: *length,
                stored: stored?,
            };
            axis.check()?;
            Ok(axis)
        });
        Ok(Self {
            axes: axes.collect::<Result<_, String>>()?,
        })
    }

    /// The chunks as the engine sees them, cut at the end of the array.
    pub(super) fn chunks(&self) -> Vec<AxisChunks> {
        self.axes.iter().map(AxisGrid::chunks).collect()
    }

    /// The chunk shape, where all chunks have the same.
    pub(super) fn uniform_shape(&self) -> Option<Vec<u64>> {
        let size = |axis: &AxisGrid| match axis.stored {
            Stored::Same(size) => Some(size),
            _ => None,
        };
        self.axes.iter().map(size).collect()
    }

    /// The shape of the chunk at `index` as it is stored. `None` where there is no such chunk.
    pub(super) fn stored_shape(&self, index: &[u64]) -> Option<Vec<u64>> {
        if index.len() != self.axes.len() {
            return None;
        }
        let sizes = index.iter().zip(&self.axes);
        sizes
            .map(|(index, axis)| axis.stored_size(*index))
            .collect()
    }
}

impl AxisGrid {
    fn check(&self) -> Result<(), String> {
        match &self.stored {
            Stored::Same(0) | Stored::Bounded(0) => Err("a chunk size is 0".to_string()),
            Stored::Same(_) | Stored::Bounded(_) => Ok(()),
            Stored::Listed(sizes) => {
                let mut covered = 0_u64;
                for (position, size) in sizes.iter().enumerate() {
                    if *size == 0 {
                        return Err("a chunk size is 0".to_string());
                    }
                    if position > 0 && covered >= self.length {
                        return Err(format!(
                            "the chunks reach beyond the {} cells of their axis",
                            self.length
                        ));
                    }
                    covered = covered
                        .checked_add(*size)
                        .ok_or("the chunks of an axis are too long")?;
                }
                if covered < self.length {
                    return Err(format!(
                        "the chunks cover {covered} of the {} cells of their axis",
                        self.length
                    ));
                }
                Ok(())
            }
        }
    }

    fn chunks(&self) -> AxisChunks {
        match &self.stored {
            Stored::Same(size) | Stored::Bounded(size) => AxisChunks::regular(self.length, *size),
            Stored::Listed(sizes) => {
                let ends = sizes.iter().scan(0, |end, size| {
                    *end += size;
                    Some((*end).min(self.length))
                });
                let bounds: Arc<[u64]> = std::iter::once(0).chain(ends).collect();
                AxisChunks::Irregular { bounds }
            }
        }
    }

    fn stored_size(&self, index: u64) -> Option<u64> {
        match &self.stored {
            Stored::Same(size) => (index < self.length.div_ceil(*size)).then_some(*size),
            Stored::Bounded(size) => {
                let start = index.checked_mul(*size)?;
                (start < self.length).then(|| (*size).min(self.length - start))
            }
            Stored::Listed(sizes) => sizes.get(usize::try_from(index).ok()?).copied(),
        }
    }
}

/// Chunk sizes one by one; `[size, count]` stands for `count` chunks of `size`.
fn listed(axis: &Value) -> Result<Vec<u64>, String> {
    let wrong = || format!("the chunk sizes {axis} are not a list of positive numbers");
    let mut sizes = Vec::new();
    for entry in axis.as_array().ok_or_else(wrong)? {
        let (size, count) = match (entry.as_u64(), entry.as_array().map(Vec::as_slice)) {
            (Some(size), _) => (size, 1),
            (None, Some([size, count])) => (
                size.as_u64().ok_or_else(wrong)?,
                count.as_u64().ok_or_else(wrong)?,
            ),
            _ => return Err(wrong()),
        };
        if count > MOST_LISTED_CHUNKS - (sizes.len() as u64).min(MOST_LISTED_CHUNKS) {
            return Err(format!("an axis has more than {MOST_LISTED_CHUNKS} chunks"));
        }
        sizes.extend(std::iter::repeat_n(size, count as usize));
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn grids_give_bounds_and_stored_shapes() {
        // grid, chunk sizes as the engine sees them, sizes as stored
        let cases = [
            (
                json!({"name": "regular", "configuration": {"chunk_shape": [4]}}),
                vec![4, 4, 2],
                vec![4, 4, 4],
            ),
            (
                json!({"name": "zarrs.regular_bounded", "configuration": {"chunk_shape": [4]}}),
                vec![4, 4, 2],
                vec![4, 4, 2],
            ),
            (
                json!({"name": "rectangular", "configuration": {"chunk_shape": [[3, 7]]}}),
                vec![3, 7],
                vec![3, 7],
            ),
            (
                json!({"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[1, [4, 2], 3]]}}),
                vec![1, 4, 4, 1],
                vec![1, 4, 4, 3],
            ),
        ];
        for (grid, seen, stored) in cases {
            let grid = Grid::of_v3(&[10], &grid).unwrap();
            let chunks = &grid.chunks()[0];
            let sizes: Vec<u64> = (0..chunks.count())
                .map(|index| chunks.range(index).end - chunks.range(index).start)
                .collect();
            assert_eq!(sizes, seen, "{grid:?}");
            let sizes: Vec<u64> = (0..chunks.count())
                .map(|index| grid.stored_shape(&[index]).unwrap()[0])
                .collect();
            assert_eq!(sizes, stored, "{grid:?}");
            assert_eq!(grid.stored_shape(&[chunks.count()]), None);
        }
    }

    #[test]
    fn impossible_grids_are_errors() {
        let cases = [
            json!({"name": "regular", "configuration": {"chunk_shape": [0]}}),
            json!({"name": "regular", "configuration": {"chunk_shape": [-1]}}),
            json!({"name": "regular", "configuration": {"chunk_shape": [2, 2]}}),
            json!({"name": "regular", "configuration": {}}),
            json!({"name": "hexagonal", "configuration": {"chunk_shape": [2]}}),
            json!({"name": "rectilinear", "configuration": {"chunk_shapes": [[3, 3]]}}),
            json!({"name": "rectilinear", "configuration": {"chunk_shapes": [[[1, 1_000_000_000_000_000_u64]]]}}),
            json!({"name": "rectilinear", "configuration": {"chunk_shapes": [[u64::MAX, u64::MAX]]}}),
            json!({"name": "rectilinear", "configuration": {"chunk_shapes": [[10, 1]]}}),
            json!(null),
        ];
        for grid in cases {
            assert!(Grid::of_v3(&[10], &grid).is_err(), "{grid}");
        }
    }
}
