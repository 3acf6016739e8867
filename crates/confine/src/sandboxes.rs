use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use orchestrator_egress::{Guest, Proxy};
use orchestrator_process::{Confine, Error, Mode, Sandbox, Spec};

use crate::hosts::{serving, with_proxy};
use crate::start::TRY_NETWORK;
use crate::{CONFINE, Confinement, Launcher, Report};

/// Variables that say where programs keep things.
const PLACES: [&str; 2] = ["HOME", "TMPDIR"];

/// Confines programs of whoever embeds this by a launcher, each with a directory of its own for what is temporary.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    launcher: PathBuf,
    report: Report,
    temporary: PathBuf,
    hidden: Vec<PathBuf>,
    proxy: Option<Proxy>,
    /// Why a program cannot have a network of its own; found out once.
    without_network: Arc<OnceLock<Option<String>>>,
}

impl Sandboxes {
    /// By this program itself (see [`Launcher::of_this_program`]). Directories for what is temporary are made in `temporary`,
    /// which must exist, for nobody but this user.
    pub fn of_this_program(temporary: impl Into<PathBuf>) -> Self {
        Self::new(Launcher::own_program(), Report::of_this_system(), temporary)
    }

    /// By `launcher`, on a system that has what `report` says.
    pub fn new(launcher: impl Into<PathBuf>, report: Report, temporary: impl Into<PathBuf>) -> Self {
        Self {
            launcher: launcher.into(),
            report,
            temporary: temporary.into(),
            hidden: Vec::new(),
            proxy: None,
            without_network: Arc::default(),
        }
    }

    /// Keeps this out of reach, except for what sandboxes name within it.
    #[must_use]
    pub fn hiding(mut self, path: impl Into<PathBuf>) -> Self {
        self.hidden.push(path.into());
        self
    }

    /// Connects those that may speak to some hosts to these. Without it they speak to nobody.
    #[must_use]
    pub fn through(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Why programs cannot be let speak to some hosts only; `None` if they can. With `required` they do not run then, and with
    /// `preferred` they speak to no host at all. Tried once, by starting the launcher: may block for some milliseconds.
    pub fn without_hosts(&self) -> Option<&str> {
        if self.proxy.is_none() {
            return Some("nothing here that connects them to hosts");
        }
        self.without_network.get_or_init(|| without_network(&self.launcher)).as_deref()
    }

    /// What they are confined with.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Confine for Sandboxes {
    fn confine(&self, mut spec: Spec, sandbox: &Sandbox) -> Result<Spec, Error> {
        if sandbox.mode == Mode::Off {
            return Ok(spec);
        }
        let temporary = tempfile::Builder::new().prefix("program-").tempdir_in(&self.temporary)?;
        if spec.working_directory.is_none() {
            // It may run where this process does, which it must not write to, and is found from there.
            spec.program = found_from_here(spec.program)?;
            spec.working_directory = Some(temporary.path().to_owned());
        }
        for name in PLACES {
            if spec.environment.get(name).is_none() {
                spec.environment = spec.environment.set(name, temporary.path());
            }
        }
        let mut confinement = Confinement { hidden: self.hidden.clone(), ..Confinement::of(sandbox) };
        let own = spec.working_directory.clone().into_iter().chain([temporary.path().to_owned()]);
        let own: Vec<PathBuf> = own.map(|path| path.canonicalize().unwrap_or(path)).collect();
        confinement.executable.extend_from_slice(&own);
        confinement.writable.extend(own);
        let repositories: Vec<PathBuf> = confinement.writable.iter().filter_map(|path| repository(path)).collect();
        confinement.readable.extend(repositories);
        let launcher = Launcher::with_report(&self.launcher, sandbox.mode, self.report.clone());
        if !confinement.own_network {
            return Ok(launcher.confine(spec, &confinement)?.keeping(temporary));
        }
        match (self.without_hosts(), &self.proxy) {
            (None, Some(proxy)) => {
                let guest = Guest { hosts: sandbox.hosts.clone(), about: Arc::new(spec.about.clone()) };
                let (serving, handover) = serving(proxy, guest, &self.temporary)?;
                spec.environment = with_proxy(spec.environment, &sandbox.hosts);
                let spec = launcher.confine_and_hand_over(spec, &confinement, Some(handover))?;
                // What is served ends before its directory does.
                Ok(spec.keeping(serving).keeping(temporary))
            }
            (missing, _) if sandbox.mode == Mode::Required => {
                let missing = missing.unwrap_or_default();
                Err(Error::missing_though_required(&format!("no way to speak to `hosts` only: {missing}")))
            }
            // Whoever must not speak to everybody speaks to nobody.
            _ => {
                confinement.own_network = false;
                Ok(launcher.confine(spec, &confinement)?.keeping(temporary))
            }
        }
    }
}

/// A launcher that tries it, and says why not.
fn without_network(launcher: &Path) -> Option<String> {
    let tried = Command::new(launcher).args([CONFINE, TRY_NETWORK]).env_clear().stdin(Stdio::null()).output();
    match tried {
        Ok(ended) if ended.status.success() => None,
        Ok(ended) => Some(String::from_utf8_lossy(&ended.stderr).trim().to_owned()),
        Err(error) => Some(format!("the launcher cannot be started ({error})")),
    }
}

/// A bare name is looked up wherever it works.
fn found_from_here(program: std::ffi::OsString) -> std::io::Result<std::ffi::OsString> {
    match program.as_encoded_bytes().contains(&b'/') {
        true => Ok(std::path::absolute(program)?.into_os_string()),
        false => Ok(program),
    }
}

/// The `.git` of the repository that this directory is a worktree of: without reading it, git knows nothing there.
///
/// What is in the directory can say anything. It is believed if the repository says so too, which nobody can make it say who may
/// not write there.
fn repository(workspace: &Path) -> Option<PathBuf> {
    let pointer = workspace.join(".git");
    let text = fs::read_to_string(&pointer).ok()?;
    let own = workspace.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let back = fs::read_to_string(own.join("gitdir")).ok()?;
    let says_so = Path::new(back.trim()).canonicalize().ok()? == pointer.canonicalize().ok()?;
    let worktrees = own.parent()?;
    let common = worktrees.parent()?;
    (says_so && worktrees.ends_with("worktrees") && !common.starts_with(workspace)).then(|| common.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_a_worktree_is_found_and_what_only_says_so_is_not() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (work, own) = (root.join("work"), root.join("source/.git/worktrees/work"));
        fs::create_dir_all(&work).unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(work.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        assert_eq!(repository(&work), None);
        fs::write(own.join("gitdir"), format!("{}\n", root.join("elsewhere").display())).unwrap();
        assert_eq!(repository(&work), None);
        fs::write(own.join("gitdir"), format!("{}\n", work.join(".git").display())).unwrap();
        assert_eq!(repository(&work), Some(root.join("source/.git")));

        // Made up within the workspace itself.
        let forged = work.join("x/worktrees/y");
        fs::create_dir_all(&forged).unwrap();
        fs::write(forged.join("gitdir"), format!("{}\n", work.join(".git").display())).unwrap();
        fs::write(work.join(".git"), "gitdir: x/worktrees/y").unwrap();
        assert_eq!(repository(&work), None);
    }
}
