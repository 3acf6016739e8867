use orchestrator_models::{Effort, ProviderError, Thinking};

use super::refused;
use crate::family::{Family, Off};
use crate::wire::{self, Block, OutputConfig, Turn};
use crate::{Display, ThinkingForm};

/// The least budget the protocol takes.
const BUDGET_MIN: u32 = 1_024;

type Written = (Option<wire::Thinking>, Option<OutputConfig>);

/// What is asked of the model's thinking, as this family of models is told it.
pub(super) fn write(
    family: Family,
    asked: Option<Thinking>,
    max_tokens: u32,
    display: Option<Display>,
) -> Result<Written, ProviderError> {
    match (asked, family.thinking) {
        (None, _) => Ok((unasked(family, display), None)),
        (Some(Thinking::Off), _) => off(family),
        (Some(_), ThinkingForm::None) => Err(refused("this model cannot think")),
        (Some(Thinking::Budget { tokens }), _) if family.takes_budget => {
            if !(BUDGET_MIN..max_tokens).contains(&tokens) {
                return Err(refused(format!("{tokens} tokens of thinking are not from {BUDGET_MIN} to {max_tokens}")));
            }
            Ok((Some(wire::Thinking::Enabled { budget_tokens: tokens, display }), None))
        }
        (Some(Thinking::Effort(effort)), ThinkingForm::Budget) => {
            let budget_tokens = budget(effort).min(max_tokens / 4 * 3);
            if budget_tokens < BUDGET_MIN {
                return Err(refused(format!("{max_tokens} tokens are too few to think and answer")));
            }
            Ok((Some(wire::Thinking::Enabled { budget_tokens, display }), None))
        }
        (Some(Thinking::Budget { tokens }), _) => Ok(adaptive(effort(tokens), display)),
        (Some(Thinking::Effort(effort)), _) => Ok(adaptive(effort, display)),
    }
}

/// With a budget, every turn since a person spoke last that calls a tool has to begin with a thought, or the request is refused
/// upstream. Where another model began, which did not think or whose thoughts are not taken, the rest is answered without.
pub(super) fn may_begin(thinking: &wire::Thinking, turns: &[Turn<'_>]) -> bool {
    let is_of_tools =
        |turn: &Turn<'_>| turn.content.iter().any(|piece| matches!(piece.block, Block::ToolResult { .. }));
    let calls = |turn: &Turn<'_>| turn.content.iter().any(|piece| matches!(piece.block, Block::ToolUse { .. }));
    let thinks = |turn: &Turn<'_>| {
        let first = turn.content.first().map(|piece| &piece.block);
        matches!(first, Some(Block::Thinking { .. } | Block::RedactedThinking { .. }))
    };
    let since = turns.iter().rev().take_while(|turn| turn.role != "user" || is_of_tools(turn));
    !matches!(thinking, wire::Thinking::Enabled { .. }) || since.into_iter().all(|turn| !calls(turn) || thinks(turn))
}

/// A model that thinks by itself is told only what to show of it.
fn unasked(family: Family, display: Option<Display>) -> Option<wire::Thinking> {
    let is_told = family.thinks_unasked && family.thinking == ThinkingForm::Adaptive;
    display.filter(|_| is_told).map(|display| wire::Thinking::Adaptive { display: Some(display) })
}

fn off(family: Family) -> Result<Written, ProviderError> {
    match (family.thinking, family.off) {
        (ThinkingForm::None, _) => Ok((None, None)),
        (_, Off::Disabled) => Ok((Some(wire::Thinking::Disabled), None)),
        (_, Off::BetweenTools) => Ok((Some(wire::Thinking::BetweenTools), None)),
        (_, Off::Never) => Err(refused("this model always thinks; ask for little effort")),
    }
}

fn adaptive(effort: Effort, display: Option<Display>) -> Written {
    let effort = match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "max",
    };
    (Some(wire::Thinking::Adaptive { display }), Some(OutputConfig { effort }))
}

/// Roughly what an effort costs, for models that know budgets only.
const fn budget(effort: Effort) -> u32 {
    match effort {
        Effort::Minimal => BUDGET_MIN,
        Effort::Low => 4_096,
        Effort::Medium => 10_240,
        Effort::High => 24_576,
        Effort::Max => 49_152,
    }
}

/// The other way round, for models that know efforts only.
fn effort(tokens: u32) -> Effort {
    let efforts = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
    efforts.into_iter().find(|effort| tokens <= budget(*effort)).unwrap_or(Effort::Max)
}
