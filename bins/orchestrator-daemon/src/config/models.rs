use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use orchestrator_models::{Facts, Limits, Member, OnRefusal, Provider, Script, Scripted, Strategy};
use serde::{Deserialize, Serialize};

/// Language models: who runs them, and which are asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Models {
    pub(crate) providers: BTreeMap<String, ProviderConfig>,
    /// `provider/model`.
    pub(crate) primary: Option<String>,
    pub(crate) fallbacks: Vec<String>,
    pub(crate) strategy: Strategy,
    pub(crate) on_refusal: OnRefusal,
    pub(crate) limits: Limits,
}

/// Somebody who runs models. Its name is the key in `models.providers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProviderConfig {
    pub(crate) kind: ProviderKind,
    /// For `scripted`: the file that says what it answers.
    #[serde(default)]
    pub(crate) script: Option<PathBuf>,
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
}

fn concurrent() -> usize {
    8
}

impl Models {
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        self.limits.validate().context("limits")?;
        for (name, provider) in &self.providers {
            provider.validate(name).with_context(|| format!("providers.{name}"))?;
        }
        let named = self.primary.iter().chain(&self.fallbacks);
        ensure!(
            self.primary.is_some() || self.fallbacks.is_empty(),
            "fallbacks: expected `primary` to be set if there are any"
        );
        ensure!(named.count() == 0 || !self.providers.is_empty(), "primary: no provider is configured");
        Ok(())
    }

    /// The providers, ready to be asked.
    pub(crate) fn members(&self) -> anyhow::Result<Vec<Member>> {
        let member = |(name, provider): (&String, &ProviderConfig)| {
            provider.member(name).with_context(|| format!("models.providers.{name}"))
        };
        self.providers.iter().map(member).collect()
    }
}

impl ProviderConfig {
    fn validate(&self, name: &str) -> anyhow::Result<()> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        ensure!(
            (1..=63).contains(&name.len()) && name.bytes().all(is_name),
            "expected a name of 1 to 63 of a-z, 0-9, '-', '_' and '.'"
        );
        ensure!((1..=10_000).contains(&self.max_concurrent), "maxConcurrent: expected 1 to 10000");
        ensure!(self.requests_per_minute != Some(0), "requestsPerMinute: expected 1 or more");
        match self.kind {
            ProviderKind::Scripted => self.script().map(drop),
        }
    }

    fn script(&self) -> anyhow::Result<Script> {
        let path = self.script.as_ref().context("script: expected the path of a script")?;
        let text = std::fs::read_to_string(path).with_context(|| format!("script: cannot read {}", path.display()))?;
        Script::parse(&text).with_context(|| format!("script: {}", path.display()))
    }

    fn member(&self, name: &str) -> anyhow::Result<Member> {
        let provider: Arc<dyn Provider> = match self.kind {
            ProviderKind::Scripted => Arc::new(Scripted::new(name, self.script()?)),
        };
        Ok(Member {
            provider,
            vendor: None,
            concurrent_max: self.max_concurrent,
            per_minute_max: self.requests_per_minute,
            models: self.models.clone(),
        })
    }
}
