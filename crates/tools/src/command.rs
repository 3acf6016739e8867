//! A tool that runs a program in a workspace.

mod config;
mod output;

#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cap_std::fs::Dir;
use orchestrator_process::{Environment, Exit, Framing, Host, Limits, Sandbox, Spec as Program, Status, Stdin};
use serde::Deserialize;
use serde_json::json;
use tokio::task::spawn_blocking;

pub use self::config::{CommandConfig, CommandEnvironment};
use self::output::Collected;
use crate::files::Workspace;
use crate::{Context, Error, Invocation, Output, Repeat, Spec, Tool, ToolName};

/// How long a tree of processes has between being asked to end and being killed. Less than the registry waits for a tool that was
/// cancelled, so that it can say what it did.
const GRACE: Duration = Duration::from_millis(1_500);
/// What a call may take beyond the time its program may: to end the program and say so.
const TIME_TO_END_MS: u64 = 10_000;

/// The tool `command.run`. Its processes carry the mark of the host: after a crash `orchestrator_process::end_strays` ends what is
/// left of them.
///
/// The configuration is taken as it is: [validate](CommandConfig::validate) it before. Its programs run within the sandbox; where
/// that is off they may do what this process may.
pub fn command_tools(config: CommandConfig, sandbox: Sandbox, host: Host) -> Vec<Arc<dyn Tool>> {
    let spec = Arc::new(spec(&config));
    vec![Arc::new(Run { spec, config, sandbox, host })]
}

struct Run {
    spec: Arc<Spec>,
    config: CommandConfig,
    sandbox: Sandbox,
    host: Host,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    argv: Vec<String>,
    cwd: Option<String>,
    stdin: Option<String>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
}

fn spec(config: &CommandConfig) -> Spec {
    let CommandConfig { timeout_ms, timeout_ms_max, .. } = config;
    let time = format!("When it is ended, in milliseconds. Default {timeout_ms}.");
    let input = json!({ "type": "object", "required": ["argv"], "additionalProperties": false, "properties": {
        "argv": { "type": "array", "minItems": 1, "maxItems": 4096, "items": { "type": "string" },
            "description": "The program and its arguments. No shell takes them apart: for pipes and the like name one, as in \
                [\"sh\", \"-c\", \"…\"]." },
        "cwd": { "type": "string", "minLength": 1, "maxLength": 4096,
            "description": "Where it runs, relative to the workspace. Default: the workspace." },
        "stdin": { "type": "string", "description": "What it reads. Default: nothing." },
        "timeoutMs": { "type": "integer", "minimum": 1, "maximum": timeout_ms_max, "description": time },
        "env": { "type": "object", "maxProperties": 256, "additionalProperties": { "type": "string" },
            "description": "Variables it gets beside the usual ones." },
    } });
    let output = json!({ "type": "object", "required": ["exitCode", "stdout", "stderr", "timedOut", "truncated"], "properties": {
        "exitCode": { "type": ["integer", "null"] }, "signal": { "type": ["integer", "null"] },
        "stdout": { "type": "string" }, "stderr": { "type": "string" },
        "timedOut": { "type": "boolean" }, "cancelled": { "type": "boolean" }, "truncated": { "type": "boolean" },
    } });
    let description = "Runs a program in the workspace and tells what it printed and how it ended. It and all it starts are ended \
        with the call: nothing goes on in the background.";
    let spec = Spec::new("command.run".parse().expect("it is a name"), description).takes(input).in_workspace();
    Spec {
        output: Some(output),
        repeat: Repeat::Effective,
        timeout_ms: timeout_ms_max.saturating_add(TIME_TO_END_MS),
        // Both streams, and what is said about them.
        output_bytes_max: config.output_bytes.saturating_mul(2).saturating_add(4_096),
        ..spec
    }
}

#[async_trait]
impl Tool for Run {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let tool = self.spec.name.clone();
        let arguments: Arguments = serde_json::from_value(arguments)
            .map_err(|error| Error::Invalid { tool: tool.clone(), problem: error.to_string() })?;
        if context.cancel.is_cancelled() {
            return Err(Error::Cancelled(tool));
        }
        let cwd = arguments.cwd.clone().unwrap_or_else(|| ".".to_owned());
        let workspace = context.workspace.clone();
        let opening = spawn_blocking(move || directory(workspace.as_deref(), &cwd));
        let place = opening.await.map_err(|error| broken(&tool, &error))??;
        let program = about(self.program(&place.directory, &place.path, arguments), &context);
        let sandbox = self.sandbox_around(&place.workspace, context.readable);
        let starting = self.host.spawn(&sandbox, program);
        let mut process = starting.await.map_err(|error| problem(&tool, &error))?;
        let mut collected = Collected::new(self.config.output_bytes, context.progress);
        let (handle, cancel) = (process.handle(), context.cancel);
        let stopping = async {
            cancel.cancelled().await;
            handle.stop(GRACE).await;
        };
        tokio::pin!(stopping);
        let mut is_stopped = false;
        loop {
            tokio::select! {
                output = process.next() => match output {
                    Some(output) => collected.take(output),
                    None => break,
                },
                () = tokio::time::sleep_until(collected.tell_at()), if collected.has_untold() => collected.tell(),
                () = &mut stopping, if !is_stopped => is_stopped = true,
            }
        }
        collected.tell();
        let exit = process.wait().await;
        Ok(told(&exit, collected))
    }
}

impl Run {
    fn sandbox_around(&self, workspace: &Path, readable: Vec<PathBuf>) -> Sandbox {
        let mut sandbox = self.sandbox.clone();
        sandbox.writable.push(workspace.to_owned());
        sandbox.executable.push(workspace.to_owned());
        sandbox.executable.extend(readable);
        sandbox
    }

    fn program(&self, directory: &Dir, path: &Path, arguments: Arguments) -> Program {
        let mut argv = arguments.argv.into_iter();
        let name = argv.next().unwrap_or_default();
        let is_relative = name.contains('/') && !name.starts_with('/');
        let name = if is_relative { path.join(name).into_os_string() } else { name.into() };
        let CommandEnvironment { inherit, set } = &self.config.environment;
        let environment = Environment::empty().inherit(inherit);
        let environment = set.iter().fold(environment, |all, (name, value)| all.set(name, value));
        let environment = arguments.env.into_iter().fold(environment, |all, (name, value)| all.set(name, value));
        let time = arguments.timeout_ms.unwrap_or(self.config.timeout_ms).min(self.config.timeout_ms_max);
        // Output is bounded here, where its end is kept too.
        let limits = Limits {
            wall_time: Some(Duration::from_millis(time)),
            output_bytes_max: u64::MAX,
            grace: GRACE,
            ..Limits::default()
        };
        Program::new(name)
            .args(argv)
            .working_directory(start_of(directory, path))
            .environment(environment)
            .stdin(arguments.stdin.map_or(Stdin::Null, |text| Stdin::Bytes(text.into())))
            .framing(Framing::Chunks)
            .limits(limits)
    }
}

/// For whom it runs.
fn about(program: Program, context: &Context) -> Program {
    let Context { org, actor, session, task, agent, .. } = context;
    let program = program.about("org", org).about("actor", actor);
    let program = session.iter().fold(program, |program, session| program.about("session", session));
    let program = task.iter().fold(program, |program, task| program.about("task", task));
    agent.iter().fold(program, |program, agent| program.about("agent", agent))
}

/// The directory in which a program starts, its path, and that of the workspace.
struct Place {
    directory: Dir,
    path: PathBuf,
    workspace: PathBuf,
}

fn directory(workspace: Option<&Path>, cwd: &str) -> Result<Place, Error> {
    let workspace = Workspace::open(workspace)?;
    let relative = workspace.relative(cwd)?;
    let directory = workspace.open_dir(&relative)?;
    let path = real_path(&directory, &workspace.path.join(&relative));
    let path = path.map_err(|error| workspace.problem(&relative, &error))?;
    let workspace =
        real_path(&workspace.root, &workspace.path).map_err(|error| workspace.problem(&relative, &error))?;
    Ok(Place { directory, path, workspace })
}

/// What starts in it by its handle starts there, whatever is put at its path in the meantime.
#[cfg(target_os = "linux")]
fn start_of(directory: &Dir, _: &Path) -> PathBuf {
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

#[cfg(not(target_os = "linux"))]
fn start_of(_: &Dir, path: &Path) -> PathBuf {
    path.to_owned()
}

#[cfg(target_os = "linux")]
fn real_path(directory: &Dir, path: &Path) -> std::io::Result<PathBuf> {
    std::fs::read_link(start_of(directory, path))
}

#[cfg(not(target_os = "linux"))]
fn real_path(_: &Dir, path: &Path) -> std::io::Result<PathBuf> {
    path.canonicalize()
}

fn broken(tool: &ToolName, error: &dyn std::error::Error) -> Error {
    Error::Broken { tool: tool.clone(), problem: error.to_string() }
}

fn problem(tool: &ToolName, error: &orchestrator_process::Error) -> Error {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let problem = format!("{error}{source}");
    if matches!(error, orchestrator_process::Error::Confinement { .. }) {
        return Error::Refused(problem);
    }
    if error.is_retryable() {
        return Error::Unavailable { tool: tool.clone(), problem };
    }
    Error::Failed(problem)
}

fn told(exit: &Exit, collected: Collected) -> Output {
    let is_cut = collected.is_cut();
    let (stdout, stderr) = collected.texts();
    let timed_out = exit.status == Status::TimedOut;
    let ended = match (exit.status, exit.code, exit.signal) {
        (Status::TimedOut, ..) => "it took too long and was ended".to_owned(),
        (Status::ProcessLimit, ..) => "it had more processes than it may, and was ended".to_owned(),
        (Status::Stopped, ..) => "it was cancelled and ended".to_owned(),
        (_, Some(code), _) => format!("exit code {code}"),
        (_, None, Some(signal)) => format!("it was ended by signal {signal}"),
        _ => "how it ended is not known".to_owned(),
    };
    let mut text = format!("[{ended}, after {} ms]\n", exit.duration.as_millis());
    for (name, printed) in
        [("stdout", &stdout), ("stderr", &stderr)].into_iter().filter(|(_, printed)| !printed.is_empty())
    {
        text.push_str(&format!("[{name}]\n{printed}{}", if printed.ends_with('\n') { "" } else { "\n" }));
    }
    let structured = json!({
        "exitCode": exit.code, "signal": exit.signal, "stdout": stdout, "stderr": stderr, "timedOut": timed_out,
        "cancelled": exit.status == Status::Stopped, "truncated": is_cut,
    });
    Output { structured: Some(structured), is_error: !exit.is_success(), ..Output::text(text) }
}
