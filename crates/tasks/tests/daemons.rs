//! Two daemons on one PostgreSQL: each has a store of its own.

use std::sync::Arc;

use futures::future::join;
use orchestrator_events::{Numbering, SqlLog};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_tasks::{Backlog, Candidate, Claim, Completion, Config, Draft, Error, Origin, SqlStore, Status, Task};
use orchestrator_vocab::{Actor, OrgId, SystemClock, TaskId};

async fn daemon(scratch: &Scratch) -> Backlog {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(scratch.url(), options).await.expect("a database");
    SqlLog::open(database.clone(), &numbering).await.expect("tables");
    let store = SqlStore::open(database, Arc::new(SystemClock)).await.expect("tables");
    Backlog::new(Arc::new(store), Config::default()).expect("the configuration is valid")
}

async fn two_daemons() -> (Scratch, Backlog, Backlog) {
    let scratch = Scratch::create(Backend::Postgres).await.expect("a database server");
    let (one, other) = (daemon(&scratch).await, daemon(&scratch).await);
    (scratch, one, other)
}

fn origin() -> Origin {
    Origin::new(OrgId::LOCAL, Actor::User("alice".into()))
}

async fn create(backlog: &Backlog, title: &str) -> Task {
    backlog.create(&origin(), Draft::new(title)).await.expect("a good draft")
}

async fn depend(backlog: &Backlog, task: &Task, on: &Task) -> Result<Task, Error> {
    backlog.depend(&origin(), task.id, vec![on.id.into()]).await
}

async fn claim(backlog: &Backlog, name: &str, limit: usize) -> Vec<Claim> {
    let agent = Candidate { max_concurrent: 1_000, ..Candidate::new(name.parse().expect("a name"), [].into()) };
    let id = agent.id.clone();
    backlog.claim(&origin(), &id, vec![agent], limit).await.expect("the agent is known")
}

async fn complete(backlog: &Backlog, claim: &Claim) {
    let completion = Completion::new(claim.task.id, claim.fence);
    backlog.complete(&origin(), completion).await.expect("the owner");
}

async fn status(backlog: &Backlog, id: TaskId) -> Status {
    backlog.get(OrgId::LOCAL, id).await.expect("it exists").0.state.status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cycle_slips_through_between_them() {
    let (_scratch, one, other) = two_daemons().await;
    for round in 0..30 {
        let (a, b) = (create(&one, "a").await, create(&other, "b").await);
        let answers = join(depend(&one, &a, &b), depend(&other, &b, &a)).await;
        let refused = [&answers.0, &answers.1].into_iter().filter(|answer| matches!(answer, Err(Error::Cycle { .. })));
        assert_eq!(refused.count(), 1, "round {round}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_the_other_removed_closes_no_cycle() {
    let (_scratch, one, other) = two_daemons().await;
    let (a, b, c) = (create(&one, "a").await, create(&one, "b").await, create(&one, "c").await);
    depend(&one, &a, &b).await.expect("no cycle");
    depend(&other, &b, &c).await.expect("no cycle");
    let cycle = depend(&one, &c, &a).await.expect_err("a, b and c would wait for each other");
    assert!(matches!(cycle, Error::Cycle { .. }), "{cycle:?}");
    other.undepend(&origin(), a.id, vec![b.id]).await.expect("the edge is there");
    depend(&one, &c, &a).await.expect("no cycle any more");
    let cycle = depend(&other, &a, &b).await.expect_err("this one is old and new");
    assert!(matches!(cycle, Error::Cycle { .. }), "{cycle:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_task_is_claimed_once() {
    let (_scratch, one, other) = two_daemons().await;
    let drafts = (0..300).map(|n| Draft::new(format!("task {n}"))).collect();
    one.create_many(&origin(), drafts).await.expect("good drafts");
    let mut claimed: Vec<TaskId> = Vec::new();
    while claimed.len() < 300 {
        let both = join(claim(&one, "left", 7), claim(&other, "right", 7)).await;
        claimed.extend(both.0.iter().chain(&both.1).map(|claim| claim.task.id));
    }
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_blockers_completed_by_both_the_last_unblocks() {
    let (_scratch, one, other) = two_daemons().await;
    for round in 0..30 {
        let (a, b) = (create(&one, "a").await, create(&other, "b").await);
        let depends_on = vec![a.id.into(), b.id.into()];
        let last = Draft { depends_on, ..Draft::new("last") };
        let last = one.create(&origin(), last).await.expect("a good draft");
        let claims = claim(&one, "left", 2).await;
        assert_eq!(claims.len(), 2, "round {round}");
        join(complete(&one, &claims[0]), complete(&other, &claims[1])).await;
        assert_eq!(status(&one, last.id).await, Status::Pending, "round {round}");
        let claims = claim(&other, "right", 1).await;
        complete(&other, &claims[0]).await;
    }
}

/// Agents of one pool, half of them claiming through the one daemon and half through the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_of_a_pool_holds_over_both() {
    let (_scratch, one, other) = two_daemons().await;
    let drafts = (0..200).map(|n| Draft::new(n.to_string())).collect();
    one.create_many(&origin(), drafts).await.expect("good drafts");
    let pool = || Some(orchestrator_tasks::Pool { name: "developer".into(), max: 5 });
    let agent = |name: &str| Candidate {
        max_concurrent: 200,
        pool: pool(),
        ..Candidate::new(name.parse().expect("a name"), [].into())
    };
    let both = || vec![agent("dev-a"), agent("dev-b")];
    for round in 0..20 {
        let (mine, origin) = (both(), origin());
        let claims =
            join(one.claim(&origin, &mine[0].id, both(), 200), other.claim(&origin, &mine[1].id, both(), 200)).await;
        let claims = [claims.0.expect("known"), claims.1.expect("known")].concat();
        assert_eq!(claims.len(), 5, "round {round}");
        for claim in &claims {
            complete(&one, claim).await;
        }
    }
}
