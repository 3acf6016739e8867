//! A call that somebody has to confirm, from the question to the one time it is let through.

use std::sync::Arc;

use orchestrator_events::{Numbering, SqlLog};
use orchestrator_security::{
    Approvals, ApprovalsConfig, ApprovalsParts, Ask, Audit, Config, Gate, GateParts, Opinion, Parts, Place, Refusal,
    Ruling, Signer, Stance, Word,
};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{Actor, Label, OrgId, SessionId, SystemClock, TaskId};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    let (gate, approvals) = gate(here.path()).await?;
    let agent: orchestrator_vocab::AgentId = "coder".parse()?;
    let ask = Ask {
        org: OrgId::LOCAL,
        actor: Actor::Agent(agent.clone()),
        tool: "command.run".into(),
        arguments: json!({ "argv": ["make", "deploy"] }),
        label: Label::USER,
        session: Some(SessionId::new()),
        task: Some(TaskId::new()),
        agent: Some(agent),
        place: Some(Place { request: "call_1".into(), key: "1.0".into(), requester: Some("user:ada".parse()?) }),
        charters: Default::default(),
    };
    let opinions = || {
        let list = Opinion::new(Stance::Allow, "tools.allow has command.*");
        vec![list, Opinion::new(Stance::Confirm, "tools.confirm has command.run")]
    };

    let Err(Refusal::Waits { approval, reason }) = gate.clear(ask.clone(), opinions()).await else {
        anyhow::bail!("somebody has to be asked");
    };
    println!("{reason}");
    let shown = approvals.get(OrgId::LOCAL, approval).await?;
    println!("shown: {} {}", shown.tool, shown.arguments);

    let says = |who: &str| {
        let by = who.parse().map(|by| Ruling { word: Word::Approve, by, note: None, digest: Some(shown.digest) });
        by.map_err(anyhow::Error::from)
    };
    let own = approvals.rule(OrgId::LOCAL, approval, says("user:ada")?).await.expect_err("it was she who asked");
    println!("refused: {own}");
    approvals.rule(OrgId::LOCAL, approval, says("user:bob")?).await?;

    let clearance = gate.clear(ask.clone(), opinions()).await?;
    println!("cleared: {}", clearance.reason());
    let again = gate.clear(ask, opinions()).await.expect_err("once");
    println!("refused: {again}");
    Ok(())
}

async fn gate(here: &std::path::Path) -> anyhow::Result<(Gate, Approvals)> {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    SqlLog::open(database.clone(), &numbering).await?;
    let clock = Arc::new(SystemClock);
    let parts = ApprovalsParts { database, clock: clock.clone(), config: ApprovalsConfig::default() };
    let approvals = Approvals::open(parts).await?;
    let signer = Signer::open(&here.join("audit.key"))?;
    let audit = Audit::open(Parts { directory: here.join("audit"), signer, clock, config: Config::default() })?;
    let parts = GateParts { audit, approvals: approvals.clone(), filter: Arc::new(|value| value.clone()) };
    Ok((Gate::new(parts), approvals))
}
