use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use orchestrator_model_anthropic::Anthropic;
use orchestrator_model_openai::OpenAi;
use orchestrator_models::http::Cassette;
use orchestrator_models::{Facts, Limits, Member, OnRefusal, Provider, Script, Scripted, Strategy};
use orchestrator_redact::Redactor;
use orchestrator_vocab::Clock;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::cassette::CassetteConfig;

/// What is asked of Anthropic if nobody says which model.
const CLAUDE: &str = "claude-sonnet-5-5";
/// And of OpenAI.
const GPT: &str = "gpt-5-mini";

/// Language models: who runs them, and which are asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Models {
    pub(crate) providers: BTreeMap<String, ProviderConfig>,
    /// `provider/model`.
    pub(crate) primary: Option<String>,
    pub(crate) fallbacks: Vec<String>,
    /// The model that makes vectors, `provider/model`.
    pub(crate) embedding: Option<String>,
    pub(crate) strategy: Strategy,
    pub(crate) on_refusal: OnRefusal,
    pub(crate) limits: Limits,
    pub(crate) retirement_notice_days: NoticeDays,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cassette: Option<CassetteConfig>,
}

/// How many days before a model is gone its operator is told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NoticeDays(pub(crate) u32);

impl Default for NoticeDays {
    fn default() -> Self {
        Self(30)
    }
}

/// Somebody who runs models. Its name is the key in `models.providers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProviderConfig {
    /// How it is spoken to; a provider that is called like a kind is of that kind unless this says otherwise.
    #[serde(default)]
    pub(crate) kind: Option<ProviderKind>,
    /// For `scripted`: the file that says what it answers.
    #[serde(default)]
    pub(crate) script: Option<PathBuf>,
    #[serde(default, serialize_with = "super::masked")]
    pub(crate) api_key: Option<SecretString>,
    /// Where it is, unless it is where everybody knows.
    #[serde(default)]
    pub(crate) base_url: Option<String>,
    /// The model that is asked of it, where nothing else says which.
    #[serde(default)]
    pub(crate) model: Option<String>,
    /// For `anthropic`: how the protocol is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anthropic: Option<orchestrator_model_anthropic::Options>,
    /// For `openai`: how the protocol is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) openai: Option<orchestrator_model_openai::Options>,
    /// Requests under way at once.
    #[serde(default = "concurrent")]
    pub(crate) max_concurrent: usize,
    /// Requests begun per minute.
    #[serde(default)]
    pub(crate) requests_per_minute: Option<u32>,
    /// What is known of its models, where that differs from what the daemon knows by itself.
    #[serde(default)]
    pub(crate) models: BTreeMap<String, Facts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProviderKind {
    /// Says what a script tells it to; asks nobody.
    Scripted,
    /// Anthropic Messages, at Anthropic or elsewhere.
    Anthropic,
    /// Chat completions or Responses, at OpenAI or elsewhere.
    #[serde(rename = "openai")]
    OpenAi,
}

impl ProviderKind {
    /// What a provider of this name is, if nothing else says so.
    fn of_name(name: &str) -> Option<Self> {
        match name {
            "anthropic" => Some(Self::Anthropic),
            "openai" => Some(Self::OpenAi),
            _ => None,
        }
    }
}

fn concurrent() -> usize {
    8
}

impl Models {
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        self.limits.validate().context("limits")?;
        ensure!(self.retirement_notice_days.0 <= 365, "retirementNoticeDays: expected 0 to 365");
        for (name, provider) in &self.providers {
            provider.validate(name).with_context(|| format!("providers.{name}"))?;
        }
        ensure!(
            self.primary.is_some() || self.fallbacks.is_empty(),
            "fallbacks: expected `primary` to be set if there are any"
        );
        let named = self.primary.iter().chain(&self.fallbacks);
        let named = named.chain(&self.embedding);
        ensure!(named.count() == 0 || self.in_use().count() > 0, "primary, embedding: no provider is configured");
        Ok(())
    }

    /// Checks that these, as `provider/model`, are of providers that can be asked.
    pub(crate) fn know<'n>(&self, mut names: impl Iterator<Item = &'n String>) -> anyhow::Result<()> {
        let is_known = |name: &String| {
            let provider = name.split_once('/').map_or(name.as_str(), |(provider, _)| provider);
            self.in_use().any(|(known, _)| known == provider)
        };
        match names.find(|name| !is_known(name)) {
            Some(name) => bail!("no provider that is configured has `{name}`"),
            None => Ok(()),
        }
    }

    /// Whether nobody could be asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_use().next().is_none()
    }

    /// Who is asked first: as configured, else the models that the providers name themselves, in the order of their names.
    pub(crate) fn candidates(&self) -> (Option<String>, Vec<String>) {
        if self.primary.is_some() {
            return (self.primary.clone(), self.fallbacks.clone());
        }
        let mut named = self.in_use().filter_map(|(name, provider)| Some(format!("{name}/{}", provider.model(name)?)));
        (named.next(), named.collect())
    }

    /// The keys of the providers, by the keys of the configuration.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (String, &SecretString)> {
        let named = self.providers.iter();
        named.filter_map(|(name, provider)| {
            Some((format!("models.providers.{name}.apiKey"), provider.api_key.as_ref()?))
        })
    }

    /// The providers, ready to be asked.
    pub(crate) fn members(&self, clock: &Arc<dyn Clock>, redactor: &Redactor) -> anyhow::Result<Vec<Member>> {
        let member = |(name, provider): (&String, &ProviderConfig)| {
            let cassette = match &self.cassette {
                Some(cassette) if !provider.asks_nobody(name) => Some(cassette.open(name, redactor)?),
                _ => None,
            };
            provider.member(name, clock.clone(), cassette).with_context(|| format!("models.providers.{name}"))
        };
        self.in_use().map(member).collect()
    }

    /// Those whose models cost nothing, because nobody is asked.
    pub(crate) fn free(&self) -> BTreeSet<String> {
        let in_use = self.in_use().filter(|(name, provider)| provider.asks_nobody(name));
        in_use.map(|(name, _)| name.clone()).collect()
    }

    /// Whose models the providers run, by the providers' names.
    pub(crate) fn vendors(&self) -> BTreeMap<String, String> {
        let vendor = |(name, provider): (&String, &ProviderConfig)| match provider.kind(name).ok()? {
            ProviderKind::Anthropic => Some((name.clone(), "anthropic".to_owned())),
            ProviderKind::OpenAi => Some((name.clone(), "openai".to_owned())),
            ProviderKind::Scripted => None,
        };
        self.in_use().filter_map(vendor).collect()
    }

    /// Without those of which the environment says something, but not enough to ask them.
    fn in_use(&self) -> impl Iterator<Item = (&String, &ProviderConfig)> {
        self.providers.iter().filter(|(name, provider)| provider.is_in_use(name))
    }
}

impl ProviderConfig {
    /// One that follows a script.
    pub(crate) fn scripted(script: PathBuf) -> Self {
        Self {
            kind: Some(ProviderKind::Scripted),
            script: Some(script),
            api_key: None,
            base_url: None,
            model: None,
            anthropic: None,
            openai: None,
            max_concurrent: concurrent(),
            requests_per_minute: None,
            models: BTreeMap::new(),
        }
    }

    fn validate(&self, name: &str) -> anyhow::Result<()> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        ensure!(
            (1..=63).contains(&name.len()) && name.bytes().all(is_name),
            "expected a name of 1 to 63 of a-z, 0-9, '-', '_' and '.'"
        );
        ensure!((1..=10_000).contains(&self.max_concurrent), "maxConcurrent: expected 1 to 10000");
        ensure!(self.requests_per_minute != Some(0), "requestsPerMinute: expected 1 or more");
        let kind = self.kind(name)?;
        ensure!(kind == ProviderKind::Scripted || self.script.is_none(), "script: only for the kind `scripted`");
        ensure!(
            kind == ProviderKind::Anthropic || self.anthropic.is_none(),
            "anthropic: only for the kind `anthropic`"
        );
        ensure!(kind == ProviderKind::OpenAi || self.openai.is_none(), "openai: only for the kind `openai`");
        match kind {
            ProviderKind::Scripted => {
                let speaks = self.api_key.is_some() || self.base_url.is_some();
                ensure!(!speaks, "apiKey, baseUrl: not for the kind `scripted`, which asks nobody");
                self.script().map(drop)
            }
            _ if !self.is_in_use(name) => Ok(()),
            ProviderKind::Anthropic => Ok(self.as_anthropic().validate()?),
            ProviderKind::OpenAi => Ok(self.as_openai().validate()?),
        }
    }

    /// `ANTHROPIC_BASE_URL` alone is somebody else's. `OPENAI_BASE_URL` alone is a server that may take no key, unless it is OpenAI.
    fn is_in_use(&self, name: &str) -> bool {
        let is_elsewhere = || {
            let is_openai = ProviderKind::of_name(name) == Some(ProviderKind::OpenAi);
            is_openai && self.base_url.is_some() && !self.as_openai().is_openai()
        };
        self.kind.is_some() || self.api_key.is_some() || is_elsewhere()
    }

    fn kind(&self, name: &str) -> anyhow::Result<ProviderKind> {
        self.kind.or_else(|| ProviderKind::of_name(name)).context("kind: expected `anthropic`, `openai` or `scripted`")
    }

    fn model(&self, name: &str) -> Option<&str> {
        let usual = || match self.kind(name).ok()? {
            ProviderKind::Anthropic => Some(CLAUDE),
            // Nobody knows what a server without keys runs.
            ProviderKind::OpenAi => self.api_key.is_some().then_some(GPT),
            ProviderKind::Scripted => None,
        };
        self.model.as_deref().or_else(usual)
    }

    fn as_anthropic(&self) -> orchestrator_model_anthropic::Config {
        let mut config = orchestrator_model_anthropic::Config {
            api_key: self.api_key.clone(),
            options: self.anthropic.clone().unwrap_or_default(),
            ..Default::default()
        };
        if let Some(base_url) = &self.base_url {
            config.base_url.clone_from(base_url);
        }
        config
    }

    fn as_openai(&self) -> orchestrator_model_openai::Config {
        let usual = orchestrator_model_openai::Config::default();
        orchestrator_model_openai::Config {
            api_key: self.api_key.clone(),
            base_url: self.base_url.clone().unwrap_or(usual.base_url),
            options: self.openai.clone().unwrap_or_default(),
        }
    }

    fn script(&self) -> anyhow::Result<Script> {
        let path = self.script.as_ref().context("script: expected the path of a script")?;
        let text = std::fs::read_to_string(path).with_context(|| format!("script: cannot read {}", path.display()))?;
        Script::parse(&text).with_context(|| format!("script: {}", path.display()))
    }

    fn asks_nobody(&self, name: &str) -> bool {
        self.kind(name).is_ok_and(|kind| kind == ProviderKind::Scripted)
    }

    fn member(&self, name: &str, clock: Arc<dyn Clock>, cassette: Option<Cassette>) -> anyhow::Result<Member> {
        let (provider, vendor): (Arc<dyn Provider>, _) = match self.kind(name)? {
            ProviderKind::Scripted => (Arc::new(Scripted::new(name, self.script()?)), None),
            ProviderKind::Anthropic => {
                let provider = Anthropic::new(name, self.as_anthropic(), clock)?;
                let provider = match cassette {
                    Some(cassette) => provider.with_cassette(cassette),
                    None => provider,
                };
                (Arc::new(provider), Some("anthropic"))
            }
            ProviderKind::OpenAi => {
                let provider = OpenAi::new(name, self.as_openai(), clock)?;
                let provider = match cassette {
                    Some(cassette) => provider.with_cassette(cassette),
                    None => provider,
                };
                (Arc::new(provider), Some("openai"))
            }
        };
        Ok(Member {
            provider,
            vendor,
            concurrent_max: self.max_concurrent,
            per_minute_max: self.requests_per_minute,
            models: self.models.clone(),
        })
    }
}
