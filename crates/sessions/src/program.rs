mod listener;
mod message;
mod outcome;
mod run;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use orchestrator_process::{Environment, Limits, OverOutput, Sandbox, Spec, Stdin};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::config::within;
use crate::{Error, Session};

/// The longest line that is understood as a whole; longer ones are text in pieces.
const LINE_BYTES_MAX: usize = 256 * 1024;

const DAY_MS: u64 = 86_400_000;

/// How an agent program is run. It comes from the operator's configuration and from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments, as they are: there is no shell unless it is named. A bare name is looked up in the
    /// `PATH` of `environment`, otherwise in `/usr/local/bin:/usr/bin:/bin`.
    pub command: Vec<String>,
    /// Where it runs. Default: where the daemon does.
    #[serde(default)]
    pub working_directory: Option<PathBuf>,
    /// Its variables, besides `ORCHESTRATOR_TASK_ID`, `ORCHESTRATOR_SESSION_ID` and `ORCHESTRATOR_AGENT`. Default: none.
    #[serde(default)]
    pub environment: Variables,
    /// How long it may run, in milliseconds, up to a week; `null` for ever. Pauses count. Default an hour.
    #[serde(default = "hour")]
    pub timeout_ms: Option<u64>,
    /// How long it may print nothing, in milliseconds, up to a week. Default: no limit.
    #[serde(default)]
    pub idle_timeout_ms: Option<u64>,
    /// How many bytes it may print, to each of its two outputs, up to 1 GiB. Default 10 MiB.
    #[serde(default = "ten_mebibytes")]
    pub output_bytes_max: u64,
    /// How long it has between being asked to end (SIGTERM) and being killed, in milliseconds, up to a day. Default 5,000.
    #[serde(default = "five_seconds")]
    pub grace_ms: u64,
    /// How it is confined. Default: it is not.
    #[serde(default = "Sandbox::off")]
    pub sandbox: Sandbox,
}

/// The variables of a program. Debug output hides the values, and serialised they are `***`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Variables {
    /// Names of the daemon's own variables that are passed on, if they exist.
    pub inherit: Vec<String>,
    /// Names and values.
    #[serde(serialize_with = "masked")]
    pub set: BTreeMap<String, String>,
}

fn masked<S: Serializer>(variables: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(variables.keys().map(|name| (name, "***")))
}

fn hour() -> Option<u64> {
    Some(3_600_000)
}

fn ten_mebibytes() -> u64 {
    10 * 1024 * 1024
}

fn five_seconds() -> u64 {
    5_000
}

impl Program {
    /// A program with the default limits.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            working_directory: None,
            environment: Variables::default(),
            timeout_ms: hour(),
            idle_timeout_ms: None,
            output_bytes_max: ten_mebibytes(),
            grace_ms: five_seconds(),
            sandbox: Sandbox::off(),
        }
    }

    /// Checks every limit. Whether the program exists is found out when it is started.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field as the configuration spells it.
    pub fn validate(&self) -> Result<(), Error> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err(Error::invalid("command", "expected a program and its arguments"));
        }
        let has_nul = |text: &String| text.contains('\0');
        if self.command.iter().any(has_nul) {
            return Err(Error::invalid("command", "contains a NUL character"));
        }
        let names = self.environment.inherit.iter().chain(self.environment.set.keys());
        if names.clone().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(Error::invalid("environment", "a name is empty or contains `=`"));
        }
        if self.environment.set.values().any(has_nul) {
            return Err(Error::invalid("environment", "a value contains a NUL character"));
        }
        self.sandbox.validate().map_err(|problem| Error::invalid("sandbox", problem))?;
        within("timeoutMs", self.timeout_ms.unwrap_or(1), 1, 7 * DAY_MS)?;
        within("idleTimeoutMs", self.idle_timeout_ms.unwrap_or(1), 1, 7 * DAY_MS)?;
        within("outputBytesMax", self.output_bytes_max, 1, 1 << 30)?;
        within("graceMs", self.grace_ms, 0, DAY_MS)
    }

    fn end_grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    /// What to run for a session: the task on standard input, the limits, and a mark that says whose process it is.
    fn spec(&self, session: &Session, document: &Value) -> Spec {
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
            grace: self.end_grace(),
            ..Limits::default()
        };
        let (program, args) = self.command.split_first().expect("the command was validated");
        let mut spec = Spec::new(program)
            .args(args)
            .environment(environment)
            .stdin(Stdin::Bytes(Bytes::from(format!("{document}\n"))))
            .limits(limits);
        spec.working_directory.clone_from(&self.working_directory);
        spec
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.set.keys().collect();
        f.debug_struct("Variables").field("inherit", &self.inherit).field("set", &names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_as_it_is_configured() {
        let text =
            r#"{ "command": ["sh", "-c", "cat"], "environment": { "set": { "KEY": "s3cret" } }, "timeoutMs": null }"#;
        let program: Program = serde_json::from_str(text).unwrap();
        program.validate().unwrap();
        assert_eq!((program.timeout_ms, program.grace_ms), (None, 5_000));
        assert!(!format!("{program:?}").contains("s3cret"));
        assert!(serde_json::from_str::<Program>(r#"{ "command": ["sh"], "shell": true }"#).is_err());
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Program), field: &str) {
        let mut program = Program::new(["true"]);
        program.validate().unwrap();
        change(&mut program);
        assert!(program.validate().unwrap_err().to_string().starts_with(field), "{field}");
    }

    #[test]
    fn what_cannot_run_is_refused() {
        refused(|program| program.command.clear(), "command");
        refused(|program| program.command = vec!["a".into(), "b\0".into()], "command");
        refused(|program| program.environment.inherit.push("A=B".into()), "environment");
        refused(|program| program.timeout_ms = Some(0), "timeoutMs");
        refused(|program| program.output_bytes_max = 0, "outputBytesMax");
        refused(|program| program.sandbox.readable.push("relative".into()), "sandbox");
    }
}
