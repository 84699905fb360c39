//! The extended protocol: statements are parsed, bound to values, described and executed in messages of their own.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage as Outgoing;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::EmptyQueryResponse;

use super::command::{Command, Query};
use super::conversation::Conversation;
use super::encoding::{Framing, description, type_of};
use super::messages::{Bind, Formats, Target, violation};
use super::parameters;
use super::statement::{Portal, Prepared, Progress, Wish, tag};
use super::trouble::Trouble;
use super::wire::Wire;
use super::words::highest_parameter;
use crate::failure::{Failure, SqlState};
use crate::output::Textual;

/// Prepared statements of a connection at a time: twice what drivers keep that keep many.
const PREPARED: usize = 512;

/// The length of all their texts.
const PREPARED_BYTES: usize = 64 << 20;

/// Portals and cursors of a connection at a time.
pub(super) const PORTALS: usize = 256;

/// The length of all their values; those of one may be as long as a message, while another is replaced.
const BOUND_BYTES: usize = 128 << 20;

impl Conversation {
    pub(super) async fn parse(
        &mut self,
        wire: &mut Wire,
        name: String,
        statement: String,
        types: &[u32],
    ) -> Result<(), Trouble> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let text = format!("the prepared statement {name} is there; DEALLOCATE it first");
            return Err(Failure::with_state(SqlState::DUPLICATE_STATEMENT, text).into());
        }
        check_room(&self.statements, &name, PREPARED, "prepared statements")?;
        let kept = self.statements.values();
        let kept: usize = kept.map(|prepared| prepared.text.len()).sum();
        if kept + statement.len() > PREPARED_BYTES {
            let text = "the texts of prepared statements are too long together; close some";
            return Err(Failure::with_state(SqlState::CONFIGURATION_LIMIT_EXCEEDED, text).into());
        }
        let texts = self.client.split(&statement)?;
        let text = match texts.as_slice() {
            [] => String::new(),
            // Positions of errors are those of what the client wrote.
            [_] => statement,
            _ => {
                let text = "a prepared statement holds one statement; send them one by one";
                return Err(Failure::with_state(SqlState::SYNTAX_ERROR, text).into());
            }
        };
        let wish = Wish::of(&text)?;
        self.check_transaction(&wish)?;
        let prepared = self.prepare(wire, text, wish, types).await?;
        self.statements.insert(name, Arc::new(prepared));
        wire.send(Outgoing::ParseComplete(ParseComplete::new()))
    }

    /// Finds out what a statement takes and gives.
    pub(super) async fn prepare(
        &self,
        wire: &mut Wire,
        text: String,
        wish: Wish,
        types: &[u32],
    ) -> Result<Prepared, Trouble> {
        let mut prepared = Prepared::new(text, wish);
        match &prepared.wish {
            Wish::Nothing => {}
            Wish::Command(command) => match self.columns_of(command)? {
                Some(columns) => prepared.columns = columns,
                None => self.describe_engine(wire, &mut prepared, types).await?,
            },
            Wish::Sql => self.describe_engine(wire, &mut prepared, types).await?,
        }
        Ok(prepared)
    }

    async fn describe_engine(
        &self,
        wire: &mut Wire,
        prepared: &mut Prepared,
        types: &[u32],
    ) -> Result<(), Trouble> {
        let query = Query {
            text: prepared.text.clone(),
            start: Some(0),
        };
        let types: Vec<u32> = match self.dialect.parameters_of(&prepared.text) {
            [] => types.to_vec(),
            known => known.iter().map(Type::oid).collect(),
        };
        let given = |number: &u32| Type::from_oid(*number).as_ref().map(parameters::arrow_type);
        let given: Vec<Option<DataType>> = types.iter().map(given).collect();
        let described = self.plan(wire, &query, &given).await?;
        prepared.columns = Arc::clone(Textual::dates(&described.columns).schema());
        prepared.is_described = true;
        prepared.wanted = described.parameters;
        if types.len() > prepared.wanted.len() {
            let known = highest_parameter(&prepared.text);
            if types.len() > known.max(prepared.wanted.len()) {
                return Err(violation(format!(
                    "the statement has {known} parameters, and types of {} were given",
                    types.len()
                ))
                .into());
            }
        }
        // What the client says counts, then what the statement says; else it is text.
        let count = prepared.wanted.len().max(types.len());
        let wanted = |index: usize| prepared.wanted.get(index).cloned().flatten();
        prepared.types = (0..count)
            .map(|index| match types.get(index).copied().unwrap_or(0) {
                0 => wanted(index)
                    .map_or(Type::TEXT, |wanted| type_of(&Field::new("", wanted, true))),
                number => Type::from_oid(number).unwrap_or(Type::TEXT),
            })
            .collect();
        Ok(())
    }

    /// The columns of what the door answers itself; `None` where the engine has to be asked.
    fn columns_of(&self, command: &Command) -> Result<Option<SchemaRef>, Failure> {
        Ok(match command {
            Command::Show(name) => self.settings.get(name).map(|_| text_column(name)),
            Command::Fetch {
                cursor,
                is_move: false,
                ..
            } => Some(Arc::clone(&self.portal(cursor)?.prepared.columns)),
            _ => Some(Arc::new(Schema::empty())),
        })
    }

    pub(super) fn bind(&mut self, wire: &mut Wire, bind: Bind) -> Result<(), Trouble> {
        let prepared = Arc::clone(self.statement(&bind.statement)?);
        self.check_transaction(&prepared.wish)?;
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            let text = format!("the portal {} is there; close it first", bind.portal);
            return Err(Failure::with_state(SqlState::DUPLICATE_CURSOR, text).into());
        }
        check_room(&self.portals, &bind.portal, PORTALS, "portals")?;
        if bind.values.len() != prepared.types.len() {
            return Err(violation(format!(
                "the statement takes {} values, and {} were bound",
                prepared.types.len(),
                bind.values.len()
            ))
            .into());
        }
        let bytes: usize = bind.values.iter().flatten().map(Bytes::len).sum();
        let kept: usize = self.portals.values().map(|portal| portal.bytes).sum();
        if kept + bytes > BOUND_BYTES {
            let text = "the values of portals are too long together; close some";
            return Err(Failure::with_state(SqlState::CONFIGURATION_LIMIT_EXCEEDED, text).into());
        }
        let values = prepared.types.iter().zip(&bind.values).enumerate();
        let values = values.map(|(index, (given, value))| {
            let wanted = prepared.wanted.get(index).and_then(Option::as_ref);
            let is_binary = bind.formats.is_binary(index);
            parameters::read(index + 1, value.as_deref(), is_binary, given, wanted)
        });
        let portal = Portal {
            values: values.collect::<Result<_, Failure>>()?,
            bytes,
            prepared,
            formats: bind.result_formats,
            progress: Progress::Ready,
            is_cursor: false,
        };
        self.portals.insert(bind.portal, portal);
        wire.send(Outgoing::BindComplete(BindComplete::new()))
    }

    pub(super) fn describe(&mut self, wire: &mut Wire, target: &Target) -> Result<(), Trouble> {
        let (columns, formats) = match target {
            Target::Statement(name) => {
                let prepared = self.statement(name)?;
                let types = prepared.types.iter().map(Type::oid).collect();
                let columns = Arc::clone(&prepared.columns);
                wire.send(Outgoing::ParameterDescription(ParameterDescription::new(
                    types,
                )))?;
                (columns, Formats::default())
            }
            Target::Portal(name) => {
                let portal = self.portal(name)?;
                (Arc::clone(&portal.prepared.columns), portal.formats.clone())
            }
        };
        wire.send(match columns.fields().is_empty() {
            true => Outgoing::NoData(NoData::new()),
            false => Outgoing::RowDescription(description(&columns, &formats)),
        })
    }

    pub(super) async fn execute(
        &mut self,
        wire: &mut Wire,
        name: &str,
        rows: u32,
    ) -> Result<(), Trouble> {
        let Some(mut portal) = self.portals.remove(name) else {
            return Err(no_portal(name).into());
        };
        let prepared = Arc::clone(&portal.prepared);
        self.check_transaction(&prepared.wish)?;
        match &prepared.wish {
            Wish::Nothing => {
                wire.send(Outgoing::EmptyQueryResponse(EmptyQueryResponse::new()))?;
            }
            Wish::Command(command) => {
                let formats = portal.formats.clone();
                self.command(wire, command, &prepared.text, &formats, false)
                    .await?;
            }
            Wish::Sql => {
                self.start(wire, &mut portal).await?;
                let limit = (rows > 0).then_some(u64::from(rows));
                self.send_rows(wire, &mut portal, limit).await?;
            }
        }
        self.portals.insert(name.to_string(), portal);
        Ok(())
    }

    /// Sends rows of a portal that runs, and says how it is with it.
    pub(super) async fn send_rows(
        &mut self,
        wire: &mut Wire,
        portal: &mut Portal,
        limit: Option<u64>,
    ) -> Result<(), Trouble> {
        let mut framing = Framing::Rows(portal.formats.clone());
        let Progress::Running(rows) = &mut portal.progress else {
            return Ok(());
        };
        let (count, is_open) = rows.send(wire, &mut framing, limit).await?;
        let has_columns = !rows.schema().fields().is_empty();
        if is_open {
            return wire.send(Outgoing::PortalSuspended(PortalSuspended::new()));
        }
        portal.progress = Progress::Done;
        self.complete(wire, tag(&portal.prepared.text, has_columns, count))
    }

    pub(super) fn close(&mut self, wire: &mut Wire, target: Target) -> Result<(), Trouble> {
        match target {
            Target::Statement(name) => drop(self.statements.remove(&name)),
            Target::Portal(name) => drop(self.portals.remove(&name)),
        }
        wire.send(Outgoing::CloseComplete(CloseComplete::new()))
    }

    fn statement(&self, name: &str) -> Result<&Arc<Prepared>, Failure> {
        self.statements.get(name).ok_or_else(|| {
            let text = format!("there is no prepared statement \"{name}\"");
            Failure::with_state(SqlState::UNDEFINED_STATEMENT, text)
        })
    }

    fn portal(&self, name: &str) -> Result<&Portal, Failure> {
        self.portals.get(name).ok_or_else(|| no_portal(name))
    }
}

/// # Errors
/// There are `most` already.
pub(super) fn check_room<T>(
    kept: &HashMap<String, T>,
    name: &str,
    most: usize,
    what: &str,
) -> Result<(), Failure> {
    // There is one without a name only.
    match name.is_empty() || kept.len() < most {
        true => Ok(()),
        false => Err(Failure::with_state(
            SqlState::CONFIGURATION_LIMIT_EXCEEDED,
            format!("the connection has {most} {what}; close some"),
        )),
    }
}

/// One column of text.
pub(super) fn text_column(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]))
}

pub(super) fn no_portal(name: &str) -> Failure {
    let text = format!("there is no cursor or portal \"{name}\"");
    Failure::with_state(SqlState::UNDEFINED_CURSOR, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many() {
        let kept: HashMap<String, ()> = ["a", "b"].map(|name| (name.to_string(), ())).into();
        assert_eq!(check_room(&kept, "c", 3, "portals"), Ok(()));
        assert_eq!(check_room(&kept, "", 2, "portals"), Ok(()));
        let full = check_room(&kept, "c", 2, "portals");
        assert_eq!(
            full.map_err(|failure| failure.state),
            Err(SqlState::CONFIGURATION_LIMIT_EXCEEDED)
        );
    }
}
