use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use orchestrator_security::{Audit, Config, Decision, Entry, Parts, Signer};
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, OrgId, SessionId, SystemClock, TaskId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::Scale;
use crate::bed::on_disk;
use crate::figure::{Aim, Figure, per_second};

/// Decisions that wait for their record at a time.
const IN_FLIGHT: usize = 64;

/// Records that are on the disk, each before whoever wrote it goes on.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let place = on_disk()?;
    let audit = Audit::open(Parts {
        directory: place.path().join("audit"),
        signer: Signer::open(&place.path().join("audit.key"))?,
        clock: Arc::new(SystemClock),
        config: Config::default(),
    })?;
    let each = scale.of(200_000, 6_400) / IN_FLIGHT;
    let (entry, started, mut running) = (entry()?, Instant::now(), JoinSet::new());
    for _ in 0..IN_FLIGHT {
        let (audit, entry) = (audit.clone(), entry.clone());
        running.spawn(async move {
            for _ in 0..each {
                audit.append(entry.clone()).await?;
            }
            Ok::<(), orchestrator_security::Error>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let rate = per_second(each * IN_FLIGHT, started.elapsed());
    audit.close().await;
    let verified = audit.verify()?;
    let written = u64::try_from(each * IN_FLIGHT)?;
    anyhow::ensure!(verified.intact && verified.records == written, "the log is not what was written: {verified:?}");
    let conditions = format!(
        "library, {IN_FLIGHT} in flight, each of a call of a tool with 200 bytes of arguments, synced; the log was verified"
    );
    Ok(vec![Figure::new("audit.append", rate, "records/s", conditions).aiming(Aim::AtLeast(10_000.0))])
}

fn entry() -> anyhow::Result<Entry> {
    let arguments = json!({ "path": "notes/today.md", "content": "a".repeat(160) });
    Ok(Entry {
        org: OrgId::LOCAL,
        actor: Actor::Agent("coder".parse().context("a name")?),
        action: "fs.write".into(),
        decision: Decision::Allowed,
        reason: "tools.allow has fs.*".into(),
        rules: BTreeSet::from(["tools.allow has fs.*".to_owned()]),
        session: Some(SessionId::new()),
        task: Some(TaskId::new()),
        agent: None,
        digest: Some(Digest::of(&arguments)?),
        arguments: arguments.to_string(),
        charters: BTreeMap::new(),
    })
}
