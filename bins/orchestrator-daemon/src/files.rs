//! What the daemon keeps in its data directory beside the database.

use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use orchestrator_vocab::EventId;

/// Names of files that are part of the daemon's interface.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Made if it is missing, for its owner only.
    pub(crate) fn prepare(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot use the data directory {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(failed)?;
        Ok(Self(path.canonicalize().with_context(failed)?))
    }

    /// As it is: nothing is made.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("orchestrator.db")
    }

    pub(crate) fn resume_key(&self) -> PathBuf {
        self.0.join("resume.key")
    }

    pub(crate) fn admin_token(&self) -> PathBuf {
        self.0.join("admin.token")
    }

    pub(crate) fn workspaces(&self) -> PathBuf {
        self.0.join("workspaces")
    }

    /// Copies of skills that are used.
    pub(crate) fn skills(&self) -> PathBuf {
        self.0.join("skills")
    }

    /// Where programs keep what is temporary, each in a directory of its own. Made if it is missing, for its owner only.
    pub(crate) fn temporary(&self) -> std::io::Result<PathBuf> {
        let path = self.0.join("temporary");
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(path)
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    pub(crate) fn audit_key(&self) -> PathBuf {
        self.0.join("audit.key")
    }

    pub(crate) fn backups(&self) -> PathBuf {
        self.0.join("backups")
    }

    /// A name for this directory's processes that stays the same when the directory moves.
    pub(crate) fn node(&self) -> anyhow::Result<String> {
        let path = self.0.join("node.id");
        if let Ok(text) = fs::read_to_string(&path)
            && text.parse::<EventId>().is_ok()
        {
            return Ok(text);
        }
        let fresh = EventId::new().to_string();
        fs::write(&path, &fresh).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(fresh)
    }

    pub(crate) fn address(&self) -> PathBuf {
        self.0.join("daemon.addr")
    }

    /// Tells programs on this machine where to connect; whole or not at all.
    pub(crate) fn write_address(&self, url: &str) -> anyhow::Result<()> {
        let written = self.0.join("daemon.addr.new");
        let write = || {
            let mut file = fs::File::create(&written)?;
            file.write_all(url.as_bytes())?;
            fs::rename(&written, self.address())
        };
        write().with_context(|| format!("cannot write {}", self.address().display()))
    }

    /// Once nobody listens any more.
    pub(crate) fn remove_address(&self) {
        if let Err(error) = fs::remove_file(self.address()) {
            tracing::debug!(%error, "daemon.addr was not removed");
        }
    }
}

/// `http://127.0.0.1:8787`, as printed and as written into `daemon.addr`.
pub(crate) fn url(address: SocketAddr, encrypted: bool) -> String {
    let scheme = if encrypted { "https" } else { "http" };
    format!("{scheme}://{address}")
}
