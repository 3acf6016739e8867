//! `orchestrator event tail`

use std::path::PathBuf;

use orchestrator_client::{Delivery, Gap, Resumption, Subscription, Topics};
use serde_json::{Value, json};

use super::event::show;
use crate::args::ConnectionArgs;
use crate::bookmark::Bookmark;
use crate::connection;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::{Out, Tone};

/// The name of the one subscription in the window of a tail.
const NAME: &str = "tail";

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Names or patterns such as task.*; * is one word, ** any number, * alone everything
    #[arg(value_name = "PATTERN", default_value = "*")]
    patterns: Vec<String>,
    /// Starts after this number instead of now; 0 is the beginning. With --resume, only if FILE is new
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Only if the payload has this value, for example taskId=task_… (repeatable)
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = condition)]
    conditions: Vec<(String, Value)>,
    /// Keeps in FILE how far it is, and goes on there when it is started again: what happened meanwhile comes first. The
    /// daemon keeps a bounded number of events for it, and says what is missing if there were more
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

/// The value is JSON if it can be, otherwise text.
fn condition(text: &str) -> Result<(String, Value), String> {
    let (field, value) = text.split_once('=').ok_or("expected FIELD=VALUE")?;
    Ok((field.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
}

pub(crate) async fn run(args: TailArgs, connection: &ConnectionArgs, out: Out) -> Result<(), Failure> {
    let mut topics = Topics { after_seq: args.after, ..Topics::new(args.patterns) };
    topics.filter.extend(args.conditions);
    let bookmark = args.resume.map(|path| Bookmark::open(&path, &topics)).transpose()?;
    let token = bookmark.as_ref().and_then(Bookmark::token);
    let client = connection::connect_again(connection, token).await?;
    let daemon = Daemon { client, out };
    let outcome = match bookmark {
        Some(bookmark) => Box::pin(durable(&daemon, topics, bookmark)).await,
        None => Box::pin(plain(&daemon, topics)).await,
    };
    daemon.client.close().await;
    outcome
}

async fn plain(daemon: &Daemon, topics: Topics) -> Result<(), Failure> {
    let mut events = daemon.subscribe(topics).await?;
    while let Some(delivery) = events.next().await.transpose()? {
        match delivery {
            Delivery::Event(event) => show(daemon, &event)?,
            Delivery::Gap(gap) => missing(daemon, &gap)?,
            Delivery::Resumed(_) => daemon.out.note("(goes on after a break)"),
        }
    }
    Ok(())
}

async fn durable(daemon: &Daemon, topics: Topics, mut bookmark: Bookmark) -> Result<(), Failure> {
    let mut events = begin(daemon, topics, &mut bookmark).await?;
    while let Some(delivery) = events.next().await.transpose()? {
        // Shown, then written down, then acknowledged: an end in between may show it again, and never leaves it out.
        match delivery {
            Delivery::Event(event) => {
                show(daemon, &event)?;
                if let Some(seq) = event.seq {
                    bookmark.reached(seq)?;
                    events.acknowledge(seq);
                }
            }
            Delivery::Gap(gap) => {
                missing(daemon, &gap)?;
                gap.to.map_or(Ok(()), |to| bookmark.reached(to))?;
            }
            Delivery::Resumed(Resumption::WindowLost) => {
                bookmark.renew(daemon.client.resume_token())?;
                daemon.out.note("(goes on after a break; the daemon had forgotten this tail, nothing is missing)");
            }
            Delivery::Resumed(_) => daemon.out.note("(goes on after a break)"),
        }
    }
    Ok(())
}

async fn begin(daemon: &Daemon, mut topics: Topics, bookmark: &mut Bookmark) -> Result<Subscription, Failure> {
    if let Some(after) = bookmark.after() {
        check_log(daemon, after, bookmark).await?;
        topics.after_seq = Some(after);
    }
    let events = daemon.subscribe(topics.durable(NAME)).await?;
    bookmark.renew(daemon.client.resume_token())?;
    bookmark.reached(events.after_seq())?;
    let after = events.after_seq();
    match events.resumed() {
        Some(Resumption::WindowLost) => {
            daemon.out.note(&format!(
                "(goes on after number {after}; the daemon had forgotten this tail, nothing is missing)"
            ));
        }
        Some(_) => daemon.out.note(&format!("(goes on after number {after})")),
        None => {}
    }
    Ok(events)
}

/// A number of another daemon's log means nothing in this one, and would hide what is new.
async fn check_log(daemon: &Daemon, after: u64, bookmark: &Bookmark) -> Result<(), Failure> {
    let head = daemon.head().await?;
    if after <= head {
        return Ok(());
    }
    let path = bookmark.path().display();
    let problem = format!("{path} is at number {after}, and the last event of this daemon is number {head}");
    Err(Failure::failed(problem)
        .hint(format!("is it another daemon, or an older database? Without {path} it begins anew")))
}

fn missing(daemon: &Daemon, gap: &Gap) -> Result<(), Failure> {
    let out = &daemon.out;
    if out.is_json() {
        return out.json_line(&json!({ "event": "stream.gap", "payload": gap }));
    }
    if !out.is_text() {
        // Among numbers, one for each line, it would be read as one.
        eprintln!("{}", said(gap).trim_start());
        return Ok(());
    }
    out.line(&out.paint(&said(gap), Tone::Waiting))
}

fn said(gap: &Gap) -> String {
    let Gap { from, to, count, reason } = gap;
    let are = if *count == 1 { "event is" } else { "events are" };
    match (from, to, reason.as_str()) {
        (Some(from), Some(to), "window") => {
            let before = from.saturating_sub(1);
            format!(
                "{:>7}  {count} {are} missing, of the numbers {from} to {to}: more than the daemon keeps for who is away; \
                 `orchestrator event list --oldest --after {before}` shows them",
                ""
            )
        }
        (Some(from), Some(to), reason) => {
            format!("{:>7}  {count} {are} missing, of the numbers {from} to {to} ({reason})", "")
        }
        (_, _, reason) => format!("{:>7}  {count} {are} missing ({reason})", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_with_its_numbers_and_where_to_look() {
        let gap = |from, to, count, reason: &str| said(&Gap { from, to, count, reason: reason.into() });
        let window = gap(Some(4), Some(205), 200, "window");
        assert!(window.contains("200 events are missing, of the numbers 4 to 205"), "{window}");
        assert!(window.contains("--after 3`"), "{window}");
        assert!(gap(Some(4), Some(4), 1, "trimmed").ends_with("1 event is missing, of the numbers 4 to 4 (trimmed)"));
        assert!(gap(None, None, 7, "slow").ends_with("7 events are missing (slow)"));
    }
}
