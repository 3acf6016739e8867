use orchestrator_transcript::{Stop, StopReason};

use crate::wire::Delta;

/// Why the model stopped, if this says so.
pub(super) fn stop(delta: Delta) -> Option<Stop> {
    let Delta { stop_reason, stop_sequence, stop_details } = delta;
    let raw = stop_reason?;
    let reason = match raw.as_str() {
        "end_turn" => StopReason::EndTurn,
        "stop_sequence" => StopReason::StopSequence { sequence: stop_sequence },
        "max_tokens" => StopReason::MaxTokens,
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::PauseTurn,
        "refusal" => {
            let (category, explanation) = stop_details.map(|why| (why.category, why.explanation)).unwrap_or_default();
            StopReason::Refusal { category, explanation }
        }
        "model_context_window_exceeded" => StopReason::ModelContextWindowExceeded,
        "compaction" => StopReason::Compaction,
        _ => StopReason::Other,
    };
    Some(Stop::new(reason, raw))
}
