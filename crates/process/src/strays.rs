use std::collections::BTreeMap;

use crate::platform::{self, Entry};
use crate::tree::{add_descendants, end_all};
use crate::{marker, registry};

/// A process that an earlier, crashed run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// Its pid while it lived.
    pub pid: u32,
    /// Whether it is gone now. `false` is worth a warning.
    pub ended: bool,
}

/// Ends, with SIGKILL, the processes started with this [`Spec::owner`](crate::Spec) by a process that no longer lives,
/// and their descendants. Those of living processes stay, whoever they are; so do this process, its ancestors and its
/// own descendants. Linux only; finds nothing elsewhere.
///
/// Blocks for some milliseconds, or about a second if something does not end. Call it at the start, before the first
/// spawn.
pub fn end_strays(owner: &str) -> Vec<Stray> {
    let mut found = BTreeMap::new();
    let left = end_all(|| {
        let all = platform::snapshot();
        let family = own_family(&all);
        let is_stray = |one: &&Entry| {
            !family.contains_key(&one.pid) && (found.contains_key(&one.key()) || is_left_behind(one.pid, owner))
        };
        let mut strays: BTreeMap<i32, Entry> = all.iter().filter(is_stray).map(|one| (one.pid, *one)).collect();
        add_descendants(&mut strays, &all);
        strays.retain(|pid, one| !one.dead && !family.contains_key(pid));
        found.extend(strays.values().map(|one| (one.key(), *one)));
        strays.into_values().collect()
    });
    let ended = |one: &Entry| !left.iter().any(|left| left.key() == one.key());
    found.values().map(|one| Stray { pid: one.pid.cast_unsigned(), ended: ended(one) }).collect()
}

fn is_left_behind(pid: i32, owner: &str) -> bool {
    platform::variable(pid, marker::OWNER).is_some_and(|value| value == owner.as_bytes())
        && platform::variable(pid, marker::TREE).is_none_or(|value| !marker::creator_lives(&value))
}

/// This process, its ancestors and its descendants. They may carry the markers of a run that is gone: whoever restarts
/// a crashed daemon from one of that daemon's own terminals hands them on.
fn own_family(all: &[Entry]) -> BTreeMap<i32, Entry> {
    let by_pid: BTreeMap<i32, Entry> = all.iter().map(|one| (one.pid, *one)).collect();
    let mut family = BTreeMap::new();
    let mut next = by_pid.get(&registry::own_pid());
    family.extend(next.map(|own| (own.pid, *own)));
    add_descendants(&mut family, all);
    while let Some(one) = next {
        family.insert(one.pid, *one);
        next = by_pid.get(&one.parent).filter(|parent| !family.contains_key(&parent.pid));
    }
    family
}
