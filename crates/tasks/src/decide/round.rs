use std::collections::HashMap;

use orchestrator_vocab::{AgentId, Capability};

use super::score::{availability, capability, load};
use super::{
    Accepts, Assignment, Audience, Candidate, LOSERS_MAX, Loser, Ready, Scores, SkipReason, Snapshot, Strategy,
};
use super::{consider::has_all, consider::missing, free_in_pools, required_by};
use crate::Priority;

/// One decision while it is being made. What depends on the class alone is worked out once per class.
pub(super) struct Round<'a> {
    agents: Vec<Seat<'a>>,
    classes: HashMap<&'a str, Class>,
    /// How many more tasks each pool may have.
    pools: Vec<u32>,
    strategy: Strategy,
    audience: Audience<'a>,
    /// The next place at the end of the queue of those who wait for a task.
    next_turn: u64,
    /// Those who could get the task in hand, as [`entry`] packs them: kept to spare an allocation per task.
    running: Vec<u128>,
}

/// An agent, with what changes as it gets tasks.
struct Seat<'a> {
    agent: &'a Candidate,
    free: u32,
    load: u32,
    availability: u32,
    /// Lower waited longer. No two are equal.
    turn: u64,
    in_audience: bool,
    /// Its place in [`Round::pools`].
    pool: Option<usize>,
}

/// An agent that can do the tasks of a class, be it busy or not.
struct Able {
    seat: usize,
    capability: u32,
}

struct Class {
    able: Vec<Able>,
    /// Why nobody in the audience can, if nobody can.
    nobody: Option<SkipReason>,
}

impl<'a> Round<'a> {
    pub(super) fn new(snapshot: &Snapshot<'a>) -> Self {
        let mut order: Vec<&Candidate> = snapshot.agents.iter().collect();
        order.sort_by_key(|agent| (agent.last_assigned, &agent.id));
        let pools = free_in_pools(snapshot.agents);
        let pool_of =
            |agent: &Candidate| pools.keys().position(|name| Some(name) == agent.pool.as_ref().map(|pool| &pool.name));
        let seats = order.into_iter().enumerate().map(|(turn, agent)| Seat {
            agent,
            free: agent.free(),
            load: load(agent.free(), agent.max_concurrent),
            availability: availability(agent),
            turn: turn as u64,
            in_audience: match snapshot.audience {
                Audience::Push => agent.accepts == Accepts::Push,
                Audience::One(id) => agent.id == *id,
            },
            pool: pool_of(agent),
        });
        let agents: Vec<Seat<'a>> = seats.collect();
        Self {
            next_turn: agents.len() as u64,
            agents,
            pools: pools.into_values().collect(),
            classes: HashMap::new(),
            strategy: snapshot.strategy,
            audience: snapshot.audience,
            running: Vec::new(),
        }
    }

    pub(super) fn place(&mut self, ready: &'a Ready) -> Result<Assignment, SkipReason> {
        let (agents, audience) = (&self.agents, self.audience);
        let class = self.classes.entry(&ready.class).or_insert_with(|| Class::new(&ready.class, agents, audience));
        if let Some(reason) = &class.nobody {
            return Err(reason.clone());
        }
        let avoid = avoided(ready.avoid.as_ref(), &class.able, &self.agents);
        self.running.clear();
        let mut only_the_avoided = true;
        for (index, able) in class.able.iter().enumerate() {
            let seat = &self.agents[able.seat];
            if !seat.in_audience || avoid == Some(able.seat) {
                continue;
            }
            only_the_avoided = false;
            if seat.free > 0 && seat.pool.is_none_or(|pool| self.pools[pool] > 0) {
                self.running.push(entry(worth(self.strategy, seat, able.capability), seat.turn, index));
            }
        }
        if self.running.is_empty() {
            return Err(if only_the_avoided { SkipReason::Avoided } else { SkipReason::NoCapacity });
        }
        let kept = self.running.len().min(LOSERS_MAX + 1);
        if kept < self.running.len() {
            self.running.select_nth_unstable_by(kept, |a, b| b.cmp(a));
            self.running.truncate(kept);
        }
        self.running.sort_unstable_by(|a, b| b.cmp(a));
        let mut ranked = self.running.iter().map(|entry| {
            let able = &class.able[*entry as u32 as usize];
            (able.seat, self.agents[able.seat].scores(able.capability, ready.priority))
        });
        let (winner, scores) = ranked.next().expect("somebody is in the running");
        let losers =
            ranked.map(|(seat, scores)| Loser { agent_id: self.agents[seat].agent.id.clone(), scores }).collect();
        let seat = &mut self.agents[winner];
        seat.free -= 1;
        if let Some(pool) = seat.pool {
            self.pools[pool] -= 1;
        }
        seat.load = load(seat.free, seat.agent.max_concurrent);
        seat.turn = self.next_turn;
        self.next_turn += 1;
        Ok(Assignment { task: ready.id, agent: seat.agent.id.clone(), scores, losers })
    }
}

impl Seat<'_> {
    fn scores(&self, capability: u32, priority: Priority) -> Scores {
        Scores::sum(capability, self.load, self.availability, priority)
    }
}

/// One who could get a task, as a number: the higher, the better. Worth more, then waited longer; the rest is who it is.
fn entry(worth: u32, turn: u64, index: usize) -> u128 {
    (u128::from(worth) << 96) | (u128::from(!turn) << 32) | index as u128
}

/// What the strategy looks at first. Turns decide among equals.
fn worth(strategy: Strategy, seat: &Seat<'_>, capability: u32) -> u32 {
    match strategy {
        Strategy::RoundRobin => 0,
        Strategy::LeastLoaded => share(seat.free, seat.agent.max_concurrent),
        Strategy::CapabilityMatch => capability + seat.load + seat.availability,
    }
}

/// The free share, in parts of 2³¹.
fn share(free: u32, capacity: u32) -> u32 {
    ((u64::from(free) << 31) / u64::from(capacity.max(1))) as u32
}

/// The seat to pass over: whoever failed the task last, if somebody else could do it.
fn avoided(avoid: Option<&AgentId>, able: &[Able], agents: &[Seat<'_>]) -> Option<usize> {
    let avoid = avoid?;
    let seat = able.iter().map(|able| able.seat).find(|seat| agents[*seat].agent.id == *avoid)?;
    (able.len() > 1).then_some(seat)
}

impl Class {
    fn new(class: &str, agents: &[Seat<'_>], audience: Audience<'_>) -> Self {
        let required: Vec<&str> = required_by(class).collect();
        let capable = |seat: &Seat<'_>| has_all(seat.agent, &required);
        let seats = agents.iter().enumerate().filter(|(_, seat)| capable(seat) && seat.agent.works());
        let able: Vec<Able> = seats
            .map(|(seat, of)| Able { seat, capability: capability(required.len(), of.agent.capabilities.len()) })
            .collect();
        let nobody = if able.iter().any(|able| agents[able.seat].in_audience) {
            None
        } else if !able.is_empty() && audience == Audience::Push {
            Some(SkipReason::WaitsForPull)
        } else {
            Some(nobody(&required, agents, audience))
        };
        Self { able, nobody }
    }
}

/// Why nobody can, by those who were asked: all agents, or the one that asks.
fn nobody(required: &[&str], agents: &[Seat<'_>], audience: Audience<'_>) -> SkipReason {
    let asked = || agents.iter().filter(|seat| audience == Audience::Push || seat.in_audience).map(|seat| seat.agent);
    if asked().any(|agent| has_all(agent, required)) {
        return SkipReason::NoHealthyAgent;
    }
    let missing: Vec<Capability> = missing(required, asked());
    SkipReason::NoCapableAgent { missing }
}
