//! The calls of Flight: what is asked for, by whom, and who answers.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{
    Any, Command, DoPutPreparedStatementResult, DoPutUpdateResult, ProstMessageExt,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::{Stream, StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::messages::{self, Messages};
use super::sessions::{Session, Sessions, new_token};
use super::statements::{self, Fetched, Ticketed};
use super::{DOOR, Shared, actions, browsing, envelope, parameters};
use crate::failure::{Failure, SqlState};
use crate::random::random_bytes;
use crate::serve::{Credentials, Parent, Service};

/// Sessions of one connection at a time: as a rule one, many where a proxy brings many users.
const SESSIONS: usize = 500;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The header that shows who calls.
const AUTHORIZATION: &str = "authorization";

/// The door as one connection sees it.
pub(super) struct FlightDoor {
    service: Arc<Service>,
    shared: Arc<Shared>,
    /// The other sessions of this connection.
    sessions: Sessions,
    /// Has the connection a place? Without one every call is refused.
    has_place: bool,
    /// Cancelled when somebody has proved who they are.
    pub(super) known: CancellationToken,
}

impl FlightDoor {
    pub(super) fn new(service: Arc<Service>, shared: Arc<Shared>, has_place: bool) -> Self {
        Self {
            service,
            shared,
            sessions: Sessions::new(SESSIONS),
            has_place,
            known: CancellationToken::new(),
        }
    }

    /// The session of whoever calls.
    async fn session(&self, metadata: &MetadataMap) -> Result<Arc<Session>, Failure> {
        self.has_place()?;
        let credentials = credentials(metadata)?;
        if let Credentials::Bearer(token) = &credentials
            && let Some(session) = self.shared.tokens.find(token)
        {
            self.known.cancel();
            return Ok(session);
        }
        let secret = credentials.secret();
        // Asked each time: what was right a moment ago may have expired.
        let identity = credentials.identity(&self.service).await?;
        self.known.cancel();
        let found = self.sessions.find(&secret);
        // What proves who somebody is may prove somebody else after the configuration was read again.
        match found.filter(|session| session.client.identity.name == identity.name) {
            Some(session) => Ok(session),
            None => {
                let client = self.service.connect(identity, DOOR.name)?;
                self.sessions.add(&secret, client)
            }
        }
    }

    fn has_place(&self) -> Result<(), Failure> {
        match self.has_place {
            true => Ok(()),
            false => Err(Failure::with_state(
                SqlState::TOO_MANY_CONNECTIONS,
                "the server has too many connections; try again in some seconds",
            )),
        }
    }

    /// Ends the session of whoever calls.
    pub(super) fn close(&self, metadata: &MetadataMap) -> Result<(), Failure> {
        let credentials = credentials(metadata)?;
        if let Credentials::Bearer(token) = &credentials {
            self.shared.tokens.close(token);
        }
        self.sessions.close(&credentials.secret());
        Ok(())
    }

    /// What answers a command. Nothing is run, and nothing is kept unless its tickets are wanted.
    async fn plan(
        &self,
        request: &Request<FlightDescriptor>,
        has_tickets: bool,
    ) -> Result<Plan, Status> {
        let session = self.session(request.metadata()).await?;
        Ok(match envelope::open(&request.get_ref().cmd)? {
            Command::CommandStatementQuery(query) => {
                let client = &session.client;
                let (described, divided) = match has_tickets {
                    true => client.divide(&query.query).await?,
                    false => (client.describe(&query.query).await?, None),
                };
                let handle = random_bytes()?;
                let user = &client.identity.name;
                let divisions = &self.shared.divisions;
                let count = divided.and_then(|divided| divisions.keep(handle, user, divided));
                let fetched = match count {
                    Some(count) => (0..count).map(Fetched::Part).collect(),
                    None => vec![Fetched::Statement(query.query)],
                };
                let tickets = fetched.into_iter().map(|fetched| {
                    let statement_handle = Ticketed { handle, fetched }.to_bytes().into();
                    TicketStatementQuery { statement_handle }.as_any()
                });
                Plan {
                    columns: described.columns,
                    tickets: tickets.collect(),
                    hangs_on_values: false,
                }
            }
            Command::CommandPreparedStatementQuery(query) => {
                let prepared = session.prepared(&query.prepared_statement_handle)?;
                Plan {
                    columns: Arc::clone(&prepared.described.columns),
                    tickets: vec![query.as_any()],
                    hangs_on_values: !prepared.described.parameters.is_empty(),
                }
            }
            command => match browsing::columns(&command) {
                Some(columns) => Plan {
                    columns,
                    tickets: vec![command.into_any()],
                    hangs_on_values: false,
                },
                None => return Err(unknown(&command)),
            },
        })
    }
}

/// What answers a command.
struct Plan {
    columns: SchemaRef,
    /// What fetches the rows, without envelopes: one ticket all of them, several a part each.
    tickets: Vec<Any>,
    /// Are the types of columns certain only when `$1`, `$2`, … have values?
    hangs_on_values: bool,
}

#[async_trait]
impl FlightService for FlightDoor {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Messages;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        self.has_place()?;
        let credentials = credentials(request.metadata())?;
        let identity = credentials.identity(&self.service).await?;
        self.known.cancel();
        let token = new_token()?;
        let client = self.service.connect(identity, DOOR.name)?;
        self.shared.tokens.add(&token, client)?;
        let header = AsciiMetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|error| Status::internal(error.to_string()))?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: token.into(),
        };
        let mut response = Response::new(answers([answer]));
        response.metadata_mut().insert(AUTHORIZATION, header);
        Ok(response)
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let plan = self.plan(&request, true).await?;
        let mut info = FlightInfo::new()
            .with_ordered(plan.tickets.len() == 1)
            .with_descriptor(request.into_inner());
        for ticket in &plan.tickets {
            let ticket = envelope::close(ticket);
            info = info.with_endpoint(FlightEndpoint::new().with_ticket(Ticket { ticket }));
        }
        if !plan.hangs_on_values {
            info.schema = messages::schema_message(&plan.columns)?;
        }
        Ok(Response::new(info))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let plan = self.plan(&request, false).await?;
        let schema = messages::schema_message(&plan.columns)?;
        Ok(Response::new(SchemaResult { schema }))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Messages>, Status> {
        let session = self.session(request.metadata()).await?;
        let options = messages::options(request.metadata())?;
        let parent = parent(request.metadata());
        let (handle, text, values) = match envelope::open(&request.get_ref().ticket)? {
            Command::TicketStatementQuery(ticket) => {
                let Ticketed { handle, fetched } = Ticketed::from_bytes(&ticket.statement_handle)?;
                match fetched {
                    Fetched::Statement(text) => (handle, text, vec![]),
                    Fetched::Part(number) => {
                        let user = &session.client.identity.name;
                        let taking = self.shared.divisions.take(&handle, user)?;
                        let part = statements::part(session, taking, number, parent);
                        let (schema, batches) = part.await?;
                        return Ok(Response::new(messages::encode(&schema, batches, options)));
                    }
                }
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = query.prepared_statement_handle.as_ref();
                let prepared = session.prepared(handle)?;
                (random_bytes()?, prepared.text.clone(), prepared.bound())
            }
            command => {
                let Some(schema) = browsing::columns(&command) else {
                    return Err(unknown(&command));
                };
                let batch = browsing::rows(&session, command).await?;
                let batches = stream::iter([Ok(batch)]);
                return Ok(Response::new(messages::encode(&schema, batches, options)));
            }
        };
        let (schema, batches) =
            statements::run(session.begin(handle).below(parent), text, values).await?;
        Ok(Response::new(messages::encode(&schema, batches, options)))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let session = self.session(request.metadata()).await?;
        let parent = parent(request.metadata());
        let mut messages = request.into_inner();
        let first = timeout(parameters::PATIENCE, messages.message()).await;
        let first = first.map_err(|_| parameters::late())??;
        let descriptor = first
            .as_ref()
            .and_then(|data| data.flight_descriptor.as_ref());
        let Some(descriptor) = descriptor else {
            let text = "the first message of DoPut says nothing about what to do with the rest";
            return Err(Status::invalid_argument(text));
        };
        let command = envelope::open(&descriptor.cmd)?;
        let messages = stream::iter(first.map(Ok)).chain(messages);
        let result = match command {
            Command::CommandStatementUpdate(update) => {
                let running = session.begin(random_bytes()?).below(parent);
                let record_count = statements::update(running, update.query, vec![]).await?;
                DoPutUpdateResult { record_count }.as_any()
            }
            Command::CommandPreparedStatementUpdate(update) => {
                let prepared = session.prepared(&update.prepared_statement_handle)?;
                let values = parameters::read(messages).await?;
                let running = session.begin(random_bytes()?).below(parent);
                let text = prepared.text.clone();
                let record_count = statements::update(running, text, values).await?;
                DoPutUpdateResult { record_count }.as_any()
            }
            Command::CommandPreparedStatementQuery(query) => {
                let prepared = session.prepared(&query.prepared_statement_handle)?;
                prepared.bind(parameters::read(messages).await?);
                let prepared_statement_handle = Some(query.prepared_statement_handle);
                DoPutPreparedStatementResult {
                    prepared_statement_handle,
                }
                .as_any()
            }
            command => return Err(unknown(&command)),
        };
        // Results of DoPut travel without an envelope.
        let Any { value, .. } = result;
        Ok(Response::new(answers([PutResult {
            app_metadata: value,
        }])))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let session = self.session(request.metadata()).await?;
        let body = match request.get_ref().r#type.as_str() {
            actions::CLOSE_SESSION => {
                self.close(request.metadata())?;
                Some(actions::SESSION_CLOSED.into())
            }
            _ => actions::act(&session, &self.shared.divisions, request.get_ref()).await?,
        };
        let results = body.map(|body| arrow_flight::Result { body });
        Ok(Response::new(answers(results)))
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        self.session(request.metadata()).await?;
        Ok(Response::new(answers(actions::list())))
    }

    async fn list_flights(
        &self,
        _request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(unsupported("ListFlights", "ask for the tables"))
    }

    async fn poll_flight_info(
        &self,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(unsupported("PollFlightInfo", "use GetFlightInfo"))
    }

    async fn do_exchange(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(unsupported("DoExchange", "use DoGet and DoPut"))
    }
}

fn answers<T: Send + 'static>(
    answers: impl IntoIterator<Item = T, IntoIter: Send + 'static>,
) -> Answers<T> {
    Box::pin(stream::iter(answers).map(Ok))
}

fn unsupported(call: &str, remedy: &str) -> Status {
    Status::unimplemented(format!("{call} is not supported; {remedy}"))
}

/// What a call shows of its caller.
fn credentials(metadata: &MetadataMap) -> Result<Credentials, Failure> {
    Credentials::of(metadata.get(AUTHORIZATION).map(|header| header.as_bytes()))
}

/// The span that a caller says its statement belongs to.
fn parent(metadata: &MetadataMap) -> Option<Parent> {
    Parent::in_headers(|name| metadata.get(name)?.to_str().ok())
}

fn unknown(command: &Command) -> Status {
    let name = command.type_url().rsplit('.').next().unwrap_or_default();
    Status::unimplemented(format!("the command {name:?} is not supported here"))
}
