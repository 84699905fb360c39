//! The variables of a NetCDF-3 file (CDF-1, CDF-2 and CDF-5).

use std::sync::Arc;

use graticule_engine::error::CubeResult;
use graticule_engine::source::{ArrayDescription, ArrayReader};
use netcdf_reader::classic::data::compute_record_stride;
use netcdf_reader::{NcGroup, NcVariable};

use super::array::NetcdfArray;
use super::attributes;
use super::element::{Element, default_fill};
use super::file::{StoredFile, library_error};
use super::layout::{Layout, virtual_chunks};

/// The readers of all variables of `root`, the only group of its file.
///
/// # Errors
/// Records too large for a file.
pub(super) fn arrays(
    file: &Arc<StoredFile>,
    root: &NcGroup,
) -> CubeResult<Vec<Arc<dyn ArrayReader>>> {
    let record_stride = compute_record_stride(&root.variables)
        .map_err(|error| library_error(&file.location.url, error))?;
    Ok(root
        .variables
        .iter()
        .filter_map(|variable| {
            let array = array(file, variable, record_stride)?;
            Some(Arc::new(array) as Arc<dyn ArrayReader>)
        })
        .collect())
}

fn array(file: &Arc<StoredFile>, variable: &NcVariable, record_stride: u64) -> Option<NetcdfArray> {
    let element = Element::of_classic(&variable.dtype)?;
    let shape = variable.shape();
    let row_bytes = shape
        .iter()
        .skip(1)
        .fold(element.width as u64, |bytes, length| {
            bytes.saturating_mul(*length)
        });
    let stride = if variable.is_record_var {
        record_stride
    } else {
        row_bytes
    };
    let attributes = attributes::to_json(&variable.attributes);
    let fill_value = attributes
        .get("_FillValue")
        .cloned()
        .unwrap_or_else(|| default_fill(&element.data_type));
    let rows = if shape.is_empty() { 1 } else { shape[0] };
    Some(NetcdfArray {
        file: file.clone(),
        description: ArrayDescription {
            name: variable.name.clone(),
            dimensions: variable.dimensions.iter().map(|d| d.name.clone()).collect(),
            chunks: virtual_chunks(&shape, element.width),
            data_type: element.data_type.clone(),
            fill_value,
            attributes,
            codecs: String::new(),
            shard_shape: None,
            stored_bytes: Some(rows.saturating_mul(row_bytes)),
            shape,
        },
        element,
        layout: Layout::Rows {
            start: variable.data_offset,
            stride,
        },
    })
}
