use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::Run;
use crate::workspace::Workspace;

/// How schemathesis is told what is allowed, and why; things that are there are appended to a copy.
const CONFIGURATION: &str = "xtask/schemathesis.toml";
/// How many of each kind of thing are made for it to find.
const THINGS: usize = 3;
/// What the daemon prints once it can be reached.
const LISTENING: &str = "listening on ";

/// A daemon with an organisation of its own for the examination; killed when dropped.
pub(super) struct Subject {
    child: Child,
    url: String,
    programs: PathBuf,
    folder: PathBuf,
    configuration: PathBuf,
    stranger: String,
    operator: String,
}

impl Subject {
    /// Starts the built daemon on an empty data directory in `folder`, with an agent that works for the organisation.
    pub(super) fn start(workspace: &Workspace, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let programs = workspace.target.join("debug");
        // Which organisation an agent works for is configured, and it has no id before it is made.
        let subject = Self::started(&programs, folder, &json!({}))?;
        let org = subject.call("org.create", &json!({"name": "examiner"}))?["id"].take();
        drop(subject);
        let program = json!({"command": ["/bin/sh", "-c", "cat > /dev/null"]});
        let agents = json!({"0": {"org": org, "capabilities": ["0"], "maxConcurrent": 50, "program": program}});
        let mut subject = Self::started(&programs, folder, &agents)?;
        let token = json!({"kind": "apiKey", "subject": "examiner", "scopes": ["daemon.admin"], "orgId": org});
        subject.stranger = token_of(&subject.call("auth.token.issue", &token)?)?;
        let token = json!({"kind": "apiKey", "subject": "examiner", "scopes": ["daemon.admin"]});
        subject.operator = token_of(&subject.call("auth.token.issue", &token)?)?;
        let configuration = std::fs::read_to_string(workspace.root.join(CONFIGURATION))?;
        std::fs::write(&subject.configuration, configuration + &subject.dictionaries()?)?;
        Ok(subject)
    }

    /// Things of the stranger's organisation, by kind.
    fn dictionaries(&self) -> Result<String> {
        let plan = json!({"every": {"intervalMs": 3_600_000}});
        let schedule = json!({"name": "there", "plan": plan, "template": {"title": "scheduled"}});
        // Nobody can do it, so that it stays.
        let task = json!({"title": "there", "requiredCapabilities": ["nobody"]});
        let mut text = String::new();
        for (kind, method, params) in [("tasks", "task.create", task), ("schedules", "schedule.create", schedule)] {
            let made = (0..THINGS).map(|_| {
                let answer = self.cli(method, &params).env("ORCHESTRATOR_TOKEN", &self.stranger).output()?;
                Ok(serde_json::from_str::<Value>(&answer)?["id"].to_string())
            });
            let ids = made.collect::<Result<Vec<_>>>()?.join(", ");
            text.push_str(&format!("\n[dictionaries.{kind}]\nvalues = [{ids}]\n"));
        }
        Ok(text)
    }

    /// Where everything is that comes of the examination.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The credential of the organisation's administrator.
    pub(super) fn stranger(&self) -> &str {
        &self.stranger
    }

    /// A credential of the operator's organisation.
    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    /// Whether a credential still counts.
    pub(super) fn still_lets_in(&self, credential: &str) -> Result<()> {
        self.cli("daemon.status", &json!({})).env("ORCHESTRATOR_TOKEN", credential).output().map(drop)
    }

    fn started(programs: &Path, folder: &Path, agents: &Value) -> Result<Self> {
        let config = folder.join("config.json");
        // Limits are on, so that their headers are there, and far away.
        let far = 1_000_000_000;
        let limits = json!({"max": far, "callsPerCredential": far});
        std::fs::write(&config, json!({"rateLimit": limits, "agents": agents}).to_string())?;
        let program = programs.join("orchestrator-daemon");
        let mut command = Command::new(&program);
        command.args(["--port", "0", "--config"]).arg(&config).arg("--data-dir").arg(folder.join("data"));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::options().create(true).append(true).open(folder.join("daemon.log"))?);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut subject = Self {
            child,
            url: String::new(),
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            configuration: folder.join("schemathesis.toml"),
            stranger: String::new(),
            operator: String::new(),
        };
        subject.url = listening(output)?;
        Ok(subject)
    }

    /// As the administrator, whose key is in the data directory.
    fn call(&self, method: &str, params: &Value) -> Result<Value> {
        let answer = self.cli(method, params).output()?;
        serde_json::from_str(&answer).with_context(|| format!("{method} did not answer JSON"))
    }

    fn cli(&self, method: &str, params: &Value) -> Run {
        let run = Run::new(self.programs.join("orchestrator")).arg("--data-dir").arg(self.folder.join("data"));
        run.args(["call", method]).arg(params.to_string()).quiet()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token_of(issued: &Value) -> Result<String> {
    issued["token"].as_str().map(str::to_owned).context("no token was issued")
}

/// Reads on in the background, or the daemon would stop at a full pipe.
fn listening(output: impl Read + Send + 'static) -> Result<String> {
    let mut lines = BufReader::new(output).lines();
    for line in &mut lines {
        let line = line?;
        if let Some((_, url)) = line.split_once(LISTENING) {
            let url = url.trim().to_owned();
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(url);
        }
    }
    bail!("the daemon ended before it listened; see daemon.log")
}
