use orchestrator_events::Restored;
use orchestrator_rpc::{Caller, Scopes};
use schemars::JsonSchema;
use serde::Serialize;

use super::arrival::Arrival;
use super::operations::PROTOCOL;
use crate::shared::{ConnectionId, Shared};

const CAPABILITIES: [&str; 5] = ["subscriptions", "resumeAfterSeq", "resumeToken", "heartbeats", "reconnectNotice"];
/// What the gateway itself tells.
const OWN_EVENTS: [&str; 4] = ["stream.gap", "health.heartbeat", "connection.reconnect", "connection.rateLimit"];

/// The server's side of an introduction.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connected {
    /// Always `hello`.
    #[serde(rename = "type")]
    kind: &'static str,
    protocol: u32,
    connection_id: String,
    server: ServerInfo,
    /// The operations that can be called.
    methods: Vec<String>,
    /// The events that can be subscribed to.
    events: Vec<&'static str>,
    auth: Granted,
    policy: Policy,
    /// To be shown by the next connection, to go on where this one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_token: Option<String>,
    /// Whether the token that was shown was good; if it was not, subscribe again.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    /// What goes on, in the order it was subscribed to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions: Vec<Resumed>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Resumed {
    subscription_id: String,
    events: Vec<String>,
    /// The first event will have a higher number than this.
    after_seq: u64,
    /// Whether its events have to be acknowledged.
    requires_ack: bool,
}

#[derive(Serialize, JsonSchema)]
struct ServerInfo {
    name: String,
    version: String,
    /// What this server does beyond answering calls.
    capabilities: [&'static str; 5],
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
    pub(crate) fn new(shared: &Shared, caller: &Caller, id: ConnectionId, arrival: &Arrival) -> Self {
        let config = &shared.config;
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            kind: "hello",
            protocol: PROTOCOL,
            connection_id: id.to_string(),
            server: ServerInfo {
                name: shared.server.name.clone(),
                version: shared.server.version.clone(),
                capabilities: CAPABILITIES,
            },
            methods: shared.table.iter().map(|operation| operation.name().to_owned()).collect(),
            events: OWN_EVENTS.into_iter().chain(shared.events.iter().copied()).collect(),
            auth: Granted { scopes: caller.scopes, expires_at_ms: caller.expires_at.map(|at| at.millis()) },
            policy: Policy {
                max_payload_bytes: config.message_bytes_max,
                heartbeat_interval_ms: millis(config.ping_interval),
                heartbeat_timeout_ms: millis(config.ping_interval * config.pings_missed_max),
                max_buffered_bytes: config.send_queue_bytes_max,
            },
            resume_token: arrival.window.as_ref().map(|window| window.token()),
            resumed: arrival.resumed,
            subscriptions: arrival.restored.iter().map(Resumed::of).collect(),
        }
    }
}

impl Resumed {
    fn of(restored: &Restored) -> Self {
        Self {
            subscription_id: restored.id.clone(),
            events: restored.parts.iter().map(|part| part.pattern.clone()).collect(),
            after_seq: restored.subscription.cursor(),
            requires_ack: restored.subscription.requires_acknowledgement(),
        }
    }
}
