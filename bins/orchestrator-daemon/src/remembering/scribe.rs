//! Models that sum up and propose what is to be learned, in the place of rules. What goes wrong with one is told and counted, and the
//! rules do it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use orchestrator_memory::{Config, Material, Summarizer, Summed};
use orchestrator_models::Attribution;
use orchestrator_redact::Redactor;
use orchestrator_runtime_llm::{ModelError, ModelRequest};
use orchestrator_security::Emergency;
use orchestrator_sessions::Session;
use orchestrator_telemetry::Metrics;
use orchestrator_transcript::{Accumulator, Block, Digest, Message, StopReason, Usage};
use orchestrator_vocab::{Integrity, Label, OrgId};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::prompts;
use crate::adapters::Through;
use crate::stacks;

/// Tokens of an answer beyond what is asked for: for models that think before they answer.
const THOUGHTS: usize = 2_000;
/// How much a model reads of which nobody knows, in tokens.
const WINDOW: u64 = 32_000;
/// Tokens of what it is told beside the records.
const PROMPT: u64 = 1_000;
/// Bytes of a record per token, for how much fits: in other languages than English it is less than four.
const BYTES_PER_TOKEN: u64 = 3;
/// The least and the most bytes of records in one request.
const PIECE_BYTES: std::ops::RangeInclusive<u64> = 2_000..=400_000;
/// Pieces that are summed up one by one, at most.
const PIECES_MAX: usize = 64;
/// Of a fault that is kept.
const FAULT_CHARS_MAX: usize = 300;

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A summary of a stretch of a conversation.
    Stretch,
    /// A summary of a session that is over.
    Session,
    /// A summary of what happened long ago.
    Episodes,
    /// What is to be learned from a session.
    Lessons,
}

/// Why a model's answer was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Unanswered(#[from] ModelError),
    #[error("it took longer than {0} ms (memory.modelTimeoutMs)")]
    Late(u64),
    #[error("the answer is empty")]
    Empty,
    #[error("the answer is longer than the {0} tokens that were asked for")]
    TooLong(usize),
    #[error("the answer ended too early: {0}")]
    Unfinished(String),
    #[error("it called a tool where there is none")]
    CalledTool,
    #[error("there are {0} pieces of what it can read at once, and at most {PIECES_MAX} are read")]
    TooMuch(usize),
    #[error("the answer is not what was asked for: {0}")]
    Unreadable(String),
    #[error("the daemon stops")]
    Closing,
}

impl Fault {
    /// For counting.
    fn kind(&self) -> &'static str {
        match self {
            Self::Unanswered(_) => "unanswered",
            Self::Late(_) => "late",
            Self::Empty => "empty",
            Self::TooLong(_) => "too_long",
            Self::Unfinished(_) => "unfinished",
            Self::CalledTool => "called_tool",
            Self::TooMuch(_) => "too_much",
            Self::Unreadable(_) => "unreadable",
            Self::Closing => "closing",
        }
    }
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Session => "session",
            Self::Episodes => "episodes",
            Self::Lessons => "lessons",
        }
    }
}

/// To whom requests are put down.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    pub(crate) org: OrgId,
    pub(crate) attribution: Attribution,
}

impl Payer {
    pub(crate) fn of(session: &Session) -> Self {
        let (agent, task) = (Some(session.agent.clone()), Some(session.task));
        Self { org: session.org, attribution: Attribution { agent, session: Some(session.id), task } }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Written<T = String> {
    /// `None`: it is to be done by rules.
    pub(crate) what: Option<T>,
    /// By whom it was done, what that cost, and why it was not a model.
    pub(crate) facts: Map<String, Value>,
    pub(crate) usage: Usage,
}

/// Asks models. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Scribe {
    through: Through,
    emergency: Emergency,
    redactor: Redactor,
    metrics: Metrics,
    config: Arc<Config>,
    closing: CancellationToken,
}

impl Scribe {
    pub(crate) fn new(
        config: &Config,
        through: Through,
        emergency: Emergency,
        (redactor, metrics): (&Redactor, &Metrics),
    ) -> Self {
        let (config, closing) = (Arc::new(config.clone()), CancellationToken::new());
        Self { through, emergency, redactor: redactor.clone(), metrics: metrics.clone(), config, closing }
    }

    /// Nobody is waited for any more.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sums up texts in at most so many tokens, if there is a model for that; `about` is what they are, in a few words.
    pub(crate) async fn sum_up(
        &self,
        payer: &Payer,
        (purpose, about): (Purpose, &str),
        texts: &[String],
        tokens_max: usize,
    ) -> Written {
        let Some(model) = &self.config.summary_model else { return by_rules() };
        let job = Job { scribe: self, purpose, model, payer, spent: Mutex::default() };
        job.done(job.condensed(about, texts, tokens_max)).await
    }

    /// Asks for what is to be learned, in each piece of these records, if there is a model for that. `read` makes sense of an answer.
    pub(crate) async fn learn<T>(
        &self,
        payer: &Payer,
        records: &[String],
        (tokens_max, read): (usize, fn(&str) -> Result<T, String>),
    ) -> Written<Vec<T>> {
        let Some(model) = &self.config.learning_model else { return by_rules() };
        let job = Job { scribe: self, purpose: Purpose::Lessons, model, payer, spent: Mutex::default() };
        job.done(job.proposals(records, tokens_max, read)).await
    }
}

#[async_trait]
impl Summarizer for Scribe {
    async fn sum_up(&self, material: Material<'_>) -> Summed {
        let Material { org, session, task, agent, texts, tokens_max } = material;
        let payer = Payer { org, attribution: Attribution { agent, session, task } };
        let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        let written = self.sum_up(&payer, (Purpose::Episodes, prompts::EPISODES), &texts, tokens_max).await;
        Summed { text: written.what, facts: written.facts }
    }
}

fn by_rules<T>() -> Written<T> {
    let facts = Map::from_iter([("by".to_owned(), json!("rules"))]);
    Written { what: None, facts, usage: Usage::default() }
}

/// What was asked so far, and what that used.
#[derive(Default)]
struct Spent {
    usage: Usage,
    requests: u32,
    trace: Option<String>,
}

/// One thing that a model is asked for, in however many requests.
struct Job<'a> {
    scribe: &'a Scribe,
    purpose: Purpose,
    model: &'a str,
    payer: &'a Payer,
    spent: Mutex<Spent>,
}

/// One request.
struct Wanted<'w> {
    system: String,
    about: &'w str,
    records: &'w str,
    tokens_max: usize,
}

impl Job<'_> {
    /// In time, or not at all; told and counted.
    async fn done<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Written<T> {
        let patience = self.scribe.config.model_timeout();
        let late = || Fault::Late(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        let made = tokio::select! {
            made = timeout(patience, work) => made.unwrap_or_else(|_| Err(late())),
            () = self.scribe.closing.cancelled() => Err(Fault::Closing),
        };
        let spent = std::mem::take(&mut *self.spent.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome = made.as_ref().map_or_else(Fault::kind, |_| "used");
        let labels = [("for", self.purpose.as_str().into()), ("outcome", outcome.into())];
        self.scribe.metrics.counter("memory_model_answers_total", &labels).add(1);
        let mut facts = Map::from_iter([
            ("by".to_owned(), json!(if made.is_ok() { "model" } else { "rules" })),
            ("model".to_owned(), json!(self.model)),
            ("requests".to_owned(), json!(spent.requests)),
            ("usage".to_owned(), json!(spent.usage)),
        ]);
        facts.extend(spent.trace.map(|trace| ("trace".to_owned(), json!(trace))));
        if let Err(fault) = &made {
            let told =
                self.scribe.redactor.redact(&fault.to_string()).chars().take(FAULT_CHARS_MAX).collect::<String>();
            tracing::warn!(
                purpose = self.purpose.as_str(),
                model = self.model,
                fault = told,
                "rules do what a model was to do"
            );
            facts.insert("fault".to_owned(), json!(told));
        }
        Written { what: made.ok(), facts, usage: spent.usage }
    }

    /// One summary of everything: of the pieces that fit the model, and of their summaries.
    async fn condensed(&self, about: &str, texts: &[String], tokens_max: usize) -> Result<String, Fault> {
        let room = self.room(tokens_max);
        let mut parts = pieces(texts, room);
        loop {
            if parts.len() > PIECES_MAX {
                return Err(Fault::TooMuch(parts.len()));
            }
            let mut summaries = Vec::with_capacity(parts.len());
            for records in &parts {
                let wanted = Wanted { system: prompts::summing_up(tokens_max), about, records, tokens_max };
                summaries.push(self.ask(wanted).await?);
            }
            if let [summary] = summaries.as_mut_slice() {
                return Ok(std::mem::take(summary));
            }
            let fewer = pieces(&summaries, room);
            // What does not get shorter by being summed up never ends.
            if fewer.len() >= parts.len() {
                return Err(Fault::TooMuch(fewer.len()));
            }
            parts = fewer;
        }
    }

    async fn proposals<T>(
        &self,
        records: &[String],
        tokens_max: usize,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Fault> {
        let parts = pieces(records, self.room(tokens_max));
        if parts.len() > PIECES_MAX {
            return Err(Fault::TooMuch(parts.len()));
        }
        let mut answers = Vec::with_capacity(parts.len());
        for records in &parts {
            let wanted = Wanted { system: prompts::learning(), about: prompts::LESSONS, records, tokens_max };
            answers.push(read(&self.ask(wanted).await?).map_err(Fault::Unreadable)?);
        }
        Ok(answers)
    }

    /// Bytes of records that fit one request.
    fn room(&self, tokens_max: usize) -> usize {
        let facts = self.scribe.through.router.facts(self.model).unwrap_or_default();
        let answer = (tokens_max + THOUGHTS) as u64;
        let tokens = facts.context_window.unwrap_or(WINDOW).saturating_sub(answer + PROMPT);
        let bytes = (tokens * BYTES_PER_TOKEN).clamp(*PIECE_BYTES.start(), *PIECE_BYTES.end());
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    async fn ask(&self, wanted: Wanted<'_>) -> Result<String, Fault> {
        let Wanted { system, about, records, tokens_max } = wanted;
        let records = self.scribe.redactor.redact(records);
        // Nobody can write their own digest: nothing in the records ends them.
        let mark = Digest::of_text(&records);
        let text = format!("{about}\n\n<records {mark}>\n{records}\n</records {mark}>");
        let operator = Label { integrity: Integrity::Operator, ..Label::USER };
        let output_max = self.scribe.through.router.facts(self.model).ok().and_then(|facts| facts.output_max);
        let most = (tokens_max + THOUGHTS) as u64;
        let request = ModelRequest {
            org: self.payer.org,
            model: Some(self.model.to_owned()),
            may_fall_back: false,
            system: vec![Block::text(operator, system)],
            messages: vec![Message::user(Label::default(), text)],
            tools: Vec::new(),
            max_tokens: u32::try_from(output_max.map_or(most, |max| max.min(most))).ok(),
            temperature: None,
            effort: None,
        };
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).requests += 1;
        let attribution = self.payer.attribution.clone();
        let through = Through { attribution, ..self.scribe.through.clone() };
        let answer = stacks::model_requests(through, self.scribe.emergency.clone()).oneshot(request).await?;
        let (mut events, trace) = (answer.events, answer.trace);
        let mut accumulator = Accumulator::new(Label::default());
        while !accumulator.is_whole() {
            let event = events.next().await.ok_or_else(|| Fault::Unfinished("the stream ended".to_owned()))??;
            accumulator.push(event).map_err(|error| Fault::Unreadable(error.to_string()))?;
        }
        let reply = accumulator.finish().map_err(|_| Fault::Unfinished("the stream ended".to_owned()))?;
        {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            spent.usage += reply.usage;
            spent.trace = trace;
        }
        let is_calling = reply.message.tool_calls().next().is_some();
        let text = reply.message.text();
        match reply.stop.reason {
            _ if is_calling => Err(Fault::CalledTool),
            StopReason::EndTurn | StopReason::StopSequence { .. } => checked(text, tokens_max),
            reason => Err(Fault::Unfinished(reason.as_str().to_owned())),
        }
    }
}

fn checked(text: String, tokens_max: usize) -> Result<String, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.len() > tokens_max.saturating_mul(4) {
        return Err(Fault::TooLong(tokens_max));
    }
    Ok(text.to_owned())
}

/// Texts one behind another, in pieces of at most so many bytes.
fn pieces(texts: &[String], bytes_max: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for text in texts {
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (part, more) = rest.split_at(rest.floor_char_boundary(bytes_max));
            match pieces.last_mut() {
                Some(last) if last.len() + part.len() + 2 <= bytes_max => {
                    last.push_str("\n\n");
                    last.push_str(part);
                }
                _ => pieces.push(part.to_owned()),
            }
            rest = more;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_large_as_they_may_be_and_nothing_is_lost() {
        let texts = ["aaaa".to_owned(), "bb".to_owned(), "ccccccccccccc".to_owned(), "é".repeat(6)];
        let pieces = pieces(&texts, 10);
        assert!(pieces.iter().all(|piece| piece.len() <= 10), "{pieces:?}");
        assert_eq!(pieces[0], "aaaa\n\nbb");
        let all: String = pieces.concat().replace('\n', "");
        assert_eq!(all, texts.concat());
    }

    #[test]
    fn an_answer_has_to_be_there_and_within_its_bound() {
        assert!(matches!(checked(" \n".into(), 10), Err(Fault::Empty)));
        assert!(matches!(checked("x".repeat(41), 10), Err(Fault::TooLong(10))));
        assert_eq!(checked(" x ".into(), 10).unwrap(), "x");
    }
}
