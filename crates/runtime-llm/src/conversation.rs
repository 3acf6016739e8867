//! The whole course of a session as a fold over its journal: no clock, no I/O. What it says is to be done next depends on the
//! entries alone, so a session goes on from them after a crash, and a replay comes to the same.

mod answer;
mod calls;
mod circles;

use orchestrator_sessions::{Entry, Numbered};
use orchestrator_transcript::{Block, Message, Role, Stop, StopReason, Usage};
use orchestrator_vocab::{Integrity, Label, OrgId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::{Summary, Window};
use crate::{ModelRequest, Offered, Profile, Stretch, Then};
use calls::Calls;
use circles::Watch;

pub(crate) use calls::{Due, What};

/// What is noted in the journal, by name.
pub(crate) mod noted {
    pub(crate) const TOOLS: &str = "tools";
    pub(crate) const BROKEN: &str = "broken";
    pub(crate) const CONTINUED: &str = "continued";
    pub(crate) const TOO_LONG: &str = "tooLong";
    pub(crate) const CIRCLES: &str = "circles";
    pub(crate) const ASKED: &str = "askedPerson";
    pub(crate) const STANDING: &str = "standing";
    pub(crate) const RECALLED: &str = "recalled";
    pub(crate) const COMPACTED: &str = "compacted";
    pub(crate) const REVERTED: &str = "reverted";
}

/// How often a conversation that is too long for its model is made shorter, in a row.
const SHORTENED_MAX: u32 = 4;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    /// Ask the model.
    Ask,
    /// Make calls: those that are due, in their order.
    Call(Vec<Due>),
    /// Write this down, then look again.
    Note { what: &'static str, facts: Value, message: Option<Message> },
    /// Only a person can say how it goes on.
    Wait { reason: String },
    /// It is done.
    Finish { result: Value },
    /// It failed.
    Fail { error: String },
}

/// What is noted of a summary, in the facts of [`noted::COMPACTED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summed {
    /// It stands for the messages from the second to this one, itself not included.
    pub(crate) upto: usize,
    /// What the model is shown in their place.
    pub(crate) summary: Block,
    /// And behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) beside: Vec<Block>,
    /// The last entry that was taken into account when it was made.
    #[serde(default)]
    pub(crate) known: u64,
    /// What making it cost.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(crate) usage: Usage,
    /// What whoever made it knows of it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) more: Value,
}

fn is_nothing(usage: &Usage) -> bool {
    *usage == Usage::default()
}

/// What is noted of a summary that is taken back, in the facts of [`noted::REVERTED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TakenBack {
    /// The entry that brought the summary.
    pub(crate) entry: u64,
}

/// A journal that this program did not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the journal: {problem}")]
pub struct Unreadable {
    /// Where.
    pub number: u64,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    pub(crate) profile: Profile,
    pub(crate) tools: Vec<Offered>,
    /// What calls left for the rest of the session.
    pub(crate) standing: Vec<Value>,
    pub(crate) messages: Vec<Message>,
    /// The entries that brought them.
    entries: Vec<u64>,
    /// The number of the last entry.
    pub(crate) last: u64,
    /// Told to the model with the next request.
    waiting: Vec<(u64, Vec<Block>)>,
    /// Summaries that are taken back with the next request: the entries that say so, and that brought them.
    taken_back: Vec<(u64, u64)>,
    phase: Phase,
    window: Window,
    watch: Watch,
    pub(crate) turns: u32,
    pub(crate) usage: Usage,
    compactions: u32,
    broken: u32,
    continuations: u32,
    shortened: u32,
    /// A person was asked and has said nothing since.
    asked_person: Option<String>,
    /// The parts of an answer that was cut off and gone on with.
    earlier: String,
}

#[derive(Debug, Clone)]
enum Phase {
    Asking,
    Answered { stop: Stop, calls: Calls, text: String },
}

impl Conversation {
    /// From the first entry, which must tell how it began.
    pub(crate) fn begin(first: &Numbered) -> Result<Self, Unreadable> {
        let unreadable = |problem: String| Unreadable { number: first.number, problem };
        let Entry::Began { profile, message, .. } = &first.entry else {
            return Err(unreadable("expected the beginning of a session".into()));
        };
        let profile: Profile =
            serde_json::from_value(profile.clone()).map_err(|error| unreadable(error.to_string()))?;
        let window = Window::new(profile.limits.context_tokens, profile.compact_at);
        Ok(Self {
            watch: Watch::new(profile.limits.circles.clone()),
            profile,
            tools: Vec::new(),
            standing: Vec::new(),
            messages: vec![message.clone()],
            entries: vec![first.number],
            last: first.number,
            waiting: Vec::new(),
            taken_back: Vec::new(),
            phase: Phase::Asking,
            window,
            turns: 0,
            usage: Usage::default(),
            compactions: 0,
            broken: 0,
            continuations: 0,
            shortened: 0,
            asked_person: None,
            earlier: String::new(),
        })
    }

    /// From all entries of a journal that is not empty.
    pub(crate) fn of(entries: &[Numbered]) -> Result<Option<Self>, Unreadable> {
        let Some((first, rest)) = entries.split_first() else { return Ok(None) };
        let mut conversation = Self::begin(first)?;
        rest.iter().try_for_each(|entry| conversation.apply(entry))?;
        Ok(Some(conversation))
    }

    /// Takes the next entry.
    pub(crate) fn apply(&mut self, numbered: &Numbered) -> Result<(), Unreadable> {
        let number = numbered.number;
        let unreadable = |problem: &str| Unreadable { number, problem: problem.to_owned() };
        if number != self.last + 1 {
            return Err(unreadable("an entry is missing before it"));
        }
        self.last = number;
        match &numbered.entry {
            Entry::Began { .. } => return Err(unreadable("a second beginning")),
            Entry::Input { content, .. } => {
                self.waiting.push((number, content.clone()));
                self.asked_person = None;
                self.earlier.clear();
                self.watch.told();
            }
            Entry::Asked { upto, .. } => {
                self.deliver(*upto);
                self.phase = Phase::Asking;
            }
            Entry::Answered { message, usage, stop, .. } => self.answered(number, message, *usage, stop),
            Entry::Noted { what, facts, message } => self.noted(number, what, facts, message.as_ref()),
            Entry::Decided { .. } => {}
            entry => self.calls().map_or(Ok(()), |calls| calls.apply(entry)).map_err(|problem| unreadable(&problem))?,
        }
        if let Entry::Returned { result, .. } = &numbered.entry
            && let Phase::Answered { calls, .. } = &self.phase
            && let Some(call) = calls.get(&result.call_id)
        {
            self.watch.returned(call, result);
        }
        Ok(())
    }

    fn calls(&mut self) -> Option<&mut Calls> {
        match &mut self.phase {
            Phase::Answered { calls, .. } => Some(calls),
            Phase::Asking => None,
        }
    }

    fn answered(&mut self, number: u64, message: &Message, usage: Usage, stop: &Stop) {
        self.turns = self.turns.saturating_add(1);
        self.window.measured(usage.total_input());
        self.usage += usage;
        self.broken = 0;
        self.watch.answered(message, usage);
        let calls = Calls::of(message, self.turns);
        if !calls.is_empty() {
            self.continuations = 0;
            self.earlier.clear();
        }
        if stop.reason != StopReason::ModelContextWindowExceeded {
            self.shortened = 0;
        }
        // What a model says at the end of its room is worth nothing; providers refuse messages without content.
        let is_kept = stop.reason != StopReason::ModelContextWindowExceeded && !message.content.is_empty();
        if is_kept {
            self.messages.push(message.clone());
            self.entries.push(number);
        }
        self.phase = Phase::Answered { stop: stop.clone(), calls, text: message.text() };
    }

    fn noted(&mut self, number: u64, what: &str, facts: &Value, message: Option<&Message>) {
        match what {
            noted::TOOLS => {
                self.tools =
                    facts.get("tools").and_then(|t| serde_json::from_value(t.clone()).ok()).unwrap_or_default();
            }
            noted::STANDING => self.standing.extend(facts.get("standing").cloned()),
            noted::BROKEN => self.broken += 1,
            noted::CONTINUED => {
                self.continuations += 1;
                if let Phase::Answered { text, .. } = &self.phase {
                    self.earlier.push_str(text);
                }
            }
            noted::TOO_LONG => {
                self.shortened += 1;
                self.window.shorten();
                self.phase = Phase::Asking;
            }
            noted::COMPACTED => {
                if let Ok(Summed { upto, summary, beside, known, usage, .. }) = serde_json::from_value(facts.clone()) {
                    self.take_back(known);
                    self.window.compacted(number, Summary { block: summary, beside, upto });
                    self.compactions += 1;
                    self.usage += usage;
                }
            }
            noted::REVERTED => {
                if let Ok(TakenBack { entry }) = serde_json::from_value(facts.clone()) {
                    self.taken_back.push((number, entry));
                }
            }
            noted::CIRCLES => self.watch.nudged(),
            noted::ASKED => self.asked_person = facts.get("reason").and_then(Value::as_str).map(str::to_owned),
            _ => {}
        }
        if let Some(message) = message {
            self.waiting.push((number, message.content.clone()));
        }
    }

    /// Moves what waits, up to an entry, into the conversation; results of calls go first, as models expect.
    pub(crate) fn deliver(&mut self, upto: u64) {
        self.gather(upto);
        self.window.fit(&self.messages, &self.profile.system, &self.tools);
    }

    /// Up to which message it is to be summed up, and what that is about. Everything has to be [gathered](Self::gather).
    pub(crate) fn stretch(&self) -> Option<(usize, Stretch)> {
        let upto = self.window.stretch(&self.messages, &self.profile.system, &self.tools)?;
        let before_entry = *self.entries.get(upto)?;
        Some((upto, Stretch { messages: self.window.to_sum_up(&self.messages, upto), before_entry }))
    }

    /// Takes back what is to be, as far as an entry says so.
    fn take_back(&mut self, upto: u64) {
        let said = self.taken_back.partition_point(|(number, _)| *number <= upto);
        for (_, entry) in self.taken_back.drain(..said) {
            self.window.take_back(entry);
        }
    }

    /// The entries that brought the summaries that stand, the oldest first.
    pub(crate) fn summaries(&self) -> Vec<u64> {
        self.window.standing().collect()
    }

    /// How long it is, and may be, in tokens. Everything has to be [gathered](Self::gather).
    pub(crate) fn length(&self) -> (u64, u64) {
        self.window.length(&self.messages, &self.profile.system, &self.tools)
    }

    /// How long it would be without this summary.
    pub(crate) fn length_without(&self, summary: u64) -> u64 {
        let mut window = self.window.clone();
        window.take_back(summary);
        window.length(&self.messages, &self.profile.system, &self.tools).0
    }

    pub(crate) fn gather(&mut self, upto: u64) {
        self.take_back(upto);
        let mut blocks = match &mut self.phase {
            Phase::Answered { calls, .. } => calls.take_results(),
            Phase::Asking => Vec::new(),
        };
        let told = self.waiting.partition_point(|(number, _)| *number <= upto);
        blocks.extend(self.waiting.drain(..told).flat_map(|(_, content)| content));
        if !blocks.is_empty() {
            match self.messages.last_mut() {
                Some(last) if last.role == Role::User => last.content.extend(blocks),
                _ => {
                    self.messages.push(Message { role: Role::User, content: blocks, origin: None });
                    self.entries.push(upto);
                }
            }
        }
    }

    /// What the model is asked, once everything is delivered.
    pub(crate) fn request(&self, org: OrgId) -> ModelRequest {
        let operator = Label { integrity: Integrity::Operator, ..Label::USER };
        let system = Some(&self.profile.system).filter(|text| !text.is_empty());
        ModelRequest {
            org,
            model: self.profile.model.clone(),
            may_fall_back: self.profile.may_fall_back,
            system: system.map(|text| Block::text(operator, text.clone())).into_iter().collect(),
            messages: self.window.view(&self.messages),
            tools: self.tools.clone(),
            max_tokens: self.profile.max_tokens,
            temperature: self.profile.temperature,
            effort: self.profile.effort,
        }
    }

    /// How often its older part was summed up.
    pub(crate) fn compactions(&self) -> u32 {
        self.compactions
    }

    /// Of everything that was said: what is said on top of it can be trusted no more.
    pub(crate) fn label(&self) -> Label {
        self.messages.iter().map(Message::label).fold(Label::USER, Label::join)
    }

    /// What is to be done next.
    pub(crate) fn next(&self) -> Next {
        if let Some(reason) = &self.asked_person {
            return Next::Wait { reason: reason.clone() };
        }
        match &self.phase {
            Phase::Asking => self.ask(),
            Phase::Answered { stop, calls, text } if calls.is_empty() => self.after(stop, text),
            Phase::Answered { calls, .. } => match calls.due(self.profile.limits.calls_per_answer) {
                due if !due.is_empty() => Next::Call(due),
                _ => match calls.waits() {
                    Some(reason) => Next::Wait { reason },
                    None => self.ask(),
                },
            },
        }
    }

    fn ask(&self) -> Next {
        let limits = &self.profile.limits;
        if self.turns >= limits.turns_max {
            return fail(format!("the agent has answered {} times, which is its limit (turnsMax)", self.turns));
        }
        if let Some(max) = limits.tokens_max.filter(|max| self.usage.total() >= *max) {
            let used = self.usage.total();
            return fail(format!("the agent has used {used} tokens, and its limit is {max} (tokensMax)"));
        }
        if self.broken > limits.broken_answers {
            return fail(format!("the model's answer broke off {} times in a row", self.broken));
        }
        match self.watch.found() {
            Some(circle) if self.watch.nudges() < limits.circles.nudges => Next::Note {
                what: noted::CIRCLES,
                facts: json!({ "found": circle.to_string() }),
                message: Some(Message::user(Label::USER, circle.advice())),
            },
            Some(circle) if limits.circles.then == Then::Ask => Next::Note {
                what: noted::ASKED,
                facts: json!({ "reason": format!("the agent goes round in circles: {circle}") }),
                message: None,
            },
            Some(circle) => fail(format!("the agent goes round in circles: {circle}")),
            None => Next::Ask,
        }
    }
}

pub(crate) fn fail(error: impl Into<String>) -> Next {
    Next::Fail { error: error.into() }
}

#[cfg(test)]
mod tests;
