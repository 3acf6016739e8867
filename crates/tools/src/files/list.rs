use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use serde::Deserialize;
use serde_json::{Value, json};

use super::walk::{DEPTH_MAX, Entry, entries};
use super::{Job, path_of};
use crate::{Error, Output, Repeat, Spec};

const LIMIT: usize = 500;
const LIMIT_MAX: usize = 5_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: Option<String>,
    depth: Option<usize>,
    limit: Option<usize>,
}

pub(super) fn spec() -> Spec {
    let properties = json!({
        "path": path_of("The directory. Default: all of it"),
        "depth": { "type": "integer", "minimum": 1, "maximum": DEPTH_MAX, "description": "How many levels deep. Default 1." },
        "limit": { "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "description": "How many entries at most. Default 500." },
    });
    let description = "Lists a directory: files with their sizes in bytes, directories with a slash at their end, links with where \
        they lead. What git keeps for itself is left out.";
    let kinds = json!({ "enum": ["file", "directory", "link", "other"] });
    let entry = json!({ "type": "object", "required": ["path", "kind"], "properties": {
        "path": { "type": "string" }, "kind": kinds, "bytes": { "type": "integer" }, "target": { "type": "string" } } });
    let output = json!({ "type": "object", "required": ["entries", "truncated"], "properties": {
        "entries": { "type": "array", "items": entry }, "truncated": { "type": "boolean" } } });
    let spec = super::spec("fs.list", description, Repeat::Harmless, properties, &[]);
    Spec { output: Some(output), ..spec }
}

pub(super) fn run(job: &Job, arguments: Arguments) -> Result<Output, Error> {
    let workspace = job.workspace()?;
    let path = workspace.relative(arguments.path.as_deref().unwrap_or("."))?;
    let directory = workspace.open_dir(&path)?;
    let limit = arguments.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let mut listing = Listing { job, limit, lines: String::new(), entries: Vec::new(), is_cut: false };
    let start = if path == Path::new(".") { PathBuf::new() } else { path.clone() };
    let listed = listing.list(&directory, &start, arguments.depth.unwrap_or(1).min(DEPTH_MAX));
    listed?.map_err(|error| workspace.problem(&path, &error))?;
    let Listing { mut lines, entries, is_cut, .. } = listing;
    if entries.is_empty() {
        lines.push_str(&format!("[{} is empty]", path.display()));
    }
    if is_cut {
        lines.push_str("[there is more: list a directory of it, or set limit]");
    }
    let structured = json!({ "entries": entries, "truncated": is_cut });
    Ok(Output { structured: Some(structured), ..Output::text(lines) })
}

struct Listing<'a> {
    job: &'a Job,
    limit: usize,
    lines: String,
    entries: Vec<Value>,
    is_cut: bool,
}

impl Listing<'_> {
    fn list(&mut self, directory: &Dir, path: &Path, depth: usize) -> Result<std::io::Result<()>, Error> {
        let entries = match entries(directory) {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error)),
        };
        self.is_cut |= entries.is_cut;
        for entry in entries.found {
            self.job.go_on()?;
            if self.entries.len() == self.limit {
                self.is_cut = true;
                break;
            }
            let path = path.join(&entry.name);
            self.tell(directory, &entry, &path);
            // A directory that cannot be opened is named, and that is all there is to say.
            if entry.kind.is_dir()
                && depth > 1
                && let Ok(inner) = directory.open_dir(&entry.name)
            {
                let _ = self.list(&inner, &path, depth - 1)?;
            }
        }
        Ok(Ok(()))
    }

    fn tell(&mut self, directory: &Dir, entry: &Entry, path: &Path) {
        let shown = path.to_string_lossy();
        let (line, value) = if entry.kind.is_dir() {
            (format!("{shown}/"), json!({ "path": shown, "kind": "directory" }))
        } else if entry.kind.is_symlink() {
            let target = directory.read_link_contents(&entry.name).unwrap_or_default();
            let target = target.to_string_lossy();
            (format!("{shown} -> {target}"), json!({ "path": shown, "kind": "link", "target": target }))
        } else if entry.kind.is_file() {
            let bytes = directory.symlink_metadata(&entry.name).map_or(0, |metadata| metadata.len());
            (format!("{shown} ({bytes} bytes)"), json!({ "path": shown, "kind": "file", "bytes": bytes }))
        } else {
            (format!("{shown} (no regular file)"), json!({ "path": shown, "kind": "other" }))
        };
        self.lines.push_str(&line);
        self.lines.push('\n');
        self.entries.push(value);
    }
}
