//! The README promises commands: they stand there word for word, and what they promise happens.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::Run;
use crate::workspace::Workspace;

/// The commands a stranger is told to type.
const COMMANDS: [&str; 2] = ["cargo run --release -p orchestrator-daemon -- demo", "cargo xtask test"];
/// How the first of them is made to end by itself, with exit code 0 once its tasks are completed.
const UNTIL_DONE: [&str; 3] = ["--once", "--port", "0"];
/// The profile's, in the environment.
const OPT_LEVEL: &str = "CARGO_PROFILE_RELEASE_OPT_LEVEL";

/// What the compiler is told beside the command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Build {
    /// Nothing: as a stranger has it.
    AsReleased,
    /// Not to optimise, which is most of what a release build takes. It is the release profile all the same.
    Quick,
}

pub(crate) fn run(workspace: &Workspace, build: Build) -> Result<()> {
    let text = std::fs::read_to_string(workspace.root.join("README.md")).context("cannot read README.md")?;
    let missing = missing(&text);
    if !missing.is_empty() {
        bail!("README.md does not show: {}", missing.join("; "));
    }
    demo(workspace, build)
}

/// A command counts if it is a line of its own.
fn missing(text: &str) -> Vec<&'static str> {
    COMMANDS.into_iter().filter(|command| !text.lines().any(|line| line.trim() == *command)).collect()
}

fn demo(workspace: &Workspace, build: Build) -> Result<()> {
    let data = workspace.target.join("readme-demo");
    if data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot empty {}", data.display()))?;
    }
    let words = COMMANDS[0].split(' ').skip(1);
    let run = Run::cargo(words).args(UNTIL_DONE).arg("--data-dir").arg(&data).within(&workspace.root);
    match build {
        Build::AsReleased => run.run()?,
        Build::Quick => run.env(OPT_LEVEL, "0").run()?,
    }
    clear(workspace, &data)
}

/// The demonstration's agents have left worktrees and branches in this repository, for whoever would look at them.
fn clear(workspace: &Workspace, data: &Path) -> Result<()> {
    let git = |words: &[&str]| Run::new("git").args(words).within(&workspace.root);
    let Ok(list) = git(&["worktree", "list", "--porcelain"]).output() else { return Ok(()) };
    for (path, branch) in worktrees(&list).filter(|(path, _)| Path::new(path).starts_with(data)) {
        git(&["worktree", "remove", "--force", path]).run()?;
        git(&["branch", "--quiet", "-D", branch]).run()?;
    }
    Ok(())
}

/// Where they are, and the short names of their branches.
fn worktrees(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split("\n\n").filter_map(|entry| {
        let line = |word: &str| entry.lines().find_map(|line| line.strip_prefix(word));
        Some((line("worktree ")?, line("branch refs/heads/")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_are_read_with_their_branches() {
        let list = "worktree /a\nHEAD 1\nbranch refs/heads/main\n\nworktree /a/b\nHEAD 2\nbranch refs/heads/orchestrator/x\n\n\
            worktree /c\nHEAD 3\ndetached\n\n";
        assert_eq!(worktrees(list).collect::<Vec<_>>(), [("/a", "main"), ("/a/b", "orchestrator/x")]);
    }

    #[test]
    fn a_command_that_is_not_shown_is_found() {
        assert_eq!(missing(&COMMANDS.join("\n")), Vec::<&str>::new());
        assert_eq!(missing(&format!("```sh\n{}\n```\n", COMMANDS[0])), [COMMANDS[1]]);
        assert_eq!(missing(&format!("Type `{}`.\n", COMMANDS[1])), COMMANDS);
    }
}
