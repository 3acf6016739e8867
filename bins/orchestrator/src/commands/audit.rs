//! `orchestrator audit …`

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use orchestrator_security::Verified;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Out;
use crate::params::Params;
use crate::show::{now, plain, text};
use crate::values;

/// Lines that are fetched at a time.
const PAGE: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Shows what was decided, the newest first
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Counts what was decided, and by which line
    Report {
        /// How far back, such as 12h
        #[arg(long, value_name = "SPAN", value_parser = values::span)]
        since: Option<Duration>,
    },
    /// Looks at every record and tells what was changed; fails if anything was
    Verify {
        /// The log in this directory instead of the daemon's; no daemon is needed
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
        /// The public key (base64) that must have signed it; by default the one it names itself
        #[arg(long, value_name = "KEY", requires = "directory")]
        key: Option<String>,
    },
    /// Writes the log's files into a directory, where `audit verify --directory` can look at them
    Export {
        /// Made if it is missing; must be empty
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Records at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only records before this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// Only what this one wanted, such as agent:coder
    #[arg(long)]
    actor: Option<String>,
    /// Only this tool or operation, such as fs.write
    #[arg(long)]
    action: Option<String>,
    /// Only what was refused
    #[arg(long)]
    denied: bool,
    /// Only what was wanted in this session
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// How far back, such as 12h
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    since: Option<Duration>,
}

pub(crate) async fn run(daemon: &Daemon, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List(args) => list(daemon, args).await,
        AuditCommand::Report { since } => report(daemon, since).await,
        AuditCommand::Export { directory } => export(daemon, &directory).await,
        AuditCommand::Verify { .. } => {
            let verified = daemon.call("audit.verify", json!({})).await?;
            let verified: Verified = serde_json::from_value(verified).map_err(other)?;
            told(&verified, &daemon.out)
        }
    }
}

/// Without a daemon.
pub(crate) fn verify(directory: &Path, key: Option<&str>, out: &Out) -> Result<(), Failure> {
    let verified = orchestrator_security::verify(directory, key).map_err(other)?;
    told(&verified, out)
}

fn told(verified: &Verified, out: &Out) -> Result<(), Failure> {
    let mut lines: Vec<String> = verified.faults.iter().map(ToString::to_string).collect();
    let seq = verified.head.as_ref().map_or(0, |head| head.seq);
    lines.push(match verified.intact {
        true => format!("intact: {} records in {} files, up to record {seq}", verified.records, verified.files),
        false => format!("not intact: {} faults in {} records", verified.faults_total, verified.records),
    });
    out.show(&Answer::told(json!(verified), lines.join("\n")))?;
    match verified.intact {
        true => Ok(()),
        false => Err(Failure::failed("the audit log is not as it was written")),
    }
}

async fn list(daemon: &Daemon, args: ListArgs) -> Result<(), Failure> {
    let params = Params::new()
        .with("limit", args.limit)
        .maybe("before", args.before)
        .maybe("actor", args.actor)
        .maybe("action", args.action)
        .maybe("decision", args.denied.then_some("denied"))
        .maybe("sessionId", args.session)
        .maybe("since", args.since.map(|since| now() - since));
    let found = daemon.call("audit.list", Value::from(params)).await?;
    let items = found["items"].as_array().cloned().unwrap_or_default();
    let row = |record: &Value| {
        let entry = &record["entry"];
        let cells = [plain(&record["seq"]), plain(&record["at"]), text(entry, "actor").to_owned()];
        let decided = [text(entry, "action"), text(entry, "decision"), text(entry, "reason")];
        cells.into_iter().chain(decided.map(str::to_owned)).map(Cell::new).collect()
    };
    let columns = ["RECORD", "AT", "WHO", "WHAT", "DECIDED", "BY WHICH LINE"];
    let answer = Answer::list(&daemon.out, items, &columns, "nothing was decided", row);
    daemon.out.show(&Answer { json: found, ..answer })
}

async fn report(daemon: &Daemon, since: Option<Duration>) -> Result<(), Failure> {
    let found = daemon
        .call("audit.report", Value::from(Params::new().maybe("since", since.map(|since| now() - since))))
        .await?;
    let counts = found["counts"].as_array().cloned().unwrap_or_default();
    let row = |count: &Value| {
        let cells = [plain(&count["count"]), text(count, "action").to_owned()];
        let decided = [text(count, "decision"), text(count, "reason")];
        cells.into_iter().chain(decided.map(str::to_owned)).map(Cell::new).collect()
    };
    let columns = ["COUNT", "WHAT", "DECIDED", "BY WHICH LINE"];
    let answer = Answer::list(&daemon.out, counts, &columns, "nothing was decided", row);
    daemon.out.show(&Answer { json: found, ..answer })
}

async fn export(daemon: &Daemon, directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).map_err(other)?;
    if std::fs::read_dir(directory).map_err(other)?.next().is_some() {
        return Err(Failure::failed(format!("{} is not empty", directory.display())));
    }
    let (mut from, mut file, mut number, mut lines) = (Some(1_u64), None, 0_u64, 0_u64);
    while let Some(start) = from {
        let page = daemon.call("audit.export", json!({ "from": start, "limit": PAGE })).await?;
        for line in page["lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if line.starts_with("{\"begun\"") {
                number += 1;
                let path = directory.join(format!("audit-{number:06}.jsonl"));
                file = Some(std::fs::File::create_new(path).map_err(other)?);
            }
            if let Some(file) = &mut file {
                writeln!(file, "{line}").map_err(other)?;
                lines += 1;
            }
        }
        from = page["next"].as_u64();
        if let Some(note) = page["note"].as_str() {
            std::fs::write(directory.join("head.json"), note).map_err(other)?;
        }
    }
    let told = format!("{lines} lines in {number} files in {}", directory.display());
    daemon.out.show(&Answer::told(json!({ "lines": lines, "files": number }), told))
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
}
