use orchestrator_rpc::{Call, Code, Error as Refusal, Scope, Table};
use orchestrator_transcript::Block;
use orchestrator_vocab::{Label, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SessionLimit, operation};
use crate::{Numbered, Said, SessionInfo, Sessions, Verdict};

const TEXT_CHARS_MAX: usize = 100_000;
/// Something in it can be seen, and it has no NUL.
const VISIBLE: &str = r"^[^\x00]*[^\s\x00][^\x00]*$";

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

/// The parameters of `prompt.submit`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitParams {
    /// To whom.
    pub session_id: SessionId,
    /// What, in words.
    #[schemars(length(min = 1, max = TEXT_CHARS_MAX), regex(pattern = VISIBLE))]
    pub text: String,
    /// Saying it again under the same key does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 190), regex(pattern = VISIBLE))]
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
    pub after: u32,
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
    let SubmitParams { session_id: id, text, .. } = params;
    if text.trim().is_empty() || text.contains('\0') || text.chars().count() > TEXT_CHARS_MAX {
        let expected = format!("expected 1 to {TEXT_CHARS_MAX} characters, not spaces only and without NUL");
        return Err(Refusal::invalid_field("text", expected));
    }
    let key = call.idempotency_key.clone();
    if key.as_ref().is_some_and(|key| key.trim().is_empty() || key.contains('\0') || key.chars().count() > 190) {
        return Err(Refusal::invalid_field("idempotencyKey", "expected 1 to 190 characters, not spaces only"));
    }
    let content = vec![Block::text(Label::USER, text)];
    let entry = sessions.say(call.org(), id, Said { content, actor: call.actor(), key }).await?;
    let session = sessions.get(call.org(), id).await?;
    Ok(Submitted { session_id: id, entry, is_working: session.state.is_active() })
}

async fn settle_call(sessions: Sessions, call: Call, params: SettleParams) -> Result<SessionInfo, Refusal> {
    let SettleParams { session_id, call_id, verdict } = params;
    Ok(sessions.info(&sessions.settle(call.org(), session_id, &call_id, verdict, call.actor()).await?))
}

async fn history(sessions: Sessions, call: Call, params: HistoryParams) -> Result<SessionHistory, Refusal> {
    let HistoryParams { session_id, after, limit } = params;
    let entries = sessions.history(call.org(), session_id, u64::from(after), limit.get()).await?;
    let last = entries.last().and_then(|entry| entry["number"].as_u64());
    let session = sessions.get(call.org(), session_id).await?;
    Ok(SessionHistory { entries, next_after: last.filter(|last| *last < session.entries) })
}
