//! One file, as it is written, each part checked by itself.

mod checks;
mod heuristics;
mod written;

use crate::charter::{Identity, Settings};
use crate::fault::{Place, Wrong};
use crate::{CharterId, ResourceLimits};
use checks::{TEXT_CHARS_MAX, amount, dollars, duration, text, texts, within};
pub(crate) use heuristics::{Heuristics, Item};
use written::{Written, WrittenLimits};

/// Deeper than any field.
const DEPTH_MAX: usize = 8;
/// More than any charter that somebody reads.
const NODES_MAX: usize = 4_096;
const NAME_CHARS_MAX: usize = 100;
const MODEL_CHARS_MAX: usize = 200;
const LISTED_MAX: usize = 64;
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// What doubles, and RFC 8785, tell apart.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// What a file says. `None` and empty: as its parent, or nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) name: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) tier: Option<u8>,
    pub(crate) identity: Identity,
    pub(crate) capabilities: Vec<String>,
    pub(crate) responsibilities: Vec<String>,
    pub(crate) objectives: Vec<String>,
    pub(crate) limits: ResourceLimits,
    pub(crate) heuristics: Heuristics,
    pub(crate) settings: Settings,
    pub(crate) constraints: Vec<Item<String>>,
    /// The parent, and where it is named.
    pub(crate) extends: Option<(CharterId, Option<Place>)>,
}

/// Reads a document.
///
/// # Errors
/// What is wrong first.
pub(crate) fn read(text: &str) -> Result<Said, Wrong> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX, max_aliases: 0, max_anchors: 0, max_documents: 1, max_nodes: NODES_MAX,
        },
        strict_booleans: true,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Wrong {
            at: Some((1, 1)),
            problem: "expected a charter, such as `name: …`; the file is empty".into(),
        });
    }
    checked(serde_saphyr::from_str_with_options(text, options)?)
}

fn checked(written: Written) -> Result<Said, Wrong> {
    let identity = written.identity.unwrap_or_default();
    let settings = written.operational_settings.unwrap_or_default();
    let parent = written.extends.map(|name| {
        let id = name
            .value
            .parse()
            .map_err(|error| Wrong::at(name.referenced, format!("extends: `{}`: {error}", name.value)));
        id.map(|id| (id, crate::fault::place(name.referenced)))
    });
    let constraints = written.hard_constraints.unwrap_or_default();
    Ok(Said {
        name: text(written.name, "name", NAME_CHARS_MAX)?,
        role: text(written.role, "role", NAME_CHARS_MAX)?,
        tier: within(written.tier, "tier", 0, 3)?,
        identity: Identity {
            name: text(identity.name, "identity.name", NAME_CHARS_MAX)?,
            description: text(identity.description, "identity.description", TEXT_CHARS_MAX)?,
            personality: text(identity.personality, "identity.personality", TEXT_CHARS_MAX)?,
        },
        capabilities: plain(written.capabilities, "capabilities")?,
        responsibilities: plain(written.responsibilities, "responsibilities")?,
        objectives: plain(written.objectives, "objectives")?,
        limits: limits(written.resource_limits.unwrap_or_default())?,
        heuristics: Heuristics::checked(written.safety_heuristics.unwrap_or_default())?,
        settings: Settings {
            default_model: text(settings.default_model, "operationalSettings.defaultModel", MODEL_CHARS_MAX)?,
            temperature: amount(settings.temperature, "operationalSettings.temperature", 0.0, 2.0)?,
            max_retries: within(settings.max_retries, "operationalSettings.maxRetries", 0, 100)?,
            timeout_ms: within(settings.timeout_ms, "operationalSettings.timeoutMs", 1, WEEK_MS)?,
        },
        constraints: texts(constraints, "hardConstraints", LISTED_MAX)?,
        extends: parent.transpose()?,
    })
}

fn plain(given: Option<Vec<serde_saphyr::Spanned<String>>>, field: &str) -> Result<Vec<String>, Wrong> {
    let items = texts(given.unwrap_or_default(), field, LISTED_MAX)?;
    Ok(items.into_iter().map(|item| item.value).collect())
}

fn limits(written: WrittenLimits) -> Result<ResourceLimits, Wrong> {
    let budget = written.token_budget.unwrap_or_default();
    Ok(ResourceLimits {
        max_sessions: within(written.max_sessions, "maxSessions", 1, 10_000)?,
        max_tokens_per_session: within(written.max_tokens_per_session, "maxTokensPerSession", 1, INTEGER_MAX)?,
        max_concurrent_tasks: within(written.max_concurrent_tasks, "maxConcurrentTasks", 1, 10_000)?,
        token_budget: budget.checked(INTEGER_MAX)?,
        cost_budget: dollars(written.cost_budget)?,
        max_duration_ms: duration(written.max_duration, "maxDuration", WEEK_MS)?,
    })
}

#[cfg(test)]
mod tests;
