//! `orchestrator event …`

use clap::Subcommand;
use comfy_table::Cell;
use orchestrator_client::Event;
use serde_json::{Value, json};

use super::tail::TailArgs;
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Tone;
use crate::params::Params;
use crate::sentence;
use crate::show::{plain, short, text};

/// The most characters of a payload in a line.
const PAYLOAD_CHARS_MAX: usize = 200;

#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// Shows events as they happen; goes on by itself after a break
    Tail(TailArgs),
    /// Shows events that are stored
    #[command(visible_alias = "ls")]
    List {
        /// Names or patterns such as task.*
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Only about the thing with this id
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        /// Only after this number
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// The oldest first
        #[arg(long)]
        oldest: bool,
        /// Events at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: EventCommand) -> Result<(), Failure> {
    match command {
        // Done already: it makes a connection of its own.
        EventCommand::Tail(_) => Ok(()),
        EventCommand::List { patterns, subject, after, oldest, limit } => {
            let params = Params::new()
                .list("events", &patterns)
                .maybe("subject", subject)
                .maybe("afterSeq", after)
                .flag("newestFirst", !oldest);
            list(daemon, params, limit).await
        }
    }
}

/// One event in a line.
pub(super) fn show(daemon: &Daemon, event: &Event) -> Result<(), Failure> {
    let out = &daemon.out;
    let payload: Value = event.parse().unwrap_or(Value::Null);
    if out.is_json() {
        return out.json_line(&json!({ "event": event.name, "seq": event.seq, "payload": payload }));
    }
    let seq = event.seq.map(|seq| seq.to_string()).unwrap_or_default();
    if !out.is_text() {
        return out.line(&seq);
    }
    let name = out.paint(&format!("{:<18}", event.name), Tone::Busy);
    out.line(&format!("{seq:>7}  {name}  {}", said(&event.name, &payload)))
}

/// Whom it is about, and what.
fn said(name: &str, payload: &Value) -> String {
    match sentence::event(name, payload) {
        Some(said) => {
            let field = if name.starts_with("schedule.") { "scheduleId" } else { "taskId" };
            format!("{}  {said}", text(payload, field)).trim_start().to_owned()
        }
        None => short(&payload.to_string(), PAYLOAD_CHARS_MAX),
    }
}

async fn list(daemon: &Daemon, params: Params, limit: usize) -> Result<(), Failure> {
    let events = daemon.items("event.list", params, limit).await?;
    let row = |event: &Value| {
        let name = text(event, "event");
        vec![
            Cell::new(plain(&event["seq"])),
            Cell::new(text(event, "time")),
            Cell::new(name),
            Cell::new(text(event, "actor")),
            Cell::new(said(name, &event["payload"])),
        ]
    };
    daemon.out.show(&Answer::list(&daemon.out, events, &["SEQ", "TIME", "EVENT", "BY", "WHAT"], "no events", row))
}
