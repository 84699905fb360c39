//! The scan that takes the place of a join of two scans.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::Schema;
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};

use super::alignment::{Alignment, apart, in_words, misaligned};
use super::guest::GuestColumns;
use super::join::EqualityJoin;
use super::places::{Places, Side, find};
use crate::cube::Cube;
use crate::cube::chunks::AxisChunks;
use crate::cube::zip::{self as view, View};
use crate::dense::input::GridInput;
use crate::options::CubeOptions;
use crate::scan::CubeScan;
use crate::scan::grid::scan_chunks;
use crate::scan::predicate::ScanPredicate;
use crate::scan::selection::AxisSelection;

pub(super) type Expression = Arc<dyn PhysicalExpr>;

/// What takes the place of a join, or the reason why nothing does.
pub(crate) type Rewritten<T> = std::result::Result<T, String>;

/// A join of two scans.
pub(super) struct ScanJoin<'a> {
    pub(super) join: &'a EqualityJoin<'a>,
    pub(super) scans: [&'a CubeScan; 2],
    /// Per input, its columns over those of its cube.
    pub(super) columns: [Vec<Expression>; 2],
    /// The pairs of keys over the columns of the cubes.
    on: Vec<[Expression; 2]>,
    pub(super) options: &'a CubeOptions,
    /// Has the whole query no rows where the join has none?
    decides: bool,
}

/// The scan of both inputs of `join` as one cube. Where the join `decides` whether the query has rows, it may be refused for
/// having none.
///
/// # Errors
/// A key that fails on a selected coordinate, or coordinates that `cube.grid_alignment` refuses.
pub(crate) fn zip(
    join: &EqualityJoin<'_>,
    inputs: [&GridInput<'_>; 2],
    options: &CubeOptions,
    decides: bool,
) -> Result<Rewritten<CubeScan>> {
    for input in inputs {
        if let Some(reason) = input.why_not_joined()? {
            return Ok(Err(reason));
        }
        if !input.lookups.is_empty() {
            return Ok(Err("there is a lookup below the join".to_string()));
        }
    }
    if join.nulls_match {
        return Ok(Err("NULL equals NULL in the join".to_string()));
    }
    let pairs = ScanJoin::new(join, inputs, options, decides)?;
    let rank = |side: usize| inputs[side].scan.cube.axes.len();
    let hosts: &[usize] = match join.kind {
        JoinType::Inner if rank(1) > rank(0) => &[1, 0],
        JoinType::Inner => &[0, 1],
        JoinType::Left | JoinType::LeftSemi => &[0],
        JoinType::Right | JoinType::RightSemi => &[1],
        _ => return pairs.in_full(),
    };
    let mut why_not = String::new();
    for host in hosts {
        match pairs.onto(*host)? {
            Ok(scan) => return Ok(Ok(scan)),
            Err(reason) if why_not.is_empty() => why_not = reason,
            Err(_) => {}
        }
    }
    Ok(Err(why_not))
}

impl<'a> ScanJoin<'a> {
    fn new(
        join: &'a EqualityJoin<'a>,
        inputs: [&'a GridInput<'a>; 2],
        options: &'a CubeOptions,
        decides: bool,
    ) -> Result<Self> {
        let over_cube = |side: usize, key: &Expression| inputs[side].over_cube(key);
        let pairs = join.on.iter();
        Ok(Self {
            join,
            scans: inputs.map(|input| input.scan),
            columns: [inputs[0].columns()?, inputs[1].columns()?],
            on: pairs
                .map(|[left, right]| Ok([over_cube(0, left)?, over_cube(1, right)?]))
                .collect::<Result<_>>()?,
            options,
            decides,
        })
    }

    /// Where the axes of the other cube are on that of the input `host`.
    pub(super) fn places(&self, host: usize) -> Result<Rewritten<Places>> {
        let side = |side: usize| Side {
            cube: &self.scans[side].cube,
            selections: &self.scans[side].predicate.selections,
        };
        let pairs = self.on.iter();
        let pairs: Vec<[&Expression; 2]> =
            pairs.map(|pair| [&pair[host], &pair[1 - host]]).collect();
        let alignment = Alignment::parse(&self.options.grid_alignment)?;
        let places = match find(side(host), side(1 - host), &pairs, alignment)? {
            Ok(places) => places,
            Err(reason) => return Ok(Err(reason)),
        };
        let [first, second] = self.scans.map(|scan| scan.cube.name.as_str());
        let cubes = || format!("{first} and {second}");
        let differences = &places.differences;
        let is_apart = self.decides
            && self.join.kind == JoinType::Inner
            && differences.iter().any(|difference| difference.is_disjoint);
        match alignment {
            Alignment::Error if !differences.is_empty() => {
                return Err(misaligned(&cubes(), differences).into());
            }
            Alignment::Exact | Alignment::Nearest if is_apart => {
                return Err(apart(&cubes(), differences).into());
            }
            _ => {}
        }
        Ok(Ok(places))
    }

    /// The scan with the input `host` as the cube that stays.
    fn onto(&self, host: usize) -> Result<Rewritten<CubeScan>> {
        let guest = 1 - host;
        let (host_scan, guest_scan) = (self.scans[host], self.scans[guest]);
        let places = match self.places(host)? {
            Ok(places) => places,
            Err(reason) => return Ok(Err(reason)),
        };
        let is_optional = matches!(self.join.kind, JoinType::Left | JoinType::Right);
        let view = View {
            places: places.places,
            partial: match is_optional {
                true => places.partial,
                false => Vec::new(),
            },
            host_chunks: chunks_of(host_scan),
        };
        let (host_cube, guest_cube) = (&host_scan.cube, &guest_scan.cube);
        let mut guest_columns =
            GuestColumns::new(host_cube, guest_cube, view, &places.same, is_optional);
        let mut conjuncts = table_conjuncts(host_scan)?;
        let mut conditions = Vec::new();
        for conjunct in table_conjuncts(guest_scan)? {
            conditions.push(guest_columns.over_zipped(conjunct)?);
        }
        let filter = self.join.filter_over(|side, column| {
            let column = Arc::clone(&self.columns[side][column]);
            match side == host {
                true => Ok(column),
                false => guest_columns.over_zipped(column),
            }
        })?;
        conditions.extend(filter);
        let selections = match is_optional {
            true => &host_scan.predicate.selections,
            false => {
                conjuncts.append(&mut conditions);
                &places.seen
            }
        };
        let mut outputs = Vec::with_capacity(self.join.output.len());
        for (side, column) in &self.join.output {
            let column = Arc::clone(&self.columns[*side][*column]);
            outputs.push(match (*side == guest, is_optional) {
                (false, _) => column,
                (true, false) => guest_columns.over_zipped(column)?,
                (true, true) => guest_columns.optional(column, &conditions)?,
            });
        }
        let replacement = Replacement {
            cube: view::zip(host_cube, &guest_cube.name, guest_columns.variables),
            conjuncts,
            selections,
            outputs,
        };
        let scan = replacement.scan(self.join, host_scan, self.options)?;
        Ok(scan.map(|scan| match places.differences.is_empty() {
            true => scan,
            false => scan.with_alignment(in_words(&places.differences)),
        }))
    }
}

/// How a scan would cut its axes for what it reads.
pub(crate) fn chunks_of(scan: &CubeScan) -> Vec<AxisChunks> {
    let (early, late) = scan.variables();
    let read: Vec<usize> = early.into_iter().chain(late).collect();
    scan_chunks(&scan.cube, &read)
}

/// The predicates of a scan that are more than selections of cells, over the columns of its table.
///
/// # Errors
/// A predicate that reads a column which is not there.
pub(crate) fn table_conjuncts(scan: &CubeScan) -> Result<Vec<Expression>> {
    let mut conjuncts = Vec::new();
    for plane in &scan.predicate.planes {
        conjuncts.push(plane.over_table(&scan.cube)?);
    }
    if let Some(rows) = &scan.predicate.rows {
        conjuncts.extend(split_conjunction(rows).into_iter().map(Arc::clone));
    }
    Ok(conjuncts)
}

/// What is read in the place of a join.
pub(crate) struct Replacement<'a> {
    /// The cube of both inputs.
    pub(crate) cube: Cube,
    /// What must hold for a cell, over the columns of the cube.
    pub(crate) conjuncts: Vec<Expression>,
    /// The cells, at most.
    pub(crate) selections: &'a [AxisSelection],
    /// The columns of the join, over those of the cube.
    pub(crate) outputs: Vec<Expression>,
}

impl Replacement<'_> {
    /// The scan of it that gives what `join` gives; all else is as in `model`.
    ///
    /// # Errors
    /// See [`ScanPredicate::new`].
    pub(crate) fn scan(
        mut self,
        join: &EqualityJoin<'_>,
        model: &CubeScan,
        options: &CubeOptions,
    ) -> Result<Rewritten<CubeScan>> {
        self.cube.schema = Arc::new(Schema::new_with_metadata(
            self.cube.schema.fields().clone(),
            join.schema.metadata().clone(),
        ));
        let mut predicate = ScanPredicate::new(&self.cube, self.conjuncts, options.pruning)?;
        for (own, other) in std::iter::zip(&mut predicate.selections, self.selections) {
            *own = own.and(&BooleanArray::new(other.mask(), None));
        }
        let outputs = std::iter::zip(self.outputs, join.schema.fields())
            .map(|(output, field)| ProjectionExpr::new(output, field.name().clone()));
        let scan = CubeScan::new(
            Arc::new(self.cube),
            predicate,
            ProjectionExprs::new(outputs),
            model.partitions(),
            Arc::clone(&model.blocks),
        )?;
        Ok(match has_schema(&scan.schema, &join.schema) {
            true => Ok(scan),
            false => Err("the join would lose what is known of a column".to_string()),
        })
    }
}

/// May a plan of schema `found` stand where one of schema `wanted` was?
fn has_schema(found: &Schema, wanted: &Schema) -> bool {
    let mut fields = std::iter::zip(found.fields(), wanted.fields());
    found.metadata() == wanted.metadata()
        && found.fields().len() == wanted.fields().len()
        && fields.all(|(found, wanted)| {
            found.name() == wanted.name()
                && found.data_type() == wanted.data_type()
                && found.metadata() == wanted.metadata()
                && (!found.is_nullable() || wanted.is_nullable())
        })
}
