use orchestrator_vocab::{Actor, AgentId, Label, OrgId, SessionId};

use super::Memories;
use crate::text::{BYTES_PER_TOKEN, shortened};
use crate::{Draft, Error, Filter, Kind, Memory, Tier};

/// How a block of a scratchpad is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A line is added at the end.
    Insert {
        /// The line, or several.
        text: String,
    },
    /// One passage is replaced. It must stand in the block exactly once.
    Replace {
        /// What stands there.
        old: String,
        /// What shall stand there; empty: nothing.
        new: String,
    },
    /// The block is written anew.
    Rethink {
        /// All of it.
        text: String,
    },
}

/// Whose scratchpad it is, and who writes in it.
#[derive(Debug, Clone)]
pub struct Pad {
    /// The organisation.
    pub org: OrgId,
    /// The session.
    pub session: SessionId,
    /// The agent that works in it.
    pub agent: Option<AgentId>,
    /// Who writes.
    pub by: Actor,
    /// How far what is written may be believed, and who may see it.
    pub label: Label,
}

impl Memories {
    /// Changes a block of a session's scratchpad, which is made if it is not there, and tells how it reads then.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the passage to be replaced is not there, or is there several times, or the block would be empty or
    /// too long. [`Error::Conflict`]: somebody else wrote in it meanwhile; do it again. [`Error::Full`].
    pub async fn edit(&self, pad: &Pad, block: Kind, edit: Edit) -> Result<Memory, Error> {
        if !block.is_block() {
            return Err(Error::invalid("block", "expected note, persona, human or task"));
        }
        let filter = Filter {
            tiers: vec![Tier::Scratchpad],
            kinds: vec![block],
            session: Some(pad.session),
            ..Filter::default()
        };
        let old = self.0.parts.store.list(pad.org, &filter, None, 1).await?.pop();
        let text = edited(old.as_ref().map(|stored| stored.memory.text.as_str()), edit)?;
        let label = old.as_ref().map_or(pad.label, |stored| stored.memory.label.join(pad.label));
        let draft = Draft {
            label,
            session: Some(pad.session),
            agent: pad.agent.clone(),
            ..Draft::new(Tier::Scratchpad, block, text)
        };
        let Some(old) = old else { return self.store(pad.org, &pad.by, draft).await };
        let fresh = self.filtered(draft).into_memory(pad.org, pad.by.clone(), self.0.parts.clock.now())?;
        let (id, created_at) = (old.memory.id, old.memory.created_at);
        let prepared = self.prepare(Memory { id, created_at, ..fresh });
        let memory = prepared.memory.clone();
        match self.0.parts.store.rewrite(pad.org, id, old.digest, prepared, self.bounds()).await {
            Ok(()) => {
                self.forget_vectors_of(pad.org, &[old.number]).await;
                self.0.looked.again_from(old.number);
                Ok(memory)
            }
            Err(error) => Err(self.refused(pad.org, Some(&memory), error).await),
        }
    }

    /// The blocks of a session's scratchpad, as they were made.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn scratchpad(&self, org: OrgId, session: SessionId) -> Result<Vec<Memory>, Error> {
        let filter = Filter { tiers: vec![Tier::Scratchpad], session: Some(session), ..Filter::default() };
        let mut found = self.0.parts.store.list(org, &filter, None, Kind::ALL.len()).await?;
        found.reverse();
        Ok(found.into_iter().map(|stored| stored.memory).collect())
    }

    /// A session's scratchpad as a text for its prompt, as far as `scratchpadTokens` go, and the label of what is in it; `None` if
    /// there is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn scratchpad_text(&self, org: OrgId, session: SessionId) -> Result<Option<(String, Label)>, Error> {
        let tokens = usize::try_from(self.config().scratchpad_tokens).unwrap_or(usize::MAX);
        let room = tokens.saturating_mul(BYTES_PER_TOKEN);
        let (mut text, mut label) = (String::new(), None);
        for block in self.scratchpad(org, session).await? {
            let head = format!("## {}\n", block.kind);
            let left = room.saturating_sub(text.len() + head.len() + 1);
            if left == 0 {
                break;
            }
            label = Some(label.map_or(block.label, |label: Label| label.join(block.label)));
            text.push_str(&head);
            text.push_str(shortened(&block.text, left));
            text.push('\n');
        }
        Ok(label.map(|label| (text, label)))
    }
}

fn edited(old: Option<&str>, edit: Edit) -> Result<String, Error> {
    match (old, edit) {
        (None, Edit::Insert { text }) | (_, Edit::Rethink { text }) => Ok(text),
        (Some(old), Edit::Insert { text }) => Ok(format!("{}\n{text}", old.trim_end_matches('\n'))),
        (old, Edit::Replace { old: passage, new }) => {
            let text = old.unwrap_or_default();
            let found = if passage.is_empty() { 0 } else { text.matches(&passage).count() };
            if found != 1 {
                let expected = "expected a passage that stands in the block exactly once";
                return Err(Error::invalid("old", format!("{expected}; this stands there {found} times")));
            }
            Ok(text.replacen(&passage, &new, 1))
        }
    }
}
