//! `orchestrator model …`

mod chat;
mod embed;

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, millis, plain, text, words};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Lists the models of every provider
    #[command(visible_alias = "ls")]
    List,
    /// Asks providers whether they answer and let the daemon in
    Probe {
        /// Only this one
        provider: Option<String>,
    },
    /// Asks a model and shows the answer as it comes
    Chat(chat::ChatArgs),
    /// Makes vectors of texts
    Embed(embed::EmbedArgs),
    /// Tells how requests found their models: recent ones, or one in full
    Trace {
        /// One decision, as an answer or the list names it
        #[arg(value_name = "DECISION")]
        id: Option<String>,
        /// Decisions at most
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: ModelCommand) -> Result<(), Failure> {
    match command {
        ModelCommand::List => list(daemon).await,
        ModelCommand::Probe { provider } => probe(daemon, provider).await,
        ModelCommand::Chat(chat) => chat::run(daemon, &chat).await,
        ModelCommand::Embed(embed) => embed::run(daemon, embed).await,
        ModelCommand::Trace { id: Some(id), .. } => trace(daemon, &id).await,
        ModelCommand::Trace { id: None, limit } => traces(daemon, limit).await,
    }
}

async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let models = daemon.call("model.list", json!({})).await?;
    let chain: Vec<&str> = models["chain"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let role = |id: &str| match chain.iter().position(|model| *model == id) {
        Some(0) => "primary".to_owned(),
        Some(place) => format!("fallback {place}"),
        None => String::new(),
    };
    let row = |model: &Value| {
        let facts = &model["facts"];
        let able = ["tools", "vision", "thinking"].into_iter().filter(|ability| facts[ability] == true);
        vec![
            Cell::new(text(model, "id")),
            Cell::new(role(text(model, "id"))),
            Cell::new(plain(&facts["contextWindow"])),
            Cell::new(plain(&facts["outputMax"])),
            Cell::new(able.collect::<Vec<_>>().join(", ")),
            Cell::new(plain(&facts["retires"])),
        ]
    };
    let items = models["items"].as_array().cloned().unwrap_or_default();
    let header = ["MODEL", "ROLE", "READS", "WRITES", "ABLE", "RETIRES"];
    let mut answer = Answer::list(&daemon.out, items, &header, "no models", row);
    for failure in models["failures"].as_array().into_iter().flatten() {
        let (provider, kind, message) = (text(failure, "provider"), text(failure, "kind"), text(failure, "message"));
        answer.text.push_str(&format!("\n{provider} lists none: {kind}: {message}"));
    }
    daemon.out.show(&Answer { json: models, ..answer })
}

async fn probe(daemon: &Daemon, provider: Option<String>) -> Result<(), Failure> {
    let probes = daemon.call("model.probe", Params::new().maybe("provider", provider)).await?;
    let row = |probe: &Value| {
        let outcome = if probe["ok"] == true { "ok" } else { "failed" };
        let failure = &probe["failure"];
        let said = [text(failure, "kind"), text(failure, "message")].join(" ");
        vec![Cell::new(text(probe, "provider")), toned(outcome), Cell::new(said.trim())]
    };
    let items = probes["items"].as_array().cloned().unwrap_or_default();
    let failed = items.iter().filter(|probe| probe["ok"] != true).count();
    let answer = Answer::list(&daemon.out, items, &["PROVIDER", "OUTCOME", "WHY"], "no providers", row);
    daemon.out.show(&Answer { json: probes, ..answer })?;
    match failed {
        0 => Ok(()),
        failed => Err(Failure::failed(format!("{failed} of the providers cannot be asked"))),
    }
}

async fn traces(daemon: &Daemon, limit: usize) -> Result<(), Failure> {
    let traces = daemon.items("model.traces", Params::new(), limit).await?;
    let row = |trace: &Value| {
        vec![
            Cell::new(text(trace, "id")),
            Cell::new(ago(&trace["at"])),
            toned(text(trace, "outcome")),
            Cell::new(target(&trace["answeredBy"])),
            Cell::new(plain(&json!(trace["attempts"].as_array().map_or(0, Vec::len)))),
            Cell::new(millis(&trace["firstTokenMs"])),
            Cell::new(millis(&trace["durationMs"])),
        ]
    };
    let header = ["DECISION", "AGE", "OUTCOME", "MODEL", "ATTEMPTS", "FIRST", "TOOK"];
    daemon.out.show(&Answer::list(&daemon.out, traces, &header, "no decisions", row))
}

async fn trace(daemon: &Daemon, id: &str) -> Result<(), Failure> {
    let trace = daemon.call("model.trace", json!({ "traceId": id })).await?;
    let fields = [
        ("decision", "/id"),
        ("at", "/at"),
        ("asked for", "/requested"),
        ("strategy", "/strategy"),
        ("outcome", "/outcome"),
        ("stop", "/stop"),
        ("first piece ms", "/firstTokenMs"),
        ("took ms", "/durationMs"),
        ("input tokens", "/usage/input"),
        ("output tokens", "/usage/output"),
        ("cost nano-USD", "/costNanoUsd"),
    ];
    let mut answer = Answer::fields(&daemon.out, trace.clone(), &fields);
    let list = |field: &str| trace[field].as_array().cloned().unwrap_or_default();
    for candidate in list("candidates") {
        let why = match &candidate["skipped"] {
            Value::Null => "could be asked".to_owned(),
            skipped => format!("skipped: {}", reason(skipped)),
        };
        answer.text.push_str(&format!("\n{}  {why}", target(&candidate)));
    }
    for degraded in list("degraded") {
        let (model, instead) = (target(&degraded["model"]), target(&degraded["instead"]));
        let share = degraded["usedPermille"].as_u64().unwrap_or_default() / 10;
        let line = format!("\n{instead} in the place of {model}: {share} % of {} is spent", text(&degraded, "limit"));
        answer.text.push_str(&line);
    }
    for (number, attempt) in (1..).zip(list("attempts")) {
        let failure = &attempt["failure"];
        let outcome = match (failure, &attempt["refused"]) {
            (Value::Null, Value::Bool(true)) => "refused".to_owned(),
            (Value::Null, _) => "answered".to_owned(),
            (failure, _) => format!("{}: {}", text(failure, "kind"), text(failure, "message")),
        };
        let (waited, took) = (millis(&attempt["waitedMs"]), millis(&attempt["tookMs"]));
        let line = format!("\nattempt {number}  {}  waited {waited}, took {took}  {outcome}", target(&attempt));
        answer.text.push_str(&line);
    }
    daemon.out.show(&answer)
}

fn reason(skipped: &Value) -> String {
    let fields = skipped.as_object().into_iter().flatten().filter(|(name, _)| *name != "reason");
    let more = fields.map(|(name, value)| format!(" {name} {}", words(value)));
    text(skipped, "reason").replace('_', " ") + &more.collect::<String>()
}

fn target(value: &Value) -> String {
    match text(value, "provider") {
        "" => String::new(),
        provider => format!("{provider}/{}", text(value, "model")),
    }
}
