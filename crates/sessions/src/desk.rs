use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::Transient;
use orchestrator_process::{Process, Sandbox, Spec};
use orchestrator_vocab::{Actor, Label, Tokens};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::live::Live;
use crate::sessions::Shared;
use crate::{Ending, Error, Exit, Halt, Journal, Session, Step, event};

/// What a runtime works at: its task, its journal, and everything by which it is heard and told. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    live: Arc<Live>,
    session: Session,
    document: Value,
    journal: Journal,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Desk").field(&self.0.session.id).finish()
    }
}

impl Desk {
    pub(crate) fn new(shared: Arc<Shared>, live: Arc<Live>, session: Session, document: Value) -> Self {
        let journal = Journal::new(shared.clone(), live.clone(), &session);
        Self(Arc::new(Inner { shared, live, session, document, journal }))
    }

    /// As it was when the work began or went on: for its ids, agent and brief.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// The task, with what came of the tasks it depended on: what the agent is to read.
    pub fn document(&self) -> &Value {
        &self.0.document
    }

    /// Of the words in that document: of the task, and of what came of the others. What has no label nobody vouches for.
    pub fn document_label(&self) -> Label {
        label_of_document(&self.0.document)
    }

    /// Of everything that was said in this session, as far as its journal was read and written: what is said on top of it can be
    /// trusted no more, and is as secret.
    pub fn label(&self) -> Label {
        self.0.live.label()
    }

    /// What happened in this session so far, and where to write what happens next.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Starts a program of this session within `sandbox`, if that is on.
    ///
    /// # Errors
    /// See `orchestrator_process::Host::spawn`.
    pub async fn spawn(&self, sandbox: &Sandbox, spec: Spec) -> Result<Process, orchestrator_process::Error> {
        let Inner { shared, session, .. } = &*self.0;
        let spec = spec.about("org", session.org).about("session", session.id);
        let spec = spec.about("task", session.task).about("agent", &session.agent);
        shared.parts.host.spawn(sandbox, spec).await
    }

    /// Says that the work runs, under this pid if it is a process, and returns when that is stored. Call it once; what
    /// [`halts`](Self::halts) is registered before, since from here on the session can be paused.
    pub async fn started(&self, pid: Option<u32>) {
        self.publish("stream.start", json!({}));
        let Inner { shared, live, session, .. } = &*self.0;
        let actor = Actor::Agent(session.agent.clone());
        let store = || shared.step(live, Step::Started, &actor, |session| session.pid = pid);
        if let Some(Err(error)) = shared.until_answered(session.id, store, Error::is_retryable).await {
            tracing::error!(session = %session.id, %error, "a session could not be marked as running");
        }
    }

    /// How far the work is: goes to the backlog with the next heartbeat, at once if `progressMs` have passed. Up to 16,000
    /// bytes as JSON; what is larger is dropped by the backlog. A sign of life.
    pub fn progress(&self, progress: Value) {
        self.alive();
        self.0.live.progress.send_replace(Some(progress));
    }

    /// Adds to what the session has used.
    pub fn add_usage(&self, input: Tokens, output: Tokens) {
        self.0.live.add_usage(input, output);
    }

    /// The last thing the agent said; 500 characters are shown with the session.
    pub fn said(&self, text: &str) {
        self.0.live.set_last_output(&self.filtered(text.to_owned()));
    }

    /// Tells whoever listens now; nothing of it is kept. `name` begins with `stream.` or `tool.`, `facts` is an object. Secrets are
    /// taken out of every text in it. A sign of life.
    pub fn publish(&self, name: &'static str, facts: Value) {
        self.alive();
        self.publish_filtered(name, self.0.shared.filtered_json(facts));
    }

    /// The work goes on, though there is nothing to tell. Journaled sessions that give no sign of life for `stallMs` are
    /// told to end. Progress, publishing and every entry of the journal are such signs.
    pub fn alive(&self) {
        self.0.live.sign_of_life();
    }

    /// Returns when the session is to end; at once, and each time, if it was asked before.
    pub async fn asked_to_end(&self) -> Ending {
        self.asked_to_end_within(Duration::MAX).await
    }

    /// Returns when the session is to end with less grace than `grace`: somebody has lost patience.
    pub async fn asked_to_end_within(&self, grace: Duration) -> Ending {
        self.0.live.asked_to_end_within(grace).await
    }

    /// What makes the work stand still when somebody pauses the session. Without one it cannot be paused. Only the first
    /// counts.
    pub fn halts(&self, halt: Arc<dyn Halt>) {
        self.0.live.halt.get_or_init(|| halt);
    }

    /// Changes its value whenever a person has said something, or settled something: it is in the journal then.
    pub fn inputs(&self) -> watch::Receiver<u64> {
        self.0.live.inputs.subscribe()
    }

    /// How the process exited, to be shown with the session.
    pub fn exited(&self, exit: Exit) {
        self.0.live.set_exit(exit);
    }

    /// The text without what nobody may see.
    pub fn filtered(&self, text: String) -> String {
        self.0.shared.filtered(text)
    }

    /// For text that went through [`filtered`](Self::filtered) already.
    pub(crate) fn publish_filtered(&self, name: &'static str, facts: Value) {
        let piece: Transient = event::stream(&self.0.session, name, facts);
        self.0.shared.parts.hub.publish_transient(piece);
    }

    pub(crate) fn said_filtered(&self, text: &str) {
        self.0.live.set_last_output(text);
    }
}

fn label_of_document(document: &Value) -> Label {
    let label = |of: &Value| of.get("label").and_then(|label| Label::deserialize(label).ok()).unwrap_or_default();
    let dependencies = document["dependencies"].as_array().into_iter().flatten();
    let said = dependencies.filter(|dependency| !dependency["result"].is_null()).map(label);
    said.fold(label(document).join(Label::USER), Label::join)
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Confidentiality, Integrity};

    use super::*;

    #[test]
    fn a_document_is_as_secret_as_what_came_of_the_tasks_it_depends_on() {
        let label = |document: Value| {
            let label = label_of_document(&document);
            (label.integrity, label.confidentiality)
        };
        let secret = Label { confidentiality: Confidentiality::Secret, ..Label::USER };
        let operator = Label { integrity: Integrity::Operator, ..Label::USER };
        let inner = Confidentiality::Internal;
        assert_eq!(label(json!({ "label": operator })), (Integrity::User, inner));
        assert_eq!(label(json!({ "anything": 1 })), (Integrity::Untrusted, inner));
        for (done, expected) in [
            (json!({ "result": "words", "label": secret }), (Integrity::User, Confidentiality::Secret)),
            (json!({ "result": "words" }), (Integrity::Untrusted, inner)),
            (json!({ "result": null, "label": secret }), (Integrity::User, inner)),
        ] {
            assert_eq!(label(json!({ "label": operator, "dependencies": [done] })), expected);
        }
    }
}
