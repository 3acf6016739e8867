use std::path::{Path, PathBuf};
use std::process::Stdio;

use orchestrator_testkit::{Daemon, Ran, patiently, program};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A daemon with two agents: `counter` counts the lines of a file and tells of it, `broken` always fails.
pub(crate) async fn daemon() -> anyhow::Result<Daemon> {
    let counter = r#"echo "counting"; echo '{"progress": "half"}'; echo '{"result": {"lines": 3}}'"#;
    let agent = |capability: &str, script: &str| json!({ "capabilities": [capability], "program": { "command": ["sh", "-c", script] } });
    let agents = json!({
        "counter": agent("count", counter),
        "broken": agent("break", "echo 'it broke' >&2; exit 3"),
    });
    Daemon::builder().without_rate_limits().config(json!({ "agents": agents })).start().await
}

/// The command line, with a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Cli {
    data_directory: PathBuf,
    environment: Vec<(String, String)>,
}

impl Cli {
    /// Of the operator of this daemon.
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self::at(daemon.data_directory())
    }

    pub(crate) fn at(data_directory: &Path) -> Self {
        Self { data_directory: data_directory.to_owned(), environment: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
        command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", &self.data_directory);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let output = patiently(&format!("orchestrator {arguments:?}"), self.command(arguments).output()).await;
        output.expect("it can be started").into()
    }

    /// Runs it with something on standard input.
    pub(crate) async fn run_with(&self, input: &str, arguments: &[&str]) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("it can be started");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).await.expect("it reads");
        drop(stdin);
        let output = patiently(&format!("orchestrator {arguments:?}"), child.wait_with_output()).await;
        output.expect("it is ours").into()
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Live {
        let mut child = self.command(arguments).spawn().expect("it can be started");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Live { child, lines }
    }
}

/// A command that goes on; it ends with the test.
pub(crate) struct Live {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Live {
    /// Reads no more of it. Waits for how it ends.
    pub(crate) fn leave(self) -> impl Future<Output = Option<i32>> {
        let Self { mut child, lines } = self;
        drop(lines);
        async move { patiently("it to notice", child.wait()).await.expect("it is ours").code() }
    }

    /// SIGKILL, and what it had said on standard error.
    pub(crate) async fn kill(mut self) -> String {
        patiently("it to end", self.child.kill()).await.expect("it runs and is ours");
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).await.expect("it says UTF-8");
        }
        said
    }

    /// The next line with this text.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        patiently(&format!("a line with {text}"), async {
            loop {
                match self.lines.next_line().await.expect("its output can be read") {
                    Some(line) if line.contains(text) => return line,
                    Some(_) => {}
                    None => panic!("it ended before it said {text}"),
                }
            }
        })
        .await
    }
}
