//! How Linux is asked. Every call is a safe one; each restricts the calling thread, and all it will ever start.

mod calls;
mod files;
mod privileges;
mod resources;

pub(crate) use calls::is_offered as has_seccomp;
pub(crate) use files::version as landlock_version;

use crate::Error;
use crate::plan::Plan;

/// The order matters: files are looked up before files are restricted, and the calls that restrict are refused last.
pub(crate) fn restrict(plan: &Plan) -> Result<(), Error> {
    resources::restrict(&plan.confinement.limits)?;
    privileges::give_up()?;
    files::restrict(plan)?;
    calls::restrict(plan)
}

fn refused(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |errno| Error::Refused { what, problem: errno.to_string() }
}
