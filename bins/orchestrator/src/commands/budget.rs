//! `orchestrator budget …` and `orchestrator usage`

use clap::{Subcommand, ValueEnum};
use comfy_table::Cell;
use orchestrator_vocab::{NanoUsd, Timestamp};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, away, plain, text};
use crate::values;

/// The longest bar of a plot, in characters.
const BAR: u64 = 40;

#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// Tells what is spent, reserved and left of each limit
    Status,
    /// Adds up what was spent, and tells what could be saved
    Report {
        /// `day`, `week`, `month`, `team`, `agent`, `session`, `task`, `model` or `provider`
        #[arg(long, default_value = "day")]
        by: String,
        /// How far back, or from when (RFC 3339) [default: from the first of the month]
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// How it looks
        #[arg(long, value_enum, default_value_t = Form::Table)]
        format: Form,
    },
    /// Sets a limit, or with neither tokens nor dollars removes what was set
    Set {
        /// `organisation`, `agent:NAME`, `agent:*` for each; also team, session, task, model, provider
        scope: String,
        /// `hour`, `day`, `week` or `month`
        window: String,
        /// At most so many tokens
        #[arg(long)]
        tokens: Option<u64>,
        /// At most so many US dollars, such as 12.50
        #[arg(long)]
        usd: Option<NanoUsd>,
        /// For how long; afterwards what is configured counts again
        #[arg(long = "for", value_parser = values::span, value_name = "TIME")]
        lasts: Option<std::time::Duration>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Columns
    Table,
    /// Bars
    Plot,
    /// Comma-separated values
    Csv,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UsageArgs {
    /// Only of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Only of this session
    #[arg(long)]
    session: Option<String>,
    /// Only of this task
    #[arg(long)]
    task: Option<String>,
    /// Only of this model
    #[arg(long)]
    model: Option<String>,
    /// Requests at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(daemon: &Daemon, command: BudgetCommand) -> Result<(), Failure> {
    match command {
        BudgetCommand::Status => status(daemon).await,
        BudgetCommand::Report { by, since, format } => report(daemon, &by, since, format).await,
        BudgetCommand::Set { scope, window, tokens, usd, lasts } => {
            let params = Params::new()
                .with("scope", scope)
                .with("window", window)
                .maybe("tokens", tokens)
                .maybe("usd", usd.map(|usd| usd.to_string()))
                .maybe("expiresAt", lasts.map(|lasts| crate::show::now() + lasts));
            let answer = daemon.call("budget.set", params).await?;
            let limits = answer["limits"].as_array().cloned().unwrap_or_default();
            let row = |limit: &Value| {
                vec![
                    Cell::new(text(limit, "scope")),
                    Cell::new(text(limit, "window")),
                    Cell::new(most(limit)),
                    Cell::new(away(&limit["expiresAt"])),
                ]
            };
            let shown = Answer::list(&daemon.out, limits, &["SCOPE", "WINDOW", "LIMIT", "EXPIRES"], "no limits", row);
            daemon.out.show(&Answer { json: answer, ..shown })
        }
    }
}

async fn status(daemon: &Daemon) -> Result<(), Failure> {
    let status = daemon.call("budget.status", json!({})).await?;
    let binding = (status["binding"]["scope"].clone(), status["binding"]["limit"]["window"].clone());
    let row = |limit: &Value| {
        let binds = (limit["scope"].clone(), limit["limit"]["window"].clone()) == binding;
        let used = limit["usedPermille"].as_u64().unwrap_or_default();
        vec![
            Cell::new(format!("{}{}", if binds { "* " } else { "  " }, text(limit, "scope"))),
            Cell::new(plain(&limit["limit"]["window"])),
            Cell::new(most(&limit["limit"])),
            Cell::new(amount(&limit["spent"])),
            Cell::new(amount(&limit["reserved"])),
            Cell::new(format!("{}.{} %", used / 10, used % 10)),
            Cell::new(away(&limit["resetsAt"])),
            Cell::new(amount(&limit["forecast"])),
            Cell::new(away(&limit["exhaustedAt"])),
            Cell::new(match (&limit["pace"]["burning"], &limit["degraded"]) {
                (_, Value::Bool(true)) => "degraded",
                (Value::Bool(true), _) => "too fast",
                _ => "",
            }),
        ]
    };
    let limits = status["limits"].as_array().cloned().unwrap_or_default();
    let header = ["SCOPE", "WINDOW", "LIMIT", "SPENT", "RESERVED", "USED", "RESETS", "FORECAST", "EXHAUSTED", ""];
    let answer = Answer::list(&daemon.out, limits, &header, "nothing is limited", row);
    daemon.out.show(&Answer { json: status, ..answer })
}

async fn report(daemon: &Daemon, by: &str, since: Option<String>, format: Form) -> Result<(), Failure> {
    let from = since.map(|since| begin(&since)).transpose()?;
    let params = Params::new().with("by", by).maybe("from", from).flag("csv", format == Form::Csv);
    let report = daemon.call("budget.report", params).await?;
    if format == Form::Csv && !daemon.out.is_json() {
        return daemon.out.raw(text(&report, "csv"));
    }
    let mut rows = report["rows"].as_array().cloned().unwrap_or_default();
    let largest = rows.iter().map(cost).max().unwrap_or_default().max(1);
    rows.push(report["total"].clone());
    let row = |row: &Value| {
        let mut cells = vec![
            Cell::new(if text(row, "name").is_empty() { "-" } else { text(row, "name") }),
            Cell::new(plain(&row["requests"])),
            Cell::new(plain(&row["tokens"])),
            Cell::new(dollars(cost(row))),
        ];
        if format == Form::Plot && text(row, "name") != "total" {
            let length = u128::from(cost(row)) * u128::from(BAR) / u128::from(largest);
            cells.push(Cell::new("#".repeat(usize::try_from(length).unwrap_or_default())));
        }
        cells
    };
    let header: &[&str] = match format {
        Form::Plot => &["NAME", "REQUESTS", "TOKENS", "COST", ""],
        Form::Table | Form::Csv => &["NAME", "REQUESTS", "TOKENS", "COST"],
    };
    let mut answer = Answer::list(&daemon.out, rows, header, "nothing was spent", row);
    for saving in report["savings"].as_array().into_iter().flatten() {
        let saved = dollars(saving["savesNanoUsd"].as_u64().unwrap_or_default());
        let instead = match text(saving, "instead") {
            "" => String::new(),
            instead => format!(" ({instead})"),
        };
        let (model, how, assuming) = (text(saving, "model"), text(saving, "how"), text(saving, "assuming"));
        answer.text.push_str(&format!("\n{model}: {how}{instead} would save {saved}, if {assuming}"));
    }
    daemon.out.show(&Answer { json: report, ..answer })
}

/// A time, or so long ago.
fn begin(since: &str) -> Result<Timestamp, Failure> {
    if let Ok(time) = since.parse() {
        return Ok(time);
    }
    let span = values::span(since).map_err(|error| Failure::usage(format!("--since: {error}")))?;
    Ok(crate::show::now() - span)
}

pub(crate) async fn usage(daemon: &Daemon, args: UsageArgs) -> Result<(), Failure> {
    let UsageArgs { agent, session, task, model, limit } = args;
    let params =
        Params::new().maybe("agent", agent).maybe("session", session).maybe("task", task).maybe("model", model);
    let spendings = daemon.items("usage.list", params, limit).await?;
    let row = |spending: &Value| {
        let estimated = if spending["estimated"] == true { "estimated" } else { "" };
        vec![
            Cell::new(ago(&spending["at"])),
            Cell::new(format!("{}/{}", text(spending, "provider"), text(spending, "model"))),
            Cell::new(plain(&spending["agent"])),
            Cell::new(plain(&spending["usage"]["input"])),
            Cell::new(plain(&spending["usage"]["output"])),
            Cell::new(dollars(cost(spending))),
            Cell::new(text(spending, "end")),
            Cell::new(estimated),
        ]
    };
    let header = ["AGE", "MODEL", "AGENT", "INPUT", "OUTPUT", "COST", "END", ""];
    daemon.out.show(&Answer::list(&daemon.out, spendings, &header, "nothing was spent", row))
}

fn cost(value: &Value) -> u64 {
    value["nanoUsd"].as_u64().unwrap_or_default()
}

fn dollars(nanos: u64) -> String {
    format!("${}", NanoUsd(nanos))
}

fn amount(value: &Value) -> String {
    format!("{} ({})", plain(&value["tokens"]), dollars(cost(value)))
}

fn most(limit: &Value) -> String {
    let tokens = limit["tokens"].as_u64().map(|tokens| format!("{tokens} tokens"));
    let usd = limit["usd"].as_str().map(|usd| format!("${usd}"));
    tokens.into_iter().chain(usd).collect::<Vec<_>>().join(", ")
}
