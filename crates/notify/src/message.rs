use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plain::{one_line, plain};

const TITLE_CHARS_MAX: usize = 150;
const TEXT_CHARS_MAX: usize = 3_000;
const FACTS_MAX: usize = 20;
const NAME_CHARS_MAX: usize = 60;
const VALUE_CHARS_MAX: usize = 500;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Somebody should look at it soon.
    Warning,
    /// Somebody should look at it now.
    Critical,
}

/// What somebody is told. There are no links in it: addresses in its text are written so that no program makes a link of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its own name. Whoever gets it twice knows by it that it is the same.
    pub id: String,
    /// What it is about, dotted, such as `budget.alert`.
    pub topic: String,
    /// Messages with the same key are not sent one after the other; an empty key is like no other.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// A few sentences.
    pub text: String,
    /// Names and values, up to 20.
    pub facts: Vec<(String, String)>,
    /// When it happened.
    pub time: Timestamp,
}

impl Severity {
    /// As it is spelled.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Message {
    /// As it may leave: without what `filter` hides, without links and control characters, and no longer than is bearable.
    pub(crate) fn ready(self, filter: &dyn Fn(&str) -> String) -> Self {
        let facts =
            self.facts.iter().take(FACTS_MAX).map(|(name, value)| {
                (one_line(&filter(name), NAME_CHARS_MAX), one_line(&filter(value), VALUE_CHARS_MAX))
            });
        Self {
            title: one_line(&filter(&self.title), TITLE_CHARS_MAX),
            text: plain(&filter(&self.text), TEXT_CHARS_MAX),
            facts: facts.collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_filtered_first_and_shortened_then() {
        let secret = "s".repeat(TITLE_CHARS_MAX + 10);
        let message = Message {
            id: "m".into(),
            topic: "a.b".into(),
            key: String::new(),
            severity: Severity::Info,
            title: secret.clone(),
            text: format!("see https://evil.example/{secret}"),
            facts: (0..30).map(|n| (format!("n{n}"), "a\nb".into())).collect(),
            time: Timestamp(0),
        };
        let ready = message.ready(&|text| text.replace(&secret, "[hidden]"));
        assert_eq!(ready.title, "[hidden]");
        assert_eq!(ready.text, "see https[:]//evil.example/[hidden]");
        assert_eq!((ready.facts.len(), ready.facts[0].1.as_str()), (FACTS_MAX, "a b"));
    }
}
