use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::InvalidConfig;

/// What an operator decides about `command.run`. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandConfig {
    /// The variables a program gets beside those that the call names.
    pub environment: CommandEnvironment,
    /// When a program is ended unless the call says otherwise, in milliseconds, 1 to `timeoutMsMax`. Default 120,000.
    pub timeout_ms: u64,
    /// What a call may say, in milliseconds, 1 to 86,400,000. The bound of all tools counts too. Default 3,600,000.
    pub timeout_ms_max: u64,
    /// How many bytes of each of the two streams are told, 1,024 to 1,048,576: of what is longer the beginning and the end.
    /// Default 16,384.
    pub output_bytes: usize,
}

/// Variables of a program; there are no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandEnvironment {
    /// Names of variables of this process that are handed on, if there are such. Default: `PATH`.
    pub inherit: Vec<String>,
    /// Variables with their values; not for secrets: models can read them. Default: none.
    pub set: BTreeMap<String, String>,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            environment: CommandEnvironment::default(),
            timeout_ms: 120_000,
            timeout_ms_max: 3_600_000,
            output_bytes: 16 * 1024,
        }
    }
}

impl Default for CommandEnvironment {
    fn default() -> Self {
        Self { inherit: vec!["PATH".to_owned()], set: BTreeMap::new() }
    }
}

impl CommandConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let check = |holds: bool, field, problem| if holds { Ok(()) } else { Err(InvalidConfig { field, problem }) };
        let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
        let CommandEnvironment { inherit, set } = &self.environment;
        check((1..=86_400_000).contains(&self.timeout_ms_max), "timeoutMsMax", "expected 1 to 86400000")?;
        check((1..=self.timeout_ms_max).contains(&self.timeout_ms), "timeoutMs", "expected 1 to timeoutMsMax")?;
        check((1_024..=1_048_576).contains(&self.output_bytes), "outputBytes", "expected 1024 to 1048576")?;
        let names = "expected names of variables, without = and NUL";
        check(inherit.iter().all(is_name), "environment.inherit", names)?;
        check(set.keys().all(is_name), "environment.set", names)?;
        check(!set.values().any(|value| value.contains('\0')), "environment.set", "expected values without NUL")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_each_bound_is_checked() {
        assert_eq!(CommandConfig::default().validate(), Ok(()));
        let check = |text: &str, field: &str| {
            let config: CommandConfig = serde_json::from_str(text).unwrap();
            assert_eq!(config.validate().unwrap_err().field, field);
        };
        check(r#"{ "timeoutMs": 0 }"#, "timeoutMs");
        check(r#"{ "timeoutMs": 2000, "timeoutMsMax": 1000 }"#, "timeoutMs");
        check(r#"{ "timeoutMsMax": 86400001 }"#, "timeoutMsMax");
        check(r#"{ "outputBytes": 1 }"#, "outputBytes");
        check(r#"{ "environment": { "inherit": ["A=B"] } }"#, "environment.inherit");
        check(r#"{ "environment": { "set": { "": "x" } } }"#, "environment.set");
        check(r#"{ "environment": { "set": { "A": "\u0000" } } }"#, "environment.set");
    }
}
