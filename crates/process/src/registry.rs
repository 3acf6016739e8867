//! The live trees of this process. Global because the system's side of it is: whom orphans are given to, and whose
//! children are whose, are properties of the whole process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::platform::{self, Entry};

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { trees: Vec::new(), earlier_children: None });

struct Registry {
    trees: Vec<Live>,
    /// Children this process had before it became the subreaper; `None` until it does.
    earlier_children: Option<Vec<(i32, u64)>>,
}

struct Live {
    root: (i32, u64),
    /// Its end has begun: it no longer competes for orphans.
    ending: bool,
}

/// Makes this process the one that orphans among its descendants are given to, so that a tree's member is found even
/// if it left the process group, lost its parent and cleared its environment. Linux only; lasts until this process ends.
///
/// Call it once, early, and only in a program that leaves the starting of children in groups of their own to this
/// crate: from then on such a child that was not started by [`Process::spawn`](crate::Process::spawn) is taken for an
/// orphan, and ended when the last tree ends that could have made it. Children in this process's own group, and all
/// children it has at the time of the call, are left alone.
///
/// # Errors
/// [`Error::Io`] where the system does not offer it.
pub fn become_subreaper() -> Result<(), Error> {
    let mut registry = registry();
    if registry.earlier_children.is_none() {
        platform::set_subreaper()?;
        let own = own_pid();
        let children = platform::snapshot().into_iter().filter(|one| one.parent == own);
        registry.earlier_children = Some(children.map(|one| one.key()).collect());
    }
    Ok(())
}

/// Spawns and registers in one step, so that no scan sees a child it does not know.
pub(crate) fn spawn<T>(spawn: impl FnOnce() -> Result<(T, Entry), Error>) -> Result<(T, Entry), Error> {
    let mut registry = registry();
    let (value, root) = spawn()?;
    registry.trees.push(Live { root: root.key(), ending: false });
    Ok((value, root))
}

pub(crate) fn mark_ending(root: &Entry) {
    for tree in registry().trees.iter_mut().filter(|tree| tree.root == root.key()) {
        tree.ending = true;
    }
}

/// Only after the root was collected: until then its zombie must be known as a root.
pub(crate) fn forget(root: &Entry) {
    registry().trees.retain(|tree| tree.root != root.key());
}

/// The orphans in `all` that the tree of `root` is answerable for: those which no other live tree can have made.
/// `all` must have been read before the call.
pub(crate) fn orphans_of(root: &Entry, all: &[Entry]) -> Vec<Entry> {
    let registry = registry();
    let others: Vec<u64> =
        registry.trees.iter().filter(|tree| !tree.ending && tree.root != root.key()).map(|tree| tree.root.1).collect();
    let mut orphans = registry.orphans(all);
    orphans.retain(|one| !one.dead && one.start >= root.start && others.iter().all(|start| *start > one.start));
    orphans
}

/// Collects orphans that have ended, lest they stay in the process table as long as we live.
pub(crate) fn reap_orphans() {
    let all = platform::snapshot();
    for orphan in registry().orphans(&all).into_iter().filter(|one| one.dead) {
        platform::reap(orphan.pid);
    }
}

impl Registry {
    fn orphans(&self, all: &[Entry]) -> Vec<Entry> {
        let Some(earlier) = &self.earlier_children else { return Vec::new() };
        let own = own_pid();
        let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
        let ours = |one: &&Entry| one.parent == own && one.group != own_group;
        let known = |one: &Entry| earlier.contains(&one.key()) || self.trees.iter().any(|tree| tree.root == one.key());
        all.iter().filter(ours).filter(|one| !known(one)).copied().collect()
    }
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn own_pid() -> i32 {
    std::process::id().cast_signed()
}
