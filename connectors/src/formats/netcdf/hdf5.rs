//! The variables of a NetCDF-4 file, which are HDF5 datasets.
//!
//! Which datasets are variables, and what their dimensions are called, is netcdf-reader's part;
//! how their values are stored is read here from the datasets' own headers.

use std::sync::Arc;

use bytes::Bytes;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{ArrayDescription, ArrayReader, Attributes};
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::dataspace::DataspaceMessage;
use hdf5_reader::messages::datatype::Datatype;
use hdf5_reader::messages::filter_pipeline::FilterDescription;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::{Hdf5File, io::Cursor};
use netcdf_reader::{NcGroup, NcType, NcVariable};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::array::NetcdfArray;
use super::attributes;
use super::chunk_index::{ChunkedStorage, IndexLocation};
use super::element::Element;
use super::file::{StoredFile, damaged, library_error};
use super::filters;
use super::layout::{Layout, single_chunk, virtual_chunks};

/// netCDF puts this before the name of a dataset that is named like a dimension but is not its
/// coordinate.
const NOT_A_COORDINATE: &str = "_nc4_non_coord_";

/// What a dataset's object header says about its storage.
struct Header {
    space: DataspaceMessage,
    stored_type: Datatype,
    layout: DataLayout,
    filters: Vec<FilterDescription>,
    /// Bytes of the fill value, when the file defines one.
    fill: Option<Vec<u8>>,
    external: bool,
}

/// The readers of the variables of `group`, whose path is `path`. A variable of a type that has
/// no column type (compound, opaque, variable-length sequence, array, reference) is left out.
///
/// # Errors
/// A damaged header, or data in other files.
pub(super) fn arrays(
    file: &Arc<StoredFile>,
    hdf5: &Hdf5File,
    group: &NcGroup,
    path: &str,
) -> CubeResult<Vec<Arc<dyn ArrayReader>>> {
    let mut arrays: Vec<Arc<dyn ArrayReader>> = Vec::with_capacity(group.variables.len());
    for variable in &group.variables {
        let place = format!("{}, variable {}", file.location.url, variable.name);
        let header = header(hdf5, variable.data_offset, &place)?;
        let reference_width = 4 + usize::from(hdf5.superblock().offset_size) + 4;
        if let Some(element) = Element::of_hdf5(&header.stored_type, reference_width) {
            let dataset_path = format!("{path}/{}", variable.name);
            let array = array(file, hdf5, variable, header, element, dataset_path, &place)?;
            arrays.push(Arc::new(array));
        }
    }
    Ok(arrays)
}

fn header(hdf5: &Hdf5File, address: u64, place: &str) -> CubeResult<Header> {
    let messages = hdf5
        .get_or_parse_header(address)
        .map_err(|error| library_error(place, error.into()))?;
    let (mut space, mut stored_type, mut layout) = (None, None, None);
    let (mut filters, mut fill, mut external) = (Vec::new(), None, false);
    for message in &messages.messages {
        match message {
            HdfMessage::Dataspace(found) => space = Some(found.clone()),
            HdfMessage::Datatype(found) => stored_type = Some(found.datatype.clone()),
            HdfMessage::DataLayout(found) => layout = Some(found.layout.clone()),
            HdfMessage::FilterPipeline(found) => filters = found.filters.clone(),
            HdfMessage::FillValue(found) => fill = found.value.clone(),
            HdfMessage::ExternalFiles(_) => external = true,
            _ => {}
        }
    }
    match (space, stored_type, layout) {
        (Some(space), Some(stored_type), Some(layout)) => Ok(Header {
            space,
            stored_type,
            layout,
            filters,
            fill,
            external,
        }),
        _ => Err(damaged(place, "a dataset lacks its shape, type or layout")),
    }
}

fn array(
    file: &Arc<StoredFile>,
    hdf5: &Hdf5File,
    variable: &NcVariable,
    header: Header,
    element: Element,
    dataset_path: String,
    place: &str,
) -> CubeResult<NetcdfArray> {
    let shape = variable.shape();
    if shape.len() != header.space.dims.len() {
        return Err(damaged(
            place,
            "a dataset has another number of dimensions than its variable",
        ));
    }
    let fill = header
        .fill
        .clone()
        .unwrap_or_else(|| vec![0; element.width]);
    let fill_value = element.json(&fill, place);
    let mut attributes = attributes::to_json(&variable.attributes);
    name_flags(&variable.dtype, &element, &mut attributes);
    let codecs = filters::describe(&header.filters);
    let (layout, chunks, stored_bytes) =
        layout(hdf5, &shape, header, &element, fill, dataset_path, place)?;
    Ok(NetcdfArray {
        file: file.clone(),
        description: ArrayDescription {
            name: variable
                .name
                .strip_prefix(NOT_A_COORDINATE)
                .unwrap_or(&variable.name)
                .to_string(),
            dimensions: variable.dimensions.iter().map(|d| d.name.clone()).collect(),
            shape,
            chunks,
            data_type: element.data_type.clone(),
            fill_value,
            attributes,
            codecs,
            shard_shape: None,
            stored_bytes,
        },
        element,
        layout,
    })
}

/// Where the values are, how they are cut into chunks, and how many bytes they take if known.
fn layout(
    hdf5: &Hdf5File,
    shape: &[u64],
    header: Header,
    element: &Element,
    fill: Vec<u8>,
    dataset_path: String,
    place: &str,
) -> CubeResult<(Layout, Vec<AxisChunks>, Option<u64>)> {
    let superblock = hdf5.superblock();
    let undefined = |address| Cursor::is_undefined_offset(address, superblock.offset_size);
    if header.external {
        return Err(CubeError::unsupported(
            place,
            "the values are in another file (HDF5 external storage)",
        )
        .remedy("rewrite it as one file with `h5repack`"));
    }
    if element.is_reference {
        return Ok((Layout::Text(dataset_path), single_chunk(shape), None));
    }
    let chunked = matches!(header.layout, DataLayout::Chunked { .. });
    if !chunked && shape != header.space.dims.as_slice() {
        return Err(damaged(
            place,
            "a dataset has another shape than its variable",
        ));
    }
    let row_bytes = shape
        .iter()
        .skip(1)
        .fold(element.width as u64, |bytes, length| {
            bytes.saturating_mul(*length)
        });
    match header.layout {
        DataLayout::Compact { data } => {
            let bytes = data.len() as u64;
            Ok((
                Layout::Inline(Bytes::from(data)),
                single_chunk(shape),
                Some(bytes),
            ))
        }
        DataLayout::Contiguous { address, .. } if undefined(address) => Ok((
            Layout::Unwritten,
            virtual_chunks(shape, element.width),
            Some(0),
        )),
        DataLayout::Contiguous { address, size } => Ok((
            Layout::Rows {
                start: address.saturating_add(superblock.base_address),
                stride: row_bytes,
            },
            virtual_chunks(shape, element.width),
            Some(size),
        )),
        DataLayout::Chunked {
            address,
            mut dims,
            chunk_indexing,
            ..
        } => {
            // Some versions count the bytes of a cell as the last dimension.
            dims.truncate(shape.len());
            if dims.len() != shape.len() || dims.contains(&0) {
                return Err(damaged(place, format!("chunks of shape {dims:?}")));
            }
            let chunks = shape
                .iter()
                .zip(&dims)
                .map(|(length, size)| AxisChunks::regular(*length, u64::from(*size)))
                .collect();
            if undefined(address) {
                return Ok((Layout::Unwritten, chunks, Some(0)));
            }
            let location = IndexLocation {
                address,
                kind: chunk_indexing,
                chunk_shape: dims,
                stored_shape: header.space.dims,
                largest_shape: header.space.max_dims,
                width: element.width,
                base: superblock.base_address,
                offset_size: superblock.offset_size,
                length_size: superblock.length_size,
            };
            let storage = ChunkedStorage {
                location,
                filters: header.filters,
                fill,
                index: OnceCell::new(),
            };
            Ok((Layout::Chunks(Box::new(storage)), chunks, None))
        }
    }
}

/// Gives the numbers of an enumeration their names, as CF's `flag_values` and `flag_meanings`.
fn name_flags(stored: &NcType, element: &Element, attributes: &mut Attributes) {
    let NcType::Enum { members, .. } = stored else {
        return;
    };
    if element.data_type == arrow::datatypes::DataType::Boolean
        || attributes.contains_key("flag_values")
    {
        return;
    }
    let values: Vec<Value> = members
        .iter()
        .filter_map(|member| member.value.as_i128())
        .map(|number| match u64::try_from(number) {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(number as i64),
        })
        .collect();
    let names: Vec<String> = members
        .iter()
        .map(|member| member.name.replace(char::is_whitespace, "_"))
        .collect();
    attributes.insert("flag_values".to_string(), Value::Array(values));
    attributes.insert("flag_meanings".to_string(), Value::from(names.join(" ")));
}
