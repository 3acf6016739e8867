use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use orchestrator_vocab::AgentId;

use super::{Fault, FilesConfig};

/// A file that defines an agent, or would.
pub(super) struct Found {
    pub(super) id: AgentId,
    /// As it is told to people.
    pub(super) shown: PathBuf,
    pub(super) text: Result<String, String>,
}

/// Directories and files looked at for each one that may be found.
const ENTRIES_PER_FILE: usize = 16;

/// Reads every file there is, in the order of the directories and of names.
pub(super) fn walk(config: &FilesConfig, base: &Path) -> (Vec<Found>, Vec<Fault>) {
    let mut walk = Walk { config, found: Vec::new(), faults: Vec::new(), seen: BTreeSet::new(), entries: 0 };
    for directory in &config.directories {
        let root = base.join(directory);
        if let Ok(inside) = fs::canonicalize(&root) {
            walk.directory(&root, directory, &inside, 1);
        } else if root.is_symlink() {
            walk.faults.push(Fault::new(directory, "the link leads nowhere"));
        }
    }
    (walk.found, walk.faults)
}

struct Walk<'a> {
    config: &'a FilesConfig,
    found: Vec<Found>,
    faults: Vec<Fault>,
    /// Directories may lie within each other.
    seen: BTreeSet<PathBuf>,
    entries: usize,
}

impl Walk<'_> {
    /// `inside` is where everything must be, once links are followed.
    fn directory(&mut self, path: &Path, shown: &Path, inside: &Path, depth: usize) {
        if depth > self.config.depth_max {
            return self.complain(shown, format!("deeper than {} directories", self.config.depth_max));
        }
        let mut entries = match fs::read_dir(path) {
            // One more than may be looked at, so that none is left out unnoticed.
            Ok(entries) => entries.take(self.entries_max() + 1).flatten().collect::<Vec<_>>(),
            Err(error) => return self.complain(shown, format!("cannot be read: {error}")),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            // Editors and mounts keep their own there.
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let shown = shown.join(&name);
            if !self.may_look(&shown) {
                return;
            }
            match fs::metadata(&path) {
                Ok(about) if about.is_dir() && path.is_symlink() => {
                    self.complain(&shown, "is a link to a directory; name that in agentFiles.directories");
                }
                Ok(about) if about.is_dir() => self.directory(&path, &shown, inside, depth + 1),
                _ if !is_wanted(&path) => {}
                Ok(about) if about.is_file() => self.file(&path, &shown, inside),
                Ok(_) => self.complain(&shown, "is no file"),
                Err(error) => self.complain(&shown, format!("cannot be read: {error}")),
            }
        }
    }

    fn file(&mut self, path: &Path, shown: &Path, inside: &Path) {
        if !self.stays_inside(path, shown, inside) || !self.seen.insert(shown.to_owned()) {
            return;
        }
        if self.found.len() == self.config.files_max {
            // The rest is no better.
            self.entries = self.entries_max() + 1;
            return self.complain(shown, format!("agentFiles.filesMax: more than {} files", self.config.files_max));
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        match stem.parse() {
            Ok(id) => {
                let text = read(path, self.config.bytes_max);
                self.found.push(Found { id, shown: shown.to_owned(), text });
            }
            Err(error) => self.complain(shown, format!("the name of the file, without `.md`: {error}")),
        }
    }

    fn stays_inside(&mut self, path: &Path, shown: &Path, inside: &Path) -> bool {
        let stays = fs::canonicalize(path).is_ok_and(|real| real.starts_with(inside));
        if !stays {
            self.complain(shown, "is a link that leads out of the directory");
        }
        stays
    }

    /// Not after too many entries, and that is told once.
    fn may_look(&mut self, shown: &Path) -> bool {
        self.entries += 1;
        if self.entries == self.entries_max() + 1 {
            let problem = format!("agentFiles.filesMax: more than {} entries, looked no further", self.entries_max());
            self.complain(shown, problem);
        }
        self.entries <= self.entries_max()
    }

    fn entries_max(&self) -> usize {
        self.config.files_max * ENTRIES_PER_FILE
    }

    fn complain(&mut self, shown: &Path, problem: impl Into<String>) {
        if self.faults.len() < self.config.files_max {
            self.faults.push(Fault::new(shown, problem));
        }
    }
}

/// `*.md`, but no `README.md`.
fn is_wanted(path: &Path) -> bool {
    let is_markdown = path.extension().is_some_and(|extension| extension == "md");
    is_markdown && path.file_stem().is_some_and(|stem| !stem.eq_ignore_ascii_case("readme"))
}

fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    // Bounded while reading: a file may grow.
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > bytes_max => Err(format!("larger than {bytes_max} bytes (agentFiles.bytesMax)")),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}
