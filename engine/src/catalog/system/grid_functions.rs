//! `cube.grid_functions`: the relations that put cubes on other grids, an argument a row.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::grids::{Described, described};

/// The rows of `cube.grid_functions`.
#[derive(Debug)]
pub(super) struct GridFunctions;

impl SystemRows for GridFunctions {
    type Row = Described;

    fn columns() -> Vec<Column<Described>> {
        vec![
            Column::text("function", "Its name", |row: &Described| {
                Some(row.function.to_string())
            }),
            Column::text("argument", "Name of an argument", |row| {
                Some(row.argument.to_string())
            }),
            Column::text("description", "What it says", |row| {
                Some(row.description.to_string())
            }),
        ]
    }

    fn rows(_catalog: &Arc<VisibleCatalog>, _wanted: Wanted) -> BoxStream<'static, Vec<Described>> {
        futures::stream::iter([described()]).boxed()
    }
}
