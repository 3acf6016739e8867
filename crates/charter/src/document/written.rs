use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::within;
use crate::TokenBudget;
use crate::fault::Wrong;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) name: Option<Spanned<String>>,
    pub(super) role: Option<Spanned<String>>,
    pub(super) tier: Option<Spanned<u64>>,
    pub(super) identity: Option<WrittenIdentity>,
    pub(super) capabilities: Option<Vec<Spanned<String>>>,
    pub(super) responsibilities: Option<Vec<Spanned<String>>>,
    pub(super) objectives: Option<Vec<Spanned<String>>>,
    pub(super) resource_limits: Option<WrittenLimits>,
    pub(super) safety_heuristics: Option<WrittenHeuristics>,
    pub(super) operational_settings: Option<WrittenSettings>,
    pub(super) hard_constraints: Option<Vec<Spanned<String>>>,
    pub(super) extends: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenIdentity {
    pub(super) name: Option<Spanned<String>>,
    pub(super) description: Option<Spanned<String>>,
    pub(super) personality: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenLimits {
    pub(super) max_sessions: Option<Spanned<u64>>,
    pub(super) max_tokens_per_session: Option<Spanned<u64>>,
    pub(super) max_concurrent_tasks: Option<Spanned<u64>>,
    pub(super) token_budget: Option<WrittenBudget>,
    pub(super) cost_budget: Option<Spanned<f64>>,
    pub(super) max_duration: Option<Spanned<Span>>,
}

/// Milliseconds, or a text such as `30m`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Span {
    Ms(u64),
    Text(String),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenBudget {
    hourly: Option<Spanned<u64>>,
    daily: Option<Spanned<u64>>,
    weekly: Option<Spanned<u64>>,
    monthly: Option<Spanned<u64>>,
}

impl WrittenBudget {
    /// # Errors
    /// A budget out of bounds, or one that is larger than a longer one's: it would never matter.
    pub(super) fn checked(self, most: u64) -> Result<TokenBudget, Wrong> {
        let Self { hourly, daily, weekly, monthly } = self;
        let given = [("hourly", &hourly), ("daily", &daily), ("weekly", &weekly), ("monthly", &monthly)];
        let given: Vec<_> = given.into_iter().filter_map(|(span, tokens)| Some((span, tokens.as_ref()?))).collect();
        for pair in given.windows(2) {
            let [(short, less), (long, more)] = pair else { continue };
            if less.value > more.value {
                let (less_tokens, more_tokens) = (less.value, more.value);
                let problem = format!("tokenBudget.{short}: {less_tokens} is more than {long} allows ({more_tokens})");
                return Err(Wrong::at(less.referenced, problem));
            }
        }
        Ok(TokenBudget {
            hourly: within(hourly, "tokenBudget.hourly", 1, most)?,
            daily: within(daily, "tokenBudget.daily", 1, most)?,
            weekly: within(weekly, "tokenBudget.weekly", 1, most)?,
            monthly: within(monthly, "tokenBudget.monthly", 1, most)?,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenHeuristics {
    pub(super) auto_approve: Option<Vec<Spanned<String>>>,
    pub(super) require_confirmation: Option<Vec<Spanned<String>>>,
    pub(super) always_reject: Option<Vec<Spanned<String>>>,
    pub(super) escalate: Option<Vec<WrittenEscalation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenEscalation {
    pub(super) action: Spanned<String>,
    #[serde(default)]
    pub(super) to: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) timeout_ms: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WrittenSettings {
    pub(super) default_model: Option<Spanned<String>>,
    pub(super) temperature: Option<Spanned<f64>>,
    pub(super) max_retries: Option<Spanned<u64>>,
    pub(super) timeout_ms: Option<Spanned<u64>>,
}
