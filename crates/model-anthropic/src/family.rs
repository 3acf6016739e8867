//! What the name of a model tells about how it is asked. The documentation of the protocol says it per model; the tests below
//! are its table as of November 2026.

use crate::ThinkingForm;

/// The most tokens of an answer of a model of which nothing is known.
const MAX_TOKENS_UNKNOWN: u32 = 8_192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) thinking: ThinkingForm,
    /// It takes a budget although an effort is better.
    pub(crate) takes_budget: bool,
    pub(crate) off: Off,
    /// It thinks if nothing is said.
    pub(crate) thinks_unasked: bool,
    /// It refuses what another model thought.
    pub(crate) refuses_thoughts_of_others: bool,
    pub(crate) takes_temperature: bool,
    pub(crate) max_tokens: u32,
}

/// How thinking is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Off {
    Disabled,
    BetweenTools,
    Never,
}

type Version = (u32, u32);

impl Family {
    /// By a name such as `claude-sonnet-4-5-20250929`, also within the name of another platform.
    pub(crate) fn of(model: &str) -> Self {
        let Some((_, name)) = model.split_once("claude-") else { return Self::foreign() };
        let parts = || name.split(['-', '.', '@', ':']);
        let has = |line: &str| parts().any(|part| part == line);
        // Dates have more digits.
        let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() <= 2);
        let mut numbers = parts().skip_while(|part| number(part).is_none()).map_while(number);
        let version = numbers.next().map(|major| (major, numbers.next().unwrap_or_default()));
        if has("fable") || has("mythos") {
            return Self { off: Off::Never, ..Self::newest() };
        }
        let Some(version) = version else { return Self::newest() };
        let off = match version {
            (5, 5..) | (6.., _) if has("opus") => Off::Never,
            (5, 5..) | (6.., _) if has("sonnet") => Off::BetweenTools,
            _ => Off::Disabled,
        };
        Self::of_version(version, off, has("opus"))
    }

    fn of_version(version: Version, off: Off, is_opus: bool) -> Self {
        let newest = Self { off, thinks_unasked: version >= (5, 0), ..Self::newest() };
        let older = Self { refuses_thoughts_of_others: false, takes_temperature: true, ..newest };
        let max_tokens = match version {
            (..3, _) | (3, ..5) => 4_096,
            (3, 5..7) => 8_192,
            (4, ..5) if is_opus => 32_000,
            _ => 64_000,
        };
        match version {
            (..3, _) | (3, ..7) => Self { thinking: ThinkingForm::None, max_tokens, ..older },
            (3, _) | (4, ..6) => Self { thinking: ThinkingForm::Budget, takes_budget: true, max_tokens, ..older },
            (4, 6) => Self { takes_budget: true, ..older },
            _ => newest,
        }
    }

    /// As all of them since Claude 5, and presumably those to come.
    const fn newest() -> Self {
        Self {
            thinking: ThinkingForm::Adaptive,
            takes_budget: false,
            off: Off::Disabled,
            thinks_unasked: true,
            refuses_thoughts_of_others: true,
            takes_temperature: false,
            max_tokens: 128_000,
        }
    }

    /// A model of somebody else behind the same protocol.
    const fn foreign() -> Self {
        Self {
            thinking: ThinkingForm::Budget,
            takes_budget: true,
            off: Off::Disabled,
            thinks_unasked: false,
            refuses_thoughts_of_others: false,
            takes_temperature: true,
            max_tokens: MAX_TOKENS_UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(model: &str, thinking: ThinkingForm, off: Off, takes_temperature: bool, max_tokens: u32) {
        let family = Family::of(model);
        let found = (family.thinking, family.off, family.takes_temperature, family.max_tokens);
        assert_eq!(found, (thinking, off, takes_temperature, max_tokens), "{model}");
    }

    #[test]
    fn a_name_tells_how_to_ask() {
        use ThinkingForm::{Adaptive, Budget, None};
        check("claude-3-haiku-20240307", None, Off::Disabled, true, 4_096);
        check("claude-3-5-sonnet-20241022", None, Off::Disabled, true, 8_192);
        check("claude-3-7-sonnet-latest", Budget, Off::Disabled, true, 64_000);
        check("claude-opus-4-20250514", Budget, Off::Disabled, true, 32_000);
        check("claude-opus-4-1", Budget, Off::Disabled, true, 32_000);
        check("claude-sonnet-4-5-20250929", Budget, Off::Disabled, true, 64_000);
        check("us.anthropic.claude-opus-4-5-20251101-v1:0", Budget, Off::Disabled, true, 64_000);
        check("claude-opus-4-6", Adaptive, Off::Disabled, true, 128_000);
        check("claude-opus-4-7-20260416", Adaptive, Off::Disabled, false, 128_000);
        check("claude-sonnet-5", Adaptive, Off::Disabled, false, 128_000);
        check("claude-haiku-5-5", Adaptive, Off::Disabled, false, 128_000);
        check("anthropic/claude-sonnet-5.5", Adaptive, Off::BetweenTools, false, 128_000);
        check("claude-opus-5-5", Adaptive, Off::Never, false, 128_000);
        check("claude-fable-5-1", Adaptive, Off::Never, false, 128_000);
        check("claude-mythos-preview", Adaptive, Off::Never, false, 128_000);
        check("some-other-model", Budget, Off::Disabled, true, 8_192);
    }

    #[test]
    fn one_generation_takes_both_forms() {
        assert!(Family::of("claude-opus-4-6").takes_budget);
        assert!(!Family::of("claude-opus-4-7").takes_budget);
        assert!(!Family::of("claude-opus-4-8").thinks_unasked);
        assert!(Family::of("claude-opus-5").thinks_unasked);
    }
}
