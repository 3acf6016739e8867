use std::collections::BTreeMap;

use super::writing::title;
use super::{MarkdownFile, front_matter, said};

/// The name of the file that [`index`] is for.
pub const INDEX: &str = "MEMORY.md";

/// What tells an index of ours from somebody's notes.
const HEAD: &str = "---\nindex: orchestrator-memory\n---\n";

/// A page that names every file, by types and in the order of their paths, with the first words of each.
pub fn index<'a>(files: impl IntoIterator<Item = &'a MarkdownFile>) -> String {
    let mut types: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for MarkdownFile { path, content } in files {
        let kind = path.split('/').nth(1).unwrap_or_default();
        let text = front_matter::split(content).map_or(content.as_str(), |(_, body)| said::body(body));
        types.entry(kind).or_default().insert(path, escaped(&title(text)));
    }
    let mut page = format!("{HEAD}\n# Memory\n");
    for (kind, lines) in types {
        page.push_str(&format!("\n## {kind}\n\n"));
        for (path, title) in lines {
            page.push_str(&format!("- [{title}]({path})\n"));
        }
    }
    page
}

/// Whether that is an [`index`].
pub fn is_index(content: &str) -> bool {
    content.starts_with(HEAD) || content.starts_with(&HEAD.replace('\n', "\r\n"))
}

/// What Markdown would take for something else.
fn escaped(title: &str) -> String {
    title.chars().fold(String::new(), |mut text, c| {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '!' | '&') {
            text.push('\\');
        }
        text.push(if c.is_control() { ' ' } else { c });
        text
    })
}
