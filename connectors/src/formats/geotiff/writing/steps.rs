//! One GeoTIFF per step, held together by a document of GDAL: [`StepsFile`].
//!
//! ```text
//!  maps.vrt    <VRTDataset> band 1 ─▶ maps.steps/20170116T100922Z.tif, its band 1
//!                           band 2 ─▶ maps.steps/20170213T100922Z.tif, its band 1  …
//! ```
//! A step is a place on all dimensions but the rows and columns; a file of one has a band for each variable. The
//! document has the bands that a single file would have, in the same order. It is written last: the files are there
//! whole when a reader finds it.
//!
//! Source: GDAL's documentation of its driver VRT, "Virtual Format".

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{ImageSteps, TargetCube};
use graticule_engine::source::Options;

use super::metadata::{Band, escaped, text};
use super::plan::{SOFTWARE, TiffPlan};
use super::{OPTIONS, TILE_UNIT, tiff};
use crate::writing::single_file::{FileFormat, FilePlan, Piece, StoredChunk, folder_of_files};

/// A file per step as a target.
#[derive(Debug)]
pub(crate) struct StepsFile;

impl FileFormat for StepsFile {
    fn name(&self) -> &'static str {
        "VRT"
    }

    fn suffix(&self) -> &'static str {
        ".vrt"
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        OPTIONS
    }

    fn tile_unit(&self) -> Option<u64> {
        Some(TILE_UNIT)
    }

    fn has_files(&self) -> bool {
        true
    }

    fn plan(
        &self,
        cube: &TargetCube,
        options: &Options,
        name: &str,
    ) -> CubeResult<Arc<dyn FilePlan>> {
        Ok(Arc::new(StepsPlan::new(cube, options, name)?))
    }
}

/// How one cube becomes a file per step.
#[derive(Debug)]
struct StepsPlan {
    /// All bands in one file: what the document says.
    whole: TiffPlan,
    steps: Vec<Step>,
    folder: String,
}

/// The file of a step.
#[derive(Debug)]
struct Step {
    name: String,
    /// Where it is on the dimensions before rows and columns.
    index: Vec<u64>,
    plan: TiffPlan,
}

impl StepsPlan {
    fn new(cube: &TargetCube, options: &Options, name: &str) -> CubeResult<Self> {
        let whole = tiff(cube, options)?;
        let counts = whole.grid.steps.iter().map(|steps| steps.labels.len());
        let count: usize = counts.product();
        let mut names = BTreeSet::new();
        let mut steps = Vec::with_capacity(count);
        for number in 0..count {
            let index = index_of(number, &whole.grid.steps);
            let mut name = file_name(&index, &whole.grid.steps);
            if !names.insert(name.clone()) {
                name = format!("{name}_{number}");
                names.insert(name.clone());
            }
            steps.push(Step {
                name: format!("{name}.tif"),
                plan: tiff(&of_step(cube, &index)?, options)?,
                index,
            });
        }
        Ok(Self {
            whole,
            steps,
            folder: folder_of_files(name),
        })
    }

    fn document(&self) -> CubeResult<String> {
        let (rows, columns, data_type) = self.whole.image().ok_or_else(no_images)?;
        let grid = &self.whole.grid;
        let mut document =
            format!("<VRTDataset rasterXSize=\"{columns}\" rasterYSize=\"{rows}\">\n");
        if let Some(system) = &self.whole.system {
            line(&mut document, "SRS", &system.in_words());
        }
        let (west, north) = (grid.columns.edge, grid.rows.edge);
        let (width, height) = (grid.columns.size, grid.rows.size);
        let transform = format!("{west}, {width}, 0, {north}, 0, -{height}");
        line(&mut document, "GeoTransform", &transform);
        let software = [("SOFTWARE", SOFTWARE.to_string())];
        let attributes = self.whole.attributes.iter();
        let attributes = attributes.map(|(name, value)| (name.as_str(), text(value)));
        items(&mut document, software.into_iter().chain(attributes));
        for (number, band) in self.whole.bands().enumerate() {
            let size = format!("xOff=\"0\" yOff=\"0\" xSize=\"{columns}\" ySize=\"{rows}\"");
            self.band(&mut document, number, &band, data_type, &size)?;
        }
        document.push_str("</VRTDataset>\n");
        Ok(document)
    }

    fn band(
        &self,
        document: &mut String,
        number: usize,
        band: &Band<'_>,
        data_type: &DataType,
        size: &str,
    ) -> CubeResult<()> {
        let count = self.steps.len().max(1);
        let step = self.steps.get(number % count).ok_or_else(no_images)?;
        // Writing to a text does not fail.
        let _ = writeln!(
            document,
            "<VRTRasterBand dataType=\"{}\" band=\"{}\">",
            name_of(data_type),
            number + 1
        );
        items(document, band.items().into_iter());
        for (role, value) in band.roles() {
            let name = match role {
                "SCALE" => "Scale",
                "OFFSET" => "Offset",
                "UNITTYPE" => "UnitType",
                _ => "Description",
            };
            line(document, name, &value);
        }
        if let Some(nodata) = &self.whole.nodata {
            line(document, "NoDataValue", nodata);
        }
        document.push_str("<SimpleSource>\n");
        let path = escaped(&format!("{}/{}", self.folder, step.name));
        let _ = writeln!(
            document,
            "<SourceFilename relativeToVRT=\"1\">{path}</SourceFilename>"
        );
        line(document, "SourceBand", &(number / count + 1).to_string());
        let _ = writeln!(document, "<SrcRect {size}/>\n<DstRect {size}/>");
        document.push_str("</SimpleSource>\n</VRTRasterBand>\n");
        Ok(())
    }
}

impl FilePlan for StepsPlan {
    fn encode(
        &self,
        array: usize,
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String> {
        self.whole.encode(array, values, extent)
    }

    fn files(&self, chunks: &[StoredChunk]) -> CubeResult<Vec<(String, Vec<Piece>)>> {
        let files = self.steps.iter().map(|step| {
            let of_step = chunks
                .iter()
                .filter(|chunk| chunk.index.starts_with(&step.index));
            let as_first = of_step.map(|chunk| StoredChunk {
                index: moved(&chunk.index, &vec![0; step.index.len()]),
                ..chunk.clone()
            });
            let mut pieces = step.plan.pieces(as_first.collect())?;
            for piece in &mut pieces {
                if let Piece::Chunk(chunk) = piece {
                    chunk.index = moved(&chunk.index, &step.index);
                }
            }
            Ok((step.name.clone(), pieces))
        });
        files.collect()
    }

    fn pieces(&self, _chunks: Vec<StoredChunk>) -> CubeResult<Vec<Piece>> {
        Ok(vec![Piece::Bytes(self.document()?.into())])
    }
}

/// The tile at the same place of another step.
fn moved(index: &[u64], step: &[u64]) -> Vec<u64> {
    let tile = index.iter().skip(step.len());
    step.iter().chain(tile).copied().collect()
}

/// The cube of nothing but one step.
fn of_step(cube: &TargetCube, index: &[u64]) -> CubeResult<TargetCube> {
    let mut one = cube.clone();
    let grid = one.images.as_mut().ok_or_else(no_images)?;
    let dimensions: Vec<String> = grid.dimensions().into_iter().map(str::to_string).collect();
    for (steps, at) in grid.steps.iter_mut().zip(index) {
        let label = steps.labels.get(*at as usize).cloned();
        steps.labels = vec![label.unwrap_or_default()];
    }
    for array in &mut one.arrays {
        if array.dimensions == dimensions {
            array
                .shape
                .iter_mut()
                .take(index.len())
                .for_each(|length| *length = 1);
        }
    }
    Ok(one)
}

fn index_of(mut number: usize, steps: &[ImageSteps]) -> Vec<u64> {
    let mut index = vec![0; steps.len()];
    for (at, steps) in index.iter_mut().zip(steps).rev() {
        let count = steps.labels.len().max(1);
        *at = (number % count) as u64;
        number /= count;
    }
    index
}

/// Where the step is, in characters that all file systems have: `20170116T100922Z_5`.
fn file_name(index: &[u64], steps: &[ImageSteps]) -> String {
    let labels = steps.iter().zip(index).map(|(steps, at)| {
        let label = steps.labels.get(*at as usize);
        let label = label.map(String::as_str).unwrap_or_default();
        let is_time = label.contains('T') && label.contains(':');
        let kept = label.chars().filter(|c| !(is_time && "-:".contains(*c)));
        let plain = kept.map(|c| match c.is_ascii_alphanumeric() || "-+.".contains(c) {
            true => c,
            false => '_',
        });
        plain.collect::<String>()
    });
    let name = labels.collect::<Vec<_>>().join("_");
    match name.trim_matches('.').is_empty() {
        true => "map".to_string(),
        false => name,
    }
}

fn no_images() -> CubeError {
    CubeError::invalid("", "the cube has no variable of images")
}

fn line(document: &mut String, element: &str, value: &str) {
    let _ = writeln!(document, "<{element}>{}</{element}>", escaped(value));
}

fn items<'a>(document: &mut String, items: impl Iterator<Item = (&'a str, String)>) {
    document.push_str("<Metadata>\n");
    for (name, value) in items {
        let (name, value) = (escaped(name), escaped(&value));
        let _ = writeln!(document, "<MDI key=\"{name}\">{value}</MDI>");
    }
    document.push_str("</Metadata>\n");
}

/// GDAL's name for a type of cells.
fn name_of(data_type: &DataType) -> String {
    match data_type {
        DataType::UInt8 => "Byte".to_string(),
        other => other.to_string(),
    }
}
