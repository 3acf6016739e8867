//! A runtime whose every step is in the journal, and which takes a step when the test lets it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_sessions::{Desk, Entry, Error, Gate, Outcome, Repeat, Runtime};
use orchestrator_transcript::{Content, Digest};
use orchestrator_vocab::Actor;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

/// Takes `steps` steps and is done. All clones are one.
#[derive(Clone)]
pub(crate) struct Steps {
    pub(crate) steps: u64,
    /// Instead of this step a person is asked, unless one has settled it.
    pub(crate) asks_at: Option<u64>,
    /// One permit for each step.
    pub(crate) allowed: Arc<Semaphore>,
    /// What was done in the world.
    pub(crate) effects: Arc<Mutex<Vec<u64>>>,
    /// What people said, as the agent heard it.
    pub(crate) heard: Arc<watch::Sender<Vec<String>>>,
    /// Whether it reads what people say while it works.
    pub(crate) listens: bool,
    pub(crate) can_pause: bool,
    pub(crate) taken: Arc<watch::Sender<u64>>,
}

impl Steps {
    pub(crate) fn new(steps: u64) -> Self {
        Self {
            steps,
            asks_at: None,
            allowed: Arc::new(Semaphore::new(0)),
            effects: Arc::default(),
            heard: Arc::new(watch::Sender::new(Vec::new())),
            listens: false,
            can_pause: true,
            taken: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn allow(&self, steps: usize) {
        self.allowed.add_permits(steps);
    }

    pub(crate) fn effects(&self) -> Vec<u64> {
        self.effects.lock().unwrap().clone()
    }

    /// Allows so many steps and returns when they are taken.
    pub(crate) async fn took(&self, steps: u64) {
        self.allow(usize::try_from(steps).unwrap());
        self.taken.subscribe().wait_for(|taken| *taken >= steps).await.unwrap();
    }

    /// Returns when the agent has heard it.
    pub(crate) async fn heard(&self, text: &str) {
        self.heard.subscribe().wait_for(|heard| heard.iter().any(|one| one == text)).await.unwrap();
    }

    /// Listens to people for as long as it is polled.
    async fn listen(&self, desk: &Desk) {
        let (mut inputs, mut after) = (desk.inputs(), 0);
        if !self.listens {
            return std::future::pending().await;
        }
        loop {
            inputs.borrow_and_update();
            for one in desk.journal().read(after, 100).await.unwrap() {
                after = one.number;
                if let Entry::Input { content, .. } = one.entry
                    && let Content::Text { text } = &content[0].content
                {
                    self.heard.send_modify(|heard| heard.push(text.clone()));
                }
            }
            inputs.changed().await.unwrap();
        }
    }

    async fn work(&self, desk: &Desk, gate: &Gate) -> Result<Outcome, Error> {
        let entries = desk.journal().all().await?;
        let is_settled = entries.iter().any(|one| matches!(one.entry, Entry::Settled { .. }));
        let mut done = entries.iter().filter(|one| is_step(&one.entry)).count() as u64;
        while done < self.steps {
            if self.asks_at == Some(done + 1) && !is_settled {
                desk.journal().append(vec![calling(done + 1)]).await?;
                return Ok(Outcome::Waiting { reason: format!("may step {} be taken?", done + 1) });
            }
            tokio::select! {
                biased;
                ending = desk.asked_to_end() => return Ok(ending.into()),
                () = async {
                    self.allowed.acquire().await.unwrap().forget();
                    gate.open().await;
                } => {}
            }
            done += 1;
            desk.journal().append(vec![step(done)]).await?;
            self.effects.lock().unwrap().push(done);
            self.taken.send_replace(done);
            desk.said(&format!("step {done}"));
        }
        Ok(Outcome::Completed { result: json!({ "steps": done }) })
    }
}

#[async_trait]
impl Runtime for Steps {
    fn name(&self) -> &'static str {
        "steps"
    }

    fn grace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn is_journaled(&self) -> bool {
        true
    }

    async fn run(&self, desk: Desk) -> Outcome {
        let gate = Arc::new(Gate::default());
        if self.can_pause {
            desk.halts(gate.clone());
        }
        desk.started(None).await;
        let worked = tokio::select! {
            worked = self.work(&desk, &gate) => worked,
            () = self.listen(&desk) => unreachable!("it listens for ever"),
        };
        match worked {
            Ok(outcome) => outcome,
            Err(Error::Stale(_) | Error::Ended(_)) => Outcome::Lost,
            Err(error) => {
                let (reason, actor) = (error.to_string(), Actor::system("steps"));
                Outcome::Released { reason, actor, run_at: None }
            }
        }
    }
}

pub(crate) fn step(number: u64) -> Entry {
    Entry::Noted { what: "step".into(), facts: json!(number), message: None }
}

fn calling(number: u64) -> Entry {
    Entry::Calling {
        call: format!("call-{number}"),
        tool: "tool".into(),
        digest: Digest::of(&json!(number)).unwrap(),
        key: "k".into(),
        repeat: Repeat::Effective,
    }
}

fn is_step(entry: &Entry) -> bool {
    matches!(entry, Entry::Noted { what, .. } if what == "step")
}

/// Never ends, whatever it is asked, and gives no sign of life.
pub(crate) struct Deaf;

#[async_trait]
impl Runtime for Deaf {
    fn name(&self) -> &'static str {
        "deaf"
    }

    fn grace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_journaled(&self) -> bool {
        true
    }

    async fn run(&self, desk: Desk) -> Outcome {
        desk.started(None).await;
        std::future::pending().await
    }
}

/// Writes these, all at once.
pub(crate) struct Writes(pub(crate) Vec<Entry>);

pub(crate) fn large(bytes: usize) -> Entry {
    Entry::Noted { what: "x".repeat(bytes), facts: json!(null), message: None }
}

#[async_trait]
impl Runtime for Writes {
    fn name(&self) -> &'static str {
        "writes"
    }

    fn grace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_journaled(&self) -> bool {
        true
    }

    async fn run(&self, desk: Desk) -> Outcome {
        desk.started(None).await;
        match desk.journal().append(self.0.clone()).await {
            Ok(last) => Outcome::Completed { result: json!(last) },
            Err(error) => Outcome::Failed { error: error.to_string() },
        }
    }
}
