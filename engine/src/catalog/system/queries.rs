//! `cube.queries`: the statements that run in this process, and those that ended lately.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::queries::{QueryEntry, Stage};
use crate::write::metadata::date;

/// The rows of `cube.queries`.
#[derive(Debug)]
pub(super) struct QueryList;

impl SystemRows for QueryList {
    type Row = QueryEntry;

    fn columns() -> Vec<Column<QueryEntry>> {
        vec![
            Column::whole(
                "query",
                "Number of the statement, for CANCEL QUERY",
                |query: &QueryEntry| Some(query.number),
            ),
            Column::text("user_name", "Whose it is", |query| {
                Some(query.owner.user.clone())
            }),
            Column::text("door", "How it came in", |query| {
                Some(query.door.to_string())
            }),
            Column::text("state", "running, done, cancelled or failed", |query| {
                Some(name(&query.stage).to_string())
            }),
            Column::text("started", "When it began", |query| Some(date(query.since))),
            Column::real(
                "seconds",
                "How long it took, or has taken so far",
                |query| Some(query.elapsed().as_secs_f64()),
            ),
            Column::whole("rows", "Rows of the result so far", |query| {
                Some(query.rows)
            }),
            Column::whole("chunks", "Chunks that it intends to read", |query| {
                Some(query.progress.snapshot().chunks_total)
            }),
            Column::whole(
                "chunks_done",
                "Chunks read, or found to be needless",
                |query| Some(query.progress.snapshot().chunks_done),
            ),
            Column::whole("bytes_read", "Bytes that came from stores", |query| {
                Some(query.progress.snapshot().bytes_fetched)
            }),
            Column::whole("bytes_decoded", "Bytes of decoded values", |query| {
                Some(query.progress.snapshot().bytes_decoded)
            }),
            Column::text("error", "Why it failed", |query| match &query.stage {
                Stage::Failed(error) => Some(error.clone()),
                Stage::Running | Stage::Done | Stage::Cancelled => None,
            }),
            Column::text("statement", "The SQL text, without secrets", |query| {
                Some(query.statement.clone())
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, _wanted: Wanted) -> BoxStream<'static, Vec<QueryEntry>> {
        futures::stream::iter([catalog.queries()]).boxed()
    }
}

fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::Running => "running",
        Stage::Done => "done",
        Stage::Cancelled => "cancelled",
        Stage::Failed(_) => "failed",
    }
}
