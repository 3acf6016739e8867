//! The gate: one record of each decision, and people who are asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_security::{
    ApprovalsConfig, Ask, Audit, Config, Decision, Filter, Gate, GateParts, Opinion, Parts, Place, Refusal, Ruling,
    Signer, Stance, Word,
};
use orchestrator_sql::Backend;
use orchestrator_vocab::{Actor, Label, OrgId, SessionId, TaskId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::Stage;

struct Site {
    stage: Stage,
    audit: Audit,
    gate: Gate,
    directory: TempDir,
}

impl Site {
    async fn new() -> Self {
        let stage = Stage::on(Backend::Sqlite, ApprovalsConfig::default()).await;
        let directory = tempfile::tempdir().unwrap();
        let signer = Signer::open(&directory.path().join("audit.key")).unwrap();
        let (clock, config) = (stage.clock.clone(), Config::default());
        let parts = Parts { directory: directory.path().join("audit"), signer, clock, config };
        let audit = Audit::open(parts).unwrap();
        let filter = Arc::new(|value: &Value| {
            serde_json::from_str(&value.to_string().replace("hunter2", "[redacted]")).unwrap()
        });
        let approvals = stage.approvals.clone();
        let gate = Gate::new(GateParts { audit: audit.clone(), approvals, filter });
        Self { stage, audit, gate, directory }
    }

    /// What was decided, the oldest first.
    fn records(&self) -> Vec<(Decision, String)> {
        let records = self.audit.list(&Filter::default(), None, 100).unwrap();
        records.into_iter().rev().map(|record| (record.entry.decision, record.entry.reason)).collect()
    }

    async fn rule(&self, refusal: Refusal, word: Word) {
        let Refusal::Waits { approval, .. } = refusal else { panic!("{refusal:?}") };
        let ruling = Ruling { word, by: "user:bob".parse().unwrap(), note: None, digest: None };
        self.stage.approvals.rule(OrgId::LOCAL, approval, ruling).await.unwrap();
    }
}

fn ask(session: SessionId, key: &str, argument: &str) -> Ask {
    let agent = "coder".parse().unwrap();
    let place = Place { request: format!("call {key}"), key: key.to_owned(), requester: None };
    Ask {
        org: OrgId::LOCAL,
        actor: Actor::Agent("coder".parse().unwrap()),
        tool: "command.run".to_owned(),
        arguments: json!({ "argv": [argument] }),
        label: Label::USER,
        session: Some(session),
        task: Some(TaskId::new()),
        agent: Some(agent),
        place: Some(place),
        charters: BTreeMap::new(),
    }
}

fn allowed() -> Opinion {
    Opinion::new(Stance::Allow, "tools.allow has *")
}

fn confirm() -> Opinion {
    Opinion::new(Stance::Confirm, "tools.confirm has command.*")
}

#[tokio::test]
async fn a_clearance_is_for_the_call_that_was_judged() {
    let site = Site::new().await;
    let clearance = site.gate.clear(ask(SessionId::new(), "1.0", "ls"), vec![allowed()]).await.unwrap();
    assert!(clearance.covers("command.run", &json!({ "argv": ["ls"] })));
    assert!(!clearance.covers("command.run", &json!({ "argv": ["rm"] })));
    assert!(!clearance.covers("fs.write", &json!({ "argv": ["ls"] })));
    assert_eq!(site.records(), [(Decision::Allowed, "tools.allow has *".to_owned())]);
}

#[tokio::test]
async fn a_denial_is_one_record_that_names_the_rules_and_no_secret() {
    let site = Site::new().await;
    let never = Opinion::new(Stance::Deny, "alwaysReject `command.run`");
    let refusal = site.gate.clear(ask(SessionId::new(), "1.0", "hunter2"), vec![allowed(), never]).await.unwrap_err();
    assert_eq!(refusal, Refusal::Denied { reason: "alwaysReject `command.run`".into() });
    let records = site.audit.list(&Filter::default(), None, 100).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].entry.rules, ["alwaysReject `command.run`".to_owned()].into());
    assert!(!records[0].entry.arguments.contains("hunter2"));
}

#[tokio::test]
async fn a_call_waits_until_somebody_says_yes_and_is_let_through_once() {
    let site = Site::new().await;
    let session = SessionId::new();
    let try_it = |argument| site.gate.clear(ask(session, "1.0", argument), vec![allowed(), confirm()]);
    let waits = try_it("make").await.unwrap_err();
    assert!(matches!(&waits, Refusal::Waits { reason, .. } if reason.contains("tools.confirm has command.*")));
    assert_eq!(try_it("make").await.unwrap_err(), waits, "it is asked once");
    site.rule(waits, Word::Approve).await;
    // What runs is what was shown.
    let other = try_it("make install").await.unwrap_err();
    assert!(matches!(&other, Refusal::Denied { reason } if reason.contains("another call")), "{other:?}");
    let clearance = try_it("make").await.unwrap();
    assert!(clearance.reason().starts_with("user:bob confirmed it ("), "{}", clearance.reason());
    let again = try_it("make").await.unwrap_err();
    assert!(matches!(&again, Refusal::Denied { reason } if reason.contains("for one call")), "{again:?}");
    let decisions: Vec<Decision> = site.records().into_iter().map(|(decision, _)| decision).collect();
    assert_eq!(decisions, [Decision::Held, Decision::Denied, Decision::Allowed, Decision::Denied]);
}

#[tokio::test]
async fn a_yes_does_not_help_against_a_rule_that_came_later() {
    let site = Site::new().await;
    let session = SessionId::new();
    let waits = site.gate.clear(ask(session, "1.0", "make"), vec![confirm()]).await.unwrap_err();
    site.rule(waits, Word::ApproveAlways).await;
    let never = || Opinion::new(Stance::Deny, "alwaysReject `command.run`");
    let refused = site.gate.clear(ask(session, "1.0", "make"), vec![confirm(), never()]).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused:?}");
}

#[tokio::test]
async fn what_was_confirmed_for_good_is_asked_about_no_more() {
    let site = Site::new().await;
    let waits = site.gate.clear(ask(SessionId::new(), "1.0", "make"), vec![confirm()]).await.unwrap_err();
    site.rule(waits, Word::ApproveAlways).await;
    let clearance = site.gate.clear(ask(SessionId::new(), "7.3", "make"), vec![confirm()]).await.unwrap();
    assert!(clearance.reason().contains("for good (grant_"), "{}", clearance.reason());
    let other = site.gate.clear(ask(SessionId::new(), "7.4", "make install"), vec![confirm()]).await.unwrap_err();
    assert!(matches!(other, Refusal::Waits { .. }));
}

#[tokio::test]
async fn a_call_without_a_place_to_wait_is_denied() {
    let site = Site::new().await;
    let nowhere = Ask { place: None, ..ask(SessionId::new(), "1.0", "make") };
    let refused = site.gate.clear(nowhere, vec![confirm()]).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Denied { reason } if reason.contains("cannot wait here")), "{refused:?}");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_allowed() {
    let site = Site::new().await;
    std::fs::remove_dir_all(site.directory.path().join("audit")).unwrap();
    let mut last = None;
    for key in ["1.0", "1.1"] {
        last = Some(site.gate.clear(ask(SessionId::new(), key, "ls"), vec![allowed()]).await);
    }
    let refused = last.unwrap();
    assert!(matches!(&refused, Err(Refusal::Denied { reason }) if reason.contains("audited")), "{refused:?}");
}
