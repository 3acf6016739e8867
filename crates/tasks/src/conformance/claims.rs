use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::*;
use crate::{Dispatch, Fence, Pool, Priority, Refused, Scheduler, SkipReason, Why, Workforce};

const RACES: usize = 1_000;

/// Critical, high, medium, low.
pub async fn the_more_urgent_is_claimed_first(fixture: &Fixture) {
    let backlog = fixture.backlog();
    for priority in Priority::ALL.into_iter().rev() {
        let draft = Draft { priority, ..Draft::new(priority.as_str()) };
        backlog.create(&origin(), draft).await.expect("a good draft");
    }
    assert_eq!(titles(&backlog, 2).await, ["critical", "high"]);
    assert_eq!(titles(&backlog, 9).await, ["medium", "low"]);
}

/// By the documented bound: 450 s.
pub async fn what_waited_long_goes_before_what_is_urgent(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let of = |priority| Draft { priority, ..Draft::new(priority.as_str()) };
    backlog.create(&origin(), of(Priority::Low)).await.expect("a good draft");
    fixture.clock.advance(SECOND * 451);
    backlog.create(&origin(), of(Priority::Critical)).await.expect("a good draft");
    assert_eq!(titles(&backlog, 1).await, ["low"]);
}

/// More is no obstacle.
pub async fn only_an_agent_with_every_capability_gets_a_task(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let required_capabilities = ["rust", "docs"].map(|name| name.parse().expect("a capability")).into();
    let draft = Draft { required_capabilities, ..Draft::new("both") };
    backlog.create(&origin(), draft).await.expect("a good draft");
    let claims = async |capabilities: &[&str]| {
        let agents = vec![agent("coder", capabilities)];
        backlog.claim(&origin(), &coder(), agents, 1).await.expect("the agent is known").len()
    };
    assert_eq!(claims(&[]).await, 0);
    assert_eq!(claims(&["rust"]).await, 0);
    assert_eq!(claims(&["docs", "review", "rust"]).await, 1);
    let unknown = backlog.claim(&origin(), &"nobody".parse().expect("a name"), vec![], 1).await;
    assert!(matches!(unknown, Err(Error::NoAgent(_))));
}

/// Also if it asks many times at once.
pub async fn an_agent_never_gets_more_than_its_capacity(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let drafts = (0..20).map(|n| Draft::new(n.to_string())).collect();
    backlog.create_many(&origin(), drafts).await.expect("good drafts");
    let three = || vec![Candidate { max_concurrent: 3, ..agent("coder", &[]) }];
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let backlog = backlog.clone();
        asking.spawn(async move { backlog.claim(&origin(), &coder(), three(), 2).await.expect("known") });
    }
    let claims = asking.join_all().await.concat();
    assert_eq!(claims.len(), 3);
    complete(&backlog, &claims[0]).await;
    let more = backlog.claim(&origin(), &coder(), three(), 9).await.expect("the agent is known");
    assert_eq!(more.len(), 1);
}

/// However many of them ask at once: 200 tasks at a bound of 5, each of ten agents with room for all.
pub async fn agents_of_a_pool_never_have_more_than_its_bound_together(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let drafts = (0..200).map(|n| Draft::new(n.to_string())).collect();
    backlog.create_many(&origin(), drafts).await.expect("good drafts");
    let pool = || Some(Pool { name: "developer".into(), max: 5 });
    let all = move || -> Vec<Candidate> {
        (0..10).map(|n| Candidate { max_concurrent: 200, pool: pool(), ..agent(&format!("dev-{n}"), &[]) }).collect()
    };
    let mut done = 0;
    while done < 200 {
        let mut asking = JoinSet::new();
        for agent in all() {
            let backlog = backlog.clone();
            asking.spawn(async move { backlog.claim(&origin(), &agent.id, all(), 200).await.expect("known") });
        }
        let claims = asking.join_all().await.concat();
        assert_eq!(claims.len(), 5, "after {done}");
        for claim in &claims {
            complete(&backlog, claim).await;
        }
        done += claims.len();
    }
}

/// A thousand times; the other gets nothing.
pub async fn of_two_claims_one_wins(fixture: &Fixture) {
    let backlog = fixture.backlog();
    for _ in 0..RACES {
        let task = create(&backlog, "wanted").await;
        let mut racers = JoinSet::new();
        for name in ["one", "two"] {
            let backlog = backlog.clone();
            racers.spawn(async move {
                let racer = agent(name, &[]);
                backlog.claim(&origin(), &racer.id.clone(), vec![racer], 1).await.expect("the agent is known")
            });
        }
        let claims = racers.join_all().await.concat();
        assert_eq!(claims.len(), 1);
        assert_eq!((claims[0].task.id, claims[0].fence), (task.id, Fence(1)));
        complete(&backlog, &claims[0]).await;
    }
}

/// In the order they were asked for.
pub async fn a_batch_is_claimed_and_completed_at_once(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let drafts = (0..100).map(|n| Draft::new(n.to_string())).collect();
    backlog.create_many(&origin(), drafts).await.expect("good drafts");
    let claims = claim(&backlog, 100).await;
    let ids: BTreeSet<TaskId> = claims.iter().map(|claim| claim.task.id).collect();
    assert_eq!(ids.len(), 100);
    let item =
        |claim: &Claim| Completion { result: json!(claim.task.title), ..Completion::new(claim.task.id, claim.fence) };
    let done = backlog.complete_many(&origin(), claims.iter().map(item).collect()).await.expect("good items");
    for (claim, done) in claims.iter().zip(done) {
        let done = done.expect("the owner");
        assert_eq!((done.id, done.outcome().1), (claim.task.id, json!(claim.task.title)));
    }
    assert!(claim(&backlog, 1).await.is_empty());
}

/// Whatever it tries; the new owner is not disturbed.
pub async fn a_stale_owner_changes_nothing(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "handed on").await;
    let old = claim_one(&backlog).await;
    backlog.requeue(&origin(), task.id).await.expect("it is worked on");
    let new = claim_one(&backlog).await;
    let (before, from) = (get(&backlog, task.id).await, origin());
    let stale = |error: Error| {
        let told = matches!(error, Error::Stale { expected, given, .. } if expected == new.fence && given == old.fence);
        assert!(told, "{error}");
    };
    stale(backlog.complete(&from, Completion::new(task.id, old.fence)).await.expect_err("stale"));
    stale(backlog.fail(&from, task.id, old.fence, "x").await.expect_err("stale"));
    stale(backlog.release(&from, task.id, old.fence).await.expect_err("stale"));
    stale(backlog.heartbeat(&from, task.id, old.fence, Some(json!(1))).await.expect_err("stale"));
    stale(backlog.await_approval(&from, task.id, old.fence).await.expect_err("stale"));
    stale(backlog.resume(&from, task.id, old.fence).await.expect_err("stale"));
    assert_eq!(get(&backlog, task.id).await, before);
    complete(&backlog, &new).await;
}

/// With the same result and fence: the first answer was lost. Another result is refused.
pub async fn completing_twice_is_no_error(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "done").await;
    let claimed = claim_one(&backlog).await;
    let first = complete(&backlog, &claimed).await;
    assert_eq!(complete(&backlog, &claimed).await, first);
    let other = Completion { result: json!("else"), ..Completion::new(task.id, claimed.fence) };
    assert!(matches!(backlog.complete(&origin(), other).await, Err(Error::Transition { .. })));
    let completed = fixture.history(&task.id.to_string()).await;
    assert_eq!(completed.iter().filter(|name| *name == "task.completed").count(), 1);
}

/// Each item stands for itself.
pub async fn a_stale_item_does_not_keep_the_others(fixture: &Fixture) {
    let backlog = fixture.backlog();
    create(&backlog, "a").await;
    create(&backlog, "b").await;
    let claims = claim(&backlog, 2).await;
    let items = vec![
        Completion::new(claims[0].task.id, claims[0].fence),
        Completion::new(claims[1].task.id, claims[1].fence.next()),
        Completion::new(TaskId::new(), Fence(1)),
    ];
    let done = backlog.complete_many(&origin(), items).await.expect("good items");
    assert!(done[0].is_ok());
    assert!(matches!(done[1], Err(Error::Stale { .. })));
    assert!(matches!(done[2], Err(Error::NotFound(_))));
    assert_eq!(status(&backlog, claims[0].task.id).await, Status::Completed);
    assert_eq!(status(&backlog, claims[1].task.id).await, Status::InProgress);
}

/// Though its fence is known.
pub async fn a_task_nobody_claimed_cannot_be_completed(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "untouched").await;
    let result = backlog.complete(&origin(), Completion::new(task.id, task.fence)).await;
    assert!(matches!(result, Err(Error::Transition { .. })));
    assert_eq!(claim_one(&backlog).await.task.id, task.id);
}

/// Agents that never change, and a place where claims go.
struct Team {
    agents: Vec<Candidate>,
    claims: Mutex<Vec<Claim>>,
    refuses: bool,
    changed: watch::Sender<u64>,
}

impl Team {
    fn of(agents: Vec<Candidate>, refuses: bool) -> Arc<Self> {
        Arc::new(Self { agents, claims: Mutex::default(), refuses, changed: watch::Sender::new(0) })
    }

    fn scheduler(self: &Arc<Self>, backlog: &Backlog) -> Scheduler {
        Scheduler::new(backlog.clone(), self.clone(), self.clone())
    }
}

#[async_trait]
impl Workforce for Team {
    async fn agents(&self, _: OrgId) -> Result<Vec<Candidate>, Error> {
        Ok(self.agents.clone())
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        Ok(vec![ORG])
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[async_trait]
impl Dispatch for Team {
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused> {
        if self.refuses {
            return Err(Refused { reason: "full".into() });
        }
        self.claims.lock().expect("nobody panicked").push(claim);
        Ok(())
    }
}

/// The one that fits, with the scores, and reports once what nobody can do.
pub async fn the_scheduler_gives_tasks_to_agents(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let team = Team::of(vec![agent("rustacean", &["rust"]), agent("generalist", &["rust", "docs", "web"])], false);
    let requires = |title: &str, name: &str| Draft {
        required_capabilities: [name.parse().expect("a capability")].into(),
        ..Draft::new(title)
    };
    let fits = backlog.create(&origin(), requires("fits", "rust")).await.expect("a good draft");
    let nobody = backlog.create(&origin(), requires("nobody", "cobol")).await.expect("a good draft");
    let scheduler = team.scheduler(&backlog);
    let round = scheduler.round(ORG).await.expect("the store works");
    assert_eq!((round.looked_at, round.assigned, round.skipped, round.refused), (2, 1, 1, 0));
    scheduler.round(ORG).await.expect("the store works");
    let claims = std::mem::take(&mut *team.claims.lock().expect("nobody panicked"));
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].task.state.owner().map(AgentId::as_str), Some("rustacean"));
    let names = fixture.history(&fits.id.to_string()).await;
    assert_eq!(names, ["task.created", "task.claimed", "scheduler.assigned"]);
    assert_eq!(fixture.history(&nobody.id.to_string()).await, ["task.created", "scheduler.skipped"]);
    let events = fixture.events().await;
    let assigned = events.iter().find(|event| event.name == "scheduler.assigned").expect("an event");
    assert_eq!(assigned.payload["losers"][0]["agentId"], json!("generalist"));
    complete(&backlog, &claims[0]).await;
}

/// And that was no attempt.
pub async fn a_refused_dispatch_puts_the_task_back(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "refused").await;
    let scheduler = Team::of(vec![agent("coder", &[])], true).scheduler(&backlog);
    let round = scheduler.round(ORG).await.expect("the store works");
    assert_eq!((round.assigned, round.refused), (1, 1));
    let task = get(&backlog, task.id).await;
    assert_eq!((task.state.status(), task.attempt, task.fence), (Status::Pending, 0, Fence(2)));
    assert_eq!(claim_one(&backlog).await.task.id, task.id);
}

/// For each place a task can be in.
pub async fn an_explanation_names_the_reason(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let agents = vec![agent("coder", &["rust"])];
    let why = async |id| backlog.explain(ORG, id, agents.clone()).await.expect("it exists");
    let task = create(&backlog, "task").await;
    let explained = why(task.id).await;
    assert_eq!(explained.why, Why::Next { agent_id: coder() });
    assert!(explained.candidates[0].eligible);
    let blocked = create_after(&backlog, "blocked", &[task.id]).await;
    let Why::BlockedBy { tasks } = why(blocked.id).await.why else { panic!("it is blocked") };
    assert_eq!((tasks.len(), tasks[0].task_id, tasks[0].status), (1, task.id, Status::Pending));
    let later = Draft { run_at: Some(START + MINUTE * 60), ..Draft::new("later") };
    let later = backlog.create(&origin(), later).await.expect("a good draft");
    assert!(matches!(why(later.id).await.why, Why::NotBefore { run_at, .. } if run_at == START + MINUTE * 60));
    let cobol = Draft { required_capabilities: ["cobol".parse().expect("a name")].into(), ..Draft::new("cobol") };
    let cobol = backlog.create(&origin(), cobol).await.expect("a good draft");
    let Why::NobodyGetsIt { because } = why(cobol.id).await.why else { panic!("nobody can") };
    assert_eq!(because, SkipReason::NoCapableAgent { missing: vec!["cobol".parse().expect("a name")] });
    let keyed = || Draft { concurrency_key: Some("c".into()), ..Draft::new("keyed") };
    backlog.create(&origin(), keyed()).await.expect("a good draft");
    let second = backlog.create(&origin(), keyed()).await.expect("a good draft");
    assert!(matches!(why(second.id).await.why, Why::NoSlot { slots: 1, taken: 1, .. }));
    let claims = claim(&backlog, 1).await;
    let Why::Runs { agent_id, decision } = why(claims[0].task.id).await.why else { panic!("it runs") };
    assert_eq!((agent_id, decision.is_some()), (coder(), true));
    complete(&backlog, &claims[0]).await;
    assert_eq!(why(claims[0].task.id).await.why, Why::Finished {});
}

/// If it is ready and the agent can and has room.
pub async fn one_task_is_given_to_the_agent_that_had_begun_it(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let first = create(&backlog, "first").await;
    let second = create(&backlog, "second").await;
    let of = |max_concurrent, healthy| vec![Candidate { max_concurrent, healthy, ..agent("coder", &[]) }];
    let claim = async |id, agents| backlog.claim_exact(&origin(), id, &coder(), agents).await;
    let claimed = claim(second.id, of(9, true)).await.expect("it answers").expect("it is ready");
    assert_eq!((claimed.task.id, claimed.task.state.owner()), (second.id, Some(&coder())));
    assert_eq!(claim(second.id, of(9, true)).await.expect("it answers"), None, "it is worked on");
    assert_eq!(claim(first.id, of(1, true)).await.expect("it answers"), None, "it has one");
    assert_eq!(claim(first.id, of(9, false)).await.expect("it answers"), None, "it is not healthy");
    assert_eq!(claim(first.id, vec![agent("other", &[])]).await.expect("it answers"), None, "it is gone");
    let draft = Draft { required_capabilities: ["rust".parse().expect("a name")].into(), ..Draft::new("hard") };
    let hard = backlog.create(&origin(), draft).await.expect("a good draft");
    assert_eq!(claim(hard.id, of(9, true)).await.expect("it answers"), None, "it cannot");
    assert!(claim(first.id, of(9, true)).await.expect("it answers").is_some());
    assert!(matches!(claim(TaskId::new(), of(9, true)).await, Err(Error::NotFound(_))));
}
