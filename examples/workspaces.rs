//! Two sessions edit the same file of a repository: the first merges, the second is told where it conflicts.
//!
//! `cargo run -p orchestrator-examples --example workspaces`

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_vocab::{Actor, OrgId, SessionId, SystemClock};
use orchestrator_workspaces::{Activity, Choice, Config, Error, MemoryStore, Parts, Workspaces};

struct Idle;

#[async_trait]
impl Activity for Idle {
    async fn is_active(&self, _: OrgId, _: SessionId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(false)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    let source = here.path().join("source");
    std::fs::create_dir(&source)?;
    std::fs::write(source.join("plan.txt"), "first\nsecond\nthird\n")?;
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "begin"]] {
        let identity = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"];
        anyhow::ensure!(Command::new("git").args(identity).args(args).current_dir(&source).status()?.success());
    }
    let sources = [("plan".parse().expect("a name"), source.clone())].into();
    let workspaces = Workspaces::open(Parts {
        store: Arc::new(MemoryStore::default()),
        activity: Arc::new(Idle),
        clock: Arc::new(SystemClock),
        node: "example".into(),
        owner: "workspaces-example".into(),
        root: here.path().join("workspaces"),
        keep_out: vec![],
        config: Config { sources, ..Config::default() },
    })?;
    let mut sessions = Vec::new();
    for (session, text) in [(SessionId::new(), "one"), (SessionId::new(), "1st")] {
        let choice = Choice { source: Some("plan".parse().expect("a name")), mode: None };
        let workspace = workspaces.prepare(OrgId::LOCAL, session, choice).await?;
        println!("{session} works in a {} at {}", workspace.mode.as_str(), workspace.path.display());
        std::fs::write(workspace.path.join("plan.txt"), format!("{text}\nsecond\nthird\n"))?;
        println!("{}", workspaces.diff(OrgId::LOCAL, session).await?.diff);
        sessions.push(session);
    }
    let alice = || Actor::User("alice".into());
    workspaces.merge(OrgId::LOCAL, sessions[0], Some("The first".into()), alice()).await?;
    match workspaces.merge(OrgId::LOCAL, sessions[1], None, alice()).await {
        Err(Error::Conflicts { paths }) => println!("the second conflicts in {paths:?}"),
        other => anyhow::bail!("expected a conflict: {other:?}"),
    }
    workspaces.discard(OrgId::LOCAL, sessions[1], alice()).await?;
    println!("the source:\n{}", std::fs::read_to_string(source.join("plan.txt"))?);
    Ok(())
}
