use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Error, Spec};

const PATH_WITHOUT_ONE: &str = "/usr/local/bin:/usr/bin:/bin";

/// The absolute path of what will be executed. Decided here and not by `execvp`, so that the child's `PATH` counts,
/// ours never does, and a relative path means the same on every system.
pub(crate) fn find(spec: &Spec) -> Result<PathBuf, Error> {
    let program = Path::new(&spec.program);
    if spec.program.as_bytes().contains(&b'/') {
        let path = spec.working_directory.as_deref().map_or_else(|| program.to_owned(), |at| at.join(program));
        return Ok(std::path::absolute(path)?);
    }
    let not_found = || Error::NotFound { program: spec.program.clone() };
    if spec.program.is_empty() {
        return Err(not_found());
    }
    let path = spec.environment.get("PATH").unwrap_or(OsStr::new(PATH_WITHOUT_ONE));
    // Relative entries, the empty one included, would run whatever lies in the working directory.
    let candidates = std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(program));
    let mut refused = None;
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => return Ok(candidate),
            Ok(meta) if meta.is_file() => refused = Some(Error::Permission { program: OsString::from(program) }),
            _ => {}
        }
    }
    Err(refused.unwrap_or_else(not_found))
}

/// The same, and that it is there.
pub(crate) fn locate(spec: &Spec) -> Result<PathBuf, Error> {
    let path = find(spec)?;
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => Ok(path),
        Ok(_) => Err(Error::Permission { program: spec.program.clone() }),
        Err(_) => Err(Error::NotFound { program: spec.program.clone() }),
    }
}

/// Refuses a working directory that is none, so that its absence is not taken for the program's.
pub(crate) fn check_working_directory(spec: &Spec) -> Result<(), Error> {
    let Some(path) = &spec.working_directory else { return Ok(()) };
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(Error::WorkingDirectory { path: path.clone(), source: std::io::ErrorKind::NotADirectory.into() }),
        Err(source) => Err(Error::WorkingDirectory { path: path.clone(), source }),
    }
}
