//! How an image of a file is stored: [`Image`], out of its directory.
//!
//! ```text
//!  chunky   tile │ r g b r g b r g b … │     planar   tile of r │ r r r … │   tile of g │ g g g … │  …
//!
//!  tiles    all of one size, at the edges too      a tile is a chunk
//!  strips   some whole rows, the last one fewer    several strips are a chunk, or one is cut into several
//! ```
//! A *segment* is what is compressed by itself: a tile, a strip, or a part of a strip that is not compressed.

use arrow::datatypes::DataType;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::error::{CubeError, CubeResult};
use tokio::sync::OnceCell;

use super::compression::Compression;
use super::damaged;
use super::directory::{ByteOrder, Directory, Entry, tag};
use super::predictor::Predictor;
use super::segments::Segments;

/// Segments are put together to chunks of up to this many bytes. Strips without compression that are twice as
/// large are cut into such.
const CHUNK_BYTES: u64 = 2 << 20;
/// The most segments of a chunk.
const MOST_GROUPED: u64 = 1 << 16;
/// The most bytes of a segment, decompressed.
const MOST_BYTES: u64 = 1 << 30;

/// The most bands: their number is one of 16 bits.
const MOST_BANDS: u64 = 65_535;

/// An image: how its values are stored, and where.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) width: u64,
    pub(super) height: u64,
    /// Values per pixel: bands.
    pub(super) samples: u64,
    /// Has each band segments of its own?
    pub(super) is_planar: bool,
    /// Bits of a value: a multiple of 8, or 1, 2 or 4.
    pub(super) bits: u64,
    /// Type of the values; those of less than 8 bits are numbers of 8.
    pub(super) data_type: DataType,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    pub(super) order: ByteOrder,
    pub(super) is_tiled: bool,
    /// Columns of a segment.
    pub(super) columns: u64,
    /// Rows of a segment, but for the last one of an image in strips.
    pub(super) rows: u64,
    /// Segments below each other that are a chunk.
    pub(super) grouped: u64,
    /// Is there one strip, which is cut into segments?
    pub(super) is_cut: bool,
    pub(super) offsets: Entry,
    pub(super) byte_counts: Entry,
    pub(super) segments: OnceCell<Segments>,
}

impl Image {
    /// # Errors
    /// Tags are missing or make no sense, or values of this type or compression cannot be read.
    pub(super) fn of(directory: &Directory) -> CubeResult<Self> {
        let needed = |tag: u16, what: &str| {
            let number = directory.number(tag).filter(|number| *number > 0);
            number.ok_or_else(|| damaged(format!("it does not say {what}")))
        };
        let width = needed(tag::WIDTH, "how wide the image is")?;
        let height = needed(tag::HEIGHT, "how high the image is")?;
        let samples = directory.number(tag::SAMPLES).unwrap_or(1).max(1);
        if samples > MOST_BANDS {
            return Err(damaged(format!("it has {samples} bands")));
        }
        let is_planar = samples > 1 && directory.number(tag::PLANES) == Some(2);
        let (bits, data_type) = element(directory)?;
        let compression = compression(directory)?;
        let predictor = predictor(directory, bits, &data_type)?;
        check_colours(directory)?;
        let is_tiled = directory.entry(tag::TILE_WIDTH).is_some();
        let (columns, rows) = match is_tiled {
            true => (
                needed(tag::TILE_WIDTH, "how wide tiles are")?,
                needed(tag::TILE_HEIGHT, "how high tiles are")?,
            ),
            false => {
                let rows = directory.number(tag::STRIP_ROWS).unwrap_or(height);
                (width, rows.clamp(1, height))
            }
        };
        let index = |of_tiles: u16, of_strips: u16| {
            let (first, second) = match is_tiled {
                true => (of_tiles, of_strips),
                // Some writers of tiles take the tags of strips, and the other way round.
                false => (of_strips, of_tiles),
            };
            let entry = directory.entry(first).or_else(|| directory.entry(second));
            entry.cloned()
        };
        let offsets = index(tag::TILE_OFFSETS, tag::STRIP_OFFSETS)
            .ok_or_else(|| damaged("it does not say where its values are"))?;
        let byte_counts = index(tag::TILE_BYTES, tag::STRIP_BYTES)
            .ok_or_else(|| damaged("it does not say how many bytes its tiles have"))?;
        let mut image = Self {
            width,
            height,
            samples,
            is_planar,
            bits,
            data_type,
            compression,
            predictor,
            order: directory.order,
            is_tiled,
            columns,
            rows,
            grouped: 1,
            is_cut: false,
            offsets,
            byte_counts,
            segments: OnceCell::new(),
        };
        image.choose_chunks();
        let bytes = image.row_bytes().saturating_mul(image.rows);
        if bytes > MOST_BYTES {
            let cause = format!("a tile of {bytes} bytes is larger than {MOST_BYTES}");
            return Err(CubeError::unsupported("", cause)
                .remedy("write the file anew with `gdal_translate -of COG`"));
        }
        Ok(image)
    }

    /// Puts small strips together, and cuts a large one.
    fn choose_chunks(&mut self) {
        if self.is_tiled {
            return;
        }
        let row = self.row_bytes().max(1);
        let strip = row.saturating_mul(self.rows);
        if strip <= CHUNK_BYTES {
            let grouped = (CHUNK_BYTES / strip).min(MOST_GROUPED);
            self.grouped = grouped.clamp(1, self.height.div_ceil(self.rows));
        } else if self.rows == self.height
            && self.compression == Compression::None
            && self.predictor == Predictor::None
            && strip > 2 * CHUNK_BYTES
        {
            self.is_cut = true;
            self.rows = (CHUNK_BYTES / row).max(1);
        }
    }

    /// Bands that a segment holds.
    pub(super) fn samples_together(&self) -> u64 {
        match self.is_planar {
            true => 1,
            false => self.samples,
        }
    }

    /// Bytes of a row of a segment, decompressed.
    pub(super) fn row_bytes(&self) -> u64 {
        let values = self.columns.saturating_mul(self.samples_together());
        values.saturating_mul(self.bits).div_ceil(8)
    }

    /// Bytes of a value, once those of less than 8 bits have one each.
    pub(super) fn value_bytes(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// How rows and columns are cut into chunks.
    pub(super) fn chunks(&self) -> Vec<AxisChunks> {
        vec![
            AxisChunks::regular(self.height, self.rows.saturating_mul(self.grouped)),
            AxisChunks::regular(self.width, self.columns),
        ]
    }

    /// Does it tell which cells of `other` there are? It has one value of few bits for each, cut in the same way.
    pub(super) fn masks(&self, other: &Self) -> bool {
        let cut = |image: &Self| {
            let size = (image.width, image.height);
            (size, image.is_tiled, image.columns, image.rows)
        };
        self.samples == 1 && self.value_bytes() == 1 && cut(self) == cut(other)
    }

    /// Codecs for people, in the order in which decoding undoes them.
    pub(super) fn codecs(&self) -> String {
        let predictor = match self.predictor {
            Predictor::None => None,
            Predictor::Differences => Some("predictor:2"),
            Predictor::Floats => Some("predictor:3"),
        };
        let names: Vec<&str> = self
            .compression
            .name()
            .into_iter()
            .chain(predictor)
            .collect();
        names.join(", ")
    }
}

/// The value that a tag has for all bands.
fn same_for_all(directory: &Directory, tag: u16, default: u64, what: &str) -> CubeResult<u64> {
    let numbers = directory.numbers(tag);
    let first = numbers.first().copied().unwrap_or(default);
    match numbers.iter().all(|number| *number == first) {
        true => Ok(first),
        false => Err(CubeError::unsupported(
            "",
            format!("the bands of the image differ in their {what}"),
        )
        .remedy("write them into files of their own")),
    }
}

fn element(directory: &Directory) -> CubeResult<(u64, DataType)> {
    let bits = same_for_all(directory, tag::BITS, 1, "bits per value")?;
    let format = same_for_all(directory, tag::SAMPLE_FORMAT, 1, "type of values")?;
    // 4 is "undefined", which GDAL reads as unsigned numbers.
    let data_type = match (format, bits) {
        (1 | 4, 1 | 2 | 4 | 8) => DataType::UInt8,
        (1 | 4, 16) => DataType::UInt16,
        (1 | 4, 32) => DataType::UInt32,
        (1 | 4, 64) => DataType::UInt64,
        (2, 8) => DataType::Int8,
        (2, 16) => DataType::Int16,
        (2, 32) => DataType::Int32,
        (2, 64) => DataType::Int64,
        (3, 16) => DataType::Float16,
        (3, 32) => DataType::Float32,
        (3, 64) => DataType::Float64,
        (format, bits) => {
            let kind = match format {
                1 | 4 => "unsigned integers".to_string(),
                2 => "integers".to_string(),
                3 => "floats".to_string(),
                5 | 6 => "complex numbers".to_string(),
                other => format!("values of format {other}"),
            };
            let cause = format!("{kind} of {bits} bits cannot be read");
            return Err(CubeError::unsupported("", cause)
                .remedy("convert the file with `gdal_translate -ot Float32`"));
        }
    };
    Ok((bits, data_type))
}

fn compression(directory: &Directory) -> CubeResult<Compression> {
    let code = directory.number(tag::COMPRESSION).unwrap_or(1);
    Compression::of(code).map_err(|name| {
        let cause = format!("the compression {name} of the image cannot be undone");
        CubeError::unsupported("", cause)
            .remedy("convert the file with `gdal_translate -of COG -co COMPRESS=DEFLATE`")
    })
}

fn predictor(directory: &Directory, bits: u64, data_type: &DataType) -> CubeResult<Predictor> {
    let code = match compression(directory)? {
        // The tag is of no meaning for the others (TIFF 6.0, section 14, and LibTIFF).
        Compression::Lzw | Compression::Deflate | Compression::Zstd => {
            directory.number(tag::PREDICTOR).unwrap_or(1)
        }
        Compression::None | Compression::PackBits => 1,
    };
    let predictor = Predictor::of(code).filter(|predictor| match predictor {
        Predictor::None => true,
        Predictor::Differences => bits >= 8,
        Predictor::Floats => data_type.is_floating(),
    });
    predictor.ok_or_else(|| {
        let cause = format!("predictor {code} cannot be undone for {data_type} of {bits} bits");
        CubeError::unsupported("", cause)
            .remedy("convert the file with `gdal_translate -co COMPRESS=DEFLATE`")
    })
}

/// Refuses values that are no bands by themselves, and bytes that are to be read from their other ends.
fn check_colours(directory: &Directory) -> CubeResult<()> {
    let cause = match (
        directory.number(tag::PHOTOMETRIC),
        directory.number(tag::FILL_ORDER),
    ) {
        (Some(6), _) => "colours are stored as YCbCr, which cannot be read",
        (_, Some(2)) => "bits are stored in reversed order, which cannot be read",
        _ => return Ok(()),
    };
    Err(CubeError::unsupported("", cause).remedy("convert the file with `gdal_translate -of COG`"))
}
