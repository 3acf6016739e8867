use serde::{Deserialize, Serialize};

/// When a provider that counts the tokens of requests is asked to, before the request is paid for. What it says takes the place of the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountTokens {
    /// Estimates are good enough.
    Never,
    /// If by the estimate a limit is in the way, or `alertThreshold` of one would be spent or reserved.
    #[default]
    NearLimit,
    /// Before each request.
    Always,
}
