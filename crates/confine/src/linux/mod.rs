//! How Linux is asked. Every call is a safe one; each restricts the calling thread, and all it will ever start.

mod calls;
mod files;
mod network;
mod privileges;
mod resources;

pub(crate) use calls::is_offered as has_seccomp;
pub(crate) use files::version as landlock_version;
pub(crate) use network::alone as try_network;

use orchestrator_process::Network;

use crate::Error;
use crate::plan::Plan;

/// The order matters: namespaces are made while that is allowed, files are looked up before files are restricted, and the calls that
/// restrict are refused last.
pub(crate) fn restrict(plan: &Plan) -> Result<(), Error> {
    let reach = Reach { network: plan.confinement.network, is_alone: network::enter(plan)? };
    resources::restrict(&plan.confinement.limits)?;
    privileges::give_up()?;
    files::restrict(plan, reach)?;
    calls::restrict(plan, reach)
}

/// Whom a program can speak to.
#[derive(Debug, Clone, Copy)]
struct Reach {
    network: Network,
    /// Whether it is on a network of its own: sockets of the internet reach nobody else then.
    is_alone: bool,
}

fn refused(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |errno| Error::Refused { what, problem: errno.to_string() }
}
