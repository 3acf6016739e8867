use std::path::{Path, PathBuf};

use orchestrator_process::Error;

use crate::Confinement;

/// How many entries a directory may have that is taken apart because something in it is hidden.
const ENTRIES_MAX: usize = 4_096;

/// What of it can be granted with nothing hidden in it. A directory that leads to what is hidden is replaced by its other
/// entries, as they are now; what is to be written cannot be taken apart like that, because new entries could not be made.
pub(crate) fn without_hidden(confinement: &Confinement) -> Result<Confinement, Error> {
    let hidden: Vec<PathBuf> = confinement.hidden.iter().map(|path| real(path)).collect();
    let mut writable = Vec::new();
    for path in &confinement.writable {
        let cannot = |error| Error::WorkingDirectory { path: path.clone(), source: error };
        let path = path.canonicalize().map_err(cannot)?;
        if let Some(one) = hidden.iter().find(|one| one.starts_with(&path)) {
            let missing = format!("a writable directory without {} in it: not {}", one.display(), path.display());
            return Err(Error::Confinement { missing });
        }
        writable.push(path);
    }
    let apart = |paths: &[PathBuf]| paths.iter().flat_map(|path| apart(real(path), &hidden)).collect();
    Ok(Confinement {
        readable: apart(&confinement.readable),
        executable: apart(&confinement.executable),
        writable,
        hidden: Vec::new(),
        ..confinement.clone()
    })
}

fn apart(path: PathBuf, hidden: &[PathBuf]) -> Vec<PathBuf> {
    if hidden.contains(&path) {
        return Vec::new();
    }
    if !hidden.iter().any(|one| one.starts_with(&path)) {
        return vec![path];
    }
    let Ok(entries) = std::fs::read_dir(&path) else { return Vec::new() };
    // An entry that is a link leads to where it points, which was granted by its own name or was not.
    let real =
        entries.take(ENTRIES_MAX).flatten().filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    real.flat_map(|entry| apart(entry.path(), hidden)).collect()
}

/// Without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_that_leads_to_what_is_hidden_is_replaced_by_its_other_entries() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["a/secret/deep", "a/open", "b"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("a/secret"), root.join("a/way-round")).unwrap();
        let asked = Confinement {
            readable: vec![root.clone(), root.join("a/secret/deep")],
            hidden: vec![root.join("a/secret")],
            ..Confinement::default()
        };
        let mut readable = without_hidden(&asked).unwrap().readable;
        readable.sort();
        assert_eq!(readable, ["a/open", "a/secret/deep", "b"].map(|name| root.join(name)));
    }

    #[test]
    fn what_is_hidden_cannot_be_in_what_is_writable_but_the_other_way_round_is_fine() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let ask = |writable: &Path, hidden: &Path| {
            let asked =
                Confinement { writable: vec![writable.into()], hidden: vec![hidden.into()], ..Confinement::default() };
            without_hidden(&asked)
        };
        assert!(matches!(ask(root.path(), &inner), Err(Error::Confinement { .. })));
        assert!(matches!(ask(&inner, &inner), Err(Error::Confinement { .. })));
        assert_eq!(ask(&inner, root.path()).unwrap().writable, [inner.canonicalize().unwrap()]);
    }
}
