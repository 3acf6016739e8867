use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

/// How many files get tasks of their own.
const FILES_MAX: usize = 8;

/// One task that looks around, two for each file, and one that writes a report.
pub(super) fn of(directory: &Path) -> anyhow::Result<Vec<Value>> {
    let files = files(directory)?;
    let mut drafts = vec![json!({
        "ref": "inventory",
        "title": "Count the files",
        "requiredCapabilities": ["files.list"],
        "priority": "high",
        "tags": ["demo"],
    })];
    for (index, path) in files.iter().enumerate() {
        drafts.push(json!({
            "ref": format!("measure{index}"),
            "title": format!("Measure {path}"),
            "requiredCapabilities": ["text.measure"],
            "dependsOnRefs": ["inventory"],
            "metadata": { "path": path },
            "tags": ["demo"],
        }));
        drafts.push(json!({
            "ref": format!("checksum{index}"),
            "title": format!("Checksum {path}"),
            "requiredCapabilities": ["text.checksum"],
            "dependsOnRefs": [format!("measure{index}")],
            "metadata": { "path": path },
            "priority": "low",
            "tags": ["demo"],
        }));
    }
    let measures: Vec<String> = (0..files.len()).map(|index| format!("measure{index}")).collect();
    drafts.push(json!({
        "ref": "report",
        "title": "Write the report",
        "requiredCapabilities": ["text.report"],
        "dependsOnRefs": if measures.is_empty() { vec!["inventory".to_owned()] } else { measures },
        "priority": "critical",
        "tags": ["demo"],
    }));
    Ok(drafts)
}

/// Plain files whose names a shell script may handle without care, the largest first.
fn files(directory: &Path) -> anyhow::Result<Vec<String>> {
    let plain =
        |name: &str| !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let mut found: Vec<(u64, String)> = std::fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((metadata.len(), entry.file_name().into_string().ok().filter(|name| plain(name))?))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().take(FILES_MAX).map(|(_, name)| name).collect())
}
