//! What people say to sessions, and what they read of them.

use comfy_table::Cell;
use orchestrator_vocab::EventId;
use serde_json::{Value, json};

use super::one;
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, plain, short, text};
use crate::values;

/// The daemon gives no more in one answer.
const PAGE_MAX: usize = 200;
/// The most characters of an entry in a line.
const ENTRY_CHARS_MAX: usize = 120;

#[derive(Debug, clap::Args)]
pub(crate) struct PromptArgs {
    #[arg(value_name = "SESSION")]
    id: String,
    /// What to say: a text, @FILE or -
    text: String,
    /// Saying it again under the same key does nothing [default: a new one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SettleArgs {
    #[arg(value_name = "SESSION")]
    id: String,
    /// The call, as the history names it
    call: String,
    /// It was not made: make it
    #[arg(long, conflicts_with = "done", required_unless_present = "done")]
    repeat: bool,
    /// It was made, with this result: a text, @FILE or -
    #[arg(long, value_name = "RESULT")]
    done: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    #[arg(value_name = "SESSION")]
    id: String,
    /// Only entries with a higher number
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// Entries at most
    #[arg(long, default_value_t = 200)]
    limit: usize,
}

pub(super) async fn prompt(daemon: &Daemon, args: &PromptArgs) -> Result<(), Failure> {
    let key = args.key.clone().unwrap_or_else(|| format!("cli-{}", EventId::new()));
    let params = one(&args.id).with("text", values::read_text(&args.text)?).with("idempotencyKey", key);
    let answer = daemon.call("prompt.submit", params).await?;
    let when = if answer["isWorking"] == true { "said" } else { "will be read when the session goes on" };
    let told = format!("{when} (entry {})", plain(&answer["entry"]));
    daemon.out.show(&Answer::told(answer, told))
}

pub(super) fn settle(args: &SettleArgs) -> Result<Params, Failure> {
    let verdict = match &args.done {
        Some(result) => json!({ "is": "done", "result": values::read_text(result)? }),
        None => json!({ "is": "repeat" }),
    };
    Ok(one(&args.id).with("callId", &args.call).with("verdict", verdict))
}

/// Page for page, since large entries make small pages.
pub(super) async fn history(daemon: &Daemon, args: &HistoryArgs) -> Result<(), Failure> {
    let (mut entries, mut after) = (Vec::new(), args.after);
    while entries.len() < args.limit {
        let limit = (args.limit - entries.len()).min(PAGE_MAX);
        let mut page = daemon.call("session.history", one(&args.id).with("after", after).with("limit", limit)).await?;
        if let Value::Array(more) = page["entries"].take() {
            entries.extend(more);
        }
        match page["nextAfter"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    let header = ["#", "AGE", "KIND", "WHAT"];
    daemon.out.show(&Answer::list(&daemon.out, entries, &header, "nothing was written down", row))
}

fn row(numbered: &Value) -> Vec<Cell> {
    let entry = &numbered["entry"];
    vec![
        Cell::new(plain(&numbered["number"])),
        Cell::new(ago(&numbered["at"])),
        Cell::new(text(entry, "kind")),
        Cell::new(short(&what(entry), ENTRY_CHARS_MAX)),
    ]
}

/// The heart of an entry in a line.
fn what(entry: &Value) -> String {
    match text(entry, "kind") {
        "began" => format!("{}: {}", text(entry, "runtime"), words(&entry["message"]["content"])),
        "input" => format!("{}: {}", plain(&entry["by"]), words(&entry["content"])),
        "asked" => text(entry, "model").to_owned(),
        "answered" => words(&entry["message"]["content"]),
        "decided" => {
            let may = if entry["allowed"] == true { "allowed" } else { "refused" };
            format!("{} {may}: {}", text(entry, "call"), text(entry, "reason"))
        }
        "calling" => format!("{} {}", text(entry, "call"), text(entry, "tool")),
        "returned" => format!("{} {}", text(&entry["result"], "callId"), words(&entry["result"]["content"])),
        "awaiting" => {
            format!("{} waits for {}: {}", text(entry, "call"), text(entry, "approval"), text(entry, "reason"))
        }
        "ruled" => format!("{}: {}", text(entry, "call"), text(entry, "reason")),
        "settled" => format!("{} {} by {}", text(entry, "call"), text(&entry["verdict"], "is"), plain(&entry["by"])),
        _ => format!("{} {}", text(entry, "what"), plain(&entry["facts"])),
    }
}

/// Texts of blocks; of others their type.
fn words(content: &Value) -> String {
    let word = |block: &Value| match text(block, "text") {
        "" => format!("[{}]", text(block, "type")),
        text => text.to_owned(),
    };
    content.as_array().map(|blocks| blocks.iter().map(word).collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

pub(super) async fn replay(daemon: &Daemon, id: &str) -> Result<(), Failure> {
    let again = daemon.call("session.replay", one(id)).await?;
    let differs = again["divergences"].as_array().map_or(0, Vec::len);
    let mut told = format!(
        "{} entries, {} answers, {} calls; next: {}",
        plain(&again["entries"]),
        plain(&again["turns"]),
        plain(&again["calls"]),
        text(&again, "next"),
    );
    match differs {
        0 => told.push_str("; the same throughout"),
        _ => again["divergences"].as_array().into_iter().flatten().for_each(|one| {
            told.push_str(&format!(
                "\n{}: the journal has {}, the replay {}",
                plain(&one["number"]),
                text(one, "journal"),
                text(one, "replay"),
            ));
        }),
    }
    daemon.out.show(&Answer::told(again, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entry: Value, expected: &str) {
        assert_eq!(what(&entry), expected);
    }

    #[test]
    fn an_entry_is_a_line() {
        check(
            json!({ "kind": "input", "by": "user:bob", "content": [{ "type": "text", "text": "hi" }] }),
            "user:bob: hi",
        );
        check(json!({ "kind": "calling", "call": "c1", "tool": "shell" }), "c1 shell");
        check(json!({ "kind": "decided", "call": "c1", "allowed": false, "reason": "no" }), "c1 refused: no");
        check(json!({ "kind": "answered", "message": { "content": [{ "type": "image" }] } }), "[image]");
        check(json!({ "kind": "noted", "what": "resumed", "facts": { "node": "n" } }), r#"resumed {"node":"n"}"#);
    }
}
