use orchestrator_vocab::{Actor, Label, OrgId, SessionId, Timestamp};
use serde_json::{Map, Value, json};

use super::Memories;
use crate::{
    Change, Draft, Error, Insert, Kind, Material, Memory, MemoryId, State, Stored, Summed, Tier, event, summary,
};

/// How many memories are removed at a time.
const REMOVED: usize = 500;
/// How many episodes become one summary at most.
const EPISODES: usize = 400;
/// The longest summary of old episodes, in tokens.
const SUMMARY_TOKENS: usize = 600;

/// What was done by [`Memories::sweep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Memories that went because their time was over.
    pub expired: usize,
    /// Episodes that became summaries.
    pub consolidated: usize,
}

impl Memories {
    /// A session is over: its scratchpad goes after a while. Said again, it changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn session_ended(&self, org: OrgId, session: SessionId) -> Result<(), Error> {
        let at = self.0.parts.clock.now() + self.config().scratchpad_kept();
        let blocks = self.scratchpad(org, session).await?;
        for block in blocks.into_iter().filter(|block| block.expires_at.is_none()) {
            let changed = self.0.parts.store.change(org, block.id, Change::Expire { at }, Vec::new()).await;
            match changed {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes some of what is to be gone, and sums up some of what happened too long ago. Nothing: there is nothing to do.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Full`] if semantic memory has no room for a summary: then what happened stays as it is.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        let now = self.0.parts.clock.now();
        let mut swept = Swept::default();
        let expired = self.0.parts.store.expired(now, REMOVED).await?;
        let mut orgs: Vec<OrgId> = expired.iter().map(|(org, _)| *org).collect();
        orgs.dedup();
        for org in orgs {
            let ids: Vec<MemoryId> = expired.iter().filter(|(of, _)| *of == org).map(|(_, id)| *id).collect();
            swept.expired += self.remove(org, &ids).await?;
        }
        swept.consolidated = self.consolidate(now - self.config().episodic_kept()).await?;
        Ok(swept)
    }

    async fn remove(&self, org: OrgId, ids: &[MemoryId]) -> Result<usize, Error> {
        let numbers: Vec<i64> = self.0.parts.store.get(org, ids).await?.iter().map(|stored| stored.number).collect();
        let gone = self.0.parts.store.remove(org, ids, self.0.parts.clock.now(), Vec::new()).await?;
        self.forget_vectors_of(org, &numbers).await;
        Ok(gone.len())
    }

    /// One session's episodes from before a time become one summary per scope, in the same moment as they go.
    async fn consolidate(&self, before: Timestamp) -> Result<usize, Error> {
        let aged = self.0.parts.store.aged(before, EPISODES).await?;
        let Some(first) = aged.first() else { return Ok(0) };
        let (org, session) = (first.memory.org, first.memory.session);
        let by = Actor::system("memory");
        let mut made: Vec<Memory> = Vec::new();
        for group in groups(&aged) {
            let summed = self.summed_up(&group).await;
            let draft = self.filtered(summary_of(&group, summed));
            made.push(draft.into_memory(org, by.clone(), self.0.parts.clock.now())?);
        }
        let now = self.0.parts.clock.now();
        let payload = json!({
            "orgId": org, "sessionId": session, "episodes": aged.len(),
            "memoryIds": made.iter().map(|memory| memory.id).collect::<Vec<_>>(),
        });
        let insert = Insert {
            org,
            memories: made.into_iter().map(|memory| self.prepare(memory)).collect(),
            replaces: aged.iter().map(|stored| stored.memory.id).collect(),
            restored: Vec::new(),
            bounds: self.bounds(),
            events: vec![event::event(org, "memory.consolidated", now, by, payload)],
        };
        match self.0.parts.store.insert(insert).await {
            Ok(_) => {}
            Err(error) => return Err(self.refused(org, None, error).await),
        }
        self.forget_vectors_of(org, &aged.iter().map(|stored| stored.number).collect::<Vec<_>>()).await;
        Ok(aged.len())
    }

    /// By whoever sums up, else by rules.
    async fn summed_up(&self, group: &[&Memory]) -> (String, Map<String, Value>) {
        let first = group[0];
        let texts: Vec<&str> = group.iter().map(|memory| memory.text.as_str()).collect();
        let summed = match &self.0.parts.summarizer {
            None => Summed::default(),
            Some(summarizer) => {
                let (session, task, agent) = (first.session, first.task, first.agent.clone());
                let (texts, tokens_max) = (texts.clone(), SUMMARY_TOKENS);
                summarizer.sum_up(Material { org: first.org, session, task, agent, texts, tokens_max }).await
            }
        };
        (summed.text.unwrap_or_else(|| summary::extract(&texts, SUMMARY_TOKENS)), summed.facts)
    }
}

/// Nobody is told more than before: what only some remember, and what is not confirmed, has summaries of its own.
fn groups(aged: &[Stored]) -> Vec<Vec<&Memory>> {
    let mut groups: Vec<Vec<&Memory>> = Vec::new();
    for Stored { memory, .. } in aged.iter().filter(|stored| stored.memory.state != State::Superseded) {
        let is_alike = |group: &&mut Vec<&Memory>| {
            group[0].scope == memory.scope
                && group[0].state == memory.state
                && group[0].label.confidentiality == memory.label.confidentiality
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.push(memory),
            None => groups.push(vec![memory]),
        }
    }
    groups
}

fn summary_of(group: &[&Memory], (text, metadata): (String, Map<String, Value>)) -> Draft {
    let first = group[0];
    let label = group.iter().map(|memory| memory.label).reduce(Label::join).unwrap_or_default();
    let common =
        |of: fn(&Memory) -> Option<String>| of(first).filter(|one| group.iter().all(|m| of(m).as_ref() == Some(one)));
    let agent = common(|memory| memory.agent.as_ref().map(ToString::to_string)).and_then(|agent| agent.parse().ok());
    Draft {
        scope: first.scope.clone(),
        label,
        state: first.state,
        session: first.session,
        task: first.task,
        agent,
        covers: group.iter().map(|memory| memory.id).collect(),
        people: group.iter().flat_map(|memory| memory.people.iter().cloned()).take(64).collect(),
        topics: group.iter().flat_map(|memory| memory.topics.iter().cloned()).take(64).collect(),
        valid_from: group.iter().map(|memory| memory.created_at).min(),
        valid_to: None,
        metadata,
        ..Draft::new(Tier::Semantic, Kind::Summary, text)
    }
}
