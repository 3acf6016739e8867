use std::collections::BTreeSet;

use orchestrator_transcript::ToolPattern;
use orchestrator_vocab::{AgentId, Capability, OrgId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::{Location, Spanned};

use super::fault::Wrong;
use super::names::{self, Named};
use super::words::Words;
use crate::agent::{CAPABILITIES_MAX, CONCURRENT_MAX, DESCRIPTION_CHARS_MAX};
use crate::profile::{MemoryScope, PermissionMode, Restart, Role, Runtime, Thinking, Workspace};

/// Deeper than any field.
const DEPTH_MAX: usize = 16;
const NAME_CHARS_MAX: usize = 100;
const MODEL_CHARS_MAX: usize = 200;
const GROUPS_MAX: usize = 32;
const TOOLS_MAX: usize = 256;
const SKILLS_MAX: usize = 256;
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// What a file says, as it is written. Fields of Claude Code keep its spelling.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Written {
    name: Option<Spanned<String>>,
    description: Option<Spanned<String>>,
    org: Option<OrgId>,
    r#type: Option<Role>,
    tier: Option<Spanned<u8>>,
    group: Option<Spanned<Words>>,
    groups: Option<Spanned<Words>>,
    capabilities: Option<Spanned<Words>>,
    runtime: Option<Runtime>,
    program: Option<Spanned<String>>,
    model: Option<Spanned<String>>,
    fallback_allowed: Option<bool>,
    thinking: Option<Spanned<Amount>>,
    effort: Option<Spanned<Amount>>,
    temperature: Option<Spanned<f64>>,
    tools: Option<Spanned<Words>>,
    disallowed_tools: Option<Spanned<Words>>,
    permission_mode: Option<PermissionMode>,
    max_turns: Option<Spanned<u64>>,
    max_instances: Option<Spanned<u64>>,
    max_tokens: Option<Spanned<u64>>,
    timeout_ms: Option<Spanned<u64>>,
    workspace: Option<Workspace>,
    isolation: Option<Workspace>,
    workspace_source: Option<Spanned<String>>,
    memory: Option<Spanned<MemoryScope>>,
    charter: Option<Spanned<String>>,
    restart: Option<Restart>,
    extends: Option<Spanned<String>>,
    skills: Option<Spanned<Words>>,
    // What Claude Code knows and nothing here answers to.
    mcp_servers: Option<Spanned<IgnoredAny>>,
    hooks: Option<Spanned<IgnoredAny>>,
    background: Option<Spanned<IgnoredAny>>,
    initial_prompt: Option<Spanned<IgnoredAny>>,
    color: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Amount {
    Switch(bool),
    Tokens(u32),
    Word(Word),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Off,
    Minimal,
    Low,
    Medium,
    High,
    #[serde(alias = "xhigh")]
    Max,
}

/// What a file says, each part checked by itself. `None`: as its parent, or by default.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) org: Option<OrgId>,
    pub(super) role: Option<Role>,
    pub(super) tier: Option<u8>,
    pub(super) groups: Option<BTreeSet<String>>,
    pub(super) capabilities: Option<BTreeSet<Capability>>,
    pub(super) runtime: Option<Runtime>,
    pub(super) program: Option<AgentId>,
    pub(super) model: Option<String>,
    pub(super) fallback_allowed: Option<bool>,
    pub(super) thinking: Option<Thinking>,
    pub(super) temperature: Option<f64>,
    /// `None`: every tool that its parent has.
    pub(super) tools: Option<BTreeSet<ToolPattern>>,
    pub(super) disallowed_tools: BTreeSet<ToolPattern>,
    pub(super) permission_mode: Option<PermissionMode>,
    pub(super) max_turns: Option<u32>,
    pub(super) max_instances: Option<u32>,
    pub(super) max_tokens: Option<u32>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) workspace: Option<Workspace>,
    pub(super) workspace_source: Option<String>,
    pub(super) memory: Option<MemoryScope>,
    pub(super) charter: Option<String>,
    pub(super) restart: Option<Restart>,
    /// `None`: all that there are.
    pub(super) skills: Option<BTreeSet<String>>,
    /// The parent, and where it is named.
    pub(super) extends: Option<(AgentId, Option<(u64, u64)>)>,
    pub(super) prompt: String,
    /// What is kept and does nothing.
    pub(super) notes: Vec<Wrong>,
}

/// Reads a file's text.
///
/// # Errors
/// What is wrong first.
pub(super) fn read(text: &str) -> Result<Said, Wrong> {
    let (front, body) = split(text)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX, max_aliases: 0, max_anchors: 0, max_documents: 1, max_nodes: 4_096,
        },
        strict_booleans: true,
    };
    let written: Written = match front.trim().is_empty() {
        true => Written::default(),
        false => serde_saphyr::from_str_with_options(front, options)?,
    };
    let mut said = checked(written)?;
    body.trim().clone_into(&mut said.prompt);
    Ok(said)
}

/// The YAML between the lines `---`, and what follows.
fn split(text: &str) -> Result<(&str, &str), Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let expected = || Wrong::first_line("expected `---` in the first line, YAML, and another line `---`");
    let after = text.strip_prefix("---").ok_or_else(expected)?;
    let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).ok_or_else(expected)?;
    let mut at = 0;
    for line in after.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((&after[..at], &after[at + line.len()..]));
        }
        at += line.len();
    }
    Err(expected())
}

fn checked(written: Written) -> Result<Said, Wrong> {
    let mut notes = unbuilt(&written);
    let both = |one: &Option<Spanned<Words>>, other: Option<Spanned<Words>>, problem: &str| match (one, other) {
        (Some(_), Some(other)) => Err(Wrong::at(other.referenced, problem)),
        (_, other) => Ok(other),
    };
    let groups = both(&written.group, written.groups, "`group` and `groups` say the same: use one")?;
    if let (Some(_), Some(effort)) = (&written.thinking, &written.effort) {
        return Err(Wrong::at(effort.referenced, "`thinking` and `effort` say the same: use one"));
    }
    let tools = written.tools.map(|words| patterns(words, &mut notes)).transpose()?;
    let disallowed_tools = written.disallowed_tools.map(|words| patterns(words, &mut notes)).transpose()?;
    Ok(Said {
        name: text(written.name, NAME_CHARS_MAX)?,
        description: text(written.description, DESCRIPTION_CHARS_MAX)?,
        org: written.org,
        role: written.r#type,
        tier: within(written.tier, "tier", 0, 3)?,
        groups: written.group.or(groups).map(named_groups).transpose()?,
        capabilities: written.capabilities.map(capabilities).transpose()?,
        runtime: written.runtime,
        program: written.program.map(|name| id(&name)).transpose()?,
        // What Claude Code writes for the model of whoever calls.
        model: text(written.model, MODEL_CHARS_MAX)?.filter(|model| model != "inherit"),
        fallback_allowed: written.fallback_allowed,
        thinking: written.thinking.or(written.effort).map(thinking).transpose()?,
        temperature: temperature(written.temperature)?,
        tools,
        disallowed_tools: disallowed_tools.unwrap_or_default(),
        permission_mode: written.permission_mode,
        max_turns: within(written.max_turns, "maxTurns", 1, 10_000)?,
        max_instances: within(written.max_instances, "maxInstances", 1, u64::from(CONCURRENT_MAX))?,
        max_tokens: within(written.max_tokens, "maxTokens", 1, 10_000_000)?,
        timeout_ms: within(written.timeout_ms, "timeoutMs", 1, WEEK_MS)?,
        workspace: written.workspace.or(written.isolation),
        workspace_source: text(written.workspace_source, NAME_CHARS_MAX)?,
        memory: written.memory.map(|memory| memory.value),
        charter: text(written.charter, NAME_CHARS_MAX)?,
        restart: written.restart,
        skills: written.skills.map(skills).transpose()?,
        extends: written.extends.map(parent).transpose()?,
        prompt: String::new(),
        notes,
    })
}

fn unbuilt(written: &Written) -> Vec<Wrong> {
    let mut notes = Vec::new();
    let mut note = |at: Option<Location>, text: &str| notes.extend(at.map(|at| Wrong::at(at, text)));
    note(written.mcp_servers.as_ref().map(|m| m.referenced), "mcpServers: not read from here; the field does nothing");
    note(written.hooks.as_ref().map(|h| h.referenced), "hooks: not built; the field does nothing");
    note(written.background.as_ref().map(|b| b.referenced), "background: every agent here is; the field does nothing");
    note(written.initial_prompt.as_ref().map(|p| p.referenced), "initialPrompt: the field does nothing here");
    notes
}

fn text(given: Option<Spanned<String>>, chars_max: usize) -> Result<Option<String>, Wrong> {
    let Some(Spanned { value, referenced, .. }) = given else { return Ok(None) };
    match (1..=chars_max).contains(&value.trim().chars().count()) && !value.contains('\0') {
        true => Ok(Some(value.trim().to_owned())),
        false => Err(Wrong::at(referenced, format!("expected 1 to {chars_max} characters"))),
    }
}

fn within<N: Copy + Into<u64>, M: TryFrom<u64>>(
    given: Option<Spanned<N>>,
    field: &str,
    least: u64,
    most: u64,
) -> Result<Option<M>, Wrong> {
    let Some(given) = given else { return Ok(None) };
    let number: u64 = given.value.into();
    let fits = (least..=most).contains(&number).then(|| M::try_from(number).ok()).flatten();
    let wrong = || Wrong::at(given.referenced, format!("{field}: expected {least} to {most}, got {number}"));
    fits.map(Some).ok_or_else(wrong)
}

fn temperature(given: Option<Spanned<f64>>) -> Result<Option<f64>, Wrong> {
    match given {
        Some(given) if !(0.0..=2.0).contains(&given.value) => {
            Err(Wrong::at(given.referenced, format!("temperature: expected 0 to 2, got {}", given.value)))
        }
        given => Ok(given.map(|given| given.value)),
    }
}

fn thinking(given: Spanned<Amount>) -> Result<Thinking, Wrong> {
    Ok(match given.value {
        Amount::Switch(false) | Amount::Word(Word::Off) => Thinking::Off,
        Amount::Switch(true) | Amount::Word(Word::Medium) => Thinking::Medium,
        Amount::Word(Word::Minimal) => Thinking::Minimal,
        Amount::Word(Word::Low) => Thinking::Low,
        Amount::Word(Word::High) => Thinking::High,
        Amount::Word(Word::Max) => Thinking::Max,
        Amount::Tokens(tokens @ 1_024..=10_000_000) => Thinking::Tokens(tokens),
        Amount::Tokens(tokens) => {
            return Err(Wrong::at(given.referenced, format!("thinking: expected 1024 tokens or more, got {tokens}")));
        }
    })
}

fn id(name: &Spanned<String>) -> Result<AgentId, Wrong> {
    name.value.parse().map_err(|error| Wrong::at(name.referenced, format!("`{}`: {error}", name.value)))
}

fn parent(name: Spanned<String>) -> Result<(AgentId, Option<(u64, u64)>), Wrong> {
    Ok((id(&name)?, Wrong::at(name.referenced, "").at))
}

/// Each word, and where it is.
fn each(words: Spanned<Words>, field: &str, most: usize) -> Result<impl Iterator<Item = Spanned<String>>, Wrong> {
    let place = words.referenced;
    if words.value.0.len() > most {
        return Err(Wrong::at(place, format!("{field}: expected at most {most}")));
    }
    let located = move |mut word: Spanned<String>| {
        if word.referenced.line() == 0 {
            word.referenced = place;
        }
        word
    };
    Ok(words.value.0.into_iter().map(located))
}

fn patterns(words: Spanned<Words>, notes: &mut Vec<Wrong>) -> Result<BTreeSet<ToolPattern>, Wrong> {
    let mut found = BTreeSet::new();
    for word in each(words, "tools", TOOLS_MAX)? {
        match names::tools(&word.value).map_err(|problem| Wrong::at(word.referenced, problem))? {
            Named::Tools(pattern) => drop(found.insert(pattern)),
            Named::Nothing => {
                notes.push(Wrong::at(word.referenced, format!("`{}`: there is no such tool here", word.value)));
            }
        }
    }
    Ok(found)
}

fn named_groups(words: Spanned<Words>) -> Result<BTreeSet<String>, Wrong> {
    let checked = |word: Spanned<String>| id(&word).map(|name| name.to_string());
    each(words, "groups", GROUPS_MAX)?.map(checked).collect()
}

/// Whether there are skills of these names is known where skills are.
fn skills(words: Spanned<Words>) -> Result<BTreeSet<String>, Wrong> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let checked = |word: Spanned<String>| match (1..=64).contains(&word.value.len()) && word.value.bytes().all(is_known)
    {
        true => Ok(word.value),
        false => Err(Wrong::at(word.referenced, format!("`{}`: expected the name of a skill", word.value))),
    };
    each(words, "skills", SKILLS_MAX)?.map(checked).collect()
}

fn capabilities(words: Spanned<Words>) -> Result<BTreeSet<Capability>, Wrong> {
    let checked = |word: Spanned<String>| {
        let wrong = |problem: String| Wrong::at(word.referenced, format!("`{}`: {problem}", word.value));
        let capability: Capability = word.value.parse().map_err(|error| wrong(format!("{error}")))?;
        match crate::agent::is_reserved(&capability) {
            true => Err(wrong("what begins with `agent.` or `type.` is given to agents by the daemon".into())),
            false => Ok(capability),
        }
    };
    each(words, "capabilities", CAPABILITIES_MAX)?.map(checked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, place: (u64, u64), problem: &str) {
        let wrong = read(text).unwrap_err();
        assert_eq!(wrong.at, Some(place), "{}", wrong.problem);
        assert!(wrong.problem.contains(problem), "{}", wrong.problem);
    }

    #[test]
    fn the_place_of_what_is_wrong_is_told() {
        check("Hello", (1, 1), "expected `---`");
        check("---\nname: x\n", (1, 1), "expected `---`");
        check("---\nname: x\ncolour: red\n---\n", (3, 1), "unknown field `colour`");
        check("---\ntype: wizard\n---\n", (2, 7), "wizard");
        check("---\ntier: 4\n---\n", (2, 7), "tier: expected 0 to 3, got 4");
        check("---\nmaxTurns: 0\n---\n", (2, 11), "maxTurns: expected 1 to 10000");
        check("---\ntools: [fs.read, Fly]\n---\n", (2, 18), "`Fly` is no tool");
        check("---\ntools: Read, Fly\n---\n", (2, 8), "`Fly` is no tool");
        check("---\r\nname: a\r\neffort: low\r\nthinking: low\r\n---\r\n", (3, 9), "say the same");
        check("---\nextends: ../up\n---\n", (2, 10), "expected 1 to 63");
        check("---\nname: a\nname: b\n---\n", (3, 1), "duplicate");
        check("---\ncapabilities: agent.other\n---\n", (2, 15), "given to agents by the daemon");
        check("---\nthinking: 12\n---\n", (2, 11), "1024 tokens");
        check("---\nskills: [pdf, Not_One]\n---\n", (2, 15), "the name of a skill");
    }

    #[test]
    fn a_bomb_of_anchors_is_refused_at_once() {
        let bomb = "---\nname: &a [x, x]\ndescription: [*a, *a]\n---\n";
        assert!(read(bomb).is_err());
        let deep = format!("---\nhooks: {}1{}\n---\n", "[".repeat(50), "]".repeat(50));
        assert!(read(&deep).is_err());
        let wide = format!("---\nhooks: [{}1]\n---\n", "1,".repeat(10_000));
        assert!(read(&wide).is_err());
    }

    #[test]
    fn a_file_of_claude_code_is_understood() {
        let text = "---\nname: code-reviewer\ndescription: Reviews code.\ntools: Read, Grep, Glob, TodoWrite\nmodel: inherit\n\
            permissionMode: plan\nmaxTurns: 12\ncolor: red\nmemory: project\nisolation: worktree\neffort: high\n\
            hooks:\n  Stop: []\n---\n\nYou review.\n";
        let said = read(text).unwrap();
        assert_eq!((said.name.as_deref(), said.prompt.as_str()), (Some("code-reviewer"), "You review."));
        let tools: Vec<String> = said.tools.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(tools, ["fs.list", "fs.read", "fs.search"]);
        assert_eq!(
            (said.model, said.workspace, said.thinking),
            (None, Some(Workspace::Worktree), Some(Thinking::High))
        );
        let notes: Vec<&str> = said.notes.iter().map(|note| note.problem.split(':').next().unwrap()).collect();
        assert_eq!(notes, ["hooks", "`TodoWrite`"]);
    }
}
