//! `orchestrator skill …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{plain, short, text, words};

/// What is shown of a description in a table.
const DESCRIPTION_CHARS: usize = 80;

#[derive(Debug, Subcommand)]
pub(crate) enum SkillCommand {
    /// Lists skills, whether each is used, and what is wrong with the others
    #[command(visible_alias = "ls")]
    List,
    /// Shows a skill: what it says, what it could do, and what is different from what was pinned
    Get {
        /// Its name
        skill: String,
    },
    /// Reads skills again and tells what the scanner finds in their files
    Scan {
        /// Its name; all, if it is left out
        skill: Option<String>,
    },
    /// Confirms a skill that is new, has changed or is held, as it is now
    Confirm {
        /// Its name
        skill: String,
        /// What `skill get` showed of it: sha256:…
        digest: String,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: SkillCommand) -> Result<(), Failure> {
    match command {
        SkillCommand::List => list(daemon).await,
        SkillCommand::Get { skill } => get(daemon, &skill).await,
        SkillCommand::Scan { skill } => scan(daemon, skill).await,
        SkillCommand::Confirm { skill, digest } => {
            let answer = daemon.call("skill.confirm", json!({ "skillId": skill, "digest": digest })).await?;
            daemon.out.show(&Answer::told(answer, format!("{skill} is confirmed, and used as it is now")))
        }
    }
}

async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("skill.list", json!({})).await?;
    let skills = visible(found["skills"].clone()).as_array().cloned().unwrap_or_default();
    let names = skills.iter().map(|skill| text(skill, "name").to_owned()).collect();
    let wrong = found["errors"].as_array().into_iter().flatten();
    let wrong = wrong.map(|fault| json!({ "name": fault["skill"], "state": "invalid", "source": fault["file"], "reason": fault["problem"] }));
    let rows = skills.into_iter().chain(wrong).collect();
    let row = |skill: &Value| {
        let about = skill["reason"].as_str().unwrap_or_else(|| text(skill, "description"));
        vec![
            Cell::new(text(skill, "name")),
            toned(text(skill, "state")),
            Cell::new(plain(&skill["findingCount"])),
            Cell::new(text(skill, "source")),
            Cell::new(short(about, DESCRIPTION_CHARS)),
        ]
    };
    let heads = ["SKILL", "STATE", "FINDINGS", "FILE", "ABOUT"];
    let answer = Answer::list(&daemon.out, rows, &heads, "no skills", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}

async fn get(daemon: &Daemon, name: &str) -> Result<(), Failure> {
    let found = daemon.call("skill.get", json!({ "skillId": name })).await?;
    let fields = [
        ("skill", "/name"),
        ("state", "/state"),
        ("why", "/reason"),
        ("description", "/description"),
        ("file", "/source"),
        ("digest", "/digest"),
        ("pinned", "/pinnedDigest"),
        ("allowed tools", "/allowedTools"),
        ("scripts", "/capabilities/scripts"),
        ("programs", "/capabilities/programs"),
        ("hosts", "/capabilities/hosts"),
        ("new tools", "/difference/capabilities/added/allowedTools"),
        ("new scripts", "/difference/capabilities/added/scripts"),
        ("new programs", "/difference/capabilities/added/programs"),
        ("new hosts", "/difference/capabilities/added/hosts"),
        ("gone tools", "/difference/capabilities/removed/allowedTools"),
        ("gone scripts", "/difference/capabilities/removed/scripts"),
        ("gone programs", "/difference/capabilities/removed/programs"),
        ("gone hosts", "/difference/capabilities/removed/hosts"),
        ("files added", "/difference/filesAdded"),
        ("files changed", "/difference/filesChanged"),
        ("files removed", "/difference/filesRemoved"),
        ("licence", "/license"),
        ("compatibility", "/compatibility"),
        ("does nothing", "/otherKeys"),
    ];
    let (raw, found) = (found.clone(), visible(found));
    let answer = Answer::fields(&daemon.out, found.clone(), &fields);
    let unbound = found.pointer("/difference/capabilities/lostItsBounds") == Some(&json!(true));
    let unbound = if unbound { "\n\nit says nothing about tools any more: it narrows none" } else { "" };
    let findings: Vec<String> = found["findings"].as_array().into_iter().flatten().map(finding).collect();
    let findings = if findings.is_empty() { String::new() } else { format!("\n\n{}", findings.join("\n")) };
    let told = format!("{}{unbound}{findings}\n\n{}", answer.text, text(&found, "body"));
    daemon.out.show(&Answer { json: raw, text: told, ids: vec![name.to_owned()] })
}

/// What was written to turn a reader's terminal, or not to be seen, is shown as a mark: somebody looks in order to decide.
fn visible(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(visible_text(&text)),
        Value::Array(items) => items.into_iter().map(visible).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, visible(value))).collect(),
        other => other,
    }
}

fn visible_text(text: &str) -> String {
    let is_hidden = |c: char| match u32::from(c) {
        0x09 | 0x0A => false,
        0x202A..=0x202E | 0x2066..=0x2069 | 0x200B..=0x200F | 0x2060..=0x2064 | 0xE0000..=0xE01EF => true,
        _ => c.is_control(),
    };
    text.chars().map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect()
}

fn finding(finding: &Value) -> String {
    let place = format!("{}:{}", text(finding, "file"), plain(&finding["line"]));
    let place = place.trim_end_matches(':').to_owned();
    format!(
        "{} {} {place}: {}: {}",
        text(finding, "severity"),
        text(finding, "rule"),
        text(finding, "about"),
        text(finding, "excerpt")
    )
}

async fn scan(daemon: &Daemon, skill: Option<String>) -> Result<(), Failure> {
    let found = daemon.call("skill.scan", Value::from(Params::new().maybe("skillId", skill))).await?;
    let scanned = found["skills"].as_array().cloned().unwrap_or_default();
    let of = |skill: &Value| -> Vec<Value> {
        let findings = skill["findings"].as_array().into_iter().flatten().cloned();
        findings
            .map(|mut finding| {
                finding["skill"] = skill["name"].clone();
                finding
            })
            .collect()
    };
    let rows = scanned.iter().flat_map(of).collect();
    let row = |finding: &Value| {
        vec![
            Cell::new(text(finding, "skill")),
            toned(text(finding, "severity")),
            Cell::new(text(finding, "rule")),
            Cell::new(text(finding, "file")),
            Cell::new(words(&finding["line"])),
            Cell::new(format!("{}: {}", text(finding, "about"), text(finding, "excerpt"))),
        ]
    };
    let heads = ["SKILL", "SEVERITY", "RULE", "FILE", "LINE", "WHAT"];
    let answer = Answer::list(&daemon.out, rows, &heads, "nothing was found", row);
    let names = scanned.iter().map(|skill| text(skill, "name").to_owned()).collect();
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}

#[cfg(test)]
mod tests {
    use super::visible_text as visible;

    #[test]
    fn what_turns_a_terminal_or_is_not_seen_is_shown_as_a_mark() {
        assert_eq!(visible("a\tb\n\u{1b}[2Jc\u{202E}d\u{E0041}"), "a\tb\n\u{FFFD}[2Jc\u{FFFD}d\u{FFFD}");
        assert_eq!(visible("gr\u{fc}n \u{4f60}"), "gr\u{fc}n \u{4f60}");
    }
}
