use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

use super::refused;
use crate::Error;

/// Gives up every capability, and the ways to get one: after this, root is a user like any other, who owns many files.
pub(super) fn give_up() -> Result<(), Error> {
    const WHAT: &str = "giving up privileges";
    set_no_new_privs(true).map_err(refused(WHAT))?;
    for bit in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // There are no more of them; or this process has none that would let it, so that it has none to give up either.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(errno) => return Err(refused(WHAT)(errno)),
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(refused(WHAT))?;
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(refused(WHAT)(errno)),
    }
}
