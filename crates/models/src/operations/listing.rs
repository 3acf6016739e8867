use std::time::Duration;

use orchestrator_rpc::Error as Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::decide::millis;
use crate::{ErrorKind, Facts, ProviderError, ProviderStatus, Router, Target};

/// How long a provider may take to list or to be probed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `model.list` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelList {
    /// Those that are asked unless a request names one, the primary one first, as `provider/model`.
    pub chain: Vec<String>,
    /// By provider and name.
    pub items: Vec<KnownModel>,
    /// Providers that did not list theirs.
    pub failures: Vec<ProviderFailure>,
    /// How each provider does.
    pub providers: Vec<ProviderStatus>,
}

/// A model, and what is known of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownModel {
    /// `provider/model`, as `model.chat` takes it.
    pub id: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it can do and costs, as far as it is known.
    pub facts: Facts,
}

/// A provider that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderFailure {
    /// Its name.
    pub provider: String,
    /// What went wrong.
    pub kind: ErrorKind,
    /// In its words.
    pub message: String,
}

/// The parameters of `model.probe`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeParams {
    /// Only this one; otherwise all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// What `model.probe` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Probes {
    /// By name.
    pub items: Vec<Probed>,
}

/// What a probe found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probed {
    /// Its name.
    pub provider: String,
    /// Whether it answers and lets us in.
    pub ok: bool,
    /// How long all probes took together, in milliseconds.
    pub took_ms: u64,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<ProviderFailure>,
}

pub(super) async fn list(router: &Router) -> ModelList {
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for (provider, listed) in router.list(PATIENCE).await {
        match listed {
            Ok(models) => items.extend(models.into_iter().map(|(model, facts)| {
                let target = Target { provider: provider.clone(), model: model.id };
                KnownModel { id: target.to_string(), display_name: model.display_name, facts }
            })),
            Err(error) => failures.push(failure(provider, &error)),
        }
    }
    items.sort_by(|a, b| a.id.cmp(&b.id));
    let chain = router.chain().iter().map(ToString::to_string).collect();
    ModelList { chain, items, failures, providers: router.status() }
}

pub(super) async fn probe(router: &Router, params: ProbeParams) -> Result<Probes, Refusal> {
    let begun = Instant::now();
    let unknown = || Refusal::not_found("no such provider is configured").with_field("provider");
    let probed = router.probe(params.provider.as_deref(), PATIENCE).await.ok_or_else(unknown)?;
    let took_ms = millis(begun.elapsed());
    let item = |(provider, outcome): (String, Result<(), ProviderError>)| Probed {
        ok: outcome.is_ok(),
        took_ms,
        failure: outcome.err().map(|error| failure(provider.clone(), &error)),
        provider,
    };
    Ok(Probes { items: probed.into_iter().map(item).collect() })
}

fn failure(provider: String, error: &ProviderError) -> ProviderFailure {
    ProviderFailure { provider, kind: error.kind, message: error.message.clone() }
}
