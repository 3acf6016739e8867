//! A small release on SQLite: a graph of tasks, two agents that fit different ones, a failure, and what the log says.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_events::{Log as _, Numbering, Query, SqlLog};
use orchestrator_sql::{Database, Options};
use orchestrator_tasks::{
    Backlog, Backoff, Candidate, Claim, Completion, Config, Dispatch, Draft, Error, Keeper, Origin, Refused, Scheduler,
    SqlStore, Workforce,
};
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Two agents, whose claims go into a channel.
struct Team {
    claims: mpsc::UnboundedSender<Claim>,
    changed: watch::Sender<u64>,
}

#[async_trait]
impl Workforce for Team {
    async fn agents(&self, _: OrgId) -> Result<Vec<Candidate>, Error> {
        let agent = |name: &str, capability: &str| {
            let capabilities = capability.parse().map(|one| [one].into()).unwrap_or_default();
            name.parse().ok().map(|id| Candidate::new(id, capabilities))
        };
        Ok([agent("builder", "rust"), agent("writer", "docs")].into_iter().flatten().collect())
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        Ok(vec![OrgId::LOCAL])
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[async_trait]
impl Dispatch for Team {
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused> {
        self.claims.send(claim).map_err(|_| Refused { reason: "nobody works any more".into() })
    }
}

fn release() -> Vec<Draft> {
    let task = |name: &str, needs: &str, after: &[&str]| Draft {
        reference: Some(name.into()),
        depends_on_refs: after.iter().map(|name| (*name).to_owned()).collect(),
        required_capabilities: needs.parse().map(|one| [one].into()).unwrap_or_default(),
        ..Draft::new(name)
    };
    vec![
        task("compile", "rust", &[]),
        task("changelog", "docs", &[]),
        task("test", "rust", &["compile"]),
        task("announce", "docs", &["test", "changelog"]),
    ]
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    let log = SqlLog::open(database.clone(), &numbering).await?;
    let store = SqlStore::open(database, Arc::new(SystemClock)).await?;

    let backoff = Backoff { initial_ms: 100, ..Backoff::default() };
    let backlog = Backlog::new(Arc::new(store), Config { backoff, sweep_ms: 50, ..Config::default() })?;
    let (sender, mut claims) = mpsc::unbounded_channel();
    let team = Arc::new(Team { claims: sender, changed: watch::Sender::new(0) });
    let stop = CancellationToken::new();
    let mut loops = JoinSet::new();
    loops.spawn(Scheduler::new(backlog.clone(), team.clone(), team).run(stop.clone()));
    loops.spawn(Keeper::new(backlog.clone()).run(stop.clone()));

    let me = Origin::new(OrgId::LOCAL, Actor::User("alice".into()));
    let tasks = backlog.create_many(&me, release()).await?;
    let mut done = 0;
    while done < tasks.len() {
        let claim = tokio::time::timeout(Duration::from_secs(10), claims.recv()).await?;
        let Some(claim) = claim else { break };
        let agent = claim.task.state.owner().map(ToString::to_string).unwrap_or_default();
        println!("{agent:8} works on {} (attempt {})", claim.task.title, claim.task.attempt);
        if claim.task.title == "test" && claim.task.attempt == 1 {
            backlog.fail(&me, claim.task.id, claim.fence, "a test failed").await?;
            continue;
        }
        let result = json!({ "by": agent });
        backlog.complete(&me, Completion { result, ..Completion::new(claim.task.id, claim.fence) }).await?;
        done += 1;
    }
    stop.cancel();
    loops.join_all().await;

    println!("\nWhat happened to `test`:");
    let query = Query { subject: Some(tasks[2].id.to_string()), limit: 100, ..Query::default() };
    for event in log.query(OrgId::LOCAL, query).await? {
        println!("{:3} {:20} {}", event.seq, event.name, event.payload["status"].as_str().unwrap_or_default());
    }
    Ok(())
}
