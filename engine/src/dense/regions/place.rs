//! Which cells each region selects: every condition is evaluated once on the coordinates of its axes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use graticule_functions::space::zones::{Plane, geometries, is_area, runs_of};

use crate::cube::Cube;
use crate::dense::regions::boxes::Boxes;
use crate::dense::regions::conditions::{Condition, Zone};
use crate::error::CubeError;
use crate::scan::predicate::{batch_of, evaluate_predicate, remap_columns, true_bits};
use crate::scan::selection::AxisSelection;

/// Pairs of a cell and a region on which a condition is evaluated at a time.
const PAIRS: usize = 65_536;

/// Decides what conditions select.
pub(super) struct Placing<'a> {
    pub(super) cube: &'a Cube,
    /// The cells of each axis that matter.
    pub(super) selections: &'a [AxisSelection],
    /// The regions.
    pub(super) rows: &'a RecordBatch,
    /// The columns of the cube's table, then those of the regions: what conditions read.
    pub(super) joined: &'a SchemaRef,
    pub(super) memory: &'a MemoryReservation,
}

impl Placing<'_> {
    /// The cells of each region that all of `conditions`, at least one, select.
    ///
    /// # Errors
    /// A condition fails, or the memory pool has no room.
    pub(super) async fn all(&self, conditions: &[Condition]) -> Result<Boxes> {
        let mut all: Option<Boxes> = None;
        for condition in conditions {
            let boxes = match condition {
                Condition::Equal {
                    axis,
                    coordinate,
                    value,
                    nulls_are_equal,
                } => self.equal(*axis, coordinate, value, *nulls_are_equal)?,
                Condition::Zone(zone) => self.zone(zone).await?,
                Condition::Test { axes, test } => {
                    let regions: Vec<u32> = (0..self.rows.num_rows() as u32).collect();
                    self.test(axes, test, &regions).await?
                }
            };
            all = Some(match all {
                None => boxes,
                Some(before) => before.and(&boxes)?,
            });
            tokio::task::yield_now().await;
        }
        all.ok_or_else(|| exec_datafusion_err!("a join with regions has no condition"))
    }

    /// The selected cells of an axis.
    fn cells(&self, axis: usize) -> Vec<u32> {
        let cells = self.selections[axis].cells();
        cells.map(|cell| cell as u32).collect()
    }

    /// An expression over one axis, at its selected cells.
    fn on_axis(&self, axis: usize, expression: &Arc<dyn PhysicalExpr>) -> Result<ArrayRef> {
        let selection = &self.selections[axis];
        let coordinates = selection.take(&self.cube.axes[axis].coordinates)?;
        let schema = Arc::new(self.cube.schema.project(&[axis])?);
        let cells = coordinates.len();
        let batch = batch_of(&schema, vec![coordinates], cells)?;
        let expression = remap_columns(Arc::clone(expression), &[axis])?;
        expression.evaluate(&batch)?.into_array(cells)
    }

    /// An expression over the regions, as one over their table alone.
    fn over_regions(&self, expression: &Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let first = self.cube.schema.fields().len();
        let columns: Vec<usize> = (first..self.joined.fields().len()).collect();
        remap_columns(Arc::clone(expression), &columns)
    }

    /// Looks values up among the coordinates of an axis.
    fn equal(
        &self,
        axis: usize,
        coordinate: &Arc<dyn PhysicalExpr>,
        value: &Arc<dyn PhysicalExpr>,
        nulls_are_equal: bool,
    ) -> Result<Boxes> {
        let mut boxes = Boxes::new(vec![axis], self.memory);
        let coordinates = self.on_axis(axis, coordinate)?;
        let values = self.over_regions(value)?.evaluate(self.rows)?;
        let values = values.into_array(self.rows.num_rows())?;
        let field = Field::new("coordinate", coordinates.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        // The very grouping of DataFusion's hash aggregate: NaN and -0.0 are what they are to a hash join.
        let mut known = new_group_values(schema, &GroupOrdering::None)?;
        let (mut codes, mut found) = (Vec::new(), Vec::new());
        known.intern(&[coordinates], &mut codes)?;
        let mut positions = vec![Vec::new(); known.len()];
        for (position, code) in codes.iter().enumerate() {
            positions[*code].push(position);
        }
        known.intern(&[Arc::clone(&values)], &mut found)?;
        let held = self.memory.new_empty();
        held.try_resize(known.size())?;
        let cells = self.cells(axis);
        let nulls = values.logical_nulls().filter(|_| !nulls_are_equal);
        for (region, code) in found.iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(region));
            let here = positions.get(*code).filter(|_| !is_null);
            for (start, end) in here.into_iter().flat_map(|here| stretches(here)) {
                boxes.push(region as u32, [cells[start]..cells[end - 1] + 1])?;
            }
        }
        Ok(boxes)
    }

    /// Lays polygons on the grid; whatever else `zone`'s geometries are is tested cell by cell.
    async fn zone(&self, zone: &Zone) -> Result<Boxes> {
        let geometry = self.over_regions(&zone.geometry)?;
        let field = geometry.return_field(self.rows.schema_ref())?;
        let column = geometry.evaluate(self.rows)?;
        let column = column.into_array(self.rows.num_rows())?;
        let place = format!("the regions joined with {}", self.cube.name);
        let invalid = |cause| CubeError::invalid(place.clone(), cause);
        let shapes = geometries(column.as_ref(), &field).map_err(&invalid)?;
        let others: Vec<u32> = std::iter::zip(0.., &shapes)
            .filter(|(_, shape)| shape.as_ref().is_some_and(|shape| !is_area(shape)))
            .map(|(region, _)| region)
            .collect();
        let tested = self.test(&zone.axes(), &zone.test, &others).await?;
        let mut tested = tested.iter().peekable();
        let x = Line::new(self.on_axis(zone.x.0, &zone.x.1)?, self.cells(zone.x.0))?;
        let y = Line::new(self.on_axis(zone.y.0, &zone.y.1)?, self.cells(zone.y.0))?;
        let plane = Plane::new(&x.coordinates, &y.coordinates, None).map_err(&invalid)?;
        let mut boxes = Boxes::new(zone.axes().to_vec(), self.memory);
        for (region, shape) in shapes.iter().enumerate() {
            let number = region as u32;
            while let Some((_, stretches)) = tested.next_if(|(other, _)| *other == number) {
                boxes.push(number, stretches.iter().cloned())?;
            }
            let Some(shape) = shape.as_ref().filter(|shape| is_area(shape)) else {
                continue;
            };
            for run in runs_of(&plane, region, shape, zone.rule).map_err(&invalid)? {
                let rows = y.stretches(run.row, run.row + 1);
                let columns = x.stretches(run.start, run.end);
                for row in &rows {
                    for column in &columns {
                        let (row, column) = (row.clone(), column.clone());
                        boxes.push(
                            number,
                            match zone.y.0 < zone.x.0 {
                                true => [row, column],
                                false => [column, row],
                            },
                        )?;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(boxes)
    }

    /// Evaluates `test` on all cells of one or two axes for each of `regions`.
    async fn test(
        &self,
        axes: &[usize],
        test: &Arc<dyn PhysicalExpr>,
        regions: &[u32],
    ) -> Result<Boxes> {
        let mut boxes = Boxes::new(axes.to_vec(), self.memory);
        let cells: Vec<Vec<u32>> = axes.iter().map(|axis| self.cells(*axis)).collect();
        let (fast, slow) = match cells.as_slice() {
            [fast] => (fast, None),
            [slow, fast] => (fast, Some(slow)),
            _ => return Ok(boxes),
        };
        let rows = slow.map_or(1, Vec::len);
        if fast.is_empty() || rows == 0 {
            return Ok(boxes);
        }
        let mut columns: Vec<usize> = collect_columns(test).iter().map(Column::index).collect();
        columns.sort_unstable();
        let test = remap_columns(Arc::clone(test), &columns)?;
        let schema = Arc::new(self.joined.project(&columns)?);
        let values = columns
            .iter()
            .map(|column| self.values(axes, *column))
            .collect::<Result<Vec<_>>>()?;
        let rows_at_once = (PAIRS / fast.len()).clamp(1, rows);
        let regions_at_once = match rows_at_once == rows {
            true => (PAIRS / (fast.len() * rows)).max(1),
            false => 1,
        };
        for regions in regions.chunks(regions_at_once) {
            for first in (0..rows).step_by(rows_at_once) {
                let pairs = Pairs {
                    regions,
                    rows: first..(first + rows_at_once).min(rows),
                    cells: fast.len(),
                };
                let arrays = values
                    .iter()
                    .map(|(values, side)| Ok(take(values, &pairs.positions(*side), None)?))
                    .collect::<Result<Vec<_>>>()?;
                let batch = batch_of(&schema, arrays, pairs.len())?;
                let matches = true_bits(&evaluate_predicate(&test, &batch)?);
                for (number, (region, row)) in pairs.lines().enumerate() {
                    let line = matches.slice(number * fast.len(), fast.len());
                    for (start, end) in line.set_slices() {
                        let along = fast[start]..fast[end - 1] + 1;
                        let across = slow.map(|slow| slow[row]..slow[row] + 1);
                        boxes.push(region, across.into_iter().chain([along]))?;
                    }
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(boxes)
    }

    /// A column of the joined table, and what its values belong to.
    fn values(&self, axes: &[usize], column: usize) -> Result<(ArrayRef, Side)> {
        let Some(place) = axes.iter().position(|axis| *axis == column) else {
            let column = column - self.cube.schema.fields().len();
            return Ok((Arc::clone(self.rows.column(column)), Side::Region));
        };
        let coordinates = self.selections[column].take(&self.cube.axes[column].coordinates)?;
        let side = match place + 1 == axes.len() {
            true => Side::Cell,
            false => Side::Row,
        };
        Ok((coordinates, side))
    }
}

/// What a value belongs to: a region, a cell of the slower axis, or one of the faster.
#[derive(Debug, Clone, Copy)]
enum Side {
    Region,
    Row,
    Cell,
}

/// Every region with every cell of some rows; cells vary fastest, regions slowest.
struct Pairs<'a> {
    regions: &'a [u32],
    rows: Range<usize>,
    /// Cells of a row.
    cells: usize,
}

impl Pairs<'_> {
    fn len(&self) -> usize {
        self.regions.len() * self.rows.len() * self.cells
    }

    /// Every region with every row.
    fn lines(&self) -> impl Iterator<Item = (u32, usize)> {
        let rows = &self.rows;
        let regions = self.regions.iter();
        regions.flat_map(|region| rows.clone().map(|row| (*region, row)))
    }

    /// The position of the value of each pair among those of `side`.
    fn positions(&self, side: Side) -> UInt32Array {
        let mut positions = Vec::with_capacity(self.len());
        let cells = 0..self.cells as u32;
        for (region, row) in self.lines() {
            match side {
                Side::Region => positions.resize(positions.len() + self.cells, region),
                Side::Row => positions.resize(positions.len() + self.cells, row as u32),
                Side::Cell => positions.extend(cells.clone()),
            }
        }
        positions.into()
    }
}

/// The coordinates of the selected cells of one axis as polygons need them: ascending, each once.
struct Line {
    coordinates: Vec<f64>,
    /// For each coordinate, the cells that have it, ascending.
    cells: Vec<Vec<u32>>,
    /// Do all cells have a coordinate, each its own, and ascend with them?
    is_ordered: bool,
}

impl Line {
    /// NULL, NaN and infinities are no place.
    fn new(values: ArrayRef, cells: Vec<u32>) -> Result<Self> {
        let values = arrow::compute::cast(&values, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let count = cells.len();
        let mut placed: Vec<(f64, u32)> = std::iter::zip(values, cells)
            .filter_map(|(value, cell)| Some((value.filter(|value| value.is_finite())?, cell)))
            .collect();
        let has_all = placed.len() == count;
        placed.sort_by(|(a, first), (b, second)| a.total_cmp(b).then(first.cmp(second)));
        let mut line = Self {
            coordinates: Vec::with_capacity(placed.len()),
            cells: Vec::with_capacity(placed.len()),
            is_ordered: has_all,
        };
        for (value, cell) in placed {
            match line.cells.last_mut() {
                // -0.0 comes before 0.0, and is the same place.
                Some(cells) if line.coordinates.last() == Some(&value) => {
                    cells.push(cell);
                    cells.sort_unstable();
                    line.is_ordered = false;
                }
                last => {
                    let before = last.and_then(|cells| cells.last().copied());
                    line.is_ordered &= before.is_none_or(|before| before < cell);
                    line.coordinates.push(value);
                    line.cells.push(vec![cell]);
                }
            }
        }
        Ok(line)
    }

    /// The cells at coordinates `start..end`.
    fn stretches(&self, start: u32, end: u32) -> Vec<Range<u32>> {
        let cells = &self.cells[start as usize..end as usize];
        if self.is_ordered
            && let (Some([first]), Some([last])) = (
                cells.first().map(Vec::as_slice),
                cells.last().map(Vec::as_slice),
            )
        {
            return vec![*first..last + 1];
        }
        let mut cells: Vec<u32> = cells.iter().flatten().copied().collect();
        cells.sort_unstable();
        let mut stretches: Vec<Range<u32>> = Vec::new();
        for cell in cells {
            match stretches.last_mut() {
                Some(last) if last.end == cell => last.end += 1,
                _ => stretches.push(cell..cell + 1),
            }
        }
        stretches
    }
}

/// Neighbours among ascending positions.
fn stretches(positions: &[usize]) -> Vec<(usize, usize)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for position in positions {
        match stretches.last_mut() {
            Some((_, end)) if *end == *position => *end += 1,
            _ => stretches.push((*position, position + 1)),
        }
    }
    stretches
}
