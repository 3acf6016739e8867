//! Approvals on a database of their own, and a call to ask about.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Log as _, Numbering, SqlLog};
use orchestrator_security::{Approvals, ApprovalsConfig, ApprovalsParts, Wanted};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Label, OrgId, PausedClock, SessionId, TaskId, Timestamp};
use serde_json::json;

pub(crate) struct Stage {
    pub(crate) approvals: Approvals,
    pub(crate) clock: Arc<PausedClock>,
    log: SqlLog,
    _scratch: Scratch,
}

impl Stage {
    pub(crate) async fn on(backend: Backend, config: ApprovalsConfig) -> Self {
        let scratch = Scratch::create(backend).await.unwrap();
        let numbering = Numbering::default();
        let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
        let database = Database::connect(scratch.url(), options).await.unwrap();
        let log = SqlLog::open(database.clone(), &numbering).await.unwrap();
        let clock = Arc::new(PausedClock::at(Timestamp(1_000_000)));
        let parts = ApprovalsParts { database, clock: clock.clone(), config };
        Self { approvals: Approvals::open(parts).await.unwrap(), clock, log, _scratch: scratch }
    }

    /// The names of the events that were written, in order.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self.log.read(OrgId::LOCAL, 0, 1_000).await.unwrap();
        events.iter().map(|event| event.name.to_string()).collect()
    }

    pub(crate) fn later(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(&json!({ "arguments": { "argv": [text] }, "name": "command.run" })).unwrap()
}

pub(crate) fn wanted(session: SessionId, key: &str) -> Wanted {
    Wanted {
        org: OrgId::LOCAL,
        session,
        task: TaskId::new(),
        agent: "coder".parse().unwrap(),
        request: format!("call {key}"),
        key: key.to_owned(),
        tool: "command.run".to_owned(),
        arguments: r#"{"argv":["make"]}"#.to_owned(),
        digest: digest("make"),
        label: Label::USER,
        rules: ["tools.confirm has command.*".to_owned()].into(),
        by: [].into(),
        timeout_ms: None,
        requester: Some("user:ada".parse().unwrap()),
    }
}
