use std::collections::{BTreeMap, BTreeSet};

use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, AgentId, OrgId, SessionId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// It was done, or at least begun.
    Allowed,
    /// It was not done.
    Denied,
    /// It was not done yet: somebody is asked to confirm it. What they answered is another record.
    Held,
}

/// What is to be written down of one decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// In whose name.
    pub org: OrgId,
    /// Who wanted it.
    pub actor: Actor,
    /// What was wanted: the name of a tool, such as `fs.write`, or of an operation.
    pub action: String,
    /// Whether it was allowed.
    pub decision: Decision,
    /// By which line, for people.
    pub reason: String,
    /// The rules that decided it, each by itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<String>,
    /// In which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// For which task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// On whose behalf, where the actor is not an agent itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Of the action and its canonical arguments: what was decided about is what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The arguments, without secrets, and cut where they are long; `[erased]` if they were forgotten.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// The charters that were asked, by their names, with the digests of what they said then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub charters: BTreeMap<String, String>,
}

impl Entry {
    /// One about nothing in particular: by no rules, in no session, without arguments.
    pub fn plain(org: OrgId, actor: Actor, action: impl Into<String>, decision: Decision, reason: String) -> Self {
        Self {
            org,
            actor,
            action: action.into(),
            decision,
            reason,
            rules: BTreeSet::new(),
            session: None,
            task: None,
            agent: None,
            digest: None,
            arguments: String::new(),
            charters: BTreeMap::new(),
        }
    }
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Its number, from 1 and without a gap.
    pub seq: u64,
    /// When it was written down.
    pub at: Timestamp,
    /// What was decided.
    pub entry: Entry,
    /// The hash of the record before it; of the first one, that of the log's beginning.
    pub previous: Digest,
    /// Of the arguments and a random number, which lie beside the record: they can be forgotten, and what it vouches for stays.
    /// Absent if there are no arguments, and in records of earlier versions, which hold theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Digest>,
}
