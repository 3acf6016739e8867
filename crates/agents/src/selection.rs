use orchestrator_vocab::Capability;

use crate::{Agent, Kind, Role, Status};

/// Which agents are meant: those that fit everything that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this status.
    pub status: Option<Status>,
    /// Of this type.
    pub role: Option<Role>,
    /// Of this tier.
    pub tier: Option<u8>,
    /// Can do this.
    pub capability: Option<Capability>,
    /// Belongs to this group.
    pub group: Option<String>,
}

impl Selection {
    /// Whether this agent is meant.
    pub fn fits(&self, agent: &Agent) -> bool {
        self.kind.is_none_or(|kind| agent.kind == kind)
            && self.status.is_none_or(|status| agent.status == status)
            && self.role.is_none_or(|role| agent.role == Some(role))
            && self.tier.is_none_or(|tier| agent.tier == Some(tier))
            && self.capability.as_ref().is_none_or(|capability| agent.capabilities.contains(capability))
            && self.group.as_ref().is_none_or(|group| agent.groups.contains(group))
    }
}
