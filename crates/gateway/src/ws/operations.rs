use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use orchestrator_events::{Filter, Hub};
use orchestrator_rpc::page::ListParams;
use orchestrator_rpc::{Call, Error, Operation, Scope, Scopes, Table};
use orchestrator_vocab::{Clock, Timestamp};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hello::Connected;
use super::peers::{Beat, HeartbeatParams, Introduction, Peer, Peers};
use super::subscriptions::Connection;
use super::topics::Topics;

/// The one version of this protocol.
pub(crate) const PROTOCOL: u32 = 2;
pub(crate) const CONNECT: &str = "auth.connect";

/// The operations of the gateway itself: `auth.connect`, `subscribe`, `unsubscribe`, `connection.heartbeat` and
/// `connection.list`. Merge them into the table, and hand the same `peers` to the gateway.
///
/// All but the last mean something on a WebSocket only; over HTTP they say so. A subscription sees its caller's
/// organisation, starts now or, with `afterSeq`, where an earlier one ended, and tells of what it had to leave out by
/// `stream.gap`.
pub fn operations(hub: Hub, peers: Peers) -> Table {
    let subscribe = move |call: Call, params: SubscribeParams| {
        let hub = hub.clone();
        async move { subscribed(&hub, &call, params).await }
    };
    let unsubscribe = |call: Call, params: UnsubscribeParams| async move { unsubscribed(connection(&call)?, &params) };
    // The first call of a connection is answered by the gateway before there is a session; this is for all others.
    let connect = |call: Call, _: ConnectParams| async move {
        connection(&call)?;
        Err::<Connected, _>(Error::conflict("this connection is authenticated already"))
    };
    let heartbeat = |call: Call, params: HeartbeatParams| async move {
        let own: &Own = call.extensions.get().ok_or_else(needs_websocket)?;
        let now = own.clock.now();
        own.peer.heard(Beat { said: params, at: now });
        Ok(HeartbeatResult { server_time: now, next_heartbeat: now + own.heartbeat_interval })
    };
    let list = move |call: Call, params: ListParams| std::future::ready(peers.list(call.org(), &params));
    let beat = "Says how the client is doing, and that it is alive";
    let on_sockets = Table::new()
        .with(Operation::new(CONNECT, Scope::Read, "Authenticates a WebSocket; its first call", connect))
        .with(Operation::new("subscribe", Scope::Read, "Sends matching events to this WebSocket", subscribe))
        .with(Operation::new("unsubscribe", Scope::Read, "Ends a subscription or a part of it", unsubscribe))
        .with(Operation::new("connection.heartbeat", Scope::Read, beat, heartbeat).free());
    let on_sockets: Table = on_sockets.iter().cloned().map(Operation::on_sockets_only).collect();
    on_sockets.with(Operation::new("connection.list", Scope::Admin, "Lists the open WebSockets", list).read_only())
}

async fn subscribed(hub: &Hub, call: &Call, params: SubscribeParams) -> Result<SubscribeResult, Error> {
    let connection = connection(call)?;
    let SubscribeParams { events, filter, after_seq, subscription_id } = params;
    let id: Arc<str> = match subscription_id {
        Some(name) => checked(name)?.into(),
        None => Connection::fresh_id(),
    };
    let fields = filter.unwrap_or_default();
    if connection.topics(&id).is_none() {
        let topics = Topics::default();
        topics.add(&events, &fields, after_seq.unwrap_or_default())?;
        let filter = topics.filter().unwrap_or_else(Filter::everything);
        connection.check_room()?;
        let subscription = match after_seq {
            Some(after) => hub.subscribe_after(call.org(), filter, after),
            None => hub.subscribe(call.org(), filter).await.map_err(Error::internal)?,
        };
        let after_seq = subscription.cursor();
        let deliveries = topics.clone().stream(hub.clone(), call.org(), subscription).boxed();
        // Another call may have opened it since.
        if connection.subscribe(id.clone(), Some(topics), deliveries).is_ok() {
            return Ok(SubscribeResult { subscription_id: id.to_string(), events, after_seq });
        }
    }
    if after_seq.is_some() {
        return Err(Error::invalid_field("afterSeq", "this subscription is open and goes on where it is"));
    }
    let Some(Some(topics)) = connection.topics(&id) else {
        return Err(Error::conflict("this subscription cannot be added to"));
    };
    let head = hub.log().head(call.org()).await.map_err(Error::internal)?;
    topics.add(&events, &fields, head)?;
    Ok(SubscribeResult { subscription_id: id.to_string(), events: topics.patterns(), after_seq: head })
}

fn unsubscribed(connection: &Connection, params: &UnsubscribeParams) -> Result<Unsubscribed, Error> {
    let id = params.subscription_id.as_str();
    if let Some(events) = &params.events {
        let topics = connection.topics(id).ok_or_else(|| Error::not_found(format!("no subscription {id}")))?;
        let topics = topics.ok_or_else(|| Error::conflict("this subscription ends as a whole"))?;
        if topics.remove(events)? {
            return Ok(Unsubscribed {});
        }
    }
    connection.unsubscribe(id).map(|()| Unsubscribed {})
}

/// The longest id a client may give a subscription.
const NAME_BYTES_MAX: usize = 128;

fn checked(name: String) -> Result<String, Error> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
        return Err(Error::invalid_field("subscriptionId", "expected 1 to 128 letters, digits, `-`, `_`, `.` or `:`"));
    }
    Ok(name)
}

fn connection(call: &Call) -> Result<&Connection, Error> {
    call.extensions.get().ok_or_else(needs_websocket)
}

fn needs_websocket() -> Error {
    Error::invalid_request("this needs a WebSocket: connect to /ws")
}

/// What a connection's calls know of it beside its subscriptions.
pub(crate) struct Own {
    pub(crate) peer: Arc<Peer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) heartbeat_interval: Duration,
}

/// What a client shows first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectParams {
    pub(crate) auth: ConnectAuth,
    /// At least this protocol version; the current one is 2.
    pub(crate) min_protocol: Option<u32>,
    /// At most this protocol version.
    pub(crate) max_protocol: Option<u32>,
    /// Only these of the credential's scopes; all of them if absent.
    pub(crate) scopes: Option<Scopes>,
    /// Who the client says it is; `connection.list` shows it.
    pub(crate) client: Option<Map<String, Value>>,
    /// What the client can do; `connection.list` shows it.
    pub(crate) capabilities: Option<Vec<String>>,
}

/// What a connection keeps of what its client says of itself, in bytes of JSON.
const INTRODUCTION_BYTES_MAX: usize = 4 << 10;

impl ConnectParams {
    /// Takes out who the client says it is.
    pub(crate) fn introduction(&self) -> Result<Option<Introduction>, Error> {
        let Self { client, capabilities, .. } = self;
        if client.is_none() && capabilities.is_none() {
            return Ok(None);
        }
        let introduction = Introduction { client: client.clone(), capabilities: capabilities.clone() };
        let bytes = serde_json::to_vec(&introduction).map_err(Error::internal)?.len();
        if bytes > INTRODUCTION_BYTES_MAX {
            return Err(Error::invalid_field(
                "client",
                format_args!("expected at most {INTRODUCTION_BYTES_MAX} bytes"),
            ));
        }
        Ok(Some(introduction))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectAuth {
    #[serde(rename = "type")]
    pub(crate) kind: CredentialKind,
    pub(crate) token: Token,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CredentialKind {
    Jwt,
    ApiKey,
}

/// A secret that is never printed.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Token(#[schemars(with = "String")] SecretString);

impl Token {
    pub(crate) fn into_secret(self) -> SecretString {
        self.0
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubscribeParams {
    /// Names or patterns: `*` is one segment, `**` any number, `*` alone everything.
    #[schemars(length(min = 1, max = 64))]
    events: Vec<String>,
    /// Fields the payload must have with exactly these values.
    filter: Option<Map<String, Value>>,
    /// Starts after this number instead of now: the last one that was received.
    after_seq: Option<u64>,
    /// The id it shall have, 1 to 128 letters, digits, `-`, `_`, `.` or `:`; one is made if absent. A subscription that is
    /// open under this id gets these events too.
    subscription_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SubscribeResult {
    subscription_id: String,
    events: Vec<String>,
    /// The first event will have a higher number than this.
    after_seq: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UnsubscribeParams {
    subscription_id: String,
    /// Only these patterns; it ends when it has no others.
    events: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
struct Unsubscribed {}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HeartbeatResult {
    server_time: Timestamp,
    /// When the next one is expected.
    next_heartbeat: Timestamp,
}
