use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_vocab::{AgentId, TaskId, Timestamp};
use serde_json::{Value, json};

use super::{Command, Plan};
use crate::decide::free_in_pools;
use crate::event::millis;
use crate::task::ATTEMPTS_MAX;
use crate::{
    Assignment, Audience, Candidate, Claim, Error, Event, Place, Skip, Snapshot, State, Step, decide, required_by,
};

/// More rows than tasks asked for, so that some may be avoided or lost to others: first a few, then, if those did not do,
/// many.
const SPARE_ROWS: [usize; 2] = [4, 64];

/// An agent asks for tasks: the scheduler's decision, restricted to one agent.
pub(crate) struct Pull {
    pub(crate) agent: AgentId,
    /// Every agent of the organisation; `running` and `last_assigned` are not looked at.
    pub(crate) agents: Vec<Candidate>,
    pub(crate) limit: usize,
}

#[async_trait]
impl Command for Pull {
    type Output = Vec<Claim>;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Vec<Claim>, Error> {
        let known = self.agents.iter().find(|candidate| candidate.id == self.agent);
        let agent = known.ok_or_else(|| Error::NoAgent(self.agent.clone()))?;
        plan.rows.lock_agents(plan.org(), &with_pools(&self.agents, &[&self.agent].into())).await?;
        let running = plan.rows.running(plan.org()).await?;
        let agents = with_load(&self.agents, &running);
        let mut room = Room::of(&agents);
        let limit = self.limit.min(room.free(&self.agent) as usize);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let able = |class: &String| required_by(class).all(|name| agent.capabilities.contains(name));
        let mut claims = Vec::new();
        let mut classes: Vec<String> = plan.rows.ready_classes(plan.org()).await?.into_iter().filter(able).collect();
        for spare in SPARE_ROWS {
            let rows = limit - claims.len() + spare;
            let ready = plan.rows.ready_heads(plan.org(), &classes, rows).await?;
            let decision = decide(&Snapshot {
                ready: &ready,
                agents: &agents,
                strategy: plan.config.strategy,
                audience: Audience::One(&self.agent),
                limit: limit - claims.len(),
            });
            claims.extend(claim(plan, &decision.assignments, &mut room).await?);
            if claims.len() == limit {
                break;
            }
            if plan.rows.ready_afresh(plan.org()) {
                classes = plan.rows.ready_classes(plan.org()).await?.into_iter().filter(able).collect();
            } else if ready.len() < rows {
                break;
            }
        }
        Ok(claims)
    }
}

/// The scheduler gives tasks to agents. What somebody else took meanwhile is left out.
pub(crate) struct Assign {
    pub(crate) assignments: Vec<Assignment>,
    /// Every agent of the organisation; `running` is not looked at.
    pub(crate) agents: Arc<Vec<Candidate>>,
}

#[async_trait]
impl Command for Assign {
    type Output = Vec<Claim>;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Vec<Claim>, Error> {
        let agents: BTreeSet<&AgentId> = self.assignments.iter().map(|assignment| &assignment.agent).collect();
        plan.rows.lock_agents(plan.org(), &with_pools(&self.agents, &agents)).await?;
        let running = plan.rows.running(plan.org()).await?;
        let agents = with_load(&self.agents, &running);
        let mut room = Room::of(&agents);
        let claims = claim(plan, &self.assignments, &mut room).await?;
        let claimed: BTreeSet<TaskId> = claims.iter().map(|claim| claim.task.id).collect();
        for assignment in self.assignments.iter().filter(|assignment| claimed.contains(&assignment.task)) {
            let event = Event::Assigned {
                agent: assignment.agent.clone(),
                scores: assignment.scores,
                losers: json!(assignment.losers),
            };
            plan.report(assignment.task, None, event);
        }
        Ok(claims)
    }
}

/// How many more tasks agents may have, each by itself and with its pool.
struct Room<'a> {
    agents: BTreeMap<&'a AgentId, (u32, Option<&'a str>)>,
    /// How often agents may try, where that is bounded.
    attempts: BTreeMap<&'a AgentId, u32>,
    pools: BTreeMap<Arc<str>, u32>,
}

impl<'a> Room<'a> {
    /// Of agents whose `running` is up to date.
    fn of(agents: &'a [Candidate]) -> Self {
        let pool = |agent: &'a Candidate| agent.pool.as_ref().map(|pool| &*pool.name);
        Self {
            agents: agents.iter().map(|agent| (&agent.id, (agent.free(), pool(agent)))).collect(),
            attempts: agents.iter().filter_map(|agent| Some((&agent.id, agent.attempts_max?))).collect(),
            pools: free_in_pools(agents),
        }
    }

    fn free(&self, agent: &AgentId) -> u32 {
        let Some((free, pool)) = self.agents.get(agent) else { return 0 };
        pool.and_then(|pool| self.pools.get(pool)).map_or(*free, |left| *left.min(free))
    }

    fn take(&mut self, agent: &AgentId) {
        let Some((free, pool)) = self.agents.get_mut(agent) else { return };
        *free = free.saturating_sub(1);
        if let Some(left) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            *left = left.saturating_sub(1);
        }
    }
}

/// These agents, and all that share a pool with one of them: their counts must not change meanwhile either. In order.
fn with_pools(agents: &[Candidate], these: &BTreeSet<&AgentId>) -> Vec<AgentId> {
    let pool = |agent: &Candidate| agent.pool.as_ref().map(|pool| pool.name.clone());
    let pools: BTreeSet<Arc<str>> = agents.iter().filter(|agent| these.contains(&agent.id)).filter_map(pool).collect();
    let shares = |agent: &&Candidate| pool(agent).is_some_and(|pool| pools.contains(&pool));
    let sharing = agents.iter().filter(shares).map(|agent| agent.id.clone());
    let all: BTreeSet<AgentId> = these.iter().map(|id| (*id).clone()).chain(sharing).collect();
    all.into_iter().collect()
}

/// Reports why nobody gets some tasks.
pub(crate) struct Skips(pub(crate) Vec<Skip>);

#[async_trait]
impl Command for Skips {
    type Output = ();

    async fn run(&self, plan: &mut Plan<'_>) -> Result<(), Error> {
        plan.load(self.0.iter().map(|skip| skip.task)).await?;
        for skip in &self.0 {
            if plan.task(skip.task).is_ok_and(|task| task.state == State::Pending) {
                plan.report(skip.task, None, Event::Skipped { reason: skip.reason.clone() });
            }
        }
        Ok(())
    }
}

/// The agents, with as many tasks as the backlog says they have.
pub(crate) fn with_load(agents: &[Candidate], running: &BTreeMap<AgentId, u32>) -> Vec<Candidate> {
    let load = |agent: &Candidate| running.get(&agent.id).copied().unwrap_or(0);
    agents.iter().map(|agent| Candidate { running: load(agent), ..agent.clone() }).collect()
}

/// Claims what is still there to be claimed, as far as the agents have room.
async fn claim(plan: &mut Plan<'_>, assignments: &[Assignment], room: &mut Room<'_>) -> Result<Vec<Claim>, Error> {
    let wanted: Vec<TaskId> = assignments.iter().map(|assignment| assignment.task).collect();
    let taken = plan.rows.ready_remove(plan.org(), &wanted).await?;
    plan.load(taken.iter().copied()).await?;
    let mine: BTreeSet<TaskId> = taken.into_iter().collect();
    for id in &mine {
        // The row is gone: should the task stay claimable, it is written again.
        if let Some(entry) = plan.entries.get_mut(id) {
            entry.was.row = None;
            entry.touched = true;
        }
    }
    let mut claims = Vec::with_capacity(mine.len());
    for assignment in assignments.iter().filter(|assignment| mine.contains(&assignment.task)) {
        if room.free(&assignment.agent) == 0 {
            continue;
        }
        if let Some(claim) = claim_one(plan, assignment, room.attempts.get(&assignment.agent).copied())? {
            room.take(&assignment.agent);
            claims.push(claim);
        }
    }
    Ok(claims)
}

fn claim_one(plan: &mut Plan<'_>, assignment: &Assignment, attempts: Option<u32>) -> Result<Option<Claim>, Error> {
    let id = assignment.task;
    let Ok(task) = plan.task(id) else { return Ok(None) };
    // A row of the ready index is a hint; the task decides.
    let (State::Pending, Place::Ready { since }) = (&task.state, task.place) else { return Ok(None) };
    let now = plan.now;
    let lease_until: Timestamp = now + plan.config.lease();
    let before = plan.step(id, &Step::Claim { owner: assignment.agent.clone(), lease_until })?;
    let task = plan.change(id)?;
    task.fence = task.fence.next();
    task.attempt = task.attempt.saturating_add(1);
    task.started_at = Some(now);
    task.progress = None;
    task.assignment = Some(assignment_json(assignment, attempts));
    let claim = Claim { fence: task.fence, lease_until, task: task.clone() };
    plan.report(id, Some(before), Event::Claimed { waited_ms: millis(since, now) });
    Ok(Some(claim))
}

fn assignment_json(assignment: &Assignment, attempts: Option<u32>) -> Value {
    let mut told = json!({ "agentId": assignment.agent, "scores": assignment.scores, "losers": assignment.losers });
    if let Some(attempts) = attempts {
        told[ATTEMPTS_MAX] = json!(attempts);
    }
    told
}
