//! The data directory: whose it is, who may read what is in it, and what was left there.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use orchestrator_auth::Secret;

use super::Finding;
use crate::config::Config;
use crate::files::DataDir;

pub(super) fn data_directory(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        return vec![Finding::ok("data directory", format!("{shown} is not there yet: the first start makes it"))];
    };
    if !metadata.is_dir() {
        let remedy = "move the file away, or set daemon.dataDir (--data-dir)";
        return vec![Finding::failure("data directory", format!("{shown} is not a directory"), remedy)];
    }
    let mut findings = vec![writable(path)];
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let found = format!("others may look into {shown} (mode {mode:o})");
        let remedy = format!("chmod 700 {shown}");
        findings.push(match mode & 0o022 {
            0 => Finding::warning("data directory", found, remedy),
            _ => Finding::failure("data directory", found, remedy),
        });
    }
    findings
}

fn writable(path: &Path) -> Finding {
    let probe = path.join(format!(".doctor-{}", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe);
    match written.and_then(|_| fs::remove_file(&probe)) {
        Ok(()) => Finding::ok("data directory", format!("{} can be written to", path.display())),
        Err(error) => {
            let remedy = "give it to the user that runs the daemon, or mount it writable";
            Finding::failure("data directory", format!("cannot write into {}: {error}", path.display()), remedy)
        }
    }
}

/// Keys and tokens are for the owner alone; a database is better so.
pub(super) fn modes(data: &DataDir, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (check, path) in [("administrator token", data.admin_token()), ("signing key", data.path().join("jwt.key"))] {
        match mode(&path) {
            None => {}
            Some(mode) if mode & 0o077 != 0 => {
                let found = format!("{} can be used by others (mode {mode:o})", path.display());
                let remedy = format!(
                    "chmod 600 {}; who may have read it? If somebody, delete it, so that another is made",
                    path.display()
                );
                findings.push(Finding::failure(check, found, remedy));
            }
            Some(_) => findings.push(content(check, &path, config)),
        }
    }
    let database = data.database();
    if let Some(mode) = mode(&database).filter(|mode| mode & 0o077 != 0)
        && self::mode(data.path()).is_none_or(|above| above & 0o077 != 0)
    {
        let found = format!("{} can be read by others (mode {mode:o})", database.display());
        findings.push(Finding::warning("database file", found, format!("chmod 600 {}", database.display())));
    }
    findings
}

fn content(check: &'static str, path: &Path, config: &Config) -> Finding {
    let shown = path.display();
    if check == "signing key" {
        if config.auth.jwt_secret.is_some() {
            return Finding::ok(check, "DAEMON_JWT_SECRET is used, not the file");
        }
        return match Secret::load_or_create(path) {
            Ok(_) => Finding::ok(check, format!("{shown} is a key, for its owner only")),
            Err(error) => {
                let remedy =
                    "put the right key back from a backup, or delete it: then every JWT has to be issued again";
                Finding::failure(check, format!("{shown}: {error}"), remedy)
            }
        };
    }
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Finding::ok(check, format!("{shown} is there, for its owner only")),
        Ok(_) => Finding::failure(
            check,
            format!("{shown} is empty"),
            "delete it and start the daemon again: it makes another",
        ),
        Err(error) => Finding::failure(check, format!("{shown}: {error}"), "give it to the user that runs the daemon"),
    }
}

/// What a daemon that was killed did not put away.
pub(super) fn leftovers(data: &DataDir, is_running: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let address = data.address();
    if address.exists() && !is_running {
        let found =
            format!("{} is left of a daemon that did not end by itself: nobody answers there", address.display());
        findings.push(Finding::warning(
            "leftovers",
            found,
            "nothing, if it starts again now; else look into its log for the reason",
        ));
    }
    let partial = [data.path().join("orchestrator.db.restoring"), data.path().join("daemon.addr.new")];
    let checking = entries(data.backups()).filter(|path| path.to_string_lossy().contains(".checking"));
    for file in partial.into_iter().filter(|path| path.exists()).chain(checking) {
        let found = format!("{} is half of something that was cut off", file.display());
        findings.push(Finding::warning("leftovers", found, "delete it while no daemon runs"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("leftovers", "none"));
    }
    findings
}

fn entries(directory: PathBuf) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}
