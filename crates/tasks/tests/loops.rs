//! The scheduler and the keeper, running.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_tasks::{
    Backlog, Candidate, Claim, Completion, Config, Dispatch, Draft, Error, Keeper, MemoryStore, Origin, Refused,
    Scheduler, Workforce,
};
use orchestrator_vocab::{Actor, OrgId, PausedClock, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One agent that takes two tasks at once, and hands them to the test.
struct Team {
    claims: mpsc::UnboundedSender<Claim>,
    room: watch::Sender<u64>,
}

#[async_trait]
impl Workforce for Team {
    async fn agents(&self, _: OrgId) -> Result<Vec<Candidate>, Error> {
        let max_concurrent = u32::try_from(*self.room.borrow()).unwrap();
        Ok(vec![Candidate { max_concurrent, ..Candidate::new("coder".parse().unwrap(), Default::default()) }])
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        Ok(vec![OrgId::LOCAL])
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.room.subscribe()
    }
}

#[async_trait]
impl Dispatch for Team {
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused> {
        self.claims.send(claim).map_err(|_| Refused { reason: "the test is over".into() })
    }
}

struct Running {
    backlog: Backlog,
    team: Arc<Team>,
    claims: mpsc::UnboundedReceiver<Claim>,
    stop: CancellationToken,
    loops: JoinSet<()>,
}

impl Running {
    fn start() -> Self {
        let clock = Arc::new(PausedClock::at(Timestamp(1_767_225_600_000)));
        // A sweep so rare that what happens at once cannot be its doing.
        let config = Config { sweep_ms: 10_000, ..Config::default() };
        let backlog = Backlog::new(Arc::new(MemoryStore::new(clock)), config).unwrap();
        let (sender, claims) = mpsc::unbounded_channel();
        let team = Arc::new(Team { claims: sender, room: watch::Sender::new(2) });
        let stop = CancellationToken::new();
        let mut loops = JoinSet::new();
        loops.spawn(Scheduler::new(backlog.clone(), team.clone(), team.clone()).run(stop.clone()));
        loops.spawn(Keeper::new(backlog.clone()).run(stop.clone()));
        Self { backlog, team, claims, stop, loops }
    }

    async fn create(&self, title: &str) {
        self.backlog.create(&origin(), Draft::new(title)).await.unwrap();
    }

    async fn claimed(&mut self) -> Claim {
        self.claims.recv().await.unwrap()
    }
}

fn origin() -> Origin {
    Origin::new(OrgId::LOCAL, Actor::User("alice".into()))
}

#[tokio::test(start_paused = true)]
async fn a_task_reaches_its_agent_at_once() {
    let mut running = Running::start();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let start = Instant::now();
    running.create("first").await;
    assert_eq!(running.claimed().await.task.title, "first");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_next_task_comes_when_an_agent_gets_free_or_gets_more_room() {
    let mut running = Running::start();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for title in ["a", "b", "c", "d"] {
        running.create(title).await;
    }
    let start = Instant::now();
    let first = running.claimed().await;
    running.claimed().await;
    assert!(tokio::time::timeout(Duration::from_secs(1), running.claims.recv()).await.is_err());
    running.backlog.complete(&origin(), Completion::new(first.task.id, first.fence)).await.unwrap();
    assert_eq!(running.claimed().await.task.title, "c");
    running.team.room.send_replace(3);
    assert_eq!(running.claimed().await.task.title, "d");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_owner_is_silent_comes_again() {
    let mut running = Running::start();
    running.create("lost").await;
    let first = running.claimed().await;
    let second = running.claimed().await;
    assert_eq!((second.task.id, second.task.attempt), (first.task.id, 2));
    assert!(second.fence > first.fence);
    assert!(second.task.last_error.unwrap().contains("ran out"));
}

#[tokio::test(start_paused = true)]
async fn the_loops_end_when_they_are_told_to() {
    let mut running = Running::start();
    running.stop.cancel();
    while let Some(ended) = running.loops.join_next().await {
        ended.unwrap();
    }
}
