mod tree;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};

use crate::{Error, file};
use tree::Tree;

/// For so long nothing more must happen to the files before they are looked at: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// Links from a name to the file it means; more are a circle.
const LINKS_MAX: usize = 16;

/// Tells when the content of one of several files has changed.
///
/// It watches the directories that lead to the files, so it sees files that are replaced instead of written to, that do not
/// exist yet, and that are links (also links to a directory that is exchanged, as with a mounted config map). It compares
/// contents, so it stays quiet about what only touches a file. Dropping it ends it.
pub struct Watch(Arc<Mutex<Inner>>);

struct Inner {
    debouncer: Option<Debouncer<RecommendedWatcher, NoCache>>,
    files: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
    trees: BTreeSet<Tree>,
    seen: u64,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("files", &self.lock().files).finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches nothing yet; see [`Watch::follow`]. `changed` runs on a thread of its own and should only tell somebody.
    ///
    /// # Errors
    /// [`Error::Watch`]: the system has no more watches to give.
    pub fn new(changed: impl Fn() + Send + 'static) -> Result<Self, Error> {
        let (files, directories) = (BTreeSet::new(), BTreeSet::new());
        let trees = BTreeSet::new();
        let inner = Arc::new(Mutex::new(Inner { debouncer: None, files, directories, trees, seen: 0 }));
        let watched: Weak<Mutex<Inner>> = Arc::downgrade(&inner);
        let handler = move |events: DebounceEventResult| {
            let Some(inner) = watched.upgrade() else { return };
            // That somebody read a file is no news, and looking reads them. Errors are: events may have been lost.
            if events.is_ok_and(|events| events.iter().all(|event| event.kind.is_access())) {
                return;
            }
            let differs = inner.lock().unwrap_or_else(PoisonError::into_inner).look();
            if differs {
                changed();
            }
        };
        let config = notify_debouncer_full::notify::Config::default().with_follow_symlinks(false);
        let debouncer = new_debouncer_opt(QUIET, None, handler, NoCache, config).map_err(failed)?;
        inner.lock().unwrap_or_else(PoisonError::into_inner).debouncer = Some(debouncer);
        Ok(Self(inner))
    }

    /// Watches these files instead of those before, and tells whether they are others. If so, what they contain now is the
    /// state from which changes are told: read them after this.
    ///
    /// # Errors
    /// [`Error::Watch`]: one of their directories cannot be watched; the others are.
    pub fn follow(&self, files: impl IntoIterator<Item = PathBuf>) -> Result<bool, Error> {
        let files: BTreeSet<PathBuf> = files.into_iter().collect();
        let mut inner = self.lock();
        if files == inner.files {
            return Ok(false);
        }
        inner.files = files;
        inner.watch_directories()?;
        inner.seen = inner.fingerprint();
        Ok(true)
    }

    /// Watches, besides, every file with this ending (`*`: every file) in these directories and below instead of those before, as
    /// [`Watch::follow`] does: which there are, and what is in them. Names that begin with a dot are passed over; bounds keep it
    /// from looking at more than 10,000 entries or deeper than 32 directories.
    ///
    /// # Errors
    /// [`Error::Watch`]: one of the directories cannot be watched; the others are.
    pub fn follow_trees(&self, roots: impl IntoIterator<Item = PathBuf>, ending: &str) -> Result<bool, Error> {
        let trees: BTreeSet<Tree> = roots.into_iter().map(|root| Tree { root, ending: ending.to_owned() }).collect();
        let mut inner = self.lock();
        if trees == inner.trees {
            return Ok(false);
        }
        inner.trees = trees;
        inner.watch_directories()?;
        inner.seen = inner.fingerprint();
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether something is not as it was when it was last looked at.
    fn look(&mut self) -> bool {
        // A link may lead elsewhere by now.
        // Nobody to tell on this thread; the next `follow` tells.
        let _ = self.watch_directories();
        let now = self.fingerprint();
        std::mem::replace(&mut self.seen, now) != now
    }

    fn fingerprint(&self) -> u64 {
        let in_trees = self.trees.iter().flat_map(|tree| tree.content().files);
        fingerprint(&self.files.iter().cloned().chain(in_trees).collect())
    }

    fn watch_directories(&mut self) -> Result<(), Error> {
        let mut wanted: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| directories(file)).collect();
        for tree in &self.trees {
            let content = tree.content();
            wanted.extend(directories(&tree.root));
            wanted.extend(content.files.iter().flat_map(|file| directories(file)));
            wanted.extend(content.directories);
        }
        let Some(debouncer) = &mut self.debouncer else { return Ok(()) };
        for gone in self.directories.difference(&wanted) {
            // It may not exist any more, and then is not watched either.
            let _ = debouncer.unwatch(gone);
        }
        let mut outcome = Ok(());
        for folder in &wanted {
            // Also those that were watched: another directory may have come in their place.
            if let Err(error) = debouncer.watch(folder, RecursiveMode::NonRecursive) {
                outcome = Err(failed(error));
            }
        }
        self.directories = wanted;
        outcome
    }
}

fn failed(error: notify_debouncer_full::notify::Error) -> Error {
    Error::Watch(Box::new(error))
}

/// The directories in which something must change before the name can mean another content.
fn directories(file: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut path = absolute(file);
    for _ in 0..LINKS_MAX {
        let Some(folder) = path.parent().map(Path::to_owned) else { break };
        // One that does not exist yet is waited for in the nearest that does.
        found.extend(folder.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned));
        if folder.is_symlink() {
            found.extend(folder.parent().map(Path::to_owned));
        }
        match std::fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => break,
        }
    }
    found
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Of what the files contain, and of which are there.
fn fingerprint(files: &BTreeSet<PathBuf>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in files {
        path.hash(&mut hasher);
        // A file that cannot be read differs from one that can. Of what is no text, or too long, its length and its time tell.
        match file::read_text(path) {
            Ok(text) => Some(text).hash(&mut hasher),
            Err(_) => std::fs::metadata(path).ok().map(|about| (about.len(), about.modified().ok())).hash(&mut hasher),
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{self, Receiver};

    use super::*;

    /// Longer than any machine takes; a test waits so long only to fail.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn watching(files: &[PathBuf]) -> (Watch, Receiver<()>) {
        let (tell, told) = mpsc::channel();
        let watch = Watch::new(move || tell.send(()).unwrap_or_default()).unwrap();
        assert!(watch.follow(files.iter().cloned()).unwrap());
        (watch, told)
    }

    #[test]
    fn a_file_that_is_written_or_replaced_or_comes_to_be_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.yaml"), folder.path().join("later/.env"));
        fs::write(&file, "one").unwrap();
        let (_watch, told) = watching(&[file.clone(), other.clone()]);
        fs::write(&file, "two").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        let beside = folder.path().join("a.yaml.swp");
        fs::write(&beside, "three").unwrap();
        fs::rename(&beside, &file).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        fs::create_dir(folder.path().join("later")).unwrap();
        fs::write(&other, "A=1").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        fs::remove_file(&file).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_mounted_directory_that_is_exchanged_is_noticed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..one", "1"), ("..two", "2")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
        }
        symlink("..one", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let (_watch, told) = watching(&[at("a.yaml")]);
        symlink("..two", at("..data.new")).unwrap();
        fs::rename(at("..data.new"), at("..data")).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn files_that_come_and_go_anywhere_in_a_tree_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("some/agents");
        let (tell, told) = mpsc::channel();
        let watch = Watch::new(move || tell.send(()).unwrap_or_default()).unwrap();
        assert!(watch.follow_trees([root.clone()], "md").unwrap());
        assert!(!watch.follow_trees([root.clone()], "md").unwrap());
        fs::create_dir_all(root.join("deep")).unwrap();
        fs::write(root.join("deep/a.md"), "one").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        fs::write(root.join("deep/a.md"), "two").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        fs::write(root.join("deep/a.txt"), "no news").unwrap();
        fs::remove_file(root.join("deep/a.md")).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn every_file_of_a_tree_counts_if_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let watch = Watch::new(move || tell.send(()).unwrap_or_default()).unwrap();
        assert!(watch.follow_trees([folder.path().to_owned()], "*").unwrap());
        fs::write(folder.path().join("run"), "one").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        fs::write(folder.path().join("picture"), b"\xff\xfe").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        fs::write(folder.path().join("picture"), b"\xff\xfe\xfd").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn what_changes_nothing_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "one").unwrap();
        let (watch, told) = watching(std::slice::from_ref(&file));
        assert!(!watch.follow([file.clone()]).unwrap());
        fs::write(folder.path().join("other"), "x").unwrap();
        fs::write(&file, "one").unwrap();
        // Something that is told comes after what is not.
        fs::write(&file, "two").unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        assert!(told.try_recv().is_err());
    }
}
