use orchestrator_rpc::{Call, Code, Error as Refusal, Scope, Table};
use orchestrator_transcript::{Block, Content};
use orchestrator_vocab::{Label, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SessionLimit, operation};
use crate::{Numbered, Said, SessionInfo, Sessions, Verdict};

const BLOCKS_MAX: usize = 32;

/// `prompt.submit`, `session.settle` and `session.history`.
pub(super) fn table(sessions: &Sessions) -> Table {
    let submit = "Says something to a session in the middle of its work";
    let submit = operation(sessions, "prompt.submit", Scope::Write, submit, submit_prompt);
    let settle = "Says what became of a call that may or may not have been made; the session goes on";
    let settle = operation(sessions, "session.settle", Scope::Write, settle, settle_call);
    let history = operation(sessions, "session.history", Scope::Read, "Shows what a session did, in order", history);
    let refusals = [Code::NotFound, Code::Conflict, Code::Unavailable];
    Table::new()
        .with(submit.creates().fails_with(refusals))
        .with(settle.fails_with(refusals))
        .with(history.read_only().fails_with([Code::NotFound]))
}

/// The parameters of `prompt.submit`: `text` or `content`, not both.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitParams {
    /// To whom.
    pub session_id: SessionId,
    /// What, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100_000))]
    pub text: Option<String>,
    /// What, in words and pictures. Labels are not taken over: it is what a user says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = BLOCKS_MAX))]
    pub content: Option<Vec<Block>>,
    /// Saying it again under the same key does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 800))]
    pub idempotency_key: Option<String>,
}

/// What `prompt.submit` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// To whom it was said.
    pub session_id: SessionId,
    /// The number of its entry in the journal.
    pub entry: u64,
    /// Whether somebody works in the session; if not it is read when the session goes on.
    pub is_working: bool,
}

/// The parameters of `session.settle`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettleParams {
    /// Which session.
    pub session_id: SessionId,
    /// Which call, as `session.history` names it.
    #[schemars(length(min = 1, max = 1_000))]
    pub call_id: String,
    /// What is to become of it.
    pub verdict: Verdict,
}

/// The parameters of `session.history`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryParams {
    /// Which session.
    pub session_id: SessionId,
    /// Only entries with a higher number.
    #[serde(default)]
    pub after: u64,
    /// How many at most; fewer if they are large.
    #[serde(default)]
    pub limit: SessionLimit,
}

/// A part of a session's journal.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionHistory {
    /// In order, without secrets.
    #[schemars(with = "Vec<Numbered>")]
    pub entries: Vec<Value>,
    /// What to give as `after` for the next part; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<u64>,
}

async fn submit_prompt(sessions: Sessions, call: Call, params: SubmitParams) -> Result<Submitted, Refusal> {
    let (org, id) = (call.org(), params.session_id);
    let said = Said { actor: call.actor(), key: call.idempotency_key.clone(), content: content(params)? };
    let entry = sessions.say(org, id, said).await?;
    let session = sessions.get(org, id).await?;
    Ok(Submitted { session_id: id, entry, is_working: session.state.is_active() })
}

fn content(params: SubmitParams) -> Result<Vec<Block>, Refusal> {
    let blocks = match (params.text, params.content) {
        (Some(text), None) => {
            if text.trim().is_empty() || text.chars().count() > 100_000 {
                return Err(Refusal::invalid_field("text", "expected 1 to 100,000 characters, and not spaces only"));
            }
            vec![Block::text(Label::USER, text)]
        }
        (None, Some(blocks)) => blocks,
        _ => return Err(Refusal::invalid_field("text", "expected either `text` or `content`")),
    };
    if blocks.is_empty() || blocks.len() > BLOCKS_MAX {
        return Err(Refusal::invalid_field("content", format!("expected 1 to {BLOCKS_MAX} blocks")));
    }
    let can_be_said = |block: &Block| matches!(block.content, Content::Text { .. } | Content::Image { .. });
    if !blocks.iter().all(can_be_said) {
        return Err(Refusal::invalid_field("content", "expected blocks of the type `text` or `image`"));
    }
    Ok(blocks.into_iter().map(|block| Block::new(Label::USER, block.content)).collect())
}

async fn settle_call(sessions: Sessions, call: Call, params: SettleParams) -> Result<SessionInfo, Refusal> {
    let SettleParams { session_id, call_id, verdict } = params;
    Ok(sessions.info(&sessions.settle(call.org(), session_id, &call_id, verdict, call.actor()).await?))
}

async fn history(sessions: Sessions, call: Call, params: HistoryParams) -> Result<SessionHistory, Refusal> {
    let HistoryParams { session_id, after, limit } = params;
    let entries = sessions.history(call.org(), session_id, after, limit.get()).await?;
    let last = entries.last().and_then(|entry| entry["number"].as_u64());
    let session = sessions.get(call.org(), session_id).await?;
    Ok(SessionHistory { entries, next_after: last.filter(|last| *last < session.entries) })
}
