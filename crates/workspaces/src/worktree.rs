//! Worktrees of a git repository: made, compared, merged, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use orchestrator_vocab::SessionId;

use crate::git::{Fit, Git, Place, Repository, items, probe};
use crate::{Change, ChangedFile, Difference, Error, Workspace};

/// The kind of a submodule in git's list of files.
const SUBMODULE: &str = "160000";

/// A session's worktree and the source it belongs to.
#[derive(Debug)]
pub(crate) struct Worktree {
    source: Repository,
    own: Repository,
    /// What git keeps of it beside the repository.
    admin: PathBuf,
    base: String,
}

/// Names a session's branch.
pub(crate) fn branch_of(session: SessionId) -> String {
    format!("orchestrator/{session}")
}

fn admin_of(common: &Path, path: &Path) -> PathBuf {
    common.join("worktrees").join(path.file_name().unwrap_or_default())
}

/// Makes the worktree of a workspace whose base is decided, whatever an earlier attempt has left of it.
pub(crate) async fn create(git: &Git, workspace: &Workspace) -> Result<(), Error> {
    let (source, common) = source(git, workspace).await?;
    let (base, branch) = decided(workspace)?;
    let path = text(&workspace.path)?;
    clear(&source, &common, &workspace.path).await?;
    let exists = source.run(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).await?;
    // A branch that is there has work on it: its directory was lost, not its commits.
    let args = match exists.code {
        0 => vec!["worktree", "add", "--quiet", path, branch],
        _ => vec!["worktree", "add", "--quiet", "--no-track", "-b", branch, path, base],
    };
    source.output(&args).await.map(drop)
}

/// Removes what is there of a worktree: whole, half made, or without its directory.
async fn clear(source: &Repository, common: &Path, path: &Path) -> Result<(), Error> {
    // One that was cut off while it was made is locked.
    source.run(&["worktree", "unlock", text(path)?]).await?;
    remove_directory(path).await?;
    // Git forgets worktrees only by looking for all that are gone, which may be on a disk that is not mounted now.
    remove_directory(&admin_of(common, path)).await
}

pub(crate) async fn remove_directory(path: &Path) -> Result<(), Error> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Removes worktree and branch; tells the name of a branch that was made or renamed meanwhile and is kept.
pub(crate) async fn remove(git: &Git, workspace: &Workspace) -> Result<Option<String>, Error> {
    let (source, common) = source(git, workspace).await?;
    let (_, branch) = decided(workspace)?;
    let admin = admin_of(&common, &workspace.path);
    let current = match Repository::open(git, own_place(workspace, &admin)).await {
        Ok(own) => own.branch().await?,
        Err(_) => None, // its directory is gone
    };
    clear(&source, &common, &workspace.path).await?;
    let exists = source.run(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).await?;
    if exists.code == 0 {
        source.output(&["branch", "--quiet", "-D", branch]).await?;
    }
    Ok(current.filter(|current| current != branch))
}

fn own_place(workspace: &Workspace, admin: &Path) -> Place {
    Place { git_dir: Some(admin.to_owned()), ..Place::at(&workspace.path) }
}

async fn source(git: &Git, workspace: &Workspace) -> Result<(Repository, PathBuf), Error> {
    let origin = workspace.origin.as_deref().ok_or(Error::Unfit { problem: "a worktree has a source" })?;
    match probe(git, origin).await? {
        Fit::Top { repository, common, .. } => Ok((*repository, common)),
        _ => Err(Error::Unfit { problem: "the source is no git repository any more" }),
    }
}

fn decided(workspace: &Workspace) -> Result<(&str, &str), Error> {
    match (&workspace.base, &workspace.branch) {
        (Some(base), Some(branch)) => Ok((base, branch)),
        _ => Err(Error::Unfit { problem: "a worktree has a base and a branch" }),
    }
}

fn text(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or(Error::Unfit { problem: "the directory's name is not UTF-8" })
}

impl Worktree {
    pub(crate) async fn open(git: &Git, workspace: &Workspace) -> Result<Self, Error> {
        let (source, common) = source(git, workspace).await?;
        let admin = admin_of(&common, &workspace.path);
        if !workspace.path.is_dir() || !admin.is_dir() {
            return Err(Error::Gone(workspace.session));
        }
        let own = Repository::open(git, own_place(workspace, &admin)).await?;
        let (base, _) = decided(workspace)?;
        Ok(Self { source, own, admin, base: base.to_owned() })
    }

    async fn head(&self) -> Result<String, Error> {
        self.own.head().await?.ok_or(Error::Unfit { problem: "the workspace has no commit checked out" })
    }

    /// Whether anything was committed or left uncommitted in it.
    pub(crate) async fn is_changed(&self) -> Result<bool, Error> {
        Ok(self.head().await? != self.base || !self.own.uncommitted(false).await?.is_empty())
    }

    /// What differs from the commit it began with, uncommitted and new files included.
    pub(crate) async fn difference(&self, diff_bytes_max: u64) -> Result<Difference, Error> {
        // New files are announced to an index of our own, so that they are shown and the agent's index stays as it is.
        let index = self.admin.join("orchestrator-index");
        let own = self.own.with_index(index.clone());
        if let Err(error) = tokio::fs::copy(self.admin.join("index"), &index).await {
            tracing::debug!(%error, "the worktree has no index");
        }
        own.output(&["add", "--intent-to-add", "--all", "."]).await?;
        let common = ["--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules=all"];
        let diff = |more: &[&'static str]| [&["diff"], &common[..], more].concat();
        let args = diff(&["-z", "--numstat"]);
        let stats = own.output(&[&args[..], &[&self.base]].concat()).await?;
        let args = diff(&["-z", "--name-status"]);
        let kinds = own.output(&[&args[..], &[&self.base]].concat()).await?;
        let args = diff(&["--no-color", "--src-prefix=a/", "--dst-prefix=b/"]);
        let patch = own.run_up_to(&[&args[..], &[&self.base]].concat(), diff_bytes_max).await?;
        let truncated = patch.truncated;
        let patch = patch.success("diff")?;
        if let Err(error) = tokio::fs::remove_file(&index).await {
            tracing::debug!(%error, "an index was not removed");
        }
        let files = files(&stats, &kinds);
        let theirs: BTreeSet<String> = match self.source.head().await? {
            Some(head) => self.source.differing(&self.base, &head).await?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let also_changed = files.iter().map(|file| file.path.clone()).filter(|path| theirs.contains(path)).collect();
        Ok(Difference { files, diff: String::from_utf8_lossy(&patch).into_owned(), truncated, also_changed })
    }

    /// Brings its changes into the branch that the source has checked out: the commit, or `None` if there are none.
    ///
    /// Whatever is in the way is found before anything in the source is touched.
    pub(crate) async fn merge(&self, message: &str) -> Result<Option<String>, Error> {
        let branch = self.source.branch().await?;
        branch.ok_or(Error::Unfit { problem: "the source has no branch checked out (its HEAD is detached)" })?;
        let ours = self.source.head().await?.ok_or(Error::Unfit { problem: "the source has no commit" })?;
        let theirs = self.commit(message).await?;
        if self.source.is_in(&theirs, &ours).await? {
            return Ok(None);
        }
        let commit = match self.source.is_in(&ours, &theirs).await? {
            true => theirs,
            false => {
                let tree = self.source.merge_tree(&ours, &theirs).await?;
                self.source.commit_tree(&tree, [&ours, &theirs], message).await?
            }
        };
        self.refuse_uncommitted(&ours, &commit).await?;
        let args = ["merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash", "--no-overwrite-ignore", &commit];
        self.source.output(&args).await?;
        Ok(Some(commit))
    }

    /// Commits what is uncommitted, without submodules, and tells the commit that has everything.
    async fn commit(&self, message: &str) -> Result<String, Error> {
        let unmerged = self.own.paths(&["diff", "--name-only", "--diff-filter=U", "-z"]).await?;
        if !unmerged.is_empty() {
            return Err(Error::Conflicts { paths: unmerged });
        }
        self.own.output(&["add", "--all", "."]).await?;
        let raw =
            self.own.output(&["diff", "--cached", "--raw", "--no-renames", "--ignore-submodules=none", "-z", "HEAD"]);
        let submodules = submodules(&raw.await?);
        if !submodules.is_empty() {
            let mut args = vec!["reset", "--quiet", "HEAD", "--"];
            args.extend(submodules.iter().map(String::as_str));
            self.own.output(&args).await?;
        }
        let staged = self.own.run(&["diff", "--cached", "--quiet", "--no-ext-diff", "HEAD"]).await?;
        if staged.code != 0 {
            self.own.output(&["commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", message]).await?;
        }
        self.head().await
    }

    /// A merge never takes a change away that somebody has not committed.
    async fn refuse_uncommitted(&self, from: &str, to: &str) -> Result<(), Error> {
        let touched: BTreeSet<String> = self.source.differing(from, to).await?.into_iter().collect();
        let uncommitted = self.source.uncommitted(true).await?;
        let paths: Vec<String> = uncommitted.into_iter().filter(|path| is_in_the_way(path, &touched)).collect();
        if paths.is_empty() { Ok(()) } else { Err(Error::Uncommitted { paths }) }
    }
}

/// The same file, or one where the other needs a directory.
fn is_in_the_way(path: &str, touched: &BTreeSet<String>) -> bool {
    let path = path.trim_end_matches('/');
    let below = |whole: &str, of: &str| whole.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
    touched.iter().any(|other| other == path || below(path, other) || below(other, path) && !path.is_empty())
}

/// Paths of submodules in `diff --raw -z`: `:mode mode id id letter`, then the path.
fn submodules(raw: &[u8]) -> Vec<String> {
    let parts = items(raw);
    let pairs = parts.chunks_exact(2);
    let is_one = |pair: &&[String]| pair[0].split(' ').nth(1) == Some(SUBMODULE) || pair[0].starts_with(":160000");
    pairs.filter(is_one).map(|pair| pair[1].clone()).collect()
}

/// `--numstat -z` and `--name-status -z` of the same comparison.
fn files(stats: &[u8], kinds: &[u8]) -> Vec<ChangedFile> {
    let kinds = items(kinds);
    let kinds: BTreeMap<&str, &str> = kinds.chunks_exact(2).map(|pair| (pair[1].as_str(), pair[0].as_str())).collect();
    let kind = |path: &str| match kinds.get(path) {
        Some(&"A") => Change::Added,
        Some(&"D") => Change::Deleted,
        _ => Change::Modified,
    };
    let file = |entry: String| {
        let mut fields = entry.splitn(3, '\t');
        let (added, removed, path) = (fields.next()?, fields.next()?, fields.next()?);
        let change = kind(path);
        Some(ChangedFile { path: path.to_owned(), change, added: added.parse().ok(), removed: removed.parse().ok() })
    };
    items(stats).into_iter().filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_with_their_lines() {
        let found = files(b"1\t2\ta b.txt\0-\t-\tpicture\0", b"M\0a b.txt\0A\0picture\0");
        assert_eq!((found[0].added, found[0].removed, found[0].change), (Some(1), Some(2), Change::Modified));
        assert_eq!((found[1].added, found[1].change), (None, Change::Added));
        let raw = b":000000 160000 0 1 A\0sub\0:100644 100644 0 1 M\0file\0";
        assert_eq!(submodules(raw), ["sub"]);
    }

    #[test]
    fn a_file_is_in_the_way_of_a_directory_of_its_name() {
        let touched: BTreeSet<String> = ["a/b".to_owned(), "c".to_owned()].into();
        for (path, expected) in [("a/b", true), ("a", true), ("a/", true), ("c/d", true), ("a/bc", false), ("d", false)]
        {
            assert_eq!(is_in_the_way(path, &touched), expected, "{path}");
        }
    }
}
