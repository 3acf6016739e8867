use std::path::{Path, PathBuf};

use super::{Git, LIST_BYTES_MAX, Place, Ran, hardened, items, line};
use crate::Error;

/// A repository's working tree, and what is switched off in it.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    git: Git,
    place: Place,
    off: Vec<(String, String)>,
}

/// What a directory is to git.
#[derive(Debug)]
pub(crate) enum Fit {
    /// It is in no repository.
    NoRepository,
    /// There can be no worktree, and why.
    Unfit(&'static str),
    /// The top of a working tree with a commit.
    Top {
        repository: Box<Repository>,
        /// Where what all worktrees share lies.
        common: PathBuf,
        head: String,
    },
}

/// Looks at a directory without running anything that its repository configures.
pub(crate) async fn probe(git: &Git, directory: &Path) -> Result<Fit, Error> {
    let place = Place::at(directory);
    let args = ["rev-parse", "--path-format=absolute", "--is-bare-repository", "--git-common-dir"];
    let ran = git.run(&place, &[], &args, LIST_BYTES_MAX).await?;
    if ran.code != 0 {
        return match ran.stderr.contains("not a git repository") {
            true => Ok(Fit::NoRepository),
            false => Err(ran.failure("rev-parse")),
        };
    }
    let text = ran.text();
    let Some((bare, common)) = text.split_once('\n') else { return Err(ran.failure("rev-parse")) };
    if bare == "true" {
        return Ok(Fit::Unfit("is a bare repository: it has no working tree to merge into"));
    }
    let repository = Repository::open(git, place).await?;
    let top = repository.run(&["rev-parse", "--show-toplevel"]).await?;
    // Also when `core.worktree` of the repository points elsewhere.
    if top.code != 0 || Path::new(&top.text()) != directory {
        return Ok(Fit::Unfit("is not the top of a git working tree"));
    }
    match repository.head().await? {
        Some(head) => Ok(Fit::Top { repository: Box::new(repository), common: common.into(), head }),
        None => Ok(Fit::Unfit("has no commit yet")),
    }
}

impl Repository {
    pub(crate) async fn open(git: &Git, place: Place) -> Result<Self, Error> {
        let args = ["config", "--includes", "-z", "--name-only", "--get-regexp", hardened::PROGRAMS];
        let listed = git.run(&place, &[], &args, LIST_BYTES_MAX).await?;
        let off = match listed.code {
            0 => hardened::switched_off(items(&listed.stdout)),
            1 => Vec::new(), // none of them
            _ => return Err(listed.failure("config")),
        };
        Ok(Self { git: git.clone(), place, off })
    }

    /// The same, with another index.
    pub(crate) fn with_index(&self, index: PathBuf) -> Self {
        Self { place: Place { index: Some(index), ..self.place.clone() }, ..self.clone() }
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Result<Ran, Error> {
        self.git.run(&self.place, &self.off, args, LIST_BYTES_MAX).await
    }

    pub(crate) async fn run_up_to(&self, args: &[&str], output_bytes_max: u64) -> Result<Ran, Error> {
        self.git.run(&self.place, &self.off, args, output_bytes_max).await
    }

    /// The output of a command that must succeed.
    pub(crate) async fn output(&self, args: &[&str]) -> Result<Vec<u8>, Error> {
        self.run(args).await?.success(args.first().copied().unwrap_or_default())
    }

    /// Paths, from a command with `-z`.
    pub(crate) async fn paths(&self, args: &[&str]) -> Result<Vec<String>, Error> {
        Ok(items(&self.output(args).await?))
    }

    /// The commit that is checked out; `None` before the first.
    pub(crate) async fn head(&self) -> Result<Option<String>, Error> {
        let ran = self.run(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await?;
        Ok((ran.code == 0).then(|| ran.text()))
    }

    /// The branch that is checked out; `None` if a commit is.
    pub(crate) async fn branch(&self) -> Result<Option<String>, Error> {
        let ran = self.run(&["symbolic-ref", "--short", "--quiet", "HEAD"]).await?;
        Ok((ran.code == 0).then(|| ran.text()))
    }

    /// Whether everything of `older` is in `newer`.
    pub(crate) async fn is_in(&self, older: &str, newer: &str) -> Result<bool, Error> {
        let ran = self.run(&["merge-base", "--is-ancestor", older, newer]).await?;
        match ran.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(ran.failure("merge-base")),
        }
    }

    /// Files that differ between two commits.
    pub(crate) async fn differing(&self, from: &str, to: &str) -> Result<Vec<String>, Error> {
        self.paths(&["diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--name-only", "-z", from, to]).await
    }

    /// Files with changes that are not committed, new ones included; with `ignored`, those that git ignores too.
    pub(crate) async fn uncommitted(&self, ignored: bool) -> Result<Vec<String>, Error> {
        let ignored = if ignored { "--ignored=matching" } else { "--ignored=no" };
        let args = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", ignored];
        let entries = self.paths(&[&args[..], &["--ignore-submodules=all"]].concat()).await?;
        // Two letters and a space come first.
        Ok(entries.iter().filter_map(|entry| entry.get(3..)).map(str::to_owned).collect())
    }

    /// The merge of two commits as a tree, without touching any file.
    pub(crate) async fn merge_tree(&self, ours: &str, theirs: &str) -> Result<String, Error> {
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs];
        let ran = self.run(&args).await?;
        let mut items = items(&ran.stdout).into_iter();
        match ran.code {
            0 => items.next().ok_or_else(|| ran.failure("merge-tree")),
            1 => {
                let mut paths: Vec<String> = items.skip(1).collect();
                paths.dedup();
                Err(Error::Conflicts { paths })
            }
            _ => Err(ran.failure("merge-tree")),
        }
    }

    pub(crate) async fn commit_tree(&self, tree: &str, parents: [&str; 2], message: &str) -> Result<String, Error> {
        let [first, second] = parents;
        let args = ["commit-tree", tree, "-p", first, "-p", second, "-m", message];
        Ok(line(&self.output(&args).await?))
    }
}
