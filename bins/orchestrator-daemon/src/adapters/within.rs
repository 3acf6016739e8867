//! Whatever an agent creates or changes is worked on within what that agent may do itself, by whomever and whenever.

use std::collections::BTreeSet;

use orchestrator_tasks::{Binding, Touched};
use orchestrator_vocab::Actor;
use serde_json::{Map, Value};

use super::{Parent, Spawned};

/// What holds for all that comes of a call of an agent.
#[derive(Debug)]
pub(super) struct Within {
    agent: Parent,
    depth_max: u32,
}

impl Within {
    /// `depth_max` is how deep agents may have agents work.
    pub(super) fn new(agent: Parent, depth_max: u32) -> Self {
        Self { agent, depth_max }
    }

    /// What is recorded after the agent had its hands on it: never more than before, nor than the agent may.
    fn after(&self, touched: Touched, before: Option<Spawned>) -> Spawned {
        // What it changes about its own task makes nobody work below it.
        let is_own = touched == Touched::Task(self.agent.task_id);
        let depth = if is_own { self.agent.depth } else { self.agent.below() };
        let mut agent = self.agent.clone();
        if let Touched::Task(_) = touched {
            // Whoever wanted the task is who wants it still.
            agent.requester = None;
        }
        match before {
            None => {
                let (by, charters) = (Actor::Agent(agent.agent_id.clone()), BTreeSet::new());
                Spawned { by, depth, parent: Some(agent), charters }
            }
            Some(before) => {
                let parent = match before.parent {
                    None => agent,
                    Some(parent) => parent.within(&agent),
                };
                Spawned { depth: before.depth.max(depth), parent: Some(parent), ..before }
            }
        }
    }
}

impl Binding for Within {
    fn bind(&self, touched: Touched, noted: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let before = Spawned::noted(noted).transpose();
        let before = before.map_err(|error| format!("what may be done about it cannot be told: {error}"))?;
        let was = before.as_ref().map_or(0, |before| before.depth);
        let after = self.after(touched, before);
        // One that was that deep before may stay so.
        if after.depth > self.depth_max.max(was) {
            return Err(format!("agents are spawned at most {} deep (registry.spawnDepthMax)", self.depth_max));
        }
        Ok(after.metadata())
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_agents::Permissions;
    use orchestrator_vocab::TaskId;

    use super::*;

    fn agent(name: &str, tools: &[&str], depth: u32) -> Parent {
        Parent {
            agent_id: name.parse().unwrap(),
            task_id: TaskId::new(),
            depth,
            permissions: Permissions::new(tools.iter().map(|tool| tool.parse().unwrap()), []),
            charters: [format!("of {name}")].into(),
            requester: Some(Actor::User(format!("friend of {name}"))),
        }
    }

    fn bind(agent: &Parent, touched: Touched, noted: &Map<String, Value>) -> Result<Spawned, String> {
        let notes = Within::new(agent.clone(), 3).bind(touched, noted)?;
        Ok(Spawned::noted(&notes).unwrap().unwrap())
    }

    #[test]
    fn what_is_new_has_what_its_maker_may_and_whose_wish_it_was() {
        let lead = agent("lead", &["fs.read"], 0);
        let made = bind(&lead, Touched::New, &Map::new()).unwrap();
        assert_eq!(
            made,
            Spawned {
                by: "agent:lead".parse().unwrap(),
                depth: 1,
                parent: Some(lead.clone()),
                charters: BTreeSet::new(),
            }
        );
        // `agent.spawn` put it under a charter.
        let by: Actor = "agent:lead".parse().unwrap();
        let spawned = Spawned { by, depth: 0, parent: None, charters: ["more".to_owned()].into() };
        let made = bind(&lead, Touched::New, &spawned.metadata()).unwrap();
        assert_eq!((made.depth, made.parent, made.charters), (1, Some(lead), ["more".to_owned()].into()));
    }

    #[test]
    fn what_is_changed_has_what_all_may_who_had_their_hands_on_it() {
        let (one, two) = (agent("one", &["fs.read", "fs.write"], 0), agent("two", &["fs.read", "http.*"], 1));
        let task = Touched::Task(TaskId::new());
        let first = bind(&one, task, &Map::new()).unwrap();
        assert_eq!(first.parent.as_ref().unwrap().requester, None, "who wanted it did not change");
        let second = bind(&two, task, &first.metadata()).unwrap();
        let parent = second.parent.clone().unwrap();
        assert_eq!(parent.permissions, Permissions::new(["fs.read".parse().unwrap()], []));
        assert_eq!(parent.charters, ["of one", "of two"].map(str::to_owned).into());
        assert_eq!((second.depth, second.by.clone()), (2, "agent:one".parse().unwrap()));
        assert_eq!(bind(&two, task, &second.metadata()).unwrap(), second, "doing it again changes nothing");
        let third = bind(&one, task, &second.metadata()).unwrap();
        assert_eq!(third, second, "whoever may more gives nothing back");
        // A person's schedule that an agent writes in creates tasks whose approvals are nobody else's to ask for.
        let schedule = Touched::Schedule(orchestrator_vocab::ScheduleId::new());
        let asked = bind(&one, schedule, &Map::new()).unwrap().parent.unwrap().requester;
        assert_eq!(asked, one.requester);
    }

    #[test]
    fn nothing_gets_deeper_than_allowed_and_ones_own_task_not_at_all() {
        let deep = agent("deep", &["*"], 3);
        assert!(bind(&deep, Touched::New, &Map::new()).unwrap_err().contains("at most 3 deep"));
        bind(&deep, Touched::Task(TaskId::new()), &Map::new()).unwrap_err();
        let own = bind(&deep, Touched::Task(deep.task_id), &Map::new()).unwrap();
        assert_eq!(own.depth, 3);
        let deeper = Spawned { depth: 7, ..own };
        assert_eq!(bind(&deep, Touched::Task(TaskId::new()), &deeper.metadata()).unwrap().depth, 7);
        bind(&agent("lost", &["*"], u32::MAX), Touched::New, &Map::new()).unwrap_err();
    }

    #[test]
    fn what_cannot_be_read_is_not_written_over() {
        let mut damaged = bind(&agent("one", &["*"], 0), Touched::New, &Map::new()).unwrap().metadata();
        damaged.values_mut().for_each(|value| *value = "?".into());
        let refused = bind(&agent("one", &["*"], 0), Touched::Task(TaskId::new()), &damaged).unwrap_err();
        assert!(refused.contains("cannot be told"), "{refused}");
    }
}
