//! Which cells each region selects: every condition is evaluated once on the coordinates of its axes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use graticule_functions::space::zones::{Plane, envelope, geometries, is_area, runs_of};

use crate::cube::Cube;
use crate::dense::regions::boxes::Boxes;
use crate::dense::regions::conditions::{Condition, Zone};
use crate::error::CubeError;
use crate::runtime::yield_now;
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
                    let cells: Vec<_> = axes.iter().map(|axis| self.cells(*axis)).collect();
                    let mut boxes = Boxes::new(axes.clone(), self.memory);
                    self.test(test, axes, &cells, &regions, &mut boxes).await?;
                    boxes
                }
            };
            all = Some(match all {
                None => boxes,
                Some(before) => before.and(&boxes)?,
            });
            yield_now().await;
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
        let mut cells = vec![Vec::new(); known.len()];
        for (code, cell) in std::iter::zip(codes, self.cells(axis)) {
            cells[code].push(cell);
        }
        known.intern(&[Arc::clone(&values)], &mut found)?;
        let held = self.memory.new_empty();
        held.try_resize(known.size())?;
        let nulls = values.logical_nulls().filter(|_| !nulls_are_equal);
        for (region, code) in found.iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(region));
            let here = cells.get(*code).filter(|_| !is_null);
            for stretch in here.into_iter().flat_map(|here| stretches(here)) {
                boxes.push(region as u32, [stretch])?;
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
        let x = Line::new(self.on_axis(zone.x.0, &zone.x.1)?, self.cells(zone.x.0))?;
        let y = Line::new(self.on_axis(zone.y.0, &zone.y.1)?, self.cells(zone.y.0))?;
        let plane = Plane::new(&x.coordinates, &y.coordinates, None).map_err(&invalid)?;
        let mut boxes = Boxes::new(zone.axes().to_vec(), self.memory);
        for (region, shape) in shapes.iter().enumerate() {
            let number = region as u32;
            let Some(shape) = shape else {
                continue;
            };
            if !is_area(shape) {
                // No relation holds for a point outside the envelope.
                if let Some([west, south, east, north]) = envelope(shape) {
                    let (columns, rows) = (x.between(west, east), y.between(south, north));
                    let cells = match zone.y.0 < zone.x.0 {
                        true => [rows, columns],
                        false => [columns, rows],
                    };
                    let axes = zone.axes();
                    self.test(&zone.test, &axes, &cells, &[number], &mut boxes)
                        .await?;
                }
                continue;
            }
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
            yield_now().await;
        }
        Ok(boxes)
    }

    /// Evaluates `test` on `cells` of one or two axes for each of `regions`, and adds what it selects.
    async fn test(
        &self,
        test: &Arc<dyn PhysicalExpr>,
        axes: &[usize],
        cells: &[Vec<u32>],
        regions: &[u32],
        boxes: &mut Boxes,
    ) -> Result<()> {
        let (fast, slow) = match cells {
            [fast] => (fast, None),
            [slow, fast] => (fast, Some(slow)),
            _ => return internal_err!("a condition on {} axes", cells.len()),
        };
        let rows = slow.map_or(1, Vec::len);
        if fast.is_empty() || rows == 0 {
            return Ok(());
        }
        let mut columns: Vec<usize> = collect_columns(test).iter().map(Column::index).collect();
        columns.sort_unstable();
        let test = remap_columns(Arc::clone(test), &columns)?;
        let schema = Arc::new(self.joined.project(&columns)?);
        let values = columns
            .iter()
            .map(|column| self.values(axes, cells, *column))
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
                    for along in line
                        .set_slices()
                        .flat_map(|(start, end)| stretches(&fast[start..end]))
                    {
                        let across = slow.map(|slow| slow[row]..slow[row] + 1);
                        boxes.push(region, across.into_iter().chain([along]))?;
                    }
                }
                yield_now().await;
            }
        }
        Ok(())
    }

    /// A column of the joined table, and what its values belong to.
    fn values(
        &self,
        axes: &[usize],
        cells: &[Vec<u32>],
        column: usize,
    ) -> Result<(ArrayRef, Side)> {
        let Some(place) = axes.iter().position(|axis| *axis == column) else {
            let column = column - self.cube.schema.fields().len();
            return Ok((Arc::clone(self.rows.column(column)), Side::Region));
        };
        let cells = UInt32Array::from(cells[place].clone());
        let coordinates = take(&self.cube.axes[column].coordinates, &cells, None)?;
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
        match cells {
            [first, .., last] if self.is_ordered => vec![first[0]..last[0] + 1],
            [only] if self.is_ordered => vec![only[0]..only[0] + 1],
            cells => stretches(&sorted(cells)),
        }
    }

    /// The cells with a coordinate from `low` to `high`, ascending.
    fn between(&self, low: f64, high: f64) -> Vec<u32> {
        let start = self.coordinates.partition_point(|value| *value < low);
        let end = self.coordinates.partition_point(|value| *value <= high);
        sorted(&self.cells[start..end])
    }
}

fn sorted(cells: &[Vec<u32>]) -> Vec<u32> {
    let mut cells: Vec<u32> = cells.iter().flatten().copied().collect();
    cells.sort_unstable();
    cells
}

/// The stretches that ascending cells form.
fn stretches(cells: &[u32]) -> Vec<Range<u32>> {
    let mut stretches: Vec<Range<u32>> = Vec::new();
    for cell in cells {
        match stretches.last_mut() {
            Some(last) if last.end == *cell => last.end += 1,
            _ => stretches.push(*cell..cell + 1),
        }
    }
    stretches
}
