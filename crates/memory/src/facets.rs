use orchestrator_vocab::{Confidentiality, Integrity, SessionId, TaskId, Timestamp};

use crate::{Filter, Kind, Scope, State, Tier};

/// What a [`Filter`] asks of a memory, apart from its time: kept beside its vector, so that a search by meaning finds the nearest of
/// those that pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facets {
    /// Its tier.
    pub tier: Tier,
    /// What sort of thing it is.
    pub kind: Kind,
    /// Who remembers it.
    pub scope: Scope,
    /// Whether it counts.
    pub state: State,
    /// The session it comes from.
    pub session: Option<SessionId>,
    /// The task that was worked on.
    pub task: Option<TaskId>,
    /// How far it may be believed.
    pub integrity: Integrity,
    /// Who may see it.
    pub confidentiality: Confidentiality,
    /// The people and topics it is about, as `person:ada` and `topic:ports`: each between line breaks, or nothing at all.
    pub about: String,
}

impl Facets {
    fn is_about(&self, kind: &str, name: &str) -> bool {
        self.about.split('\n').any(|line| line.split_once(':') == Some((kind, name)))
    }
}

impl Filter {
    /// Whether every condition but those of time holds.
    pub fn passes(&self, facets: &Facets) -> bool {
        let states: &[State] = if self.states.is_empty() { &[State::Active] } else { &self.states };
        let is_of = |subject: &String| !matches!(&facets.scope, Scope::User(user) if user != subject);
        states.contains(&facets.state)
            && (self.tiers.is_empty() || self.tiers.contains(&facets.tier))
            && (self.kinds.is_empty() || self.kinds.contains(&facets.kind))
            && self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&facets.scope))
            && self.only_user.as_ref().is_none_or(is_of)
            && self.session.is_none_or(|session| facets.session == Some(session))
            && self.except.is_none_or(|session| facets.session != Some(session))
            && self.task.is_none_or(|task| facets.task == Some(task))
            && self.person.as_ref().is_none_or(|name| facets.is_about("person", name))
            && self.topic.as_ref().is_none_or(|name| facets.is_about("topic", name))
            && self.integrity_min.is_none_or(|least| facets.integrity >= least)
            && self.confidentiality_max.is_none_or(|most| facets.confidentiality <= most)
    }

    /// Whether those of time hold.
    pub fn is_of_time(&self, created_at: Timestamp) -> bool {
        self.from.is_none_or(|from| created_at >= from) && self.until.is_none_or(|until| created_at < until)
    }
}
