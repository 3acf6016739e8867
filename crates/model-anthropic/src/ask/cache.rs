use crate::Cache;
use crate::wire::{Block, Body, CacheControl, Piece, Turn};

/// Puts at most four marks, which is all the protocol takes. What is read comes in the order tools, system, conversation; each
/// mark keeps everything before it.
///
/// The conversation gets two: its end, for the next request, and the turn of the user before, which is where the request
/// before had its end. A provider finds what it has kept only within 20 blocks before a mark, and one turn may be longer.
pub(super) fn mark(body: &mut Body<'_>, cache: &Cache) {
    let control = Some(CacheControl { ttl: cache.ttl });
    if cache.tools
        && let Some(tool) = body.tools.last_mut()
    {
        tool.cache_control = control;
    }
    if cache.system
        && let Some(piece) = body.system.last_mut()
    {
        piece.cache_control = control;
    }
    if cache.conversation {
        let mut turns = body.messages.iter_mut().rev();
        let last = turns.next();
        let before = turns.find(|turn| turn.role == "user");
        for turn in [last, before].into_iter().flatten() {
            if let Some(piece) = last_markable(turn) {
                piece.cache_control = control;
            }
        }
    }
}

fn last_markable<'a, 'b>(turn: &'a mut Turn<'b>) -> Option<&'a mut Piece<'b>> {
    let is_markable = |block: &Block<'_>| {
        matches!(block, Block::Text { .. } | Block::Image { .. } | Block::ToolUse { .. } | Block::ToolResult { .. })
    };
    turn.content.iter_mut().rev().find(|piece| is_markable(&piece.block))
}
