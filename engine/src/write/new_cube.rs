//! Plans a cube that is made of a query: `CREATE TABLE … AS SELECT`, `COPY … TO`.
//!
//! ```text
//!  query ─▶ derivations: which columns are dimensions ─▶ coordinates ─▶ layout ─▶ arrays
//!                                                         (no chunk is read)
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use tokio::runtime::Handle;

use super::boxes::TargetDimension;
use super::coordinates::coordinates;
use super::derivation::Derivations;
use super::dims::{Dim, axis_read, canonical, described, dims, is_horizontal};
use super::layout::{Dimension, Layout, block_of_objects};
use super::metadata::{
    CellMethod, GridMapping, Lineage, Method, Provenance, References, TargetAxis, TimeCells,
    coordinate_arrays, group_attributes, image_grid, time_bounds, variable_attributes,
};
use super::options::{LayoutOptions, WriteOptions, check_attributes};
use super::partial::{PartialVariable, own_dimensions};
use super::plan::{
    Draft, Layer, Target, TargetVariable, WritePlan, bytes_of_value, most_cells, width_of,
};
use crate::cube::encoding::{Encoding, EncodingOptions};
use crate::cube::{Axis, AxisOrder, AxisRole, Cube};
use crate::error::{CubeError, CubeResult};
use crate::runtime::{io_handle, run_on};
use crate::sink::{TargetArray, TargetCube};

/// Decides how the result of `query` is written to `target`.
///
/// # Errors
/// The query has no grid, an option is wrong, or the cube cannot be written like this.
pub(crate) async fn plan_new(
    state: SessionState,
    query: LogicalPlan,
    target: Target,
    options: &WriteOptions,
    statement: &str,
) -> Result<WritePlan> {
    let draft = draft_new(state, query, target, options, statement).await?;
    draft.finish().await
}

/// As [`plan_new`], before the cube is cut into boxes.
///
/// # Errors
/// As [`plan_new`].
pub(super) async fn draft_new(
    state: SessionState,
    query: LogicalPlan,
    target: Target,
    options: &WriteOptions,
    statement: &str,
) -> Result<Draft> {
    let derivations = Derivations::of(&query);
    let schema = Arc::clone(query.schema().inner());
    let mut dims: Vec<Dim> = dims(&derivations, &schema, options.dims.as_deref())?
        .into_iter()
        .map(|column| Dim::of(column, &derivations, &schema))
        .collect();
    let tile_unit = target.sink.tile_unit();
    if tile_unit.is_some() {
        dims = as_image(dims, options.dims.is_some())?;
    }
    let mut dimensions = Vec::new();
    for Dim {
        column,
        role: _,
        order,
    } in dims.iter().copied()
    {
        let coordinates = coordinates(&state, &query, column, order).await?;
        dimensions.push(TargetDimension {
            name: schema.field(column).name().clone(),
            column,
            order: match order {
                Some(AxisOrder::Descending) => AxisOrder::Descending,
                _ => AxisOrder::Ascending,
            },
            object: coordinates.len() as u64,
            coordinates,
        });
    }
    let names: Vec<String> = dimensions
        .iter()
        .map(|dimension| dimension.name.clone())
        .collect();
    let columns: Vec<usize> = (0..schema.fields().len())
        .filter(|column| {
            !dimensions
                .iter()
                .any(|dimension| dimension.column == *column)
        })
        .collect();
    let variable_names: Vec<String> = columns
        .iter()
        .map(|column| schema.field(*column).name().clone())
        .collect();
    check_names(&schema)?;
    options.check(&names, &variable_names, target.sink.options())?;
    if variable_names.is_empty() {
        return Err(
            CubeError::invalid(&target.name, "the query has dimensions and no variable")
                .remedy("select a value, such as avg(v) AS v")
                .into(),
        );
    }
    let io = io_handle(state.config());
    let mut axes = Vec::new();
    for (dimension, dim) in dimensions.iter().zip(&dims) {
        axes.push(axis_of(dimension, dim.role, &derivations, &schema, &io).await?);
    }
    let encodings = columns
        .iter()
        .map(|column| {
            let field = described(&schema, *column, &derivations.columns[*column]);
            let options = EncodingOptions::parse(&options.of_variable(field.name()))?;
            Ok(Encoding::plan(&field, &options)?)
        })
        .collect::<Result<Vec<Encoding>>>()?;
    let width = encodings
        .iter()
        .map(|encoding| width_of(encoding.stored_type()))
        .max();
    let extents: Vec<Dimension> = dimensions
        .iter()
        .zip(&axes)
        .map(|(dimension, axis)| Dimension {
            name: dimension.name.clone(),
            length: dimension.coordinates.len() as u64,
            role: axis.role,
        })
        .collect();
    let can_shard = target.sink.has_shards(&options.others);
    let width = width.unwrap_or(8);
    let of_cell = columns
        .iter()
        .zip(&encodings)
        .map(|(column, encoding)| bytes_of_value(schema.field(*column).data_type(), encoding));
    let most_cells = most_cells(&state, options.memory, of_cell.sum());
    let own_axes = variable_names
        .iter()
        .map(|name| own_dimensions(name, options.own_dims.get(name), &names))
        .collect::<CubeResult<Vec<Vec<usize>>>>()?;
    let is_whole = |own: &[usize]| own.len() == names.len();
    check_partial(&own_axes, &names, &target)?;
    let layouts = variable_names.iter().zip(&own_axes).map(|(name, own)| {
        let asked = LayoutOptions {
            most_cells: Some(most_cells),
            ..options.layout_of(name)
        };
        let extents: Vec<Dimension> = own.iter().map(|axis| extents[*axis].clone()).collect();
        let can_shard = can_shard && is_whole(own);
        Layout::choose(&extents, width, &asked, can_shard, tile_unit)
    });
    let layouts = layouts.collect::<CubeResult<Vec<Layout>>>()?;
    let whole = layouts.iter().zip(&own_axes);
    let whole = whole.filter(|(_, own)| is_whole(own));
    let block = block_of_objects(whole.map(|(layout, _)| layout.object()));
    for (dimension, object) in dimensions.iter_mut().zip(block) {
        dimension.object = object;
    }
    let crs = derivations.cubes.iter().find_map(|cube| cube.crs.clone());
    let horizontal = extents.iter().filter(|extent| is_horizontal(extent.role));
    let crs = crs.filter(|_| horizontal.count() == 2);
    let images = tile_unit.map(|_| image_grid(&axes, crs.as_ref()));
    let is_taken = |name: &str| schema.index_of(name).is_ok();
    let mapping = crs.as_ref().map(|crs| GridMapping::of(crs, is_taken));
    let small = coordinate_arrays(&axes, mapping.as_ref())?;
    let mut arrays: Vec<TargetArray> = small.iter().map(|small| small.target.clone()).collect();
    let values = small
        .into_iter()
        .map(|small| small.values)
        .enumerate()
        .collect();
    let names_of_variables: Vec<&str> = variable_names.iter().map(String::as_str).collect();
    let (mut variables, mut partial, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let planned = columns.iter().zip(encodings).zip(layouts).zip(&own_axes);
    for (((column, encoding), layout), own) in planned {
        let field = described(&schema, *column, &derivations.columns[*column]);
        let lineage = lineage(&derivations, *column);
        let on_map = own
            .iter()
            .filter(|axis| is_horizontal(extents[**axis].role));
        let mapping = mapping.as_ref().filter(|_| on_map.count() == 2);
        let references = References {
            grid_mapping: mapping.map(GridMapping::name),
            names: &names_of_variables,
        };
        let mut attributes = variable_attributes(&field, &encoding, &lineage, references);
        if let Some(asked) = options.variable_attributes.get(field.name()) {
            check_attributes(field.name(), asked, &attributes)?;
            attributes.extend(asked.clone());
        }
        let asked = options.of_variable(field.name());
        arrays.push(TargetArray {
            name: field.name().clone(),
            dimensions: own.iter().map(|axis| names[*axis].clone()).collect(),
            shape: own.iter().map(|axis| extents[*axis].length).collect(),
            chunks: layout.chunks,
            shards: layout.shards,
            data_type: encoding.stored_type().clone(),
            fill_value: encoding.fill_value(),
            codec: asked.get("codec").cloned(),
            attributes,
        });
        let variable = TargetVariable {
            data_type: schema.field(*column).data_type().clone(),
            encoding,
            array: arrays.len() - 1,
        };
        if is_whole(own) {
            variables.push(variable);
            whole.push(*column);
            continue;
        }
        let own = own.iter().map(|axis| dimensions[*axis].clone());
        partial.push(PartialVariable::new(&query, *column, own, variable)?);
    }
    let of_sources: Vec<_> = derivations
        .cubes
        .iter()
        .map(|cube| &cube.attributes)
        .collect();
    let provenance = Provenance {
        statement: statement.to_string(),
        sources: sources(&derivations.cubes),
        date: now(),
        is_selection: is_selection(&derivations),
    };
    let fields: Vec<FieldRef> = columns
        .iter()
        .map(|column| described(&schema, *column, &derivations.columns[*column]))
        .collect();
    let mut attributes = group_attributes(&axes, &fields, crs.as_ref(), &provenance, &of_sources)?;
    attributes.extend(options.attributes.clone());
    let cube = TargetCube {
        arrays,
        attributes,
        images: images.transpose()?,
    };
    for (axis, dimension) in dimensions.iter_mut().enumerate() {
        dimension.column = axis;
    }
    Ok(Draft {
        statement: statement.to_string(),
        layers: vec![Layer {
            query: canonical(&query, dims.iter().map(|dim| &dim.column).chain(&whole))?,
            cells: None,
        }],
        carry: None,
        before: None,
        state,
        target,
        dimensions,
        variables,
        partial,
        cube,
        small: values,
        format_options: options.others.clone(),
        sources: derivations.cubes,
        reads_tables: derivations.reads_tables,
        memory: options.memory,
    })
}

/// # Errors
/// No variable has all dimensions, or the format knows only such.
fn check_partial(own_axes: &[Vec<usize>], names: &[String], target: &Target) -> CubeResult<()> {
    let count = |own: &Vec<usize>| own.len() < names.len();
    let partial = own_axes.iter().filter(|own| count(own)).count();
    if partial > 0 && target.sink.tile_unit().is_some() {
        let cause = format!(
            "in {} all variables have the same dimensions",
            target.sink.name()
        );
        return Err(CubeError::unsupported(&target.name, cause)
            .remedy("leave the options \"….dims\" out, or write Zarr or NetCDF"));
    }
    match partial < own_axes.len() {
        true => Ok(()),
        false => Err(
            CubeError::invalid(&target.name, "no variable has all dimensions")
                .remedy("leave one option \"….dims\" out, or select fewer dimensions"),
        ),
    }
}

fn check_names(schema: &Schema) -> CubeResult<()> {
    let mut seen = BTreeSet::new();
    for field in schema.fields() {
        let name = field.name();
        if !seen.insert(name) {
            return Err(
                CubeError::invalid("", format!("two columns are called {name}"))
                    .remedy("rename one with AS"),
            );
        }
        let is_plain = name
            .chars()
            .all(|c| c.is_alphanumeric() || "_-.".contains(c));
        if !is_plain || name.starts_with('.') || name.is_empty() {
            return Err(CubeError::invalid(
                "",
                format!("a column cannot be stored under the name {name}"),
            )
            .remedy("give it one of letters, digits and _ with AS"));
        }
    }
    Ok(())
}

fn lineage(derivations: &Derivations, column: usize) -> Lineage {
    let derivation = &derivations.columns[column];
    let function = derivation.reduced_by.as_ref();
    Lineage {
        source: derivation.source.clone(),
        method: function.map(|function| CellMethod {
            method: Method::of_function(function),
            over: derivations.reduced_axes.clone(),
        }),
    }
}

/// Are the cells some of those of one cube, with the values that they had?
fn is_selection(derivations: &Derivations) -> bool {
    let mut columns = derivations.columns.iter();
    derivations.cubes.len() == 1
        && derivations.reduced_axes.is_empty()
        && !derivations.reads_tables
        && columns.all(|column| column.source.is_some() && column.reduced_by.is_none())
}

/// In microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

/// The dimensions with y and x last, from north to south and from west to east. Where the user has named the
/// dimensions (`are_named`) and nothing is known of them, these are the last two.
fn as_image(mut dims: Vec<Dim>, are_named: bool) -> CubeResult<Vec<Dim>> {
    let is_y = |dim: &Dim| matches!(dim.role, AxisRole::Latitude | AxisRole::Y);
    let is_x = |dim: &Dim| matches!(dim.role, AxisRole::Longitude | AxisRole::X);
    if are_named
        && !dims.iter().any(|dim| is_horizontal(dim.role))
        && let [.., y, x] = dims.as_mut_slice()
    {
        (y.role, x.role) = (AxisRole::Y, AxisRole::X);
    }
    let count = |is: &dyn Fn(&Dim) -> bool| dims.iter().filter(|dim| is(dim)).count();
    if (count(&is_y), count(&is_x)) != (1, 1) {
        let cause = "an image has one dimension of y or latitude, and one of x or longitude, which the query has not";
        return Err(CubeError::invalid("", cause)
            .remedy("select both; those of tables are named with dims = '…', y and x last"));
    }
    dims.sort_by_key(|dim| u8::from(is_y(dim)) + 2 * u8::from(is_x(dim)));
    for dim in &mut dims {
        dim.order = match dim.role {
            AxisRole::Latitude | AxisRole::Y => Some(AxisOrder::Descending),
            AxisRole::Longitude | AxisRole::X => Some(AxisOrder::Ascending),
            _ => dim.order,
        };
    }
    Ok(dims)
}

/// # Errors
/// The cells that a key stands for end beyond all times, or bounds that the data state cannot be read.
async fn axis_of(
    dimension: &TargetDimension,
    role: AxisRole,
    derivations: &Derivations,
    schema: &Schema,
    io: &Handle,
) -> CubeResult<TargetAxis> {
    let derivation = &derivations.columns[dimension.column];
    let field = described(schema, dimension.column, derivation);
    let key = derivation.key.as_ref();
    let cells = key.and_then(|key| TimeCells::of_key(key, &field));
    let is_as_it_was = derivation.source.is_some() && derivation.reduced_by.is_none();
    let bounds = match cells {
        Some(cells) => Some(time_bounds(&field, &dimension.coordinates, cells)?),
        None => {
            let axis = axis_read(derivation, derivations).filter(|_| is_as_it_was);
            stated_bounds(axis, &dimension.coordinates, io).await?
        }
    };
    Ok(TargetAxis {
        bounds,
        field,
        coordinates: Arc::clone(&dimension.coordinates),
        role,
        encoding: EncodingOptions::default(),
    })
}

/// The bounds that the data state for the cells at `coordinates`.
pub(super) async fn stated_bounds(
    axis: Option<&Axis>,
    coordinates: &ArrayRef,
    io: &Handle,
) -> CubeResult<Option<ArrayRef>> {
    let Some(bounds) = axis.and_then(|axis| axis.cell_bounds.clone()) else {
        return Ok(None);
    };
    let coordinates = Arc::clone(coordinates);
    run_on(io, async move { bounds.of(&coordinates).await }).await
}

pub(super) fn sources(cubes: &[Arc<Cube>]) -> Vec<(String, String)> {
    let mut sources: Vec<(String, String)> = cubes
        .iter()
        .map(|cube| (cube.url.clone(), cube.stored_version().to_string()))
        .collect();
    sources.sort();
    sources.dedup();
    sources
}
