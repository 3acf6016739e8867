use std::sync::Arc;

use orchestrator_events::Windows;
use orchestrator_rpc::{Authenticator, Table};
use orchestrator_vocab::{Clock, Id, Kind};
use schemars::Schema;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::{CallService, Config, Counters, Limits, Mount, OpenPage, Page, Peers, Readiness, Tls};

/// What connections of a gateway share: all that were accepted under one configuration, and, but for that, all others.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) table: Arc<Table>,
    pub(crate) calls: CallService,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) limits: Arc<dyn Limits>,
    pub(crate) readiness: Arc<dyn Readiness>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pages: Arc<Vec<NamedPage>>,
    pub(crate) mounts: Arc<Vec<NamedMount>>,
    /// What `/openapi.json` answers.
    pub(crate) openapi: Arc<RawValue>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) server: Server,
    /// The events that can be subscribed to, beside the gateway's own.
    pub(crate) events: Vec<&'static str>,
    pub(crate) peers: Peers,
    /// For subscribers that go away and come back.
    pub(crate) windows: Option<Windows>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) phase: Phase,
}

/// A page and where it is.
pub(crate) struct NamedPage {
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    /// For its description.
    pub(crate) summary: String,
    pub(crate) schema: Option<Schema>,
    pub(crate) page: AnyPage,
}

/// Another protocol and where it is spoken.
pub(crate) struct NamedMount {
    pub(crate) path: String,
    pub(crate) mount: Mount,
}

/// A page and who may see it.
pub(crate) enum AnyPage {
    /// Callers with `daemon.read`.
    Reader(Page),
    /// Everybody.
    Open(OpenPage),
}

/// What the server says it is.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The two steps of an end.
#[derive(Debug, Default, Clone)]
pub(crate) struct Phase {
    /// Not ready any more.
    pub(crate) draining: CancellationToken,
    /// Connections finish what they are at.
    pub(crate) stopping: CancellationToken,
}

/// One connection, as a kind of id.
pub(crate) enum ConnectionKind {}

impl Kind for ConnectionKind {
    const PREFIX: &'static str = "connection";
}

/// One HTTP request, as a kind of id.
pub(crate) enum RequestKind {}

impl Kind for RequestKind {
    const PREFIX: &'static str = "request";
}

/// Names a connection.
pub(crate) type ConnectionId = Id<ConnectionKind>;
/// Names an HTTP request.
pub(crate) type RequestId = Id<RequestKind>;

/// What a call is called in logs: the trace it belongs to, or else `own`.
pub(crate) fn correlation(traceparent: Option<&str>, own: impl FnOnce() -> String) -> String {
    traceparent.and_then(trace_id).map_or_else(own, str::to_owned)
}

/// The trace id of a W3C `traceparent` of version 00.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = trace.len() == 32 && trace.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (version == "00" && hex && parts.count() == 2).then_some(trace)
}
