//! What a lookup does, decided while planning.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_datasource::source::DataSourceExec;

use super::build::unique_columns;
use super::exec::GridLookupExec;
use crate::cube::Variable;
use crate::cube::zip::{AxisMap, Place, View, in_memory, zip as zip_cubes};
use crate::dense::input::GridInput;
use crate::dense::keys::on_axis;
use crate::dense::zip::places::{KeyNumbers, has_nan, only_axis};
use crate::dense::zip::{EqualityJoin, Replacement, Rewritten, chunks_of, table_conjuncts};
use crate::error::CubeResult;
use crate::options::CubeOptions;

type Expression = Arc<dyn PhysicalExpr>;

/// Places in the array of results, at most.
const MOST_PLACES: usize = 1 << 26;

/// The keys that read one axis of the cube.
#[derive(Debug, Clone)]
pub(crate) struct AxisKeys {
    /// Its name, for people.
    pub(crate) axis: String,
    /// The keys over the build's columns.
    pub(crate) build: Vec<Expression>,
    /// The keys at the selected cells of the axis.
    pub(crate) values: Vec<ArrayRef>,
    /// Number of different keys.
    pub(crate) count: usize,
}

impl AxisKeys {
    /// Numbers for the keys of the cube, 0 to `count`; later ones are for keys that it does not have.
    pub(crate) fn numbers(&self) -> Result<KeyNumbers> {
        let types = self.values.iter().map(|keys| keys.data_type().clone());
        let mut numbers = KeyNumbers::new(types)?;
        numbers.of(&self.values)?;
        Ok(numbers)
    }
}

/// A lookup.
#[derive(Debug)]
pub(crate) struct LookupPlan {
    /// The keys by axis; the array of results has one dimension each.
    pub(crate) keys: Vec<AxisKeys>,
    /// Columns of the build that become variables, in their order.
    pub(crate) columns: Vec<(usize, Field)>,
    /// Position of the first of these variables in the cube.
    pub(crate) first: usize,
    /// Does a variable after them say where the build has a row?
    pub(crate) says_present: bool,
    view: View,
}

impl LookupPlan {
    /// Number of places in the array of results.
    pub(crate) fn places(&self) -> usize {
        let counts = self.keys.iter().map(|keys| keys.count);
        counts.fold(1, usize::saturating_mul)
    }

    /// The variables, with one array of values each or none yet.
    ///
    /// # Errors
    /// There is no NULL of a column's type.
    pub(crate) fn variables(&self, values: &[Option<ArrayRef>]) -> CubeResult<Vec<Variable>> {
        let shape: Vec<u64> = self.keys.iter().map(|keys| keys.count as u64).collect();
        let present = Field::new("present", DataType::Boolean, true);
        let fields = self.columns.iter().map(|(_, field)| field);
        let fields = fields.chain(self.says_present.then_some(&present));
        let values = values.iter().cloned().chain(std::iter::repeat(None));
        std::iter::zip(fields, values)
            .map(|(field, values)| {
                let axes = (0..shape.len()).collect();
                self.view.of(&in_memory(field, axes, &shape, values)?)
            })
            .collect()
    }
}

/// The operator for a join of `host`, which is the input `side`, with an aggregate.
///
/// # Errors
/// A key that fails on a selected coordinate.
pub(crate) fn look_up(
    join: &EqualityJoin<'_>,
    host: &GridInput<'_>,
    side: usize,
    options: &CubeOptions,
) -> Result<Rewritten<Arc<dyn ExecutionPlan>>> {
    let build = join.inputs[1 - side];
    let is_optional = match (join.kind, side) {
        (JoinType::Inner, _) | (JoinType::LeftSemi, 0) | (JoinType::RightSemi, 1) => false,
        (JoinType::Left, 0) | (JoinType::Right, 1) => true,
        (kind, _) => return Ok(Err(format!("a {kind} join with what is no cube"))),
    };
    let unique = unique_columns(build);
    let is_key = |column: &usize| {
        join.on.iter().any(|pair| {
            let key = pair[1 - side].downcast_ref::<Column>();
            key.is_some_and(|key| key.index() == *column)
        })
    };
    if !unique.is_some_and(|columns| columns.iter().all(is_key)) {
        return Ok(Err(
            "the other side of the join is neither a cube nor an aggregate by the join keys"
                .to_string(),
        ));
    }
    if let Some(reason) = host.why_not_joined()? {
        return Ok(Err(reason));
    }
    if join.nulls_match {
        return Ok(Err("NULL equals NULL in the join".to_string()));
    }
    if is_optional && join.filter.is_some() {
        return Ok(Err("an outer join has a further condition".to_string()));
    }
    let scan = host.scan;
    let (keys, places) = match keys_by_axis(join, host, side)? {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut plan = LookupPlan {
        keys,
        columns: Vec::new(),
        first: scan.cube.variables.len(),
        says_present: !is_optional,
        view: View {
            places,
            partial: Vec::new(),
            host_chunks: chunks_of(scan),
        },
    };
    if plan.places() > MOST_PLACES {
        return Ok(Err("the join keys have too many combinations".to_string()));
    }

    let host_columns = host.columns()?;
    let build_schema = build.schema();
    let fields = scan.cube.schema.fields().len();
    let mut made: HashMap<usize, Expression> = HashMap::new();
    let mut build_column = |column: usize| -> Result<Expression> {
        if let Some(made) = made.get(&column) {
            return Ok(Arc::clone(made));
        }
        let field = build_schema.field(column);
        let expression = match is_optional {
            true => None,
            false => key_of_host(join, host, side, column, field)?,
        };
        let expression = expression.unwrap_or_else(|| {
            plan.columns.push((
                column,
                field
                    .clone()
                    .with_nullable(is_optional || field.is_nullable()),
            ));
            Arc::new(Column::new(field.name(), fields + plan.columns.len() - 1))
        });
        made.insert(column, Arc::clone(&expression));
        Ok(expression)
    };
    let mut conjuncts = table_conjuncts(scan)?;
    conjuncts.extend(join.filter_over(|of, column| match of == side {
        true => Ok(Arc::clone(&host_columns[column])),
        false => build_column(column),
    })?);
    let mut outputs = Vec::with_capacity(join.output.len());
    for (of, column) in &join.output {
        outputs.push(match *of == side {
            true => Arc::clone(&host_columns[*column]),
            false => build_column(*column)?,
        });
    }
    if plan.says_present {
        let position = fields + plan.columns.len();
        conjuncts.push(Arc::new(Column::new("present", position)));
    }
    let mut selections = scan.predicate.selections.clone();
    for place in &plan.view.places {
        // NULL finds nothing.
        if let (false, Place::Along { axis, map }) = (is_optional, place) {
            let has_key: BooleanArray = map.cells().map(|cell| Some(cell.is_some())).collect();
            selections[*axis] = selections[*axis].and(&has_key);
        }
    }
    let replacement = Replacement {
        cube: zip_cubes(&scan.cube, "lookup", plan.variables(&[])?),
        conjuncts,
        selections: &selections,
        outputs,
    };
    let scan = match replacement.scan(join, scan, options)? {
        Ok(scan) => scan,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut grid: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(scan.clone());
    grid = Arc::new(GridLookupExec::new(
        Arc::new(plan),
        &scan,
        Arc::clone(build),
        grid,
    ));
    for lookup in host.lookups.iter().rev() {
        grid = Arc::new(lookup.over(grid));
    }
    Ok(Ok(grid))
}

/// The join keys by axis of the cube, and where along these axes which key is.
fn keys_by_axis(
    join: &EqualityJoin<'_>,
    host: &GridInput<'_>,
    side: usize,
) -> Result<Rewritten<(Vec<AxisKeys>, Vec<Place>)>> {
    let cube = &host.scan.cube;
    let mut pairs: Vec<Vec<(Expression, Expression)>> = vec![Vec::new(); cube.axes.len()];
    for pair in &join.on {
        let key = host.over_cube(&pair[side])?;
        let Some(axis) = only_axis(cube, &key) else {
            return Ok(Err(format!("the join key {key} reads no axis alone")));
        };
        pairs[axis].push((key, Arc::clone(&pair[1 - side])));
    }
    let mut keys = Vec::new();
    let mut places = Vec::new();
    for (axis, pairs) in pairs.into_iter().enumerate() {
        if pairs.is_empty() {
            continue;
        }
        let (of_host, build): (Vec<Expression>, Vec<Expression>) = pairs.into_iter().unzip();
        let selection = &host.scan.predicate.selections[axis];
        let values = on_axis(cube, axis, selection, &of_host.iter().collect::<Vec<_>>())?;
        if values.iter().any(has_nan) {
            return Ok(Err("a join key is NaN".to_string()));
        }
        let types = values.iter().map(|keys| keys.data_type().clone());
        let numbers = KeyNumbers::new(types)?.of(&values)?;
        let count = numbers
            .iter()
            .flatten()
            .max()
            .map_or(0, |number| number + 1);
        let mut cells = vec![None; cube.axes[axis].coordinates.len()];
        for (number, cell) in std::iter::zip(numbers, selection.cells()) {
            cells[cell as usize] = number;
        }
        places.push(Place::Along {
            axis,
            map: AxisMap::new(cells.into_iter()),
        });
        keys.push(AxisKeys {
            axis: cube.axes[axis].field.name().clone(),
            build,
            values,
            count,
        });
    }
    Ok(Ok((keys, places)))
}

/// The expression of the cube that a key column of the build equals in every row that is left, with all
/// that is known of it.
fn key_of_host(
    join: &EqualityJoin<'_>,
    host: &GridInput<'_>,
    side: usize,
    column: usize,
    field: &Field,
) -> Result<Option<Expression>> {
    let cube = &host.scan.cube;
    for pair in &join.on {
        let is_this = pair[1 - side]
            .downcast_ref::<Column>()
            .is_some_and(|key| key.index() == column);
        if !is_this {
            continue;
        }
        let key = host.over_cube(&pair[side])?;
        let Some(axis) = only_axis(cube, &key) else {
            continue;
        };
        let returned = key.return_field(&cube.schema)?;
        let selection = &host.scan.predicate.selections[axis];
        let values = on_axis(cube, axis, selection, &[&key])?;
        if returned.metadata() == field.metadata() && !values.iter().any(has_negative_zero) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Is one of the values -0.0, which equals 0.0 but is not the same?
fn has_negative_zero(values: &ArrayRef) -> bool {
    let bits32 = (-0.0f32).to_bits();
    let bits64 = (-0.0f64).to_bits();
    match values.data_type() {
        DataType::Float32 => {
            let mut values = values.as_primitive::<Float32Type>().iter().flatten();
            values.any(|value| value.to_bits() == bits32)
        }
        DataType::Float64 => {
            let mut values = values.as_primitive::<Float64Type>().iter().flatten();
            values.any(|value| value.to_bits() == bits64)
        }
        _ => false,
    }
}
