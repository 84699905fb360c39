//! `cube.jobs`: the cubes that this process makes now.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::write::jobs::Job;
use crate::write::metadata::date;

/// The rows of `cube.jobs`.
#[derive(Debug)]
pub(super) struct JobList;

impl SystemRows for JobList {
    type Row = Job;

    fn columns() -> Vec<Column<Job>> {
        vec![
            Column::whole("job", "Number of the job, for CANCEL JOB", |job: &Job| {
                Some(job.number)
            }),
            Column::text("cube", "The cube that is made or changed", |job| {
                Some(job.cube.clone())
            }),
            Column::text("started", "When the statement began", |job| {
                Some(date(job.since))
            }),
            Column::whole("boxes", "Parts in which the cube is computed", |job| {
                Some(job.progress.snapshot().boxes_total)
            }),
            Column::whole("boxes_done", "Parts that are written", |job| {
                Some(job.progress.snapshot().boxes_done)
            }),
            Column::whole("bytes_read", "Bytes that came from stores", |job| {
                Some(job.progress.snapshot().bytes_fetched)
            }),
            Column::whole("bytes_written", "Bytes that went to stores", |job| {
                Some(job.progress.snapshot().bytes_written)
            }),
            Column::real(
                "seconds_left",
                "Seconds until it is done, if the rest goes like what is done",
                Job::seconds_left,
            ),
            Column::text("statement", "The SQL text", |job| {
                Some(job.statement.clone())
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, _wanted: Wanted) -> BoxStream<'static, Vec<Job>> {
        futures::stream::iter([catalog.jobs()]).boxed()
    }
}
