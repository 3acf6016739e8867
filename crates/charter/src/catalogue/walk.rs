use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use crate::{CharterId, Config, Fault};

/// A file that is a charter, or would be.
pub(super) struct Found {
    pub(super) id: CharterId,
    /// As it is told to people.
    pub(super) shown: String,
    pub(super) text: Result<String, String>,
}

/// Entries looked at for each file that may be found.
const ENTRIES_PER_FILE: usize = 16;

/// Reads every file there is, in the order of names.
pub(super) fn walk(config: &Config, base: &Path) -> (Vec<Found>, Vec<Fault>) {
    let root = base.join(&config.directory);
    let shown = config.directory.display().to_string();
    let inside = match fs::canonicalize(&root) {
        Ok(inside) => inside,
        Err(_) if root.is_symlink() => return (Vec::new(), vec![Fault::new(shown, "the link leads nowhere")]),
        Err(_) => return (Vec::new(), Vec::new()),
    };
    let entries_max = config.files_max * ENTRIES_PER_FILE;
    let mut entries = match fs::read_dir(&root) {
        // One more than may be looked at, so that none is left out unnoticed.
        Ok(entries) => entries.take(entries_max + 1).flatten().collect::<Vec<_>>(),
        Err(error) => return (Vec::new(), vec![Fault::new(shown, format!("cannot be read: {error}"))]),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    if entries.len() > entries_max {
        faults.push(Fault::new(
            &*shown,
            format!("charters.filesMax: more than {entries_max} entries, looked no further"),
        ));
    }
    for entry in entries.iter().take(entries_max) {
        let path = entry.path();
        // Editors and mounts keep their own there.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let shown = config.directory.join(entry.file_name()).display().to_string();
        match charter(&path, shown.clone(), &inside, config) {
            Ok(Some(_)) if found.len() == config.files_max => {
                faults.push(Fault::new(shown, format!("charters.filesMax: more than {} files", config.files_max)));
                break;
            }
            Ok(one) => found.extend(one),
            Err(problem) => faults.push(Fault::new(shown, problem)),
        }
    }
    (found, faults)
}

fn charter(path: &Path, shown: String, inside: &Path, config: &Config) -> Result<Option<Found>, String> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("yaml") => {}
        Some("yml") => return Err("is not read: charters end in `.yaml`".into()),
        _ => return Ok(None),
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let id = stem.parse().map_err(|error| format!("the name of the file, without `.yaml`: {error}"))?;
    let text = match fs::canonicalize(path).and_then(|real| Ok((fs::metadata(&real)?.is_file(), real))) {
        Ok((_, real)) if !real.starts_with(inside) => Err("is a link that leads out of the directory".into()),
        Ok((false, _)) => Err("is no file".into()),
        Ok((true, _)) => read(path, config.bytes_max),
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    Ok(Some(Found { id, shown, text }))
}

fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    // Bounded while reading: a file may grow.
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > bytes_max => Err(format!("larger than {bytes_max} bytes (charters.bytesMax)")),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}
