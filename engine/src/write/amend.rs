//! Plans changes of a cube that is there: `INSERT`, `DELETE`.
//!
//! ```text
//!  INSERT   axes before ∪ axes of the query      layers: the cube, the query over it (or under it)
//!  DELETE   axes of what stays                   layer: the cube without the rows that go
//! ```
//! A changed cube is a new state of it, which readers see at once and whole. What does not change is
//! carried over, see [`super::carry`]; only objects with changed cells are computed and written.

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, cast as cast_expression, lit,
};
use serde_json::Value;

use super::boxes::TargetDimension;
use super::carry::Carry;
use super::conflict::check_conflict;
use super::coordinates::coordinates;
use super::derivation::Derivations;
use super::dims::is_horizontal;
use super::layout::block_of_objects;
use super::merge::{Merged, merge};
use super::metadata::{
    GridMapping, Provenance, TargetAxis, TimeCells, coordinate_arrays, group_attributes,
    time_bounds,
};
use super::new_cube::{now, sources, stated_bounds};
use super::plan::{Draft, Layer, Target, TargetVariable, WritePlan};
use crate::cube::encoding::{Encoding, EncodingOptions, OutOfRange};
use crate::cube::{AxisOrder, Cube};
use crate::error::{CubeError, CubeResult};
use crate::runtime::io_handle;
use crate::sink::{StoredCube, TargetArray, TargetCube};
use crate::source::Attributes;
use crate::sql::suggestions::nearest;

/// What becomes of rows whose cells are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// The statement fails.
    Error,
    /// They replace them.
    Replace,
    /// They are left out.
    Nothing,
}

/// A change of a cube.
#[derive(Debug)]
pub(crate) enum Change {
    /// Rows come in.
    Insert {
        query: LogicalPlan,
        on_conflict: OnConflict,
    },
    /// Rows go: `rest` are those that stay.
    Delete {
        rest: LogicalPlan,
        /// Does the condition read one axis and nothing else, so that whole slices go?
        is_of_slices: bool,
    },
}

/// The cube that is changed.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) cube: Arc<Cube>,
    /// `SELECT * FROM` it.
    pub(crate) query: LogicalPlan,
    pub(crate) stored: StoredCube,
}

/// Decides how the cube at `target` is changed.
///
/// # Errors
/// The rows do not fit the cube, they are there already, or the cube is stored in a way in which
/// it cannot be changed.
pub(crate) async fn plan_change(
    state: SessionState,
    before: Before,
    change: Change,
    target: Target,
    statement: &str,
) -> Result<WritePlan> {
    let cube = &before.cube;
    let variables = variables(&before)?;
    let io = io_handle(state.config());
    let columns: Vec<FieldRef> = cube.schema.fields().iter().cloned().collect();
    let axes = cube.axes.len();
    let (changing, on_conflict) = match &change {
        Change::Insert { query, on_conflict } => (matched(query, &columns, axes)?, *on_conflict),
        Change::Delete { rest, .. } => (matched(rest, &columns, axes)?, OnConflict::Nothing),
    };
    let derivations = Derivations::of(&changing);
    let mut merged = Vec::new();
    for (number, axis) in cube.axes.iter().enumerate() {
        let found = coordinates(&state, &changing, number, Some(axis.order)).await?;
        let mut along = match &change {
            Change::Insert { .. } => merge(axis, &found)?,
            Change::Delete { .. } => Merged::remaining(axis, found)?,
        };
        let key = derivations
            .columns
            .get(number)
            .and_then(|column| column.key.as_ref());
        let cells = key.and_then(|key| TimeCells::of_key(key, &axis.field));
        // Bounds of slices that come in are known where their key says how long they are.
        along.bounds = match cells.filter(|_| axis.bounds.is_some()) {
            Some(cells) => Some(time_bounds(&axis.field, &along.coordinates, cells)?),
            None => stated_bounds(Some(axis), &along.coordinates, &io).await?,
        };
        merged.push(along);
    }
    if matches!(change, Change::Insert { .. }) && on_conflict == OnConflict::Error {
        check_conflict(&state, cube, &changing, &merged).await?;
    }
    let layers = match &change {
        Change::Insert { .. } => {
            let base = Layer {
                query: matched(&before.query, &columns, axes)?,
                cells: Some(merged.iter().map(Merged::was_there).collect()),
            };
            let inserted = Layer {
                query: changing,
                cells: Some(merged.iter().map(|axis| axis.is_inserted.clone()).collect()),
            };
            match on_conflict {
                OnConflict::Nothing => vec![inserted, base],
                _ => vec![base, inserted],
            }
        }
        Change::Delete { .. } => vec![Layer {
            query: changing,
            cells: None,
        }],
    };
    let base = match (&change, on_conflict) {
        (Change::Insert { .. }, OnConflict::Nothing) => Some(1),
        (Change::Insert { .. }, _) => Some(0),
        (Change::Delete { is_of_slices, .. }, _) => is_of_slices.then_some(0),
    };
    let carry = base.map(|base| {
        let lengths = cube.axes.iter().map(|axis| axis.coordinates.len() as u64);
        let cells = merged.iter().map(|axis| axis.before.clone());
        Carry::new(cells.collect(), lengths.collect(), base)
    });
    let arrays = Arrays::of(&before, &merged, &variables)?;
    let dimensions = dimensions(cube, &merged, &arrays.objects);
    let provenance = Provenance {
        statement: statement.to_string(),
        sources: sources(&derivations.cubes),
        date: now(),
        is_selection: false,
    };
    let attributes = arrays.group_attributes(&before, &provenance)?;
    Draft {
        statement: statement.to_string(),
        state,
        target,
        layers,
        carry,
        before: Some(Arc::clone(cube)),
        dimensions,
        variables: arrays.variables,
        partial: Vec::new(),
        cube: TargetCube {
            arrays: arrays.all,
            attributes,
            images: None,
        },
        small: arrays.small,
        format_options: before.stored.options.clone(),
        sources: derivations.cubes,
        reads_tables: derivations.reads_tables,
        memory: None,
    }
    .finish()
    .await
}

/// The query with the columns of the cube; a variable that the query lacks is NULL. The first `axes` columns are
/// in the types of the cube, variables in types that can become so.
fn matched(query: &LogicalPlan, columns: &[FieldRef], axes: usize) -> Result<LogicalPlan> {
    let schema = query.schema();
    let known: Vec<&str> = columns.iter().map(|field| field.name().as_str()).collect();
    for field in schema.fields() {
        if !known.contains(&field.name().as_str()) {
            let error = CubeError::invalid("", format!("the cube has no column {}", field.name()));
            return Err(match nearest(field.name(), known.iter().copied()).first() {
                Some(near) => error.remedy(format!(
                    "did you mean {near}? Columns are matched by name: rename it with AS"
                )),
                None => error.remedy(format!(
                    "columns are matched by name; it has {}",
                    known.join(", ")
                )),
            }
            .into());
        }
    }
    let expressions = columns.iter().enumerate().map(|(number, field)| {
        let at = schema
            .fields()
            .iter()
            .position(|found| found.name() == field.name());
        let value = match at {
            Some(at) => {
                let (qualifier, found) = schema.qualified_field(at);
                let column = Expr::Column(Column::from((qualifier, found)));
                let (from, to) = (found.data_type(), field.data_type());
                if !can_cast_types(from, to) {
                    let cause = format!("{} is {to}, and {from} cannot become that", field.name());
                    return Err(CubeError::invalid("", cause)
                        .remedy("convert it in the query")
                        .into());
                }
                match number >= axes || from == to {
                    true => column,
                    false => cast_expression(column, to.clone()),
                }
            }
            None => lit(ScalarValue::try_from(field.data_type())?),
        };
        Ok(value.alias(field.name()))
    });
    let expressions = expressions.collect::<Result<Vec<Expr>>>()?;
    LogicalPlanBuilder::from(query.clone())
        .project(expressions)?
        .build()
}

/// How the variables of the cube are stored, so that new values are stored alike.
fn variables(before: &Before) -> CubeResult<Vec<(FieldRef, Encoding, usize)>> {
    let cube = &before.cube;
    cube.variables
        .iter()
        .map(|variable| {
            let name = variable.field.name();
            let arrays = &before.stored.cube.arrays;
            let at = arrays.iter().position(|array| array.name == *name);
            let (at, stored) = at
                .and_then(|at| Some((at, arrays.get(at)?)))
                .ok_or_else(|| {
                    CubeError::unsupported(
                        &cube.name,
                        format!("{name} is not stored under its own name"),
                    )
                })?;
            let encoding = encoding(&variable.field, stored)?;
            let is_alike = *encoding.stored_type() == stored.data_type
                && stored.dimensions.len() == cube.axes.len();
            match is_alike {
                true => Ok((Arc::clone(&variable.field), encoding, at)),
                false => Err(CubeError::unsupported(
                    format!("{}, variable {name}", cube.name),
                    "values cannot be added in the way in which it is stored",
                )
                .remedy("make a new cube of it: CREATE TABLE … AS SELECT * FROM …")),
            }
        })
        .collect()
}

/// The encoding that the attributes of a stored array describe.
fn encoding(field: &FieldRef, stored: &TargetArray) -> CubeResult<Encoding> {
    let number = |name: &str| stored.attributes.get(name).and_then(Value::as_f64);
    let is_time = field.data_type().is_temporal()
        || field
            .metadata()
            .contains_key(crate::cube::metadata::CALENDAR);
    let is_number = field.data_type().is_numeric() && !is_time;
    let options = EncodingOptions {
        dtype: is_number.then(|| stored.data_type.clone()),
        scale_factor: number("scale_factor"),
        add_offset: number("add_offset"),
        fill_value: match field.data_type() {
            DataType::Utf8 => None,
            _ => Some(stored.fill_value.clone()).filter(|value| value.is_number()),
        },
        out_of_range: OutOfRange::Error,
        units: stored
            .attributes
            .get("units")
            .filter(|_| is_time)
            .and_then(Value::as_str)
            .map(str::to_string),
    };
    Encoding::plan(field, &options)
}

fn dimensions(cube: &Cube, merged: &[Merged], objects: &[u64]) -> Vec<TargetDimension> {
    let axes = cube.axes.iter().zip(merged).zip(objects).enumerate();
    axes.map(|(column, ((axis, merged), object))| TargetDimension {
        name: axis.field.name().clone(),
        column,
        coordinates: Arc::clone(&merged.coordinates),
        order: match axis.order {
            AxisOrder::Unordered if merged.coordinates.len() < 2 => AxisOrder::Ascending,
            order => order,
        },
        object: *object,
    })
    .collect()
}

/// The arrays of the changed cube.
struct Arrays {
    all: Vec<TargetArray>,
    small: Vec<(usize, arrow::array::ArrayRef)>,
    variables: Vec<TargetVariable>,
    /// Cells of a block of whole objects per dimension.
    objects: Vec<u64>,
    axes: Vec<TargetAxis>,
}

impl Arrays {
    fn of(
        before: &Before,
        merged: &[Merged],
        variables: &[(FieldRef, Encoding, usize)],
    ) -> CubeResult<Self> {
        let cube = &before.cube;
        let axes = cube.axes.iter().zip(merged);
        let axes: Vec<TargetAxis> = axes
            .map(|(axis, merged)| TargetAxis {
                field: Arc::clone(&axis.field),
                coordinates: Arc::clone(&merged.coordinates),
                role: axis.role,
                bounds: merged.bounds.clone(),
                encoding: EncodingOptions::default(),
            })
            .collect();
        let horizontal = axes.iter().filter(|axis| is_horizontal(axis.role)).count();
        let crs = cube.crs.as_ref().filter(|_| horizontal == 2);
        let is_taken = |name: &str| cube.schema.index_of(name).is_ok();
        let mapping = crs.map(|crs| GridMapping::of(crs, is_taken));
        let of_axes = coordinate_arrays(&axes, mapping.as_ref())?;
        for stored in &before.stored.cube.arrays {
            let is_bounds = cube
                .axes
                .iter()
                .any(|axis| axis.bounds.as_ref() == Some(&stored.name));
            let is_known = is_bounds
                || of_axes.iter().any(|small| small.target.name == stored.name)
                || variables
                    .iter()
                    .any(|(field, ..)| *field.name() == stored.name);
            if !is_known {
                return Err(CubeError::unsupported(
                    format!("{}, array {}", cube.name, stored.name),
                    "the array is neither a variable over all axes nor a coordinate, so it is not known how it changes",
                )
                .remedy("make a new cube of it: CREATE TABLE … AS SELECT * FROM …"));
            }
        }
        let mut all: Vec<TargetArray> = of_axes.iter().map(|small| small.target.clone()).collect();
        let small = of_axes
            .into_iter()
            .map(|small| small.values)
            .enumerate()
            .collect();
        let mut targets = Vec::new();
        for (field, encoding, at) in variables {
            let stored = &before.stored.cube.arrays[*at];
            let shape = merged
                .iter()
                .map(|axis| axis.coordinates.len() as u64)
                .collect();
            all.push(TargetArray {
                shape,
                ..stored.clone()
            });
            targets.push(TargetVariable {
                data_type: field.data_type().clone(),
                encoding: encoding.clone(),
                array: all.len() - 1,
            });
        }
        let objects = variables
            .iter()
            .map(|(.., at)| before.stored.cube.arrays[*at].object_shape());
        Ok(Self {
            all,
            small,
            variables: targets,
            objects: block_of_objects(objects),
            axes,
        })
    }

    /// What was said of the cube, with this statement in front of its history.
    fn group_attributes(&self, before: &Before, provenance: &Provenance) -> CubeResult<Attributes> {
        let cube = &before.cube;
        let said = &before.stored.cube.attributes;
        let fields: Vec<FieldRef> = cube
            .variables
            .iter()
            .map(|variable| Arc::clone(&variable.field))
            .collect();
        let computed =
            group_attributes(&self.axes, &fields, cube.crs.as_ref(), provenance, &[said])?;
        let mut attributes = said.clone();
        for (name, value) in computed {
            if name != "date_created" && name != "title" {
                attributes.insert(name, value);
            }
        }
        Ok(attributes)
    }
}
