use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;

use orchestrator_rpc::{
    Caller, Code, Credential, Error, Frame, Incoming, Message, Reply, RequestId, Scopes, parse_params,
};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::arrival::Arrival;
use super::close::Close;
use super::dialect::{Dialect, Replies};
use super::hello::Connected;
use super::open;
use super::operations::{ConnectParams, CredentialKind, PROTOCOL};
use super::peers::{Introduction, Seat};
use super::socket::{Received, Socket};
use crate::http::TOKEN_EXPIRED;
use crate::shared::{ConnectionId, Shared};

/// What the upgrade found out.
pub(crate) struct Login {
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) address: IpAddr,
    pub(crate) traceparent: Option<String>,
}

/// A connection that knows its caller.
pub(crate) struct Ready {
    pub(crate) id: ConnectionId,
    pub(crate) socket: Socket,
    pub(crate) caller: Arc<Caller>,
    pub(crate) traceparent: Option<String>,
    /// Known already if the caller was found by the first frame.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) seat: Seat,
    pub(crate) arrival: Arrival,
}

/// Who got in by its first frame.
struct Welcome {
    caller: Arc<Caller>,
    seat: Seat,
    arrival: Arrival,
}

/// Why somebody did not get in, and how the close is to be written.
struct Unwelcome {
    /// `None` if there is nobody to talk to.
    close: Option<Close>,
    dialect: Option<Dialect>,
}

impl From<Option<Close>> for Unwelcome {
    fn from(close: Option<Close>) -> Self {
        Self { close, dialect: None }
    }
}

impl From<Close> for Unwelcome {
    fn from(close: Close) -> Self {
        Some(close).into()
    }
}

/// Waits for the first frame if the upgrade carried no credential. `None` if the connection was closed.
pub(crate) async fn connect(shared: &Shared, mut socket: Socket, login: Login) -> Option<Ready> {
    let id = ConnectionId::new();
    let Login { caller, address, traceparent } = login;
    if let Some(caller) = caller {
        let Some(seat) = shared.seat(id, &caller, None) else {
            socket.close(Close::TooManyConnections, None).await;
            return None;
        };
        let window = shared.windows.as_ref().map(|windows| Arc::new(windows.open(caller.org, &caller.subject)));
        let arrival = Arrival { window, ..Arrival::default() };
        socket.trust();
        return Some(Ready { id, socket, caller, traceparent, dialect: None, seat, arrival });
    }
    let found = tokio::select! {
        biased;
        found = timeout(shared.config.authentication_timeout, first_call(shared, &mut socket, address, id)) => {
            found.unwrap_or(Err(Close::AuthenticationTimeout.into()))
        }
        () = shared.phase.stopping.cancelled() => Err(Close::GoingAway.into()),
    };
    match found {
        Ok((Welcome { caller, seat, arrival }, dialect)) => {
            socket.trust();
            Some(Ready { id, socket, caller, traceparent, dialect: Some(dialect), seat, arrival })
        }
        Err(Unwelcome { close: Some(close), dialect }) => {
            socket.close(close, dialect).await;
            None
        }
        Err(Unwelcome { close: None, .. }) => {
            socket.leave().await;
            None
        }
    }
}

async fn first_call(
    shared: &Shared,
    socket: &mut Socket,
    address: IpAddr,
    id: ConnectionId,
) -> Result<(Welcome, Dialect), Unwelcome> {
    let (dialect, frame) = loop {
        let text = next_text(socket).await?;
        let Some(dialect) = Dialect::detect(&text) else {
            socket.push(Dialect::refusal())?;
            return Err(Close::NotADialect.into());
        };
        match dialect.decode(&text) {
            Frame::Single(Incoming::Message(message)) if shared.is_open(&message.method) => {
                let reply = open::answered(shared, message, address, id).await;
                let text = reply.and_then(|reply| dialect.encode(&Replies::One(reply), &*shared.clock));
                text.map_or(Ok(()), |text| socket.push(text))?;
            }
            frame => break (dialect, frame),
        }
    };
    let unwelcome = |close| Unwelcome { close: Some(close), dialect: Some(dialect) };
    let (reply_to, outcome) = match frame {
        Frame::Single(Incoming::Message(message)) => {
            (message.id.clone(), authenticate(shared, &message, address, id, dialect).await)
        }
        Frame::Single(Incoming::Refused(reply)) => (Some(reply.id), Err(reply.outcome.err().unwrap_or_else(missing))),
        Frame::Batch(_) => (Some(RequestId::null()), Err(missing())),
    };
    let (welcome, outcome) = match outcome {
        Ok((welcome, hello)) => (Ok((welcome, dialect)), Ok(hello)),
        Err(error) => (Err(close_for(&error)), Err(error)),
    };
    let text = reply_to.and_then(|id| dialect.encode(&Replies::One(Reply { id, outcome }), &*shared.clock));
    if let Some(text) = text {
        socket.push(text).map_err(unwelcome)?;
    }
    welcome.map_err(unwelcome)
}

async fn next_text(socket: &mut Socket) -> Result<Utf8Bytes, Option<Close>> {
    loop {
        match poll_fn(|cx| poll_received_and_write(socket, cx)).await {
            Received::Text(text) => return Ok(text),
            Received::Sign => {}
            Received::Gone => return Err(None),
            Received::Fault(close) => return Err(Some(close)),
        }
    }
}

/// Pongs have to leave also while nothing else does.
fn poll_received_and_write(socket: &mut Socket, cx: &mut std::task::Context<'_>) -> std::task::Poll<Received> {
    if let std::task::Poll::Ready(Err(_)) = socket.poll_write(cx) {
        return std::task::Poll::Ready(Received::Gone);
    }
    socket.poll_received(cx)
}

async fn authenticate(
    shared: &Shared,
    message: &Message,
    address: IpAddr,
    id: ConnectionId,
    dialect: Dialect,
) -> Result<(Welcome, Box<RawValue>), Error> {
    if message.method != super::operations::CONNECT {
        return Err(missing());
    }
    let params: ConnectParams = parse_params(message.params.as_deref())?;
    check_protocol(&params)?;
    let introduction = params.introduction()?;
    let auth = params.auth.ok_or_else(missing)?;
    let secret = auth.token.into_secret();
    let credential = match auth.kind {
        CredentialKind::Jwt => Credential::Bearer(secret),
        CredentialKind::ApiKey => Credential::ApiKey(secret),
    };
    let caller = narrowed(shared.login(&credential, address).await?, params.scopes);
    // Here a client cannot ask for scopes, so without any it could do nothing at all.
    if dialect == Dialect::Envelope && caller.scopes.is_empty() {
        return Err(Error::forbidden("the credential has no scope"));
    }
    let seat = shared.seat(id, &caller, introduction).ok_or_else(full)?;
    let arrival = Arrival::of(shared, &caller, params.resume_token.as_deref()).await?;
    let hello = Connected::new(shared, &caller, id, &arrival);
    let hello = to_raw_value(&hello).map_err(Error::internal)?;
    Ok((Welcome { caller, seat, arrival }, hello))
}

pub(super) fn check_protocol(params: &ConnectParams) -> Result<(), Error> {
    let theirs = params.min_protocol.unwrap_or(PROTOCOL)..=params.max_protocol.unwrap_or(PROTOCOL);
    if theirs.contains(&PROTOCOL) {
        return Ok(());
    }
    Err(Error::new(Code::ProtocolMismatch, format!("the protocol spoken here is {PROTOCOL}")))
}

impl Shared {
    fn seat(&self, id: ConnectionId, caller: &Caller, introduction: Option<Introduction>) -> Option<Seat> {
        self.peers.enter(id, caller, introduction, self.clock.now(), self.config.connections_per_credential_max)
    }
}

/// The scopes of the credential, or those of them that were asked for.
pub(super) fn narrowed(caller: Arc<Caller>, requested: Option<Scopes>) -> Arc<Caller> {
    let Some(requested) = requested else { return caller };
    let mut caller = Arc::unwrap_or_clone(caller);
    caller.scopes = caller.scopes.intersection(requested);
    Arc::new(caller)
}

fn missing() -> Error {
    Error::unauthorized("authenticate first")
}

fn full() -> Error {
    Error::unavailable("too many connections of this credential").with_data(json!({ "reason": MAX_CONNECTIONS }))
}

const MAX_CONNECTIONS: &str = "MAX_CONNECTIONS";

pub(super) fn close_for(error: &Error) -> Close {
    let reason = error.data.as_ref().and_then(|data| data.get("reason")?.as_str());
    match (reason, error.code) {
        (Some(MAX_CONNECTIONS), _) => Close::TooManyConnections,
        (Some(TOKEN_EXPIRED), _) => Close::Expired,
        (_, Code::RateLimited) => Close::RateLimited,
        (_, Code::ProtocolMismatch) => Close::ProtocolMismatch,
        (_, Code::Parse | Code::InvalidRequest) => Close::ProtocolError,
        (_, Code::Internal | Code::Unavailable | Code::Timeout) => Close::Internal,
        (_, Code::Forbidden) => Close::InsufficientScope,
        _ => Close::AuthenticationFailed,
    }
}
