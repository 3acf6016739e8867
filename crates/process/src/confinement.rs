use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Error, Spec};

/// What a process and all it starts may reach. Plain data; what enforces it is a [`Confine`].
///
/// The default reaches nothing at all, and a program needs its libraries at least: begin with [`Confinement::system`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Confinement {
    /// Files, and directories with all in them, that may be read. What does not exist is left out.
    pub readable: Vec<PathBuf>,
    /// The same, that may be read, changed, made and removed. Each must exist.
    pub writable: Vec<PathBuf>,
    /// The same, that may be read and executed; a directory that is to be written too is in both lists.
    pub executable: Vec<PathBuf>,
    /// What stays out of reach though it lies in one of the directories above. What lies within it can still be named there.
    pub hidden: Vec<PathBuf>,
    /// Whom it may speak to.
    pub network: Network,
    /// What it may use up.
    pub limits: ResourceLimits,
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

/// Turns a program into the one that is really started, so that it runs confined.
pub trait Confine: Send + Sync {
    /// The program that starts `spec` within `confinement`. Arguments, environment, directory, input and owner are as `spec`
    /// has them once it runs.
    ///
    /// # Errors
    /// [`Error::Confinement`] if it cannot be confined as it must be; [`Error::NotFound`] and [`Error::Permission`] of the
    /// program itself.
    fn confine(&self, spec: Spec, confinement: &Confinement) -> Result<Spec, Error>;
}

/// Programs and their libraries, as systems have them. Homes, data and what is temporary are not among them.
const PROGRAMS: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/System",
    "/Library/Developer",
];

/// What programs read to find out where they are. Of `/etc` only what holds no secret: the daemon's user may be root.
const SETTINGS: &[&str] = &[
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/gitconfig",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/java-17-openjdk",
    "/etc/java-21-openjdk",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/perl",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/profile",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/shells",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
    "/run/systemd/resolve/stub-resolv.conf",
];

impl Confinement {
    /// What programs of this system need to run at all: their libraries and settings. Nothing is writable, nobody is spoken to.
    pub fn system() -> Self {
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect();
        Self { readable: paths(SETTINGS), executable: paths(PROGRAMS), ..Self::default() }
    }
}

impl ResourceLimits {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken, and what would be right.
    pub fn validate(&self) -> Result<(), (&'static str, &'static str)> {
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
    fn it_is_plain_data_that_survives_being_written_down() {
        let confinement =
            Confinement { network: Network::UnixOnly, writable: vec!["/w".into()], ..Confinement::system() };
        let text = serde_json::to_string(&confinement).unwrap();
        assert!(text.contains(r#""network":"unix-only""#), "{text}");
        assert_eq!(serde_json::from_str::<Confinement>(&text).unwrap(), confinement);
    }

    #[test]
    fn each_bound_is_checked() {
        assert_eq!(ResourceLimits::default().validate(), Ok(()));
        let check = |text: &str, field: &str| {
            let limits: ResourceLimits = serde_json::from_str(text).unwrap();
            assert_eq!(limits.validate().unwrap_err().0, field);
        };
        check(r#"{ "memoryBytes": 1 }"#, "memoryBytes");
        check(r#"{ "processes": 0 }"#, "processes");
        check(r#"{ "openFiles": 3 }"#, "openFiles");
    }
}
