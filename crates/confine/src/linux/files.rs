use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath,
    RestrictSelf, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
    Scope,
};
use orchestrator_process::Network;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use super::Reach;
use crate::Error;
use crate::plan::Plan;

/// The newest version whose rights are all known here. What an older kernel does not know is left out.
const KNOWN: ABI = ABI::V7;

/// Without them hardly a program runs; what is written to them goes nowhere.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What the kernel speaks; `None` if it does not.
pub(crate) fn version() -> Option<u32> {
    // Asked for nothing, it restricts nothing and tells the version.
    match RestrictSelf::default().no_new_privs(false).apply().ok()?.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            kernel_abi.and_then(|version| u32::try_from(version).ok()).or(Some(effective_abi as u32))
        }
        _ => None,
    }
}

/// Everything is refused but what is named, and sockets of TCP, signals to others, and abstract sockets of others.
pub(super) fn restrict(plan: &Plan, reach: Reach) -> Result<(), Error> {
    let confinement = &plan.confinement;
    let rules = handled(reach).map_err(told)?;
    let (read, run) = (AccessFs::ReadFile | AccessFs::ReadDir, AccessFs::Execute);
    let rules = allow(rules, &confinement.readable, read)?;
    let rules = allow(rules, &confinement.executable, read | run)?;
    let devices = DEVICES.map(PathBuf::from);
    let rules = allow(rules, &devices, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev)?;
    let rules = allow_writing(rules, &confinement.writable)?;
    let status = rules.restrict_self().map_err(told)?;
    if plan.required && status.ruleset == RulesetStatus::NotEnforced {
        return Err(Error::Missing("Landlock is not there".to_owned()));
    }
    Ok(())
}

fn handled(reach: Reach) -> Result<RulesetCreated, RulesetError> {
    let mut rules =
        Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(KNOWN))?;
    if reach.network != Network::All && !reach.is_alone {
        rules = rules.handle_access(AccessNet::from_all(KNOWN))?;
    }
    rules.scope(Scope::from_all(KNOWN))?.create()
}

/// What is not there is left out: nobody has all of it.
fn allow(mut rules: RulesetCreated, paths: &[PathBuf], access: BitFlags<AccessFs>) -> Result<RulesetCreated, Error> {
    for path in paths {
        match open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(opened) => rules = add(rules, opened, access)?,
            Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(unopened(path, errno)),
        }
    }
    Ok(rules)
}

/// They were real paths when they were chosen. Were one a link by now, somebody would be after what it points to.
fn allow_writing(mut rules: RulesetCreated, paths: &[PathBuf]) -> Result<RulesetCreated, Error> {
    // Everything but devices, which would be a way round all rules.
    let access = AccessFs::from_all(KNOWN) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    for path in paths {
        let opened = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS);
        rules = add(rules, opened.map_err(|errno| unopened(path, errno))?, access)?;
    }
    Ok(rules)
}

fn add(rules: RulesetCreated, opened: OwnedFd, access: BitFlags<AccessFs>) -> Result<RulesetCreated, Error> {
    let kind =
        rustix::fs::FileType::from_raw_mode(fstat(&opened).map_err(super::refused("looking at a path"))?.st_mode);
    let access = if kind.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    rules.add_rule(PathBeneath::new(opened, access)).map_err(told)
}

fn unopened(path: &Path, errno: Errno) -> Error {
    Error::Path { path: path.to_owned(), source: io::Error::from(errno) }
}

fn told(error: RulesetError) -> Error {
    Error::Refused { what: "confining by Landlock", problem: error.to_string() }
}
