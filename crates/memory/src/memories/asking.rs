use std::collections::{HashMap, HashSet};

use orchestrator_vocab::{OrgId, SessionId};

use super::Memories;
use crate::recall::{self, Evidence, Hit, LIMIT_MAX, Question, Terms, Why};
use crate::{Error, Stored, Tier};

/// How many memories words, and how many meanings, bring in before they are weighed.
const CANDIDATES: usize = 200;
/// Turns beside so many of the best hits are looked at.
const WITH_NEIGHBOURS: usize = 20;
/// The longest question, in characters.
const QUESTION_CHARS_MAX: usize = 8_192;
/// The longest name of a person or a topic, in characters.
const NAME_CHARS_MAX: usize = 256;

impl Memories {
    /// What answers a question, the best first.
    ///
    /// It costs one count per word (of at most 20,000 rows), one search by words (of at most some 4,000 rows), and, where there
    /// is an embedder, one vector for the question and a look at every vector of the organisation.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field. An embedder that does not answer is no error: words find things alone then.
    pub async fn recall(&self, org: OrgId, question: &Question) -> Result<Vec<Hit>, Error> {
        check(question)?;
        let shared = &self.0;
        let asked = if question.parts.words { shared.analyzer.asked(&question.text) } else { Vec::new() };
        let corpus = shared.parts.store.corpus(org, &asked).await?;
        let terms = recall::terms(asked, &corpus);
        let by_words = shared.parts.store.matching(org, terms.sought(), &question.filter, CANDIDATES);
        let (by_words, meaning) = futures::try_join!(by_words, self.by_meaning(org, question))?;
        let mut candidates = by_words;
        if let Some(meaning) = &meaning {
            let known: HashSet<i64> = candidates.iter().map(|stored| stored.number).collect();
            let more: Vec<i64> = meaning.keys().copied().filter(|number| !known.contains(number)).collect();
            candidates.extend(shared.parts.store.passing(org, &more, &question.filter).await?);
        }
        let hits = self.weigh(org, question, &terms, meaning.as_ref(), candidates).await?;
        Ok(recall::merge(hits, question.limit))
    }

    async fn by_meaning(&self, org: OrgId, question: &Question) -> Result<Option<HashMap<i64, f32>>, Error> {
        let (Some(embedder), Some(index), true) = (&self.0.parts.embedder, &self.0.index, question.parts.meaning)
        else {
            return Ok(None);
        };
        let asked = match embedder.embed_question(org, &question.text).await {
            Ok(vector) => vector,
            Err(error) => {
                tracing::warn!(%error, "a question is answered by its words alone");
                return Ok(None);
            }
        };
        let nearest = index.nearest(&self.0.parts.store, org, &asked, &question.filter, CANDIDATES).await?;
        Ok(Some(nearest.into_iter().collect()))
    }

    async fn weigh(
        &self,
        org: OrgId,
        question: &Question,
        terms: &Terms,
        meaning: Option<&HashMap<i64, f32>>,
        candidates: Vec<Stored>,
    ) -> Result<Vec<Hit>, Error> {
        let weights = self.0.parts.config.recall.reckoned();
        let evidence = Evidence { terms, meaning, weights, parts: question.parts, now: self.0.parts.clock.now() };
        let mut weighed: HashMap<i64, (Stored, Why)> = candidates
            .into_iter()
            .map(|stored| {
                let why = evidence.weigh(&stored);
                (stored.number, (stored, why))
            })
            .collect();
        if question.parts.circumstances && weights.neighbours > 0.0 {
            self.lift_neighbours(org, question, &evidence, &mut weighed).await?;
        }
        let mut hits: Vec<(i64, Hit)> = weighed
            .into_iter()
            .map(|(number, (stored, why))| {
                (number, Hit { memory: stored.memory, score: evidence.total(&why), why, same: Vec::new() })
            })
            .filter(|(_, hit)| hit.score > 0.0 && hit.score >= question.threshold)
            .collect();
        hits.sort_by(|(a, one), (b, other)| other.score.total_cmp(&one.score).then(b.cmp(a)));
        Ok(hits.into_iter().map(|(_, hit)| hit).collect())
    }

    /// What was said before and after a good hit is a part of it: an answer stands beside its question.
    async fn lift_neighbours(
        &self,
        org: OrgId,
        question: &Question,
        evidence: &Evidence<'_>,
        weighed: &mut HashMap<i64, (Stored, Why)>,
    ) -> Result<(), Error> {
        let mut best: Vec<(f32, (SessionId, u64))> = weighed
            .values()
            .filter(|(stored, _)| stored.memory.tier == Tier::Episodic)
            .filter_map(|(stored, why)| Some((why.relevance, stored.memory.session.zip(stored.memory.place)?)))
            .collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(WITH_NEIGHBOURS);
        let beside = |(session, place): (SessionId, u64)| {
            [place.checked_sub(1), place.checked_add(1)].into_iter().flatten().map(move |place| (session, place))
        };
        let wanted: Vec<(SessionId, u64)> = best.iter().flat_map(|(_, place)| beside(*place)).collect();
        let numbers: Vec<i64> =
            self.0.parts.store.at_places(org, &wanted).await?.into_iter().map(|stored| stored.number).collect();
        for stored in self.0.parts.store.passing(org, &numbers, &question.filter).await? {
            let Some(here) = stored.memory.session.zip(stored.memory.place) else { continue };
            let lent = best.iter().filter(|(_, place)| beside(*place).any(|there| there == here));
            let most = lent.map(|(relevance, _)| *relevance).fold(0.0, f32::max);
            let (_, why) = weighed.entry(stored.number).or_insert_with(|| {
                let why = evidence.weigh(&stored);
                (stored, why)
            });
            why.neighbours = most * evidence.weights.neighbours;
        }
        Ok(())
    }
}

fn check(question: &Question) -> Result<(), Error> {
    if question.text.trim().is_empty() || question.text.chars().count() > QUESTION_CHARS_MAX {
        return Err(Error::invalid("query", format!("expected 1 to {QUESTION_CHARS_MAX} characters of text")));
    }
    for (field, name) in [("person", &question.filter.person), ("topic", &question.filter.topic)] {
        if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > NAME_CHARS_MAX) {
            return Err(Error::invalid(field, format!("expected 1 to {NAME_CHARS_MAX} characters")));
        }
    }
    if question.limit == 0 || question.limit > LIMIT_MAX {
        return Err(Error::invalid("limit", format!("expected a number from 1 to {LIMIT_MAX}")));
    }
    if !(0.0..=1.0).contains(&question.threshold) {
        return Err(Error::invalid("similarityThreshold", "expected a number from 0 to 1"));
    }
    Ok(())
}
