use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchestrator_process::{Confine, Confinement, Error, Spec};
use tempfile::TempDir;

/// How the programs of `command.run` are confined: each may write to its workspace, and to a directory of its own for what is
/// temporary.
#[derive(Clone)]
pub struct Sandbox {
    /// What confines.
    pub confine: Arc<dyn Confine>,
    /// What every program may reach.
    pub confinement: Confinement,
    /// Where the directories for what is temporary are made, each for one program. It must exist, for nobody but this user.
    pub temporary: PathBuf,
}

impl Sandbox {
    /// The program as it is started, confined to this workspace, and its directory for what is temporary, which is removed when
    /// it is dropped. Variables that say where programs keep things lead there, except those in `set`.
    pub(super) fn apply(&self, mut spec: Spec, workspace: &Path, set: &[&str]) -> Result<(Spec, TempDir), Error> {
        let temporary = tempfile::Builder::new().prefix("command-").tempdir_in(&self.temporary)?;
        let mut confinement = self.confinement.clone();
        let own = [workspace.to_owned(), temporary.path().to_owned()];
        confinement.writable.extend(own.clone());
        confinement.executable.extend(own);
        confinement.readable.extend(repository(workspace));
        for name in ["HOME", "TMPDIR"].into_iter().filter(|name| !set.contains(name)) {
            spec.environment = spec.environment.set(name, temporary.path());
        }
        Ok((self.confine.confine(spec, &confinement)?, temporary))
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("confinement", &self.confinement).finish_non_exhaustive()
    }
}

/// The `.git` of the repository that this directory is a worktree of: without reading it, git knows nothing there.
///
/// What is in the directory can say anything. It is believed if the repository says so too, which nobody can make it say who may
/// not write there.
fn repository(workspace: &Path) -> Option<PathBuf> {
    let pointer = workspace.join(".git");
    let text = fs::read_to_string(&pointer).ok()?;
    let own = workspace.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let back = fs::read_to_string(own.join("gitdir")).ok()?;
    let says_so = Path::new(back.trim()).canonicalize().ok()? == pointer.canonicalize().ok()?;
    let worktrees = own.parent()?;
    let common = worktrees.parent()?;
    (says_so && worktrees.ends_with("worktrees") && !common.starts_with(workspace)).then(|| common.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_a_worktree_is_found_and_what_only_says_so_is_not() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (work, own) = (root.join("work"), root.join("source/.git/worktrees/work"));
        fs::create_dir_all(&work).unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(work.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        assert_eq!(repository(&work), None);
        fs::write(own.join("gitdir"), format!("{}\n", root.join("elsewhere").display())).unwrap();
        assert_eq!(repository(&work), None);
        fs::write(own.join("gitdir"), format!("{}\n", work.join(".git").display())).unwrap();
        assert_eq!(repository(&work), Some(root.join("source/.git")));

        // Made up within the workspace itself.
        let forged = work.join("x/worktrees/y");
        fs::create_dir_all(&forged).unwrap();
        fs::write(forged.join("gitdir"), format!("{}\n", work.join(".git").display())).unwrap();
        fs::write(work.join(".git"), "gitdir: x/worktrees/y").unwrap();
        assert_eq!(repository(&work), None);
    }
}
