//! What only the name of a model tells: OpenAI does not say it anywhere else.

use orchestrator_models::{Effort, Request, Thinking};

use crate::HardestEffort;

/// Whether the model reasons: `o1`, `o3-mini`, `gpt-5-mini` and later do, `gpt-4o` and `gpt-5-chat-latest` do not. Names of others
/// than OpenAI's are not known.
pub(crate) fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let begins_with_digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let generation = |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok();
    if name.strip_prefix('o').is_some_and(begins_with_digit) {
        return true;
    }
    name.strip_prefix("gpt-").and_then(generation).is_some_and(|number| number >= 5) && !name.contains("chat")
}

/// The temperature to send. Models that reason take none, unless they shall not reason.
pub(crate) fn temperature(request: &Request) -> Option<f32> {
    request.temperature.filter(|_| !reasons(&request.model) || request.thinking == Some(Thinking::Off))
}

/// How hard to think, in OpenAI's words. These models know no budgets, so those are translated.
pub(crate) fn effort(thinking: Option<Thinking>, hardest: HardestEffort) -> Option<&'static str> {
    Some(match thinking? {
        Thinking::Off => "none",
        Thinking::Effort(Effort::Minimal) => "minimal",
        Thinking::Effort(Effort::Low) | Thinking::Budget { tokens: ..4_096 } => "low",
        Thinking::Effort(Effort::Medium) | Thinking::Budget { tokens: 4_096..16_384 } => "medium",
        Thinking::Effort(Effort::High) | Thinking::Budget { .. } => "high",
        Thinking::Effort(Effort::Max) => match hardest {
            HardestEffort::High => "high",
            HardestEffort::Xhigh => "xhigh",
            HardestEffort::Max => "max",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whether_a_model_reasons() {
        for name in ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5-mini", "gpt-5.1", "openai/gpt-5", "gpt-12"] {
            assert!(reasons(name), "{name}");
        }
        for name in ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "chatgpt-4o-latest", "olmo-2", "gpt-oss-120b", ""] {
            assert!(!reasons(name), "{name}");
        }
    }

    #[test]
    fn budgets_become_efforts() {
        let high = HardestEffort::High;
        assert_eq!(effort(None, high), None);
        assert_eq!(effort(Some(Thinking::Budget { tokens: 1_024 }), high), Some("low"));
        assert_eq!(effort(Some(Thinking::Budget { tokens: 4_096 }), high), Some("medium"));
        assert_eq!(effort(Some(Thinking::Budget { tokens: 32_000 }), high), Some("high"));
        assert_eq!(effort(Some(Thinking::Effort(Effort::Max)), high), Some("high"));
        assert_eq!(effort(Some(Thinking::Effort(Effort::Max)), HardestEffort::Max), Some("max"));
    }
}
