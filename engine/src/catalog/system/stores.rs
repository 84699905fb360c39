//! `cube.stores`: the attached stores.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::catalog::store::Store;
use crate::catalog::visible::VisibleCatalog;
use crate::error::CubeError;
use crate::source::Location;

/// The rows of `cube.stores`.
#[derive(Debug)]
pub(super) struct Stores;

/// One store.
pub(super) struct Row {
    store: Arc<Store>,
    root: Result<Location, CubeError>,
    known: usize,
}

impl SystemRows for Stores {
    type Row = Row;

    fn columns() -> Vec<Column<Row>> {
        vec![
            Column::text(
                "table_schema",
                "Name of the store and of its schema",
                |row| Some(row.store.definition.name.clone()),
            ),
            Column::text(
                "store_type",
                "Type of the store, where it was given",
                |row| row.store.definition.kind.clone(),
            ),
            Column::text("url", "Where it is", |row| {
                row.root.as_ref().ok().map(|root| root.url.clone())
            }),
            Column::flag("listable", "Can the store enumerate its cubes?", |row| {
                row.root.as_ref().ok().map(|root| root.listable)
            }),
            Column::whole(
                "known_tables",
                "Tables known so far; a store is listed when it is first needed",
                |row| Some(row.known as u64),
            ),
            Column::text("error", "Why it cannot be connected", |row| {
                row.root.as_ref().err().map(ToString::to_string)
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
        let rows = catalog
            .stores()
            .into_iter()
            .filter(|store| {
                wanted
                    .schema
                    .as_ref()
                    .is_none_or(|schema| *schema == store.definition.name)
            })
            .map(|store| Row {
                root: store.connect().map(|connection| connection.root),
                known: catalog.known_names(&store),
                store,
            })
            .collect();
        futures::stream::iter([rows]).boxed()
    }
}
