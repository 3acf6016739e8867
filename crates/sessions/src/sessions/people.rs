//! What people say to sessions in the middle of their work.

use orchestrator_transcript::Block;
use orchestrator_vocab::{Actor, OrgId, SessionId};
use serde_json::{Value, json};

use super::Sessions;
use crate::{Append, Entry, Error, Numbered, Session, Verdict, event};

/// How much of an input goes into its event.
const PREVIEW_CHARS_MAX: usize = 500;
/// How many bytes of entries one page of a history holds, unless the first alone is larger.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Something a person says to a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What.
    pub content: Vec<Block>,
    /// Who says it.
    pub actor: Actor,
    /// Saying it again under the same key does nothing.
    pub key: Option<String>,
}

/// Something that is to be known about the course of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Noting {
    /// What happened: the field `what` of its [`Entry::Noted`].
    pub what: String,
    /// More about it.
    pub facts: Value,
    /// The event that tells of it, with the same facts.
    pub event: &'static str,
    /// Who has it noted.
    pub actor: Actor,
    /// Noting it again under the same key does nothing.
    pub key: Option<String>,
}

/// What was answered about a call that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Which call.
    pub call: String,
    /// What was answered to.
    pub approval: String,
    /// Who answered.
    pub by: Actor,
    /// Whether it may be made.
    pub allowed: bool,
    /// Why.
    pub reason: String,
}

impl Sessions {
    /// Writes what a person says into the journal, from where the agent reads it when it next can: at once if it works, else
    /// when it goes on. Returns the number of the entry.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ended`], [`Error::TakesNoInput`], [`Error::Invalid`] if it is too large,
    /// [`Error::Store`].
    pub async fn say(&self, org: OrgId, id: SessionId, said: Said) -> Result<u64, Error> {
        let session = self.listening(org, id).await?;
        let preview: String = texts(&said.content).chars().take(PREVIEW_CHARS_MAX).collect();
        let entry = Entry::Input { by: said.actor.clone(), content: said.content };
        let facts = json!({ "by": said.actor, "text": preview });
        self.write(&session, entry, ("session.input", facts), said.actor, said.key).await
    }

    /// Notes something in the journal, from where whoever works on the session reads it before the next step. Returns the number of the
    /// entry.
    ///
    /// # Errors
    /// As for [`say`](Self::say).
    pub async fn note(&self, org: OrgId, id: SessionId, noting: Noting) -> Result<u64, Error> {
        let session = self.listening(org, id).await?;
        let Noting { what, facts, event, actor, key } = noting;
        let entry = Entry::Noted { what, facts: facts.clone(), message: None };
        self.write(&session, entry, (event, facts), actor, key).await
    }

    /// Says what became of a call that may or may not have been made. If that was the last that the session waited for, it
    /// goes on: at once if its agent has room, else when its task is given to it again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ended`], [`Error::TakesNoInput`], [`Error::NothingToSettle`], [`Error::Invalid`] if
    /// it is too large, [`Error::Store`]. [`Error::Work`]: it is settled, but the session did not go on; resume it.
    pub async fn settle(
        &self,
        org: OrgId,
        id: SessionId,
        call: &str,
        verdict: Verdict,
        actor: Actor,
    ) -> Result<Session, Error> {
        let session = self.listening(org, id).await?;
        let mut open = unsettled(&self.0.all_entries(org, id).await?);
        let Some(place) = open.iter().position(|open| open == call) else {
            return Err(Error::NothingToSettle { session: id, call: call.to_owned() });
        };
        open.remove(place);
        let facts = json!({ "callId": call, "verdict": verdict });
        let entry = Entry::Settled { call: call.to_owned(), by: actor.clone(), verdict };
        self.write(&session, entry, ("session.settled", facts), actor, None).await?;
        match session.state.is_waiting() && open.is_empty() {
            true => self.go_on(&session).await,
            false => self.get(org, id).await,
        }
    }

    /// Tells a session what was answered about a call that it waits with. Telling it again does nothing. If it waits for a person it
    /// goes on: at once if its agent has room, else when its task is given to it again.
    ///
    /// Answers whether it knows by now; otherwise tell it again when it has become `suspended`: it may have been about to wait.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ended`], [`Error::TakesNoInput`], [`Error::Store`]. [`Error::Work`]: it knows, but did not go
    /// on; tell it again.
    pub async fn rule(&self, org: OrgId, id: SessionId, answered: Answered) -> Result<bool, Error> {
        let session = self.listening(org, id).await?;
        let Answered { call, approval, by, allowed, reason } = answered;
        let facts = json!({ "callId": call, "approvalId": approval, "allowed": allowed });
        let key = format!("approval {approval}");
        let entry = Entry::Ruled { call, approval, by: by.clone(), allowed, reason };
        let number = self.write(&session, entry, ("session.ruled", facts), by, Some(key)).await?;
        let session = self.get(org, id).await?;
        match session.state.is_waiting() {
            true => self.go_on(&session).await.map(|_| true),
            // What it wrote after the answer it wrote knowing it.
            false => Ok(session.entries > number || !session.state.is_active()),
        }
    }

    /// At most `limit` entries of the journal with numbers above `after`, in order, without what nobody may see; fewer if
    /// they are large. As JSON: what was taken out may leave less than an [`Entry`].
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn history(&self, org: OrgId, id: SessionId, after: u64, limit: usize) -> Result<Vec<Value>, Error> {
        self.get(org, id).await?;
        let (mut shown, mut bytes) = (Vec::new(), 0);
        for one in self.0.parts.store.entries(org, id, after, limit).await? {
            let entry = self.0.filtered_json(json!(one));
            bytes += entry.to_string().len();
            if bytes > PAGE_BYTES_MAX && !shown.is_empty() {
                break;
            }
            shown.push(entry);
        }
        Ok(shown)
    }

    async fn listening(&self, org: OrgId, id: SessionId) -> Result<Session, Error> {
        let session = self.get(org, id).await?;
        match session.is_journaled {
            _ if session.state.is_ended() => Err(Error::Ended(id)),
            true => Ok(session),
            false => Err(Error::TakesNoInput { session: id, runtime: session.runtime }),
        }
    }

    async fn write(
        &self,
        session: &Session,
        entry: Entry,
        (name, facts): (&'static str, Value),
        actor: Actor,
        key: Option<String>,
    ) -> Result<u64, Error> {
        let now = self.0.parts.clock.now();
        let append = Append {
            org: session.org,
            session: session.id,
            fence: None,
            at: now,
            entries: vec![entry],
            key,
            events: vec![event::about(session, name, now, &actor, facts)],
        };
        append.validate(self.0.parts.config.entry_bytes_max)?;
        let number = self.0.parts.store.append(append).await?;
        // If it works on another daemon, the event wakes it there.
        self.wake(session.org, session.id);
        Ok(number)
    }
}

/// The calls of which nobody knows what became, in order.
fn unsettled(entries: &[Numbered]) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for one in entries {
        match &one.entry {
            Entry::Calling { call, .. } if !open.contains(call) => open.push(call.clone()),
            Entry::Returned { result, .. } => open.retain(|call| *call != result.call_id),
            Entry::Settled { call, .. } => open.retain(|open| open != call),
            _ => {}
        }
    }
    open
}

fn texts(content: &[Block]) -> String {
    let text = |block: &Block| match &block.content {
        orchestrator_transcript::Content::Text { text } => Some(text.clone()),
        _ => None,
    };
    content.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}
