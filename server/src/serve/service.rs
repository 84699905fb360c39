//! What all doors share, [`Service`], and one client of it, [`Client`].

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::prelude::SessionContext;
use graticule_engine::{Described, Engine, Received, Receiving, Session};
use http::HeaderValue;
use rustls::ServerConfig;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Seat};
use super::checks::Checks;
use super::divided::Divided;
use super::execution::{Execution, Source, Task, Work};
use super::metrics::Metrics;
use super::parent::Parent;
use super::settings::{Limits, Settings};
use super::share::{Share, Shares};
use super::tally::Tally;
use super::tls::Tls;
use super::traces::Traces;
use super::turn::Turn;
use crate::access::{Access, Identity};
use crate::failure::{Failure, SqlState};

/// How long planning may take where statements may take as long as they like.
const PLANNING: Duration = Duration::from_secs(60);
/// Statements that are described at a time, for each processor.
const PLANNED_PER_CORE: usize = 4;

/// The database as a network service.
pub(crate) struct Service {
    engine: Engine,
    /// Who may come in.
    access: RwLock<Arc<Access>>,
    /// What connections are encrypted with; `None`: they are not.
    pub(super) tls: Option<Tls>,
    /// Cancelled when the service stops: doors accept nobody any more, and clients should end.
    pub(crate) stopping: CancellationToken,
    /// Pages of the web that may talk to the service, beside its own.
    pub(crate) origins: Vec<HeaderValue>,
    /// Bytes of grids on this machine's disk that the door HTTP may have at a time.
    pub(crate) grid_files: u64,
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    /// Where traces go; `None`: nowhere.
    pub(super) traces: Option<Traces>,
    /// Places of connections.
    pub(super) places: Arc<Semaphore>,
    /// Places of those who are asked who they are.
    pub(super) checks: Checks,
    /// Places of statements that are planned and not run.
    planning: Arc<Semaphore>,
    pub(super) admission: Arc<Admission>,
    shares: Shares,
    /// How long a statement may take, whoever does not say otherwise.
    statement_timeout: RwLock<Option<Duration>>,
    /// The threads that plan and compute.
    pub(super) compute: Handle,
}

impl Service {
    /// Puts the service together.
    ///
    /// # Errors
    /// TLS is asked for and its files cannot be used.
    pub(super) fn new(
        engine: Engine,
        access: Access,
        settings: &Settings,
        traces: Option<Traces>,
        compute: Handle,
    ) -> Result<Self, Failure> {
        let tls = match &settings.tls {
            Some((certificate, key)) => Some(Tls::new((certificate, key), &["h2", "http/1.1"])?),
            None => None,
        };
        let limits = settings.limits.clone();
        Ok(Self {
            engine,
            access: RwLock::new(Arc::new(access)),
            tls,
            stopping: CancellationToken::new(),
            origins: settings.origins.clone(),
            grid_files: settings.grid_files,
            metrics: Arc::default(),
            traces,
            places: Arc::new(Semaphore::new(limits.connections)),
            checks: Checks::default(),
            planning: Arc::new(Semaphore::new(PLANNED_PER_CORE * cores())),
            admission: Arc::new(Admission::new(&limits)),
            shares: Shares::new(limits.queries_per_user),
            statement_timeout: RwLock::new(limits.statement_timeout),
            compute,
        })
    }

    /// Opens a session for somebody who has proved to be `identity`. `door` is the name of the door, for lists of queries.
    ///
    /// # Errors
    /// The session cannot be put together.
    pub(crate) fn connect(
        self: &Arc<Self>,
        identity: Arc<Identity>,
        door: &'static str,
    ) -> Result<Client, Failure> {
        let share = self.shares.of(&identity, &self.engine);
        let longest = identity.quota.statement_timeout;
        Ok(Client {
            door,
            session: Arc::new(self.session(&identity, &share, door)?),
            timeout: longest.or(*read(&self.statement_timeout)),
            service: Arc::clone(self),
            identity,
            share,
        })
    }

    fn session(
        &self,
        identity: &Identity,
        share: &Share,
        door: &'static str,
    ) -> Result<Session, Failure> {
        let session = self.engine.session_as(Arc::clone(&identity.user));
        let session = session.through(door).within(&share.limits);
        let session = session.map_err(|error| Failure::of_statement(&error, ""))?;
        Ok(match identity.is_several() {
            true => session.alone(),
            false => session,
        })
    }

    /// Who may come in now.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&read(&self.access))
    }

    /// What connections are encrypted with; `None`: they are not.
    pub(crate) fn tls_config(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| &tls.config)
    }

    /// The database, for what concerns all of it.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Lets in these, and lets them do so much. Who is in stays in, with what they may do now.
    pub(super) fn configure(&self, access: Access, limits: &Limits) {
        *write(&self.access) = Arc::new(access);
        *write(&self.statement_timeout) = limits.statement_timeout;
        self.shares.configure(limits.queries_per_user);
    }

    /// What is counted, in the text format of OpenMetrics.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.text(&self.engine)
    }
}

/// One client: a session of the engine for one user. Settings last as long as it does.
pub(crate) struct Client {
    pub(super) service: Arc<Service>,
    session: Arc<Session>,
    /// The name of the door it came in through.
    pub(super) door: &'static str,
    /// Who it is.
    pub(crate) identity: Arc<Identity>,
    /// What it shares with other sessions of its user.
    pub(super) share: Arc<Share>,
    /// How long a statement may take, `SET statement_timeout` included; `None`: as long as it likes.
    pub(crate) timeout: Option<Duration>,
}

impl Client {
    /// Another session of the same user, which may write files below a folder that the door has made.
    ///
    /// # Errors
    /// The session cannot be put together.
    pub(crate) fn writing_below(&self, folder: &Path) -> Result<Self, Failure> {
        let session = self
            .service
            .session(&self.identity, &self.share, self.door)?;
        Ok(Self {
            service: Arc::clone(&self.service),
            session: Arc::new(session.writing_below(folder)),
            door: self.door,
            identity: Arc::clone(&self.identity),
            share: Arc::clone(&self.share),
            timeout: self.timeout,
        })
    }

    /// Gives the session what clients of one protocol expect, see [`Session::extend`].
    ///
    /// # Errors
    /// What `extend` says.
    pub(crate) fn extend(
        &self,
        extend: impl FnOnce(&SessionContext) -> datafusion::error::Result<()>,
    ) -> Result<(), Failure> {
        let extended = self.session.extend(extend);
        extended.map_err(|error| Failure::of_statement(&error, ""))
    }

    /// Splits a script into statements.
    ///
    /// # Errors
    /// A quote or comment that does not end.
    pub(crate) fn split(&self, script: &str) -> Result<Vec<String>, Failure> {
        let split = self.session.split(script);
        split.map_err(|error| Failure::of_statement(&error, script))
    }

    /// What a statement takes and gives. It is planned and not run.
    ///
    /// # Errors
    /// The statement does not parse, or names something unknown; planning takes too long, or the service stops.
    pub(crate) async fn describe(&self, statement: &str) -> Result<Described, Failure> {
        self.describe_with(statement, vec![]).await
    }

    /// The same where it is known of which types the values of some parameters are.
    ///
    /// # Errors
    /// As for [`Client::describe`].
    pub(crate) async fn describe_with(
        &self,
        statement: &str,
        given: Vec<Option<DataType>>,
    ) -> Result<Described, Failure> {
        let (session, text) = (Arc::clone(&self.session), statement.to_string());
        let planning = async move { session.describe_with(&text, &given).await };
        self.plan(statement, planning).await
    }

    /// The columns of a table that rows may be inserted into, see [`Session::insertable`].
    ///
    /// # Errors
    /// What `insertable` says; it takes too long, or the service stops.
    pub(crate) async fn insertable(
        &self,
        table: String,
        columns: Vec<String>,
    ) -> Result<SchemaRef, Failure> {
        let session = Arc::clone(&self.session);
        let planning = async move { session.insertable(&table, &columns).await };
        self.plan("", planning).await
    }

    /// What a statement takes and gives, and its parts where its rows can be taken in parts. It is planned and not run.
    ///
    /// # Errors
    /// As for [`Client::describe`].
    pub(crate) async fn divide(
        &self,
        statement: &str,
    ) -> Result<(Described, Option<Divided>), Failure> {
        let (session, text) = (Arc::clone(&self.session), statement.to_string());
        let planning = async move { session.divide(&text).await };
        let (described, parts) = self.plan(statement, planning).await?;
        Ok((described, parts.map(|parts| Divided::new(parts, statement))))
    }

    /// Plans something on the threads that compute, once there is room for it.
    async fn plan<T: Send + 'static>(
        &self,
        statement: &str,
        planning: impl Future<Output = Result<T, DataFusionError>> + Send + 'static,
    ) -> Result<T, Failure> {
        let work = async {
            let place = Arc::clone(&self.service.planning).acquire_owned().await;
            let planning = async move {
                let _place = place;
                planning.await
            };
            let mut task = Task::spawn(&self.service.compute, planning);
            (&mut task.handle).await
        };
        tokio::select! {
            biased;
            () = self.service.stopping.cancelled() => Err(Failure::with_state(
                SqlState::ADMIN_SHUTDOWN,
                "the server stops; send the statement again when it is back",
            )),
            planned = timeout(self.timeout.unwrap_or(PLANNING), work) => match planned {
                Ok(Ok(planned)) => {
                    planned.map_err(|error| Failure::of_statement(&error, statement))
                }
                Ok(Err(_)) => Err(Failure::vanished()),
                Err(_) => Err(Failure::with_state(
                    SqlState::QUERY_CANCELED,
                    "planning the statement took longer than statement_timeout allows",
                )),
            },
        }
    }

    /// Begins to take rows in that are to be inserted.
    ///
    /// # Errors
    /// There is no room on the disk.
    pub(crate) fn receive(&self, columns: SchemaRef) -> Result<Receiving, Failure> {
        let receiving = self.session.receive(columns);
        receiving.map_err(|error| Failure::of_statement(&error, ""))
    }

    /// Runs a statement once there is room for it, and waits until its columns are known. `stop` cancels it, whatever
    /// it is at; so does dropping what is returned. `parent` is the span of the client that it belongs to.
    ///
    /// # Errors
    /// Too many queries, a timeout, or what the engine says.
    pub(crate) async fn run(
        &self,
        statement: &str,
        parameters: Vec<ScalarValue>,
        stop: CancellationToken,
        parent: Option<Parent>,
    ) -> Result<Execution, Failure> {
        let source = Source::Statement {
            session: Arc::clone(&self.session),
            parameters,
        };
        self.execute(statement, source, stop, parent).await
    }

    /// Inserts rows that have come in into a table; `statement` is what lists call it.
    ///
    /// # Errors
    /// As for [`Client::run`].
    pub(crate) async fn insert(
        &self,
        statement: &str,
        table: String,
        rows: Received,
        stop: CancellationToken,
    ) -> Result<Execution, Failure> {
        let source = Source::Rows {
            session: Arc::clone(&self.session),
            table,
            rows,
        };
        self.execute(statement, source, stop, None).await
    }

    async fn execute(
        &self,
        statement: &str,
        source: Source,
        stop: CancellationToken,
        parent: Option<Parent>,
    ) -> Result<Execution, Failure> {
        let user = &self.identity.name;
        let mut tally = Tally::new(&self.service, self.door, user, statement, parent);
        let counted = self.share.count();
        counted.inspect_err(|failure| tally.failed(failure))?;
        let work = Work {
            source,
            statement: statement.to_string(),
            timeout: self.timeout,
            stop,
            stopping: self.service.stopping.clone(),
        };
        let seat = Seat::enter(&self.service.admission, &self.share, &work.stop).await;
        let seat = seat.inspect_err(|failure| tally.failed(failure))?;
        let turn = Turn::begin(seat, Arc::new(Mutex::new(tally)));
        Execution::start(work, turn, &self.service.compute).await
    }
}

/// What is kept is replaced whole: whoever panicked elsewhere has left it as it was.
fn read<T>(kept: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    kept.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(kept: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    kept.write().unwrap_or_else(PoisonError::into_inner)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
