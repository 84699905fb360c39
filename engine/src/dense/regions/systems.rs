//! Whether the geometries of regions and the cells of a cube have the same coordinates. Nothing is
//! projected: where they are known to differ, a join would find nothing or the wrong cells.

use arrow::datatypes::Field;
use graticule_functions::space::zones::crs_of;

use crate::cube::Cube;
use crate::cube::crs::Crs;
use crate::error::{CubeError, CubeResult};

/// Checks that geometries of `field` can be laid on the cells of `cube`.
///
/// # Errors
/// Their coordinate reference systems are known, and not the same.
pub(super) fn check(cube: &Cube, field: &Field) -> CubeResult<()> {
    let (Some(of_cells), Some(definition)) = (&cube.crs, crs_of(field)) else {
        return Ok(());
    };
    let of_regions = Crs::of_definition(definition);
    if of_cells.agrees_with(&of_regions) != Some(false) {
        return Ok(());
    }
    let cause = format!(
        "the geometries are in {}, but the cells of the cube are in {}",
        of_regions.name, of_cells.name
    );
    let place = format!("the join of {} on {}", cube.name, field.name());
    let remedy = format!("transform the geometries to {} first", of_cells.name);
    Err(CubeError::invalid(place, cause).remedy(remedy))
}
