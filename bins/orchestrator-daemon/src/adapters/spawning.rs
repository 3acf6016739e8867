//! What is recorded of who spawned whom, and of agents that had their hands on a task. It lies in the metadata of the task, under a
//! key that no client can write.

use std::collections::BTreeSet;

use orchestrator_agents::{Permissions, Profile};
use orchestrator_charter::{CharterId, Charters};
use orchestrator_rpc::Error;
use orchestrator_tasks::Task;
use orchestrator_vocab::{Actor, AgentId, OrgId, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The key in the metadata.
const KEY: &str = "daemon.spawn";
/// Charters that one task may be put under.
const CHARTERS_MAX: usize = 16;

/// Who spawned the agent that works on a task, or else created the task or changed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spawned {
    /// Who asked.
    pub(crate) by: Actor,
    /// 0 if that was a person.
    pub(crate) depth: u32,
    /// The agent that asked, its task, and what it may use. If others changed it, what all of them may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Parent>,
    /// Charters that hold beside the agent's own while it works on this.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) charters: BTreeSet<String>,
}

/// An agent that asks for others. Whoever lets an agent call operations puts it into the call's extensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parent {
    pub(crate) agent_id: AgentId,
    pub(crate) task_id: TaskId,
    /// How deep it was spawned itself.
    pub(crate) depth: u32,
    /// What it may use, those above it taken into account.
    pub(crate) permissions: Permissions,
    /// The charters it acts under, those above it taken into account.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) charters: BTreeSet<String>,
    /// Who wanted what it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requester: Option<Actor>,
}

/// What an agent may do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rights {
    /// The tools it may use.
    pub(crate) permissions: Permissions,
    /// The charters it acts under: each of them may refuse a call.
    pub(crate) charters: BTreeSet<String>,
    /// Who wanted what it works on: the first of those who asked, if agents passed it on.
    pub(crate) requester: Option<Actor>,
}

impl Parent {
    /// How deep that is which it asks for.
    pub(crate) fn below(&self) -> u32 {
        self.depth.saturating_add(1)
    }

    /// The same agent with no more than what `other` may do.
    pub(super) fn within(self, other: &Self) -> Self {
        let (permissions, charters) =
            (self.permissions.intersect(&other.permissions), &self.charters | &other.charters);
        Self { permissions, charters, ..self }
    }
}

impl Rights {
    /// What somebody may whom no file defines: what the operator allows.
    pub(crate) fn all() -> Self {
        Self { permissions: Permissions::all(), charters: BTreeSet::new(), requester: None }
    }

    /// What an agent may by itself.
    pub(crate) fn of(profile: &Profile) -> Self {
        let (permissions, charters) = (profile.permissions.clone(), profile.charter.iter().cloned().collect());
        Self { permissions, charters, requester: None }
    }

    /// What it may while it works on a task: what it may by itself, and, if an agent spawned it, what that may.
    pub(crate) fn for_task(self, task: &Task) -> Self {
        let requester = Some(task.created_by.clone());
        match Spawned::of(task) {
            None => Self { requester, ..self },
            Some(Ok(Spawned { parent: None, charters, .. })) => {
                Self { charters: &self.charters | &charters, requester, ..self }
            }
            Some(Ok(Spawned { parent: Some(parent), charters, .. })) => Self {
                permissions: self.permissions.intersect(&parent.permissions),
                charters: &(&self.charters | &parent.charters) | &charters,
                requester: parent.requester.or(requester),
            },
            Some(Err(_)) => Self { permissions: Permissions::none(), requester, ..self },
        }
    }
}

/// Charters that somebody wants to hold for one task, by their names. They have to be there: nothing could be done under one that is not.
///
/// # Errors
/// Which of them is none. Of an organisation other than the operator's, any.
pub(crate) fn narrowing(
    charters: &Charters,
    org: OrgId,
    wanted: &BTreeSet<CharterId>,
) -> Result<BTreeSet<String>, Error> {
    if wanted.len() > CHARTERS_MAX {
        return Err(Error::invalid_field("charters", format!("expected at most {CHARTERS_MAX}")));
    }
    let name = |id: &CharterId| match charters.get(id.as_str()) {
        Ok(_) if org == OrgId::LOCAL => Ok(id.to_string()),
        _ => Err(Error::conflict(format!("charters: there is no charter `{id}`"))),
    };
    wanted.iter().map(name).collect()
}

impl Spawned {
    /// For the metadata of the task.
    pub(crate) fn metadata(&self) -> Map<String, Value> {
        Map::from_iter([(KEY.to_owned(), json!(self))])
    }

    /// The charters that its task was put under.
    pub(crate) fn charters_of(task: &Task) -> BTreeSet<String> {
        Self::of(task).and_then(Result::ok).map(|spawned| spawned.charters).unwrap_or_default()
    }

    /// What the metadata of a task say.
    pub(super) fn noted(metadata: &Map<String, Value>) -> Option<Result<Self, serde_json::Error>> {
        metadata.get(KEY).map(Self::deserialize)
    }

    /// What the task says. A record that cannot be read is one of somebody who may use nothing.
    fn of(task: &Task) -> Option<Result<Self, serde_json::Error>> {
        Self::noted(&task.metadata)
    }
}

/// An agent that asks for others while it works on this task.
pub(super) fn parent(agent: &AgentId, task: &Task, profile: &Profile) -> Parent {
    let depth = match Spawned::of(task) {
        None => 0,
        Some(Ok(spawned)) => spawned.depth,
        // Whoever cannot tell how deep it is spawns nothing.
        Some(Err(_)) => u32::MAX,
    };
    let Rights { permissions, charters, requester } = Rights::of(profile).for_task(task);
    Parent { agent_id: agent.clone(), task_id: task.id, depth, permissions, charters, requester }
}

#[cfg(test)]
mod tests {
    use orchestrator_tasks::{Backlog, Config, Draft, MemoryStore, Origin};
    use orchestrator_vocab::SystemClock;

    use super::*;

    async fn task(reserved: Map<String, Value>) -> Task {
        let backlog =
            Backlog::new(std::sync::Arc::new(MemoryStore::new(std::sync::Arc::new(SystemClock))), Config::default());
        let origin = Origin::new(OrgId::LOCAL, Actor::system("test"));
        backlog.unwrap().create(&origin, Draft { reserved, ..Draft::new("x") }).await.unwrap()
    }

    #[tokio::test]
    async fn a_child_may_use_what_both_may_and_nothing_if_that_cannot_be_told() {
        let permissions = Permissions::new(["fs.*".parse().unwrap()], []);
        let own = Rights { permissions, charters: ["own".to_owned()].into(), requester: None };
        let somebody = Some(Actor::system("test"));
        assert_eq!(own.clone().for_task(&task(Map::new()).await), Rights { requester: somebody, ..own.clone() });
        let parent = Parent {
            agent_id: "lead".parse().unwrap(),
            task_id: TaskId::new(),
            depth: 0,
            permissions: Permissions::new(["fs.read".parse().unwrap(), "command.run".parse().unwrap()], []),
            charters: ["theirs".to_owned()].into(),
            requester: Some("user:ada".parse().unwrap()),
        };
        let charters = ["this".to_owned()].into();
        let spawned = Spawned { by: Actor::system("test"), depth: 1, parent: Some(parent), charters };
        let Rights { permissions: child, charters, requester } = own.clone().for_task(&task(spawned.metadata()).await);
        assert!(
            child.allows("fs.read", true) && !child.allows("fs.write", false) && !child.allows("command.run", false)
        );
        assert_eq!(charters, ["own", "theirs", "this"].map(str::to_owned).into());
        assert_eq!(requester, Some("user:ada".parse().unwrap()));
        let damaged = task(Map::from_iter([(KEY.to_owned(), json!("?"))])).await;
        assert_eq!(own.for_task(&damaged).permissions, Permissions::none());
    }
}
