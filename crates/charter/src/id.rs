use orchestrator_vocab::{Kind, Name};

/// What a [`CharterId`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharterKind {}

impl Kind for CharterKind {
    const PREFIX: &'static str = "charter";
}

/// The id of a charter: the stem of its file, `[a-z0-9][a-z0-9._-]{0,62}`.
pub type CharterId = Name<CharterKind>;
