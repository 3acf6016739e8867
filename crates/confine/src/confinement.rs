use std::path::PathBuf;

use orchestrator_process::{Network, ResourceLimits, Sandbox};
use serde::{Deserialize, Serialize};

/// What a process and all it starts may reach, with everything in it that a [`Sandbox`] leaves unsaid. Plain data.
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
    /// Whether it has a network of its own, on which there is nobody else. It may make sockets of the internet then and listen, and reaches
    /// what listens on that network: itself, and who speaks for it to others ([`Sandboxes`](crate::Sandboxes)). Only on Linux.
    pub own_network: bool,
    /// What it may use up.
    pub limits: ResourceLimits,
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

    /// What they need to run, and what `sandbox` names.
    pub fn of(sandbox: &Sandbox) -> Self {
        let own_network = !sandbox.hosts.is_empty();
        let mut all = Self { network: sandbox.network, own_network, limits: sandbox.limits, ..Self::system() };
        all.readable.extend_from_slice(&sandbox.readable);
        all.writable.extend_from_slice(&sandbox.writable);
        all.executable.extend_from_slice(&sandbox.executable);
        all
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
}
