use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;

use orchestrator_rpc::{
    Caller, Code, Credential, Error, Frame, Incoming, Message, Reply, RequestId, Scopes, parse_params,
};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::timeout;

use super::dialect::{Dialect, Replies};
use super::operations::{ConnectParams, Connected, CredentialKind, PROTOCOL};
use super::socket::{Close, Received, Socket};
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
}

/// Waits for the first frame if the upgrade carried no credential. `None` if the connection was closed.
pub(crate) async fn connect(shared: &Shared, mut socket: Socket, login: Login) -> Option<Ready> {
    let id = ConnectionId::new();
    let Login { caller, address, traceparent } = login;
    if let Some(caller) = caller {
        socket.trust();
        return Some(Ready { id, socket, caller, traceparent, dialect: None });
    }
    let found = tokio::select! {
        biased;
        found = timeout(shared.config.authentication_timeout, first_call(shared, &mut socket, address, id)) => {
            found.unwrap_or(Err(Some(Close::AuthenticationTimeout)))
        }
        () = shared.phase.stopping.cancelled() => Err(Some(Close::GoingAway)),
    };
    match found {
        Ok((caller, dialect)) => {
            socket.trust();
            Some(Ready { id, socket, caller, traceparent, dialect: Some(dialect) })
        }
        Err(Some(close)) => {
            socket.close(close).await;
            None
        }
        Err(None) => {
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
) -> Result<(Arc<Caller>, Dialect), Option<Close>> {
    let text = loop {
        match poll_fn(|cx| poll_received_and_write(socket, cx)).await {
            Received::Text(text) => break text,
            Received::Sign => {}
            Received::Gone => return Err(None),
            Received::Fault(close) => return Err(Some(close)),
        }
    };
    let Some(dialect) = Dialect::detect(&text) else {
        socket.push(Dialect::refusal())?;
        return Err(Some(Close::NotADialect));
    };
    let (reply_to, outcome) = match dialect.decode(&text) {
        Frame::Single(Incoming::Message(message)) => {
            (message.id.clone(), authenticate(shared, &message, address, id).await)
        }
        Frame::Single(Incoming::Refused(reply)) => (Some(reply.id), Err(reply.outcome.err().unwrap_or_else(missing))),
        Frame::Batch(_) => (Some(RequestId::null()), Err(missing())),
    };
    let (caller, outcome) = match outcome {
        Ok((caller, hello)) => (Ok(caller), Ok(hello)),
        Err(error) => (Err(close_for(error.code)), Err(error)),
    };
    if let Some(text) = reply_to.and_then(|id| dialect.encode(&Replies::One(Reply { id, outcome }))) {
        socket.push(text)?;
    }
    caller.map(|caller| (caller, dialect)).map_err(Some)
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
) -> Result<(Arc<Caller>, Box<RawValue>), Error> {
    if message.method != super::operations::CONNECT {
        return Err(missing());
    }
    let params: ConnectParams = parse_params(message.params.as_deref())?;
    let theirs = params.min_protocol.unwrap_or(PROTOCOL)..=params.max_protocol.unwrap_or(PROTOCOL);
    if !theirs.contains(&PROTOCOL) {
        return Err(Error::new(Code::ProtocolMismatch, format!("the protocol spoken here is {PROTOCOL}")));
    }
    let secret = params.auth.token.into_secret();
    let credential = match params.auth.kind {
        CredentialKind::Jwt => Credential::Bearer(secret),
        CredentialKind::ApiKey => Credential::ApiKey(secret),
    };
    let caller = narrowed(shared.login(&credential, address).await?, params.scopes);
    let hello = Connected::new(shared, &caller, id);
    Ok((caller, to_raw_value(&hello).map_err(Error::internal)?))
}

/// The scopes of the credential, or those of them that were asked for.
fn narrowed(caller: Arc<Caller>, requested: Option<Scopes>) -> Arc<Caller> {
    let Some(requested) = requested else { return caller };
    let mut caller = Arc::unwrap_or_clone(caller);
    caller.scopes = caller.scopes.intersection(requested);
    Arc::new(caller)
}

fn missing() -> Error {
    Error::unauthorized("authenticate first: call auth.connect")
}

fn close_for(code: Code) -> Close {
    match code {
        Code::RateLimited => Close::RateLimited,
        Code::ProtocolMismatch | Code::Parse | Code::InvalidRequest => Close::ProtocolError,
        _ => Close::AuthenticationFailed,
    }
}
