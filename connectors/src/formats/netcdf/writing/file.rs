//! The whole file: [`Hdf5Plan`] knows where everything stands once it knows the sizes of the chunks.

use std::iter;

use arrow::array::ArrayRef;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{TargetArray, TargetCube};
use graticule_engine::source::Options;

use super::attributes::Attribute;
use super::checksum::checksum;
use super::encoding::ChunkEncoder;
use super::header::{Header, kind};
use super::index::{PlacedChunk, index, index_bytes};
use super::texts::{as_characters, text_bytes};
use super::types::{self, UNDEFINED, stored};
use crate::writing::single_file::{FilePlan, Piece, StoredChunk};

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
const SUPERBLOCK: u64 = 48;

/// Who wrote the file, in the attribute that netCDF keeps for that.
const PROPERTIES: &str = concat!("version=2,Graticule=", env!("CARGO_PKG_VERSION"));

/// How one cube becomes an HDF5 file.
#[derive(Debug)]
pub(super) struct Hdf5Plan {
    cube: TargetCube,
    encoders: Vec<ChunkEncoder>,
    dimensions: Vec<Dimension>,
}

/// A dimension, and the array of its coordinates, if there is one.
#[derive(Debug)]
struct Dimension {
    name: String,
    length: u64,
    array: Option<usize>,
}

/// Where things stand in the file.
#[derive(Debug, Default)]
struct Places {
    /// Headers of the arrays.
    arrays: Vec<u64>,
    /// Headers of the dimensions: those of arrays, or of their own.
    dimensions: Vec<u64>,
    heap: u64,
    /// What the layout of each array points to: its index, or the cell of a scalar.
    contents: Vec<u64>,
    end: u64,
}

impl Hdf5Plan {
    /// A plan for `cube`.
    ///
    /// # Errors
    /// A type, a codec or an attribute that is not written to NetCDF, or names that it cannot have.
    pub(super) fn new(cube: &TargetCube, options: &Options) -> CubeResult<Self> {
        let mut cube = cube.clone();
        let bytes = text_bytes(options).map_err(|cause| CubeError::invalid("", cause))?;
        let arrays = cube.arrays.into_iter().map(|array| {
            let name = array.name.clone();
            as_characters(array, bytes).map_err(|cause| invalid(&name, cause))
        });
        cube.arrays = arrays.collect::<CubeResult<_>>()?;
        for array in &mut cube.arrays {
            // The library lets no chunk be longer than its dimension.
            for (chunk, length) in array.chunks.iter_mut().zip(&array.shape) {
                *chunk = (*chunk).min(*length).max(1);
            }
        }
        let mut encoders = Vec::new();
        for array in &cube.arrays {
            let encoder = ChunkEncoder::new(array);
            encoders.push(encoder.map_err(|cause| invalid(&array.name, cause))?);
        }
        let plan = Self {
            dimensions: dimensions(&cube.arrays)?,
            cube,
            encoders,
        };
        // Whatever does not fit into a header is known before anything is written.
        plan.headers(&plan.nowhere())?;
        Ok(plan)
    }

    /// Places of the right number, to measure headers.
    fn nowhere(&self) -> Places {
        Places {
            arrays: vec![0; self.cube.arrays.len()],
            dimensions: vec![0; self.dimensions.len()],
            contents: vec![0; self.cube.arrays.len()],
            ..Places::default()
        }
    }

    /// The header of the group, those of the arrays, and those of dimensions without an array.
    fn headers(&self, places: &Places) -> CubeResult<Vec<Vec<u8>>> {
        let mut headers = vec![self.group(places).map_err(|cause| {
            CubeError::invalid("", cause).remedy("shorten it with WITH (\"attribute.…\" = '…')")
        })?];
        for (number, array) in self.cube.arrays.iter().enumerate() {
            let header = self.array(number, array, places);
            headers.push(header.map_err(|cause| invalid(&array.name, cause))?);
        }
        for (number, dimension) in self.dimensions.iter().enumerate() {
            if dimension.array.is_none() {
                let header = bare_dimension(number, dimension);
                headers.push(header.map_err(|cause| CubeError::invalid("", cause))?);
            }
        }
        Ok(headers)
    }

    fn group(&self, places: &Places) -> Result<Vec<u8>, String> {
        let mut header = Header::default();
        let arrays = self.cube.arrays.iter().map(|array| array.name.as_str());
        let bare = self.dimensions.iter().zip(&places.dimensions);
        let bare = bare.filter(|(dimension, _)| dimension.array.is_none());
        let bare = bare.map(|(dimension, address)| (dimension.name.as_str(), address));
        let links: Vec<(&str, &u64)> = arrays.zip(&places.arrays).chain(bare).collect();
        // The order of links is known, and there is neither a heap nor an index of them.
        let mut info = vec![0, 1];
        info.extend((links.len() as u64).to_le_bytes());
        info.extend(UNDEFINED.to_le_bytes());
        info.extend(UNDEFINED.to_le_bytes());
        header.message(kind::LINK_INFO, &info)?;
        header.message(kind::GROUP_INFO, &[0, 0])?;
        header.attribute("_NCProperties", &Attribute::text(PROPERTIES))?;
        for (name, value) in &self.cube.attributes {
            if let Some(attribute) = Attribute::of(name, value, None) {
                header.attribute(name, &attribute)?;
            }
        }
        for (order, (name, address)) in links.into_iter().enumerate() {
            // Two bytes tell the length of the name; order and character set are there.
            let mut link = vec![1, 0x01 | 0x04 | 0x10];
            link.extend((order as u64).to_le_bytes());
            link.push(1);
            link.extend((name.len() as u16).to_le_bytes());
            link.extend(name.as_bytes());
            link.extend(address.to_le_bytes());
            header.message(kind::LINK, &link)?;
        }
        header.finish()
    }

    fn array(
        &self,
        number: usize,
        array: &TargetArray,
        places: &Places,
    ) -> Result<Vec<u8>, String> {
        let encoder = &self.encoders[number];
        let data_type = stored(&array.data_type);
        let mut header = Header::default();
        let described = types::of(&data_type);
        let described = described.ok_or_else(|| format!("HDF5 has no type {data_type}"))?;
        header.message(kind::SHAPE, &types::shape(&array.shape))?;
        header.message(kind::TYPE, &described)?;
        header.message(kind::FILL_VALUE, &fill_value(&encoder.fill.bytes))?;
        header.message(
            kind::LAYOUT,
            &layout(array, encoder.width, places.contents[number]),
        )?;
        if let Some(level) = encoder.level {
            header.message(kind::FILTERS, &filters(encoder.width, level))?;
        }
        let scale = self
            .dimensions
            .iter()
            .position(|dimension| dimension.array == Some(number));
        if let Some(scale) = scale {
            header.attribute("CLASS", &Attribute::text("DIMENSION_SCALE\0"))?;
            header.attribute("NAME", &Attribute::text(&format!("{}\0", array.name)))?;
            if let Some(id) = Attribute::scalar(scale as i32) {
                header.attribute("_Netcdf4Dimid", &id)?;
            }
        } else if !array.dimensions.is_empty() {
            header.attribute("DIMENSION_LIST", &self.dimension_list(number, places))?;
        }
        if array.data_type == arrow::datatypes::DataType::Boolean {
            header.attribute("dtype", &Attribute::text("bool"))?;
        }
        for (name, value) in &array.attributes {
            if let Some(attribute) = Attribute::of(name, value, Some(&data_type)) {
                header.attribute(name, &attribute)?;
            }
        }
        header.finish()
    }

    /// Per dimension of the array, a list of one address: entries of the heap, in the order of the arrays.
    fn dimension_list(&self, number: usize, places: &Places) -> Attribute {
        let before = self.cube.arrays.iter().enumerate().take(number);
        let before: usize = before
            .filter(|(number, _)| self.has_list(*number))
            .map(|(_, array)| array.dimensions.len())
            .sum();
        let rank = self.cube.arrays[number].dimensions.len();
        let entry = |axis: usize| {
            let mut entry = 1_u32.to_le_bytes().to_vec();
            entry.extend(places.heap.to_le_bytes());
            // Entries are counted from 1.
            entry.extend(((before + axis + 1) as u32).to_le_bytes());
            entry
        };
        Attribute {
            data_type: types::list(&types::reference()),
            shape: vec![rank as u64],
            bytes: (0..rank).flat_map(entry).collect(),
        }
    }

    fn has_list(&self, number: usize) -> bool {
        let mut dimensions = self.dimensions.iter();
        !dimensions.any(|dimension| dimension.array == Some(number))
    }

    /// The addresses that the lists of dimensions consist of.
    fn heap(&self, places: &Places) -> Vec<u8> {
        const ENTRY: usize = 24;
        let arrays = self.cube.arrays.iter().enumerate();
        let names = arrays
            .filter(|(number, _)| self.has_list(*number))
            .flat_map(|(_, array)| &array.dimensions);
        let mut entries = Vec::new();
        for (number, name) in names.enumerate() {
            let at = self
                .dimensions
                .iter()
                .position(|dimension| dimension.name == *name);
            let address = at.and_then(|at| places.dimensions.get(at)).copied();
            entries.extend(((number + 1) as u16).to_le_bytes());
            // One reference to it; four bytes without a meaning.
            entries.extend([1, 0, 0, 0, 0, 0]);
            entries.extend(8_u64.to_le_bytes());
            entries.extend(address.unwrap_or(UNDEFINED).to_le_bytes());
        }
        // A collection is 4096 bytes long at least, and ends with what is free.
        let size = (16 + entries.len() + ENTRY).next_multiple_of(8).max(4096);
        let mut heap = b"GCOL".to_vec();
        heap.extend([1, 0, 0, 0]);
        heap.extend((size as u64).to_le_bytes());
        heap.extend(&entries);
        let free = (size - heap.len()) as u64;
        heap.extend([0; 8]);
        heap.extend(free.to_le_bytes());
        heap.resize(size, 0);
        heap
    }

    /// Where everything stands, except for the roots of the indexes.
    fn places(&self, headers: &[Vec<u8>], chunks: &[Vec<StoredChunk>]) -> Places {
        let mut places = self.nowhere();
        let mut at = SUPERBLOCK;
        let mut next = |length: u64| {
            let place = at;
            at += length.next_multiple_of(8);
            place
        };
        let mut headers = headers
            .iter()
            .map(|header| next(header.len() as u64))
            .skip(1);
        for place in &mut places.arrays {
            *place = headers.next().unwrap_or(UNDEFINED);
        }
        for (dimension, place) in self.dimensions.iter().zip(&mut places.dimensions) {
            *place = match dimension.array {
                Some(array) => places.arrays[array],
                None => headers.next().unwrap_or(UNDEFINED),
            };
        }
        places.heap = next(self.heap(&places).len() as u64);
        for (number, stored) in chunks.iter().enumerate() {
            let rank = self.cube.arrays[number].shape.len();
            places.contents[number] = match (rank, stored.first()) {
                (_, None) => UNDEFINED,
                (0, Some(cell)) => next(cell.size),
                (_, Some(_)) => next(index_bytes(stored.len(), rank)),
            };
        }
        places.end = next(0);
        places
    }
}

impl FilePlan for Hdf5Plan {
    fn encode(
        &self,
        array: usize,
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String> {
        let encoder = self.encoders.get(array);
        let encoder = encoder.ok_or_else(|| format!("there is no array number {array}"))?;
        encoder.encode(values, extent)
    }

    fn pieces(&self, chunks: Vec<StoredChunk>) -> CubeResult<Vec<Piece>> {
        let mut of_arrays: Vec<Vec<StoredChunk>> = vec![Vec::new(); self.cube.arrays.len()];
        for chunk in chunks {
            if let Some(of_array) = of_arrays.get_mut(chunk.array) {
                of_array.push(chunk);
            }
        }
        let mut places = self.places(&self.headers(&self.nowhere())?, &of_arrays);
        let mut address = places.end;
        let mut contents = Vec::new();
        let mut data = Vec::new();
        for (number, stored) in of_arrays.into_iter().enumerate() {
            let array = &self.cube.arrays[number];
            if array.shape.is_empty() {
                contents.extend(stored.into_iter().map(Piece::Chunk));
                pad(&mut contents);
                continue;
            }
            let mut placed = Vec::with_capacity(stored.len());
            for chunk in stored {
                // Characters lie in the chunk of their texts.
                let index = chunk.index.iter().copied().chain(iter::repeat(0));
                let start = index.zip(&array.chunks);
                placed.push(PlacedChunk {
                    start: start.map(|(at, length)| at * length).collect(),
                    size: u32::try_from(chunk.size).map_err(|_| {
                        invalid(&array.name, "a chunk of NetCDF is smaller than 4 GiB")
                    })?,
                    address,
                });
                address += chunk.size;
                data.push(Piece::Chunk(chunk));
            }
            let (bytes, root) = index(&placed, &array.chunks, places.contents[number]);
            places.contents[number] = root;
            contents.push(Piece::Bytes(bytes.into()));
            pad(&mut contents);
        }
        let mut head = superblock(address);
        for header in self.headers(&places)? {
            head.extend(header);
            head.resize(head.len().next_multiple_of(8), 0);
        }
        head.extend(self.heap(&places));
        let mut pieces = vec![Piece::Bytes(head.into())];
        pieces.extend(contents);
        pieces.extend(data);
        Ok(pieces)
    }
}

/// Fills the last piece up to a multiple of eight bytes.
fn pad(pieces: &mut Vec<Piece>) {
    let length = match pieces.last() {
        Some(Piece::Bytes(bytes)) => bytes.len() as u64,
        Some(Piece::Chunk(chunk)) => chunk.size,
        None => 0,
    };
    let missing = (length.next_multiple_of(8) - length) as usize;
    if missing > 0 {
        pieces.push(Piece::Bytes(vec![0; missing].into()));
    }
}

fn invalid(array: &str, cause: impl ToString) -> CubeError {
    CubeError::invalid(format!("array {array:?}"), cause.to_string())
}

/// The dimensions in the order in which the arrays name them.
fn dimensions(arrays: &[TargetArray]) -> CubeResult<Vec<Dimension>> {
    let mut dimensions: Vec<Dimension> = Vec::new();
    for array in arrays {
        for (name, length) in array.dimensions.iter().zip(&array.shape) {
            match dimensions.iter().find(|known| known.name == *name) {
                Some(known) if known.length != *length => {
                    let cause = format!(
                        "the dimension {name} has {length} cells here, and {} elsewhere",
                        known.length
                    );
                    return Err(invalid(&array.name, cause));
                }
                Some(_) => {}
                None => dimensions.push(Dimension {
                    name: name.clone(),
                    length: *length,
                    array: None,
                }),
            }
        }
    }
    for (number, array) in arrays.iter().enumerate() {
        if let Some(dimension) = dimensions.iter_mut().find(|known| known.name == array.name) {
            if array.dimensions.len() != 1 || array.dimensions[0] != array.name {
                return Err(invalid(
                    &array.name,
                    "it has the name of a dimension, and is not along it alone",
                )
                .remedy("give the column another name"));
            }
            dimension.array = Some(number);
        }
    }
    Ok(dimensions)
}

/// A dimension without coordinates: a scale whose values are not stored.
fn bare_dimension(number: usize, dimension: &Dimension) -> Result<Vec<u8>, String> {
    let float = arrow::datatypes::DataType::Float32;
    let mut header = Header::default();
    header.message(kind::SHAPE, &types::shape(&[dimension.length]))?;
    header.message(kind::TYPE, &types::number(&float).unwrap_or_default())?;
    header.message(kind::FILL_VALUE, &fill_value(&[0; 4]))?;
    header.message(kind::LAYOUT, &contiguous(UNDEFINED, dimension.length * 4))?;
    header.attribute("CLASS", &Attribute::text("DIMENSION_SCALE\0"))?;
    let name = format!(
        "This is a netCDF dimension but not a netCDF variable.{:10}\0",
        dimension.length
    );
    header.attribute("NAME", &Attribute::text(&name))?;
    if let Some(id) = Attribute::scalar(number as i32) {
        header.attribute("_Netcdf4Dimid", &id)?;
    }
    header.finish()
}

/// The value of cells that are not stored, which is written when nothing else is.
fn fill_value(bytes: &[u8]) -> Vec<u8> {
    const VERSION: u8 = 3;
    const SPACE_AS_NEEDED: u8 = 3;
    const WRITTEN_WHERE_SET: u8 = 2 << 2;
    const IS_DEFINED: u8 = 0x20;
    let mut message = vec![VERSION, SPACE_AS_NEEDED | WRITTEN_WHERE_SET | IS_DEFINED];
    message.extend((bytes.len() as u32).to_le_bytes());
    message.extend(bytes);
    message
}

fn layout(array: &TargetArray, width: usize, address: u64) -> Vec<u8> {
    const VERSION: u8 = 3;
    const CHUNKED: u8 = 2;
    if array.shape.is_empty() {
        return contiguous(address, width as u64);
    }
    let mut message = vec![VERSION, CHUNKED, array.shape.len() as u8 + 1];
    message.extend(address.to_le_bytes());
    for length in &array.chunks {
        message.extend((*length as u32).to_le_bytes());
    }
    message.extend((width as u32).to_le_bytes());
    message
}

fn contiguous(address: u64, bytes: u64) -> Vec<u8> {
    const VERSION: u8 = 3;
    const CONTIGUOUS: u8 = 1;
    let mut message = vec![VERSION, CONTIGUOUS];
    message.extend(address.to_le_bytes());
    message.extend(bytes.to_le_bytes());
    message
}

/// Shuffle, then deflate.
fn filters(width: usize, level: u32) -> Vec<u8> {
    const VERSION: u8 = 2;
    const DEFLATE: u16 = 1;
    const SHUFFLE: u16 = 2;
    const OPTIONAL: u16 = 1;
    let mut message = vec![VERSION, 2];
    for (number, setting) in [(SHUFFLE, width as u32), (DEFLATE, level)] {
        message.extend(number.to_le_bytes());
        message.extend(OPTIONAL.to_le_bytes());
        message.extend(1_u16.to_le_bytes());
        message.extend(setting.to_le_bytes());
    }
    message
}

fn superblock(end: u64) -> Vec<u8> {
    const VERSION: u8 = 2;
    let mut block = SIGNATURE.to_vec();
    // Addresses and lengths have 8 bytes; nobody has the file open.
    block.extend([VERSION, 8, 8, 0]);
    for address in [0, UNDEFINED, end, SUPERBLOCK] {
        block.extend(address.to_le_bytes());
    }
    block.extend(checksum(&block).to_le_bytes());
    block
}
