//! What happens between the alert and the limit.

use std::collections::BTreeMap;
use std::fmt;

use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Limit, Scope};

/// The most models that can be replaced.
const MODELS_MAX: usize = 200;

/// What is done while `alertThreshold` of a limit is spent, in its window. By default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Degrade {
    /// Models, as `provider/model`, each with the one that is asked in its place, if that can do what is asked.
    pub models: BTreeMap<String, String>,
    /// How many requests may begin in a minute that count in the same limit, 1 to 100,000; `null`, the default, for as many as come.
    pub throttle_per_minute: Option<u32>,
}

/// A limit of which much is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strain {
    /// Whose spending it is about: one, also where the limit is on each.
    pub scope: Scope,
    /// The limit.
    pub limit: Limit,
    /// How much of it is spent, in thousandths.
    pub used_permille: u64,
    /// When its next window begins.
    pub resets_at: Timestamp,
}

impl Degrade {
    /// Whether nothing is ever done.
    pub fn is_off(&self) -> bool {
        self.models.is_empty() && self.throttle_per_minute.is_none()
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let wrong = |problem: String| Err(Error::invalid("degrade", problem));
        if self.models.len() > MODELS_MAX {
            return wrong(format!("models: expected {MODELS_MAX} at most"));
        }
        let is_named = |name: &str| name.split_once('/').is_some_and(|(of, model)| !of.is_empty() && !model.is_empty());
        for (model, instead) in &self.models {
            if !is_named(model) || !is_named(instead) {
                return wrong(format!("models.{model}: expected `provider/model` in the place of `provider/model`"));
            }
            // One step: which of several limits would bring the second about, nobody could tell.
            if self.models.contains_key(instead) {
                return wrong(format!("models.{model}: {instead} has another in its place itself"));
            }
        }
        match self.throttle_per_minute {
            Some(0 | 100_001..) => wrong("throttlePerMinute: expected 1 to 100000".into()),
            _ => Ok(()),
        }
    }
}

/// As a person names it: `agent:coder per day`.
impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.scope, self.limit.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<(), &str>) {
        let degrade: Degrade = serde_json::from_str(json).unwrap();
        match (degrade.validate().map_err(|error| error.to_string()), expected) {
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (outcome, expected) => assert_eq!(outcome, expected.map_err(str::to_owned), "{json}"),
        }
    }

    #[test]
    fn a_model_has_one_in_its_place_that_has_none() {
        check("{}", Ok(()));
        check(r#"{ "models": { "a/big": "b/small", "a/huge": "b/small" }, "throttlePerMinute": 1 }"#, Ok(()));
        check(r#"{ "models": { "big": "b/small" } }"#, Err("models.big"));
        check(r#"{ "models": { "a/big": "a/" } }"#, Err("models.a/big"));
        check(r#"{ "models": { "a/big": "a/mid", "a/mid": "a/small" } }"#, Err("a/mid has another"));
        check(r#"{ "models": { "a/big": "a/big" } }"#, Err("a/big has another"));
        check(r#"{ "throttlePerMinute": 0 }"#, Err("throttlePerMinute"));
    }

    #[test]
    fn it_is_off_until_something_is_set() {
        assert!(Degrade::default().is_off());
        assert!(!Degrade { throttle_per_minute: Some(3), ..Degrade::default() }.is_off());
    }
}
