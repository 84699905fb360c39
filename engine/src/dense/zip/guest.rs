//! The columns of a guest as columns of the zipped cube.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::{CaseExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt};

use crate::cube::zip::{self as view, View};
use crate::cube::{Cube, Variable};

type Expression = Arc<dyn PhysicalExpr>;

/// The columns of the guest as columns of the zipped cube, each made when it is first asked for.
pub(super) struct GuestColumns<'a> {
    cube: &'a Cube,
    host: &'a Cube,
    /// Per axis of the guest, the axis of the host with the same coordinates.
    same: &'a [Option<usize>],
    view: View,
    is_optional: bool,
    made: HashMap<usize, Expression>,
    /// The variables that the zipped cube has besides those of the host.
    pub(super) variables: Vec<Variable>,
    present: Option<Expression>,
}

impl<'a> GuestColumns<'a> {
    /// The columns of `cube` on `host`; cells of the host may have no partner if the guest `is_optional`.
    pub(super) fn new(
        host: &'a Cube,
        cube: &'a Cube,
        view: View,
        same: &'a [Option<usize>],
        is_optional: bool,
    ) -> Self {
        Self {
            cube,
            host,
            same,
            view,
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
            None => match self.same[index] {
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
    pub(super) fn over_zipped(&mut self, expression: Expression) -> Result<Expression> {
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
    pub(super) fn optional(
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
