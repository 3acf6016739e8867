use orchestrator_transcript::ToolPattern;

/// The names of Claude Code's tools, and ours.
const OURS: [(&str, &str); 16] = [
    ("Read", "fs.read"),
    ("NotebookRead", "fs.read"),
    ("Write", "fs.write"),
    ("Edit", "fs.edit"),
    ("MultiEdit", "fs.edit"),
    ("NotebookEdit", "fs.edit"),
    ("Grep", "fs.search"),
    ("Glob", "fs.list"),
    ("LS", "fs.list"),
    ("Bash", "command.run"),
    ("BashOutput", "command.run"),
    ("KillBash", "command.run"),
    ("KillShell", "command.run"),
    ("WebFetch", "http.fetch"),
    ("Task", "agent.spawn"),
    ("Agent", "agent.spawn"),
];

/// Tools of Claude Code for which there is nothing here.
const WITHOUT: [&str; 13] = [
    "TodoWrite",
    "TodoRead",
    "WebSearch",
    "SendMessage",
    "Skill",
    "SlashCommand",
    "ExitPlanMode",
    "EnterPlanMode",
    "AskUserQuestion",
    "ToolSearch",
    "ListMcpResourcesTool",
    "ReadMcpResourceTool",
    "LSP",
];

/// What is like a tool of Claude Code here, by the name that tools have here; `None` if nothing is.
///
/// ```
/// assert_eq!(orchestrator_agents::tool_like("Bash"), Some("command.run"));
/// assert_eq!(orchestrator_agents::tool_like("WebSearch"), None);
/// ```
pub fn tool_like(theirs: &str) -> Option<&'static str> {
    OURS.iter().find(|(name, _)| *name == theirs).map(|(_, ours)| *ours)
}

/// The tools of Claude Code that are known here, by its names.
pub fn tools_of_claude_code() -> impl Iterator<Item = &'static str> {
    OURS.into_iter().map(|(theirs, _)| theirs).chain(WITHOUT)
}

/// What a word in `tools` means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    Tools(ToolPattern),
    /// It is known elsewhere and there is nothing like it here.
    Nothing,
}

/// # Errors
/// What is wrong with it.
pub(super) fn tools(word: &str) -> Result<Named, String> {
    if let Some(ours) = tool_like(word) {
        return Ok(Named::Tools(ours.parse().expect("names of our tools are patterns")));
    }
    if word == "Skill" {
        return Ok(Named::Tools(skills()));
    }
    if WITHOUT.contains(&word) {
        return Ok(Named::Nothing);
    }
    if word.contains('(') {
        return Err(format!("`{word}`: rules about arguments are not supported here; name the tool alone"));
    }
    if word.starts_with(|first: char| first.is_ascii_uppercase()) {
        return Err(format!("`{word}` is no tool that is known here; ours are named like `fs.read`"));
    }
    word.parse().map(Named::Tools).map_err(|error: orchestrator_transcript::InvalidPattern| error.to_string())
}

/// The tools by which skills are used and read.
pub(super) fn skills() -> ToolPattern {
    "skill.*".parse().expect("it is a pattern")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_kinds_are_understood() {
        let meant = |word: &str| match tools(word) {
            Ok(Named::Tools(pattern)) => pattern.to_string(),
            Ok(Named::Nothing) => "nothing".to_owned(),
            Err(problem) => problem,
        };
        assert_eq!(meant("Read"), "fs.read");
        assert_eq!(meant("Task"), "agent.spawn");
        assert_eq!(meant("fs.*"), "fs.*");
        assert_eq!(meant("Skill"), "skill.*");
        assert_eq!(meant("mcp__github__search"), "mcp__github__search");
        assert_eq!(meant("TodoWrite"), "nothing");
        assert!(meant("Bash(git log:*)").contains("arguments"));
        assert!(meant("Telepathy").contains("no tool"));
        assert!(meant("fs*").contains("expected"));
    }
}
