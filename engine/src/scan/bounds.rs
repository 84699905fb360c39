//! Bounds of units, put together from the statistics of the chunks that each unit reads: what
//! DataFusion's `PruningPredicate` asks for.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array, make_comparator};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue};

use crate::cube::{Cube, Variable};
use crate::scan::grid::{ScanGrid, Unit, touched_chunks};
use crate::scan::knowledge::Untrusted;
use crate::statistics::SharedStatistics;
use crate::statistics::summary::ChunkSummary;

/// A chunk that a unit reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitChunk {
    /// Its number in the variable's grid.
    pub(super) number: u64,
    /// Its cells, of which the unit may select only some.
    pub(super) cells: u64,
}

/// The chunks of one variable that each unit reads.
#[derive(Debug)]
pub(super) struct UnitChunks {
    statistics: SharedStatistics,
    dimensions: Vec<UnitDimension>,
}

#[derive(Debug)]
struct UnitDimension {
    axis: usize,
    /// Chunks of the variable along the dimension.
    count: u64,
    /// Per position of a unit along the axis: the chunks it touches, with their cells.
    touched: Vec<Vec<(u64, u64)>>,
}

impl UnitChunks {
    /// The chunks of `variable`, of which `statistics` are known, in the units of `grid`.
    pub(super) fn new(variable: &Variable, statistics: SharedStatistics, grid: &ScanGrid) -> Self {
        let dimension = |(axis, chunks): (&usize, &crate::cube::chunks::AxisChunks)| {
            let touched = (0..grid.counts()[*axis]).map(|position| {
                let touched = touched_chunks(chunks, &grid.axis_unit(*axis, position).runs);
                let with_cells = touched.into_iter().map(|chunk| {
                    let cells = chunks.range(chunk);
                    (chunk, cells.end - cells.start)
                });
                with_cells.collect()
            });
            UnitDimension {
                axis: *axis,
                count: chunks.count(),
                touched: touched.collect(),
            }
        };
        let along = variable.axes.iter().zip(variable.chunks());
        Self {
            statistics,
            dimensions: along.map(dimension).collect(),
        }
    }

    pub(super) fn statistics(&self) -> &SharedStatistics {
        &self.statistics
    }

    pub(super) fn is_known(&self, number: u64) -> bool {
        self.statistics.valid.is_valid(number as usize)
    }

    /// The chunks of the unit at `positions` along the axes.
    pub(super) fn at(&self, positions: &[u64]) -> Vec<UnitChunk> {
        let first = UnitChunk {
            number: 0,
            cells: 1,
        };
        let mut chunks = vec![first];
        for dimension in &self.dimensions {
            let touched = &dimension.touched[positions[dimension.axis] as usize];
            chunks = chunks
                .iter()
                .flat_map(|chunk| {
                    touched.iter().map(|(index, cells)| UnitChunk {
                        number: chunk.number * dimension.count + index,
                        cells: chunk.cells * cells,
                    })
                })
                .collect();
        }
        chunks
    }

    /// The summary of all cells of a unit. `None` when the unit selects only some cells of a chunk, or
    /// nothing is known of a chunk.
    pub(super) fn summary(
        &self,
        positions: &[u64],
        unit: &Unit,
        untrusted: Option<&HashSet<u64>>,
    ) -> Option<ChunkSummary> {
        let chunks = self.at(positions);
        let selected = self.dimensions.iter();
        let selected: u64 = selected
            .map(|dimension| unit.axes[dimension.axis].count as u64)
            .product();
        if chunks.iter().map(|chunk| chunk.cells).sum::<u64>() != selected || selected == 0 {
            return None;
        }
        let mut total = ChunkSummary::none(self.statistics.minimum.data_type()).ok()?;
        for chunk in chunks {
            if untrusted.is_some_and(|untrusted| untrusted.contains(&chunk.number)) {
                return None;
            }
            total.add(&self.statistics.chunk(chunk.number)?).ok()?;
        }
        // A variable on fewer axes has the same values for all cells of the others.
        total.valid *= unit.rows() as u64 / selected;
        Some(total)
    }

    /// The bounds of `units`.
    fn bounds(
        &self,
        grid: &ScanGrid,
        units: &[u64],
        untrusted: Option<&HashSet<u64>>,
    ) -> Result<Bounds> {
        let statistics = &self.statistics;
        let compare = |values: &ArrayRef| make_comparator(values, values, SortOptions::default());
        let (lower, higher) = (compare(&statistics.minimum)?, compare(&statistics.maximum)?);
        let mut minima: Vec<Option<u64>> = Vec::with_capacity(units.len());
        let mut maxima: Vec<Option<u64>> = Vec::with_capacity(units.len());
        let mut gaps = Vec::with_capacity(units.len());
        for unit in units {
            let mut unit_gaps = None;
            let (mut minimum, mut maximum): (Option<usize>, Option<usize>) = (None, None);
            let mut is_bounded = true;
            for chunk in self.at(&grid.positions(*unit)) {
                let at = chunk.number as usize;
                let is_trusted =
                    !untrusted.is_some_and(|untrusted| untrusted.contains(&chunk.number));
                if !is_trusted || statistics.valid.is_null(at) {
                    unit_gaps = Some(Gaps::Unknown);
                    is_bounded = false;
                    break;
                }
                let valid = statistics.valid.value(at);
                let here = match valid {
                    0 => Gaps::All,
                    valid if valid == chunk.cells => Gaps::None,
                    _ => Gaps::Some,
                };
                unit_gaps = Some(match unit_gaps {
                    Some(before) if before != here => Gaps::Some,
                    _ => here,
                });
                if valid == 0 {
                    continue;
                }
                is_bounded &= statistics.minimum.is_valid(at) && statistics.maximum.is_valid(at);
                if minimum.is_none_or(|best| lower(best, at) == Ordering::Greater) {
                    minimum = Some(at);
                }
                if maximum.is_none_or(|best| higher(best, at) == Ordering::Less) {
                    maximum = Some(at);
                }
            }
            let bound = |at: Option<usize>| at.filter(|_| is_bounded).map(|at| at as u64);
            minima.push(bound(minimum));
            maxima.push(bound(maximum));
            gaps.push(unit_gaps.unwrap_or(Gaps::Unknown));
        }
        Ok(Bounds {
            minimum: take(&statistics.minimum, &UInt64Array::from(minima), None)?,
            maximum: take(&statistics.maximum, &UInt64Array::from(maxima), None)?,
            gaps,
        })
    }
}

/// Which values of a unit are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gaps {
    None,
    Some,
    All,
    Unknown,
}

impl Gaps {
    /// Missing values of two rows that stand for the unit: as many as `PruningPredicate` can tell apart.
    fn of_two(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Some => Some(1),
            Self::All => Some(2),
            Self::Unknown => None,
        }
    }
}

/// Bounds of one column, one entry per unit; NULL where there is no value, or it is not known.
#[derive(Debug)]
struct Bounds {
    minimum: ArrayRef,
    maximum: ArrayRef,
    gaps: Vec<Gaps>,
}

/// Bounds of the columns that a predicate reads, for some units.
#[derive(Debug)]
pub(super) struct UnitStatistics {
    units: usize,
    /// By name of the column, and by its index.
    columns: HashMap<String, Bounds>,
    names: Vec<(usize, String)>,
}

impl UnitStatistics {
    pub(super) fn new(
        cube: &Cube,
        grid: &ScanGrid,
        chunks: &BTreeMap<usize, UnitChunks>,
        units: &[u64],
        columns: &[usize],
        untrusted: &Untrusted,
    ) -> Result<Self> {
        let axes = cube.axes.len();
        let mut bounds = HashMap::new();
        let mut names = Vec::new();
        for column in columns {
            let found = match column.checked_sub(axes) {
                None => Some(axis_bounds(cube, *column, grid, units)?),
                Some(variable) => match chunks.get(&variable) {
                    Some(chunks) => Some(chunks.bounds(grid, units, untrusted.get(&variable))?),
                    None => None,
                },
            };
            let name = cube.schema.field(*column).name();
            names.push((*column, name.clone()));
            if let Some(found) = found {
                bounds.insert(name.clone(), found);
            }
        }
        Ok(Self {
            units: units.len(),
            columns: bounds,
            names,
        })
    }

    /// Which units have a value of each of `columns` in every row?
    pub(super) fn without_gaps(&self, columns: &[usize]) -> Vec<bool> {
        let mut without = vec![true; self.units];
        for (column, name) in &self.names {
            if !columns.contains(column) {
                continue;
            }
            for (unit, without) in without.iter_mut().enumerate() {
                let gaps = self.columns.get(name).map(|bounds| bounds.gaps[unit]);
                *without &= gaps == Some(Gaps::None);
            }
        }
        without
    }

    fn of(&self, column: &Column) -> Option<&Bounds> {
        self.columns.get(&column.name)
    }
}

impl PruningStatistics for UnitStatistics {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column)
            .map(|bounds| with_both_zeros(&bounds.minimum, -0.0))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column)
            .map(|bounds| with_both_zeros(&bounds.maximum, 0.0))
    }

    fn num_containers(&self) -> usize {
        self.units
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let gaps = self.of(column)?.gaps.iter();
        let counts: UInt64Array = gaps.map(|gaps| gaps.of_two()).collect();
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from(vec![2; self.units])))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Bounds of 0 as the zero that is `outer`: whether −0.0 equals 0.0 is decided where rows are compared.
fn with_both_zeros(bounds: &ArrayRef, outer: f64) -> ArrayRef {
    match bounds.data_type() {
        DataType::Float32 => {
            let bounds = bounds.as_primitive::<Float32Type>();
            let outer = |bound: f32| if bound == 0.0 { outer as f32 } else { bound };
            Arc::new(bounds.unary::<_, Float32Type>(outer))
        }
        DataType::Float64 => {
            let bounds = bounds.as_primitive::<Float64Type>();
            let outer = |bound: f64| if bound == 0.0 { outer } else { bound };
            Arc::new(bounds.unary::<_, Float64Type>(outer))
        }
        _ => Arc::clone(bounds),
    }
}

/// The bounds of the selected coordinates of `axis` in each unit.
fn axis_bounds(cube: &Cube, axis: usize, grid: &ScanGrid, units: &[u64]) -> Result<Bounds> {
    let coordinates = &cube.axes[axis].coordinates;
    let compare = make_comparator(coordinates, coordinates, SortOptions::default())?;
    let of_position = |position: u64| {
        let cells = grid.axis_unit(axis, position).cells();
        if cells.iter().any(|cell| coordinates.is_null(*cell as usize)) {
            return (None, None);
        }
        let order = |a: &u64, b: &u64| compare(*a as usize, *b as usize);
        let minimum = cells.iter().copied().min_by(order);
        (minimum, cells.iter().copied().max_by(order))
    };
    let positions: Vec<(Option<u64>, Option<u64>)> =
        (0..grid.counts()[axis]).map(of_position).collect();
    let bounds = units
        .iter()
        .map(|unit| positions[grid.positions(*unit)[axis] as usize]);
    let (minimum, maximum): (Vec<Option<u64>>, Vec<Option<u64>>) = bounds.unzip();
    let gaps = minimum.iter().map(|minimum| match minimum {
        Some(_) => Gaps::None,
        None => Gaps::Unknown,
    });
    Ok(Bounds {
        gaps: gaps.collect(),
        minimum: take(coordinates, &UInt64Array::from(minimum), None)?,
        maximum: take(coordinates, &UInt64Array::from(maximum), None)?,
    })
}

/// The numbers of `units` in the order in which `ORDER BY` wants their best values; those that are not
/// known first, because anything may be in them.
pub(super) fn best_first(
    chunks: &UnitChunks,
    grid: &ScanGrid,
    units: u64,
    options: SortOptions,
) -> Result<Vec<u64>> {
    let all: Vec<u64> = (0..units).collect();
    let Bounds {
        minimum,
        maximum,
        gaps,
    } = chunks.bounds(grid, &all, None)?;
    let best = if options.descending { maximum } else { minimum };
    let compare = make_comparator(&best, &best, options)?;
    let rank = |unit: usize| match gaps[unit] {
        Gaps::Unknown => 0,
        Gaps::Some | Gaps::All if options.nulls_first => 0,
        Gaps::All => 2,
        _ if best.is_null(unit) => 0,
        _ => 1,
    };
    let mut order = all;
    order.sort_by(|a, b| {
        let (a, b) = (*a as usize, *b as usize);
        let by_rank = rank(a).cmp(&rank(b));
        by_rank.then_with(|| match rank(a) {
            1 => compare(a, b),
            _ => Ordering::Equal,
        })
    });
    Ok(order)
}
