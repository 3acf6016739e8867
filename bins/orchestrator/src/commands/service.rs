//! `orchestrator service`

mod launchd;
mod systemd;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::ConnectionArgs;
use crate::failure::Failure;
use crate::out::Out;
use crate::sibling;

/// Every file that is ours says so in these words; one that does not is somebody else's.
const MARK: &str =
    "Written by `orchestrator service install`, which replaces it, and deleted by `orchestrator service remove`.";
/// The longest name of a service, in bytes.
const NAME_BYTES_MAX: usize = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Has the daemon started at login and again whenever it ends
    Install(InstallArgs),
    /// Tells whether it is installed and whether it runs
    Status(NamedArgs),
    /// Stops it and deletes what was installed; its data stays
    Remove(NamedArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// The configuration [default: `orchestrator.{toml,yaml,json}` in the working directory, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the daemon runs, and its agents with it
    #[arg(long, default_value = ".", value_name = "DIR")]
    working_directory: PathBuf,
    /// A secret by the file that holds it, such as `DATABASE_URL=/home/me/.secrets/database`; may be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = secret)]
    secret: Vec<Secret>,
    /// The daemon's program [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Prints what would be written, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Agents find their programs by it
    #[arg(long, env = "PATH", hide = true)]
    path: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NamedArgs {
    /// What to call the service, if there are several daemons
    #[arg(long, default_value = "orchestrator-daemon", value_parser = name)]
    name: String,
    /// Who starts it [default: what this system has]
    #[arg(long, value_enum)]
    manager: Option<Kind>,
    #[arg(long, env = "HOME", hide = true)]
    home: Option<PathBuf>,
    #[arg(long, env = "XDG_CONFIG_HOME", hide = true)]
    config_home: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A unit of the user's own systemd (Linux).
    Systemd,
    /// An agent of the user's session (macOS).
    Launchd,
}

/// What is to run, whoever starts it. All paths are absolute.
#[derive(Debug)]
struct Service {
    program: String,
    arguments: Vec<String>,
    directory: String,
    path: String,
    secrets: Vec<Secret>,
}

/// The name of a variable that the daemon also reads as `NAME_FILE`, and that file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Secret {
    name: String,
    file: String,
}

/// What the system says about the service.
#[derive(Debug, Default)]
struct State {
    is_running: bool,
    /// In the manager's own words.
    facts: Vec<(&'static str, String)>,
    /// Why nothing can be told.
    problem: Option<String>,
}

/// What starts services on a system.
trait Manager {
    fn title(&self) -> &'static str;
    /// Where it looks for the description of the service.
    fn file(&self) -> &Path;
    /// The content of that file, [`MARK`] included.
    fn text(&self, service: &Service) -> String;
    /// Whether it is there at all; else what to do.
    fn is_there(&self) -> Result<(), Failure>;
    /// Starts the service now and at every login; `has_changed` if the file is another one than before.
    fn start(&self, has_changed: bool) -> Result<(), Failure>;
    /// Stops the service, now and at every login.
    fn stop(&self) -> Result<(), Failure>;
    /// Called when the file is gone.
    fn forget(&self) -> Result<(), Failure>;
    fn state(&self) -> State;
    /// What else an operator should know.
    fn advice(&self) -> &'static str;
}

pub(crate) fn run(command: &ServiceCommand, connection: &ConnectionArgs, out: &Out) -> Result<(), Failure> {
    match command {
        ServiceCommand::Install(args) => install(args, connection, out),
        ServiceCommand::Status(named) => status(&*named.manager()?, out),
        ServiceCommand::Remove(named) => remove(&*named.manager()?, out),
    }
}

fn install(args: &InstallArgs, connection: &ConnectionArgs, out: &Out) -> Result<(), Failure> {
    let manager = args.named.manager()?;
    let service = args.service(connection.given_data_dir())?;
    check_configuration(&service)?;
    let (file, text) = (manager.file(), manager.text(&service));
    if args.dry_run {
        return out.raw(&text);
    }
    let before = ours(file)?;
    manager.is_there()?;
    let has_changed = before.as_deref() != Some(text.as_str());
    if has_changed {
        write(file, &text).map_err(|error| failed_at("write", file, &error))?;
    }
    manager.start(has_changed)?;
    let change = match (&before, has_changed) {
        (None, _) => "installed",
        (Some(_), true) => "changed, and the daemon restarted",
        (Some(_), false) => "in place already",
    };
    let json = json!({ "path": file, "changed": has_changed, "manager": manager.title() });
    out.show(&Answer::told(json, format!("{}: {change}\n{}", file.display(), manager.advice())))
}

fn remove(manager: &dyn Manager, out: &Out) -> Result<(), Failure> {
    let file = manager.file();
    if ours(file)?.is_none() {
        let json = json!({ "path": file, "removed": false });
        return out.show(&Answer::told(json, format!("{}: not installed", file.display())));
    }
    manager.is_there()?;
    manager.stop()?;
    fs::remove_file(file).map_err(|error| failed_at("delete", file, &error))?;
    manager.forget()?;
    let text = format!("{}: removed; the data directory is as it was", file.display());
    out.show(&Answer::told(json!({ "path": file, "removed": true }), text))
}

/// Ends with 0 if it runs, 1 if it does not or nobody can tell, 5 if it is not installed.
fn status(manager: &dyn Manager, out: &Out) -> Result<(), Failure> {
    let file = manager.file();
    let text = fs::read_to_string(file).ok();
    let (is_installed, is_ours) = (text.is_some(), text.is_some_and(|text| text.contains(MARK)));
    let state = manager.state();
    let mut json = json!({
        "manager": manager.title(), "path": file, "installed": is_installed, "ours": is_ours, "running": state.is_running,
    });
    let mut said = match (is_installed, is_ours) {
        (false, _) => format!("{}: not installed", file.display()),
        (true, true) => format!("{}: installed", file.display()),
        (true, false) => format!("{}: there, but not written by this program", file.display()),
    };
    for (name, value) in &state.facts {
        json[name] = Value::from(value.as_str());
        said.push_str(&format!("\n{name}: {value}"));
    }
    if let Some(problem) = &state.problem {
        json["problem"] = Value::from(problem.as_str());
        said.push_str(&format!("\nwhether it runs cannot be told: {problem}"));
    }
    out.show(&Answer::told(json, said))?;
    match (is_installed, state.is_running) {
        (_, true) => Ok(()),
        (true, false) => Err(Failure::failed("the service does not run")),
        (false, false) => Err(Failure::not_found("the service is not installed").hint("orchestrator service install")),
    }
}

impl NamedArgs {
    fn manager(&self) -> Result<Box<dyn Manager>, Failure> {
        let default = if cfg!(target_os = "macos") { Kind::Launchd } else { Kind::Systemd };
        let set = |path: &Option<PathBuf>| path.clone().filter(|path| path.is_absolute());
        let home = set(&self.home);
        let no_home = || Failure::usage("HOME is not set");
        Ok(match self.manager.unwrap_or(default) {
            Kind::Systemd => {
                let configuration = set(&self.config_home).or_else(|| Some(home?.join(".config")));
                Box::new(systemd::Systemd::new(&self.name, &configuration.ok_or_else(no_home)?))
            }
            Kind::Launchd => Box::new(launchd::Launchd::new(&self.name, &home.ok_or_else(no_home)?)),
        })
    }
}

impl InstallArgs {
    fn service(&self, data_dir: Option<&Path>) -> Result<Service, Failure> {
        let directory = absolute(&self.working_directory)?;
        let program = match &self.program {
            Some(program) => program.clone(),
            None => sibling::daemon()?,
        };
        let mut arguments = Vec::new();
        if let Some(config) = &self.config {
            arguments.extend(["--config".to_owned(), absolute(config)?]);
        }
        if let Some(data_dir) = data_dir {
            // It need not exist yet; the daemon makes it.
            let data_dir = std::path::absolute(data_dir)?;
            arguments.extend(["--data-dir".to_owned(), plain(&data_dir)?]);
        }
        let secrets = self.secret.iter().map(Secret::checked).collect::<Result<_, _>>()?;
        let path = self.path.clone().unwrap_or_default();
        Ok(Service { program: absolute(&program)?, arguments, directory, path, secrets })
    }
}

impl Secret {
    /// Exists, and is nobody else's to read.
    fn checked(&self) -> Result<Self, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = absolute(Path::new(&self.file))?;
        let mode = fs::metadata(&file)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::failed(format!("{file} can be read by others")).hint(format!("chmod 600 {file}")));
        }
        Ok(Self { name: self.name.clone(), file })
    }

    /// The variable by which the daemon is told of the file.
    fn variable(&self) -> String {
        format!("{}_FILE", self.name)
    }
}

/// The daemon itself says whether it would start with that.
fn check_configuration(service: &Service) -> Result<(), Failure> {
    let mut command = Command::new(&service.program);
    command.args(&service.arguments).arg("--check-config").current_dir(&service.directory);
    command.env_clear().env("PATH", &service.path);
    command.envs(service.secrets.iter().map(|secret| (secret.variable(), &secret.file)));
    run_to_end(&mut command).map(drop)
}

/// The text of the file if it is there.
fn ours(file: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) if text.contains(MARK) => Ok(Some(text)),
        Ok(_) => Err(Failure::failed(format!("{} was not written by this program and stays as it is", file.display()))
            .hint("move it away, or choose another --name")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed_at("read", file, &error)),
    }
}

/// Whole or not at all.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    let fresh = file.with_extension("new");
    let mut written = fs::File::create(&fresh)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&fresh, file)
}

/// What it printed, if it ended well.
fn run_to_end(command: &mut Command) -> Result<String, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::failed(format!("{program} is not there, or not on the PATH")),
        _ => Failure::failed(format!("cannot start {program}: {error}")),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::failed(format!("`{program} {words}` failed ({}): {said}", output.status)))
}

fn failed_at(what: &str, file: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot {what} {}: {error}", file.display()))
}

fn absolute(path: &Path) -> Result<String, Failure> {
    plain(&path.canonicalize().map_err(|error| failed_at("find", path, &error))?)
}

/// Neither systemd nor launchd has a way to write some paths.
fn plain(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| Failure::usage(format!("{} is not a plain path", path.display())))
}

fn name(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_good = is_plain && (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.starts_with(['.', '-']);
    is_good.then(|| text.to_owned()).ok_or_else(|| "expected letters, digits, `.`, `_` and `-`".to_owned())
}

fn secret(text: &str) -> Result<Secret, String> {
    let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_plain) || file.is_empty() {
        // The text is not repeated: it may be the secret itself.
        return Err("expected the name of a variable in capitals, `=`, and the path of a file".to_owned());
    }
    Ok(Secret { name: name.to_owned(), file: file.to_owned() })
}
