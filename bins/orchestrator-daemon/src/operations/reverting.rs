use orchestrator_memory::MemoryId;
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_runtime_llm::{REVERTED, Standing, Summaries, summaries, taken_back};
use orchestrator_sessions::{Noting, Session};
use orchestrator_vocab::SessionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::remembering::Recorder;

/// The parameters of `memory.revert`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevertParams {
    /// The session whose latest summary is taken back.
    session_id: SessionId,
}

/// What `memory.revert` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Reverted {
    /// Which session.
    session_id: SessionId,
    /// The entry of its journal that brought the summary.
    summary_entry: u64,
    /// The entry that takes it back; none if the session is over: then only what was remembered of the summary is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
    /// The memory that is gone, if it was still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_id: Option<MemoryId>,
    /// How long the conversation was, in tokens as they are estimated.
    tokens_before: u64,
    /// How long it is now.
    tokens: u64,
    /// How long it may be.
    tokens_max: u64,
}

/// `memory.revert`: it spans the journal of a session and what is remembered of it.
pub(crate) fn table(recorder: &Recorder) -> Table {
    let recorder = recorder.clone();
    let revert = move |call: Call, params: RevertParams| {
        let recorder = recorder.clone();
        async move { revert(&recorder, &call, params.session_id).await }
    };
    let summary =
        "Takes back the latest summary of a session's conversation: its model reads again what that stood for";
    let refusals = [Code::NotFound, Code::Conflict];
    Table::new().with(Operation::new("memory.revert", Scope::Admin, summary, revert).fails_with(refusals))
}

/// First what is remembered, then the journal: asked again after the daemon went down in between, it does the rest.
async fn revert(recorder: &Recorder, call: &Call, id: SessionId) -> Result<Reverted, Error> {
    let session = recorder.sessions.get(call.org(), id).await?;
    let entries = recorder.sessions.entries(call.org(), id).await?;
    let conversation =
        summaries(&entries).map_err(|_| Error::conflict(format!("session {id} has no conversation with a model")))?;
    let is_over = session.state.is_ended();
    let Summaries { tokens, tokens_without_latest, tokens_max, .. } = conversation;
    let latest = match is_over {
        true => remembered(recorder, &session, &conversation.standing).await?,
        false => conversation.standing.last(),
    };
    let latest = latest.ok_or_else(|| Error::conflict(format!("no summary of session {id} stands")))?;
    if !is_over && tokens_without_latest > tokens_max {
        let data = json!({ "tokens": tokens, "tokensWithout": tokens_without_latest, "tokensMax": tokens_max });
        let told = format!(
            "without its latest summary the conversation of session {id} has {tokens_without_latest} tokens, with it {tokens}, and it \
             may have {tokens_max} (llm.contextTokens)"
        );
        return Err(Error::conflict(told).with_data(data));
    }
    let mut memory_id = memory_of(latest);
    if let Some(memory) = memory_id
        && !recorder.memories.take_back(call.org(), &call.actor(), memory).await?
    {
        memory_id = None;
    }
    let entry = match is_over {
        true => None,
        false => Some(noted(recorder, call, &session, latest.entry).await?),
    };
    let now = if is_over { tokens } else { tokens_without_latest };
    let summary_entry = latest.entry;
    Ok(Reverted { session_id: id, summary_entry, entry, memory_id, tokens_before: tokens, tokens: now, tokens_max })
}

/// The latest of which something is remembered.
async fn remembered<'s>(
    recorder: &Recorder,
    session: &Session,
    standing: &'s [Standing],
) -> Result<Option<&'s Standing>, Error> {
    for summary in standing.iter().rev() {
        let Some(memory) = memory_of(summary) else { continue };
        match recorder.memories.get(session.org, memory).await {
            Ok(_) => return Ok(Some(summary)),
            Err(orchestrator_memory::Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Said once, however often it is asked for.
async fn noted(recorder: &Recorder, call: &Call, session: &Session, summary: u64) -> Result<u64, Error> {
    let noting = Noting {
        what: REVERTED.to_owned(),
        facts: taken_back(summary),
        event: "session.reverted",
        actor: call.actor(),
        key: Some(format!("reverted {summary}")),
    };
    Ok(recorder.sessions.note(session.org, session.id, noting).await?)
}

fn memory_of(summary: &Standing) -> Option<MemoryId> {
    summary.facts.get("memoryId").and_then(Value::as_str)?.parse().ok()
}
