use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, File};
use globset::{GlobBuilder, GlobMatcher};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read::is_binary;
use super::walk::{DEPTH_MAX, entries};
use super::workspace::open_to_read;
use super::{Job, Workspace, path_of};
use crate::{Error, Output, Repeat, Spec};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
const TIME_MAX: Duration = Duration::from_secs(20);
/// Larger files are left out, and said to be.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of a line is told.
const LINE_BYTES_MAX: usize = 400;
const IGNORE_BYTES_MAX: u64 = 256 * 1024;
/// How large a pattern may become once it is ready to be searched for.
const PATTERN_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
    #[serde(default)]
    ignore_case: bool,
    limit: Option<usize>,
}

pub(super) fn spec() -> Spec {
    let properties = json!({
        "pattern": { "type": "string", "minLength": 1, "maxLength": 4096,
            "description": "A regular expression, matched with each line. Without look-around and back-references." },
        "path": path_of("The file or directory to search. Default: all of it"),
        "glob": { "type": "string", "minLength": 1, "maxLength": 1024,
            "description": "Only files like this, such as `*.rs` or `src/**/*.rs`. Default: all." },
        "ignoreCase": { "type": "boolean", "description": "Takes `a` and `A` for the same. Default false." },
        "limit": { "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "description": "How many lines at most. Default 100." },
    });
    let description = "Searches files for a regular expression and tells the lines as `path:number:line`. Files that .gitignore \
        names, binary files and links are left out.";
    let found = json!({ "type": "object", "required": ["path", "line", "text"], "properties": {
        "path": { "type": "string" }, "line": { "type": "integer" }, "text": { "type": "string" } } });
    let output = json!({ "type": "object", "required": ["matches", "truncated"], "properties": {
        "matches": { "type": "array", "items": found }, "truncated": { "type": "boolean" } } });
    Spec { output: Some(output), ..super::spec("fs.search", description, Repeat::Harmless, properties, &["pattern"]) }
}

pub(super) fn run(job: &Job, arguments: Arguments) -> Result<Output, Error> {
    let invalid = |problem| Error::Invalid { tool: job.tool.clone(), problem };
    let pattern = pattern(&arguments).map_err(|error| invalid(format!("/pattern: {error}")))?;
    let glob = arguments.glob.as_deref().map(glob).transpose();
    let glob = glob.map_err(|error| invalid(format!("/glob: {error}")))?;
    let workspace = job.workspace()?;
    let path = workspace.relative(arguments.path.as_deref().unwrap_or("."))?;
    let limit = arguments.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let until = Instant::now() + TIME_MAX;
    let mut search = Search {
        job,
        pattern,
        glob,
        limit,
        until,
        found: Vec::new(),
        lines: String::new(),
        notes: Vec::new(),
        cut: None,
    };
    search.start(&workspace, &path)?;
    Ok(search.told())
}

fn pattern(arguments: &Arguments) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&arguments.pattern)
        .case_insensitive(arguments.ignore_case)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build()
}

/// One without a slash is for names, wherever they are.
fn glob(text: &str) -> Result<GlobMatcher, globset::Error> {
    let whole = if text.contains('/') { text.trim_start_matches("./").to_owned() } else { format!("**/{text}") };
    Ok(GlobBuilder::new(&whole).literal_separator(true).build()?.compile_matcher())
}

struct Search<'a> {
    job: &'a Job,
    pattern: Regex,
    glob: Option<GlobMatcher>,
    limit: usize,
    until: Instant,
    found: Vec<Value>,
    lines: String,
    notes: Vec<String>,
    cut: Option<&'static str>,
}

impl Search<'_> {
    fn start(&mut self, workspace: &Workspace, path: &Path) -> Result<(), Error> {
        let metadata = workspace.root.metadata(path).map_err(|error| workspace.problem(path, &error))?;
        if !metadata.is_dir() {
            let (file, metadata) = workspace.open_file(path)?;
            return self.search_file(file, metadata.len(), path);
        }
        let directory = workspace.open_dir(path)?;
        let mut rules = Vec::new();
        let mut above = PathBuf::new();
        // What directories above it say holds too.
        for part in path.components().filter(|part| matches!(part, std::path::Component::Normal(_))) {
            let outer = if above.as_os_str().is_empty() { Path::new(".") } else { &above };
            rules.extend(workspace.root.open_dir(outer).ok().and_then(|outer| rules_of(&outer, &above)));
            above.push(part);
        }
        self.search_directory(&directory, &above, &mut rules, DEPTH_MAX)
    }

    fn search_directory(
        &mut self,
        directory: &Dir,
        path: &Path,
        rules: &mut Vec<Gitignore>,
        depth: usize,
    ) -> Result<(), Error> {
        // One that cannot be read has nothing that could be found.
        let Ok(entries) = entries(directory) else { return Ok(()) };
        let own = rules_of(directory, path);
        let has_rules = own.is_some();
        rules.extend(own);
        for entry in entries.found {
            if self.is_over()? {
                break;
            }
            let path = path.join(&entry.name);
            if is_ignored(rules, &path, entry.kind.is_dir()) {
                continue;
            }
            if entry.kind.is_dir() && depth > 1 {
                if let Ok(inner) = directory.open_dir(&entry.name) {
                    self.search_directory(&inner, &path, rules, depth - 1)?;
                }
            } else if entry.kind.is_file() && self.glob.as_ref().is_none_or(|glob| glob.is_match(&path)) {
                self.search_entry(directory, Path::new(&entry.name), &path)?;
            }
        }
        if has_rules {
            rules.pop();
        }
        Ok(())
    }

    fn search_entry(&mut self, directory: &Dir, name: &Path, path: &Path) -> Result<(), Error> {
        let Ok(file) = open_to_read(directory, name) else { return Ok(()) };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => self.search_file(file, metadata.len(), path),
            _ => Ok(()),
        }
    }

    fn search_file(&mut self, mut file: File, bytes: u64, path: &Path) -> Result<(), Error> {
        let shown = path.to_string_lossy();
        if bytes > FILE_BYTES_MAX {
            self.notes.push(format!("[{shown} was left out: {bytes} bytes]"));
            self.notes.truncate(10);
            return Ok(());
        }
        let mut content = Vec::new();
        if file.by_ref().take(FILE_BYTES_MAX).read_to_end(&mut content).is_err() || is_binary(&content) {
            return Ok(());
        }
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            if index % 1_000 == 0 && self.is_over()? {
                break;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if self.pattern.is_match(line) {
                if self.found.len() == self.limit {
                    self.cut = Some("narrow it down, or set limit");
                    break;
                }
                let text = shortened(line);
                self.lines.push_str(&format!("{shown}:{}:{text}\n", index + 1));
                self.found.push(json!({ "path": shown, "line": index + 1, "text": text }));
            }
        }
        Ok(())
    }

    fn is_over(&mut self) -> Result<bool, Error> {
        self.job.go_on()?;
        if Instant::now() > self.until {
            self.cut = Some("it took too long; search a directory or a glob of it");
        }
        Ok(self.cut.is_some())
    }

    fn told(self) -> Output {
        let mut text = self.lines;
        if self.found.is_empty() {
            text.push_str("[no match]\n");
        }
        text.extend(self.notes.iter().map(|note| format!("{note}\n")));
        if let Some(hint) = self.cut {
            text.push_str(&format!("[there may be more: {hint}]"));
        }
        let structured = json!({ "matches": self.found, "truncated": self.cut.is_some() });
        Output { structured: Some(structured), ..Output::text(text) }
    }
}

fn shortened(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let kept = text.floor_char_boundary(LINE_BYTES_MAX.min(text.len()));
    if kept == text.len() { text.into_owned() } else { format!("{} [{} bytes more]", &text[..kept], text.len() - kept) }
}

fn rules_of(directory: &Dir, path: &Path) -> Option<Gitignore> {
    let file = open_to_read(directory, Path::new(".gitignore")).ok()?;
    file.metadata().ok().filter(|metadata| metadata.is_file())?;
    let mut text = String::new();
    file.take(IGNORE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let mut rules = GitignoreBuilder::new(path);
    for line in text.lines() {
        // A rule that cannot be read is none, as for git.
        let _ = rules.add_line(None, line);
    }
    rules.build().ok()
}

/// The deepest file that says something about it decides.
fn is_ignored(rules: &[Gitignore], path: &Path, is_dir: bool) -> bool {
    let said = rules.iter().rev().map(|rules| rules.matched(path, is_dir)).find(|said| !said.is_none());
    said.is_some_and(|said| said.is_ignore())
}
