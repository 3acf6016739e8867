use std::collections::{BTreeSet, HashMap, HashSet};

use orchestrator_vocab::{OrgId, SessionId};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation as _;

use super::Memories;
use crate::{Error, Filter, Kind, LIMIT_MAX, Memory, MemoryId, Question, State, Tier};

/// How many summaries are looked at.
const SUMMARIES_MAX: usize = 1_000;
/// How many covered memories are looked for by asking.
const ASKED_MAX: usize = 500;
/// How much of a text is asked for, in characters.
const QUESTION_CHARS: usize = 400;
/// How many ids are told.
const TOLD_MAX: usize = 100;

/// What became of all that summaries stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Summaries that name what they cover, up to 1,000.
    pub summaries: usize,
    /// Memories that they cover, each counted once.
    pub covered: usize,
    /// Of these: there, word by word.
    pub present: usize,
    /// Of those that are there: asked for by their own words, up to 500.
    pub asked: usize,
    /// And found.
    pub reachable: usize,
    /// Of the covered: no longer there word by word, and a lasting summary stands for them.
    pub consolidated: usize,
    /// Neither there nor stood for by a lasting summary: erased, or deleted. Up to 100.
    pub missing: Vec<MemoryId>,
    /// There, and not found by their own words. Up to 100.
    pub unreachable: Vec<MemoryId>,
    /// Episodes of the session that no summary covers: they are there word by word. Only where a session was named.
    pub uncovered: usize,
    /// Different numbers, codes and dates (words with a digit) in the covered that are there.
    pub figures: usize,
    /// Of these: standing in a summary too, as they are written. The others are found in what they come from.
    pub figures_kept: usize,
    /// Whether nothing is missing and everything that was asked for was found.
    pub complete: bool,
}

impl Memories {
    /// Looks whether everything that was summed up can still be found: as it was, or in a summary that lasts.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn verify(&self, org: OrgId, session: Option<SessionId>) -> Result<Coverage, Error> {
        let filter = Filter { kinds: vec![Kind::Summary], session, states: EVERY.to_vec(), ..Filter::default() };
        let summaries = self.0.parts.store.list(org, &filter, None, SUMMARIES_MAX).await?;
        let of = |tier: Option<Tier>| -> BTreeSet<MemoryId> {
            let some = summaries.iter().filter(|stored| tier.is_none_or(|tier| stored.memory.tier == tier));
            some.flat_map(|stored| stored.memory.covers.iter().copied()).collect()
        };
        let (covered, lasting) = (of(None), of(Some(Tier::Semantic)));
        let ids: Vec<MemoryId> = covered.iter().copied().collect();
        let found = self.0.parts.store.get(org, &ids).await?;
        let there: HashMap<MemoryId, Memory> =
            found.into_iter().map(|stored| (stored.memory.id, stored.memory)).collect();
        let gone: Vec<MemoryId> = ids.iter().copied().filter(|id| !there.contains_key(id)).collect();
        let mut coverage = Coverage {
            summaries: summaries.iter().filter(|stored| !stored.memory.covers.is_empty()).count(),
            covered: covered.len(),
            present: there.len(),
            consolidated: gone.iter().filter(|id| lasting.contains(id)).count(),
            missing: gone.into_iter().filter(|id| !lasting.contains(id)).take(TOLD_MAX).collect(),
            ..Coverage::default()
        };
        for memory in ids.iter().filter_map(|id| there.get(id)).take(ASKED_MAX) {
            coverage.asked += 1;
            if self.finds(memory).await? {
                coverage.reachable += 1;
            } else if coverage.unreachable.len() < TOLD_MAX {
                coverage.unreachable.push(memory.id);
            }
        }
        let in_summaries = figures(summaries.iter().map(|stored| stored.memory.text.as_str()));
        let in_covered = figures(there.values().map(|memory| memory.text.as_str()));
        coverage.figures = in_covered.len();
        coverage.figures_kept = in_covered.intersection(&in_summaries).count();
        if let Some(session) = session {
            let episodes = self.episodes(org, session).await?;
            let is_open = |memory: &&Memory| memory.kind != Kind::Summary && !covered.contains(&memory.id);
            coverage.uncovered = episodes.iter().filter(is_open).count();
        }
        coverage.complete = coverage.missing.is_empty() && coverage.reachable == coverage.asked;
        Ok(coverage)
    }

    /// What happened in a session, in its order.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn episodes(&self, org: OrgId, session: SessionId) -> Result<Vec<Memory>, Error> {
        const PAGE: usize = 500;
        let filter =
            Filter { tiers: vec![Tier::Episodic], session: Some(session), states: EVERY.to_vec(), ..Filter::default() };
        let (mut episodes, mut before) = (Vec::new(), None);
        loop {
            let page = self.0.parts.store.list(org, &filter, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.number);
            episodes.extend(page.into_iter().map(|stored| stored.memory));
        }
        episodes.reverse();
        Ok(episodes)
    }

    /// By its own words, it or what says the same.
    async fn finds(&self, memory: &Memory) -> Result<bool, Error> {
        let question = Question {
            filter: Filter { session: memory.session, states: vec![memory.state], ..Filter::default() },
            limit: LIMIT_MAX,
            ..Question::new(memory.text.chars().take(QUESTION_CHARS).collect::<String>())
        };
        let hits = self.recall(memory.org, &question).await?;
        let found: HashSet<MemoryId> =
            hits.iter().flat_map(|hit| hit.same.iter().copied().chain([hit.memory.id])).collect();
        Ok(found.contains(&memory.id))
    }
}

/// Words with a digit that are longer than one.
fn figures<'t>(texts: impl Iterator<Item = &'t str>) -> HashSet<&'t str> {
    let is_figure = |word: &&str| word.len() > 1 && word.chars().any(char::is_numeric);
    texts.flat_map(|text| text.unicode_words()).filter(is_figure).collect()
}

const EVERY: [State; 3] = [State::Active, State::Quarantined, State::Superseded];
