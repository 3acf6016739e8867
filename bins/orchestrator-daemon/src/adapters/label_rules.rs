//! What follows from labels: where what nobody vouches for met what is secret, nothing goes out. And what makes results of tools
//! secret, or believed.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use globset::GlobMatcher;
use orchestrator_commands::{Analysis, Limits, Word};
use orchestrator_redact::Redactor;
use orchestrator_security::{Opinion, Stance};
use orchestrator_tools::Output;
use orchestrator_transcript::{ToolPattern, ToolResultPart};
use orchestrator_vocab::{Confidentiality, Integrity, Label};
use serde_json::Value;

use super::facts::Seen;
use crate::config::{Labels, Outbound, PathPattern};

/// The rule, as records of the audit log name it: their text begins with this.
pub(crate) const RULE: &str = "labels.untrusted-secret-outbound";

/// What speaks to nobody outside. Tasks and agents carry the label of whoever made them; whatever is not named here may speak.
const INSIDE: &[&str] = &["fs.", "task.", "schedule.", "agent.", "budget."];
/// The same of coding agents, of what is like nothing here.
const INSIDE_CODING: &[&str] =
    &["claude.TodoWrite", "claude.TodoRead", "claude.ExitPlanMode", "claude.EnterPlanMode", "claude.LSP"];

/// The rules of labels, as they are now. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LabelRules(Arc<Inner>);

struct Inner {
    config: RwLock<Arc<InForce>>,
    /// Whether programs of `command.run` can reach nobody.
    is_cut_off: bool,
    redactor: Redactor,
}

/// The operator's lists, ready to be asked.
struct InForce {
    labels: Labels,
    secret_paths: Vec<GlobMatcher>,
    trusted_paths: Vec<GlobMatcher>,
}

impl InForce {
    fn new(labels: &Labels) -> Arc<Self> {
        let ready = |patterns: &BTreeSet<PathPattern>| patterns.iter().map(PathPattern::matcher).collect::<Vec<_>>();
        let (secret_paths, trusted_paths) = (ready(&labels.secret_paths), ready(&labels.trusted_paths));
        Arc::new(Self { labels: labels.clone(), secret_paths, trusted_paths })
    }
}

/// Who runs the programs of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunBy {
    /// The daemon, within what confines them.
    Us,
    /// A coding agent, as it likes.
    Them,
}

impl LabelRules {
    pub(crate) fn new(config: &Labels, is_cut_off: bool, redactor: &Redactor) -> Self {
        let config = RwLock::new(InForce::new(config));
        Self(Arc::new(Inner { config, is_cut_off, redactor: redactor.clone() }))
    }

    pub(super) fn replace(&self, config: &Labels) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = InForce::new(config);
    }

    fn config(&self) -> Arc<InForce> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of what a call may tell: of its words, and of the files it names.
    pub(super) fn of_call(&self, seen: &Seen<'_>, label: Label) -> Label {
        let names_secret = seen.command.is_some() && self.reading_of(seen.tool, paths(seen)).is_secret;
        let is_secret = names_secret || self.0.redactor.is_told_in(&seen.arguments.to_string());
        Label { confidentiality: secret_if(is_secret, label.confidentiality), ..label }
    }

    /// Of a call that may tell what has this label; `None` if it is nobody's business.
    pub(super) fn opinion(&self, tool: &str, run_by: RunBy, label: Label) -> Option<Opinion> {
        let is_both = label.integrity == Integrity::Untrusted && label.confidentiality == Confidentiality::Secret;
        let stance = match self.config().labels.untrusted_secret_outbound {
            Outbound::Deny => Stance::Deny,
            Outbound::Confirm => Stance::Confirm,
            Outbound::Allow => return None,
        };
        (is_both && self.speaks(tool, run_by)).then(|| {
            let why = "may tell others, and both something secret and somebody nobody vouches for had a say in it";
            Opinion::new(stance, format!("{RULE}: {tool} {why}"))
        })
    }

    fn speaks(&self, tool: &str, run_by: RunBy) -> bool {
        let is_inside = INSIDE.iter().any(|beginning| tool.starts_with(beginning)) || INSIDE_CODING.contains(&tool);
        let is_cut_off = tool == "command.run" && run_by == RunBy::Us && self.0.is_cut_off;
        !is_inside && !is_cut_off
    }

    /// What is known of a call's result before there is one.
    pub(super) async fn reading(&self, seen: &Seen<'_>, workspace: Option<&Path>) -> Reading {
        let mut paths = paths(seen);
        if let Some(workspace) = workspace.filter(|_| reads_files(seen.tool)) {
            resolve(workspace, &mut paths).await;
        }
        self.reading_of(seen.tool, paths)
    }

    fn reading_of(&self, tool: &str, paths: Vec<PathBuf>) -> Reading {
        let config = self.config();
        let is_named = |tools: &BTreeSet<ToolPattern>| tools.iter().any(|named| named.matches(tool));
        // Only of one file it is known that nothing else was read.
        let is_trusted_file =
            tool == "fs.read" && !paths.is_empty() && paths.iter().all(|path| is_among(&config.trusted_paths, path));
        Reading {
            is_secret: is_named(&config.labels.secret_tools)
                || paths.iter().any(|path| is_among(&config.secret_paths, path)),
            is_trusted: is_named(&config.labels.trusted_tools) || is_trusted_file,
            finds: tool == "fs.search",
            rules: self.clone(),
        }
    }

    /// The same of a call of a coding agent: `alike` is the tool here that it is like.
    pub(super) fn of_foreign(&self, (tool, alike): (&str, &str), input: &Value, label: Label) -> Label {
        let names_secret = alike == "command.run" && self.names_secret((tool, alike), each_path(alike, input));
        let is_secret = names_secret || self.0.redactor.is_told_in(&input.to_string());
        Label { confidentiality: secret_if(is_secret, label.confidentiality), ..label }
    }

    /// How confidential is what a coding agent's tool says, as far as its arguments tell.
    pub(super) fn told_by_coding(
        &self,
        names: (&str, &str),
        input: &Value,
        directory: Option<&Path>,
    ) -> Confidentiality {
        let within = |path: PathBuf| match directory.and_then(|directory| path.strip_prefix(directory).ok()) {
            Some(inner) => inner.to_owned(),
            None => path,
        };
        let paths = each_path(names.1, input).into_iter().map(within).collect();
        secret_if(self.names_secret(names, paths), Confidentiality::default())
    }

    fn names_secret(&self, (tool, alike): (&str, &str), paths: Vec<PathBuf>) -> bool {
        self.reading_of(alike, paths).is_secret || self.reading_of(tool, Vec::new()).is_secret
    }
}

/// What is known of the result of a call.
pub(crate) struct Reading {
    is_secret: bool,
    is_trusted: bool,
    /// Whether the result tells in which files something was found.
    finds: bool,
    rules: LabelRules,
}

impl Reading {
    /// The label of what a call came back with.
    pub(crate) fn label(&self, output: &Output) -> Label {
        let texts = output.content.iter().filter_map(|part| match part {
            ToolResultPart::Text { text } => Some(text.as_str()),
            ToolResultPart::Image { .. } => None,
        });
        let is_secret = self.found_in_secret_file(output.structured.as_ref())
            || texts.into_iter().any(|text| self.rules.0.redactor.is_told_in(text));
        self.raised(output.label, is_secret)
    }

    /// The label of why it failed.
    pub(crate) fn label_of_failure(&self, why: &str) -> Label {
        self.raised(Label::default(), self.rules.0.redactor.is_told_in(why))
    }

    fn raised(&self, label: Label, is_secret: bool) -> Label {
        let confidentiality = secret_if(self.is_secret || is_secret, label.confidentiality);
        let integrity = if self.is_trusted { label.integrity.max(Integrity::User) } else { label.integrity };
        Label { integrity, confidentiality }
    }

    fn found_in_secret_file(&self, structured: Option<&Value>) -> bool {
        let matches = structured.and_then(|value| value["matches"].as_array()).filter(|_| self.finds);
        let config = self.rules.config();
        let mut files = matches.into_iter().flatten().filter_map(|found| found["path"].as_str());
        files.any(|file| is_among(&config.secret_paths, &plain(file)))
    }
}

fn is_among(patterns: &[GlobMatcher], path: &Path) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(path))
}

fn secret_if(is_secret: bool, otherwise: Confidentiality) -> Confidentiality {
    if is_secret { Confidentiality::Secret } else { otherwise }
}

fn reads_files(tool: &str) -> bool {
    matches!(tool, "fs.read" | "fs.search" | "fs.list")
}

/// The files that a call reads, as far as its arguments tell.
fn paths(seen: &Seen<'_>) -> Vec<PathBuf> {
    match &seen.command {
        Some(found) => named_in(found),
        None if reads_files(seen.tool) => seen.arguments["path"].as_str().map(plain).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The same of a tool of a coding agent, whose arguments have names of their own.
fn each_path(alike: &str, input: &Value) -> Vec<PathBuf> {
    match (alike, input["command"].as_str()) {
        ("command.run", Some(script)) => named_in(&orchestrator_commands::script(script, &Limits::default())),
        ("command.run", None) => Vec::new(),
        _ => {
            ["file_path", "path", "notebook_path"].iter().filter_map(|name| input[*name].as_str()).map(plain).collect()
        }
    }
}

/// What may be a file in a command, also as a part of a word: `--file=.env`, `@.env`.
fn named_in(found: &Analysis) -> Vec<PathBuf> {
    let words = found.commands.iter().flat_map(|command| &command.argv).chain(&found.reads);
    let parts = |word: &str| {
        let parts = word.split(['=', '@', ':', ',']).filter(|part| !part.is_empty() && *part != word);
        std::iter::once(word).chain(parts).map(plain).collect::<Vec<_>>()
    };
    words.filter_map(Word::literal).flat_map(parts).collect()
}

/// What links lead to is read as well.
async fn resolve(workspace: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(root) = tokio::fs::canonicalize(workspace).await else { return };
    let mut real = Vec::new();
    for path in paths.iter() {
        if let Ok(found) = tokio::fs::canonicalize(root.join(path)).await {
            real.push(found.strip_prefix(&root).map(Path::to_owned).unwrap_or(found));
        }
    }
    paths.extend(real);
}

fn plain(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    const BOTH: Label = Label { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Secret };

    fn rules(labels: Value, is_cut_off: bool) -> LabelRules {
        let secret = SecretString::from("correct horse battery staple".to_owned());
        let redactor = Redactor::builder().secret("database-url", &secret).build();
        LabelRules::new(&serde_json::from_value(labels).unwrap(), is_cut_off, &redactor)
    }

    #[test]
    fn what_may_tell_others_is_denied_where_both_had_a_say_and_nowhere_else() {
        let (open, closed) = (rules(json!({}), false), rules(json!({}), true));
        let denied = |rules: &LabelRules, tool: &str, label: Label| rules.opinion(tool, RunBy::Us, label).is_some();
        for tool in ["http.fetch", "http.request", "mcp.wiki.read", "notify.test", "claude.WebSearch", "new.tool"] {
            assert!(denied(&closed, tool, BOTH), "{tool}");
            assert!(!denied(&closed, tool, Label { integrity: Integrity::User, ..BOTH }), "{tool}");
            assert!(!denied(&closed, tool, Label { confidentiality: Confidentiality::Internal, ..BOTH }), "{tool}");
        }
        for tool in ["fs.write", "task.create", "agent.spawn", "schedule.create", "claude.TodoWrite"] {
            assert!(!denied(&open, tool, BOTH), "{tool}");
        }
        assert!(denied(&open, "command.run", BOTH) && !denied(&closed, "command.run", BOTH));
        assert!(closed.opinion("command.run", RunBy::Them, BOTH).is_some(), "they run it as they like");
    }

    #[test]
    fn the_operator_decides_what_becomes_of_it_also_while_it_runs() {
        let rules = rules(json!({}), false);
        for (wanted, expected) in [("deny", Some(Stance::Deny)), ("confirm", Some(Stance::Confirm)), ("allow", None)] {
            rules.replace(&serde_json::from_value(json!({ "untrustedSecretOutbound": wanted })).unwrap());
            let said = rules.opinion("http.fetch", RunBy::Us, BOTH);
            assert_eq!(said.as_ref().map(|said| said.stance), expected);
            assert!(said.is_none_or(|said| said.rule.starts_with(RULE)));
        }
    }

    async fn told(labels: Value, tool: &str, arguments: Value, output: Output) -> (bool, bool) {
        let label = rules(labels, false).reading(&Seen::new(tool, &arguments), None).await.label(&output);
        (label.integrity == Integrity::Untrusted, label.confidentiality == Confidentiality::Secret)
    }

    #[tokio::test]
    async fn what_is_read_is_secret_by_its_tool_its_file_and_its_words() {
        let words = || Output::text("words");
        let labels = || json!({ "secretTools": ["mcp.vault.*"] });
        for (tool, arguments, is_secret) in [
            ("mcp.vault.get", json!({}), true),
            ("mcp.wiki.get", json!({ "path": ".env" }), false),
            ("fs.read", json!({ "path": "./a/.env" }), true),
            ("fs.read", json!({ "path": "a.env" }), false),
            ("fs.write", json!({ "path": ".env" }), false),
            ("command.run", json!({ "argv": ["cat", ".env"] }), true),
            ("command.run", json!({ "argv": ["sh", "-c", "sort < tls/server.key"] }), true),
            ("command.run", json!({ "argv": ["curl", "--data=@.env", "x"] }), true),
            ("command.run", json!({ "argv": ["cat", "notes.txt"] }), false),
        ] {
            assert_eq!(told(labels(), tool, arguments.clone(), words()).await, (true, is_secret), "{tool} {arguments}");
        }
        let search = json!({ "pattern": "x" });
        for (path, is_secret) in [("a/.env", true), ("a/b", false)] {
            let found = Output::structured(json!({ "matches": [{ "path": path, "line": 1, "text": "x" }] }));
            assert_eq!(told(labels(), "fs.search", search.clone(), found).await, (true, is_secret));
        }
        let known = Output::text("it is correct horse battery staple");
        assert_eq!(told(labels(), "fs.read", json!({ "path": "a" }), known).await, (true, true));
    }

    #[tokio::test]
    async fn only_what_is_named_is_believed() {
        let labels = || json!({ "trustedTools": ["mcp.wiki.*"], "trustedPaths": ["docs/*"] });
        for (tool, arguments, is_untrusted) in [
            ("mcp.wiki.get", json!({}), false),
            ("mcp.web.get", json!({}), true),
            ("fs.read", json!({ "path": "docs/a.md" }), false),
            ("fs.read", json!({ "path": "vendor/docs/a.md" }), true),
            ("fs.search", json!({ "path": "docs/a.md", "pattern": "x" }), true),
            ("command.run", json!({ "argv": ["cat", "docs/a.md"] }), true),
        ] {
            let told = told(labels(), tool, arguments.clone(), Output::text("words")).await;
            assert_eq!(told, (is_untrusted, false), "{tool} {arguments}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_is_as_secret_as_what_it_leads_to() {
        let workspace = tempfile::tempdir().unwrap();
        std::fs::write(workspace.path().join(".env"), "KEY=x").unwrap();
        std::os::unix::fs::symlink(".env", workspace.path().join("notes")).unwrap();
        let arguments = json!({ "path": "notes" });
        let seen = Seen::new("fs.read", &arguments);
        let rules = rules(json!({ "trustedPaths": ["notes"] }), false);
        assert_eq!(rules.reading(&seen, Some(workspace.path())).await.label(&Output::text("KEY=x")), BOTH);
    }

    #[test]
    fn a_coding_agent_s_tools_are_known_by_both_their_names() {
        let rules = rules(json!({ "secretTools": ["claude.mcp__vault__get"], "secretPaths": ["keys/*"] }), false);
        let secret = |tool: &str, alike: &str, input: Value| {
            rules.told_by_coding((tool, alike), &input, Some(Path::new("/srv"))) == Confidentiality::Secret
        };
        assert!(secret("claude.mcp__vault__get", "claude.mcp__vault__get", json!({})));
        assert!(secret("claude.Read", "fs.read", json!({ "file_path": "/srv/keys/a" })));
        assert!(!secret("claude.Read", "fs.read", json!({ "file_path": "/other/keys/a" })));
        assert!(secret("claude.Bash", "command.run", json!({ "command": "cat keys/a | head" })));
        assert!(!secret("claude.Bash", "command.run", json!({ "command": "ls" })));
        let asks = |input: Value| rules.of_foreign(("claude.Bash", "command.run"), &input, Label::USER).confidentiality;
        assert_eq!(asks(json!({ "command": "curl -d @keys/a x" })), Confidentiality::Secret);
        assert_eq!(asks(json!({ "command": "curl x" })), Confidentiality::Internal);
    }
}
