use std::time::{Duration, Instant};

use similar::TextDiff;

use crate::Memory;
use crate::markdown::facts;
use crate::text::shortened;

/// The longest diff of one memory, in bytes.
const DIFF_BYTES_MAX: usize = 16_384;
/// For all diffs of one call; after that they are coarse.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells how memories differ, for a while exactly.
pub(super) struct Differences(Instant);

impl Differences {
    pub(super) fn new() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// Nothing, if what can be changed of them is the same.
    pub(super) fn between(&self, path: &str, old: &Memory, new: &Memory) -> Option<String> {
        let (old, new) = (facts(old), facts(new));
        if old == new {
            return None;
        }
        let diff = TextDiff::configure().deadline(self.0).diff_lines(&old, &new);
        let unified = diff.unified_diff().context_radius(3).header(path, path).to_string();
        let shown = shortened(&unified, DIFF_BYTES_MAX);
        Some(if shown.len() < unified.len() { format!("{shown}…\n") } else { unified })
    }
}
