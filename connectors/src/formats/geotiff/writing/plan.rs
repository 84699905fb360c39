//! The whole file: [`TiffPlan`] knows where every tile stands once it knows their sizes.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{ImageGrid, TargetArray, TargetCube};
use graticule_engine::source::Attributes;
use serde_json::{Value, json};

use super::TILE_UNIT;
use super::directory::{Directory, Values, Variant};
use super::keys::{System, georeference};
use super::metadata::{Band, document};
use super::tile::{Compression, Predictor, TileEncoder};
use crate::writing::cells::Fill;
use crate::writing::number::{bytes_of_number, float};
use crate::writing::single_file::{FilePlan, Piece, StoredChunk};

/// Who wrote the file; the mark of [`crate::writing::single_file`] is in it.
pub(super) const SOFTWARE: &str = concat!("Graticule ", env!("CARGO_PKG_VERSION"));

/// The tags of TIFF that are set here.
mod tag {
    pub(super) const COLUMNS: u16 = 256;
    pub(super) const ROWS: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const DESCRIPTION: u16 = 270;
    pub(super) const BANDS: u16 = 277;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const SOFTWARE: u16 = 305;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const TILE_COLUMNS: u16 = 322;
    pub(super) const TILE_ROWS: u16 = 323;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_SIZES: u16 = 325;
    pub(super) const EXTRA_BANDS: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const GDAL_METADATA: u16 = 42112;
    pub(super) const GDAL_NODATA: u16 = 42113;
}

/// Attributes of values that are categories: neighbours that differ little are none.
const FLAGS: [&str; 2] = ["flag_values", "flag_masks"];

/// How one cube becomes a GeoTIFF.
#[derive(Debug)]
pub(super) struct TiffPlan {
    pub(super) grid: ImageGrid,
    pub(super) attributes: Attributes,
    /// The variables, whose bands follow each other.
    variables: Vec<Variable>,
    /// Number of arrays of the cube.
    arrays: usize,
    pub(super) system: Option<System>,
    /// The value of missing cells, in words.
    pub(super) nodata: Option<String>,
    is_big: bool,
}

/// A variable of the cube.
#[derive(Debug)]
struct Variable {
    /// Its number among the arrays.
    array: usize,
    target: TargetArray,
    encoder: TileEncoder,
}

impl Variable {
    /// Tiles along each dimension.
    fn counts(&self) -> Vec<u64> {
        self.target.object_counts()
    }

    fn tiles(&self) -> u64 {
        self.counts().iter().product()
    }

    /// The number of the tile among those of the variable.
    fn number(&self, index: &[u64]) -> Option<u64> {
        let counts = self.counts();
        let is_within = index.iter().zip(&counts).all(|(at, count)| at < count);
        (is_within && index.len() == counts.len()).then(|| {
            index
                .iter()
                .zip(&counts)
                .fold(0, |number, (at, count)| number * count + at)
        })
    }
}

/// A tile of the file, in the order of the directory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PlacedTile {
    offset: u64,
    size: u64,
}

impl TiffPlan {
    /// A plan for `cube`; `crs` is what the user says of its coordinate reference system, and `is_big` whether the
    /// file is a BigTIFF in any case.
    ///
    /// # Errors
    /// Types that differ or that TIFF lacks, tiles that are none, too many bands, a system without a code.
    pub(super) fn new(cube: &TargetCube, crs: Option<&str>, is_big: bool) -> CubeResult<Self> {
        let grid = cube.images.clone().ok_or_else(|| {
            CubeError::invalid("", "nothing tells where the images of the cube lie")
        })?;
        let mut variables: Vec<Variable> = Vec::new();
        for (number, array) in cube.arrays.iter().enumerate() {
            if array.dimensions != grid.dimensions() {
                continue;
            }
            let encoder = encoder(array).map_err(|error| error.within(&place(array)))?;
            variables.push(Variable {
                array: number,
                target: array.clone(),
                encoder,
            });
        }
        let Some((first, others)) = variables.split_first() else {
            return Err(CubeError::invalid("", "the cube has no variable of images"));
        };
        for other in others {
            check_alike(first, other)?;
        }
        // A file has one predictor.
        if others
            .iter()
            .any(|other| other.encoder.predictor != first.encoder.predictor)
        {
            for variable in &mut variables {
                variable.encoder.predictor = Predictor::None;
            }
        }
        let bands: u64 = variables
            .iter()
            .map(|variable| images(&variable.target))
            .sum();
        if bands > u64::from(u16::MAX) {
            let cause = format!("a GeoTIFF has at most {} bands, not {bands}", u16::MAX);
            return Err(CubeError::unsupported("", cause)
                .remedy("select fewer steps or variables, or write NetCDF or Zarr"));
        }
        let nodata = variables.first().and_then(|first| {
            let value = first.target.attributes.get("_FillValue")?;
            Some(in_words(value, &first.target.data_type))
        });
        Ok(Self {
            system: System::of(&grid, crs)?,
            nodata,
            attributes: cube.attributes.clone(),
            arrays: cube.arrays.len(),
            grid,
            variables,
            is_big,
        })
    }

    /// Rows and columns of an image, and the type of its cells.
    pub(super) fn image(&self) -> Option<(u64, u64, &DataType)> {
        let first = self.variables.first()?;
        let [.., rows, columns] = first.target.shape.as_slice() else {
            return None;
        };
        Some((*rows, *columns, &first.encoder.data_type))
    }

    /// The bands in order.
    pub(super) fn bands(&self) -> impl Iterator<Item = Band<'_>> {
        self.variables.iter().flat_map(|variable| {
            (0..images(&variable.target)).map(|image| Band {
                variable: &variable.target.name,
                attributes: &variable.target.attributes,
                steps: self.steps(image),
            })
        })
    }

    /// Where an image is on the dimensions that come before its rows.
    fn steps(&self, mut image: u64) -> Vec<(&str, &str)> {
        let mut steps = Vec::new();
        for dimension in self.grid.steps.iter().rev() {
            let count = dimension.labels.len().max(1) as u64;
            let label = dimension.labels.get((image % count) as usize);
            steps.push((dimension.name.as_str(), label.map_or("", String::as_str)));
            image /= count;
        }
        steps.reverse();
        steps
    }

    fn directory(&self, tiles: &[PlacedTile]) -> Directory {
        let mut directory = Directory::default();
        let Some(first) = self.variables.first() else {
            return directory;
        };
        let bands = self.bands().count();
        let (encoder, target) = (&first.encoder, &first.target);
        let last_two = |lengths: &[u64]| {
            let mut lengths = lengths.iter().rev().map(|length| *length as u32);
            (lengths.next().unwrap_or(1), lengths.next().unwrap_or(1))
        };
        let (columns, rows) = last_two(&target.shape);
        let (tile_columns, tile_rows) = last_two(&target.chunks);
        let bits = encoder.fill.bytes.len() as u16 * 8;
        for (tag, length) in [
            (tag::COLUMNS, columns),
            (tag::ROWS, rows),
            (tag::TILE_COLUMNS, tile_columns),
            (tag::TILE_ROWS, tile_rows),
        ] {
            directory.set(tag, Values::Longs(vec![length]));
        }
        const BLACK_IS_LOWEST: u16 = 1;
        const SEPARATE: u16 = 2;
        const UNSPECIFIED: u16 = 0;
        for (tag, shorts) in [
            (tag::BITS, vec![bits; bands]),
            (
                tag::SAMPLE_FORMAT,
                vec![sample_format(&encoder.data_type); bands],
            ),
            (tag::COMPRESSION, vec![encoder.compression.code()]),
            (tag::PREDICTOR, vec![encoder.predictor.code()]),
            (tag::PHOTOMETRIC, vec![BLACK_IS_LOWEST]),
            (tag::BANDS, vec![bands as u16]),
            (tag::PLANAR, vec![SEPARATE]),
        ] {
            directory.set(tag, Values::Shorts(shorts));
        }
        if bands > 1 {
            directory.set(
                tag::EXTRA_BANDS,
                Values::Shorts(vec![UNSPECIFIED; bands - 1]),
            );
        }
        directory.set(tag::SOFTWARE, Values::Text(SOFTWARE.to_string()));
        if let Some(Value::String(title)) = self.attributes.get("title") {
            directory.set(tag::DESCRIPTION, Values::Text(title.clone()));
        }
        let document = document(&self.attributes, self.bands());
        directory.set(tag::GDAL_METADATA, Values::Text(document));
        if let Some(nodata) = &self.nodata {
            directory.set(tag::GDAL_NODATA, Values::Text(nodata.clone()));
        }
        georeference(&mut directory, &self.grid, self.system.as_ref());
        let offsets = tiles.iter().map(|tile| tile.offset).collect();
        let sizes = tiles.iter().map(|tile| tile.size).collect();
        directory.set(tag::TILE_OFFSETS, Values::Offsets(offsets));
        directory.set(tag::TILE_SIZES, Values::Offsets(sizes));
        directory
    }

    /// The tiles of a variable where they stand, from `at` on; adds what has to be written.
    fn place(
        &self,
        variable: &Variable,
        chunks: &[StoredChunk],
        at: &mut u64,
        data: &mut Vec<Piece>,
    ) -> CubeResult<Vec<PlacedTile>> {
        let mut tiles: Vec<Option<PlacedTile>> = vec![None; variable.tiles() as usize];
        let mut next = |size: u64| {
            let tile = PlacedTile { offset: *at, size };
            *at += size;
            tile
        };
        for chunk in chunks.iter().filter(|chunk| chunk.array == variable.array) {
            let number = variable.number(&chunk.index);
            let Some(slot) = number.and_then(|number| tiles.get_mut(number as usize)) else {
                let cause = format!("there is no tile {:?}", chunk.index);
                return Err(CubeError::corrupt(place(&variable.target), cause));
            };
            *slot = Some(next(chunk.size));
            data.push(Piece::Chunk(chunk.clone()));
        }
        let mut empty = PlacedTile::default();
        if tiles.contains(&None) {
            let bytes = variable.encoder.empty();
            let bytes =
                bytes.map_err(|cause| CubeError::invalid(place(&variable.target), cause))?;
            empty = next(bytes.len() as u64);
            data.push(Piece::Bytes(bytes));
        }
        Ok(tiles
            .into_iter()
            .map(|tile| tile.unwrap_or(empty))
            .collect())
    }
}

impl FilePlan for TiffPlan {
    fn encode(
        &self,
        array: usize,
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String> {
        let mut variables = self.variables.iter();
        match variables.find(|variable| variable.array == array) {
            Some(variable) => variable.encoder.encode(values, extent),
            // Coordinates are in the directory.
            None if array < self.arrays => Ok(None),
            None => Err(format!("there is no array number {array}")),
        }
    }

    fn pieces(&self, chunks: Vec<StoredChunk>) -> CubeResult<Vec<Piece>> {
        let mut data = Vec::new();
        let mut tiles = Vec::new();
        let mut end = 0;
        for variable in &self.variables {
            tiles.extend(self.place(variable, &chunks, &mut end, &mut data)?);
        }
        let length = |variant| self.directory(&tiles).head(variant).len() as u64;
        let classic = length(Variant::Classic);
        let (variant, start) = match !self.is_big && classic + end <= u64::from(u32::MAX) {
            true => (Variant::Classic, classic),
            false => (Variant::Big, length(Variant::Big)),
        };
        for tile in &mut tiles {
            tile.offset += start;
        }
        let head = self.directory(&tiles).head(variant);
        let mut pieces = vec![Piece::Bytes(head.into())];
        pieces.extend(data);
        Ok(pieces)
    }
}

fn place(array: &TargetArray) -> String {
    format!("array {:?}", array.name)
}

/// Images of a variable.
fn images(array: &TargetArray) -> u64 {
    let steps = array.shape.len().saturating_sub(2);
    array.shape.iter().take(steps).product()
}

/// How the tiles of a variable are encoded.
fn encoder(array: &TargetArray) -> CubeResult<TileEncoder> {
    let data_type = match array.data_type {
        DataType::Boolean => DataType::UInt8,
        ref other => other.clone(),
    };
    if data_type.primitive_width().is_none_or(|width| width > 8) || !data_type.is_numeric() {
        let cause = format!("values of type {data_type} are not written to GeoTIFF");
        return Err(CubeError::unsupported("", cause)
            .remedy("cast them to numbers, leave them out, or write Zarr"));
    }
    if array.shards.is_some() {
        return Err(CubeError::unsupported("", "GeoTIFF has no shards")
            .remedy("leave shards out, or write Zarr"));
    }
    let steps = array.chunks.len().saturating_sub(2);
    let (before, sides) = array.chunks.split_at(steps);
    let is_tile = |side: &u64| *side > 0 && side.is_multiple_of(TILE_UNIT);
    if before.iter().any(|length| *length != 1) || !sides.iter().all(is_tile) {
        let cause = format!("chunks of {:?} cells are no tiles of images", array.chunks);
        return Err(CubeError::unsupported("", cause).remedy(format!(
            "sides of a tile are multiples of {TILE_UNIT} cells"
        )));
    }
    let (longest, largest) = (i32::MAX as u64, (1_u64 << 31) - 1);
    if array
        .shape
        .iter()
        .any(|length| !(1..=longest).contains(length))
    {
        let cause = format!("an image of {:?} cells is none of GeoTIFF", array.shape);
        return Err(CubeError::unsupported("", cause).remedy("write NetCDF or Zarr"));
    }
    let cells = sides
        .iter()
        .try_fold(8_u64, |bytes, side| bytes.checked_mul(*side));
    if cells.is_none_or(|bytes| bytes > largest) {
        return Err(CubeError::unsupported("", "a tile is smaller than 2 GiB")
            .remedy("choose smaller chunks, such as chunks = 'lat=512,lon=512'"));
    }
    let fill_value = match &array.fill_value {
        Value::Null => json!(0),
        Value::Bool(truth) => json!(u8::from(*truth)),
        value => value.clone(),
    };
    let bytes = bytes_of_number(&data_type, &fill_value).ok_or_else(|| {
        CubeError::invalid("", format!("{fill_value} is no value of type {data_type}"))
    })?;
    let compression = Compression::of(array.codec.as_deref());
    let compression = compression.map_err(|cause| CubeError::unsupported("", cause))?;
    let are_flags = FLAGS
        .iter()
        .any(|name| array.attributes.contains_key(*name));
    Ok(TileEncoder {
        chunk: array.chunks.iter().map(|length| *length as usize).collect(),
        predictor: match &data_type {
            _ if compression == Compression::None => Predictor::None,
            float if float.is_floating() => Predictor::Floats,
            _ if are_flags || array.data_type == DataType::Boolean => Predictor::None,
            _ => Predictor::Differences,
        },
        fill: Fill {
            bytes,
            is_nan: data_type.is_floating() && float(&fill_value).is_some_and(f64::is_nan),
        },
        data_type,
        compression,
    })
}

/// Checks that two variables can be bands of one file.
fn check_alike(first: &Variable, other: &Variable) -> CubeResult<()> {
    let (one, another) = (&first.target, &other.target);
    let (type_of_one, type_of_another) = (&first.encoder.data_type, &other.encoder.data_type);
    let differ = |what: &str, one_has: String, another_has: String, remedy: String| {
        let cause = format!(
            "all bands of a GeoTIFF have one {what}: {} has {one_has}, and {} {another_has}",
            one.name, another.name
        );
        Err(CubeError::unsupported("", cause).remedy(remedy))
    };
    if type_of_one != type_of_another {
        let lower = |data_type: &DataType| data_type.to_string().to_lowercase();
        return differ(
            "type",
            lower(type_of_one),
            lower(type_of_another),
            format!(
                "say \"{}.dtype\" = '{}', cast one of them, or write a file for each",
                another.name,
                lower(type_of_one)
            ),
        );
    }
    let missing = |array: &TargetArray| match array.attributes.get("_FillValue") {
        Some(value) => in_words(value, &array.data_type),
        None => "none".to_string(),
    };
    if missing(one) != missing(another) {
        return differ(
            "value of missing cells",
            missing(one),
            missing(another),
            "say fill_value = …, or write a file for each".to_string(),
        );
    }
    if first.encoder.compression != other.encoder.compression {
        let codec = |array: &TargetArray| array.codec.clone().unwrap_or("deflate:6".to_string());
        return differ(
            "codec",
            codec(one),
            codec(another),
            "say codec = … for all of them".to_string(),
        );
    }
    match one.chunks == another.chunks {
        true => Ok(()),
        false => differ(
            "tile",
            format!("{:?}", one.chunks),
            format!("{:?}", another.chunks),
            "choose the same chunks for both".to_string(),
        ),
    }
}

/// The value of the tag `SampleFormat`.
fn sample_format(data_type: &DataType) -> u16 {
    match data_type {
        float if float.is_floating() => 3,
        signed if signed.is_signed_integer() => 2,
        _ => 1,
    }
}

/// A number as GDAL reads it.
fn in_words(value: &Value, data_type: &DataType) -> String {
    match float(value) {
        Some(number) if number.is_nan() => "nan".to_string(),
        Some(number) if number.is_infinite() && number > 0.0 => "inf".to_string(),
        Some(number) if number.is_infinite() => "-inf".to_string(),
        // All digits of the number that is stored.
        Some(number) if *data_type == DataType::Float32 => f64::from(number as f32).to_string(),
        Some(number) if data_type.is_floating() => number.to_string(),
        _ => match value.as_i64() {
            Some(whole) => whole.to_string(),
            None => value.to_string(),
        },
    }
}
