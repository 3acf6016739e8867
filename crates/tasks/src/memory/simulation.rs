//! Arbitrary commands, one after the other, and what must hold after each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId, PausedClock, TaskId, Timestamp};
use proptest::prelude::*;

use super::MemoryStore;
use crate::{
    Backlog, Candidate, Claim, Completion, Concurrency, Config, Dependency, Draft, Keeper, OnFailure, Origin, Patch,
    Place, Priority, State, Task,
};

const ORG: OrgId = OrgId::LOCAL;
const KEYS: [&str; 2] = ["one", "two"];

#[derive(Debug, Clone)]
enum Op {
    Create { priority: usize, key: usize, on: Vec<(usize, usize)>, run_in: u64, deadline_in: u64 },
    Claim(usize),
    Complete(usize),
    Fail(usize),
    Release(usize),
    Heartbeat(usize),
    AwaitApproval(usize),
    Resume(usize),
    Approve(usize),
    Requeue(usize),
    Cancel(usize),
    Retry(usize),
    Delete(usize),
    Depend(usize, usize, usize),
    Undepend(usize, usize),
    Reprioritise(usize, usize),
    PutOff(usize, u64),
    Pass(u64),
    Retain,
}

fn ops() -> impl Strategy<Value = Op> {
    let index = 0..12usize;
    let policy = 0..3usize;
    let create = (0..4usize, 0..4usize, prop::collection::vec((0..12usize, 0..3usize), 0..3), 0..40u64, 0..200u64)
        .prop_map(|(priority, key, on, run_in, deadline_in)| Op::Create { priority, key, on, run_in, deadline_in });
    prop_oneof![
        4 => create,
        4 => (1..4usize).prop_map(Op::Claim),
        3 => index.clone().prop_map(Op::Complete),
        2 => index.clone().prop_map(Op::Fail),
        1 => index.clone().prop_map(Op::Release),
        1 => index.clone().prop_map(Op::Heartbeat),
        1 => index.clone().prop_map(Op::AwaitApproval),
        1 => index.clone().prop_map(Op::Resume),
        1 => index.clone().prop_map(Op::Approve),
        1 => index.clone().prop_map(Op::Requeue),
        1 => index.clone().prop_map(Op::Cancel),
        2 => index.clone().prop_map(Op::Retry),
        1 => index.clone().prop_map(Op::Delete),
        2 => (index.clone(), index.clone(), policy).prop_map(|(a, b, policy)| Op::Depend(a, b, policy)),
        1 => (index.clone(), index.clone()).prop_map(|(a, b)| Op::Undepend(a, b)),
        1 => (index.clone(), 0..4usize).prop_map(|(a, priority)| Op::Reprioritise(a, priority)),
        1 => (index, 0..60u64).prop_map(|(a, span)| Op::PutOff(a, span)),
        3 => (1..20u64).prop_map(Op::Pass),
        1 => Just(Op::Retain),
    ]
}

struct World {
    store: Arc<MemoryStore>,
    backlog: Backlog,
    clock: Arc<PausedClock>,
    tasks: Vec<TaskId>,
    claims: Vec<Claim>,
}

fn policy(index: usize) -> OnFailure {
    [OnFailure::Cancel, OnFailure::Continue, OnFailure::Wait][index]
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(PausedClock::at(Timestamp(1_767_225_600_000)));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let concurrency = Concurrency { default: 1, keys: [("two".to_owned(), 2)].into() };
        let config = Config { concurrency, retention_days: Some(1), ..Config::default() };
        let backlog = Backlog::new(store.clone(), config).unwrap();
        Self { store, backlog, clock, tasks: Vec::new(), claims: Vec::new() }
    }

    fn id(&self, index: usize) -> TaskId {
        self.tasks[index % self.tasks.len()]
    }

    /// Every command may be refused; that is as good an outcome as any.
    async fn apply(&mut self, op: Op) {
        let (backlog, from) = (self.backlog.clone(), Origin::new(ORG, Actor::system("simulation")));
        let claim = |index: usize| self.claims.get(index % self.claims.len().max(1)).cloned();
        match op {
            Op::Create { priority, key, on, run_in, deadline_in } => {
                let depends_on = on.iter().filter(|_| !self.tasks.is_empty());
                let depends_on = depends_on
                    .map(|(on, with)| Dependency { task_id: self.id(*on), on_failure: policy(*with) })
                    .collect();
                let now = orchestrator_vocab::Clock::now(&*self.clock);
                let after = |span: u64| Some(now + Duration::from_secs(span));
                let draft = Draft {
                    priority: Priority::ALL[priority],
                    concurrency_key: KEYS.get(key).map(|key| (*key).to_owned()),
                    depends_on,
                    run_at: after(run_in).filter(|_| run_in > 20),
                    deadline: after(deadline_in).filter(|_| deadline_in > 100),
                    max_attempts: Some(2),
                    ..Draft::new("simulated")
                };
                self.tasks.extend(backlog.create(&from, draft).await.ok().map(|task| task.id));
            }
            Op::Claim(limit) => {
                let agent = Candidate { max_concurrent: 4, ..Candidate::new("a".parse().unwrap(), Default::default()) };
                let claims = backlog.claim(&from, &agent.id.clone(), vec![agent], limit).await.unwrap();
                self.claims.extend(claims);
            }
            Op::Pass(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                Keeper::new(backlog).sweep().await.unwrap();
            }
            Op::Retain => {
                self.clock.advance(Duration::from_secs(2 * 24 * 3600));
                Keeper::new(backlog).retain().await.unwrap();
            }
            Op::Complete(n)
            | Op::Fail(n)
            | Op::Release(n)
            | Op::Heartbeat(n)
            | Op::AwaitApproval(n)
            | Op::Resume(n) => {
                let Some(claim) = claim(n) else { return };
                own(&backlog, &from, &op, claim).await;
            }
            administrative => self.administer(&from, administrative).await,
        }
    }

    async fn administer(&self, from: &Origin, op: Op) {
        let backlog = &self.backlog;
        if self.tasks.is_empty() {
            return;
        }
        drop(match op {
            Op::Approve(n) => backlog.approve(from, self.id(n)).await,
            Op::Requeue(n) => backlog.requeue(from, self.id(n)).await,
            Op::Cancel(n) => backlog.cancel(from, self.id(n), "simulated").await,
            Op::Retry(n) => backlog.retry(from, self.id(n)).await,
            Op::Delete(n) => backlog.delete(from, self.id(n)).await,
            Op::Depend(a, b, with) => {
                let on = Dependency { task_id: self.id(b), on_failure: policy(with) };
                backlog.depend(from, self.id(a), vec![on]).await
            }
            Op::Undepend(a, b) => backlog.undepend(from, self.id(a), vec![self.id(b)]).await,
            Op::Reprioritise(n, priority) => {
                let patch = Patch { priority: Some(Priority::ALL[priority]), ..Patch::default() };
                backlog.update(from, self.id(n), patch).await
            }
            Op::PutOff(n, span) => {
                let now = orchestrator_vocab::Clock::now(&*self.clock);
                let patch = Patch { run_at: Some(Some(now + Duration::from_secs(span))), ..Patch::default() };
                backlog.update(from, self.id(n), patch).await
            }
            other => unreachable!("{other:?} is no administrative action"),
        });
    }

    async fn check(&self) {
        let data = self.store.data.lock().await;
        let tasks: Vec<&Task> = data.tasks.values().map(|task| &**task).collect();
        let step = self.backlog.config().ageing_step();
        let rows = data.ready.values().flat_map(BTreeMap::values);
        let ready: BTreeMap<TaskId, _> = rows.map(|row| (row.id, row.clone())).collect();
        let rows = data.lines.values().flat_map(BTreeMap::values);
        let lines: BTreeMap<TaskId, _> = rows.map(|row| (row.id, row.clone())).collect();
        for task in &tasks {
            let row = task.row(step);
            let (in_ready, in_line) = match task.place {
                Place::Ready { .. } => (row, None),
                Place::Line { .. } => (None, row),
                Place::Nowhere | Place::Timer => (None, None),
            };
            assert_eq!((ready.get(&task.id), lines.get(&task.id)), (in_ready.as_ref(), in_line.as_ref()), "{task:?}");
            let pending = task.state == State::Pending;
            assert_eq!(pending, task.place != Place::Nowhere, "{task:?}");
            let unmet = data.depends_on(ORG, task.id).filter(|edge| !edge.met).count();
            match task.state {
                State::Blocked { waiting_on } => assert_eq!(waiting_on as usize, unmet, "{task:?}"),
                _ if task.state.is_finished() => assert!(task.finished_at.is_some()),
                _ => assert_eq!(unmet, 0, "{task:?}"),
            }
        }
        assert!(ready.len() + lines.len() <= tasks.len(), "a row without a task");
        for (key, slots) in [("one", 1), ("two", 2)] {
            let holders = tasks.iter().filter(|task| task.concurrency_key.as_deref() == Some(key) && task.holds_slot());
            let taken = data.slots.get(&(ORG, key.to_owned())).copied().unwrap_or(0);
            assert_eq!(holders.count(), taken as usize);
            let waiting = data.lines.contains_key(&(ORG, key.to_owned()));
            assert!(taken <= slots && (taken == slots || !waiting), "{taken} of {slots} slots, waiting: {waiting}");
        }
    }
}

async fn own(backlog: &Backlog, from: &Origin, op: &Op, claim: Claim) {
    let (id, fence) = (claim.task.id, claim.fence);
    match op {
        Op::Complete(_) => drop(backlog.complete(from, Completion::new(id, fence)).await),
        Op::Fail(_) => drop(backlog.fail(from, id, fence, "simulated").await),
        Op::Release(_) => drop(backlog.release(from, id, fence).await),
        Op::Heartbeat(_) => drop(backlog.heartbeat(from, id, fence, None).await),
        Op::AwaitApproval(_) => drop(backlog.await_approval(from, id, fence).await),
        _ => drop(backlog.resume(from, id, fence).await),
    }
}

proptest! {
    #[test]
    fn indexes_slots_and_edges_agree_with_the_tasks_after_any_commands(ops in prop::collection::vec(ops(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for op in ops {
                world.apply(op).await;
                world.check().await;
            }
        });
    }
}
