//! Child processes: announced, run to their end, and checked.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::environment;

/// A command that is about to run. Arguments are passed as they are; there is no shell.
pub(crate) struct Run {
    command: Command,
    is_quiet: bool,
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        for name in environment::of_this_package() {
            command.env_remove(name);
        }
        Self { command, is_quiet: false }
    }

    pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::new("cargo").args(arguments)
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs(mut self, variables: &[(String, String)]) -> Self {
        self.command.envs(variables.iter().map(|(name, value)| (name, value)));
        self
    }

    pub(crate) fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Reads the file as its input.
    pub(crate) fn stdin(mut self, file: &Path) -> Result<Self> {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.command.stdin(opened);
        Ok(self)
    }

    /// Does not print the command line before it runs.
    pub(crate) fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// The command line, for people.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    /// Runs to the end with our own input and output; an exit code other than zero is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        self.announce();
        let status = self.command.status().with_context(|| format!("cannot start `{}`", self.line()))?;
        self.check(status)
    }

    /// Runs to the end and returns standard output; standard error is shown only if it fails.
    pub(crate) fn output(mut self) -> Result<String> {
        self.announce();
        // Somebody may have asked for colours everywhere, and what we read must be plain.
        self.command.env("CARGO_TERM_COLOR", "never");
        let output = self.command.output().with_context(|| format!("cannot start `{}`", self.line()))?;
        if !output.status.success() {
            bail!(
                "`{}` failed: {}\n{}",
                self.line(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print text", self.line()))
    }

    /// Whether the command can be run and succeeds. Prints nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    /// Runs to the end, passing every line of standard error on and to `watch`; success is told, not judged.
    pub(crate) fn watch_stderr(mut self, mut watch: impl FnMut(&str)) -> Result<bool> {
        self.announce();
        let line = self.line();
        let mut child =
            self.command.stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start `{line}`"))?;
        let stderr = child.stderr.take().expect("standard error was asked for");
        pass_on(stderr, |text| eprintln!("{text}"), &mut watch)?;
        Ok(child.wait()?.success())
    }

    /// As [`Run::watch_stderr`], for standard output.
    pub(crate) fn watch_stdout(mut self, mut watch: impl FnMut(&str)) -> Result<bool> {
        self.announce();
        let line = self.line();
        let mut child =
            self.command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{line}`"))?;
        let stdout = child.stdout.take().expect("standard output was asked for");
        pass_on(stdout, |text| println!("{text}"), &mut watch)?;
        Ok(child.wait()?.success())
    }

    fn announce(&self) {
        if !self.is_quiet {
            eprintln!("$ {}", self.line());
        }
    }

    fn check(&self, status: ExitStatus) -> Result<()> {
        if status.success() { Ok(()) } else { bail!("`{}` failed: {status}", self.line()) }
    }
}

/// Lines that are not UTF-8 are shown with replacement characters, never dropped.
fn pass_on(from: impl std::io::Read, show: impl Fn(&str), watch: &mut impl FnMut(&str)) -> Result<()> {
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        show(text);
        watch(text);
        bytes.clear();
    }
    Ok(())
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_where_words_end() {
        assert_eq!(Run::new("echo").args(["a b", "", "c-d"]).line(), "echo 'a b' '' c-d");
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = Run::new("sh").args(["-c", "echo broken >&2; exit 3"]).quiet().output().unwrap_err().to_string();
        assert!(error.contains("sh -c") && error.contains("broken") && error.contains('3'), "{error}");
    }

    #[test]
    fn every_line_is_watched() {
        let mut lines = Vec::new();
        let run = Run::new("sh").args(["-c", "printf 'one\\ntwo' >&2; exit 1"]).quiet();
        assert!(!run.watch_stderr(|line| lines.push(line.to_owned())).unwrap());
        assert_eq!(lines, ["one", "two"]);
    }
}
