//! Where the image lies: [`Placement`], out of the tags of GeoTIFF.
//!
//! ```text
//!  ModelPixelScale      width, height of a pixel         rows run to the south
//!  ModelTiepoint        column, row, _ ─▶ x, y, _        of the corner of a pixel, or of its centre
//!  ModelTransformation  or else x and y of a pixel as a matrix of 4 × 4
//! ```

use graticule_engine::error::{CubeError, CubeResult};

use super::directory::{Directory, tag};

/// The coordinates of rows, or columns, which all have one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steps {
    /// The outer edge of the first one.
    pub(super) edge: f64,
    /// From one to the next.
    pub(super) size: f64,
}

impl Steps {
    /// Numbers of rows or columns, for images of which nobody knows where they lie.
    pub(super) const NUMBERS: Self = Self {
        edge: 0.0,
        size: 1.0,
    };

    /// The coordinate of the centre of a cell.
    pub(super) fn centre(&self, cell: u64) -> f64 {
        self.edge + self.size * (cell as f64 + 0.5)
    }

    /// The steps of an overview with `cells` instead of `of_cells`.
    pub(super) fn coarser(self, cells: u64, of_cells: u64) -> Self {
        Self {
            size: self.size * (of_cells as f64 / cells as f64),
            ..self
        }
    }
}

/// Where the image lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    pub(super) rows: Steps,
    pub(super) columns: Steps,
}

impl Placement {
    /// `None` for an image that is not placed, or by points on it alone. `is_point` tells whether what is
    /// placed is the centre of a pixel rather than its corner.
    ///
    /// # Errors
    /// The image is rotated or sheared: its rows and columns have no coordinates.
    pub(super) fn of(directory: &Directory, is_point: bool) -> CubeResult<Option<Self>> {
        let placed = match directory.floats(tag::TRANSFORMATION)[..] {
            [a, b, _, c, d, e, _, f, ..] if a != 0.0 || b != 0.0 => {
                check_rotation(directory, [a, b, d, e])?;
                Some(([c, a], [f, e]))
            }
            _ => of_tiepoint(directory),
        };
        let Some(([x, width], [y, height])) = placed else {
            return Ok(None);
        };
        let steps = |edge: f64, size: f64| Steps {
            edge: match is_point {
                true => edge - size / 2.0,
                false => edge,
            },
            size,
        };
        let placement = Self {
            rows: steps(y, height),
            columns: steps(x, width),
        };
        let is_usable =
            |steps: &Steps| steps.edge.is_finite() && steps.size.is_finite() && steps.size != 0.0;
        Ok(Some(placement)
            .filter(|placement| is_usable(&placement.rows) && is_usable(&placement.columns)))
    }
}

/// Edges and sizes of columns and rows.
fn of_tiepoint(directory: &Directory) -> Option<([f64; 2], [f64; 2])> {
    let scales = directory.floats(tag::PIXEL_SCALE);
    let tiepoint = directory.floats(tag::TIEPOINT);
    let ([width, height, ..], [column, row, _, x, y, ..]) = (&scales[..], &tiepoint[..]) else {
        return None;
    };
    // Rows run to the south. A negative height would say that they run to the north, but stands in files where
    // they do not; GDAL reads it in this way.
    let height = -height.abs();
    Some(([x - column * width, *width], [y - row * height, height]))
}

/// # Errors
/// The matrix moves the last cell by more than a thousandth of a cell out of its row or column.
fn check_rotation(directory: &Directory, [a, b, d, e]: [f64; 4]) -> CubeResult<()> {
    let length = |tag: u16| directory.number(tag).unwrap_or(1) as f64;
    let shift = (b * length(tag::HEIGHT) / a).abs();
    let other = (d * length(tag::WIDTH) / e).abs();
    // Not a number where the size is 0.
    if shift < 1e-3 && other < 1e-3 {
        return Ok(());
    }
    let cause = "the image is rotated, so that its rows and columns have no coordinates";
    Err(CubeError::unsupported("", cause).remedy("turn it first with `gdalwarp -of COG`"))
}
