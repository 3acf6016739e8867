//! What one domain asks of another, answered: newtypes, because neither knows the other.

mod limits;
mod readiness;
mod workforce;

pub(crate) use limits::PerAddress;
pub(crate) use readiness::Loops;
pub(crate) use workforce::FromRegistry;
