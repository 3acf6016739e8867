use orchestrator_rpc::{Call, Error as Refused};
use orchestrator_vocab::SessionId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Here;
use crate::{Edit, Kind, Memories, Memory, Pad};

/// A block of a scratchpad.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Block {
    /// Who the agent is.
    Persona,
    /// Whom it talks to.
    Human,
    /// What it works on.
    Task,
    /// Anything else.
    #[default]
    Note,
}

impl From<Block> for Kind {
    fn from(block: Block) -> Self {
        match block {
            Block::Persona => Self::Persona,
            Block::Human => Self::Human,
            Block::Task => Self::Task,
            Block::Note => Self::Note,
        }
    }
}

/// The parameters of `memory.insert` and `memory.rethink`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TextParams {
    /// Whose scratchpad; an agent has that of its own session.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// Which block of it.
    #[serde(default)]
    block: Block,
    /// The text.
    #[schemars(length(min = 1, max = 65_536), regex(pattern = r"\S"))]
    content: String,
}

/// The parameters of `memory.replace`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplaceParams {
    /// Whose scratchpad; an agent has that of its own session.
    #[serde(default)]
    session_id: Option<SessionId>,
    /// Which block of it.
    #[serde(default)]
    block: Block,
    /// A passage that stands in it exactly once.
    #[schemars(length(min = 1, max = 65_536))]
    old: String,
    /// What shall stand there.
    #[schemars(length(max = 65_536))]
    new: String,
}

pub(super) async fn insert(memories: Memories, call: Call, params: TextParams) -> Result<Memory, Refused> {
    let pad = pad(&call, params.session_id)?;
    Ok(memories.edit(&pad, params.block.into(), Edit::Insert { text: params.content }).await?)
}

pub(super) async fn rethink(memories: Memories, call: Call, params: TextParams) -> Result<Memory, Refused> {
    let pad = pad(&call, params.session_id)?;
    Ok(memories.edit(&pad, params.block.into(), Edit::Rethink { text: params.content }).await?)
}

pub(super) async fn replace(memories: Memories, call: Call, params: ReplaceParams) -> Result<Memory, Refused> {
    let pad = pad(&call, params.session_id)?;
    let edit = Edit::Replace { old: params.old, new: params.new };
    Ok(memories.edit(&pad, params.block.into(), edit).await?)
}

fn pad(call: &Call, session: Option<SessionId>) -> Result<Pad, Refused> {
    let here = call.extensions.get::<Here>().filter(|_| call.acting.is_some());
    let session = here.and_then(|here| here.session).or(session);
    let session =
        session.ok_or_else(|| Refused::invalid_field("sessionId", "expected the session whose scratchpad it is"))?;
    let agent = call.acting.as_ref().map(|acting| acting.agent.clone());
    Ok(Pad { org: call.org(), session, agent, by: call.actor(), label: call.label() })
}
