use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use super::Rules;
use crate::Error;

/// The most that is told of what was left out.
const NOTES_MAX: usize = 50;

/// What a walk has found, without following any link.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: BTreeMap<PathBuf, Entry>,
    /// Parents before their children.
    pub(super) directories: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
    bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    File { length: u64, is_executable: bool },
    Link { target: PathBuf },
}

/// Everything below `root` that the rules let in.
pub(super) fn walk(root: &Path, rules: &Rules) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let whole = root.join(&directory);
        for entry in fs::read_dir(&whole).map_err(Error::io(&whole))? {
            let entry = entry.map_err(Error::io(&whole))?;
            let name = entry.file_name();
            if rules.excludes.iter().any(|excluded| name == excluded.as_str()) {
                continue;
            }
            let path = directory.join(&name);
            let metadata = fs::symlink_metadata(entry.path()).map_err(Error::io(entry.path()))?;
            let kind = metadata.file_type();
            if kind.is_dir() {
                if !rules.keep_out.contains(&entry.path()) {
                    found.directories.push(path.clone());
                    open.push(path);
                }
            } else if kind.is_file() {
                let is_executable = metadata.permissions().mode() & 0o111 != 0;
                found.bytes += metadata.len();
                found.entries.insert(path, Entry::File { length: metadata.len(), is_executable });
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(Error::io(entry.path()))?;
                match stays_inside(&path, &target) {
                    true => drop(found.entries.insert(path, Entry::Link { target })),
                    false => found.note(format!("{}: a link that leads out was left out", path.display())),
                }
            } else {
                found.note(format!("{}: neither file nor directory, left out", path.display()));
            }
            found.check(rules)?;
        }
    }
    found.directories.sort();
    Ok(found)
}

impl Found {
    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        } else if self.notes.len() == NOTES_MAX {
            self.notes.push("… and more".to_owned());
        }
    }

    fn check(&self, rules: &Rules) -> Result<(), Error> {
        let count = (self.entries.len() + self.directories.len()) as u64;
        if count > rules.files_max {
            return Err(Error::TooLarge { what: "files", max: rules.files_max });
        }
        if self.bytes > rules.bytes_max {
            return Err(Error::TooLarge { what: "bytes", max: rules.bytes_max });
        }
        Ok(())
    }
}

/// Whether a link at `path` to `target` cannot leave the tree, by its text alone.
pub(super) fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// What the files below `root` take, links not followed; 0 if there is nothing.
pub(crate) fn bytes(root: &Path) -> u64 {
    let mut sum = 0;
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        // Somebody may be removing it at the same time.
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            match fs::symlink_metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                Ok(metadata) => sum += metadata.len(),
                Err(_) => {}
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_judged_by_where_it_can_lead() {
        for (path, target, expected) in [
            ("a", "b", true),
            ("a/b", "../c", true),
            ("a/b", "../../c", false),
            ("a", "..", false),
            ("a", "/etc/passwd", false),
            ("a/b/c", "./../x/../../y", true),
        ] {
            assert_eq!(stays_inside(Path::new(path), Path::new(target)), expected, "{path} -> {target}");
        }
    }
}
