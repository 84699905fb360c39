//! A query seen as a cube: [`query_cube`]. Its chunks are boxes, which are computed when they are asked for.
//!
//! ```text
//!  query ─▶ derivations: which columns are dimensions ─▶ coordinates ─▶ boxes          no chunk is read
//!  chunk of a variable ─▶ the query of its box ─▶ values of all variables in it
//! ```
//! So a query of any shape can be put on another grid, in the memory of a few boxes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, Schema};
use async_trait::async_trait;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};

use super::box_query::BoxQuery;
use super::boxes::{Boxes, Cutter, TargetDimension};
use super::coordinates::coordinates;
use super::derivation::Derivations;
use super::dims::{Dim, axis_read, canonical, described, dims, is_horizontal};
use super::new_cube::{now, sources};
use super::plan::{rows_only, width_of};
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::cube::{Axis, AxisOrder, Cube, Variable};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::runtime::run_on;
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};
use crate::sql::functions::is_in_sql;

/// Cells of a box, at most.
const MOST_CELLS: u64 = 1 << 20;
/// The part of limited memory that a box may take, at most: several are kept and in work.
const PART_OF_BOX: u64 = 32;
/// Cells along a horizontal dimension of which nothing says how it is cut.
const SIDE: u64 = 256;
/// Boxes that are kept, for the variables that are read one after the other.
const KEPT: usize = 4;

/// How many queries of which nobody knows whether they give the same again have been seen as cubes.
static UNKNOWN: AtomicU64 = AtomicU64::new(0);

/// The cube that `query` is.
///
/// # Errors
/// The query has no grid, or its coordinates cannot be found.
pub(crate) async fn query_cube(state: &SessionState, query: &LogicalPlan) -> Result<Cube> {
    let derivations = Derivations::of(query);
    let schema = Arc::clone(query.schema().inner());
    let found = dims(&derivations, &schema, None)?;
    let found: Vec<Dim> = found
        .into_iter()
        .map(|column| Dim::of(column, &derivations, &schema))
        .collect();
    let crs = derivations.cubes.iter().find_map(|cube| cube.crs.clone());
    let (mut dimensions, mut axes) = (Vec::new(), Vec::new());
    for dim in &found {
        let coordinates = coordinates(state, query, dim.column, dim.order).await?;
        let derivation = &derivations.columns[dim.column];
        let order = match dim.order {
            Some(AxisOrder::Descending) => AxisOrder::Descending,
            _ => AxisOrder::Ascending,
        };
        let mut axis = Axis {
            field: described(&schema, dim.column, derivation),
            coordinates: Arc::clone(&coordinates),
            order,
            role: dim.role,
            bounds: None,
            cell_bounds: None,
        };
        if let Some(crs) = &crs {
            axis.measured_in(crs);
        }
        axes.push(axis);
        dimensions.push(TargetDimension {
            name: schema.field(dim.column).name().clone(),
            column: dim.column,
            object: object(dim, &derivations).min(coordinates.len() as u64),
            order,
            coordinates,
        });
    }
    let columns: Vec<usize> = (0..schema.fields().len())
        .filter(|column| !found.iter().any(|dim| dim.column == *column))
        .collect();
    let fields: Vec<FieldRef> = columns
        .iter()
        .map(|column| described(&schema, *column, &derivations.columns[*column]))
        .collect();
    for (axis, dimension) in dimensions.iter_mut().enumerate() {
        dimension.column = axis;
    }
    let query = canonical(query, found.iter().map(|dim| &dim.column).chain(&columns))?;
    let as_rows = rows_only(state)?;
    let cutter = Cutter {
        query: &query,
        dimensions: &dimensions,
        reads_tables: derivations.reads_tables,
        state: &as_rows,
    };
    let types = columns
        .iter()
        .map(|column| schema.field(*column).data_type());
    let of_cell: u64 = types.map(width_of).sum();
    let most = match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes as u64 / PART_OF_BOX / of_cell.max(1),
        _ => MOST_CELLS,
    };
    let least = dimensions
        .iter()
        .map(|dimension| dimension.object)
        .product();
    let (boxes, _) = cutter.cut(MOST_CELLS.min(most).max(least)).await?;
    let chunks = boxes.chunks();
    let Identity {
        url,
        version,
        origin,
    } = identity(state, &query, &derivations)?;
    let memory =
        MemoryConsumer::new("boxes of a query").register(TaskContext::from(state).memory_pool());
    let computed = Arc::new(Computed {
        memory,
        query,
        state: state.clone(),
        boxes,
        dimensions,
        variables: fields
            .iter()
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect(),
        kept: Mutex::default(),
        turns: Semaphore::new(state.config().target_partitions().max(1)),
        compute: Handle::current(),
    });
    let variables = fields.iter().enumerate().map(|(at, field)| {
        let data_type = field.data_type().clone();
        Ok(Variable {
            field: Arc::new(field.as_ref().clone().with_nullable(true)),
            axes: (0..axes.len()).collect(),
            decoding: Decoding::of_values(&data_type)?,
            array: Arc::new(Column {
                computed: Arc::clone(&computed),
                at,
                description: ArrayDescription {
                    name: field.name().clone(),
                    dimensions: axes.iter().map(|axis| axis.field.name().clone()).collect(),
                    shape: chunks.iter().map(AxisChunks::length).collect(),
                    chunks: chunks.clone(),
                    data_type,
                    fill_value: Value::Null,
                    attributes: Attributes::new(),
                    codecs: String::new(),
                    shard_shape: None,
                    stored_bytes: None,
                },
            }),
            origin: Some(format!("{origin}\n{}", field.name()).into()),
        })
    });
    let variables = variables.collect::<CubeResult<Vec<Variable>>>()?;
    let horizontal = axes.iter().filter(|axis| is_horizontal(axis.role)).count();
    let fields = axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
    Ok(Cube {
        name: "query".to_string(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        attributes: match derivations.cubes.as_slice() {
            [only] => only.attributes.clone(),
            _ => Attributes::new(),
        },
        crs: crs.filter(|_| horizontal == 2),
        zipped: Vec::new(),
        overviews: None,
        url,
        format: "query".to_string(),
        version,
        axes,
        variables,
    })
}

/// What tells a query from others.
struct Identity {
    /// Where its rows come from.
    url: String,
    /// A text that differs when they may, the same in every process.
    version: String,
    /// The same for decoded values, of which those of another opening of a cube are others.
    origin: String,
}

/// That of a query: of its text, the functions in it that are written in SQL, the session's time zone, and the versions of
/// the cubes that it reads.
fn identity(
    state: &SessionState,
    query: &LogicalPlan,
    derivations: &Derivations,
) -> Result<Identity> {
    let mut hasher = DefaultHasher::new();
    query.display_indent_schema().to_string().hash(&mut hasher);
    let time_zone = &state.config_options().execution.time_zone;
    time_zone.hash(&mut hasher);
    let sources = sources(&derivations.cubes);
    sources.hash(&mut hasher);
    let mut is_known = !derivations.reads_tables;
    query.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            is_known &= !expression.is_volatile();
            expression.apply(|part| {
                // By its body: one of the same name may have taken its place.
                if let Expr::ScalarFunction(call) = part
                    && is_in_sql(&call.func)
                {
                    call.func.hash(&mut hasher);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if !is_known {
        (now(), std::process::id(), UNKNOWN.fetch_add(1, Relaxed)).hash(&mut hasher);
    }
    let urls: Vec<String> = sources.into_iter().map(|(url, _)| url).collect();
    let version = format!("query {:016x}", hasher.finish());
    for cube in &derivations.cubes {
        (&cube.url, &cube.version).hash(&mut hasher);
        for variable in &cube.variables {
            variable.origin.hash(&mut hasher);
        }
    }
    Ok(Identity {
        url: urls.join(", "),
        version,
        origin: format!("query {:016x}", hasher.finish()),
    })
}

/// Cells along a dimension that are not worth cutting: a chunk of the axis that it is.
fn object(dim: &Dim, derivations: &Derivations) -> u64 {
    let derivation = &derivations.columns[dim.column];
    let is_axis = derivation.source.is_some() && derivation.reduced_by.is_none();
    let chunk = derivation
        .axes
        .iter()
        .next()
        .filter(|_| is_axis)
        .and_then(|(cube, axis)| {
            axis_read(derivation, derivations)?;
            let variables = derivations.cubes.get(*cube)?.variables.iter();
            let chunks = variables.filter_map(|variable| {
                let at = variable.axes.iter().position(|own| own == axis)?;
                Some(variable.chunks()[at].size())
            });
            chunks.max()
        });
    match is_horizontal(dim.role) {
        true => chunk.unwrap_or(SIDE).min(2 * SIDE),
        false => 1,
    }
}

/// The values of all variables in a box, and the memory that they take.
#[derive(Debug)]
struct Kept {
    values: Vec<ArrayRef>,
    _memory: MemoryReservation,
}

/// What the variables of a query have in common.
struct Computed {
    query: LogicalPlan,
    state: SessionState,
    dimensions: Vec<TargetDimension>,
    /// Names and types.
    variables: Vec<(String, DataType)>,
    boxes: Boxes,
    /// Boxes by their numbers, those that were asked for last at the end.
    kept: Mutex<Vec<(u64, Arc<OnceCell<Kept>>)>>,
    /// Knows the memory of boxes.
    memory: MemoryReservation,
    /// As many boxes are computed at a time as there are threads.
    turns: Semaphore,
    /// Where queries run, while chunks are fetched elsewhere.
    compute: Handle,
}

impl std::fmt::Debug for Computed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Computed {:?}", self.boxes)
    }
}

impl Computed {
    /// The values of variable `at` in a box: whoever asks first computes those of all.
    async fn values(&self, number: u64, at: usize) -> Result<ArrayRef> {
        let cell = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = match kept.iter().position(|(known, _)| *known == number) {
                Some(at) => kept.remove(at).1,
                None => Arc::default(),
            };
            kept.push((number, Arc::clone(&cell)));
            if kept.len() > KEPT {
                kept.remove(0);
            }
            cell
        };
        let kept = cell.get_or_try_init(|| self.computed(number)).await?;
        Ok(Arc::clone(&kept.values[at]))
    }

    /// Memory for a box. Where there is none, those that are kept go.
    fn memory_of(&self, number: u64) -> Result<MemoryReservation> {
        let cells = self.boxes.ranges(number).into_iter();
        let cells: u64 = cells.map(|range| range.end - range.start).product();
        let widths = self.variables.iter().map(|(_, kind)| width_of(kind));
        let bytes = cells.saturating_mul(widths.sum());
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let memory = self.memory.new_empty();
        if memory.try_grow(bytes).is_err() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|(_, cell)| cell.get().is_none());
            drop(kept);
            memory.try_grow(bytes)?;
        }
        Ok(memory)
    }

    async fn computed(&self, number: u64) -> Result<Kept> {
        let _turn = self.turns.acquire().await;
        let memory = self.memory_of(number)?;
        let variables = self.variables.iter();
        let variables: Vec<(&str, DataType)> = variables
            .map(|(name, data_type)| (name.as_str(), data_type.clone()))
            .collect();
        let part = BoxQuery {
            state: &self.state,
            dimensions: &self.dimensions,
            variables: &variables,
        };
        let context = Arc::new(TaskContext::from(&self.state));
        let (query, ranges) = (std::iter::once(&self.query), self.boxes.ranges(number));
        Ok(Kept {
            values: part.values(query, &ranges, context).await?,
            _memory: memory,
        })
    }
}

/// A column of a query as an array.
#[derive(Debug)]
struct Column {
    computed: Arc<Computed>,
    /// Its number among the variables.
    at: usize,
    description: ArrayDescription,
}

#[async_trait]
impl ArrayReader for Column {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let number = self.computed.boxes.number(index);
        let computed = Arc::clone(&self.computed);
        let at = self.at;
        let work = async move { computed.values(number, at).await.map_err(of_query) };
        let values = run_on(&self.computed.compute, work).await?;
        let ranges: Vec<Range<u64>> = self.computed.boxes.ranges(number);
        Ok(Some(EncodedChunk {
            bytes_fetched: 0,
            payload: Payload::Values(RawChunk {
                values,
                shape: ranges
                    .iter()
                    .map(|range| (range.end - range.start) as usize)
                    .collect(),
            }),
        }))
    }

    fn decode(&self, _index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        chunk.payload.into_values(&self.description.name)
    }
}

/// The error of a query as that of a chunk.
fn of_query(error: DataFusionError) -> CubeError {
    match error.find_root() {
        DataFusionError::External(inner) if inner.is::<CubeError>() => {
            let known = inner.downcast_ref::<CubeError>();
            known
                .cloned()
                .unwrap_or_else(|| CubeError::new(ErrorKind::Invalid, "", &error))
        }
        _ => CubeError::invalid("", error),
    }
}
