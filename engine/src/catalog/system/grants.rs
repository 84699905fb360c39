//! `cube.grants`: what roles and users have been given. Who is no administrator sees what they have themselves.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::access::{Given, Grant, GrantEntry};
use crate::catalog::visible::VisibleCatalog;

/// The rows of `cube.grants`.
#[derive(Debug)]
pub(super) struct Grants;

impl SystemRows for Grants {
    type Row = GrantEntry;

    fn columns() -> Vec<Column<GrantEntry>> {
        vec![
            Column::text("grantee", "Who has it", |entry: &GrantEntry| {
                Some(entry.holder.name().to_string())
            }),
            Column::text("kind", "role or user", |entry| {
                Some(entry.holder.kind().to_string())
            }),
            Column::text(
                "privilege",
                "What it allows; ROLE for all that a role has",
                |entry| {
                    Some(match &entry.given {
                        Given::Privilege(grant) => grant.name().to_string(),
                        Given::Role(_) => "ROLE".to_string(),
                    })
                },
            ),
            Column::text(
                "object",
                "The table or store that it is on, or the role",
                |entry| match &entry.given {
                    Given::Privilege(Grant::On { object, .. }) => Some(object.to_string()),
                    Given::Privilege(_) => None,
                    Given::Role(name) => Some(name.clone()),
                },
            ),
            Column::texts(
                "columns",
                "The columns that may be read, where they are not all",
                |entry| match &entry.given {
                    Given::Privilege(Grant::On {
                        columns: Some(columns),
                        ..
                    }) => Some(columns.iter().cloned().collect()),
                    _ => None,
                },
            ),
            Column::text(
                "condition",
                "The condition on cells, where they are not all",
                |entry| match &entry.given {
                    Given::Privilege(Grant::On { condition, .. }) => condition.clone(),
                    _ => None,
                },
            ),
            Column::flag(
                "revocable",
                "Can REVOKE take it away? What the configuration file gives stays",
                |entry| Some(!entry.is_fixed),
            ),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, _wanted: Wanted) -> BoxStream<'static, Vec<GrantEntry>> {
        futures::stream::iter([catalog.grants()]).boxed()
    }
}
