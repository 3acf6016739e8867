mod asking;
mod calling;

use std::sync::Arc;
use std::time::Duration;

use orchestrator_sessions::{Desk, Entry, Gate, Numbered, Outcome, Runtime as _, Session};
use orchestrator_vocab::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::conversation::{Conversation, Next, Unreadable, noted};
use crate::runtime::of_journal;
use crate::tool::{Opening, Refused};
use crate::{Limits, Llm, Parts, Recalled, opening};

/// Why the work does not go on.
pub(crate) enum Halted {
    /// It was told to end.
    Stopped,
    /// It has ended.
    With(Outcome),
}

type Go<T = ()> = Result<T, Halted>;

/// One session at work: a thin shell around what the conversation says is next.
pub(crate) struct Work<'a> {
    parts: &'a Parts,
    desk: &'a Desk,
    gate: &'a Gate,
    cancel: &'a CancellationToken,
    frame_pause: Duration,
    session: Arc<Session>,
    conversation: Conversation,
    /// Taken into account, and written with what comes next: nothing is waited for before that.
    held: Vec<Entry>,
    /// Changes when a person has said something.
    inputs: watch::Receiver<u64>,
}

impl<'a> Work<'a> {
    /// Begins, or goes on where the journal ends.
    pub(crate) async fn open(
        parts: &'a Parts,
        desk: &'a Desk,
        gate: &'a Gate,
        cancel: &'a CancellationToken,
        frame_pause: Duration,
    ) -> Go<Self> {
        let inputs = desk.inputs();
        let mut entries = desk.journal().all().await.map_err(|error| Halted::With(of_journal(&error)))?;
        let begun = entries.iter().position(is_beginning);
        let entries = match begun {
            Some(begun) => entries.split_off(begun),
            // Before it begins, people may have said something already.
            None => begin(parts, desk, &entries).await?,
        };
        let conversation = Conversation::of(&entries).map_err(|error| unreadable(&error))?;
        let conversation = conversation.expect("it was begun, or went on");
        let session = Arc::new(desk.session().clone());
        let held = Vec::new();
        let mut work = Self { parts, desk, gate, cancel, frame_pause, session, conversation, held, inputs };
        desk.started(None).await;
        work.catch_up().await?;
        Ok(work)
    }

    pub(crate) fn limits(&self) -> Limits {
        self.conversation.profile.limits.clone()
    }

    pub(crate) async fn run(&mut self) -> Go<Outcome> {
        loop {
            self.desk.alive();
            if self.cancel.is_cancelled() {
                self.record(Vec::new()).await?;
                return Err(Halted::Stopped);
            }
            match self.conversation.next() {
                Next::Ask => self.ask().await?,
                Next::Call(due) => self.call(due).await?,
                Next::Note { what, facts, message } => {
                    if what == noted::TOO_LONG {
                        self.may_compact().await?;
                    }
                    tracing::info!(session = %self.session.id, what, %facts, "noted");
                    let entry = Entry::Noted { what: what.to_owned(), facts, message };
                    self.record(vec![entry]).await?;
                }
                // What a person said meanwhile may be what it waits for.
                Next::Wait { reason } if !self.catch_up().await? => return Ok(Outcome::Waiting { reason }),
                Next::Wait { .. } => {}
                Next::Finish { .. } if self.catch_up().await? => {}
                Next::Finish { result } => return Ok(Outcome::Completed { result }),
                Next::Fail { error } => return Ok(Outcome::Failed { error }),
            }
        }
    }

    /// Takes entries into account. If the model is asked next, they are written with that, and are durable before it is; else at once.
    async fn hold(&mut self, entries: Vec<Entry>) -> Go {
        self.apply(entries.clone())?;
        self.held.extend(entries);
        if self.conversation.next() == Next::Ask { Ok(()) } else { self.record(Vec::new()).await }
    }

    /// Writes entries down behind those that were held, and takes them into account with whatever came between.
    async fn record(&mut self, entries: Vec<Entry>) -> Go {
        let held = std::mem::take(&mut self.held);
        let (had_held, expected) = (!held.is_empty(), self.conversation.last + entries.len() as u64);
        let all: Vec<Entry> = held.into_iter().chain(entries.iter().cloned()).collect();
        if all.is_empty() {
            return Ok(());
        }
        let last = self.desk.journal().append(all).await;
        let last = last.map_err(|error| Halted::With(of_journal(&error)))?;
        match (last == expected, had_held) {
            (true, _) => self.apply(entries),
            (false, false) => self.catch_up().await.map(drop),
            (false, true) => self.begin_anew().await,
        }
    }

    fn apply(&mut self, entries: Vec<Entry>) -> Go {
        for entry in entries {
            let number = self.conversation.last + 1;
            let numbered = Numbered { number, at: Timestamp::default(), entry };
            self.conversation.apply(&numbered).map_err(|error| unreadable(&error))?;
        }
        Ok(())
    }

    /// Somebody wrote before what was held: it was taken into account too early.
    async fn begin_anew(&mut self) -> Go {
        let mut entries = self.desk.journal().all().await.map_err(|error| Halted::With(of_journal(&error)))?;
        let begun = entries.iter().position(is_beginning).unwrap_or_default();
        let conversation = Conversation::of(&entries.split_off(begun)).map_err(|error| unreadable(&error))?;
        self.conversation = conversation.expect("it has begun");
        Ok(())
    }

    /// The last entry that is in the journal for certain, or others' before it: what was held has no number yet.
    fn written(&self) -> u64 {
        self.conversation.last - self.held.len() as u64
    }

    /// Reads what others wrote; whether there was anything.
    async fn catch_up(&mut self) -> Go<bool> {
        const PAGE: usize = 200;
        let mut any = false;
        loop {
            let read = self.desk.journal().read(self.conversation.last, PAGE).await;
            let entries = read.map_err(|error| Halted::With(of_journal(&error)))?;
            any |= !entries.is_empty();
            for entry in &entries {
                self.conversation.apply(entry).map_err(|error| unreadable(&error))?;
            }
            if entries.len() < PAGE {
                return Ok(any);
            }
        }
    }
}

fn is_beginning(entry: &Numbered) -> bool {
    matches!(entry.entry, Entry::Began { .. })
}

/// The first entries. What was said before the beginning is said again behind it.
async fn begin(parts: &Parts, desk: &Desk, said: &[Numbered]) -> Go<Vec<Numbered>> {
    let profile = serde_json::to_value(&parts.profile).expect("a profile is plain data");
    let llm = Llm::new(parts.clone()).map_err(|error| failed(error.to_string()))?;
    let message = opening::message(desk.document(), desk.document_label());
    let began = Entry::Began { runtime: llm.name().to_owned(), profile, message };
    let (mut entries, mut standing) = (vec![began], Vec::new());
    if let Some(Opening { message, standing: stands }) = opened(parts, desk).await? {
        let facts = json!({ "standing": stands });
        entries.push(Entry::Noted { what: noted::STANDING.to_owned(), facts, message: Some(message) });
        standing.push(stands);
    }
    entries.extend(recalled(parts, desk).await);
    let facts = json!({ "tools": parts.tools.offered(&standing) });
    entries.push(Entry::Noted { what: noted::TOOLS.to_owned(), facts, message: None });
    entries.extend(said.iter().map(|said| said.entry.clone()));
    desk.journal().append(entries).await.map_err(|error| Halted::With(of_journal(&error)))?;
    let after = said.last().map_or(0, |said| said.number);
    let begun = desk.journal().read(after, usize::from(u16::MAX)).await;
    begun.map_err(|error| Halted::With(of_journal(&error)))
}

/// What matters for the task of what is remembered.
async fn recalled(parts: &Parts, desk: &Desk) -> Option<Entry> {
    let words = opening::words(desk.document());
    let Recalled { message, facts } =
        parts.memory.as_ref()?.recall(desk.session(), words, desk.document_label()).await?;
    Some(Entry::Noted { what: noted::RECALLED.to_owned(), facts, message: Some(message) })
}

/// What the words of the task bring about by themselves.
async fn opened(parts: &Parts, desk: &Desk) -> Go<Option<Opening>> {
    let opening = parts.tools.open(desk.session(), opening::words(desk.document()), desk.document_label()).await;
    opening.map_err(|refused| match refused {
        Refused::Denied { reason } | Refused::Waits { reason, .. } => failed(reason),
    })
}

fn unreadable(error: &Unreadable) -> Halted {
    failed(format!("the session cannot go on: {error}"))
}

fn failed(error: String) -> Halted {
    Halted::With(Outcome::Failed { error })
}
