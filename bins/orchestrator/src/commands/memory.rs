//! `orchestrator memory …`

mod folder;
mod markdown;

use std::path::PathBuf;

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, count as count_of, plain, pretty, short, text};

/// Characters of a memory in a table.
const SHOWN: usize = 80;

#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// Finds memories that answer a question, and tells why each was found
    #[command(visible_alias = "query")]
    Search(Search),
    /// Remembers something
    Store(Store),
    /// Shows a memory, with where it comes from
    Get { memory: String },
    /// Lists memories, the latest first
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        filters: Filters,
        /// Memories at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Vouches for a memory that is quarantined
    Confirm { memory: String },
    /// Forgets a memory for good
    Delete { memory: String },
    /// Forgets a person, a topic, a session or everything, wherever texts are kept, and gives a receipt
    Erase(Erase),
    /// Tells how much is remembered
    Stats,
    /// Looks whether everything that was summed up can still be found; fails if not
    Verify {
        /// Only of this session
        #[arg(long)]
        session: Option<String>,
    },
    /// Takes back the latest summary of a session's conversation: its model reads again what that stood for
    Revert { session: String },
    /// Writes memories into a folder, as Markdown that can be read, edited and imported again
    Export(markdown::Export),
    /// Tells how Markdown differs from what is remembered, and remembers it with --apply
    Import(markdown::Import),
    /// Adds to a scratchpad, replaces a passage in it, or writes a block of it anew
    Note(Note),
}

/// Which memories.
#[derive(Debug, clap::Args)]
pub(crate) struct Filters {
    /// scratchpad, episodic or semantic
    #[arg(long)]
    tier: Option<String>,
    /// fact, preference, decision, procedure and more
    #[arg(long = "type")]
    kind: Option<String>,
    /// organisation, agent:NAME, team:NAME or user:SUBJECT
    #[arg(long)]
    scope: Option<String>,
    /// active, quarantined or superseded
    #[arg(long)]
    state: Option<String>,
    #[arg(long)]
    session: Option<String>,
}

impl Filters {
    fn params(self) -> Params {
        let Self { tier, kind, scope, state, session } = self;
        let params = Params::new().maybe("tier", tier).maybe("type", kind).maybe("scope", scope);
        params.maybe("state", state).maybe("sessionId", session)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Note {
    /// What shall stand there
    content: String,
    /// Whose scratchpad
    #[arg(long)]
    session: String,
    /// persona, human, task or note
    #[arg(long, default_value = "note")]
    block: String,
    /// In the place of this passage, which has to stand there exactly once
    #[arg(long, value_name = "PASSAGE")]
    replace: Option<String>,
    /// In the place of the whole block
    #[arg(long, conflicts_with = "replace")]
    anew: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    question: String,
    /// scratchpad, episodic or semantic
    #[arg(long)]
    tier: Option<String>,
    #[arg(long)]
    session: Option<String>,
    #[arg(long)]
    person: Option<String>,
    #[arg(long)]
    topic: Option<String>,
    #[arg(long, default_value_t = 10)]
    limit: usize,
    /// Only what scores at least so much, from 0 to 1
    #[arg(long)]
    threshold: Option<f64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Store {
    content: String,
    /// scratchpad, episodic or semantic
    #[arg(long, default_value = "semantic")]
    tier: String,
    /// fact, preference, decision, procedure and more
    #[arg(long = "type", default_value = "fact")]
    kind: String,
    /// organisation, agent:NAME, team:NAME or user:SUBJECT
    #[arg(long)]
    scope: Option<String>,
    #[arg(long)]
    session: Option<String>,
    /// Somebody it is about; may be given again
    #[arg(long = "person")]
    people: Vec<String>,
    /// Something it is about; may be given again
    #[arg(long = "topic")]
    topics: Vec<String>,
    /// The memory that it takes the place of
    #[arg(long)]
    supersedes: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    what: Erasing,
    /// Takes it out of this folder too, as far as it is an export: what is forgotten, and what holds the name
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    exports: Option<PathBuf>,
    /// Only tell what would be erased
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Erasing {
    #[arg(long)]
    person: Option<String>,
    #[arg(long)]
    topic: Option<String>,
    #[arg(long)]
    session: Option<String>,
    /// Every text of the organisation
    #[arg(long)]
    organisation: bool,
}

pub(crate) async fn run(daemon: &Daemon, command: MemoryCommand) -> Result<(), Failure> {
    match command {
        MemoryCommand::Search(search) => found(daemon, search).await,
        MemoryCommand::Store(store) => stored(daemon, store).await,
        MemoryCommand::Get { memory } => {
            let memory = daemon.call("memory.get", json!({ "memoryId": memory })).await?;
            let told = pretty(&memory);
            daemon.out.show(&Answer::told(memory, told))
        }
        MemoryCommand::List { filters, limit } => {
            let memories = daemon.items("memory.list", filters.params(), limit).await?;
            let header = ["MEMORY", "TIER", "TYPE", "SCOPE", "STATE", "AGE", "CONTENT"];
            daemon.out.show(&Answer::list(&daemon.out, memories, &header, "nothing is remembered", row))
        }
        MemoryCommand::Confirm { memory } => {
            let memory = daemon.call("memory.confirm", json!({ "memoryId": memory })).await?;
            let told = format!("{} counts from now on", text(&memory, "memoryId"));
            daemon.out.show(&Answer::told(memory, told))
        }
        MemoryCommand::Delete { memory } => {
            let gone = daemon.call("memory.delete", json!({ "memoryId": memory })).await?;
            let told = format!("{memory} is forgotten");
            daemon.out.show(&Answer::told(gone, told))
        }
        MemoryCommand::Erase(erase) => erased(daemon, erase).await,
        MemoryCommand::Export(export) => markdown::export(daemon, export).await,
        MemoryCommand::Import(import) => markdown::import(daemon, import).await,
        MemoryCommand::Stats => stats(daemon).await,
        MemoryCommand::Verify { session } => verified(daemon, session).await,
        MemoryCommand::Revert { session } => reverted(daemon, &session).await,
        MemoryCommand::Note(note) => noted(daemon, note).await,
    }
}

async fn found(daemon: &Daemon, search: Search) -> Result<(), Failure> {
    let Search { question, tier, session, person, topic, limit, threshold } = search;
    let params = Params::new().with("query", question).with("limit", limit).maybe("tier", tier);
    let params = params.maybe("sessionId", session).maybe("person", person).maybe("topic", topic);
    let answer = daemon.call("memory.query", params.maybe("similarityThreshold", threshold)).await?;
    let hits = answer["memories"].as_array().cloned().unwrap_or_default();
    let ids = hits.iter().map(|hit| text(&hit["memory"], "memoryId").to_owned()).collect();
    let row = |hit: &Value| {
        vec![
            Cell::new(text(&hit["memory"], "memoryId")),
            Cell::new(share(&hit["score"])),
            Cell::new(why(&hit["why"])),
            Cell::new(text(&hit["memory"], "type")),
            Cell::new(short(text(&hit["memory"], "content"), SHOWN)),
        ]
    };
    let header = ["MEMORY", "SCORE", "WHY", "TYPE", "CONTENT"];
    let listed = Answer::list(&daemon.out, hits, &header, "nothing was found", row);
    daemon.out.show(&Answer { json: answer, ids, ..listed })
}

/// The parts of a score, and the words that were found.
fn why(why: &Value) -> String {
    let part = |name: &str| why[name].as_f64().map(|value| format!("{name} {value:.2}"));
    let terms = why["terms"].as_array().into_iter().flatten();
    let terms: Vec<&str> = terms.filter_map(|term| term[0].as_str()).collect();
    let mut parts: Vec<String> =
        ["words", "meaning", "recency", "importance", "neighbours"].into_iter().filter_map(part).collect();
    parts.retain(|part| part != "neighbours 0.00");
    if !terms.is_empty() {
        parts.push(format!("({})", terms.join(" ")));
    }
    parts.join(" ")
}

fn share(value: &Value) -> String {
    value.as_f64().map(|value| format!("{value:.3}")).unwrap_or_default()
}

fn row(memory: &Value) -> Vec<Cell> {
    let mut cells: Vec<Cell> = ["memoryId", "tier", "type", "scope", "state"]
        .into_iter()
        .map(|field| Cell::new(text(memory, field)))
        .collect();
    cells.push(Cell::new(ago(&memory["createdAt"])));
    cells.push(Cell::new(short(text(memory, "content"), SHOWN)));
    cells
}

async fn stored(daemon: &Daemon, store: Store) -> Result<(), Failure> {
    let Store { content, tier, kind, scope, session, people, topics, supersedes } = store;
    let params = Params::new().with("content", content).with("tier", tier).with("type", kind).maybe("scope", scope);
    let params = params.maybe("sessionId", session).list("people", &people).list("topics", &topics);
    let memory = daemon.call("memory.store", params.maybe("supersedes", supersedes)).await?;
    let told = text(&memory, "memoryId").to_owned();
    daemon.out.show(&Answer::told(memory, told))
}

async fn erased(daemon: &Daemon, erase: Erase) -> Result<(), Failure> {
    let Erase { what: Erasing { person, topic, session, organisation }, exports, dry_run } = erase;
    if let Some(folder) = exports.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::usage(format!("{} is no folder: nothing was forgotten", folder.display())));
    }
    let name = person.clone().or_else(|| topic.clone());
    let params = Params::new().maybe("person", person).maybe("topic", topic).maybe("sessionId", session);
    let params = params.flag("organisation", organisation).flag("dryRun", dry_run);
    let mut receipt = daemon.call("memory.erase", params).await?;
    let mut told = told_of(&receipt, dry_run);
    if let Some(folder) = exports {
        let files = markdown::forget(daemon, &folder, name.as_deref()).await?;
        told.push_str(&format!("\n{} taken out of {}", count_of(files, "file"), folder.display()));
        receipt["filesRemoved"] = json!(files);
    }
    daemon.out.show(&Answer::told(receipt, told))
}

/// A receipt, place by place.
fn told_of(receipt: &Value, dry_run: bool) -> String {
    let count = receipt["erased"].as_array().into_iter().flatten().filter_map(Value::as_u64).sum::<u64>();
    let verb = if dry_run { "would be gone" } else { "are gone" };
    let mut told = vec![format!("{count} memories {verb}, {} summaries were made anew", plain(&receipt["rebuilt"]))];
    for (place, found) in receipt["elsewhere"].as_object().into_iter().flatten() {
        let (erased, held) = (plain(&found["erased"]), plain(&found["held"]));
        let held = if held == "0" { String::new() } else { format!(", {held} are held by what goes on") };
        told.push(format!("{place}: {erased} texts {verb}{held}"));
    }
    told.push(format!("{} remain", plain(&receipt["remaining"])));
    told.push(format!("SHA-256 of what was named: {}", text(receipt, "subjectDigest")));
    told.join("\n")
}

async fn stats(daemon: &Daemon) -> Result<(), Failure> {
    let stats = daemon.call("memory.stats", json!({})).await?;
    let tiers = stats["tiers"].as_array().cloned().unwrap_or_default();
    let row = |tier: &Value| {
        ["tier", "count", "bytes", "bytesMax"].into_iter().map(|field| Cell::new(plain(&tier[field]))).collect()
    };
    let answer = Answer::list(&daemon.out, tiers, &["TIER", "MEMORIES", "BYTES", "BYTES MAX"], "", row);
    daemon.out.show(&Answer { json: stats, ..answer })
}

async fn verified(daemon: &Daemon, session: Option<String>) -> Result<(), Failure> {
    let coverage = daemon.call("memory.verify", Params::new().maybe("sessionId", session)).await?;
    let of = |field: &str| plain(&coverage[field]);
    let lost = |field: &str| coverage[field].as_array().map_or(0, Vec::len);
    let told = format!(
        "{} summaries stand for {} memories: {} are there, {} of {} that were asked for were found, {} were summed up for good; {} are missing; {} of {} numbers and codes stand in summaries",
        of("summaries"),
        of("covered"),
        of("present"),
        of("reachable"),
        of("asked"),
        of("consolidated"),
        lost("missing"),
        of("figuresKept"),
        of("figures")
    );
    let is_complete = coverage["complete"] == true;
    daemon.out.show(&Answer::told(coverage, told.clone()))?;
    if is_complete { Ok(()) } else { Err(Failure::failed(told)) }
}

async fn noted(daemon: &Daemon, note: Note) -> Result<(), Failure> {
    let Note { content, session, block, replace, anew } = note;
    let params = Params::new().with("sessionId", session).with("block", block);
    let (operation, params) = match (replace, anew) {
        (Some(old), _) => ("memory.replace", params.with("old", old).with("new", content)),
        (None, true) => ("memory.rethink", params.with("content", content)),
        (None, false) => ("memory.insert", params.with("content", content)),
    };
    let block = daemon.call(operation, params).await?;
    let told = text(&block, "content").to_owned();
    daemon.out.show(&Answer::told(block, told))
}

async fn reverted(daemon: &Daemon, session: &str) -> Result<(), Failure> {
    let reverted = daemon.call("memory.revert", json!({ "sessionId": session })).await?;
    let of = |field: &str| plain(&reverted[field]);
    let what = match reverted["entry"].is_null() {
        true => "the session is over: what was remembered of its latest summary is gone".to_owned(),
        false => {
            format!("from the next request on its model reads {} tokens, not {}", of("tokens"), of("tokensBefore"))
        }
    };
    let told = format!("{what} (at most {}); the summary came with entry {}", of("tokensMax"), of("summaryEntry"));
    daemon.out.show(&Answer::told(reverted, told))
}
