//! Memories in files: `orchestrator memory export`, `import`, and what is left in exports of what was erased.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use orchestrator_memory::MarkdownFile;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Filters, folder};
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{count, plain, text};

/// How much is sent at once.
const BATCH_FILES: usize = 100;
const BATCH_BYTES: usize = 2 << 20;
/// As much as the daemon takes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most files that are read, and how deep folders may lie within each other.
const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 16;
/// What may become of an entry, in the order in which it is told.
const STATUSES: [&str; 5] = ["added", "changed", "unchanged", "forgotten", "invalid"];

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The folder; files of an earlier export in it that are not in this one go
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    filters: Filters,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Files, or folders with files `*.md`: an export, or any notes
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Remembers what is new and changed; without, the difference is only told
    #[arg(long)]
    apply: bool,
    /// Who is to remember what is new, whatever the files say: organisation, agent:NAME, team:NAME or user:SUBJECT
    #[arg(long)]
    scope: Option<String>,
    /// Brings back what was forgotten; that takes the scope `daemon.approve`
    #[arg(long)]
    restore_forgotten: bool,
}

#[derive(Deserialize)]
struct Exported {
    path: String,
    content: String,
}

pub(super) async fn export(daemon: &Daemon, export: Export) -> Result<(), Failure> {
    let mut params = Value::from(export.filters.params());
    let mut files = Vec::new();
    loop {
        let mut page = daemon.call("memory.export", params.clone()).await?;
        let more: Vec<Exported> = serde_json::from_value(page["files"].take())
            .map_err(|error| Failure::failed(format!("that is no export: {error}")))?;
        files.extend(more.into_iter().map(|Exported { path, content }| MarkdownFile { path, content }));
        match page["nextCursor"].take() {
            Value::Null => break,
            cursor => params["cursor"] = cursor,
        }
    }
    let done = folder::replace(&export.to, &files)?;
    let folder = export.to.display().to_string();
    let memories = if files.len() == 1 { "1 memory is".to_owned() } else { format!("{} memories are", files.len()) };
    let told = format!(
        "{memories} in {folder}: {} written, {} as before, {} removed",
        done.written, done.unchanged, done.removed
    );
    let json = json!({
        "folder": folder, "memories": files.len(), "written": done.written, "unchanged": done.unchanged,
        "removed": done.removed,
    });
    daemon.out.show(&Answer::told(json, told))
}

pub(super) async fn import(daemon: &Daemon, import: Import) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &import.paths {
        read(daemon, path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Failure::usage("there is no file *.md in it"));
    }
    let params = Params::new().flag("apply", import.apply).maybe("scope", import.scope.as_ref());
    let params = Value::from(params.flag("restoreForgotten", import.restore_forgotten));
    let mut all = Difference::default();
    for batch in batches(&files) {
        match ask(daemon, batch, &params).await {
            Ok(answer) => all.add(&answer),
            // What was remembered before stays so, and is known when it is tried again.
            Err(failure) if all.applied > 0 => {
                daemon.out.note(&format!("{} stored before that", count(all.applied, "thing")));
                return Err(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    let invalid = all.of("invalid");
    daemon.out.show(&all.answer(import.apply))?;
    match invalid {
        0 => Ok(()),
        invalid => Err(Failure::failed(format!("{invalid} of {} cannot be remembered", all.entries.len()))),
    }
}

async fn ask(daemon: &Daemon, files: &[MarkdownFile], params: &Value) -> Result<Value, Failure> {
    let mut params = params.clone();
    params["files"] = json!(files);
    daemon.call("memory.import", params).await
}

/// Takes out of an exported folder what is forgotten, and what holds the name, and tells how many files that were.
pub(super) async fn forget(daemon: &Daemon, root: &Path, name: Option<&str>) -> Result<usize, Failure> {
    let files = folder::exported(root)?;
    let named = files.iter().filter(|file| name.is_some_and(|name| file.holds(name)));
    let mut gone: BTreeSet<&str> = named.map(|file| file.path.as_str()).collect();
    for batch in batches(&files) {
        let answer = ask(daemon, batch, &json!({})).await?;
        let entries = answer["entries"].as_array().into_iter().flatten();
        let forgotten: BTreeSet<&str> =
            entries.filter(|entry| text(entry, "status") == "forgotten").map(|entry| text(entry, "path")).collect();
        gone.extend(batch.iter().map(|file| file.path.as_str()).filter(|path| forgotten.contains(path)));
    }
    folder::forget(root, &files, &gone)
}

/// What came of all batches.
#[derive(Default)]
struct Difference {
    entries: Vec<Value>,
    applied: usize,
}

impl Difference {
    fn add(&mut self, answer: &Value) {
        let entries = answer["entries"].as_array().into_iter().flatten();
        self.applied += entries.clone().filter(|entry| entry["storedAs"].is_string()).count();
        self.entries.extend(entries.cloned());
    }

    fn of(&self, status: &str) -> usize {
        self.entries.iter().filter(|entry| text(entry, "status") == status).count()
    }

    fn answer(&self, is_applied: bool) -> Answer {
        let counts = STATUSES.map(|status| (status, self.of(status)));
        let mut lines: Vec<String> = self.entries.iter().filter_map(shown).collect();
        lines.push(counts.map(|(status, count)| format!("{count} {status}")).join(", "));
        lines.push(match (is_applied, self.applied) {
            (true, 1) => "1 memory was stored".to_owned(),
            (true, stored) => format!("{stored} memories were stored"),
            (false, _) => "nothing was changed: --apply does it".to_owned(),
        });
        let ids = self.entries.iter().map(|entry| text(entry, "storedAs").to_owned()).filter(|id| !id.is_empty());
        let counts: serde_json::Map<String, Value> =
            counts.into_iter().map(|(status, count)| (status.to_owned(), json!(count))).collect();
        let json = json!({ "entries": self.entries, "counts": counts, "applied": self.applied });
        Answer { text: lines.join("\n"), ids: ids.collect(), json }
    }
}

/// What is not as it was.
fn shown(entry: &Value) -> Option<String> {
    let status = text(entry, "status");
    let place = format!("{}:{}", text(entry, "path"), plain(&entry["line"]));
    let mut lines = vec![match status {
        "unchanged" => return None,
        "invalid" => format!("{status} {place}: {}", text(entry, "problem")),
        _ => format!("{status} {place} {}", text(entry, "title")),
    }];
    lines.extend(entry["notes"].as_array().into_iter().flatten().map(|note| format!("  {}", plain(note))));
    lines.extend(entry["diff"].as_str().map(|diff| diff.trim_end().to_owned()));
    Some(lines.join("\n"))
}

/// Files that are sent together. Of notes nobody knows how much they say: they go alone.
fn batches(files: &[MarkdownFile]) -> impl Iterator<Item = &[MarkdownFile]> {
    let mut bytes = 0;
    let mut count = 0;
    files.chunk_by(move |one, next| {
        bytes += one.content.len();
        count += 1;
        let are_exported = one.content.starts_with("---") && next.content.starts_with("---");
        let is_together = are_exported && count < BATCH_FILES && bytes + next.content.len() <= BATCH_BYTES;
        if !is_together {
            (bytes, count) = (0, 0);
        }
        is_together
    })
}

fn read(daemon: &Daemon, path: &Path, files: &mut Vec<MarkdownFile>) -> Result<(), Failure> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    if !metadata.is_dir() {
        files.push(MarkdownFile { path: path.display().to_string(), content: content(path, metadata.len())? });
        return Ok(());
    }
    let mut found = Vec::new();
    walk(daemon, path, 0, &mut found)?;
    found.sort();
    // The page that names the files of an export says nothing beside.
    for file in found.into_iter().filter(|file| !folder::is_page(file)) {
        let length = fs::metadata(&file).map_err(|error| cannot_read(&file, &error))?.len();
        let shown = file.strip_prefix(path).unwrap_or(&file).display().to_string();
        files.push(MarkdownFile { path: shown, content: content(&file, length)? });
    }
    Ok(())
}

/// The Markdown below a folder; what is hidden stays so, and no link is followed.
fn walk(daemon: &Daemon, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))? {
        let entry = entry.map_err(|error| cannot_read(folder, &error))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(|error| cannot_read(folder, &error))?);
        let is_markdown = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"));
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_symlink() {
            daemon.out.note(&format!("{} is a link: left out", path.display()));
        } else if kind.is_dir() && depth < DEPTH_MAX {
            walk(daemon, &path, depth + 1, found)?;
        } else if kind.is_file() && is_markdown {
            found.push(path);
        }
        if found.len() > FILES_MAX {
            return Err(Failure::usage(format!("there are more than {FILES_MAX} files in it")));
        }
    }
    Ok(())
}

fn content(path: &Path, length: u64) -> Result<String, Failure> {
    if length > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{} is longer than {FILE_BYTES_MAX} bytes: split it", path.display())));
    }
    fs::read_to_string(path).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> MarkdownFile {
        MarkdownFile { path: "a.md".into(), content: content.to_owned() }
    }

    #[test]
    fn notes_are_sent_alone_and_exported_files_together() {
        let sizes = |files: &[MarkdownFile]| batches(files).map(<[_]>::len).collect::<Vec<_>>();
        let exported = || file("---\n---\nx");
        assert_eq!(sizes(&vec![exported(); BATCH_FILES + 1]), [BATCH_FILES, 1]);
        assert_eq!(sizes(&[exported(), file("x"), exported(), exported()]), [1, 1, 2]);
        let large = file(&format!("---\n{}", "x".repeat(BATCH_BYTES / 2)));
        assert_eq!(sizes(&[large.clone(), large.clone(), large]), [1, 1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
