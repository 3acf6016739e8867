use std::collections::BTreeMap;
use std::path::Path;

use orchestrator_vocab::{Actor, OrgId, SessionId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::forgetting::whole;
use super::line::Line;
use super::record::{Decision, Record};
use super::segment;

/// Kinds of decisions that a summary tells apart; the rarest of more are left out.
const COUNTS_MAX: usize = 1_000;

/// Which records; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this organisation.
    pub org: Option<OrgId>,
    /// Wanted by this one.
    pub actor: Option<Actor>,
    /// About this, by its exact name.
    pub action: Option<String>,
    /// Decided like this.
    pub decision: Option<Decision>,
    /// In this session.
    pub session: Option<SessionId>,
    /// For this task.
    pub task: Option<TaskId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Filter {
    fn admits(&self, record: &Record) -> bool {
        let entry = &record.entry;
        self.org.is_none_or(|org| org == entry.org)
            && self.actor.as_ref().is_none_or(|actor| *actor == entry.actor)
            && self.action.as_ref().is_none_or(|action| *action == entry.action)
            && self.decision.is_none_or(|decision| decision == entry.decision)
            && self.session.is_none_or(|session| Some(session) == entry.session)
            && self.task.is_none_or(|task| Some(task) == entry.task)
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
    }
}

/// What was decided how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Records that were counted.
    pub records: u64,
    /// Of these, what was allowed.
    pub allowed: u64,
    /// What was not.
    pub denied: u64,
    /// And what waited for a person first.
    pub held: u64,
    /// By action, decision and reason, the most frequent first, at most 1,000.
    pub counts: Vec<Count>,
}

/// One kind of decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// What was wanted.
    pub action: String,
    /// Whether it was allowed.
    pub decision: Decision,
    /// By which line.
    pub reason: String,
    /// How often.
    pub count: u64,
}

pub(super) fn list(directory: &Path, filter: &Filter, before: Option<u64>, limit: usize) -> Result<Vec<Record>, Error> {
    let mut found = Vec::new();
    for (_, path) in segment::all(directory)?.into_iter().rev() {
        if found.len() == limit {
            break;
        }
        let text = segment::read(&path)?;
        let records = text.lines().rev().filter_map(record);
        let wanted = records.filter(|record| before.is_none_or(|before| record.seq < before) && filter.admits(record));
        found.extend(wanted.take(limit - found.len()));
    }
    Ok(found)
}

pub(super) fn summary(directory: &Path, filter: &Filter) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let mut counts: BTreeMap<(String, Decision, String), u64> = BTreeMap::new();
    for (_, path) in segment::all(directory)? {
        for record in segment::read(&path)?.lines().filter_map(record).filter(|record| filter.admits(record)) {
            summary.records += 1;
            match record.entry.decision {
                Decision::Allowed => summary.allowed += 1,
                Decision::Denied => summary.denied += 1,
                Decision::Held => summary.held += 1,
            }
            let entry = record.entry;
            *counts.entry((entry.action, entry.decision, entry.reason)).or_default() += 1;
        }
    }
    let count = |((action, decision, reason), count)| Count { action, decision, reason, count };
    summary.counts = counts.into_iter().map(count).collect();
    summary.counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.action.cmp(&b.action)));
    summary.counts.truncate(COUNTS_MAX);
    Ok(summary)
}

pub(super) fn lines(directory: &Path, from: u64, limit: usize) -> Result<(Vec<String>, Option<u64>), Error> {
    let (mut found, mut is_there) = (Vec::new(), false);
    for (_, path) in segment::all(directory)? {
        let mut has_just_begun = false;
        for line in segment::read(&path)?.lines() {
            let (seq, begins) = match Line::read(line) {
                Some(Line::Begun { begun }) => (Some(begun.first), true),
                Some(Line::Record { record, .. }) => (Some(record.seq), false),
                _ => (None, false),
            };
            is_there |= seq.is_some_and(|seq| seq >= from);
            // A page ends before a record, with which the next one begins; the beginning of a file belongs to its first.
            if found.len() >= limit && seq.is_some() && !has_just_begun {
                return Ok((found, seq));
            }
            has_just_begun = begins;
            if is_there {
                found.push(line.to_owned());
            }
        }
    }
    Ok((found, None))
}

fn record(line: &str) -> Option<Record> {
    match serde_json::from_str(line).ok()? {
        Line::Record { record, beside, .. } => Some(whole(*record, beside)),
        _ => None,
    }
}
