use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Effort;

/// Who an agent is and what it may use up. A session keeps the one it began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Profile {
    /// What the agent is told about itself: the operator's words.
    pub system: String,
    /// The model that is wanted; `None`: the usual one.
    pub model: Option<String>,
    /// Whether another may answer in its place. Default true.
    pub may_fall_back: bool,
    /// The most tokens of one answer; `None`: as many as the model gives.
    pub max_tokens: Option<u32>,
    /// From 0; `None`: the model's own.
    pub temperature: Option<f64>,
    /// How much it thinks first; `None`: as it likes.
    pub effort: Option<Effort>,
    /// From which thousandth of [`Limits::context_tokens`] on the older part of the conversation is summed up, if there is a
    /// [memory](crate::Recollection) to keep it; 0: never. Default 0.
    #[serde(skip_serializing_if = "is_never")]
    pub compact_at: u32,
    /// How much it may do.
    pub limits: Limits,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_never(compact_at: &u32) -> bool {
    *compact_at == 0
}

/// How much one session may do. Whoever reaches one of these has failed, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Answers of a model, 1 to 10,000. Default 100.
    pub turns_max: u32,
    /// Tokens of all requests and answers together; `None`: no limit. Default 2,000,000.
    pub tokens_max: Option<u64>,
    /// Time at work since it was last taken up, in milliseconds; `None`: no limit. Default an hour.
    pub time_ms: Option<u64>,
    /// How long a conversation may be, in tokens as they are estimated; what is older is left out beyond. 1,000 and more.
    /// Default 150,000.
    pub context_tokens: u64,
    /// Calls of tools that run at once, 1 to 64. Default 8.
    pub calls_at_once: usize,
    /// Calls of tools that one answer may ask for, 1 to 1,000; the rest is refused. Default 64.
    pub calls_per_answer: usize,
    /// How often an answer that broke off is asked for again, in a row. Default 2.
    pub broken_answers: u32,
    /// How often an answer that was cut off at its number of tokens is gone on with, in a row. Default 3.
    pub continuations: u32,
    /// What counts as going round in circles.
    pub circles: Circles,
}

/// What counts as going round in circles, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Circles {
    /// After so many calls with the same arguments and the same result. 0: never. Default 3.
    pub same_calls: u32,
    /// After so many answers in a row that brought no call that was not made before. 0: never. Default 10.
    pub idle_turns: u32,
    /// After so many tokens without such a call. 0: never. Default 400,000.
    pub idle_tokens: u64,
    /// How often the agent is told before it is stopped. Default 2.
    pub nudges: u32,
    /// What is done after that.
    pub then: Then,
}

/// What is done with an agent that goes round in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Its attempt has failed.
    #[default]
    Stop,
    /// It waits until a person says something.
    Ask,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            system: String::new(),
            model: None,
            may_fall_back: true,
            max_tokens: None,
            temperature: None,
            effort: None,
            compact_at: 0,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turns_max: 100,
            tokens_max: Some(2_000_000),
            time_ms: Some(3_600_000),
            context_tokens: 150_000,
            calls_at_once: 8,
            calls_per_answer: 64,
            broken_answers: 2,
            continuations: 3,
            circles: Circles::default(),
        }
    }
}

impl Default for Circles {
    fn default() -> Self {
        Self { same_calls: 3, idle_turns: 10, idle_tokens: 400_000, nudges: 2, then: Then::Stop }
    }
}

/// A limit that is no limit. The field is named as the configuration spells it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidLimits {
    /// Which.
    pub field: &'static str,
    /// What would be right.
    pub problem: &'static str,
}

impl Limits {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken.
    pub fn validate(&self) -> Result<(), InvalidLimits> {
        let check = |holds: bool, field, problem| if holds { Ok(()) } else { Err(InvalidLimits { field, problem }) };
        check((1..=10_000).contains(&self.turns_max), "turnsMax", "expected 1 to 10000")?;
        check(self.tokens_max != Some(0), "tokensMax", "expected 1 or more, or null")?;
        check(self.time_ms != Some(0), "timeMs", "expected 1 or more, or null")?;
        check(self.context_tokens >= 1_000, "contextTokens", "expected 1000 or more")?;
        check((1..=64).contains(&self.calls_at_once), "callsAtOnce", "expected 1 to 64")?;
        check((1..=1_000).contains(&self.calls_per_answer), "callsPerAnswer", "expected 1 to 1000")
    }

    pub(crate) fn time(&self) -> Option<Duration> {
        self.time_ms.map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_others_are_bounded() {
        Limits::default().validate().unwrap();
        let none = Limits { turns_max: 0, ..Limits::default() };
        assert_eq!(none.validate().unwrap_err().to_string(), "turnsMax: expected 1 to 10000");
    }

    #[test]
    fn a_profile_of_an_earlier_version_is_read() {
        let profile: Profile =
            serde_json::from_str(r#"{ "system": "You count.", "limits": { "turnsMax": 3 } }"#).unwrap();
        assert_eq!((profile.limits.turns_max, profile.limits.calls_at_once), (3, 8));
    }
}
