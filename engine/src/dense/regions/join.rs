//! A join of DataFusion's between a cube and regions, understood.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec};

use crate::cube::{Axis, Cube};
use crate::dense::regions::conditions::Condition;
use crate::scan::CubeScan;

/// Which rows a join emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    /// Pairs of a cell and a region that selects it.
    Inner,
    /// Pairs, and regions that select no cell.
    AllRegions,
    /// Regions that select a cell.
    RegionsWithCells,
    /// Regions that select none.
    RegionsWithoutCells,
    /// Cells that a region selects, once each.
    CellsInRegions,
    /// Cells that no region selects.
    CellsOutside,
}

impl JoinKind {
    fn of(join: JoinType, cube: JoinSide) -> std::result::Result<Self, String> {
        let cube_is_left = match cube {
            JoinSide::Left => join,
            JoinSide::Right | JoinSide::None => join.swap(),
        };
        match cube_is_left {
            JoinType::Inner => Ok(Self::Inner),
            JoinType::Right => Ok(Self::AllRegions),
            JoinType::RightSemi => Ok(Self::RegionsWithCells),
            JoinType::RightAnti => Ok(Self::RegionsWithoutCells),
            JoinType::LeftSemi => Ok(Self::CellsInRegions),
            JoinType::LeftAnti => Ok(Self::CellsOutside),
            JoinType::Left | JoinType::Full => {
                Err("an outer join that keeps cells of no region".to_string())
            }
            JoinType::LeftMark | JoinType::RightMark => {
                Err("a join that marks rows with a match".to_string())
            }
        }
    }

    /// As `EXPLAIN` shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::AllRegions => "all regions",
            Self::RegionsWithCells => "regions with cells",
            Self::RegionsWithoutCells => "regions without cells",
            Self::CellsInRegions => "cells in regions",
            Self::CellsOutside => "cells outside",
        }
    }

    /// Does the output have cells that no region selects?
    pub(crate) fn needs_cells_of_no_region(self) -> bool {
        self == Self::CellsOutside
    }

    /// Does the output depend on which regions found a cell?
    pub(super) fn remembers_regions(self) -> bool {
        matches!(
            self,
            Self::AllRegions | Self::RegionsWithCells | Self::RegionsWithoutCells
        )
    }

    /// Is the output made of cells alone?
    pub(super) fn emits_cells(self) -> bool {
        matches!(self, Self::CellsInRegions | Self::CellsOutside)
    }
}

/// A join of the cells of a scan with regions.
#[derive(Debug, Clone)]
pub(crate) struct RegionJoin {
    pub(crate) scan: Arc<CubeScan>,
    /// The plan of the regions' table.
    pub(crate) regions: Arc<dyn ExecutionPlan>,
    pub(crate) kind: JoinKind,
    /// The columns of the cube's table, then those of the regions: what expressions below read.
    pub(crate) joined: SchemaRef,
    /// What selects cells.
    pub(crate) conditions: Vec<Condition>,
    /// What is left of the join's condition, to be tested on pairs.
    pub(crate) rest: Option<Arc<dyn PhysicalExpr>>,
    /// The output.
    pub(crate) outputs: ProjectionExprs,
    /// The output's schema.
    pub(crate) schema: SchemaRef,
}

/// What came of a join of a cube: understood, or why not.
pub(crate) type Recognised = std::result::Result<RegionJoin, String>;

/// What the joins of DataFusion that may be ours have in common.
struct Stock<'a> {
    left: &'a Arc<dyn ExecutionPlan>,
    right: &'a Arc<dyn ExecutionPlan>,
    on: &'a [(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)],
    nulls_are_equal: bool,
    filter: Option<&'a JoinFilter>,
    kind: JoinType,
    projection: Option<&'a [usize]>,
}

impl<'a> Stock<'a> {
    fn of(node: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            return Some(Self {
                left: join.left(),
                right: join.right(),
                on: &[],
                nulls_are_equal: false,
                filter: join.filter(),
                kind: *join.join_type(),
                projection: join.projection().as_deref(),
            });
        }
        let join = node.downcast_ref::<HashJoinExec>()?;
        // NOT IN: a NULL among the regions would take all cells away.
        (!join.null_aware).then(|| Self {
            left: join.left(),
            right: join.right(),
            on: join.on(),
            nulls_are_equal: join.null_equality() == NullEquality::NullEqualsNull,
            filter: join.filter(),
            kind: *join.join_type(),
            projection: join.projection.as_deref(),
        })
    }
}

/// The two sides of a join as expressions over the joined table.
struct Sides {
    /// The columns of the cube's table, then those of the regions.
    joined: SchemaRef,
    left: ProjectionExprs,
    right: ProjectionExprs,
}

impl Sides {
    fn new(cube: &Cube, of_cube: ProjectionExprs, regions: &Schema, cube_side: JoinSide) -> Self {
        let columns = cube.schema.fields().iter().chain(regions.fields());
        let joined = Schema::new(columns.cloned().collect::<Vec<_>>());
        let of_regions: Vec<usize> = (cube.schema.fields().len()..joined.fields().len()).collect();
        let of_regions = ProjectionExprs::from_indices(&of_regions, &joined);
        let (left, right) = match cube_side {
            JoinSide::Left => (of_cube, of_regions),
            JoinSide::Right | JoinSide::None => (of_regions, of_cube),
        };
        Self {
            joined: Arc::new(joined),
            left,
            right,
        }
    }

    fn column(&self, side: JoinSide, index: usize) -> Result<Arc<dyn PhysicalExpr>> {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("column", index));
        match side {
            JoinSide::Right => self.right.unproject_expr(&column),
            JoinSide::Left | JoinSide::None => self.left.unproject_expr(&column),
        }
    }

    /// What each conjunct of a join's condition selects, and the conjuncts that are no condition on axes.
    fn conditions(
        &self,
        cube: &Cube,
        stock: &Stock<'_>,
    ) -> Result<(Vec<Condition>, Vec<Arc<dyn PhysicalExpr>>)> {
        let mut conjuncts: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        let mut conditions = Vec::new();
        for (left, right) in stock.on {
            let left = self.left.unproject_expr(left)?;
            let right = self.right.unproject_expr(right)?;
            let nulls_are_equal = stock.nulls_are_equal;
            match Condition::equal(cube, &self.joined, &left, &right, nulls_are_equal) {
                Some(condition) => conditions.push(condition),
                None => {
                    let equals = match nulls_are_equal {
                        true => Operator::IsNotDistinctFrom,
                        false => Operator::Eq,
                    };
                    conjuncts.push(Arc::new(BinaryExpr::new(left, equals, right)));
                }
            }
        }
        if let Some(filter) = stock.filter {
            let columns = filter.column_indices().iter().map(|column| {
                let expression = self.column(column.side, column.index)?;
                Ok(ProjectionExpr::new(expression, "column"))
            });
            let columns = ProjectionExprs::new(columns.collect::<Result<Vec<_>>>()?);
            let filter = columns.unproject_expr(filter.expression())?;
            conjuncts.extend(split_conjunction(&filter).into_iter().cloned());
        }
        let mut rest = Vec::new();
        for conjunct in conjuncts {
            match Condition::of(cube, &self.joined, &conjunct) {
                Some(condition) => conditions.push(condition),
                None => rest.push(conjunct),
            }
        }
        Ok((conditions, rest))
    }

    /// The columns that a join emits.
    fn outputs(&self, stock: &Stock<'_>, schema: &Schema) -> Result<ProjectionExprs> {
        let columns = |side: JoinSide| {
            let plan = match side {
                JoinSide::Right => stock.right,
                JoinSide::Left | JoinSide::None => stock.left,
            };
            (0..plan.schema().fields().len()).map(move |column| (side, column))
        };
        let all: Vec<(JoinSide, usize)> = match stock.kind {
            JoinType::LeftSemi | JoinType::LeftAnti => columns(JoinSide::Left).collect(),
            JoinType::RightSemi | JoinType::RightAnti => columns(JoinSide::Right).collect(),
            _ => columns(JoinSide::Left)
                .chain(columns(JoinSide::Right))
                .collect(),
        };
        let kept: Vec<(JoinSide, usize)> = match stock.projection {
            Some(projection) => projection.iter().map(|column| all[*column]).collect(),
            None => all,
        };
        let outputs = std::iter::zip(kept, schema.fields()).map(|((side, index), field)| {
            let output = self.column(side, index)?;
            Ok(ProjectionExpr::new(output, field.name()))
        });
        Ok(ProjectionExprs::new(outputs.collect::<Result<Vec<_>>>()?))
    }
}

impl RegionJoin {
    /// Understands `node` as a join of a cube with regions. `scan_below` finds the scan that a side of
    /// a join is, and what is computed on it. `None` when it is no join of one cube, or one that reads
    /// no axis.
    ///
    /// # Errors
    /// An expression of the join is none over its two sides.
    pub(crate) fn recognise<'a>(
        node: &'a Arc<dyn ExecutionPlan>,
        scan_below: impl Fn(
            &'a Arc<dyn ExecutionPlan>,
        ) -> Result<Option<(ProjectionExprs, &'a CubeScan)>>,
    ) -> Result<Option<(&'a CubeScan, Recognised)>> {
        let Some(stock) = Stock::of(node) else {
            return Ok(None);
        };
        let (cube_side, regions, (below, scan)) =
            match (scan_below(stock.left)?, scan_below(stock.right)?) {
                (Some(cube), None) => (JoinSide::Left, stock.right, cube),
                (None, Some(cube)) => (JoinSide::Right, stock.left, cube),
                _ => return Ok(None),
            };
        let of_cube = scan.projection.try_merge(&below)?;
        let computes_volatile = of_cube.expr_iter().any(|output| is_volatile(&output));
        let sides = Sides::new(&scan.cube, of_cube, &regions.schema(), cube_side);
        let (conditions, rest) = sides.conditions(&scan.cube, &stock)?;
        if conditions.is_empty() {
            return Ok(None);
        }
        let is_too_long = |axis: &Axis| u32::try_from(axis.coordinates.len()).is_err();
        let has_volatile = computes_volatile
            || stock
                .filter
                .is_some_and(|filter| is_volatile(filter.expression()));
        let kind = match JoinKind::of(stock.kind, cube_side) {
            _ if scan.limit.is_some() => Err("there is a LIMIT below the join".to_string()),
            _ if has_volatile => Err("the join reads something volatile".to_string()),
            _ if scan.cube.axes.iter().any(is_too_long) => {
                Err("an axis has more than 2^32 cells".to_string())
            }
            Ok(kind) if kind.emits_cells() && !rest.is_empty() => {
                Err("the join's condition reads more than axes".to_string())
            }
            kind => kind,
        };
        let kind = match kind {
            Ok(kind) => kind,
            Err(reason) => return Ok(Some((scan, Err(reason)))),
        };
        let join = Self {
            // Whoever explains why rows are made does so on the scan of the join.
            scan: Arc::new(scan.for_operator(&[])?),
            regions: Arc::clone(regions),
            kind,
            conditions,
            rest: conjunction_opt(rest),
            outputs: ProjectionExprs::new(Vec::new()),
            schema: node.schema(),
            joined: Arc::clone(&sides.joined),
        };
        let outputs = sides.outputs(&stock, &join.schema)?;
        Ok(Some((scan, Ok(join.with_outputs(outputs)?))))
    }

    /// The same join with other outputs over the joined table, whose schema is that of the join.
    pub(super) fn with_outputs(mut self, outputs: ProjectionExprs) -> Result<Self> {
        let rest = self.rest.iter().flat_map(collect_columns);
        let mut read = outputs.column_indices();
        read.extend(rest.map(|column: Column| column.index()));
        read.retain(|column| *column < self.first_of_regions());
        self.scan = Arc::new(self.scan.with_columns(&read)?);
        self.outputs = outputs;
        Ok(self)
    }

    /// The conditions, as `EXPLAIN` shows them.
    pub(crate) fn condition_texts(&self) -> String {
        let texts: Vec<String> = self.conditions.iter().map(ToString::to_string).collect();
        texts.join(", ")
    }

    /// The axes of which regions select cells, ascending.
    pub(crate) fn axes(&self) -> Vec<usize> {
        let mut axes: Vec<usize> = self.conditions.iter().flat_map(Condition::axes).collect();
        axes.sort_unstable();
        axes.dedup();
        axes
    }

    /// The first column of the joined table that is one of the regions.
    pub(crate) fn first_of_regions(&self) -> usize {
        self.scan.cube.schema.fields().len()
    }
}
