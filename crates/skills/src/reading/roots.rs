use std::fs;
use std::path::{Path, PathBuf};

use super::contents::{self, Contents};
use crate::{Config, Fault, Root, SkillName};

/// The file that makes a directory a skill.
pub(crate) const SKILL_FILE: &str = "SKILL.md";

/// A directory that is a skill, or would be.
pub(crate) struct Found {
    pub(crate) name: SkillName,
    pub(crate) root: String,
    /// As it is told to people.
    pub(crate) shown: String,
    pub(crate) directory: PathBuf,
    pub(crate) contents: Result<Contents, String>,
}

/// What lies in these directories, in their order and in that of names; what is wrong beside; and what is worth telling.
pub(crate) fn find(roots: &[Root], config: &Config) -> (Vec<Found>, Vec<Fault>, Vec<Fault>) {
    let real: Vec<PathBuf> = roots.iter().filter_map(|root| fs::canonicalize(&root.path).ok()).collect();
    let mut search = Search { config, real, found: Vec::new(), faults: Vec::new(), notes: Vec::new() };
    for root in roots {
        match fs::read_dir(&root.path) {
            Ok(entries) => search.root(root, entries),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !root.path.is_symlink() => {}
            Err(error) => search.faults.push(Fault::new(&root.shown, None, format!("cannot be read: {error}"))),
        }
    }
    (search.found, search.faults, search.notes)
}

struct Search<'a> {
    config: &'a Config,
    /// Where the roots are, once links are followed.
    real: Vec<PathBuf>,
    found: Vec<Found>,
    faults: Vec<Fault>,
    notes: Vec<Fault>,
}

impl Search<'_> {
    fn root(&mut self, root: &Root, entries: fs::ReadDir) {
        let most = self.config.skills_max;
        // One more than may be, so that none is left out unnoticed.
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).take(most + 1).collect();
        names.sort();
        if names.len() > most {
            let problem = format!("skills.skillsMax: more than {most} entries, looked no further");
            self.faults.push(Fault::new(&root.shown, None, problem));
            names.truncate(most);
        }
        for name in names {
            let path = root.path.join(&name);
            // Editors and mounts keep their own there.
            if name.as_encoded_bytes().starts_with(b".") || !path.is_dir() {
                continue;
            }
            self.directory(root, &path, &name.to_string_lossy());
        }
    }

    fn directory(&mut self, root: &Root, path: &Path, name: &str) {
        let shown = format!("{}/{}", root.shown, contents::printable(name));
        if path.is_symlink() && self.is_elsewhere(path) {
            let problem = "is a link that leads out of the directory; name where it leads in skills.directories";
            return self.faults.push(Fault::new(shown, name.parse().ok().as_ref(), problem));
        }
        if path.is_symlink() {
            // It is found where it lies.
            return;
        }
        if !path.join(SKILL_FILE).exists() {
            return self.notes.push(Fault::new(shown, None, format!("has no {SKILL_FILE}, so it is no skill")));
        }
        match name.parse::<SkillName>() {
            Ok(name) => {
                let contents = contents::read(path, self.config);
                let (root, directory) = (root.shown.clone(), path.to_owned());
                self.found.push(Found { name, root, shown, directory, contents });
            }
            Err(error) => self.faults.push(Fault::new(shown, None, format!("the name of the directory: {error}"))),
        }
    }

    /// Installers put links into one root that lead to another.
    fn is_elsewhere(&self, path: &Path) -> bool {
        let leads_to = fs::canonicalize(path).ok();
        !leads_to.is_some_and(|real| real.parent().is_some_and(|parent| self.real.iter().any(|root| root == parent)))
    }
}
