use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_vocab::{AgentId, Capability, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Error, Profile, Role, Runtime};

/// The most capabilities of one agent.
pub(crate) const CAPABILITIES_MAX: usize = 64;
/// The longest description, in characters.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 1_000;
/// The most tasks one agent may have at once.
pub(crate) const CONCURRENT_MAX: u32 = 10_000;

/// How an agent gets its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A program of the operator's configuration: it is started for each task.
    Program,
    /// An agent that a file defines: something runs it for each task.
    Defined,
    /// Somebody outside, who registered over the socket and claims tasks.
    Worker,
}

/// Whether an agent can be given work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It can.
    Ready,
    /// A worker that has not been heard of for too long: dead, unless it speaks again.
    Lost,
    /// A program or a defined agent that was stopped or unregistered. Register it to have it back.
    Disabled,
    /// An agent whose file is wrong: `error` says where.
    Invalid,
}

/// An agent that the operator decided on: a configured program, or what a file defines. How it is run is not known here.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name in the configuration, or the stem of its file.
    pub id: AgentId,
    /// Whose tasks it works on.
    pub org: OrgId,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// How many tasks it may have at once, 1 to 10,000.
    pub max_concurrent: u32,
    /// For people; at most 1,000 characters.
    pub description: String,
    /// What the file says, if a file defines it.
    pub profile: Option<Arc<Profile>>,
}

impl From<Arc<Profile>> for Definition {
    fn from(profile: Arc<Profile>) -> Self {
        Self {
            id: profile.id.clone(),
            org: profile.org,
            capabilities: profile.capabilities.clone(),
            max_concurrent: profile.limits.max_instances,
            description: profile.description.clone(),
            profile: Some(profile),
        }
    }
}

impl Definition {
    /// A program without capabilities for the operator's own organisation, with one task at a time.
    pub fn new(id: AgentId) -> Self {
        Self {
            id,
            org: OrgId::LOCAL,
            capabilities: BTreeSet::new(),
            max_concurrent: 1,
            description: String::new(),
            profile: None,
        }
    }

    /// How it gets its work.
    pub fn kind(&self) -> Kind {
        if self.profile.is_some() { Kind::Defined } else { Kind::Program }
    }

    /// Checks its bounds.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field as the configuration spells it.
    pub fn validate(&self) -> Result<(), Error> {
        check(&self.capabilities, self.max_concurrent, &self.description)
    }
}

/// An agent as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its name within its organisation.
    pub id: AgentId,
    /// Whose it is.
    #[serde(rename = "orgId")]
    pub org: OrgId,
    /// How it gets its work.
    pub kind: Kind,
    /// Whether it can be given work.
    pub status: Status,
    /// For people.
    pub description: String,
    /// What sort of agent it is; defined ones only, as what follows.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Where it stands among others, 0 at the top, to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
    /// What it belongs to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// What runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What is wrong with its file, if it is [`Status::Invalid`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// How many tasks it may have at once.
    pub max_concurrent: u32,
    /// `false` for a while after it failed several times in a row.
    pub healthy: bool,
    /// How many of its attempts failed lately.
    pub recent_failures: u32,
    /// When a worker came; absent for a program that was never registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
    /// When a worker was last heard of, to within an eighth of the heartbeat time-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

impl Agent {
    /// Whether it may be given work now.
    pub fn works(&self) -> bool {
        self.status == Status::Ready && self.healthy
    }
}

pub(crate) fn check(capabilities: &BTreeSet<Capability>, max_concurrent: u32, description: &str) -> Result<(), Error> {
    if capabilities.len() > CAPABILITIES_MAX {
        return Err(Error::invalid("capabilities", format!("expected at most {CAPABILITIES_MAX}")));
    }
    if !(1..=CONCURRENT_MAX).contains(&max_concurrent) {
        return Err(Error::invalid("maxConcurrent", format!("expected 1 to {CONCURRENT_MAX}, got {max_concurrent}")));
    }
    match description.chars().count() > DESCRIPTION_CHARS_MAX {
        true => Err(Error::invalid("description", format!("expected at most {DESCRIPTION_CHARS_MAX} characters"))),
        false => Ok(()),
    }
}

/// What begins so is given to agents by whoever composes the scheduler: each one's own name, and its type.
const RESERVED: [&str; 2] = ["agent.", "type."];

/// Whether only the daemon may say that somebody can do this.
pub(crate) fn is_reserved(capability: &Capability) -> bool {
    RESERVED.iter().any(|beginning| capability.as_str().starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_out_of_bounds_names_the_field() {
        let definition = |max_concurrent| Definition { max_concurrent, ..Definition::new("a".parse().unwrap()) };
        assert!(definition(1).validate().is_ok());
        let refused = definition(0).validate().unwrap_err();
        assert_eq!(refused.to_string(), "maxConcurrent: expected 1 to 10000, got 0");
        let wordy = Definition { description: "x".repeat(1_001), ..definition(1) };
        assert!(wordy.validate().unwrap_err().to_string().starts_with("description"));
    }
}
