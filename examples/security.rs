//! An audit log: written before anything is done, and any change of it is found. And an order that stops everything.
//!
//! `cargo run -p orchestrator-examples --example security`

use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_security::emergency::MemoryStore;
use orchestrator_security::{Audit, Config, Decision, Emergency, Entry, Filter, Parts, Signer, verify};
use orchestrator_vocab::{Actor, OrgId, SystemClock};

fn entry(action: &str, decision: Decision, reason: &str) -> anyhow::Result<Entry> {
    Ok(Entry {
        org: OrgId::LOCAL,
        actor: Actor::Agent("coder".parse()?),
        action: action.to_owned(),
        decision,
        reason: reason.to_owned(),
        session: None,
        task: None,
        agent: None,
        digest: None,
        arguments: r#"{"path":"notes.txt"}"#.to_owned(),
        rules: Default::default(),
        charters: BTreeMap::new(),
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    let directory = here.path().join("audit");
    let signer = Signer::open(&here.path().join("audit.key"))?;
    let (clock, config) = (Arc::new(SystemClock), Config::default());
    let audit = Audit::open(Parts { directory: directory.clone(), signer, clock, config })?;
    audit.append(entry("fs.read", Decision::Allowed, "tools.allow has fs.read")?).await?;
    audit.append(entry("fs.write", Decision::Denied, "fs.write is not in tools.allow")?).await?;
    for record in audit.list(&Filter::default(), None, 10)? {
        println!("{} {} {:?}: {}", record.seq, record.entry.action, record.entry.decision, record.entry.reason);
    }
    audit.close().await;
    let verified = verify(&directory, None)?;
    println!("intact: {}, {} records, {} signed places", verified.intact, verified.records, verified.checkpoints);

    let file = directory.join("audit-000001.jsonl");
    let kept: Vec<String> = std::fs::read_to_string(&file)?.lines().map(str::to_owned).collect();
    std::fs::write(&file, format!("{}\n{}\n", kept[0], kept[2]))?;
    for fault in verify(&directory, None)?.faults {
        println!("found: {fault}");
    }
    emergency().await
}

/// What runs is dropped in the middle, and nothing begins until the order is taken back.
async fn emergency() -> anyhow::Result<()> {
    let emergency = Emergency::open(Arc::new(MemoryStore::default()), Arc::new(SystemClock)).await?;
    let root = Actor::User("root".to_owned());
    let endless = emergency.unless_stopped(OrgId::LOCAL, std::future::pending::<()>());
    let stopping = emergency.stop(OrgId::LOCAL, "it deletes everything", root.clone());
    let (cut_off, stopped) = tokio::join!(endless, stopping);
    stopped?;
    if let Err(why) = cut_off {
        println!("cut off: {why}");
    }
    emergency.release(OrgId::LOCAL, "it was a drill", root).await?;
    println!("goes on: {}", emergency.check(OrgId::LOCAL).is_ok());
    Ok(())
}
