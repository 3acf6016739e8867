use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use orchestrator_events::{Filter, Hub, Subscription, Wanted};
use orchestrator_rpc::page::ListParams;
use orchestrator_rpc::{Call, Error, Operation, Scope, Scopes, Table};
use orchestrator_vocab::{Clock, EventId, Timestamp};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hello::Connected;
use super::peers::{Beat, HeartbeatParams, Introduction, Peer, Peers};
use super::source::Source;
use super::subscriptions::Connection;
use super::topics::Topics;

/// The one version of this protocol.
pub(crate) const PROTOCOL: u32 = 2;
pub(crate) const CONNECT: &str = "auth.connect";
/// What `auth.connect` is told that comes too late, or with a credential that nobody asked for.
pub(crate) const ALREADY: &str = "this connection is authenticated already";

/// The operations of the gateway itself: `auth.connect`, `subscribe`, `unsubscribe`, `event.ack`, `connection.heartbeat`
/// and `connection.list`. Merge them into the table, and hand the same `peers` to the gateway.
///
/// All but the last mean something on a WebSocket only; over HTTP they say so. A subscription sees its caller's
/// organisation, starts now or, with `afterSeq`, where an earlier one ended, and tells of what it had to leave out by
/// `stream.gap`.
pub fn operations(hub: Hub, peers: Peers) -> Table {
    let subscribe = move |call: Call, params: SubscribeParams| {
        let hub = hub.clone();
        async move { subscribed(&hub, &call, params).await }
    };
    let unsubscribe =
        |call: Call, params: UnsubscribeParams| async move { unsubscribed(connection(&call)?, &params).await };
    let acknowledge = |call: Call, params: AckParams| async move { acknowledged(connection(&call)?, &params) };
    // The first frame of a connection is answered by the gateway itself; this is for all others.
    let connect = |call: Call, _: ConnectParams| async move {
        connection(&call)?;
        Err::<Connected, _>(Error::conflict(ALREADY))
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
        .with(Operation::new("event.ack", Scope::Read, "Says which events have arrived", acknowledge).free())
        .with(Operation::new("connection.heartbeat", Scope::Read, beat, heartbeat).free());
    let on_sockets: Table = on_sockets.iter().cloned().map(Operation::on_sockets_only).collect();
    on_sockets.with(Operation::new("connection.list", Scope::Admin, "Lists the open WebSockets", list).read_only())
}

async fn subscribed(hub: &Hub, call: &Call, params: SubscribeParams) -> Result<SubscribeResult, Error> {
    let connection = connection(call)?;
    let SubscribeParams { events, filter, after_seq, subscription_id, requires_ack } = params;
    let id: Arc<str> = match subscription_id {
        Some(name) => checked(name)?.into(),
        None => Connection::fresh_id(),
    };
    let resume_token = connection.window().map(|window| window.token());
    let own: &Own = call.extensions.get().ok_or_else(needs_websocket)?;
    let by_default = || resume_token.is_some() && own.peer.dialect.get().is_some_and(|dialect| dialect.acknowledges());
    let requires_ack = requires_ack.unwrap_or_else(by_default);
    let fields = filter.unwrap_or_default();
    if connection.topics(&id).is_none() {
        let topics = Topics::default();
        topics.add(&events, &fields, after_seq.unwrap_or_default())?;
        connection.check_room()?;
        // Another call may have opened it since.
        if connection.take(id.clone(), Some(topics.clone())).is_ok() {
            let opening = Opening { hub, call, connection, id: id.clone(), topics, after_seq, requires_ack };
            let after_seq = opening.open().await.inspect_err(|_| connection.give_up(&id))?;
            return Ok(SubscribeResult { subscription_id: id.to_string(), events, after_seq, resume_token });
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
    remember(connection, &id, &topics).await?;
    let events = topics.patterns();
    Ok(SubscribeResult { subscription_id: id.to_string(), events, after_seq: head, resume_token })
}

/// A subscription whose id is taken and which is not there yet.
struct Opening<'a> {
    hub: &'a Hub,
    call: &'a Call,
    connection: &'a Connection,
    id: Arc<str>,
    topics: Topics,
    after_seq: Option<u64>,
    requires_ack: bool,
}

impl Opening<'_> {
    /// Answers the number after which it begins.
    async fn open(self) -> Result<u64, Error> {
        let (subscription, source) = self.subscribe().await?;
        let Self { connection, id, topics, .. } = self;
        let after_seq = subscription.cursor();
        let is_there = connection.begin(id.clone(), topics.clone().stream(source, subscription).boxed());
        // Meanwhile others may have added to it, or ended it.
        if !is_there && let Some(window) = connection.window() {
            window.unsubscribe(&id).await.map_err(Error::internal)?;
        } else if topics.has_changed() {
            remember(connection, &id, &topics).await?;
        }
        Ok(after_seq)
    }

    async fn subscribe(&self) -> Result<(Subscription, Source), Error> {
        let org = self.call.org();
        if let Some(window) = self.connection.window() {
            let (id, parts) = (self.id.to_string(), self.topics.parts());
            let wanted = Wanted { id, parts, after: self.after_seq, requires_ack: self.requires_ack };
            let subscription = window.subscribe(wanted).await.map_err(Error::internal)?;
            return Ok((subscription, Source::Window(window.clone(), self.id.clone())));
        }
        if self.requires_ack {
            return Err(Error::invalid_field("requiresAck", "this server keeps no windows"));
        }
        let filter = self.topics.filter().unwrap_or_else(Filter::everything);
        let subscription = match self.after_seq {
            Some(after) => self.hub.subscribe_after(org, filter, after),
            None => self.hub.subscribe(org, filter).await.map_err(Error::internal)?,
        };
        Ok((subscription, Source::Hub(self.hub.clone(), org)))
    }
}

async fn remember(connection: &Connection, id: &str, topics: &Topics) -> Result<(), Error> {
    match connection.window() {
        Some(window) => window.define(id, topics.parts()).await.map_err(Error::internal),
        None => Ok(()),
    }
}

async fn unsubscribed(connection: &Connection, params: &UnsubscribeParams) -> Result<Unsubscribed, Error> {
    let id = params.subscription_id.as_str();
    if let Some(events) = &params.events {
        let topics = connection.topics(id).ok_or_else(|| Error::not_found(format!("no subscription {id}")))?;
        let topics = topics.ok_or_else(|| Error::conflict("this subscription ends as a whole"))?;
        if topics.remove(events)? {
            remember(connection, id, &topics).await?;
            return Ok(Unsubscribed {});
        }
    }
    connection.unsubscribe(id)?;
    if let Some(window) = connection.window() {
        window.unsubscribe(id).await.map_err(Error::internal)?;
    }
    Ok(Unsubscribed {})
}

fn acknowledged(connection: &Connection, params: &AckParams) -> Result<Acknowledged, Error> {
    let window = connection.window().ok_or_else(|| Error::conflict("this server keeps no windows"))?;
    match (params.seq, &params.event_ids) {
        (Some(seq), None) => window.acknowledge(seq, params.subscription_id.as_deref()),
        (None, Some(ids)) if ids.len() <= ACKNOWLEDGED_MAX => {
            window.acknowledge_ids(ids, params.subscription_id.as_deref());
        }
        (None, Some(_)) => {
            return Err(Error::invalid_field("eventIds", format_args!("expected at most {ACKNOWLEDGED_MAX}")));
        }
        _ => return Err(Error::invalid_params("expected either `seq` or `eventIds`").with_field("seq")),
    }
    Ok(Acknowledged {})
}

/// The most events acknowledged by their ids at once; one number acknowledges any number of them.
const ACKNOWLEDGED_MAX: usize = 1_000;
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
    /// Required, unless the upgrade carried a credential: then there is no other.
    pub(crate) auth: Option<ConnectAuth>,
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
    /// What an earlier connection of the same subject was given: this one takes its place.
    pub(crate) resume_token: Option<String>,
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
    /// Sends each event again until `event.ack` says that it has arrived, also to a later connection. Otherwise an event
    /// counts as delivered once it is written. Decided when the subscription is opened. Default: in the session envelope,
    /// if the server keeps windows.
    requires_ack: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SubscribeResult {
    subscription_id: String,
    events: Vec<String>,
    /// The first event will have a higher number than this.
    after_seq: u64,
    /// To be shown to `auth.connect` by the next connection, to go on where this one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_token: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AckParams {
    /// Everything up to and with this number has arrived, as far as it was sent: on every subscription, unless one is named.
    seq: Option<u64>,
    /// The same, by ids: the last of them and everything before it.
    event_ids: Option<Vec<EventId>>,
    /// Only on this subscription. One that is not open has nothing to acknowledge.
    subscription_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Acknowledged {}

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
