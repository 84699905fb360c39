//! What the statements do that the door answers itself; `command.rs` reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use pgwire::messages::PgWireBackendMessage as Outgoing;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};

use super::command::{Command, Discard, Query};
use super::conversation::{Conversation, Transaction, shifted};
use super::encoding::{Cells, Framing, description};
use super::extended::{PORTALS, check_room, no_portal, text_column};
use super::messages::Formats;
use super::settings::{READ_ONLY, SEARCH_PATH};
use super::statement::{Portal, Progress, Wish, tag};
use super::trouble::{self, Trouble};
use super::wire::Wire;
use crate::failure::{Failure, SqlState};

/// The transaction is there already.
const ACTIVE: SqlState = SqlState("25001");
/// There is no transaction.
const INACTIVE: SqlState = SqlState("25P01");

impl Conversation {
    /// Answers a command. `is_described`: its columns are told, too.
    pub(super) async fn command(
        &mut self,
        wire: &mut Wire,
        command: &Command,
        text: &str,
        formats: &Formats,
        is_described: bool,
    ) -> Result<(), Trouble> {
        match command {
            Command::Begin(is_read_only) => self.begin(wire, *is_read_only),
            Command::Commit | Command::Rollback => {
                self.end(wire, matches!(command, Command::Commit)).await
            }
            Command::Savepoint(tag) | Command::Accepted(tag) => {
                self.complete(wire, (*tag).to_string())
            }
            Command::RollbackToSavepoint => {
                if let Transaction::Failed(before) = &mut self.transaction {
                    self.transaction = Transaction::Open(std::mem::take(before));
                }
                self.complete(wire, "ROLLBACK".to_string())
            }
            Command::Set {
                name,
                value,
                is_local,
            } => {
                let before = self.settings.get(name);
                match self.change(wire, name, value.as_deref()).await? {
                    true => {
                        if let (true, Some(before)) = (is_local, before) {
                            self.local.push((name.clone(), before));
                        }
                        self.complete(wire, "SET".to_string())
                    }
                    false => self.engine(wire, text, formats, is_described).await,
                }
            }
            Command::SetUser(user) => {
                let own = &self.client.identity.name;
                if user
                    .as_ref()
                    .is_some_and(|user| !user.eq_ignore_ascii_case(own))
                {
                    let text =
                        "a session is always that of the user who connected; connect as the other";
                    return Err(Failure::with_state(SqlState::FEATURE_NOT_SUPPORTED, text).into());
                }
                self.complete(wire, "SET".to_string())
            }
            Command::Reset(name) => match self.change(wire, name, None).await? {
                true => self.complete(wire, "RESET".to_string()),
                false => self.engine(wire, text, formats, is_described).await,
            },
            Command::ResetAll => {
                self.reset(wire).await?;
                self.complete(wire, "RESET".to_string())
            }
            Command::Show(name) => match self.settings.get(name) {
                Some(value) => self.show(wire, name, &value, formats, is_described),
                None => self.engine(wire, text, formats, is_described).await,
            },
            Command::Discard(Discard::Nothing(tag)) => self.complete(wire, (*tag).to_string()),
            Command::Discard(Discard::All) => {
                self.portals.clear();
                self.statements.clear();
                self.reset(wire).await?;
                self.complete(wire, "DISCARD ALL".to_string())
            }
            Command::Deallocate(None) => {
                self.statements.clear();
                self.complete(wire, "DEALLOCATE ALL".to_string())
            }
            Command::Deallocate(Some(name)) => match self.statements.remove(name) {
                Some(_) => self.complete(wire, "DEALLOCATE".to_string()),
                // It may have been prepared with PREPARE.
                None => self.engine(wire, text, formats, is_described).await,
            },
            Command::Copy { query, framing } => self.copy(wire, query, framing).await,
            Command::CopyFrom(copy) => self.copy_from(wire, copy, text).await,
            Command::Declare { cursor, query } => self.declare(wire, cursor, query).await,
            Command::Fetch {
                cursor,
                rows,
                is_move,
            } => {
                let Some(mut portal) = self.portals.remove(cursor) else {
                    return Err(no_portal(cursor).into());
                };
                let formats = (!is_move).then_some((formats, is_described));
                let fetched = self.fetch(wire, &mut portal, *rows, formats).await;
                self.portals.insert(cursor.clone(), portal);
                let (verb, count) = (if *is_move { "MOVE" } else { "FETCH" }, fetched?);
                self.complete(wire, format!("{verb} {count}"))
            }
            Command::Close(None) => {
                self.portals.retain(|_, portal| !portal.is_cursor);
                self.complete(wire, "CLOSE CURSOR ALL".to_string())
            }
            Command::Close(Some(cursor)) => match self.portals.remove(cursor) {
                Some(_) => self.complete(wire, "CLOSE CURSOR".to_string()),
                None => Err(no_portal(cursor).into()),
            },
        }
    }

    fn begin(&mut self, wire: &mut Wire, is_read_only: Option<bool>) -> Result<(), Trouble> {
        match self.transaction {
            Transaction::None => {
                self.transaction = Transaction::Open(self.settings.snapshot());
                if let Some(is_read_only) = is_read_only {
                    let value = if is_read_only { "on" } else { "off" };
                    self.settings.set(READ_ONLY, Some(value))?;
                }
            }
            _ => wire.send(trouble::warning(ACTIVE, "a transaction is open already"))?,
        }
        self.complete(wire, "BEGIN".to_string())
    }

    async fn end(&mut self, wire: &mut Wire, is_commit: bool) -> Result<(), Trouble> {
        let ended = std::mem::replace(&mut self.transaction, Transaction::None);
        let local = std::mem::take(&mut self.local);
        self.portals.clear();
        let tag = match ended {
            Transaction::None => {
                wire.send(trouble::warning(INACTIVE, "there is no transaction"))?;
                if is_commit { "COMMIT" } else { "ROLLBACK" }
            }
            Transaction::Open(_) if is_commit => {
                let mut before = self.settings.snapshot();
                for (name, value) in local.into_iter().rev() {
                    before
                        .iter_mut()
                        .filter(|(known, _)| known.eq_ignore_ascii_case(&name))
                        .for_each(|(_, current)| current.clone_from(&value));
                }
                self.restore(wire, before).await?;
                "COMMIT"
            }
            Transaction::Open(before) | Transaction::Failed(before) => {
                self.restore(wire, before).await?;
                "ROLLBACK"
            }
        };
        self.complete(wire, tag.to_string())
    }

    /// Makes the settings what they were, after the transaction.
    async fn restore(
        &mut self,
        wire: &mut Wire,
        settings: BTreeMap<&'static str, String>,
    ) -> Result<(), Trouble> {
        let changed = self.settings.restore(settings);
        self.apply();
        self.tell(wire, changed)?;
        self.search_again(wire).await
    }

    async fn reset(&mut self, wire: &mut Wire) -> Result<(), Trouble> {
        let access = self.settings.get(READ_ONLY);
        let changed = self.settings.reset();
        // What a transaction may do stays as it is until it ends.
        self.settings.set(READ_ONLY, access.as_deref())?;
        self.apply();
        self.tell(wire, changed)?;
        // USE may have changed where names are looked up, too.
        self.searched.clear();
        self.search_again(wire).await
    }

    /// Does as the settings say that have changed.
    fn apply(&mut self) {
        self.client.timeout = self.settings.timeout();
        if let Transaction::None = self.transaction {
            self.settings.begin_read_only_by_default();
        }
    }

    /// Looks names up where the settings say.
    pub(super) async fn search_again(&mut self, wire: &mut Wire) -> Result<(), Trouble> {
        match self.settings.get("search_path") {
            Some(path) if path != self.searched => self.search(wire, &path).await,
            _ => Ok(()),
        }
    }

    /// Changes a setting; `false` where it is the engine's.
    async fn change(
        &mut self,
        wire: &mut Wire,
        name: &str,
        value: Option<&str>,
    ) -> Result<bool, Trouble> {
        if name.eq_ignore_ascii_case("search_path") {
            let path = value.or_else(|| self.settings.default_of(name));
            let path = path.unwrap_or(SEARCH_PATH).to_string();
            self.search(wire, &path).await?;
        }
        let Some(changed) = self.settings.set(name, value)? else {
            return Ok(false);
        };
        self.apply();
        self.tell(wire, changed)?;
        Ok(true)
    }

    /// Names without a schema are those of the first schema of the path that is a store or public.
    async fn search(&mut self, wire: &mut Wire, path: &str) -> Result<(), Trouble> {
        let mut names = path.split(',').map(|name| name.trim().trim_matches('"'));
        let schema = names.find(|name| !["", "$user", "pg_catalog"].contains(name));
        let schema = schema.unwrap_or("public");
        let query = Query {
            text: format!("USE \"{}\"", schema.replace('"', "\"\"")),
            start: None,
        };
        self.run(wire, &query, vec![])
            .await?
            .skip(wire, None)
            .await?;
        self.searched = path.to_string();
        Ok(())
    }

    /// A statement that the engine answers after all.
    async fn engine(
        &mut self,
        wire: &mut Wire,
        text: &str,
        formats: &Formats,
        is_described: bool,
    ) -> Result<(), Trouble> {
        let query = Query {
            text: text.to_string(),
            start: Some(0),
        };
        let mut rows = self.run(wire, &query, vec![]).await?;
        let has_columns = !rows.schema().fields().is_empty();
        if is_described && has_columns {
            wire.send(Outgoing::RowDescription(description(
                rows.schema(),
                formats,
            )))?;
        }
        let mut framing = Framing::Rows(formats.clone());
        let (count, _) = rows.send(wire, &mut framing, None).await?;
        self.complete(wire, tag(text, has_columns, count))
    }

    /// One row with the value of a setting.
    fn show(
        &self,
        wire: &mut Wire,
        name: &str,
        value: &str,
        formats: &Formats,
        is_described: bool,
    ) -> Result<(), Trouble> {
        let schema = text_column(name);
        if is_described {
            wire.send(Outgoing::RowDescription(description(&schema, formats)))?;
        }
        let column: ArrayRef = Arc::new(StringArray::from(vec![value]));
        let cells = Cells::new(&column, schema.field(0))
            .map_err(|error| Failure::with_state(SqlState::INTERNAL_ERROR, error.to_string()))?;
        Framing::Rows(formats.clone()).row(&[cells], 0, &mut wire.output);
        self.complete(wire, "SHOW".to_string())
    }

    async fn copy(
        &mut self,
        wire: &mut Wire,
        query: &Query,
        framing: &Framing,
    ) -> Result<(), Trouble> {
        let mut rows = self.run(wire, query, vec![]).await?;
        let fields = rows.schema().fields().clone();
        let mut framing = framing.clone();
        let format = i16::from(matches!(framing, Framing::CopyBinary { .. }));
        let count = i16::try_from(fields.len()).unwrap_or(i16::MAX);
        wire.send(Outgoing::CopyOutResponse(CopyOutResponse::new(
            i8::from(format == 1),
            count,
            vec![format; fields.len()],
        )))?;
        let names = fields.iter().map(|field| field.name().as_str());
        framing.begin(names, &mut wire.output);
        let (count, _) = rows.send(wire, &mut framing, None).await?;
        framing.end(&mut wire.output);
        wire.send(Outgoing::CopyDone(CopyDone::new()))?;
        self.complete(wire, format!("COPY {count}"))
    }

    async fn declare(
        &mut self,
        wire: &mut Wire,
        cursor: &str,
        query: &Query,
    ) -> Result<(), Trouble> {
        if self.portals.contains_key(cursor) {
            let text = format!("the cursor {cursor} is there; CLOSE it first");
            return Err(Failure::with_state(SqlState::DUPLICATE_CURSOR, text).into());
        }
        check_room(&self.portals, cursor, PORTALS, "portals")?;
        let prepared = self.prepare(wire, query.text.clone(), Wish::Sql, &[]).await;
        let prepared = prepared.map_err(|trouble| shifted(trouble, query.start.unwrap_or(0)))?;
        let portal = Portal {
            prepared: Arc::new(prepared),
            values: vec![],
            bytes: 0,
            formats: Formats::default(),
            progress: Progress::Ready,
            is_cursor: true,
        };
        self.portals.insert(cursor.to_string(), portal);
        self.complete(wire, "DECLARE CURSOR".to_string())
    }

    /// Sends rows of a cursor, in these formats, or skips them; how many there were.
    async fn fetch(
        &mut self,
        wire: &mut Wire,
        portal: &mut Portal,
        limit: Option<u64>,
        formats: Option<(&Formats, bool)>,
    ) -> Result<u64, Trouble> {
        if let Some((formats, true)) = formats {
            let columns = description(&portal.prepared.columns, formats);
            wire.send(Outgoing::RowDescription(columns))?;
        }
        if let Progress::Done = portal.progress {
            return Ok(0);
        }
        let rows = self.start(wire, portal).await?;
        let (count, is_open) = match formats {
            Some((formats, _)) => {
                let mut framing = Framing::Rows(formats.clone());
                rows.send(wire, &mut framing, limit).await?
            }
            None => {
                let count = rows.skip(wire, limit).await?;
                (count, limit.is_some_and(|limit| count == limit))
            }
        };
        if !is_open {
            portal.progress = Progress::Done;
        }
        Ok(count)
    }
}
