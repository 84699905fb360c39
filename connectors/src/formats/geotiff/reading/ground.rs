//! Where an image lies on the Earth, as the tags of GeoTIFF say it: [`Ground`].
//!
//! ```text
//!  Directory ─▶ Keys ─▶ System, Placement ─▶ arrays y, x or lat, lon, and spatial_ref
//! ```

use std::sync::Arc;

use graticule_engine::error::CubeResult;
use graticule_engine::source::{ArrayReader, Attributes};
use serde_json::{Value, json};

use super::bands::GRID_MAPPING;
use super::computed::ComputedArray;
use super::directory::{Directory, Header};
use super::file_bytes::FileBytes;
use super::keys::Keys;
use super::placement::{Placement, Steps};
use super::system::System;
use crate::formats::stored_file::StoredFile;

/// Where an image lies.
#[derive(Debug, Clone, Default)]
pub(in crate::formats) struct Ground {
    placement: Option<Placement>,
    system: Option<System>,
}

impl Ground {
    /// That of an image.
    ///
    /// # Errors
    /// The image is rotated: its rows and columns have no coordinates.
    pub(super) fn of(directory: &Directory) -> CubeResult<Self> {
        let keys = Keys::of(directory);
        let placement = Placement::of(directory, keys.is_point())?;
        Ok(Self {
            placement,
            // A system without a place says nothing of cells.
            system: placement.and_then(|_| System::of(&keys)),
        })
    }

    /// That of the first image of a TIFF file.
    ///
    /// # Errors
    /// It is no TIFF file, or those of an image.
    pub(in crate::formats) async fn of_file(bytes: &mut FileBytes) -> CubeResult<Self> {
        let head = bytes.held(0, bytes.size().min(16)).unwrap_or_default();
        let header = Header::of(&head)?;
        Self::of(&Directory::read(header, header.first, bytes).await?)
    }

    /// The names of the dimensions of rows and columns.
    pub(in crate::formats) fn dimensions(&self) -> [&'static str; 2] {
        let system = self.system.as_ref();
        match system.is_some_and(|system| system.is_geographic) {
            true => ["lat", "lon"],
            false => ["y", "x"],
        }
    }

    /// Is there a grid mapping?
    pub(in crate::formats) fn has_system(&self) -> bool {
        self.system.is_some()
    }

    /// The coordinates of an image of `size` rows and columns that shows what the image of `size_of_all` shows, and the grid
    /// mapping.
    pub(in crate::formats) fn arrays(
        &self,
        file: &Arc<StoredFile>,
        size: [u64; 2],
        size_of_all: [u64; 2],
    ) -> Vec<Arc<dyn ArrayReader>> {
        let (rows, columns) = match self.placement {
            Some(placement) => (
                placement.rows.coarser(size[0], size_of_all[0]),
                placement.columns.coarser(size[1], size_of_all[1]),
            ),
            None => (Steps::NUMBERS, Steps::NUMBERS),
        };
        let attributes = |geographic: Value, projected: Value| -> Attributes {
            let said = match &self.system {
                Some(system) if system.is_geographic => geographic,
                Some(_) => projected,
                None => Value::Null,
            };
            let mut attributes = said.as_object().cloned().unwrap_or_default();
            let units = self.system.as_ref().and_then(|system| system.units);
            attributes.extend(units.map(|units| ("units".to_string(), Value::from(units))));
            attributes
        };
        let of_rows = attributes(
            json!({"standard_name": "latitude", "units": "degrees_north"}),
            json!({"standard_name": "projection_y_coordinate"}),
        );
        let of_columns = attributes(
            json!({"standard_name": "longitude", "units": "degrees_east"}),
            json!({"standard_name": "projection_x_coordinate"}),
        );
        let [y, x] = self.dimensions();
        let along = |name, length, steps, attributes| -> Arc<dyn ArrayReader> {
            Arc::new(ComputedArray::coordinates(
                file, name, length, steps, attributes,
            ))
        };
        let mut arrays = vec![
            along(y, size[0], rows, of_rows),
            along(x, size[1], columns, of_columns),
        ];
        if let Some(system) = &self.system {
            let attributes = system.attributes.clone();
            let mapping = ComputedArray::grid_mapping(file, GRID_MAPPING, attributes);
            arrays.push(Arc::new(mapping));
        }
        arrays
    }
}
