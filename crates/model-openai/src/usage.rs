use orchestrator_transcript::Usage;
use serde::Deserialize;

/// Usage as both protocols tell it. OpenAI counts what came from a cache, and what went into one, among the input.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counted {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
    /// DeepSeek's word for what came from a cache.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl Counted {
    /// Each token once.
    pub(crate) fn usage(&self) -> Usage {
        let details = self.prompt_tokens_details.or(self.input_tokens_details).unwrap_or_default();
        let output = self.completion_tokens_details.or(self.output_tokens_details).unwrap_or_default();
        let cache_read = details.cached_tokens.or(self.prompt_cache_hit_tokens).unwrap_or_default();
        let cache_write = details.cache_write_tokens.unwrap_or_default();
        let input = self.prompt_tokens.or(self.input_tokens).unwrap_or_default();
        Usage {
            input: input.saturating_sub(cache_read).saturating_sub(cache_write),
            cache_read,
            cache_write_5m: cache_write,
            cache_write_1h: 0,
            output: self.completion_tokens.or(self.output_tokens).unwrap_or_default(),
            reasoning: output.reasoning_tokens.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(told: Value, expected: Usage) {
        assert_eq!(serde_json::from_value::<Counted>(told).unwrap().usage(), expected);
    }

    #[test]
    fn no_token_is_counted_twice() {
        let expected =
            Usage { input: 7, cache_read: 100, cache_write_5m: 3, cache_write_1h: 0, output: 20, reasoning: 5 };
        let input = json!({ "cached_tokens": 100, "cache_write_tokens": 3, "image_tokens": 9 });
        let output = json!({ "reasoning_tokens": 5 });
        check(
            json!({ "prompt_tokens": 110, "completion_tokens": 20, "total_tokens": 130,
                "prompt_tokens_details": input, "completion_tokens_details": output }),
            expected,
        );
        check(
            json!({ "input_tokens": 110, "output_tokens": 20, "input_tokens_details": input,
                "output_tokens_details": output }),
            expected,
        );
        let both =
            json!({ "prompt_tokens": 4, "input_tokens": 4, "completion_tokens": 1, "prompt_tokens_details": null });
        check(both, Usage { input: 4, output: 1, ..Usage::default() });
        let more_cached_than_read = json!({ "prompt_tokens": 4, "prompt_cache_hit_tokens": 5 });
        check(more_cached_than_read, Usage { cache_read: 5, ..Usage::default() });
    }
}
