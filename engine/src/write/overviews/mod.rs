//! Making overviews: `CREATE OVERVIEWS`, and the option `overviews` of new cubes.
//!
//! ```text
//!  plan    levels as cubes that could be made by CREATE TABLE … AS SELECT * FROM coarsen(t, …)
//!  pass    the cube is read once: tile after tile along a curve that comes back to where neighbours lie
//!            ─▶ level 1 ─▶ when four tiles are there: level 2 ─▶ …       sums and counts go up, not means
//!  build   claim ─▶ levels ─▶ commit each ─▶ publish: now they are there
//! ```

pub(crate) mod build;
mod counts;
mod pass;
mod tiling;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ident};
use graticule_functions::warp::{Method, Missing, halves};
use serde_json::json;

use self::counts::{add_counts, name_of_counts, number_of};
use self::tiling::{Sides, side};
use super::new_cube::draft_new;
use super::options::{Shards, WriteOptions};
use super::plan::{Draft, Target, TargetVariable};
use crate::cube::{Cube, Variable};
use crate::error::{CubeError, CubeResult};
use crate::grids::{self, Horizontal, Resampling, Way, is_resampled, warped};
use crate::overviews::precision::{ATTRIBUTE, Precision};
use crate::overviews::{Levels, MOST_LEVELS, OverviewMethods};
use crate::scan::CubeTable;
use crate::sql::suggestions::with_nearest;

/// A level has at most this many cells along its longer side when nobody says how many levels there are.
const SMALLEST_MAP: usize = 256;

/// What a statement asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OverviewRequest {
    pub(crate) methods: OverviewMethods,
    /// `None` for as many as it takes until the map is small.
    pub(crate) levels: Option<u32>,
    pub(crate) precision: Precision,
}

impl OverviewRequest {
    /// Checks that the variables which are named are among those of the cube `name`.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn check<'a>(
        &self,
        name: &str,
        variables: impl Iterator<Item = &'a str> + Clone,
    ) -> CubeResult<()> {
        let is_known = |named: &&str| variables.clone().any(|known| known == *named);
        let mut named = self.methods.names();
        let Some(unknown) = named.find(|named| !is_known(named)) else {
            return Ok(());
        };
        let cause = format!("there is no variable {unknown} to have a method");
        let error = CubeError::invalid(name, cause);
        Err(with_nearest(error, unknown, variables, "there are"))
    }
}

/// Overviews that may be made.
#[derive(Debug)]
pub(crate) struct OverviewPlan {
    target: Target,
    statement: String,
    /// The version of the cube that is read, and how it is read.
    version: String,
    table: CubeTable,
    grid: Horizontal,
    variables: Vec<Reduction>,
    /// From the finest to the coarsest; the variables of each are those of `variables`, in their order.
    levels: Vec<Draft>,
}

/// How a variable is reduced.
#[derive(Debug, Clone)]
struct Reduction {
    variable: Variable,
    method: Method,
    /// The bits that its values keep where they do not keep all.
    bits: Option<u8>,
    /// The array of levels that says of how many cells theirs are made.
    counts: Option<String>,
    /// Cells of a tile, the same on all levels.
    sides: Sides,
    /// Cells of a chunk along the other axes, and what number of axis of the cube each is.
    others: Vec<(usize, u64)>,
}

impl Reduction {
    /// Decides how its values are stored in a level.
    ///
    /// # Errors
    /// It is not there.
    fn store(&mut self, level: &mut Draft, precision: Precision) -> CubeResult<()> {
        let number = number_of(level, self.variable.field.name())?;
        let keeper = level.target.sink.overviews();
        // Of flags there are few, and neighbours have the same.
        let codec = keeper.map(|keeper| keeper.codec(self.method == Method::Mode));
        let array = &mut level.cube.arrays[number];
        array.codec = codec;
        self.bits = precision.of(self.method, &array.data_type);
        if let Some(bits) = self.bits {
            array.attributes.insert(ATTRIBUTE.to_string(), json!(bits));
        }
        Ok(())
    }
}

impl OverviewPlan {
    /// Decides what is made of the cube `name`.
    ///
    /// # Errors
    /// The cube has no map, or no place for overviews; or a method, or a number of levels, makes no sense.
    pub(crate) async fn new(
        state: SessionState,
        table: &CubeTable,
        name: String,
        request: &OverviewRequest,
        statement: &str,
    ) -> Result<Self> {
        let cube = table.cube();
        let overviews = cube.overviews.as_ref();
        let folder = overviews.and_then(|overviews| overviews.folder());
        let folder = folder.ok_or_else(|| no_place(&name))?;
        let grid = Horizontal::of(cube, None)?;
        let mut variables = reductions(cube, &grid, request)?;
        let count = level_count(&grid, request.levels)?;
        let target = Target {
            name,
            location: folder.location.clone(),
            sink: Arc::clone(&folder.sink),
            over: None,
        };
        let mut levels = Vec::new();
        for number in 1..=count {
            let drafts = drafts(&state, table, &grid, &variables, number, &target, statement);
            let mut level = merged(Box::pin(drafts).await?, &variables)?;
            for reduction in &mut variables {
                reduction.store(&mut level, request.precision)?;
            }
            add_counts(&mut level, number, &variables)?;
            let checked = target.sink.check(&level.cube, &level.format_options);
            checked.map_err(|error| error.within(&target.name))?;
            levels.push(level);
        }
        for level in &levels {
            check_axes(level, cube, &grid)?;
        }
        Ok(Self {
            target,
            statement: statement.to_string(),
            version: folder.version.clone(),
            table: table.clone(),
            grid,
            variables,
            levels,
        })
    }

    /// Where they are written.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The SQL text.
    pub(crate) fn statement(&self) -> &str {
        &self.statement
    }

    /// Rows of a kind of plan and its text.
    pub(crate) fn explain(&self) -> Vec<(String, String)> {
        let mut text = format!(
            "Overviews: {}, levels={}, location={}",
            self.target.name,
            self.levels.len(),
            self.target.location.url
        );
        for reduction in &self.variables {
            let (name, method) = (reduction.variable.field.name(), reduction.method);
            let Sides { y, x } = reduction.sides;
            text.push_str(&format!("\n  {name}: {method}, tiles of {y} × {x} cells"));
            if let Some(bits) = reduction.bits {
                text.push_str(&format!(", rounded to {bits} bits"));
            }
        }
        text.push_str("\n  reads the cube once");
        vec![("cube".to_string(), text)]
    }
}

fn no_place(name: &str) -> CubeError {
    CubeError::unsupported("", format!("{name} has no place for overviews")).remedy(
        "attach its store, or declare the table, with the option overviews = 'folder' that can be written; \
         cubes in Zarr keep them in their own folder",
    )
}

/// The variables that have overviews, and how each is made.
fn reductions(
    cube: &Cube,
    grid: &Horizontal,
    request: &OverviewRequest,
) -> CubeResult<Vec<Reduction>> {
    let names = cube.variables.iter();
    request.check(
        &cube.name,
        names.map(|variable| variable.field.name().as_str()),
    )?;
    let mut reductions = Vec::new();
    for variable in &cube.variables {
        let has = |axis: &usize| variable.axes.contains(axis);
        let method = request.methods.of(&variable.field);
        let is_reduced = is_resampled(variable.decoding.data_type()) && halves(method);
        if !(has(&grid.x) && has(&grid.y) && is_reduced) {
            continue;
        }
        let along = || variable.axes.iter().zip(variable.chunks());
        let size = |wanted: usize| {
            along()
                .find(|(axis, _)| **axis == wanted)
                .map_or(1, |(_, chunks)| chunks.size())
        };
        // A block of a level lies in one chunk of the cube.
        let others = along().filter(|(axis, _)| **axis != grid.x && **axis != grid.y);
        let mut others: Vec<(usize, u64)> = others
            .map(|(axis, chunks)| match chunks.regular_size() {
                Some(size) => (*axis, size),
                None => (*axis, 1),
            })
            .collect();
        others.sort_unstable();
        let depth: u64 = others.iter().map(|(_, size)| *size).product();
        reductions.push(Reduction {
            sides: Sides {
                y: side(size(grid.y), depth),
                x: side(size(grid.x), depth),
            },
            bits: None,
            counts: name_of_counts(cube, variable.field.name(), method),
            variable: variable.clone(),
            method,
            others,
        });
    }
    match reductions.is_empty() {
        false => Ok(reductions),
        true => Err(CubeError::unsupported(
            &cube.name,
            "none of its variables is a map of numbers",
        )),
    }
}

fn level_count(grid: &Horizontal, asked: Option<u32>) -> CubeResult<u32> {
    let longest = grid.x_centres.len().max(grid.y_centres.len());
    // Two cells are needed for anyone to know how large they are.
    let shortest = grid.x_centres.len().min(grid.y_centres.len());
    let most = (1..=MOST_LEVELS)
        .take_while(|level| shortest.div_ceil(1 << level) >= 2)
        .count() as u32;
    let count = asked.unwrap_or_else(|| {
        let enough = (1..=MOST_LEVELS).find(|level| longest.div_ceil(1 << level) <= SMALLEST_MAP);
        enough.unwrap_or(MOST_LEVELS).min(most.max(1))
    });
    match (1..=most).contains(&count) {
        true => Ok(count),
        false => {
            let cause = format!("of this map there are no {count} levels");
            let remedy = match most {
                0 => "it is too small for overviews".to_string(),
                _ => format!("choose a number from 1 to {most}"),
            };
            Err(CubeError::invalid("", cause).remedy(remedy))
        }
    }
}

/// Level `number`, a draft for all variables that have the same axes and chunks.
async fn drafts(
    state: &SessionState,
    table: &CubeTable,
    grid: &Horizontal,
    variables: &[Reduction],
    number: u32,
    target: &Target,
    statement: &str,
) -> Result<Vec<Draft>> {
    let cube = table.cube();
    let goal = grids::Target::overview(grid, cube, 1 << number);
    let way = Way::between(&goal, grid)?;
    let resampling = Resampling {
        method: None,
        of_flags: Method::Mode,
        methods: variables
            .iter()
            .map(|reduction| (reduction.variable.field.name().clone(), reduction.method))
            .collect(),
        missing: Missing::Skip,
    };
    let name = format!("{}, overview {number}", cube.name);
    let level = warped(
        &name,
        table,
        grid.clone(),
        goal,
        way,
        &resampling,
        &Levels::default(),
    )?;
    let target = Target {
        location: target.location.child(&number.to_string()),
        ..target.clone()
    };
    let mut drafts = Vec::new();
    let mut done: Vec<bool> = vec![false; variables.len()];
    for first in 0..variables.len() {
        if std::mem::replace(&mut done[first], true) {
            continue;
        }
        let mut alike = vec![&variables[first]];
        for (at, other) in variables.iter().enumerate().skip(first + 1) {
            if !done[at]
                && other.sides == variables[first].sides
                && other.others == variables[first].others
            {
                done[at] = true;
                alike.push(other);
            }
        }
        let query = query(&level, cube, grid, &alike)?;
        let options = WriteOptions {
            chunks: chunks(cube, grid, alike[0]).collect(),
            shards: Shards::None,
            ..WriteOptions::default()
        };
        drafts.push(draft_new(state.clone(), query, target.clone(), &options, statement).await?);
    }
    Ok(drafts)
}

/// `SELECT axes, variables FROM level`
fn query(
    level: &CubeTable,
    cube: &Cube,
    grid: &Horizontal,
    variables: &[&Reduction],
) -> Result<LogicalPlan> {
    let others = variables[0].others.iter().map(|(axis, _)| *axis);
    let axes = others.chain([grid.y, grid.x]);
    let names = axes.map(|axis| cube.axes[axis].field.name());
    let names = names.chain(
        variables
            .iter()
            .map(|reduction| reduction.variable.field.name()),
    );
    let columns: Vec<_> = names.map(ident).collect();
    let source = provider_as_source(Arc::new(level.clone()));
    LogicalPlanBuilder::scan("level", source, None)?
        .project(columns)?
        .build()
}

/// Cells of a chunk along each axis, by its name.
fn chunks<'a>(
    cube: &'a Cube,
    grid: &Horizontal,
    reduction: &'a Reduction,
) -> impl Iterator<Item = (String, u64)> + use<'a> {
    let Sides { y, x } = reduction.sides;
    let others = reduction.others.iter().copied();
    let all = others.chain([(grid.y, y as u64), (grid.x, x as u64)]);
    all.map(|(axis, size)| (cube.axes[axis].field.name().clone(), size))
}

/// One cube of what `drafts` are of, its variables in the order of `variables`.
fn merged(drafts: Vec<Draft>, variables: &[Reduction]) -> CubeResult<Draft> {
    let mut drafts = drafts.into_iter();
    let nothing = || CubeError::invalid("", "there is nothing to make an overview of");
    let mut level = drafts.next().ok_or_else(nothing)?;
    let known = |level: &Draft, name: &str| {
        level
            .cube
            .arrays
            .iter()
            .position(|array| array.name == name)
    };
    for draft in drafts {
        for (at, values) in draft.small {
            let array = draft.cube.arrays[at].clone();
            if known(&level, &array.name).is_none() {
                level.small.push((level.cube.arrays.len(), values));
                level.cube.arrays.push(array);
            }
        }
        for variable in draft.variables {
            let array = level.cube.arrays.len();
            level
                .cube
                .arrays
                .push(draft.cube.arrays[variable.array].clone());
            level.variables.push(TargetVariable { array, ..variable });
        }
        for dimension in draft.dimensions {
            if !level
                .dimensions
                .iter()
                .any(|known| known.name == dimension.name)
            {
                level.dimensions.push(dimension);
            }
        }
    }
    let find = |reduction: &Reduction| {
        let array = known(&level, reduction.variable.field.name())?;
        let mut variables = level.variables.iter();
        variables.find(|variable| variable.array == array).cloned()
    };
    let ordered: Option<Vec<TargetVariable>> = variables.iter().map(find).collect();
    level.variables = ordered.ok_or_else(nothing)?;
    Ok(level)
}

/// The other axes of a level must be those of the cube, cell by cell.
fn check_axes(level: &Draft, cube: &Cube, grid: &Horizontal) -> CubeResult<()> {
    for (at, axis) in cube.axes.iter().enumerate() {
        let name = axis.field.name();
        let mut dimensions = level.dimensions.iter();
        let Some(dimension) = dimensions.find(|dimension| dimension.name == *name) else {
            continue;
        };
        if at != grid.x
            && at != grid.y
            && dimension.coordinates.as_ref() != axis.coordinates.as_ref()
        {
            let cause =
                format!("the coordinates of axis {name} have no order, or some of them twice");
            return Err(CubeError::unsupported(&cube.name, cause)
                .remedy("make a cube with an ordered axis of it first"));
        }
    }
    Ok(())
}
