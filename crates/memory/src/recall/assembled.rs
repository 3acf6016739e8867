use serde::Serialize;

use super::Hit;
use crate::MemoryId;
use crate::text::BYTES_PER_TOKEN;

/// Memories as a text for a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Assembled {
    /// One line each, with its citation; empty if there is nothing to say.
    pub text: String,
    /// What it cites, in its order.
    pub cited: Vec<MemoryId>,
    /// What had no room.
    pub left_out: usize,
    /// About how many tokens the text has.
    pub tokens: usize,
}

/// As many hits as there is room for, the best first. One that is too long is left out, and later ones may still fit.
pub fn assemble(hits: &[Hit], tokens_max: usize) -> Assembled {
    let mut assembled = Assembled::default();
    for hit in hits {
        let line = line(hit);
        let tokens = line.len().div_ceil(BYTES_PER_TOKEN);
        if assembled.tokens + tokens > tokens_max {
            assembled.left_out += 1;
            continue;
        }
        assembled.tokens += tokens;
        assembled.text.push_str(&line);
        assembled.cited.push(hit.memory.id);
    }
    assembled
}

/// A memory must not look like several, or like something else than a memory: it stays on its line.
fn line(hit: &Hit) -> String {
    let memory = &hit.memory;
    let text: Vec<&str> = memory.text.split_whitespace().collect();
    let held = memory.valid_to.map(|until| format!(", until {until}")).unwrap_or_default();
    format!("- [{}, {}{held}] {}\n", memory.citation(), memory.kind, text.join(" "))
}
