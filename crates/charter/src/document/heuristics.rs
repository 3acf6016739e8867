use orchestrator_transcript::ToolPattern;
use serde_saphyr::Spanned;

use super::checks::{text, within};
use super::written::{WrittenEscalation, WrittenHeuristics};
use crate::fault::{Place, Wrong, place};

const ACTIONS_MAX: usize = 256;
const TO_CHARS_MAX: usize = 200;
/// How long an answer is waited for unless it is said: a quarter of an hour.
const TIMEOUT_MS: u64 = 15 * 60 * 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Something of a list, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item<T> {
    pub(crate) value: T,
    pub(crate) at: Place,
}

/// Who is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) action: Item<ToolPattern>,
    pub(crate) to: Option<String>,
    pub(crate) timeout_ms: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Heuristics {
    /// `None`: as its parent.
    pub(crate) auto_approve: Option<Vec<Item<ToolPattern>>>,
    pub(crate) require_confirmation: Vec<Item<ToolPattern>>,
    pub(crate) always_reject: Vec<Item<ToolPattern>>,
    pub(crate) escalate: Vec<Asked>,
}

impl Heuristics {
    pub(super) fn checked(written: WrittenHeuristics) -> Result<Self, Wrong> {
        let escalate = written.escalate.unwrap_or_default();
        let said = Self {
            auto_approve: written.auto_approve.map(|given| actions(given, "autoApprove")).transpose()?,
            require_confirmation: actions(written.require_confirmation.unwrap_or_default(), "requireConfirmation")?,
            always_reject: actions(written.always_reject.unwrap_or_default(), "alwaysReject")?,
            escalate: escalate.into_iter().map(asked).collect::<Result<_, _>>()?,
        };
        said.without_dead_lines()?;
        Ok(said)
    }

    /// A line that a stricter list covers would never matter: whoever wrote it meant something else. An exception in the stricter
    /// list from something wider in the weaker one is no such line.
    fn without_dead_lines(&self) -> Result<(), Wrong> {
        let auto = self.auto_approve.as_deref().unwrap_or_default();
        let asked: Vec<Item<ToolPattern>> = self.escalate.iter().map(|asked| asked.action.clone()).collect();
        let (confirm, reject) = (&self.require_confirmation, &self.always_reject);
        covered(("autoApprove", auto), ("alwaysReject", reject))?;
        covered(("requireConfirmation", confirm), ("alwaysReject", reject))?;
        covered(("escalate", &asked), ("alwaysReject", reject))?;
        covered(("autoApprove", auto), ("requireConfirmation", confirm))?;
        covered(("autoApprove", auto), ("escalate", &asked))
    }
}

type List<'a> = (&'a str, &'a [Item<ToolPattern>]);

fn covered((list, weak): List<'_>, (by, strict): List<'_>) -> Result<(), Wrong> {
    for item in weak {
        let Some(strong) = strict.iter().find(|strong| strong.value.covers(&item.value)) else { continue };
        let (line, column) = strong.at;
        let problem = format!(
            "{list}: `{}` never counts, because {by} has `{}` (line {line}, column {column}): remove one of them",
            item.value, strong.value
        );
        return Err(Wrong { at: Some(item.at), problem });
    }
    Ok(())
}

fn asked(written: WrittenEscalation) -> Result<Asked, Wrong> {
    let at = written.to.as_ref().map(|to| to.referenced);
    let to = text(written.to, "escalate.to", TO_CHARS_MAX)?;
    let is_named = |to: &String| {
        let name = to.strip_prefix("user:").or_else(|| to.strip_prefix("channel:"));
        name.is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace))
    };
    if let (Some(to), Some(at)) = (&to, at)
        && !is_named(to)
    {
        return Err(Wrong::at(at, format!("escalate.to: expected `user:NAME` or `channel:NAME`, got `{to}`")));
    }
    Ok(Asked {
        action: action(&written.action, "escalate.action")?,
        to,
        timeout_ms: within(written.timeout_ms, "escalate.timeoutMs", 1_000, DAY_MS)?.unwrap_or(TIMEOUT_MS),
    })
}

fn actions(given: Vec<Spanned<String>>, list: &str) -> Result<Vec<Item<ToolPattern>>, Wrong> {
    if let Some(one_more) = given.get(ACTIONS_MAX) {
        return Err(Wrong::at(one_more.referenced, format!("{list}: expected at most {ACTIONS_MAX}")));
    }
    let items = given.iter().map(|text| action(text, list)).collect::<Result<Vec<_>, _>>()?;
    for (place, item) in items.iter().enumerate() {
        if items[..place].iter().any(|before| before.value == item.value) {
            return Err(Wrong { at: Some(item.at), problem: format!("{list}: `{}` is there twice", item.value) });
        }
    }
    Ok(items)
}

fn action(given: &Spanned<String>, list: &str) -> Result<Item<ToolPattern>, Wrong> {
    let problem = || {
        format!(
            "{list}: `{}`: expected the name of an action such as `resource_deletion`, of a tool such as `fs.remove`, \
             all that begin alike such as `fs.*`, or `*`",
            given.value.chars().take(100).collect::<String>()
        )
    };
    let value = given.value.parse().map_err(|_| Wrong::at(given.referenced, problem()))?;
    Ok(Item { value, at: place(given.referenced).unwrap_or((1, 1)) })
}
