use std::collections::BTreeSet;
use std::sync::LazyLock;

use orchestrator_commands::Limits;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::{AllowedTool, SkillFile};

/// Of each list; what is more is told by `isWhole`.
const LISTED_MAX: usize = 256;

/// What a skill could do, as far as its files tell: for people who decide about it, and to compare it with what it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// The tools that it says it needs; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<BTreeSet<String>>,
    /// Files that may be executed, or are written for an interpreter.
    pub scripts: BTreeSet<String>,
    /// Programs that its scripts and the commands in its texts name.
    pub programs: BTreeSet<String>,
    /// Hosts of the addresses in its files.
    pub hosts: BTreeSet<String>,
}

/// What is different between two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What the newer has and the older has not.
    pub added: Capabilities,
    /// What the older had and the newer has not.
    pub removed: Capabilities,
    /// Whether the newer says nothing any more about tools, which the older did: they are not narrowed then.
    pub lost_its_bounds: bool,
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?-u:\b)(?:https?|wss?|ftp|ssh|git)://(?:[^\s/@"'<>]*@)?([a-z0-9.-]+|\[[0-9a-f:.]+\])"#)
        .expect("it is a pattern")
});
static FENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?ms)^[ \t]*```[ \t]*(?:bash|sh|shell|console|zsh)[^\n]*\n(.*?)^[ \t]*```").expect("it is a pattern")
});

impl Capabilities {
    /// Of these files.
    pub(crate) fn of<'a>(
        allowed: Option<&[AllowedTool]>,
        files: impl Iterator<Item = (&'a SkillFile, &'a [u8])>,
    ) -> Self {
        let allowed_tools = allowed.map(|tools| tools.iter().map(ToString::to_string).collect());
        let mut found = Self { allowed_tools, ..Self::default() };
        for (file, bytes) in files {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            let language = language(&file.path, text);
            if file.executable || language.is_some() {
                insert(&mut found.scripts, &file.path);
            }
            match language {
                Some("sh") => found.commands(text),
                Some(interpreter) => insert(&mut found.programs, interpreter),
                None => FENCE.captures_iter(text).for_each(|fence| found.commands(&fence[1])),
            }
            ADDRESS.captures_iter(text).for_each(|address| insert(&mut found.hosts, &address[1].to_lowercase()));
        }
        found
    }

    fn commands(&mut self, script: &str) {
        let analysis = orchestrator_commands::script(script, &Limits::default());
        analysis.programs().for_each(|program| insert(&mut self.programs, program));
    }

    /// What is different from what was `before`.
    pub fn since(&self, before: &Self) -> Difference {
        Difference {
            added: self.without(before),
            removed: before.without(self),
            lost_its_bounds: self.allowed_tools.is_none() && before.allowed_tools.is_some(),
        }
    }

    fn without(&self, other: &Self) -> Self {
        let none = BTreeSet::new();
        let theirs = other.allowed_tools.as_ref().unwrap_or(&none);
        let tools = self.allowed_tools.as_ref().map(|ours| ours - theirs).filter(|tools| !tools.is_empty());
        Self {
            allowed_tools: tools,
            scripts: &self.scripts - &other.scripts,
            programs: &self.programs - &other.programs,
            hosts: &self.hosts - &other.hosts,
        }
    }
}

fn insert(list: &mut BTreeSet<String>, item: &str) {
    let is_shown = !item.is_empty() && item.len() <= 255 && !item.chars().any(char::is_control);
    if is_shown && list.len() < LISTED_MAX {
        list.insert(item.to_owned());
    }
}

/// The interpreter that a file is written for; `sh` for every shell that is read like one.
pub(crate) fn language(path: &str, text: &str) -> Option<&'static str> {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let by_ending = match ending.as_str() {
        "sh" | "bash" | "zsh" | "ksh" => Some("sh"),
        "py" | "pyw" => Some("python3"),
        "js" | "mjs" | "cjs" | "ts" => Some("node"),
        "rb" => Some("ruby"),
        "pl" => Some("perl"),
        "php" => Some("php"),
        "ps1" | "psm1" => Some("pwsh"),
        "bat" | "cmd" => Some("cmd"),
        "lua" => Some("lua"),
        "applescript" | "scpt" => Some("osascript"),
        _ => None,
    };
    by_ending.or_else(|| {
        let first = text.strip_prefix("#!")?.lines().next()?;
        let names = ["python", "node", "ruby", "perl", "php", "pwsh", "lua", "deno", "bun", "osascript"];
        let known = names.iter().find(|name| first.contains(**name)).copied();
        known.or_else(|| first.contains("sh").then_some("sh"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, executable: bool) -> SkillFile {
        SkillFile { path: path.to_owned(), bytes: 0, sha256: String::new(), executable }
    }

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn what_files_could_do_is_told() {
        let text = "See https://docs.example.com/a.\n\n```bash\ngit log | sort\n```\n```python\nimport os\n```\n";
        let files = [
            (file("SKILL.md", false), text),
            (file("scripts/a.sh", false), "curl -s https://API.example.com | jq .\n"),
            (file("scripts/b.py", false), "print(1)\n"),
            (file("scripts/c", true), "#!/usr/bin/env bash\nenv rm -rf build\n"),
        ];
        let found = Capabilities::of(None, files.iter().map(|(file, text)| (file, text.as_bytes())));
        assert_eq!(found.scripts, set(&["scripts/a.sh", "scripts/b.py", "scripts/c"]));
        assert_eq!(found.programs, set(&["curl", "env", "git", "jq", "python3", "rm", "sort"]));
        assert_eq!(found.hosts, set(&["api.example.com", "docs.example.com"]));
    }

    #[test]
    fn what_is_different_is_told_both_ways() {
        let before =
            Capabilities { allowed_tools: Some(set(&["Read"])), programs: set(&["git"]), ..Capabilities::default() };
        let after =
            Capabilities { hosts: set(&["evil.example"]), programs: set(&["git", "curl"]), ..Capabilities::default() };
        let told = after.since(&before);
        assert_eq!((told.added.programs, told.added.hosts), (set(&["curl"]), set(&["evil.example"])));
        assert_eq!((told.removed.allowed_tools, told.lost_its_bounds), (Some(set(&["Read"])), true));
        assert_eq!(after.since(&after), Difference::default());
    }
}
