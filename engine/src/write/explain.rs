//! What a plan of writing shows in `EXPLAIN`: the target, then the query of its middle box.

use datafusion::common::Result;
use datafusion::physical_plan::displayable;

use super::boxes::query_of_box;
use super::plan::WritePlan;
use super::scanned::BlockScan;
use crate::bytes::format_bytes;
use crate::options::CubeOptions;

impl WritePlan {
    /// Rows of a kind of plan and its text.
    ///
    /// # Errors
    /// The query of a box cannot be planned.
    pub(crate) async fn explain(&self) -> Result<Vec<(String, String)>> {
        let ranges = self.boxes.ranges(self.boxes.middle());
        let mut rows = vec![("cube".to_string(), self.describe())];
        for layer in &self.draft.layers {
            let query = query_of_box(&layer.query, &self.draft.dimensions, &ranges)?;
            let physical = self.draft.state.create_physical_plan(&query).await?;
            let options = CubeOptions::of(self.draft.state.config_options());
            let as_blocks = BlockScan::of(&physical, self.draft.dimensions.len(), &options)?;
            let place = match as_blocks {
                Ok(_) => "place as blocks".to_string(),
                Err(reason) => format!("place as rows because: {reason}"),
            };
            let text = displayable(physical.as_ref()).indent(false).to_string();
            rows.push((
                "physical_plan of a box".to_string(),
                format!("{place}\n{}", text.trim_end()),
            ));
        }
        Ok(rows)
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self
            .draft
            .dimensions
            .iter()
            .map(|dimension| dimension.name.as_str())
            .collect();
        let lengths: Vec<u64> = self
            .draft
            .dimensions
            .iter()
            .map(|dimension| dimension.coordinates.len() as u64)
            .collect();
        let mut lines = vec![
            format!(
                "WriteCube: {}, {}",
                self.draft.target.name,
                self.draft.target.sink.name().to_lowercase()
            ),
            format!("  grid: {}", along(&names, &lengths)),
        ];
        let mut decoded = 0;
        let partial = self.draft.partial.iter().map(|partial| &partial.variable);
        for variable in self.draft.variables.iter().chain(partial) {
            let array = &self.draft.cube.arrays[variable.array];
            let names: Vec<&str> = array.dimensions.iter().map(String::as_str).collect();
            let along = |lengths: &[u64]| along(&names, lengths);
            let objects: u64 = array.object_counts().iter().product();
            let chunks: u64 = array
                .shape
                .iter()
                .zip(&array.chunks)
                .map(|(length, chunk)| length.div_ceil(*chunk))
                .product();
            let width = array.data_type.primitive_width().unwrap_or(1) as u64;
            decoded += array.shape.iter().product::<u64>() * width;
            let shards = match &array.shards {
                Some(shards) => format!(", {objects} shards of {}", along(shards)),
                None => String::new(),
            };
            lines.push(format!(
                "  {}: {}, {chunks} chunks of {}{shards}, codec={}",
                array.name,
                array.data_type.to_string().to_lowercase(),
                along(&array.chunks),
                array.codec.as_deref().unwrap_or("default"),
            ));
        }
        lines.push(format!(
            "  boxes: {} of {}, {} at a time, {} each",
            self.boxes.count(),
            along(&names, &self.boxes.shape),
            self.workers
                .min(usize::try_from(self.boxes.count()).unwrap_or(usize::MAX)),
            format_bytes(self.box_bytes()),
        ));
        lines.push(format!(
            "  reads: {} chunks, {} decoded; writes: {} before compression",
            self.read.chunks,
            format_bytes(self.read.bytes),
            format_bytes(decoded),
        ));
        lines.join("\n")
    }

    /// Memory for the cells of a box.
    fn box_bytes(&self) -> u64 {
        self.boxes.largest() * self.bytes_per_cell()
    }
}

/// `time=8, lat=256`
fn along(names: &[&str], lengths: &[u64]) -> String {
    let along = names.iter().zip(lengths);
    let along: Vec<String> = along
        .map(|(name, length)| format!("{name}={length}"))
        .collect();
    along.join(", ")
}
