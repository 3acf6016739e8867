use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_vocab::HostRule;
use serde::{Deserialize, Serialize};

use crate::{Error, Process, Spec};

/// How a program is confined, as operators write it. Plain data; what enforces it is a [`Confine`].
///
/// The default is `preferred`, without network and without any path: whoever writes one down wants the program confined. Where
/// there is none, [`Sandbox::off`] is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Sandbox {
    /// Whether it is.
    pub mode: Mode,
    /// What it may read, beside what programs need of the system: files, and directories with all in them. Absolute paths.
    pub readable: Vec<PathBuf>,
    /// What it may read, change, make and remove, beside the directory it works in and one for what is temporary. They must
    /// exist.
    pub writable: Vec<PathBuf>,
    /// What it may read and execute, beside the system's programs.
    pub executable: Vec<PathBuf>,
    /// Whom it may speak to.
    pub network: Network,
    /// Hosts that it may speak to beside those, through a proxy that its environment names (`HTTPS_PROXY` and the like): it has a network
    /// of its own then, on which there is nobody else. Not with [`Network::All`]. Default none.
    pub hosts: Vec<HostRule>,
    /// What it may use up.
    pub limits: ResourceLimits,
}

/// Whether a program is confined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It does not run where it cannot be.
    Required,
    /// As far as the system can.
    #[default]
    Preferred,
    /// It is not.
    Off,
}

/// Whom a process may speak to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Network {
    /// Nobody: it cannot make a socket, except pairs that are connected to each other.
    #[default]
    None,
    /// Programs of this machine that listen at a path which its user may write to. Some of those can do anything: think of
    /// `docker.sock`.
    UnixOnly,
    /// Everybody.
    All,
}

/// What a process may use up; `None` is what the system allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceLimits {
    /// Memory of each process that it alone may write to, in bytes, at least 16 MiB. Default 4 GiB.
    pub memory_bytes: Option<u64>,
    /// Processes of the tree, 1 or more. Default 512.
    pub processes: Option<u64>,
    /// Descriptors of each process, at least 16. Default 1,024.
    pub open_files: Option<u64>,
    /// The largest file that may be written, in bytes. Default 1 GiB.
    pub file_size_bytes: Option<u64>,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            memory_bytes: Some(4 << 30),
            processes: Some(512),
            open_files: Some(1_024),
            file_size_bytes: Some(1 << 30),
        }
    }
}

/// Makes programs run confined.
pub trait Confine: Send + Sync {
    /// The program that starts `spec` within `sandbox`, which is not off: it may also write to the directory it works in.
    /// Arguments, environment, directory, input and owner are as `spec` has them once it runs, except that a program that works
    /// nowhere in particular works in a directory of its own, and that variables which say where programs keep things lead there
    /// unless `spec` has them. Blocks for as long as looking up paths takes.
    ///
    /// # Errors
    /// [`Error::Confinement`] if it cannot be confined as it must be; [`Error::NotFound`] and [`Error::Permission`] of the
    /// program itself.
    fn confine(&self, spec: Spec, sandbox: &Sandbox) -> Result<Spec, Error>;
}

/// For where nothing can confine programs: those that must be do not run, the others run as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconfined;

impl Confine for Unconfined {
    fn confine(&self, spec: Spec, sandbox: &Sandbox) -> Result<Spec, Error> {
        match sandbox.mode {
            Mode::Required => Err(Error::missing_though_required("nothing here that confines programs")),
            Mode::Preferred | Mode::Off => Ok(spec),
        }
    }
}

/// Starts programs for somebody. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// Marks them, so that those of a crashed run are found: unique on the machine, the same after a restart, such as a digest
    /// of the data directory. See [`Spec::owner`].
    pub owner: String,
    /// What confines them.
    pub confine: Arc<dyn Confine>,
}

impl Host {
    /// One that can confine nothing.
    pub fn unconfined(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), confine: Arc::new(Unconfined) }
    }

    /// Starts the program within `sandbox`, if that is on.
    ///
    /// # Errors
    /// Those of [`Confine::confine`] and of [`Process::spawn`].
    pub async fn spawn(&self, sandbox: &Sandbox, spec: Spec) -> Result<Process, Error> {
        let spec = spec.owner(&self.owner);
        if sandbox.mode == Mode::Off {
            return Process::spawn(spec);
        }
        let (confine, sandbox) = (self.confine.clone(), sandbox.clone());
        let confining = tokio::task::spawn_blocking(move || confine.confine(spec, &sandbox));
        Process::spawn(confining.await.map_err(std::io::Error::other)??)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// None at all.
    pub fn off() -> Self {
        Self { mode: Mode::Off, ..Self::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first that is wrong, and what would be right.
    pub fn validate(&self) -> Result<(), String> {
        for (key, paths) in
            [("readable", &self.readable), ("writable", &self.writable), ("executable", &self.executable)]
        {
            if let Some(path) = paths.iter().find(|path| !path.is_absolute()) {
                return Err(format!("{key}: expected absolute paths, and {} is none", path.display()));
            }
        }
        if self.network == Network::All && !self.hosts.is_empty() {
            return Err(
                "hosts: with `network: all` it may speak to everybody; expected none, or another network".to_owned()
            );
        }
        self.limits.validate().map_err(|(field, problem)| format!("limits.{field}: {problem}"))
    }
}

impl ResourceLimits {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken, and what would be right.
    fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        let below = |value: Option<u64>, least: u64| value.is_some_and(|value| value < least);
        if below(self.memory_bytes, 16 << 20) {
            return Err(("memoryBytes", "expected 16777216 or more, or null"));
        }
        if below(self.processes, 1) {
            return Err(("processes", "expected 1 or more, or null"));
        }
        if below(self.open_files, 16) {
            return Err(("openFiles", "expected 16 or more, or null"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_written_down_is_on_unless_it_says_otherwise() {
        let read = |text: &str| serde_json::from_str::<Sandbox>(text).unwrap().mode;
        assert_eq!([read("{}"), read(r#"{ "mode": "off" }"#)], [Mode::Preferred, Mode::Off]);
        assert_eq!(Sandbox::off().mode, Mode::Off);
    }

    #[test]
    fn where_nothing_confines_what_must_be_confined_is_refused() {
        let confined = |mode| Unconfined.confine(Spec::new("true"), &Sandbox { mode, ..Sandbox::default() });
        let refused = confined(Mode::Required).unwrap_err().to_string();
        assert!(refused.contains("sandbox.mode is `required`"), "{refused}");
        assert!(confined(Mode::Preferred).is_ok());
    }

    #[test]
    fn each_value_is_checked() {
        assert_eq!(Sandbox::default().validate(), Ok(()));
        let check = |text: &str, field: &str| {
            let told = serde_json::from_str::<Sandbox>(text).unwrap().validate().unwrap_err();
            assert!(told.starts_with(field), "{told}");
        };
        check(r#"{ "readable": ["a"] }"#, "readable:");
        check(r#"{ "network": "all", "hosts": ["a.example"] }"#, "hosts:");
        check(r#"{ "limits": { "memoryBytes": 1 } }"#, "limits.memoryBytes:");
        check(r#"{ "limits": { "processes": 0 } }"#, "limits.processes:");
        check(r#"{ "limits": { "openFiles": 3 } }"#, "limits.openFiles:");
    }
}
