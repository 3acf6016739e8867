//! The data directory: whose it is, who may read what is in it, and what was left there.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use orchestrator_auth::{Algorithm, Secret, SigningKey};

use super::Finding;
use crate::config::Config;
use crate::files::DataDir;

/// As [`orchestrator_auth::Config::keys`] names them.
const HS256_KEY: &str = "jwt.key";
const ED25519_KEY: &str = "jwt.ed25519.pem";

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
    let secrets = [
        ("administrator token", data.admin_token()),
        ("signing key", data.path().join(HS256_KEY)),
        ("signing key", data.path().join(ED25519_KEY)),
    ];
    let ours = owner(data.path());
    let mut findings: Vec<_> =
        secrets.iter().filter_map(|(check, path)| secret_file(check, path, ours, config)).collect();
    let database = data.database();
    if let Some(mode) = mode(&database).filter(|mode| mode & 0o077 != 0)
        && self::mode(data.path()).is_none_or(|above| above & 0o077 != 0)
    {
        let found = format!("{} can be read by others (mode {mode:o})", database.display());
        findings.push(Finding::warning("database file", found, format!("chmod 600 {}", database.display())));
    }
    findings
}

/// Nothing to say about one that is not there.
fn secret_file(check: &'static str, path: &Path, ours: Option<u32>, config: &Config) -> Option<Finding> {
    let (mode, shown) = (mode(path)?, path.display());
    if mode & 0o077 != 0 {
        let found = format!("{shown} can be used by others (mode {mode:o})");
        let remedy =
            format!("chmod 600 {shown}; who may have read it? If somebody, delete it, so that another is made");
        return Some(Finding::failure(check, found, remedy));
    }
    if let (Some(theirs), Some(ours)) = (owner(path), ours)
        && theirs != ours
    {
        let found = format!("{shown} belongs to user {theirs}, the data directory to {ours}");
        let remedy =
            format!("chown {ours} {shown}, if what is in it is yours; else put the right one back from a backup");
        return Some(Finding::failure(check, found, remedy));
    }
    Some(if check == "signing key" { signing_key(path, config) } else { token(path) })
}

fn signing_key(path: &Path, config: &Config) -> Finding {
    const CHECK: &str = "signing key";
    let shown = path.display();
    let algorithm = if path.ends_with(ED25519_KEY) { Algorithm::EdDsa } else { Algorithm::Hs256 };
    let auth = &config.auth;
    if auth.algorithm() != algorithm {
        return Finding::ok(CHECK, format!("{shown} is not used: auth.algorithm is {}", auth.algorithm().as_str()));
    }
    let (loaded, configured, name) = match algorithm {
        Algorithm::EdDsa => (SigningKey::load_or_create_pem(path).err(), &auth.ed25519_key, "DAEMON_JWT_ED25519_KEY"),
        _ => (Secret::load_or_create(path).err(), &auth.jwt_secret, "DAEMON_JWT_SECRET"),
    };
    match loaded {
        _ if configured.is_some() => Finding::ok(CHECK, format!("{name} is used, not the file")),
        None => Finding::ok(CHECK, format!("{shown} is a key, for its owner only")),
        Some(error) => {
            let remedy = "put the right key back from a backup, or delete it: then every JWT has to be issued again";
            Finding::failure(CHECK, format!("{shown}: {error}"), remedy)
        }
    }
}

fn token(path: &Path) -> Finding {
    const CHECK: &str = "administrator token";
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Finding::ok(CHECK, format!("{shown} is there, for its owner only")),
        Ok(_) => Finding::failure(
            CHECK,
            format!("{shown} is empty"),
            "delete it and start the daemon again: it makes another",
        ),
        Err(error) => Finding::failure(CHECK, format!("{shown}: {error}"), "give it to the user that runs the daemon"),
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

pub(super) fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

/// The number of the user it belongs to.
pub(super) fn owner(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.uid())
}
