use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use orchestrator_rpc::page::{Cursor, ListParams, Page};
use orchestrator_rpc::{Caller, Error};
use orchestrator_vocab::{OrgId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dialect::Dialect;
use crate::shared::ConnectionId;

/// The authenticated WebSockets of a gateway. Cheap to clone; hand the same one to [`operations`](crate::operations) and
/// to [`Builder::peers`](crate::Builder::peers).
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    peers: BTreeMap<(OrgId, ConnectionId), Arc<Peer>>,
    per_credential: HashMap<(OrgId, String), usize>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Peer {
    id: ConnectionId,
    org: OrgId,
    subject: String,
    credential: String,
    since: Timestamp,
    pub(crate) dialect: OnceLock<Dialect>,
    introduction: OnceLock<Introduction>,
    beat: Mutex<Option<Beat>>,
}

/// What a client says it is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Introduction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) capabilities: Option<Vec<String>>,
}

/// What a client last said about how it is doing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Beat {
    #[serde(flatten)]
    pub(crate) said: HeartbeatParams,
    /// When it said so.
    pub(crate) at: Timestamp,
}

/// The parameters of `connection.heartbeat`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeartbeatParams {
    pub(crate) status: Activity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<ClientMetrics>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activity {
    Active,
    Idle,
    Busy,
}

/// How a client is doing, by its own account.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientMetrics {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_usage_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    messages_sent: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    messages_received: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    errors: Option<u64>,
}

/// A connection as `connection.list` shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    connection_id: String,
    subject: String,
    /// The credential's name, by which it is revoked.
    credential: String,
    connected_at: Timestamp,
    /// Absent until the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<Dialect>,
    #[serde(flatten)]
    introduction: Option<Introduction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Beat>,
}

impl Peers {
    /// How many WebSockets are authenticated and open, over all organisations.
    pub fn count(&self) -> usize {
        self.open().peers.len()
    }

    /// The same, of one organisation.
    pub fn count_of(&self, org: OrgId) -> usize {
        self.open().peers.values().filter(|peer| peer.org == org).count()
    }

    /// A place among the open connections, unless the credential has `most` already.
    pub(crate) fn enter(
        &self,
        id: ConnectionId,
        caller: &Caller,
        introduction: Option<Introduction>,
        since: Timestamp,
        most: usize,
    ) -> Option<Seat> {
        let mut open = self.open();
        let count = open.per_credential.entry((caller.org, caller.credential.clone())).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        let peer = Arc::new(Peer {
            id,
            org: caller.org,
            subject: caller.subject.clone(),
            credential: caller.credential.clone(),
            since,
            dialect: OnceLock::new(),
            introduction: introduction.map(OnceLock::from).unwrap_or_default(),
            beat: Mutex::default(),
        });
        open.peers.insert((caller.org, id), peer.clone());
        Some(Seat { peers: self.clone(), peer })
    }

    pub(crate) fn list(&self, org: OrgId, params: &ListParams) -> Result<Page<Listed>, Error> {
        let after: Option<ConnectionId> = params.cursor.as_ref().map(Cursor::read).transpose()?;
        let open = self.open();
        let of_org = open.peers.values().filter(|peer| peer.org == org);
        let mut rest = of_org.filter(|peer| after.is_none_or(|after| peer.id > after)).peekable();
        let mut page = Page { items: Vec::new(), next_cursor: None };
        let mut last = None;
        while page.items.len() < params.limit.get()
            && let Some(peer) = rest.next()
        {
            last = Some(peer.id);
            page.items.push(peer.listed());
        }
        page.next_cursor = last.filter(|_| rest.peek().is_some()).map(|last| Cursor::of(&last));
        Ok(page)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    /// Who the client says it is, said later than at its place's taking.
    pub(crate) fn introduced(&self, introduction: Option<Introduction>) {
        if let Some(introduction) = introduction {
            let _ = self.introduction.set(introduction);
        }
    }

    pub(crate) fn heard(&self, beat: Beat) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(beat);
    }

    fn listed(&self) -> Listed {
        Listed {
            connection_id: self.id.to_string(),
            subject: self.subject.clone(),
            credential: self.credential.clone(),
            connected_at: self.since,
            dialect: self.dialect.get().copied(),
            introduction: self.introduction.get().cloned(),
            heartbeat: self.beat.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    peers: Peers,
    pub(crate) peer: Arc<Peer>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.peers.open();
        open.peers.remove(&(self.peer.org, self.peer.id));
        let key = (self.peer.org, self.peer.credential.clone());
        if let Some(count) = open.per_credential.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                open.per_credential.remove(&key);
            }
        }
    }
}
