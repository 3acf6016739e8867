use orchestrator_vocab::{Actor, OrgId};

use super::Memories;
use crate::recall::{is_contradicted, is_same};
use crate::{Draft, Error, Filter, Memory, Question, State, Tier};

/// How alike the meanings of two memories are that say the same.
const SAME_MEANING: f32 = 0.95;
/// How many of what is alike is looked at.
const LOOKED_AT: usize = 5;

impl Memories {
    /// Remembers what is not known yet, and tells which that is. What says the same as something that is known, in words or by meaning,
    /// is left out, also if that waits to be confirmed; a contradiction is not the same.
    ///
    /// # Errors
    /// As for [`store`](Self::store).
    pub async fn learn(&self, org: OrgId, by: &Actor, drafts: Vec<Draft>) -> Result<Vec<Memory>, Error> {
        let mut learned: Vec<Memory> = Vec::new();
        for draft in drafts {
            let is_here = learned.iter().any(|memory| is_same(&memory.text, &draft.text));
            if !is_here && !self.knows(org, &draft).await? {
                learned.push(self.store(org, by, draft).await?);
            }
        }
        Ok(learned)
    }

    async fn knows(&self, org: OrgId, draft: &Draft) -> Result<bool, Error> {
        let filter = Filter {
            tiers: vec![Tier::Semantic],
            scopes: Some(vec![draft.scope.clone()]),
            states: vec![State::Active, State::Quarantined],
            ..Filter::default()
        };
        let text: String = draft.text.chars().take(2_000).collect();
        let hits = self.recall(org, &Question { filter, limit: LOOKED_AT, ..Question::new(text) }).await?;
        Ok(hits.iter().any(|hit| {
            let (known, new) = (&hit.memory.text, &draft.text);
            let means_it = hit.why.meaning.is_some_and(|meaning| meaning >= SAME_MEANING);
            is_same(known, new) || (means_it && !is_contradicted(known, new))
        }))
    }
}
