//! Memories as Markdown files: facts as YAML in front, the text below.
//!
//! What is written is read again word by word. Notes that somebody else wrote are read too: see [`read`].

mod front_matter;
mod index;
mod notes;
mod place;
mod said;
mod writing;

use orchestrator_redact::Forget;
use serde::{Deserialize, Serialize};

use crate::MemoryId;

pub use index::{INDEX, index, is_index};
use place::path;
pub(crate) use said::{Entry, Said};
pub(crate) use writing::{facts, title};

/// A file, or what is to become one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarkdownFile {
    /// Where it is, from the folder they are all in; parts are separated by `/`.
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 1_024)))]
    pub path: String,
    /// What is in it.
    #[cfg_attr(feature = "rpc", schemars(length(max = 1_048_576)))]
    pub content: String,
}

impl MarkdownFile {
    /// A memory as a file: always the same one for the same memory.
    pub fn of(memory: &crate::Memory) -> Self {
        Self { path: path(memory), content: writing::write(memory) }
    }

    /// The memory that it is a file of: it says so, and is where [`MarkdownFile::of`] has it.
    pub fn memory(&self) -> Option<MemoryId> {
        let (front, _) = front_matter::split(&self.content)?;
        let id = front.lines().find_map(|line| line.strip_prefix("memoryId: "))?.trim_end().parse().ok()?;
        place::is_of(&self.path, id).then_some(id)
    }

    /// Whether a name stands anywhere in it, as whole words, in whatever case.
    pub fn holds(&self, name: &str) -> bool {
        Forget::naming(name).is_some_and(|name| name.concerns(&self.content))
    }
}

/// What a file says to remember: of a file with front matter one thing, else each paragraph and each item of a list, with the
/// headings above it as topics. Of an [`index`] nothing.
pub(crate) fn read(content: &str) -> Vec<Entry> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    if is_index(content) {
        return Vec::new();
    }
    match front_matter::split(content) {
        Some((front, body)) => vec![said::read(front, body)],
        None => notes::read(content),
    }
}

#[cfg(test)]
mod tests;
