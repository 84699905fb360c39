//! The cells of a mesh whose centres lie in each cell of the target: [`Members`].
//!
//! ```text
//!   ┌───────┬───────┐      each centre ● belongs to the one cell in which it lies, so that what is summed stays the
//!   │ ●   ● │   ●   │      same, at the edges of swaths and along folds, too; where there is none, the nearest one
//!   │   ●  ●│ ●   ● │      counts
//!   └───────┴───────┘
//! ```

use super::super::footprint::reduced;
use super::super::interpolate::Sample;
use super::super::method::{Method, Missing};
use super::super::positions::{Lattice, Positions};
use super::super::window::Window;
use super::Mesh;
use super::blocks::Bounds;
use super::gathered::Pair;
use super::line::Line;
use super::search::turns;
use crate::space::ProjectionError;

/// The cells of a window that belong to each cell of the target, the same for every plane of it.
#[derive(Debug, Clone)]
pub struct Members {
    window: Window,
    /// Per cell of the target where its members begin, and the end of all.
    starts: Vec<u32>,
    /// Cells of the window.
    cells: Vec<u32>,
    /// Is the member of a target's cell only near it?
    is_near: Vec<bool>,
}

impl Mesh {
    /// The centres in the cells of the target between `edges`, whose own centres are those of `centres`. `None` where
    /// no cell of the target lies over the source.
    ///
    /// # Errors
    /// PROJ fails.
    pub fn members(
        &self,
        edges: Lattice<'_>,
        centres: Lattice<'_>,
    ) -> Result<Option<Members>, ProjectionError> {
        let width = edges.x.len().saturating_sub(1);
        let count = width * edges.y.len().saturating_sub(1);
        let mut found: Vec<Pair<()>> = Vec::new();
        self.each_centre(edges, |cell, column, row| {
            found.push((cell as u32, column as i64, row as i64, ()));
        });
        let mut is_near = vec![true; count];
        for (cell, ..) in &found {
            is_near[*cell as usize] = false;
        }
        if is_near.iter().any(|is_near| *is_near) {
            self.add_nearest(&self.positions(centres)?, &is_near, &mut found);
        }
        let gathered = self.gathered(count, found);
        Ok(gathered.map(|gathered| Members {
            window: gathered.window,
            starts: gathered.starts,
            cells: gathered.cells,
            is_near,
        }))
    }

    /// Calls `found` with each cell of the target in which a centre lies, and the centre's column and row.
    fn each_centre(&self, edges: Lattice<'_>, mut found: impl FnMut(usize, usize, usize)) {
        let (columns, rows) = (Line::new(edges.x), Line::new(edges.y));
        let bounds = Bounds {
            x: columns.bounds(),
            y: rows.bounds(),
        };
        let width = edges.x.len().saturating_sub(1);
        let (across, down) = (self.centres.width, self.centres.height());
        for (block, own_columns, own_rows) in self.blocks.each() {
            if !self.may_meet(&block, &bounds) {
                continue;
            }
            // The centre at the upper left of each quadrilateral, none of the first line but for a closed circle.
            for row in own_rows.start.max(1)..own_rows.end.min(down + 1) {
                for line in own_columns.clone() {
                    let column = match self.is_closed {
                        true => Some(line),
                        false => line.checked_sub(1),
                    };
                    let Some(column) = column.filter(|column| *column < across) else {
                        continue;
                    };
                    let (x, y) = self.centres.at(column, row - 1);
                    let Some(below) = rows.cell(y).filter(|_| x.is_finite()) else {
                        continue;
                    };
                    let mut add = |x: f64| {
                        if let Some(cell) = columns.cell(x) {
                            found(below * width + cell, column, row - 1);
                        }
                    };
                    match self.is_globe() {
                        true => turns((x, x), bounds.x).for_each(|turn| add(x + turn)),
                        false => add(x),
                    }
                }
            }
        }
    }

    /// Adds the cell in which the centre of a target's cell lies, where nothing else does.
    fn add_nearest(&self, positions: &Positions, is_near: &[bool], found: &mut Vec<Pair<()>>) {
        let Some((x_axis, y_axis)) = self.axes() else {
            return;
        };
        let (columns, rows) = (x_axis.cells() as i64, y_axis.cells() as i64);
        let width = positions.width().max(1);
        for (cell, _) in is_near.iter().enumerate().filter(|(_, is_near)| **is_near) {
            let (x, y) = positions.at(cell % width, cell / width);
            if !(x + y).is_finite() {
                continue;
            }
            let (column, row) = ((x + 0.5).floor() as i64, (y + 0.5).floor() as i64);
            let column = match self.is_closed {
                true => column.rem_euclid(columns),
                false => column.clamp(0, columns - 1),
            };
            found.push((cell as u32, column, row.clamp(0, rows - 1), ()));
        }
    }
}

impl Members {
    /// The cells of the source that are needed.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.starts.len() + self.cells.len()) * 4 + self.is_near.len()
    }

    /// The values of the target's cells out of those of the window, row by row.
    pub fn apply<T: Sample>(&self, method: Method, missing: Missing, plane: &[T], out: &mut [T]) {
        let mut values: Vec<(T, f64)> = Vec::new();
        let cells = self.starts.windows(2).zip(&self.is_near);
        for (out, (ends, is_near)) in out.iter_mut().zip(cells) {
            let own = &self.cells[ends[0] as usize..ends[1] as usize];
            values.clear();
            let known = own
                .iter()
                .filter_map(|cell| plane.get(*cell as usize).copied());
            values.extend(
                known
                    .filter(|value| !value.is_missing())
                    .map(|value| (value, 1.0)),
            );
            let is_complete = values.len() == own.len() || missing == Missing::Skip;
            *out = match method {
                // What is near a cell is summed elsewhere.
                Method::Sum if *is_near || values.is_empty() || !is_complete => T::MISSING,
                Method::Sum => T::of(values.iter().map(|(value, _)| value.wide()).sum()),
                _ if is_complete => reduced(method, &mut values),
                _ => T::MISSING,
            };
        }
    }
}
