use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;

/// The files of a log in their order.
pub(super) fn all(directory: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::unreadable(directory)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::unreadable(directory))?.path();
        if let Some(number) = number(&path) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("audit-{number:06}.jsonl"))
}

fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The whole file.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(Error::unreadable(path))?;
    // What is no text is no line either, and is found by whoever looks at the lines.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
