//! One client, from the moment it is let in until it leaves: a message, an answer, the next message.
//!
//! Transactions are forms without content: every statement takes effect at once. Clients are told that they are in one,
//! and an error in one ends it, because drivers rely on both.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use graticule_engine::Described;
use pgwire::messages::PgWireBackendMessage as Outgoing;
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::ParameterStatus;

use super::Postgres;
use super::cancel::Cancellable;
use super::command::{Query, first_word};
use super::dialect::{About, Dialect};
use super::encoding::description;
use super::messages::{Formats, Incoming, violation};
use super::rows::Rows;
use super::settings::{SEARCH_PATH, Settings};
use super::statement::{Portal, Prepared, Progress, Wish};
use super::trouble::{self, Trouble};
use super::wire::Wire;
use crate::failure::{Failure, SqlState};
use crate::serve::{Client, Parent};

/// The transaction may read only, and a statement does more.
const READ_ONLY_TRANSACTION: SqlState = SqlState("25006");

/// What the client has begun, and not ended.
#[derive(Debug)]
pub(super) enum Transaction {
    None,
    /// With the settings that it began with.
    Open(BTreeMap<&'static str, String>),
    Failed(BTreeMap<&'static str, String>),
}

/// The state of one client's session.
pub(super) struct Conversation {
    pub(super) client: Client,
    pub(super) cancellable: Cancellable,
    pub(super) dialect: Arc<Dialect>,
    pub(super) settings: Settings,
    pub(super) transaction: Transaction,
    /// Settings that end with the transaction, and what they were before.
    pub(super) local: Vec<(String, String)>,
    /// The search path by which names are looked up.
    pub(super) searched: String,
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
}

impl Conversation {
    /// Opens the session.
    ///
    /// # Errors
    /// A setting that the client asks for at the start makes no sense.
    pub(super) fn new(
        mut client: Client,
        cancellable: Cancellable,
        postgres: &Postgres,
        asked: BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let about = About {
            user: client.identity.name.clone(),
            number: cancellable.number,
            is_several: client.identity.is_several(),
            connections: Arc::clone(&postgres.cancellations),
        };
        let settings = Settings::new(&about.user, client.timeout, asked)?;
        let dialect = Arc::clone(&postgres.dialect);
        settings.begin_read_only_by_default();
        client.extend(|context| dialect.install(context, &settings, &about))?;
        client.timeout = settings.timeout();
        Ok(Self {
            client,
            cancellable,
            dialect,
            settings,
            transaction: Transaction::None,
            local: vec![],
            searched: SEARCH_PATH.to_string(),
            statements: HashMap::new(),
            portals: HashMap::new(),
        })
    }

    /// The settings that the client is told.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Answers until the client leaves.
    ///
    /// # Errors
    /// The connection broke, the client broke the protocol, or the server stops.
    pub(super) async fn hold(mut self, wire: &mut Wire) -> Result<(), Trouble> {
        // The client may have asked for another path at the start.
        self.search_again(wire).await?;
        self.ready(wire).await?;
        // After an error, everything up to the next Sync is skipped.
        let mut is_skipping = false;
        loop {
            let received = tokio::select! {
                () = self.cancellable.end.cancelled() => return Err(Trouble::Fatal(stopped())),
                received = wire.receive() => received?,
            };
            let Some((kind, body)) = received else {
                return Ok(());
            };
            let message = Incoming::read(kind, body);
            let is_extended = match &message {
                Ok(Incoming::Terminate) => return Ok(()),
                Ok(Incoming::Sync) => {
                    is_skipping = false;
                    self.synchronise();
                    self.ready(wire).await?;
                    continue;
                }
                Ok(message) => message.is_extended(),
                Err(_) => kind != b'Q',
            };
            if is_skipping {
                continue;
            }
            let answered = match message {
                Ok(message) => self.answer(wire, message).await,
                Err(failure) => Err(Trouble::Statement(failure)),
            };
            match answered {
                // Answers do not pile up until a client asks for them.
                Ok(()) => wire.send_if_full().await?,
                Err(Trouble::Statement(failure)) if failure.state == SqlState::ADMIN_SHUTDOWN => {
                    return Err(Trouble::Fatal(failure));
                }
                Err(Trouble::Statement(failure)) => {
                    self.fail();
                    wire.send(trouble::error(&failure, "ERROR"))?;
                    is_skipping = is_extended;
                    match is_extended {
                        // The client may wait for it without a Sync.
                        true => wire.flush().await?,
                        false => self.ready(wire).await?,
                    }
                }
                Err(fatal) => return Err(fatal),
            }
        }
    }

    async fn answer(&mut self, wire: &mut Wire, message: Incoming) -> Result<(), Trouble> {
        match message {
            Incoming::Query(script) => {
                self.simple_query(wire, &script).await?;
                self.ready(wire).await
            }
            Incoming::Parse {
                name,
                statement,
                types,
            } => self.parse(wire, name, statement, &types).await,
            Incoming::Bind(bind) => self.bind(wire, bind),
            Incoming::Describe(target) => self.describe(wire, &target),
            Incoming::Execute { portal, rows } => self.execute(wire, &portal, rows).await,
            Incoming::Close(target) => self.close(wire, target),
            Incoming::Flush => wire.flush().await,
            // Sync and Terminate have been answered before, rows are what is left of a copy that has failed.
            Incoming::CopyData(_)
            | Incoming::CopyDone
            | Incoming::CopyFail(_)
            | Incoming::Sync
            | Incoming::Terminate => Ok(()),
            Incoming::Password(_) => Err(violation("nobody asked for a password").into()),
        }
    }

    /// Tells the client that it may go on.
    async fn ready(&mut self, wire: &mut Wire) -> Result<(), Trouble> {
        let status = match self.transaction {
            Transaction::None => TransactionStatus::Idle,
            Transaction::Open(_) => TransactionStatus::Transaction,
            Transaction::Failed(_) => TransactionStatus::Error,
        };
        wire.send(Outgoing::ReadyForQuery(ReadyForQuery::new(status)))?;
        wire.flush().await
    }

    /// Portals end with the transaction, which outside of one is up to the next Sync.
    fn synchronise(&mut self) {
        if let Transaction::None = self.transaction {
            self.portals.retain(|_, portal| portal.is_cursor);
        }
    }

    fn fail(&mut self) {
        if let Transaction::Open(before) = &mut self.transaction {
            self.transaction = Transaction::Failed(std::mem::take(before));
        }
    }

    /// # Errors
    /// The transaction has failed, and the statement does not end it.
    pub(super) fn check_transaction(&self, wish: &Wish) -> Result<(), Failure> {
        match self.transaction {
            Transaction::Failed(_) if !wish.ends_transaction() => Err(Failure::with_state(
                SqlState::IN_FAILED_TRANSACTION,
                "the transaction has failed, nothing is done until it ends; say ROLLBACK",
            )),
            _ => Ok(()),
        }
    }

    /// Several statements, one after the other; an error ends all of them.
    async fn simple_query(&mut self, wire: &mut Wire, script: &str) -> Result<(), Trouble> {
        self.statements.remove("");
        self.portals.remove("");
        let statements = self.client.split(script)?;
        let mut is_empty = true;
        let mut place = 0;
        for text in statements {
            let start = script[place..]
                .find(&text)
                .map_or(place, |found| place + found);
            place = (start + text.len()).min(script.len());
            let wish = Wish::of(&text)?;
            if let Wish::Nothing = wish {
                continue;
            }
            is_empty = false;
            self.check_transaction(&wish)?;
            let outcome = match &wish {
                Wish::Command(command) => {
                    let formats = Formats::default();
                    self.command(wire, command, &text, &formats, true).await
                }
                Wish::Nothing | Wish::Sql => self.simple_sql(wire, &text).await,
            };
            outcome.map_err(|trouble| shifted(trouble, script[..start].chars().count()))?;
            wire.send_if_full().await?;
        }
        if is_empty {
            wire.send(Outgoing::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        Ok(())
    }

    async fn simple_sql(&mut self, wire: &mut Wire, text: &str) -> Result<(), Trouble> {
        let prepared = Arc::new(Prepared::new(text.to_string(), Wish::Sql));
        let mut portal = Portal {
            prepared,
            values: vec![],
            bytes: 0,
            formats: Formats::default(),
            progress: Progress::Ready,
            is_cursor: false,
        };
        let rows = self.start(wire, &mut portal).await?;
        let schema = Arc::clone(rows.schema());
        if !schema.fields().is_empty() {
            let description = description(&schema, &portal.formats);
            wire.send(Outgoing::RowDescription(description))?;
        }
        self.send_rows(wire, &mut portal, None).await
    }

    /// The rows of a portal, which is started where it has not been.
    pub(super) async fn start<'p>(
        &self,
        wire: &mut Wire,
        portal: &'p mut Portal,
    ) -> Result<&'p mut Rows, Trouble> {
        if let Progress::Ready = portal.progress {
            let query = Query {
                text: portal.prepared.text.clone(),
                start: Some(0),
            };
            let mut rows = self.run(wire, &query, portal.values.clone()).await?;
            if portal.prepared.is_described {
                rows.promise(&portal.prepared.columns)?;
            }
            portal.progress = Progress::Running(Box::new(rows));
        }
        match &mut portal.progress {
            Progress::Running(rows) => {
                self.cancellable.resume(&rows.stop);
                Ok(rows)
            }
            Progress::Ready | Progress::Done => Err(Trouble::Statement(Failure::with_state(
                SqlState::UNDEFINED_CURSOR,
                "the portal has been run to its end; bind the statement again",
            ))),
        }
    }

    /// Runs a statement of the engine, as it is or as PostgreSQL means it.
    pub(super) async fn run(
        &self,
        wire: &mut Wire,
        query: &Query,
        values: Vec<ScalarValue>,
    ) -> Result<Rows, Trouble> {
        self.check_reading(wire, query, &values).await?;
        let stop = self.cancellable.begin();
        let mut text = self.dialect.first_form(&query.text);
        loop {
            let values = values.clone();
            let parent = Parent::in_comment(&query.text);
            let running = self.client.run(text.as_str(), values, stop.clone(), parent);
            let outcome = tokio::select! {
                biased;
                outcome = running => outcome,
                () = wire.vanished() => return Err(Trouble::Gone),
            };
            match outcome {
                Ok(execution) => return Ok(Rows::new(execution, stop)),
                Err(failure) => text = self.dialect.second_form(query, text, failure)?,
            }
        }
    }

    /// # Errors
    /// The transaction may read only, and the statement does more; or the statement cannot be planned.
    async fn check_reading(
        &self,
        wire: &mut Wire,
        query: &Query,
        values: &[ScalarValue],
    ) -> Result<(), Trouble> {
        let first = first_word(&query.text).to_ascii_lowercase();
        // Settings are the client's own.
        if !self.settings.is_read_only() || ["set", "reset", "use"].contains(&first.as_str()) {
            return Ok(());
        }
        let given: Vec<_> = values.iter().map(|value| Some(value.data_type())).collect();
        match self.plan(wire, query, &given).await?.is_read {
            true => Ok(()),
            false => Err(only_reads().into()),
        }
    }

    /// Plans a statement of the engine, as it is or as PostgreSQL means it.
    pub(super) async fn plan(
        &self,
        wire: &mut Wire,
        query: &Query,
        given: &[Option<DataType>],
    ) -> Result<Described, Trouble> {
        let stop = self.cancellable.begin();
        let mut text = self.dialect.first_form(&query.text);
        loop {
            let outcome = tokio::select! {
                biased;
                outcome = self.client.describe_with(text.as_str(), given.to_vec()) => outcome,
                () = stop.cancelled() => Err(cancelled()),
                () = wire.vanished() => return Err(Trouble::Gone),
            };
            match outcome {
                Ok(described) => return Ok(described),
                Err(failure) => text = self.dialect.second_form(query, text, failure)?,
            }
        }
    }

    /// Says that a statement is done.
    pub(super) fn complete(&self, wire: &mut Wire, tag: String) -> Result<(), Trouble> {
        wire.send(Outgoing::CommandComplete(CommandComplete::new(tag)))
    }

    /// Tells the client of settings that have changed.
    pub(super) fn tell(
        &self,
        wire: &mut Wire,
        settings: Vec<(String, String)>,
    ) -> Result<(), Trouble> {
        for (name, value) in settings {
            wire.send(Outgoing::ParameterStatus(ParameterStatus::new(name, value)))?;
        }
        Ok(())
    }
}

/// The same, of a statement that stands behind others.
pub(super) fn shifted(trouble: Trouble, characters: usize) -> Trouble {
    match trouble {
        Trouble::Statement(mut failure) => {
            failure.position = failure.position.map(|position| position + characters);
            Trouble::Statement(failure)
        }
        other => other,
    }
}

/// The transaction may read only, and the statement does more.
pub(super) fn only_reads() -> Failure {
    Failure::with_state(
        READ_ONLY_TRANSACTION,
        "the transaction may read only; end it, and begin one READ WRITE",
    )
}

/// The client has had enough of a statement that has not begun to compute.
pub(super) fn cancelled() -> Failure {
    Failure::with_state(
        SqlState::QUERY_CANCELED,
        "the statement was cancelled as its client asked",
    )
}

pub(super) fn stopped() -> Failure {
    Failure::with_state(
        SqlState::ADMIN_SHUTDOWN,
        "the connection was ended, or the server stops; connect again",
    )
}
