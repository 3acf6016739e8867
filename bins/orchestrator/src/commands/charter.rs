//! `orchestrator charter …`

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::Cell;
use orchestrator_charter::{Charter, CharterId, Config, Documents, Fault, Terms};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Out;
use crate::params::Params;
use crate::show::{plain, pretty, text, words};
use crate::values;

#[derive(Debug, Subcommand)]
pub(crate) enum CharterCommand {
    /// Lists charters, also those that do not load
    #[command(visible_alias = "ls")]
    List,
    /// Shows a charter with what it takes over, and what of it is not enforced
    Get {
        /// The stem of its file
        charter: String,
    },
    /// Tells what is wrong with a file; needs no daemon
    Validate(ValidateArgs),
    /// Tells what a charter says of a call, by which line of which file
    Explain {
        /// The stem of its file
        charter: String,
        /// The tool or operation that would be called, such as fs.remove
        action: String,
        /// Its arguments: JSON, @FILE or -
        #[arg(default_value = "{}")]
        arguments: String,
        /// As if somebody nobody vouches for had a say in it
        #[arg(long)]
        untrusted: bool,
        /// As if whoever wants it had read something secret
        #[arg(long)]
        secret: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The file; what it extends is looked for beside it
    file: PathBuf,
    /// Asks the daemon, which knows its own charters and charters.actions
    #[arg(long)]
    pub(crate) online: bool,
}

pub(crate) async fn run(daemon: &Daemon, command: CharterCommand) -> Result<(), Failure> {
    match command {
        CharterCommand::List => list(daemon).await,
        CharterCommand::Get { charter } => {
            let found = daemon.call("charter.get", json!({ "charterId": charter })).await?;
            let told = pretty(&found);
            daemon.out.show(&Answer::told(found, told))
        }
        CharterCommand::Validate(args) => validate_online(daemon, &args).await,
        CharterCommand::Explain { charter, action, arguments, untrusted, secret } => {
            let arguments: Value = values::read_json(&arguments)?;
            let params = Params::new().with("charter", charter).with("action", action).with("arguments", arguments);
            let params = params.flag("untrusted", untrusted).flag("secret", secret);
            let said = daemon.call("charter.explain", Value::from(params)).await?;
            let told = format!("{}: {}", text(&said, "verdict"), text(&said, "reason"));
            daemon.out.show(&Answer::told(said, told))
        }
    }
}

async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("charter.list", json!({ "limit": 200 })).await?;
    let charters = found["items"].as_array().cloned().unwrap_or_default();
    let row = |charter: &Value| {
        let problem = charter["error"]["problem"].as_str().unwrap_or_else(|| text(charter, "name")).to_owned();
        vec![
            Cell::new(text(charter, "id")),
            Cell::new(text(charter, "status")),
            Cell::new(problem),
            Cell::new(words(&charter["extends"])),
            Cell::new(plain(&charter["source"])),
        ]
    };
    let names = charters.iter().map(|charter| text(charter, "id").to_owned()).collect();
    let answer =
        Answer::list(&daemon.out, charters, &["CHARTER", "STATUS", "NAME", "EXTENDS", "FILE"], "no charters", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}

async fn validate_online(daemon: &Daemon, args: &ValidateArgs) -> Result<(), Failure> {
    let (id, document) = read(&args.file)?;
    let answer = daemon.call("charter.validate", json!({ "document": document, "name": id })).await?;
    let told = |faults: &Value| -> Vec<String> {
        let at =
            |fault: &Value| format!("{}:{}:{}", args.file.display(), plain(&fault["line"]), plain(&fault["column"]));
        let faults = faults.as_array().into_iter().flatten();
        faults.map(|fault| format!("{}: {}", at(fault), text(fault, "problem"))).collect()
    };
    if answer["valid"] != json!(true) {
        return Err(Failure::failed(told(&answer["errors"]).join("\n")));
    }
    let lines = told(&answer["notes"]);
    say_it_is_in_order(&daemon.out, &args.file, &answer["charter"], lines)
}

/// Beside the files of its directory, with the business actions that everybody has.
pub(crate) fn validate(args: &ValidateArgs, out: &Out) -> Result<(), Failure> {
    let (id, document) = read(&args.file)?;
    let directory = args.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let config = Config { directory: directory.to_owned(), ..Config::default() };
    let beside = Documents::read(&config, Path::new(""));
    let file = args.file.display().to_string();
    let checked: Result<(Charter, Vec<Fault>), Fault> = beside.check(&id, &file, &document, &Terms::default());
    let (charter, notes) = checked.map_err(|fault| {
        let failure = Failure::failed(fault.to_string());
        match fault.problem.contains("charters.actions") {
            true => failure.hint("--online asks a daemon, which knows its charters.actions"),
            false => failure,
        }
    })?;
    // What is enforced is the daemon's to say.
    let notes = notes.iter().filter(|note| !note.problem.ends_with("not enforced yet")).map(ToString::to_string);
    say_it_is_in_order(out, &args.file, &json!(charter), notes.collect())
}

fn say_it_is_in_order(out: &Out, file: &Path, charter: &Value, notes: Vec<String>) -> Result<(), Failure> {
    let said = format!("{} is in order ({})", file.display(), text(charter, "digest"));
    let notes: Vec<String> = notes.into_iter().map(|note| format!("note: {note}")).collect();
    let lines = [vec![said], notes.clone()].concat().join("\n");
    out.show(&Answer::told(json!({ "valid": true, "notes": notes, "charter": charter }), lines))
}

fn read(file: &Path) -> Result<(CharterId, String), Failure> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let id = stem.parse().map_err(|error| Failure::failed(format!("{}: its name: {error}", file.display())))?;
    let mut document = String::new();
    let bytes_max = Config::default().bytes_max;
    let read = File::open(file).and_then(|opened| opened.take(bytes_max + 1).read_to_string(&mut document));
    match read {
        Ok(_) if document.len() as u64 > bytes_max => {
            Err(Failure::failed(format!("{}: larger than {bytes_max} bytes", file.display())))
        }
        Ok(_) => Ok((id, document)),
        Err(error) => Err(Failure::failed(format!("cannot read {}: {error}", file.display()))),
    }
}
