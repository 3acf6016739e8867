use orchestrator_rpc::{Call, Error as Refused};
use orchestrator_vocab::SessionId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Coverage, Erased, Erasing, Memories};

/// The parameters of `memory.verify`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VerifyParams {
    /// Only of this session; otherwise of all.
    #[serde(default)]
    session_id: Option<SessionId>,
}

pub(super) async fn verify(memories: Memories, call: Call, params: VerifyParams) -> Result<Coverage, Refused> {
    Ok(memories.verify(call.org(), params.session_id).await?)
}

/// The parameters of `memory.erase`: exactly one thing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EraseParams {
    /// Everything of this person.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    person: Option<String>,
    /// Everything about this.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    topic: Option<String>,
    /// Everything from this session.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// Everything there is.
    #[serde(default)]
    organisation: bool,
    /// Only tell what would be erased.
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn erase(memories: Memories, call: Call, params: EraseParams) -> Result<Erased, Refused> {
    let named = [
        params.person.map(Erasing::Person),
        params.topic.map(Erasing::Topic),
        params.session_id.map(Erasing::Session),
        params.organisation.then_some(Erasing::Organisation),
    ];
    let named: Vec<Erasing> = named.into_iter().flatten().collect();
    let [what] = named.as_slice() else {
        return Err(Refused::invalid_params("expected exactly one of person, topic, sessionId and organisation"));
    };
    match params.dry_run {
        true => Ok(memories.would_erase(call.org(), what).await?),
        false => Ok(memories.erase(call.org(), &call.actor(), what).await?),
    }
}
