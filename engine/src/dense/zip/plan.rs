//! The scan that takes the place of a join of two scans.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::expressions::{CaseExpr, Column};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt, split_conjunction};

use super::alignment::{Alignment, in_words, misaligned};
use super::join::EqualityJoin;
use super::places::{Places, Side, find};
use crate::cube::zip::{self as view, View};
use crate::cube::{Cube, Variable};
use crate::dense::input::GridInput;
use crate::options::CubeOptions;
use crate::scan::CubeScan;
use crate::scan::grid::scan_chunks;
use crate::scan::predicate::ScanPredicate;
use crate::scan::selection::AxisSelection;

type Expression = Arc<dyn PhysicalExpr>;

/// What takes the place of a join, or the reason why nothing does.
pub(crate) type Rewritten<T> = std::result::Result<T, String>;

/// The scan of both inputs of `join` as one cube.
///
/// # Errors
/// A key that fails on a selected coordinate, or coordinates that `cube.grid_alignment` refuses.
pub(crate) fn zip(
    join: &EqualityJoin<'_>,
    inputs: [&GridInput<'_>; 2],
    options: &CubeOptions,
) -> Result<Rewritten<CubeScan>> {
    for input in inputs {
        if let Some(reason) = input.why_not_joined()? {
            return Ok(Err(reason));
        }
        if !input.lookups.is_empty() {
            return Ok(Err("there is a lookup below the join".to_string()));
        }
    }
    let rank = |side: usize| inputs[side].scan.cube.axes.len();
    let hosts: &[usize] = match join.kind {
        JoinType::Inner if rank(1) > rank(0) => &[1, 0],
        JoinType::Inner => &[0, 1],
        JoinType::Left | JoinType::LeftSemi => &[0],
        JoinType::Right | JoinType::RightSemi => &[1],
        _ => return Ok(Err(format!("a {} join", join.kind))),
    };
    let mut why_not = String::new();
    for host in hosts {
        match zip_onto(join, inputs, *host, options)? {
            Ok(scan) => return Ok(Ok(scan)),
            Err(reason) if why_not.is_empty() => why_not = reason,
            Err(_) => {}
        }
    }
    Ok(Err(why_not))
}

fn zip_onto(
    join: &EqualityJoin<'_>,
    inputs: [&GridInput<'_>; 2],
    host: usize,
    options: &CubeOptions,
) -> Result<Rewritten<CubeScan>> {
    let guest = 1 - host;
    let (host_scan, guest_scan) = (inputs[host].scan, inputs[guest].scan);
    let columns = [inputs[0].columns()?, inputs[1].columns()?];
    let over = |side: usize, expression: &Expression| -> Result<Expression> {
        let merged = inputs[side]
            .scan
            .projection
            .try_merge(&inputs[side].below)?;
        merged.unproject_expr(expression)
    };
    let mut on = Vec::with_capacity(join.on.len());
    for pair in &join.on {
        on.push([over(host, &pair[host])?, over(guest, &pair[guest])?]);
    }
    if join.nulls_match {
        return Ok(Err("NULL equals NULL in the join".to_string()));
    }
    let alignment = Alignment::parse(&options.grid_alignment)?;
    let side = |scan| -> Side<'_> {
        let scan: &CubeScan = scan;
        Side {
            cube: &scan.cube,
            selections: &scan.predicate.selections,
        }
    };
    let pairs: Vec<[&Expression; 2]> = on.iter().map(|[host, guest]| [host, guest]).collect();
    let places = match find(side(host_scan), side(guest_scan), &pairs, alignment)? {
        Ok(places) => places,
        Err(reason) => return Ok(Err(reason)),
    };
    if alignment == Alignment::Error && !places.differences.is_empty() {
        let cubes = format!("{} and {}", host_scan.cube.name, guest_scan.cube.name);
        return Err(misaligned(&cubes, &places.differences).into());
    }
    let is_optional = matches!(join.kind, JoinType::Left | JoinType::Right);
    let mut guest_columns = GuestColumns::new(host_scan, guest_scan, &places, is_optional);

    let mut conjuncts = table_conjuncts(host_scan)?;
    let mut conditions = Vec::new();
    for conjunct in table_conjuncts(guest_scan)? {
        conditions.push(guest_columns.over_zipped(conjunct)?);
    }
    let filter = join.filter_over(|of, column| match of == host {
        true => Ok(Arc::clone(&columns[host][column])),
        false => guest_columns.over_zipped(Arc::clone(&columns[guest][column])),
    })?;
    conditions.extend(filter);
    let selections = match is_optional {
        true => host_scan.predicate.selections.clone(),
        false => {
            conjuncts.append(&mut conditions);
            places.seen.clone()
        }
    };
    let mut outputs = Vec::with_capacity(join.output.len());
    for ((of, column), field) in std::iter::zip(&join.output, join.schema.fields()) {
        let expression = Arc::clone(&columns[*of][*column]);
        let expression = match (*of == guest, is_optional) {
            (false, _) => expression,
            (true, false) => guest_columns.over_zipped(expression)?,
            (true, true) => guest_columns.optional(expression, &conditions)?,
        };
        outputs.push(ProjectionExpr::new(expression, field.name().clone()));
    }
    let mut cube = view::zip(
        &host_scan.cube,
        &guest_scan.cube.name,
        guest_columns.variables,
    );
    let fields = cube.schema.fields().clone();
    cube.schema = Arc::new(Schema::new_with_metadata(
        fields,
        join.schema.metadata().clone(),
    ));
    let predicate = predicate(&cube, conjuncts, &selections, options.pruning)?;
    let mut scan = CubeScan::new(
        Arc::new(cube),
        predicate,
        ProjectionExprs::new(outputs),
        host_scan.partitions(),
        Arc::clone(&host_scan.blocks),
    )?;
    if !places.differences.is_empty() {
        scan = scan.with_alignment(in_words(&places.differences));
    }
    Ok(match has_schema(&scan.schema, &join.schema) {
        true => Ok(scan),
        false => Err("the join would lose what is known of a column".to_string()),
    })
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

/// The predicate of a scan of `cube` that selects at most `selections`.
///
/// # Errors
/// See [`ScanPredicate::new`].
pub(crate) fn predicate(
    cube: &Cube,
    conjuncts: Vec<Expression>,
    selections: &[AxisSelection],
    pruning: bool,
) -> Result<ScanPredicate> {
    let mut predicate = ScanPredicate::new(cube, conjuncts, pruning)?;
    for (own, other) in std::iter::zip(&mut predicate.selections, selections) {
        *own = own.and(&BooleanArray::new(other.mask(), None));
    }
    Ok(predicate)
}

/// May a plan of schema `found` stand where one of schema `wanted` was?
pub(crate) fn has_schema(found: &Schema, wanted: &Schema) -> bool {
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

/// The columns of the guest as columns of the zipped cube, each made when it is first asked for.
struct GuestColumns<'a> {
    cube: &'a Cube,
    host: &'a Cube,
    places: &'a Places,
    view: View,
    is_optional: bool,
    made: HashMap<usize, Expression>,
    /// The variables that the zipped cube has besides those of the host.
    variables: Vec<Variable>,
    present: Option<Expression>,
}

impl<'a> GuestColumns<'a> {
    fn new(host: &'a CubeScan, guest: &'a CubeScan, places: &'a Places, is_optional: bool) -> Self {
        let (early, late) = host.variables();
        let read: Vec<usize> = early.into_iter().chain(late).collect();
        Self {
            cube: &guest.cube,
            host: &host.cube,
            places,
            view: View {
                places: places.places.clone(),
                partial: match is_optional {
                    true => places.partial.clone(),
                    false => Vec::new(),
                },
                host_chunks: scan_chunks(&host.cube, &read),
            },
            is_optional,
            made: HashMap::new(),
            variables: Vec::new(),
            present: None,
        }
    }

    fn add(&mut self, variable: &Variable) -> Result<Expression> {
        let variable = self.view.of(variable)?;
        let name = variable.field.name().clone();
        // A cube that is joined with itself has it already.
        let is_same = |other: &Variable| {
            variable.origin.is_some()
                && variable.origin == other.origin
                && variable.axes == other.axes
                && variable.field == other.field
        };
        let known = self.host.variables.iter().chain(&self.variables);
        let position = match known.clone().position(is_same) {
            Some(position) => position,
            None => {
                let position = known.count();
                self.variables.push(variable);
                position
            }
        };
        Ok(Arc::new(Column::new(
            &name,
            self.host.axes.len() + position,
        )))
    }

    fn column(&mut self, index: usize) -> Result<Expression> {
        if let Some(made) = self.made.get(&index) {
            return Ok(Arc::clone(made));
        }
        let axes = self.cube.axes.len();
        let made = match index.checked_sub(axes) {
            Some(variable) => self.add(&self.cube.variables[variable])?,
            None => match self.places.same[index] {
                Some(axis) if self.view.partial.is_empty() => {
                    let name = self.host.axes[axis].field.name();
                    Arc::new(Column::new(name, axis))
                }
                _ => {
                    let axis = &self.cube.axes[index];
                    self.add(&view::coordinates(axis, index, self.is_optional)?)?
                }
            },
        };
        self.made.insert(index, Arc::clone(&made));
        Ok(made)
    }

    /// An expression over the guest's table as one over the zipped cube's.
    fn over_zipped(&mut self, expression: Expression) -> Result<Expression> {
        let rewritten = expression.transform(|node| {
            Ok(match node.downcast_ref::<Column>() {
                Some(column) => Transformed::yes(self.column(column.index())?),
                None => Transformed::no(node),
            })
        })?;
        Ok(rewritten.data)
    }

    /// The same where cells of the host may have no partner, namely where `conditions` do not hold or
    /// the guest has no cell.
    fn optional(
        &mut self,
        expression: Expression,
        conditions: &[Expression],
    ) -> Result<Expression> {
        let is_bare = expression.is::<Column>();
        let expression = self.over_zipped(expression)?;
        let mut needed = conditions.to_vec();
        if !is_bare && !self.view.partial.is_empty() {
            needed.push(self.present()?);
        }
        Ok(match conjunction_opt(needed) {
            Some(condition) => Arc::new(CaseExpr::try_new(
                None,
                vec![(condition, expression)],
                None,
            )?),
            None => expression,
        })
    }

    /// Has the guest a cell here? True or NULL.
    fn present(&mut self) -> Result<Expression> {
        if let Some(present) = &self.present {
            return Ok(Arc::clone(present));
        }
        let field = Field::new("present", DataType::Boolean, true);
        let truth: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        let variable = view::in_memory(&field, Vec::new(), &[], Some(truth))?;
        let present = self.add(&variable)?;
        self.present = Some(Arc::clone(&present));
        Ok(present)
    }
}
