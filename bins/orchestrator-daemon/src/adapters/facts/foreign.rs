//! Calls of tools that are not ours: those of coding agents, as their programs name them and their arguments.

use std::path::{Component, Path};

use orchestrator_charter::{Fact, Facts};
use serde_json::Value;
use url::Url;

use super::{commands, plain};

/// A call of somebody else's tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foreign<'a> {
    /// What it is called in `tools.allow`: `claude.Bash`.
    pub(crate) tool: &'a str,
    /// Our tool that is like it: `command.run`.
    pub(crate) alike: &'a str,
    pub(crate) arguments: &'a Value,
    /// Where its program works.
    pub(crate) directory: Option<&'a Path>,
}

/// Nothing of what it is about can be told.
const UNTOLD: [Fact; 4] = [Fact::Hosts, Fact::Paths, Fact::Programs, Fact::Secrets];

pub(super) fn facts(call: &Foreign<'_>) -> Facts {
    let mut facts = Facts { untrusted: true, ..Facts::default() };
    let text = |name: &str| call.arguments.get(name).and_then(Value::as_str);
    match call.tool {
        "claude.Bash" => match text("command") {
            Some(script) => commands::of_words(&["bash", "-c", script], &mut facts),
            None => facts.unknown.extend(UNTOLD),
        },
        "claude.WebFetch" => {
            match text("url").and_then(|text| Url::parse(text).ok()?.host_str().map(str::to_lowercase)) {
                Some(host) => drop(facts.hosts.insert(host)),
                None => drop(facts.unknown.insert(Fact::Hosts)),
            }
        }
        "claude.Read" | "claude.Write" | "claude.Edit" | "claude.MultiEdit" => {
            path(text("file_path"), call, &mut facts)
        }
        "claude.NotebookEdit" | "claude.NotebookRead" => path(text("notebook_path"), call, &mut facts),
        _ => facts.unknown.extend(UNTOLD),
    }
    facts
}

/// Programs that Claude Code runs without asking, in forms that only read (what version 1.0.128 has, and a few more); and those that
/// it takes for changes of files.
const READING: &[&str] = &[
    "alias", "arch", "base64", "bash", "basename", "cal", "cat", "cd", "claude", "column", "cut", "date", "df", "diff",
    "dirname", "docker", "du", "echo", "env", "false", "file", "find", "free", "git", "grep", "groups", "head", "help",
    "hexdump", "history", "hostname", "id", "ifconfig", "info", "ip", "jq", "locale", "ls", "man", "netstat", "nl",
    "node", "nproc", "npm", "od", "pip", "printenv", "printf", "ps", "pwd", "python", "python3", "realpath", "rg",
    "sed", "sleep", "sort", "stat", "strings", "tail", "test", "tr", "tree", "true", "type", "uname", "uniq", "uptime",
    "wc", "which", "whoami", "xargs",
];
const CHANGING: &[&str] = &["chmod", "cp", "ln", "mkdir", "mv", "rm", "rmdir", "sed", "tee", "touch"];

/// What calls of this tool may be about that Claude Code makes without asking.
pub(crate) fn unasked(tool: &str, asks_for_changes: bool) -> Facts {
    let mut facts = Facts { untrusted: true, ..Facts::default() };
    match tool {
        "claude.Bash" => {
            let changing = if asks_for_changes { &[] } else { CHANGING };
            facts.programs = READING.iter().chain(changing).map(|program| (*program).to_owned()).collect();
            facts.unknown.insert(Fact::Paths);
        }
        "claude.Write" | "claude.Edit" | "claude.MultiEdit" | "claude.NotebookEdit" if asks_for_changes => {}
        _ => facts.unknown.extend(UNTOLD),
    }
    facts
}

/// From the directory it works in, as paths of our own tools are. Which file is meant elsewhere, links may say.
fn path(given: Option<&str>, call: &Foreign<'_>, facts: &mut Facts) {
    let Some(given) = given.map(Path::new) else {
        facts.unknown.insert(Fact::Paths);
        return;
    };
    let climbs = given.components().any(|part| part == Component::ParentDir);
    let beneath = call.directory.and_then(|directory| given.strip_prefix(directory).ok()).filter(|_| !climbs);
    if beneath.is_none() {
        facts.unknown.insert(Fact::Paths);
    }
    facts.paths.insert(plain(beneath.unwrap_or(given)).display().to_string());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(tool: &str, arguments: &Value) -> Facts {
        facts(&Foreign { tool, alike: "x.y", arguments, directory: Some(Path::new("/srv/a")) })
    }

    #[test]
    fn a_script_is_told_as_a_command_is() {
        let found = of("claude.Bash", &json!({ "command": "true && env reboot", "description": "says hello" }));
        assert_eq!(found.programs, ["bash", "env", "reboot", "true"].map(str::to_owned).into());
        assert_eq!((found.unknown, found.untrusted), ([Fact::Paths].into(), true));
        assert!(of("claude.Bash", &json!({ "command": "$X" })).unknown.contains(&Fact::Programs));
        for arguments in [json!({}), json!({ "command": ["ls"] })] {
            assert_eq!(of("claude.Bash", &arguments).unknown, UNTOLD.into());
        }
        assert_eq!(of("claude.mcp__git__push", &json!({ "command": "ls" })).unknown, UNTOLD.into());
    }

    #[test]
    fn addresses_and_files_are_told_where_they_are_certain() {
        let found = of("claude.WebFetch", &json!({ "url": "https://API.example/x" }));
        assert_eq!((found.hosts, found.unknown.len()), (["api.example".to_owned()].into(), 0));
        assert!(of("claude.WebFetch", &json!({ "url": "api.example" })).unknown.contains(&Fact::Hosts));
        for (path, expected, is_certain) in [
            ("/srv/a/deploy/./x", "deploy/x", true),
            ("/srv/a/../b", "/srv/a/../b", false),
            ("/srv/ab", "/srv/ab", false),
            ("deploy/x", "deploy/x", false),
            ("/etc/passwd", "/etc/passwd", false),
        ] {
            let found = of("claude.Write", &json!({ "file_path": path }));
            assert_eq!(found.paths, [expected.to_owned()].into());
            assert_eq!(found.unknown.is_empty(), is_certain, "{path}");
        }
        assert!(of("claude.Edit", &json!({ "path": "x" })).unknown.contains(&Fact::Paths));
    }
}
