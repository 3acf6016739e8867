use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::HostRule;

/// How many different refusals of one guest are told as first ones.
const FIRSTS_MAX: usize = 64;

/// What is known of a guest, by name: told with what it asks for, and otherwise not looked at.
pub type About = Arc<BTreeMap<&'static str, String>>;

/// Who speaks through a listener, and to whom it may.
#[derive(Debug, Clone, Default)]
pub struct Guest {
    /// To whom.
    pub hosts: Vec<HostRule>,
    /// Who.
    pub about: About,
}

/// A connection that a guest asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who asked.
    pub about: About,
    /// The host, as an address spells it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether this host and port were refused to this guest before; also of the 65th that is refused and later ones.
    pub is_repeated: bool,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is connected.
    Connected,
    /// The guest may not speak to this host at this port.
    NotListed,
    /// It may, but the host has an address that is not public: what kind of network that is in.
    Reserved(&'static str),
    /// It cannot be found or connected to.
    Failed,
}

impl Outcome {
    /// Whether a rule forbids it.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::NotListed | Self::Reserved(_))
    }
}

/// A guest, and what was refused to it.
pub(super) struct Served {
    pub(super) guest: Guest,
    refused: Mutex<HashSet<(String, u16)>>,
}

impl Served {
    pub(super) fn new(guest: Guest) -> Self {
        Self { guest, refused: Mutex::default() }
    }

    pub(super) fn may_speak_to(&self, host: &str, port: u16) -> bool {
        self.guest.hosts.iter().any(|rule| rule.allows(host, port))
    }

    /// Whether an address in the place of a name is listed as it is: nobody else can have meant another one.
    pub(super) fn names(&self, host: &str, port: u16) -> bool {
        self.guest.hosts.iter().any(|rule| rule.names(host) && rule.allows(host, port))
    }

    pub(super) fn asked(&self, host: &str, port: u16, outcome: Outcome) -> Asked {
        let is_repeated = outcome.is_refusal() && !self.is_first(host, port);
        Asked { about: self.guest.about.clone(), host: host.to_owned(), port, outcome, is_repeated }
    }

    fn is_first(&self, host: &str, port: u16) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.len() < FIRSTS_MAX && refused.insert((host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_new_once_and_there_is_an_end_to_them() {
        let served = Served::new(Guest::default());
        let repeated = |host: &str, outcome| served.asked(host, 1, outcome).is_repeated;
        assert_eq!([repeated("a", Outcome::NotListed), repeated("a", Outcome::NotListed)], [false, true]);
        assert_eq!([repeated("b", Outcome::Connected), repeated("b", Outcome::Connected)], [false, false]);
        let new = (0..200).filter(|one| !repeated(&one.to_string(), Outcome::NotListed)).count();
        assert_eq!(new, FIRSTS_MAX - 1);
    }
}
