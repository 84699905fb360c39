//! A message alone, in memory: [`Message`]. So those that sets of references lead to are read.
//!
//! ```text
//!  │GRIB│1│3│4│5│6│7│7777│ ─▶ scan, which finds all it asks for ─▶ the first field and its grid
//! ```

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use graticule_engine::error::{CubeError, CubeResult};

use super::damaged;
use super::field::Data;
use super::grid::{Grid, Places};
use super::packing::unpack;
use super::scan;

/// A message of one field. Of several it is the first one.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Bytes,
    data: Data,
    grid: Arc<Grid>,
}

impl Message {
    /// Reads the headers.
    ///
    /// # Errors
    /// The bytes are no message, or one that is not read.
    pub(crate) fn of(bytes: Bytes) -> CubeResult<Self> {
        let read = scan::read_message(&bytes).now_or_never();
        let contents = read.ok_or_else(|| damaged("it ends too early"))??;
        let Some(field) = contents.fields.into_iter().next() else {
            let left_out = contents.left_out.into_iter().next();
            return Err(left_out.map_or_else(|| damaged("it has no field"), |(error, _)| error));
        };
        let grid = contents.grids.into_iter().nth(field.grid);
        Ok(Self {
            bytes,
            data: field.data,
            grid: grid.ok_or_else(|| damaged("it has no grid"))?,
        })
    }

    /// How many points its grid has, and values therefore.
    pub(crate) fn points(&self) -> u64 {
        self.grid.points
    }

    /// The values in the order in which they are stored, missing ones NaN.
    ///
    /// # Errors
    /// They are damaged, or packed in a way that is not read.
    pub(crate) fn values(&self) -> CubeResult<Vec<f64>> {
        let parts = self.data.ranges.iter().map(|range| {
            let part = self.bytes.get(range.start as usize..range.end as usize);
            part.ok_or_else(|| damaged("it ends too early"))
        });
        let parts = parts.collect::<CubeResult<Vec<&[u8]>>>()?;
        let cells = unpack(self.data.encoding, &parts.concat(), self.grid.layout())?;
        Ok(match cells.present {
            None => cells.values,
            Some(present) => std::iter::zip(cells.values, present)
                .map(|(value, is_there)| if is_there { value } else { f64::NAN })
                .collect(),
        })
    }

    /// The coordinates called `name`, latitude or longitude: of `count` rows or columns, or of all points.
    ///
    /// # Errors
    /// The grid has no such axis, or another number of them.
    pub(crate) fn coordinates(&self, name: &str, count: u64) -> CubeResult<Vec<f64>> {
        let points = self.grid.points;
        let absent = || {
            let cause = format!(
                "a GRIB message of a grid {} states no {count} numbers of {name}",
                self.grid.kind
            );
            CubeError::unsupported("", cause).remedy("read the GRIB file itself")
        };
        match &self.grid.places {
            Places::Rectangle { rows, columns, .. } => {
                let along_rows = rows.name == name;
                let axis = if along_rows { rows } else { columns };
                let own = axis.coordinates.values(0..axis.length());
                match count {
                    _ if axis.name != name => Err(absent()),
                    count if count == axis.length() => Ok(own),
                    count if count == points => {
                        let width = columns.length() as usize;
                        let of_point = |point: u64| match along_rows {
                            true => point as usize / width,
                            false => point as usize % width,
                        };
                        let all = (0..points).filter_map(|point| own.get(of_point(point)).copied());
                        Ok(all.collect())
                    }
                    _ => Err(absent()),
                }
            }
            Places::Points { axes } => {
                let mut axes = axes.iter();
                let axis = axes.find(|axis| axis.name == name && count == points);
                let axis = axis.ok_or_else(absent)?;
                Ok(axis.coordinates.values(0..points))
            }
        }
    }
}
