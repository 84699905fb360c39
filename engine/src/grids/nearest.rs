//! `nearest(t, lat => 54.2, lon => 7.5)`: the cells of a cube that are nearest to some places on its axes.
//!
//! ```text
//!  lat  52  53  54  55       lat => [54.2, 52.9]     ─▶  lat  54  53
//!            └───┴── nearest                              the coordinates are those of the cells
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Schema};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, ScalarValue};

use super::call::Call;
use super::functions::GridFunction;
use super::system::CIRCLE;
use crate::cube::chunks::AxisChunks;
use crate::cube::zip::{AxisMap, Place, View};
use crate::cube::{Axis, AxisRole, Cube, Variable};
use crate::error::{CubeError, CubeResult};
use crate::scan::CubeTable;

/// The function.
pub(super) struct Nearest;

#[async_trait]
impl GridFunction for Nearest {
    fn name(&self) -> &'static str {
        "nearest"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            "(an axis)",
            "A place on the axis of this name, or a list of places: numbers, or times in single quotes",
        )]
    }

    fn takes_axes(&self) -> bool {
        true
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let table = call.input().await?;
        let cube = table.cube();
        let mut chosen: Vec<Option<Vec<usize>>> = vec![None; cube.axes.len()];
        for name in call.names() {
            let Some(axis) = cube.axes.iter().position(|axis| axis.field.name() == name) else {
                let axes: Vec<&str> = cube
                    .axes
                    .iter()
                    .map(|axis| axis.field.name().as_str())
                    .collect();
                let cause = format!("it has no axis {name}; its axes are {}", axes.join(", "));
                return Err(CubeError::invalid(&cube.name, cause).into());
            };
            chosen[axis] = Some(cells(call, name, &cube.axes[axis])?);
        }
        if chosen.iter().all(Option::is_none) {
            let cause = "nearest needs a place on an axis";
            return Err(CubeError::invalid("", cause)
                .remedy("write nearest(t, lat => 54.2, lon => 7.5)")
                .into());
        }
        let made = selected(call, cube, &chosen)?;
        let blocks = Arc::clone(table.blocks());
        Ok(Arc::new(CubeTable::new(Arc::new(made), blocks)))
    }
}

/// The cells nearest to the places on `axis` that a call names, each once.
fn cells(call: &Call, name: &str, axis: &Axis) -> Result<Vec<usize>> {
    let kind = axis.coordinates.data_type();
    let places = call.places(name, kind)?;
    let centres = as_numbers(&axis.coordinates)?;
    let mut cells = Vec::new();
    for place in &places {
        let number = as_numbers(&place.to_array()?)?[0];
        let away = |centre: f64| {
            let away = (centre - number).abs();
            match axis.role {
                AxisRole::Longitude => {
                    let away = away.rem_euclid(CIRCLE);
                    away.min(CIRCLE - away)
                }
                _ => away,
            }
        };
        let mut found: Option<(usize, f64)> = None;
        for (cell, centre) in centres.iter().enumerate() {
            if found.is_none_or(|(_, nearest)| away(*centre) < nearest) {
                found = Some((cell, away(*centre)));
            }
        }
        let Some((cell, distance)) = found else {
            continue;
        };
        if distance > reach(&centres, cell) {
            return Err(outside(name, place, axis).into());
        }
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// How far from the centre of a cell places may lie for which it is the nearest: to the edge with its farther neighbour.
fn reach(centres: &[f64], cell: usize) -> f64 {
    let to = |other: Option<usize>| {
        let other = other.and_then(|other| centres.get(other));
        other.map_or(0.0, |other| (other - centres[cell]).abs() / 2.0)
    };
    let reach = to(cell.checked_sub(1)).max(to(Some(cell + 1)));
    match reach > 0.0 {
        // Coordinates are rounded.
        true => reach * (1.0 + 1e-6),
        false => f64::INFINITY,
    }
}

fn outside(name: &str, place: &ScalarValue, axis: &Axis) -> CubeError {
    let text = |value: &ScalarValue| value.to_string();
    let at = |cell: usize| {
        ScalarValue::try_from_array(&axis.coordinates, cell).map(|value| text(&value))
    };
    let last = axis.coordinates.len().saturating_sub(1);
    let cause = match (at(0), at(last)) {
        (Ok(first), Ok(last)) => {
            format!("{name} {place} lies outside of the axis, which runs from {first} to {last}")
        }
        _ => format!("{name} {place} lies outside of the axis"),
    };
    CubeError::invalid("", cause)
}

fn as_numbers(values: &ArrayRef) -> Result<Vec<f64>> {
    let values = match values.data_type() {
        temporal if temporal.is_temporal() => cast(values, &DataType::Int64)?,
        _ => Arc::clone(values),
    };
    let numbers = cast(&values, &DataType::Float64)?;
    Ok(numbers.as_primitive::<Float64Type>().values().to_vec())
}

/// The cube of the cells that are chosen along each axis; of an axis without a choice of all.
fn selected(call: &Call, cube: &Cube, chosen: &[Option<Vec<usize>>]) -> Result<Cube> {
    let axes = cube
        .axes
        .iter()
        .zip(chosen)
        .map(|(axis, cells)| match cells {
            None => Ok(axis.clone()),
            Some(cells) => {
                let positions =
                    UInt64Array::from_iter_values(cells.iter().map(|cell| *cell as u64));
                axis.with_coordinates(take(&axis.coordinates, &positions, None)?)
                    .map_err(Into::into)
            }
        });
    let axes = axes.collect::<Result<Vec<Axis>>>()?;
    let places = chosen.iter().enumerate().map(|(axis, cells)| Place::Along {
        axis,
        map: match cells {
            None => AxisMap::new((0..axes[axis].coordinates.len()).map(Some)),
            Some(cells) => AxisMap::new(cells.iter().copied().map(Some)),
        },
    });
    let view = View {
        places: places.collect(),
        partial: Vec::new(),
        host_chunks: axes
            .iter()
            .map(|axis| {
                let length = axis.coordinates.len() as u64;
                AxisChunks::regular(length, length)
            })
            .collect(),
    };
    let variables = cube.variables.iter().map(|variable| view.of(variable));
    let variables = variables.collect::<CubeResult<Vec<Variable>>>()?;
    let fields = axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
    Ok(Cube {
        name: call.text.clone(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        axes,
        variables,
        attributes: cube.attributes.clone(),
        crs: cube.crs.clone(),
        zipped: Vec::new(),
        overviews: None,
        url: cube.url.clone(),
        format: cube.format.clone(),
        version: cube.version.clone(),
    })
}
