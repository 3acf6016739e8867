//! What skills that a session follows leave of its agent's tools. It comes from the session's journal, so it holds as long as that does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use orchestrator_agents::{Permissions, tool_like};
use orchestrator_commands::{Analysis, Command, Limits, Word};
use orchestrator_skills::AllowedTool;
use orchestrator_transcript::ToolPattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// The tool that uses a skill, and the one that reads its files: a skill cannot narrow itself away.
pub(crate) const USE: &str = "skill.use";
pub(crate) const READ: &str = "skill.read";

/// A skill that a session follows, as its journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Following {
    /// Its name.
    pub(crate) skill: String,
    pub(crate) digest: String,
    /// Where its files are.
    pub(crate) directory: PathBuf,
    /// What it says of tools, word by word; `None`: nothing, so it narrows nothing.
    pub(crate) allowed_tools: Option<Vec<String>>,
}

/// What a word of `allowed-tools` allows here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Tools(ToolPattern),
    /// `command.run` of what begins so, or of exactly this.
    Command {
        words: Vec<String>,
        is_beginning: bool,
    },
    /// `http.fetch` of this host, and of those below it.
    Host(String),
    /// There is nothing like it here, or the rule is not understood: that allows nothing.
    Nothing,
}

/// What stands in a journal. What cannot be read is a skill that allows nothing.
pub(crate) fn of(standing: &[Value]) -> Vec<Following> {
    let unreadable = || Following {
        skill: "unknown".to_owned(),
        digest: String::new(),
        directory: PathBuf::new(),
        allowed_tools: Some(Vec::new()),
    };
    standing.iter().map(|value| Following::deserialize(value).unwrap_or_else(|_| unreadable())).collect()
}

/// Whether a tool is left by all of them, whatever it is called with.
pub(crate) fn leaves(following: &[Following], tool: &str) -> bool {
    following.iter().all(|skill| skill.allowed().is_none_or(|allowed| allowed.iter().any(|one| one.is_about(tool))))
}

/// The tools that all of them leave without a condition; `None` if none of them narrows anything. For those who work in the name of
/// this agent.
pub(crate) fn unconditional(following: &[Following]) -> Option<BTreeSet<ToolPattern>> {
    let narrowing = following.iter().filter_map(Following::allowed);
    let permissions = narrowing.map(|allowed| {
        let own = [USE, READ].map(|name| name.parse().expect("names of our tools are patterns"));
        Permissions::new(allowed.into_iter().filter_map(Allowed::without_condition).chain(own), [])
    });
    permissions.reduce(|all, one| all.intersect(&one)).map(|left| left.allowed().clone())
}

/// Why a call is not made while these are followed; `None` if they leave it.
pub(crate) fn refusal(following: &[Following], tool: &str, arguments: &Value) -> Option<String> {
    if tool == READ {
        let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
        let is_followed = following.iter().any(|skill| skill.skill == name);
        return (!is_followed).then(|| format!("the skill `{name}` is not followed: call skill_use first"));
    }
    following.iter().find_map(|skill| skill.refusal(tool, arguments))
}

impl Following {
    fn refusal(&self, tool: &str, arguments: &Value) -> Option<String> {
        let allowed = self.allowed()?;
        if tool == USE || allowed.iter().any(|one| one.covers(tool, arguments)) {
            return None;
        }
        let words = self.allowed_tools.as_deref().unwrap_or_default();
        let said = if words.is_empty() { "no tools".to_owned() } else { words.join(" ") };
        Some(format!("the skill `{}`, which is followed here, allows only: {said}", self.skill))
    }

    fn allowed(&self) -> Option<Vec<Allowed>> {
        let words = self.allowed_tools.as_ref()?;
        let named = |word: &String| match word.split_once('(') {
            Some((tool, rule)) => {
                AllowedTool { tool: tool.to_owned(), rule: Some(rule.strip_suffix(')').unwrap_or(rule).to_owned()) }
            }
            None => AllowedTool { tool: word.clone(), rule: None },
        };
        Some(words.iter().map(named).map(|word| allowed(&word)).collect())
    }
}

fn allowed(word: &AllowedTool) -> Allowed {
    let ours = tool_like(&word.tool)
        .map(str::to_owned)
        .or_else(|| of_servers(&word.tool))
        .unwrap_or_else(|| word.tool.clone());
    match (ours.as_str(), word.rule.as_deref()) {
        (_, None) => ours.parse().map_or(Allowed::Nothing, Allowed::Tools),
        ("command.run", Some(rule)) => of_command(rule),
        ("http.fetch", Some(rule)) => {
            rule.strip_prefix("domain:").map_or(Allowed::Nothing, |host| Allowed::Host(host.trim().to_lowercase()))
        }
        _ => Allowed::Nothing,
    }
}

/// `mcp__server__tool`, as it is called elsewhere.
fn of_servers(word: &str) -> Option<String> {
    let rest = word.strip_prefix("mcp__")?;
    Some(match rest.split_once("__") {
        Some((server, tool)) => format!("mcp.{server}.{tool}"),
        None => format!("mcp.{rest}.*"),
    })
}

/// `git log:*` and `git log *` are beginnings, `npm test` is the whole.
fn of_command(rule: &str) -> Allowed {
    let beginning = rule.strip_suffix(":*").or_else(|| rule.strip_suffix(" *")).or_else(|| (rule == "*").then_some(""));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match beginning {
        Some(beginning) => Allowed::Command { words: words(beginning), is_beginning: true },
        None if rule.contains('*') || rule.trim().is_empty() => Allowed::Nothing,
        None => Allowed::Command { words: words(rule), is_beginning: false },
    }
}

impl Allowed {
    fn is_about(&self, tool: &str) -> bool {
        match self {
            Self::Tools(pattern) => pattern.matches(tool),
            Self::Command { .. } => tool == "command.run",
            Self::Host(_) => tool == "http.fetch",
            Self::Nothing => false,
        }
    }

    fn without_condition(self) -> Option<ToolPattern> {
        match self {
            Self::Tools(pattern) => Some(pattern),
            Self::Command { .. } | Self::Host(_) | Self::Nothing => None,
        }
    }

    fn covers(&self, tool: &str, arguments: &Value) -> bool {
        match self {
            Self::Tools(pattern) => pattern.matches(tool),
            Self::Command { .. } => tool == "command.run" && self.covers_words(arguments),
            Self::Host(host) => tool == "http.fetch" && speaks_to(arguments, host),
            Self::Nothing => false,
        }
    }

    /// Every command that would run, the shell that only puts them together left out.
    fn covers_words(&self, arguments: &Value) -> bool {
        let Some(argv) = arguments.get("argv").and_then(Value::as_array) else { return false };
        let Some(argv) = argv.iter().map(Value::as_str).collect::<Option<Vec<&str>>>() else { return false };
        let found: Analysis = orchestrator_commands::argv(&argv, &Limits::default());
        let commands: Vec<&Command> = found.commands.iter().filter(|command| !puts_together(command)).collect();
        // One command alone may be a language of its own, if that is what is allowed; what it does is its own affair.
        let is_known = found.opaque.is_empty() || (found.commands.len() == 1 && commands.len() == 1);
        is_known && !commands.is_empty() && commands.iter().all(|command| self.covers_command(command))
    }

    fn covers_command(&self, command: &Command) -> bool {
        let Self::Command { words, is_beginning } = self else { return false };
        let given = &command.argv;
        let is_long_enough = if *is_beginning { given.len() >= words.len() } else { given.len() == words.len() };
        is_long_enough && words.iter().zip(given).all(|(word, given)| given.literal() == Some(word))
    }
}

/// `sh -c '…'`: what it puts together is told by itself.
fn puts_together(command: &Command) -> bool {
    let is_shell = ["sh", "bash", "dash"].contains(&command.program.as_str()) && !command.is_elsewhere;
    is_shell && command.argv.len() == 3 && command.argv.get(1).and_then(Word::literal) == Some("-c")
}

fn speaks_to(arguments: &Value, host: &str) -> bool {
    let url = arguments.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let told = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    !host.is_empty() && (told == host || told.strip_suffix(host).is_some_and(|before| before.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn following(words: Option<&[&str]>) -> Following {
        let allowed_tools = words.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        Following { skill: "pdf".into(), digest: String::new(), directory: "/skills/pdf".into(), allowed_tools }
    }

    #[track_caller]
    fn check(words: &[&str], tool: &str, arguments: Value, expected: bool) {
        let refused = refusal(&[following(Some(words))], tool, &arguments);
        assert_eq!(refused.is_none(), expected, "{words:?} {tool} {arguments}: {refused:?}");
    }

    fn run(argv: &[&str]) -> Value {
        json!({ "argv": argv })
    }

    #[test]
    fn tools_are_allowed_by_both_kinds_of_names() {
        check(&["Read", "Grep"], "fs.read", json!({}), true);
        check(&["Read", "Grep"], "fs.write", json!({}), false);
        check(&["fs.*"], "fs.write", json!({}), true);
        check(&["mcp__git__log"], "mcp.git.log", json!({}), true);
        check(&["mcp__git"], "mcp.git.push", json!({}), true);
        check(&["mcp__git"], "mcp.other.push", json!({}), false);
        check(&["TodoWrite"], "fs.read", json!({}), false);
        check(&["Read(./docs/**)"], "fs.read", json!({ "path": "docs/a" }), false);
        check(&[], "fs.read", json!({}), false);
        check(&[], USE, json!({}), true);
        assert_eq!(refusal(&[following(None)], "fs.write", &json!({})), None);
    }

    #[test]
    fn commands_are_allowed_by_their_beginnings_whatever_puts_them_together() {
        let git = &["Bash(git log:*)", "Bash(npm test)"][..];
        check(git, "command.run", run(&["git", "log", "-3"]), true);
        check(git, "command.run", run(&["git", "push"]), false);
        check(git, "command.run", run(&["npm", "test"]), true);
        check(git, "command.run", run(&["npm", "test", "--x"]), false);
        check(&["Bash(git:*)"], "command.run", run(&["sh", "-c", "git status && git log"]), true);
        check(&["Bash(git:*)"], "command.run", run(&["sh", "-c", "git status; rm -rf x"]), false);
        check(&["Bash(git:*)"], "command.run", run(&["sh", "-c", "git status; $EDITOR x"]), false);
        check(&["Bash(git:*)"], "command.run", run(&["env", "git", "log"]), false);
        check(&["Bash(git:*)"], "command.run", run(&["/tmp/git", "log"]), false);
        check(&["Bash(python3:*)"], "command.run", run(&["python3", "scripts/a.py"]), true);
        check(&["Bash(python3:*)"], "command.run", run(&["sh", "-c", "python3 a.py; rm x"]), false);
        check(&["Bash"], "command.run", run(&["rm", "x"]), true);
        check(&["Bash(*)"], "command.run", run(&["rm", "x"]), true);
        check(&["Bash(git:*)"], "command.run", json!({ "argv": "git log" }), false);
    }

    #[test]
    fn hosts_are_allowed_with_those_below_them() {
        let fetch = |url: &str| json!({ "url": url });
        let words = &["WebFetch(domain:example.com)"][..];
        check(words, "http.fetch", fetch("https://example.com/a"), true);
        check(words, "http.fetch", fetch("https://docs.example.com/a"), true);
        check(words, "http.fetch", fetch("https://notexample.com/"), false);
        check(words, "http.fetch", fetch("https://example.com.evil.example/"), false);
    }

    #[test]
    fn several_skills_narrow_together_and_what_cannot_be_read_allows_nothing() {
        let both = [following(Some(&["fs.*"])), following(None), following(Some(&["Read", "Bash(git:*)"]))];
        assert!(leaves(&both, "fs.read") && !leaves(&both, "fs.write") && !leaves(&both, "command.run"));
        let left = unconditional(&both).unwrap();
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        assert_eq!(left, ["fs.read", "skill.read", "skill.use"]);
        assert_eq!(unconditional(&[following(None)]), None);
        let damaged = of(&[json!("?")]);
        assert!(refusal(&damaged, "fs.read", &json!({})).is_some());
        let again = of(&[serde_json::to_value(&both[2]).unwrap()]);
        assert_eq!(again, [both[2].clone()]);
    }

    #[test]
    fn files_of_a_skill_are_read_while_it_is_followed() {
        let read = |name: &str| refusal(&[following(Some(&[]))], READ, &json!({ "name": name, "path": "a" }));
        assert_eq!(read("pdf"), None);
        assert!(read("other").unwrap().contains("call skill_use first"));
    }
}
