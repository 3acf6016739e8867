//! A program that is running: read line by line, told to end, waited for.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::Run;

/// For anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Killed when it is dropped.
pub(super) struct Started {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Started {
    pub(super) fn new(command: &mut Command) -> Result<Self> {
        let line = format!("{command:?}");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.with_context(|| format!("cannot start {line}"))?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let all = BufReader::new(stdout).lines().map_while(Result::ok);
            // Nobody listens any more once the program is let go.
            all.for_each(|line| drop(sender.send(line)));
        });
        Ok(Self { child, lines, seen: Vec::new() })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line from now on with this text.
    pub(super) fn line_with(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("waited in vain for `{text}`; it said:\n{}", self.seen.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it ended before it said `{text}`:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// How it ends by itself, which begins with nobody writing any more.
    pub(super) fn ended(mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("it did not end"),
                Err(RecvTimeoutError::Disconnected) => return Ok(self.child.wait()?),
            }
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `TERM`, `STOP`, `CONT`.
pub(super) fn signal(name: &str, process: u32) -> Result<()> {
    Run::new("kill").arg("-s").arg(name).arg(process.to_string()).run()
}
