use orchestrator_events::{Filter, Hub};
use orchestrator_rpc::{Call, Caller, Error, Operation, Scope, Scopes, Table};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::subscriptions::Connection;
use crate::shared::{ConnectionId, Shared};

/// The one version of this protocol.
pub(crate) const PROTOCOL: u32 = 2;
pub(crate) const CONNECT: &str = "auth.connect";

/// The operations of the gateway itself: `auth.connect`, `subscribe` and `unsubscribe`. Merge them into the table.
///
/// They mean something on a WebSocket only; over HTTP they say so. A subscription sees its caller's organisation, starts
/// now or, with `afterSeq`, where an earlier one ended, and tells of what it had to leave out by `stream.gap`.
pub fn operations(hub: Hub) -> Table {
    let subscribe = move |call: Call, params: SubscribeParams| {
        let hub = hub.clone();
        async move { subscribed(&hub, &call, params).await }
    };
    let unsubscribe = |call: Call, params: UnsubscribeParams| async move {
        connection(&call)?.unsubscribe(&params.subscription_id).map(|()| Unsubscribed {})
    };
    // The first call of a connection is answered by the gateway before there is a session; this is for all others.
    let connect = |call: Call, _: ConnectParams| async move {
        connection(&call)?;
        Err::<Connected, _>(Error::conflict("this connection is authenticated already"))
    };
    Table::new()
        .with(Operation::new(CONNECT, Scope::Read, "Authenticates a WebSocket; its first call", connect))
        .with(Operation::new("subscribe", Scope::Read, "Sends matching events to this WebSocket", subscribe))
        .with(Operation::new("unsubscribe", Scope::Read, "Ends a subscription", unsubscribe))
}

async fn subscribed(hub: &Hub, call: &Call, params: SubscribeParams) -> Result<SubscribeResult, Error> {
    let connection = connection(call)?;
    let filter = Filter::parse(&params.events).map_err(|error| Error::invalid_field("events", error))?;
    let filter = filter.with_fields(params.filter.unwrap_or_default());
    connection.check_room()?;
    let subscription = match params.after_seq {
        Some(after) => hub.subscribe_after(call.org(), filter, after),
        None => hub.subscribe(call.org(), filter).await.map_err(Error::internal)?,
    };
    let after_seq = subscription.cursor();
    let subscription_id = connection.subscribe(subscription)?;
    Ok(SubscribeResult { subscription_id, events: params.events, after_seq })
}

fn connection(call: &Call) -> Result<&Connection, Error> {
    call.extensions.get().ok_or_else(|| Error::invalid_request("this needs a WebSocket: connect to /ws"))
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
    /// Who the client says it is; for people who read logs.
    #[expect(dead_code, reason = "accepted for clients that introduce themselves; nothing depends on it")]
    client: Option<Map<String, Value>>,
    /// What the client can do.
    #[expect(dead_code, reason = "as above")]
    capabilities: Option<Vec<String>>,
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

/// The server's side of an introduction.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connected {
    protocol: u32,
    connection_id: String,
    server: ServerInfo,
    auth: Granted,
    policy: Policy,
}

#[derive(Serialize, JsonSchema)]
struct ServerInfo {
    name: String,
    version: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Granted {
    scopes: Scopes,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Policy {
    max_payload_bytes: usize,
    heartbeat_interval_ms: u64,
    heartbeat_timeout_ms: u64,
    max_buffered_bytes: usize,
}

impl Connected {
    pub(crate) fn new(shared: &Shared, caller: &Caller, id: ConnectionId) -> Self {
        let config = &shared.config;
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            protocol: PROTOCOL,
            connection_id: id.to_string(),
            server: ServerInfo { name: shared.server.name.clone(), version: shared.server.version.clone() },
            auth: Granted { scopes: caller.scopes, expires_at_ms: caller.expires_at.map(|at| at.millis()) },
            policy: Policy {
                max_payload_bytes: config.message_bytes_max,
                heartbeat_interval_ms: millis(config.ping_interval),
                heartbeat_timeout_ms: millis(config.ping_interval * config.pings_missed_max),
                max_buffered_bytes: config.send_queue_bytes_max,
            },
        }
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
}

#[derive(Serialize, JsonSchema)]
struct Unsubscribed {}
