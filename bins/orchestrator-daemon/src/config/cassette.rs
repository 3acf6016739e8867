use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_models::http::{Cassette, OnLoss};
use orchestrator_redact::Redactor;
use serde::{Deserialize, Serialize};

/// Exchanges with providers, recorded into files or played back from them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CassetteConfig {
    pub(crate) mode: CassetteMode,
    /// Has one file per provider, `NAME.jsonl`.
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CassetteMode {
    /// Providers are asked, and what they are asked and answer is written down.
    Record,
    /// Nobody is asked.
    Replay,
}

impl CassetteConfig {
    /// The cassette of a provider.
    pub(crate) fn open(&self, provider: &str, redactor: &Redactor) -> anyhow::Result<Cassette> {
        let path = self.directory.join(format!("{provider}.jsonl"));
        let opened = match self.mode {
            CassetteMode::Record => Cassette::record(&path, redactor.clone(), on_loss(redactor.clone())),
            CassetteMode::Replay => Cassette::replay(&path, redactor.clone()),
        };
        let file = path.display();
        match self.mode {
            CassetteMode::Record => tracing::warn!(provider, %file, "what is said to models is recorded"),
            CassetteMode::Replay => tracing::warn!(provider, %file, "models are played back, nobody is asked"),
        }
        opened.context("models.cassette")
    }
}

fn on_loss(redactor: Redactor) -> OnLoss {
    Arc::new(move |error| {
        let why = redactor.redact(&format!("{:#}", anyhow::anyhow!(error.to_string()))).into_owned();
        tracing::error!(%why, "an exchange with a model was not recorded");
    })
}
