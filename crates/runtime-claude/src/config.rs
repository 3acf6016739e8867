use std::path::PathBuf;
use std::time::Duration;

use orchestrator_process::{Environment, Limits, OverOutput, Sandbox, Spec, Stdin};
use orchestrator_sessions::{Error, Session, Variables};
use serde::{Deserialize, Serialize};

/// The longest line that is understood: results of tools come in one. Longer ones are passed over.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
const DAY_MS: u64 = 86_400_000;

/// How a coding agent is run. It comes from the operator's configuration and from nowhere else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claude {
    /// The program and its first arguments, as they are: there is no shell unless it is named. What the protocol needs is put behind.
    /// A bare name is looked up in the `PATH` of `environment`, otherwise in `/usr/local/bin:/usr/bin:/bin`.
    pub command: Vec<String>,
    /// Whose command line it is: whoever has the configuration says, it does not itself. Default `claude-code`.
    #[serde(skip)]
    pub dialect: Dialect,
    /// Where it runs, for whoever starts it to say. Default: where the daemon does.
    #[serde(skip)]
    pub working_directory: Option<PathBuf>,
    /// Its variables, besides `ORCHESTRATOR_TASK_ID`, `ORCHESTRATOR_SESSION_ID` and `ORCHESTRATOR_AGENT`. Default: none. It
    /// usually needs `HOME`, `PATH` and its key.
    #[serde(default)]
    pub environment: Variables,
    /// The model, as the program names it. Default: the program's own.
    #[serde(default)]
    pub model: Option<String>,
    /// What it is told besides what it knows itself. Default: nothing.
    #[serde(default)]
    pub system_prompt: Option<String>,
    /// What it asks leave for. Default `default`.
    #[serde(default)]
    pub permission_mode: PermissionMode,
    /// Tools that it may not use, by its own names. Default: none.
    #[serde(default)]
    pub disallowed_tools: Vec<String>,
    /// Turns before it gives up, 1 to 10,000. Default: as many as it wants.
    #[serde(default)]
    pub turns_max: Option<u32>,
    /// What it may cost, in US dollars as the program counts them, over 0. Default: no limit but the others.
    #[serde(default)]
    pub budget_usd: Option<f64>,
    /// How long it may run without an interruption, in milliseconds, up to a week; `null` for ever. Pauses count. Default an hour.
    #[serde(default = "hour")]
    pub timeout_ms: Option<u64>,
    /// How long it may print nothing, in milliseconds, up to a week. Default: no limit.
    #[serde(default)]
    pub idle_timeout_ms: Option<u64>,
    /// How long an answer to what it asks leave for may take, in milliseconds, 1 to a week; then it is denied. Default an hour.
    #[serde(default = "hour_ms")]
    pub permission_timeout_ms: u64,
    /// How many bytes it may print, to each of its two outputs, up to 4 GiB. Default 256 MiB.
    #[serde(default = "output_bytes")]
    pub output_bytes_max: u64,
    /// How long it has to end when it is asked to, in milliseconds, up to a day: half of it after the interruption, half after SIGTERM.
    /// Default 10,000.
    #[serde(default = "ten_seconds")]
    pub grace_ms: u64,
    /// How it is confined, with all that it runs. Default: it is not. It needs `network: all` to reach its model, and its own
    /// directory in a home among what is writable.
    #[serde(default = "Sandbox::off")]
    pub sandbox: Sandbox,
}

/// Whose command line it is: both speak the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Claude Code, or what speaks like it.
    #[default]
    ClaudeCode,
    /// ruflo.
    Ruflo,
}

/// What an agent asks leave for. There is no mode in which it asks nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Whatever its own rules do not allow.
    #[default]
    Default,
    /// The same, but for changes of files where it works.
    AcceptEdits,
    /// It reads and plans, and changes nothing.
    Plan,
}

fn hour() -> Option<u64> {
    Some(hour_ms())
}

fn hour_ms() -> u64 {
    3_600_000
}

fn output_bytes() -> u64 {
    256 * 1024 * 1024
}

fn ten_seconds() -> u64 {
    10_000
}

impl Dialect {
    /// As configurations and sessions spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Ruflo => "ruflo",
        }
    }
}

impl PermissionMode {
    /// As the program spells it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
        }
    }
}

impl Claude {
    /// An agent with the defaults.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            dialect: Dialect::default(),
            working_directory: None,
            environment: Variables::default(),
            model: None,
            system_prompt: None,
            permission_mode: PermissionMode::default(),
            disallowed_tools: Vec::new(),
            turns_max: None,
            budget_usd: None,
            timeout_ms: hour(),
            idle_timeout_ms: None,
            permission_timeout_ms: hour_ms(),
            output_bytes_max: output_bytes(),
            grace_ms: ten_seconds(),
            sandbox: Sandbox::off(),
        }
    }

    /// Checks every value. Whether the program exists is found out when it is started.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field as the configuration spells it.
    pub fn validate(&self) -> Result<(), Error> {
        let texts = self.command.iter().chain(&self.model).chain(&self.system_prompt).chain(&self.disallowed_tools);
        if texts.clone().any(|text| text.contains('\0')) {
            return Err(invalid("command", "neither it nor what is put behind it may contain a NUL character"));
        }
        if self.command.first().is_none_or(String::is_empty) {
            return Err(invalid("command", "expected a program and its arguments"));
        }
        // It would be read as an option.
        if self.model.iter().chain(&self.disallowed_tools).any(|word| word.is_empty() || word.starts_with('-')) {
            return Err(invalid("model, disallowedTools", "expected names, which do not begin with `-`"));
        }
        let names = self.environment.inherit.iter().chain(self.environment.set.keys());
        if names.clone().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(invalid("environment", "a name is empty or contains `=`"));
        }
        if self.environment.set.values().any(|value| value.contains('\0')) {
            return Err(invalid("environment", "a value contains a NUL character"));
        }
        if self.budget_usd.is_some_and(|budget| !(budget > 0.0 && budget.is_finite())) {
            return Err(invalid("budgetUsd", "expected more than 0"));
        }
        self.sandbox.validate().map_err(|problem| invalid("sandbox", problem))?;
        within("turnsMax", u64::from(self.turns_max.unwrap_or(1)), 1, 10_000)?;
        within("timeoutMs", self.timeout_ms.unwrap_or(1), 1, 7 * DAY_MS)?;
        within("idleTimeoutMs", self.idle_timeout_ms.unwrap_or(1), 1, 7 * DAY_MS)?;
        within("permissionTimeoutMs", self.permission_timeout_ms, 1, 7 * DAY_MS)?;
        within("outputBytesMax", self.output_bytes_max, 1, 1 << 32)?;
        within("graceMs", self.grace_ms, 0, DAY_MS)
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    /// What to run for a session; with `resume`, so that it goes on with that conversation of its own.
    pub(crate) fn spec(&self, session: &Session, resume: Option<&str>) -> Spec {
        let (program, first) = self.command.split_first().expect("the command was validated");
        let mut environment = Environment::empty().inherit(&self.environment.inherit);
        for (name, value) in &self.environment.set {
            environment = environment.set(name, value);
        }
        let environment = environment
            .set("ORCHESTRATOR_TASK_ID", session.task.to_string())
            .set("ORCHESTRATOR_SESSION_ID", session.id.to_string())
            .set("ORCHESTRATOR_AGENT", session.agent.as_str());
        let limits = Limits {
            wall_time: self.timeout_ms.map(Duration::from_millis),
            idle_time: self.idle_timeout_ms.map(Duration::from_millis),
            output_bytes_max: self.output_bytes_max,
            over_output: OverOutput::End,
            line_bytes_max: LINE_BYTES_MAX,
            grace: self.grace(),
            ..Limits::default()
        };
        let mut spec = Spec::new(program)
            .args(first)
            .args(self.arguments(resume))
            .environment(environment)
            .stdin(Stdin::Piped)
            .limits(limits);
        spec.working_directory.clone_from(&self.working_directory);
        spec
    }

    fn arguments(&self, resume: Option<&str>) -> Vec<String> {
        let flags = ["-p", "--output-format", "stream-json", "--input-format", "stream-json", "--verbose"];
        let mut arguments: Vec<String> = flags.map(str::to_owned).to_vec();
        arguments.push("--include-partial-messages".to_owned());
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        // Leave is asked for on its output, and given on its input.
        add("--permission-prompt-tool", "stdio".to_owned());
        add("--permission-mode", self.permission_mode.as_str().to_owned());
        if let Some(model) = &self.model {
            add("--model", model.clone());
        }
        if let Some(prompt) = &self.system_prompt {
            add("--append-system-prompt", prompt.clone());
        }
        if !self.disallowed_tools.is_empty() {
            add("--disallowedTools", self.disallowed_tools.join(","));
        }
        if let Some(turns) = self.turns_max {
            add("--max-turns", turns.to_string());
        }
        if let Some(budget) = self.budget_usd {
            add("--max-budget-usd", budget.to_string());
        }
        if let Some(id) = resume {
            add("--resume", id.to_owned());
        }
        arguments
    }
}

fn invalid(field: &'static str, problem: impl Into<String>) -> Error {
    Error::Invalid { field, problem: problem.into() }
}

fn within(field: &'static str, given: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(invalid(field, format!("expected {least} to {most}, got {given}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_becomes_arguments() {
        let config: Claude = serde_json::from_str(
            r#"{ "command": ["claude"], "model": "opus", "turnsMax": 3, "budgetUsd": 0.5, "disallowedTools": ["Bash", "Write"] }"#,
        )
        .unwrap();
        config.validate().unwrap();
        let arguments = config.arguments(Some("5f0c")).join(" ");
        for part in [
            "-p --output-format stream-json --input-format stream-json --verbose --include-partial-messages",
            "--permission-prompt-tool stdio --permission-mode default --model opus --disallowedTools Bash,Write",
            "--max-turns 3 --max-budget-usd 0.5 --resume 5f0c",
        ] {
            assert!(arguments.contains(part), "{arguments}");
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Claude), field: &str) {
        let mut config = Claude::new(["claude"]);
        config.validate().unwrap();
        change(&mut config);
        assert!(config.validate().unwrap_err().to_string().starts_with(field), "{field}");
    }

    #[test]
    fn what_cannot_run_is_refused() {
        refused(|config| config.command.clear(), "command");
        refused(|config| config.system_prompt = Some("a\0".into()), "command");
        refused(|config| config.model = Some("--dangerously-skip-permissions".into()), "model");
        refused(|config| config.environment.inherit.push("A=B".into()), "environment");
        refused(|config| config.turns_max = Some(0), "turnsMax");
        refused(|config| config.budget_usd = Some(f64::NAN), "budgetUsd");
        refused(|config| config.timeout_ms = Some(0), "timeoutMs");
        refused(|config| config.sandbox.executable.push("relative".into()), "sandbox");
        let unknown = r#"{ "command": ["claude"], "permissionMode": "bypassPermissions" }"#;
        assert!(serde_json::from_str::<Claude>(unknown).is_err());
    }
}
