use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_sessions::Sessions;
use orchestrator_vocab::SessionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::replay::replay_of_erased;
use crate::{Replay, replay};

/// `session.replay`.
pub fn operations(sessions: &Sessions) -> Table {
    let sessions = sessions.clone();
    let again = move |call: Call, params: ReplayParams| {
        let sessions = sessions.clone();
        async move { run(sessions, call, params).await }
    };
    let summary = "Runs the journal of a session again, without asking or calling anybody, and tells where it comes to \
                   something else";
    let operation = Operation::new("session.replay", Scope::Read, summary, again);
    Table::new().with(operation.read_only().fails_with([Code::NotFound, Code::Conflict, Code::Unavailable]))
}

/// The parameters of `session.replay`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayParams {
    /// Which.
    pub session_id: SessionId,
}

async fn run(sessions: Sessions, call: Call, params: ReplayParams) -> Result<Replay, Refusal> {
    let (org, id) = (call.org(), params.session_id);
    let session = sessions.get(org, id).await?;
    let entries = sessions.entries(org, id).await?;
    if session.erased > 0 {
        return Ok(replay_of_erased(&entries, session.erased));
    }
    replay(session.org, &entries).map_err(|error| Refusal::conflict(format!("session {id}: {error}")))
}
