//! A change of a cube that is planned: [`Planned`] starts or explains it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use tokio::runtime::Handle;

use crate::catalog::definition::Definition;
use crate::catalog::opener::{OpenedCube, Opener};
use crate::catalog::system::column::{Column, batch, schema};
use crate::engine::Query;
use crate::error::CubeError;
use crate::progress::QueryProgress;
use crate::runtime::io_handle;
use crate::scan::CubeTable;
use crate::session::Session;
use crate::source::Options;
use crate::statistics::StatisticsStore;
use crate::write::build::{Built, build};
use crate::write::describe::Description;
use crate::write::overviews::{OverviewPlan, OverviewRequest};
use crate::write::plan::{Target, WritePlan};

/// What is done to a cube.
pub(super) enum Work {
    /// Its values are written.
    Write(Box<WritePlan>),
    /// Only what it says of itself changes.
    Describe(Box<Description>),
    /// Overviews of it are made.
    Overviews(Box<OverviewPlan>),
}

impl Work {
    fn target(&self) -> &Target {
        match self {
            Self::Write(plan) => plan.target(),
            Self::Describe(description) => description.target(),
            Self::Overviews(plan) => plan.target(),
        }
    }

    fn statement(&self) -> &str {
        match self {
            Self::Write(plan) => plan.statement(),
            Self::Describe(description) => description.statement(),
            Self::Overviews(plan) => plan.statement(),
        }
    }

    async fn explain(&self) -> Result<Vec<(String, String)>> {
        match self {
            Self::Write(plan) => plan.explain().await,
            Self::Describe(description) => Ok(description.explain()),
            Self::Overviews(plan) => Ok(plan.explain()),
        }
    }

    async fn run(
        self,
        progress: Arc<QueryProgress>,
        statistics: &Arc<StatisticsStore>,
        io: &Handle,
    ) -> Result<Built> {
        match self {
            Self::Write(plan) => build(*plan, progress, statistics).await,
            Self::Describe(description) => Ok(description.apply(io).await?),
            Self::Overviews(plan) => plan.build(progress).await,
        }
    }
}

/// A change that may begin.
pub(super) struct Planned {
    work: Work,
    /// The store whose tables change.
    schema: Option<String>,
    /// The external table that the cube becomes in the schema `public`.
    definition: Option<Definition>,
    /// The overviews that are made of the cube when it is there.
    overviews: Option<OverviewRequest>,
}

impl Planned {
    /// What changes a table of the store `schema`.
    pub(super) fn new(work: Work, schema: Option<String>) -> Self {
        Self {
            work,
            schema,
            definition: None,
            overviews: None,
        }
    }

    /// What makes overviews of the cube, too.
    pub(super) fn with_overviews(self, overviews: Option<OverviewRequest>) -> Self {
        Self { overviews, ..self }
    }

    /// What makes the cube an external table of the schema `public`, too.
    pub(super) fn with_table(self, definition: Option<Definition>) -> Self {
        Self { definition, ..self }
    }

    /// Starts it: polling the result does the work, dropping it stops it.
    pub(super) fn start(self, session: &Session) -> Query {
        let columns = columns();
        let result = schema(&columns);
        let progress = Arc::new(QueryProgress::default());
        let (watched, engine) = (Arc::clone(&progress), Arc::clone(&session.engine));
        let seen = Arc::clone(&session.catalog);
        let state = session.context.state();
        let io = io_handle(state.config());
        let batch_schema = Arc::clone(&result);
        let work = async move {
            let target = self.work.target().clone();
            let jobs = &engine.catalog.jobs;
            let job = jobs.begin(&target.name, self.work.statement(), seen.owner(), &watched);
            let statement = self.work.statement().to_string();
            let is_cube = !matches!(self.work, Work::Overviews(_));
            let work = async {
                let built = self
                    .work
                    .run(Arc::clone(&watched), &engine.opener.statistics, &io)
                    .await?;
                if is_cube {
                    // The cube is made; that nobody knows what its chunks hold is no reason to say that it is not.
                    let _ = keep_statistics(&engine.opener, &target, &built, &io).await;
                }
                if let Some(schema) = self.schema {
                    seen.store(&schema)?.refresh();
                }
                if let Some(definition) = self.definition {
                    seen.public().create(definition, &seen).await?;
                }
                let Some(request) = self.overviews else {
                    return Ok(built);
                };
                let making = overviews_of(
                    &engine.opener,
                    state,
                    &target,
                    &request,
                    &statement,
                    watched,
                );
                let overviews = Box::pin(making).await.map_err(|error| {
                    let name = &target.name;
                    error.context(format!(
                        "{name} is made, its overviews are not; say CREATE OVERVIEWS ON {name}"
                    ))
                })?;
                Ok(Built {
                    objects: built.objects + overviews.objects,
                    bytes: built.bytes + overviews.bytes,
                    ..built
                })
            };
            let built: Result<Built> = tokio::select! {
                built = work => built,
                cancelled = job.cancelled() => return Err(cancelled.into()),
            };
            let built = built?;
            drop(job);
            batch(&batch_schema, &columns, &[(target.name, built)])
        };
        Query {
            schema: Arc::clone(&result),
            stream: Box::pin(RecordBatchStreamAdapter::new(
                result,
                futures::stream::once(work),
            )),
            progress,
            number: 0,
        }
    }

    /// What it would do, for `EXPLAIN`.
    ///
    /// # Errors
    /// The query cannot be planned.
    pub(super) async fn explain(&self) -> Result<RecordBatch> {
        let columns = explained_columns();
        batch(&schema(&columns), &columns, &self.work.explain().await?)
    }
}

/// Keeps what was found out of the chunks of a cube while it was written.
async fn keep_statistics(
    opener: &Opener,
    target: &Target,
    built: &Built,
    io: &Handle,
) -> Result<()> {
    for made in made(opener, target).await? {
        let statistics = &built.statistics;
        statistics
            .record(&made.cube, &opener.statistics, io)
            .await?;
    }
    Ok(())
}

/// Makes the overviews of a cube that has just been made.
async fn overviews_of(
    opener: &Opener,
    state: SessionState,
    target: &Target,
    request: &OverviewRequest,
    statement: &str,
    progress: Arc<QueryProgress>,
) -> Result<Built> {
    let cubes = made(opener, target).await?;
    let cube = cubes
        .first()
        .and_then(|made| made.table.downcast_ref::<CubeTable>());
    let cube =
        cube.ok_or_else(|| CubeError::not_found(&target.location.url, "the cube is gone"))?;
    let plan = OverviewPlan::new(state, cube, target.name.clone(), request, statement).await?;
    plan.build(progress).await
}

/// The cubes that were made, as they are read; none of a format that is only written.
async fn made(opener: &Opener, target: &Target) -> Result<Vec<OpenedCube>> {
    let Some(format) = opener.format_named(target.sink.name()) else {
        return Ok(Vec::new());
    };
    let location = std::slice::from_ref(&target.location);
    let options = Options::new();
    let made = opener.open(&format, location, &options, &target.name);
    Ok(made.await?)
}

/// The columns of the result of a change, or of its `EXPLAIN`.
pub(super) fn schema_of(is_explained: bool) -> SchemaRef {
    match is_explained {
        true => schema(&explained_columns()),
        false => schema(&columns()),
    }
}

fn explained_columns() -> Vec<Column<(String, String)>> {
    vec![
        Column::text(
            "plan_type",
            "What is explained",
            |row: &(String, String)| Some(row.0.clone()),
        ),
        Column::text("plan", "The plan", |row| Some(row.1.clone())),
    ]
}

fn columns() -> Vec<Column<(String, Built)>> {
    vec![
        Column::text("cube", "The cube that was made", |row: &(String, Built)| {
            Some(row.0.clone())
        }),
        Column::whole("cells", "Cells of all variables", |row| Some(row.1.cells)),
        Column::whole("objects", "Objects written", |row| Some(row.1.objects)),
        Column::whole(
            "carried",
            "Objects of the cube before that were taken over as they are",
            |row| Some(row.1.carried),
        ),
        Column::whole("bytes", "Bytes written", |row| Some(row.1.bytes)),
        Column::whole(
            "out_of_range",
            "Values stored as missing because their type cannot hold them",
            |row| Some(row.1.out_of_range),
        ),
        Column::whole("boxes", "Parts in which the cube was computed", |row| {
            Some(row.1.boxes)
        }),
        Column::whole("kept", "Parts that an earlier run had finished", |row| {
            Some(row.1.kept)
        }),
    ]
}
