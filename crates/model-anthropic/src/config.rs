use orchestrator_models::http::check_base_url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// Where Anthropic itself answers.
const BASE_URL: &str = "https://api.anthropic.com";
/// The version of the protocol; the last one that its documentation names (see README.md).
const API_VERSION: &str = "2026-10-21";

/// Where to ask, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The key, sent as `x-api-key`. It is needed.
    #[serde(serialize_with = "masked")]
    pub api_key: Option<SecretString>,
    /// What stands before `/v1/messages`; the key goes there. Default `https://api.anthropic.com`.
    pub base_url: String,
    /// How the protocol is spoken.
    pub options: Options,
}

/// How the protocol is spoken. Every value has a default that suits Anthropic itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    /// The version of the protocol, sent as `anthropic-version`. Default `2026-10-21`, which knows no `temperature`; servers that
    /// speak an older one, and models that take a temperature, need `2023-06-01`.
    pub api_version: String,
    /// Features in trial to be switched on, sent as `anthropic-beta`. Default none.
    pub betas: Vec<String>,
    /// What of a request is kept for the next one.
    pub cache: Cache,
    /// Whether thinking is shown. Default: as the model does; newer ones send the signature without the text.
    pub thinking_display: Option<Display>,
    /// How thinking is asked for. Default: as the name of the model tells.
    pub thinking: Option<ThinkingForm>,
    /// The most tokens of an answer where the request does not say. Default: the most the model can; of models that are not
    /// Claude, 8,192.
    pub max_tokens: Option<u32>,
}

/// Which parts of a request end with a mark up to which the provider keeps what it has read. Reading it again costs a tenth,
/// writing it a quarter more (twice as much for an hour). What is shorter than the model's minimum is not kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Cache {
    /// The tools. Default yes.
    pub tools: bool,
    /// The system prompt. Default yes.
    pub system: bool,
    /// The conversation up to its last turn, and up to the one before which the model answered last. Default yes.
    pub conversation: bool,
    /// For how long. Default five minutes.
    pub ttl: Ttl,
}

/// For how long the provider keeps what it has read, counted from when it was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Ttl {
    /// `5m`
    #[default]
    #[serde(rename = "5m")]
    FiveMinutes,
    /// `1h`
    #[serde(rename = "1h")]
    OneHour,
}

/// What is sent of thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Display {
    /// A summary of it.
    Summarized,
    /// Its signature only.
    Omitted,
}

/// How a model is asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThinkingForm {
    /// With a number of tokens: Claude up to 4.5, and most servers that speak the protocol for other models.
    Budget,
    /// With an effort: Claude from 4.6 on.
    Adaptive,
    /// It cannot think.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self { api_key: None, base_url: BASE_URL.into(), options: Options::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_version: API_VERSION.into(),
            betas: Vec::new(),
            cache: Cache::default(),
            thinking_display: None,
            thinking: None,
            max_tokens: None,
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { tools: true, system: true, conversation: true, ttl: Ttl::default() }
    }
}

impl Config {
    /// Whether a provider can be made of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the key that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        let key = self.api_key.as_ref().map(|key| key.expose_secret().trim());
        if key.is_none_or(str::is_empty) {
            return Err(Error::invalid("apiKey", "is missing"));
        }
        if key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::invalid("apiKey", "must be printable ASCII without spaces"));
        }
        check_base_url(&self.base_url).map_err(|problem| Error::invalid("baseUrl", problem))?;
        self.options.validate()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.trim_end_matches('/'))
    }
}

impl Options {
    fn validate(&self) -> Result<(), Error> {
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        if !is_word(&self.api_version) {
            return Err(Error::invalid("options.apiVersion", "must be a date such as 2023-06-01"));
        }
        if !self.betas.iter().all(|beta| is_word(beta)) {
            return Err(Error::invalid("options.betas", "must be names without spaces and commas"));
        }
        if self.max_tokens == Some(0) {
            return Err(Error::invalid("options.maxTokens", "must be at least 1"));
        }
        Ok(())
    }
}

fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(config: Value, expected: Result<(), &str>) {
        let config: Config = serde_json::from_value(config).unwrap();
        let found = config.validate().map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn only_the_key_is_needed() {
        check(json!({ "apiKey": "sk-ant-1" }), Ok(()));
        check(json!({}), Err("apiKey is missing"));
        check(json!({ "apiKey": " " }), Err("apiKey is missing"));
        check(json!({ "apiKey": "two words" }), Err("apiKey must be printable ASCII without spaces"));
    }

    #[test]
    fn the_key_that_is_wrong_is_named() {
        check(json!({ "apiKey": "k", "baseUrl": "https://u:p@a" }), Err("baseUrl must not contain credentials"));
        check(
            json!({ "apiKey": "k", "options": { "apiVersion": "" } }),
            Err("options.apiVersion must be a date such as 2023-06-01"),
        );
        check(
            json!({ "apiKey": "k", "options": { "betas": ["a,b"] } }),
            Err("options.betas must be names without spaces and commas"),
        );
        check(json!({ "apiKey": "k", "options": { "maxTokens": 0 } }), Err("options.maxTokens must be at least 1"));
        serde_json::from_value::<Config>(json!({ "apikey": "k" })).unwrap_err();
    }

    #[test]
    fn the_key_is_never_shown() {
        let config: Config = serde_json::from_value(json!({ "apiKey": "sk-ant-secret" })).unwrap();
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("sk-ant-secret"), "{shown}");
    }
}
