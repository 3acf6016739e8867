use orchestrator_models::{ErrorKind, ProviderError};
use orchestrator_transcript::StreamEvent;
use serde::Deserialize;

use crate::blocks::Blocks;

/// A piece of a call. OpenAI sends `index` with each, id and name with the first; others leave out the index or repeat the id.
#[derive(Debug, Deserialize)]
pub(super) struct CallPiece {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionPiece>,
}

#[derive(Debug, Default, Deserialize)]
struct FunctionPiece {
    name: Option<String>,
    arguments: Option<String>,
}

/// The calls of one answer.
#[derive(Debug)]
pub(super) struct Calls {
    known: Vec<Call>,
    turn: usize,
}

#[derive(Debug)]
struct Call {
    index: Option<u32>,
    id: String,
    block: u32,
}

impl Calls {
    /// `turn` is how many messages came before: it makes ids of ours unique within the conversation.
    pub(super) const fn new(turn: usize) -> Self {
        Self { known: Vec::new(), turn }
    }

    pub(super) const fn are_none(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn take(
        &mut self,
        piece: CallPiece,
        blocks: &mut Blocks,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), ProviderError> {
        let id = piece.id.filter(|id| !id.is_empty());
        let function = piece.function.unwrap_or_default();
        let known = self.known.iter().rfind(|call| match (piece.index, &id) {
            (Some(index), None) => call.index == Some(index),
            (Some(index), Some(id)) => call.index == Some(index) && call.id == *id,
            (None, Some(id)) => call.id == *id,
            (None, None) => function.name.is_none(),
        });
        let block = match known {
            Some(call) => call.block,
            None => {
                let name = function.name.filter(|name| !name.is_empty()).ok_or_else(nameless)?;
                let id = id.unwrap_or_else(|| format!("call_{}_{}", self.turn, self.known.len()));
                let block = blocks.call(id.clone(), name, out);
                self.known.push(Call { index: piece.index, id, block });
                block
            }
        };
        Blocks::argue(block, function.arguments.unwrap_or_default(), out);
        Ok(())
    }
}

fn nameless() -> ProviderError {
    ProviderError::new(ErrorKind::Malformed, "a call of a tool has no name")
}
