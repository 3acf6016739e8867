//! What was said in sessions is forgotten where they are over.

use orchestrator_redact::{Forget, Forgotten, Shape};
use orchestrator_vocab::{OrgId, SessionId};

use super::Sessions;
use crate::{Error, Numbered, Session};

/// How many sessions are looked at at a time.
const SESSIONS: usize = 100;
/// How many entries are looked at, and written in one transaction.
const ENTRIES: usize = 200;

/// What of a session is no text.
const SESSION: Shape = Shape { kept: &["agent", "priority", "status", "runtime", "node"], free: &[] };
/// What of an entry is no text. Whatever stands in arguments and profiles is somebody's.
const ENTRY: Shape = Shape {
    kept: &[
        "kind",
        "role",
        "type",
        "is",
        "what",
        "call",
        "callId",
        "id",
        "approval",
        "digest",
        "request",
        "key",
        "tool",
        "name",
        "trace",
        "runtime",
        "model",
        "provider",
        "raw",
        "repeat",
        "integrity",
        "confidentiality",
        "mediaType",
        "allowed",
    ],
    free: &["profile", "arguments", "facts", "value"],
};

impl Sessions {
    /// Forgets texts of sessions that are over, of one or of all: of their journals and of what is shown of them. Entries keep
    /// their numbers, times and kinds, calls their names and digests; the session says how many texts it has lost, so that
    /// nobody takes it for what it was. Of sessions that go on, texts are counted as held: forget again when they have ended.
    ///
    /// It reads every entry, at most 200 in memory, and writes those that change in transactions of at most 200; done again it
    /// goes on from where it was cut off. What was written over lies in the database's own files until they are scrubbed.
    ///
    /// # Errors
    /// [`Error::Store`]: some may be gone already.
    pub async fn forget(&self, org: OrgId, only: Option<SessionId>, forget: &Forget) -> Result<Forgotten, Error> {
        let mut forgotten = Forgotten::default();
        if let Some(id) = only {
            if let Some(session) = self.0.parts.store.get(org, id).await? {
                forgotten += self.forget_in(session, forget).await?;
            }
            return Ok(forgotten);
        }
        let mut before = None;
        loop {
            let page = self.0.parts.store.newest(org, before, SESSIONS).await?;
            before = page.last().map(|session| session.id);
            if before.is_none() {
                return Ok(forgotten);
            }
            for session in page {
                forgotten += self.forget_in(session, forget).await?;
            }
        }
    }

    async fn forget_in(&self, mut session: Session, forget: &Forget) -> Result<Forgotten, Error> {
        let (org, id) = (session.org, session.id);
        let is_over = session.state.is_ended();
        if !(is_over && forget.changes()) {
            let texts = self.count_in(&session, forget).await?;
            return Ok(if is_over {
                Forgotten { erased: texts, held: 0 }
            } else {
                Forgotten { erased: 0, held: texts }
            });
        }
        let (mut erased, mut after) = (0, 0);
        let keys = self.0.parts.store.keys(org, id).await?.iter().filter(|key| forget.concerns(key)).count() as u64;
        if let Some((left, texts)) = forget.rewrite(&session, &SESSION) {
            session = Session { entries: session.entries, turns: session.turns, ..left };
            erased += texts;
        }
        if keys + erased > 0 {
            erased += keys;
            session.erased += erased;
            self.0.parts.store.rewrite(session.clone(), Vec::new()).await?;
        }
        loop {
            let page = self.0.parts.store.entries(org, id, after, ENTRIES).await?;
            let Some(last) = page.last() else { return Ok(Forgotten { erased, held: 0 }) };
            after = last.number;
            let (mut changed, mut texts) = (Vec::new(), 0);
            for Numbered { number, at, entry } in page {
                if let Some((entry, gone)) = forget.rewrite(&entry, &ENTRY) {
                    changed.push(Numbered { number, at, entry });
                    texts += gone;
                }
            }
            if !changed.is_empty() {
                session.erased += texts;
                erased += texts;
                self.0.parts.store.rewrite(session.clone(), changed).await?;
            }
        }
    }

    async fn count_in(&self, session: &Session, forget: &Forget) -> Result<u64, Error> {
        let (org, id, mut after) = (session.org, session.id, 0);
        let keys = self.0.parts.store.keys(org, id).await?;
        let mut texts = forget.count(session, &SESSION) + keys.iter().filter(|key| forget.concerns(key)).count() as u64;
        loop {
            let page = self.0.parts.store.entries(org, id, after, ENTRIES).await?;
            let Some(last) = page.last() else { return Ok(texts) };
            after = last.number;
            texts += page.iter().map(|numbered| forget.count(&numbered.entry, &ENTRY)).sum::<u64>();
        }
    }
}
