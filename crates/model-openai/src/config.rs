use orchestrator_models::http::check_base_url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// Where OpenAI itself is.
const OPENAI_URL: &str = "https://api.openai.com/v1";
const OPENAI_HOST: &str = "api.openai.com";
/// Texts that OpenAI takes in one request for vectors.
const INPUTS_MAX: usize = 2_048;

/// A server that speaks like OpenAI, and how to speak with it. Every field has a default, but OpenAI itself needs a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Sent as a bearer token. A secret. Servers on the own machine often need none.
    #[serde(serialize_with = "masked")]
    pub api_key: Option<SecretString>,
    /// What stands before `/chat/completions`, `/responses`, `/embeddings` and `/models`. Default `https://api.openai.com/v1`.
    pub base_url: String,
    /// How it is spoken with.
    pub options: Options,
}

/// How a server is spoken with. Every field has a default that suits OpenAI itself and most others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// Which of the two protocols. Default: `responses` at OpenAI itself, `chat` elsewhere, which compatible servers know.
    pub api: Option<Api>,
    /// Sent as `OpenAI-Organization`: who pays.
    pub organization: Option<String>,
    /// Sent as `OpenAI-Project`: for which project.
    pub project: Option<String>,
    /// Whether answers are asked for in pieces. Default true; for servers that cannot call tools while streaming.
    pub stream: bool,
    /// What the limit of an answer is called in chat completions. Default: `max_completion_tokens` at OpenAI itself, `max_tokens`
    /// elsewhere.
    pub max_tokens_name: Option<MaxTokensName>,
    /// What the models take as the hardest effort. Default `high`, which all that reason know.
    pub hardest_effort: HardestEffort,
    /// Whether Responses tell a summary of what was thought, and how long a one. Default: none, because OpenAI gives it to verified
    /// organisations only and answers 400 to others.
    pub reasoning_summary: Option<ReasoningSummary>,
    /// How vectors are asked for.
    pub embeddings: EmbeddingOptions,
}

/// How vectors are asked for. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmbeddingOptions {
    /// Texts in one request, 1 to 2,048; more are sent in several. Default 2,048, the most that OpenAI takes; other servers take less.
    pub inputs_max: usize,
    /// How they are to be written. Default: `base64` at OpenAI itself, a third as long; `float` elsewhere. Both are understood.
    pub encoding: Option<Encoding>,
}

/// How a vector is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As a list of numbers.
    Float,
    /// As base64 of 32-bit numbers, little-endian.
    Base64,
}

/// One of OpenAI's protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `POST /chat/completions`.
    Chat,
    /// `POST /responses`. Nothing is stored at the provider; encrypted reasoning goes back and forth.
    Responses,
}

/// What the limit of an answer is called in chat completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensName {
    /// The newer name, the only one for models that reason.
    MaxCompletionTokens,
    /// The older name, known everywhere else.
    MaxTokens,
}

/// What [`Effort::Max`](orchestrator_models::Effort::Max) is for the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HardestEffort {
    /// Known to every model that reasons.
    #[default]
    High,
    /// Known to those after `gpt-5.1-codex-max`.
    Xhigh,
    /// Known to the newest.
    Max,
}

/// How long a summary of its thoughts a model gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningSummary {
    /// As the model can.
    Auto,
    /// Short.
    Concise,
    /// Long.
    Detailed,
}

impl Default for Config {
    fn default() -> Self {
        Self { api_key: None, base_url: OPENAI_URL.into(), options: Options::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api: None,
            organization: None,
            project: None,
            stream: true,
            max_tokens_name: None,
            hardest_effort: HardestEffort::default(),
            reasoning_summary: None,
            embeddings: EmbeddingOptions::default(),
        }
    }
}

impl Default for EmbeddingOptions {
    fn default() -> Self {
        Self { inputs_max: INPUTS_MAX, encoding: None }
    }
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first key whose value cannot be.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |key, reason| Err(Error::Invalid { key, reason });
        if let Err(reason) = check_base_url(&self.base_url) {
            return invalid("baseUrl", reason);
        }
        let headers = [
            ("apiKey", self.api_key.as_ref().map(|key| key.expose_secret())),
            ("organization", self.options.organization.as_deref()),
            ("project", self.options.project.as_deref()),
        ];
        for (key, value) in headers {
            let Some(value) = value else { continue };
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return invalid(key, "expected visible ASCII characters without spaces, at least one");
            }
        }
        if !(1..=INPUTS_MAX).contains(&self.options.embeddings.inputs_max) {
            return invalid("embeddings.inputsMax", "expected 1 to 2048");
        }
        if self.is_openai() && self.api_key.is_none() {
            return invalid("apiKey", "OpenAI needs one");
        }
        Ok(())
    }

    /// Which protocol is spoken.
    pub fn api(&self) -> Api {
        self.options.api.unwrap_or(if self.is_openai() { Api::Responses } else { Api::Chat })
    }

    pub(crate) fn max_tokens_name(&self) -> MaxTokensName {
        let usual = if self.is_openai() { MaxTokensName::MaxCompletionTokens } else { MaxTokensName::MaxTokens };
        self.options.max_tokens_name.unwrap_or(usual)
    }

    pub(crate) fn encoding(&self) -> Encoding {
        let usual = if self.is_openai() { Encoding::Base64 } else { Encoding::Float };
        self.options.embeddings.encoding.unwrap_or(usual)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url.trim_end_matches('/'))
    }

    /// Whether the address is that of OpenAI itself, where nobody is let in without a key.
    pub fn is_openai(&self) -> bool {
        reqwest::Url::parse(&self.base_url).is_ok_and(|url| url.host_str() == Some(OPENAI_HOST))
    }
}

/// Shown, it is whether there is one.
fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: serde_json::Value, expected: Result<Api, &str>) {
        let config: Config = serde_json::from_value(written).unwrap();
        let judged = config.validate().map(|()| config.api()).map_err(|error| error.to_string());
        match expected {
            Ok(api) => assert_eq!(judged, Ok(api)),
            Err(part) => assert!(judged.as_ref().is_err_and(|said| said.contains(part)), "{judged:?}"),
        }
    }

    #[test]
    fn each_value_is_checked_and_the_protocol_chosen() {
        check(serde_json::json!({ "apiKey": "k" }), Ok(Api::Responses));
        check(serde_json::json!({ "apiKey": "k", "options": { "api": "chat" } }), Ok(Api::Chat));
        check(serde_json::json!({ "baseUrl": "http://127.0.0.1:8000/v1" }), Ok(Api::Chat));
        check(
            serde_json::json!({ "baseUrl": "http://127.0.0.1:8000/v1", "options": { "api": "responses" } }),
            Ok(Api::Responses),
        );
        check(serde_json::json!({}), Err("apiKey"));
        check(serde_json::json!({ "apiKey": "a b" }), Err("apiKey"));
        check(serde_json::json!({ "apiKey": "k", "options": { "organization": "" } }), Err("organization"));
        check(serde_json::json!({ "apiKey": "k", "options": { "project": "é" } }), Err("project"));
        check(serde_json::json!({ "baseUrl": "https://u:p@a" }), Err("baseUrl"));
        check(
            serde_json::json!({ "apiKey": "k", "options": { "embeddings": { "inputsMax": 0 } } }),
            Err("embeddings.inputsMax"),
        );
    }

    #[test]
    fn the_key_is_not_shown() {
        let config = Config { api_key: Some("hunter2".to_owned().into()), ..Config::default() };
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_value::<Config>(serde_json::json!({ "baseURL": "x" })).is_err());
        assert!(serde_json::from_value::<Options>(serde_json::json!({ "apis": "chat" })).is_err());
    }
}
