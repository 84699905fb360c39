//! What a conjunct of a join's condition selects of a cube's axes.
//!
//! Expressions read the columns of the joined table: those of the cube's table, then those of the
//! regions.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use graticule_functions::space::zones::EdgeRule;

use crate::cube::Cube;

/// A condition that selects cells of one or two axes for each region.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// `c.lat = z.lat`: cells are looked up by their coordinate.
    Equal {
        axis: usize,
        /// What is compared, over the axis.
        coordinate: Arc<dyn PhysicalExpr>,
        /// With what, over the regions.
        value: Arc<dyn PhysicalExpr>,
        /// Is NULL equal to NULL?
        nulls_are_equal: bool,
    },
    /// `ST_Contains(z.geometry, ST_Point(c.lon, c.lat))`: polygons are laid on the grid.
    Zone(Zone),
    /// Anything else that reads at most two axes, evaluated on all of their cells.
    Test {
        /// Ascending.
        axes: Vec<usize>,
        test: Arc<dyn PhysicalExpr>,
    },
}

/// A relation of a region's geometry to the point that a cell's coordinates make.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// The axis that x reads, and x over it.
    pub(crate) x: (usize, Arc<dyn PhysicalExpr>),
    /// The axis that y reads, and y over it.
    pub(crate) y: (usize, Arc<dyn PhysicalExpr>),
    /// Over the regions.
    pub(crate) geometry: Arc<dyn PhysicalExpr>,
    /// To whom a cell on an edge belongs.
    pub(crate) rule: EdgeRule,
    /// The whole condition, for geometries that are no polygons.
    pub(crate) test: Arc<dyn PhysicalExpr>,
}

/// What an expression over the joined table reads.
struct Reads {
    /// Axes, ascending.
    axes: Vec<usize>,
    variables: bool,
    regions: bool,
}

impl Reads {
    fn of(cube: &Cube, expression: &Arc<dyn PhysicalExpr>) -> Self {
        let columns: Vec<usize> = collect_columns(expression)
            .iter()
            .map(Column::index)
            .collect();
        let first_variable = cube.axes.len();
        let first_of_regions = cube.schema.fields().len();
        let mut axes: Vec<usize> = columns.clone();
        axes.retain(|column| *column < first_variable);
        axes.sort_unstable();
        let variable = first_variable..first_of_regions;
        Self {
            axes,
            variables: columns.iter().any(|column| variable.contains(column)),
            regions: columns.iter().any(|column| *column >= first_of_regions),
        }
    }

    /// The axis, where it is all that is read.
    fn only_axis(&self) -> Option<usize> {
        match self.axes.as_slice() {
            [axis] if !self.variables && !self.regions => Some(*axis),
            _ => None,
        }
    }

    fn only_regions(&self) -> bool {
        self.axes.is_empty() && !self.variables
    }
}

impl Condition {
    /// What `conjunct` selects; `None` when it reads variables, no axis, or more than two.
    pub(super) fn of(
        cube: &Cube,
        joined: &Schema,
        conjunct: &Arc<dyn PhysicalExpr>,
    ) -> Option<Self> {
        if let Some(zone) = zone(cube, conjunct) {
            return Some(Self::Zone(zone));
        }
        if let Some(binary) = conjunct.downcast_ref::<BinaryExpr>()
            && *binary.op() == Operator::Eq
            && let Some(equal) = Self::equal(cube, joined, binary.left(), binary.right(), false)
        {
            return Some(equal);
        }
        let Reads {
            axes, variables, ..
        } = Reads::of(cube, conjunct);
        let test = Arc::clone(conjunct);
        (!variables && (1..=2).contains(&axes.len())).then_some(Self::Test { axes, test })
    }

    /// The condition that two expressions of one type are equal, of which one reads an axis and the other
    /// regions.
    pub(super) fn equal(
        cube: &Cube,
        joined: &Schema,
        one: &Arc<dyn PhysicalExpr>,
        other: &Arc<dyn PhysicalExpr>,
        nulls_are_equal: bool,
    ) -> Option<Self> {
        let (one_reads, other_reads) = (Reads::of(cube, one), Reads::of(cube, other));
        let (axis, coordinate, value) = match (one_reads.only_axis(), other_reads.only_axis()) {
            (Some(axis), _) if other_reads.only_regions() => (axis, one, other),
            (_, Some(axis)) if one_reads.only_regions() => (axis, other, one),
            _ => return None,
        };
        if coordinate.data_type(joined).ok()? != value.data_type(joined).ok()? {
            return None;
        }
        Some(Self::Equal {
            axis,
            coordinate: Arc::clone(coordinate),
            value: Arc::clone(value),
            nulls_are_equal,
        })
    }

    /// The axes of which it selects cells, ascending.
    pub(crate) fn axes(&self) -> Vec<usize> {
        match self {
            Self::Equal { axis, .. } => vec![*axis],
            Self::Zone(zone) => zone.axes().to_vec(),
            Self::Test { axes, .. } => axes.clone(),
        }
    }
}

impl Zone {
    /// The two axes, ascending.
    pub(super) fn axes(&self) -> [usize; 2] {
        let (x, y) = (self.x.0, self.y.0);
        [x.min(y), x.max(y)]
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal {
                coordinate, value, ..
            } => write!(f, "{coordinate} = {value}"),
            Self::Zone(zone) => write!(f, "{}", zone.test),
            Self::Test { test, .. } => write!(f, "{test}"),
        }
    }
}

/// The polygon test that `conjunct` is.
fn zone(cube: &Cube, conjunct: &Arc<dyn PhysicalExpr>) -> Option<Zone> {
    let relation = conjunct.downcast_ref::<ScalarFunctionExpr>()?;
    let [first, second] = relation.args() else {
        return None;
    };
    let (rule, geometry, point) = match relation.fun().name() {
        "st_contains" => (EdgeRule::Exclude, first, second),
        "st_within" => (EdgeRule::Exclude, second, first),
        "st_covers" => (EdgeRule::Include, first, second),
        "st_coveredby" => (EdgeRule::Include, second, first),
        "st_intersects" if is_point(second) => (EdgeRule::Include, first, second),
        "st_intersects" => (EdgeRule::Include, second, first),
        _ => return None,
    };
    let [x, y, ..] = point.downcast_ref::<ScalarFunctionExpr>()?.args() else {
        return None;
    };
    let x_axis = Reads::of(cube, x).only_axis()?;
    let y_axis = Reads::of(cube, y).only_axis()?;
    let reads = Reads::of(cube, geometry);
    let is_zone = is_point(point) && x_axis != y_axis && reads.only_regions() && reads.regions;
    is_zone.then(|| Zone {
        x: (x_axis, Arc::clone(x)),
        y: (y_axis, Arc::clone(y)),
        geometry: Arc::clone(geometry),
        rule,
        test: Arc::clone(conjunct),
    })
}

fn is_point(expression: &Arc<dyn PhysicalExpr>) -> bool {
    let function = expression.downcast_ref::<ScalarFunctionExpr>();
    function.is_some_and(|function| function.fun().name() == "st_point")
}
