use serde::Serialize;

use crate::{Pin, Remembered, Severity, Skill};

/// Whether a skill is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Ready,
    /// Not before somebody has confirmed it: nobody has used it yet, and that is what the operator wants.
    New,
    /// Not before somebody has confirmed it: it is another one than the one that was used or confirmed.
    Changed,
    /// Not before somebody has confirmed it: the scanner has found something grave.
    Held,
}

impl State {
    /// Of a skill, by what is remembered of its name.
    pub(crate) fn of(skill: &Skill, remembered: Option<&Remembered>, pin: Pin) -> Self {
        let is_grave = skill.findings.iter().any(|finding| finding.severity == Severity::High);
        match remembered {
            Some(known) if known.pinned != skill.digest => Self::Changed,
            Some(known) if known.confirmed => Self::Ready,
            _ if is_grave => Self::Held,
            None if pin == Pin::Confirm => Self::New,
            _ => Self::Ready,
        }
    }

    /// Why it is not used, for people; `None` if it is.
    pub(crate) fn reason(self, skill: &Skill) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::New => Some("nobody has confirmed it yet (skills.pin)".to_owned()),
            Self::Changed => Some("it has changed since it was used or confirmed".to_owned()),
            Self::Held => {
                let grave = skill.findings.iter().filter(|finding| finding.severity == Severity::High);
                let count = grave.clone().count();
                let first =
                    grave.map(|finding| format!("{}: {}", finding.file, finding.about)).next().unwrap_or_default();
                Some(format!("the scanner has {count} grave findings, such as {first}"))
            }
        }
    }
}
