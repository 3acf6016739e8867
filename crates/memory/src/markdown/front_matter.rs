use std::collections::BTreeMap;

use serde_json::Value;
use serde_saphyr::{Location, MergeKeyPolicy, Spanned};

/// As deep as JSON is read.
const DEPTH_MAX: usize = 128;
/// Beyond the largest metadata, and the most memories that a summary names.
const NODES_MAX: usize = 50_000;
/// The longest key.
const KEY_CHARS_MAX: usize = 32_768;

/// The fields of a file's front matter, each with its line in the file.
pub(super) type Fields = BTreeMap<String, (u64, Value)>;

/// What is wrong, and in which line of the file.
pub(super) type Wrong = (u64, String);

/// The YAML between the first line `---` and the next, and what follows; `None`: there is none.
pub(super) fn split(content: &str) -> Option<(&str, &str)> {
    let after = content.strip_prefix("---")?;
    let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n'))?;
    let mut at = 0;
    for line in after.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((&after[..at], &after[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

pub(super) fn parse(front: &str) -> Result<Fields, Wrong> {
    if front.trim().is_empty() {
        return Ok(Fields::new());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX, flow_nesting_limit: DEPTH_MAX, max_aliases: 0, max_anchors: 0, max_documents: 1,
            max_nodes: NODES_MAX, simple_key_max_lookahead: KEY_CHARS_MAX,
        },
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
    };
    let fields: BTreeMap<String, Spanned<Value>> =
        serde_saphyr::from_str_with_options(front, options).map_err(|error| wrong(&error))?;
    Ok(fields.into_iter().map(|(key, field)| (key, (line(field.referenced), field.value))).collect())
}

/// The line in the file: the first `---` is before them.
fn line(location: Location) -> u64 {
    location.line() + 1
}

fn wrong(error: &serde_saphyr::Error) -> Wrong {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or("not YAML");
    // The line is told apart.
    let end = first.rfind(" at line ").unwrap_or(first.len());
    let start = if first.starts_with("error: line ") { first.rfind("error: ").unwrap_or(0) } else { 0 };
    let message = first[start.min(end)..end].trim_end_matches(':').to_owned();
    (line(error.location().unwrap_or(Location::UNKNOWN)), message)
}
