mod asking;
mod calling;

use std::sync::Arc;
use std::time::Duration;

use orchestrator_sessions::{Desk, Entry, Gate, Numbered, Outcome, Runtime as _, Session};
use orchestrator_vocab::Timestamp;
use serde_json::json;
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
        let mut work = Self { parts, desk, gate, cancel, frame_pause, session, conversation };
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

    /// Writes entries down, and takes them into account with whatever came between.
    async fn record(&mut self, entries: Vec<Entry>) -> Go {
        let expected = self.conversation.last + entries.len() as u64;
        let last = self.desk.journal().append(entries.clone()).await;
        let last = last.map_err(|error| Halted::With(of_journal(&error)))?;
        if last != expected {
            return self.catch_up().await.map(drop);
        }
        for entry in entries {
            let number = self.conversation.last + 1;
            let numbered = Numbered { number, at: Timestamp::default(), entry };
            self.conversation.apply(&numbered).map_err(|error| unreadable(&error))?;
        }
        Ok(())
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
