//! Which cells of the source belong to each cell of the target: [`Gathered`].

use super::super::window::Window;
use super::Mesh;

/// A cell of the target, a column and a row of the source, and how much they have to do with each other.
pub(super) type Pair<W> = (u32, i64, i64, W);

/// Pairs in the order of the target's cells.
pub(super) struct Gathered<W> {
    /// The cells of the source that are needed.
    pub(super) window: Window,
    /// Per cell of the target where its pairs begin, and the end of all.
    pub(super) starts: Vec<u32>,
    /// Cells of the window.
    pub(super) cells: Vec<u32>,
    pub(super) weights: Vec<W>,
}

impl Mesh {
    /// The pairs of a target with `count` cells; `None` where there are none.
    pub(super) fn gathered<W: Copy + Default>(
        &self,
        count: usize,
        mut pairs: Vec<Pair<W>>,
    ) -> Option<Gathered<W>> {
        let (_, near, first_row, _) = pairs.first().copied()?;
        if self.is_closed {
            let cells = self.centres.width as i64;
            for (_, column, ..) in &mut pairs {
                // The short way round.
                *column = near + (*column - near + cells / 2).rem_euclid(cells) - cells / 2;
            }
        }
        let mut window = Window {
            x: near..near + 1,
            y: first_row..first_row + 1,
        };
        let mut starts = vec![0_u32; count + 1];
        for (cell, column, row, _) in &pairs {
            window.x = window.x.start.min(*column)..window.x.end.max(column + 1);
            window.y = window.y.start.min(*row)..window.y.end.max(row + 1);
            starts[*cell as usize + 1] += 1;
        }
        for cell in 0..count {
            starts[cell + 1] += starts[cell];
        }
        let mut next = starts.clone();
        let mut cells = vec![0_u32; pairs.len()];
        let mut weights = vec![W::default(); pairs.len()];
        let across = window.width() as i64;
        for (cell, column, row, weight) in pairs {
            let at = &mut next[cell as usize];
            let place = (row - window.y.start) * across + column - window.x.start;
            (cells[*at as usize], weights[*at as usize]) = (place as u32, weight);
            *at += 1;
        }
        Some(Gathered {
            window,
            starts,
            cells,
            weights,
        })
    }
}
