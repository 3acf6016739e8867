use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::platform::{self, Entry, Pinned};
use crate::{marker, registry};

/// How often a tree is searched and signalled before what remains is left, and reported.
const ROUNDS_MAX: usize = 50;
/// How long killed processes may take to be gone before the next search.
const ROUND_TIME_MAX: Duration = Duration::from_millis(20);
/// How long processes that were told to stop may go on before the next search.
const STOP_TIME_MAX: Duration = Duration::from_millis(1);
/// How many processes are held by descriptors at a time.
const PINNED_MAX: usize = 256;

/// A program and everything it started, wherever it went. A process belongs to it if it is the program itself,
/// in its process group, carries its marker, descends from a member, was a member when last seen,
/// or is an orphan nobody else can have made.
#[derive(Debug)]
pub(crate) struct Tree {
    id: String,
    root: Entry,
    seen: Mutex<HashSet<(i32, u64)>>,
    /// Once the root is collected its pid may belong to anybody: from then on nothing is signalled.
    collected: Mutex<bool>,
}

impl Tree {
    pub(crate) fn new(id: String, root: Entry) -> Self {
        Self { id, root, seen: Mutex::default(), collected: Mutex::default() }
    }

    /// Sends `signal` once to every member and returns them, or many of them.
    pub(crate) fn signal(&self, signal: Signal) -> Vec<Pinned> {
        let collected = lock(&self.collected);
        if *collected {
            return Vec::new();
        }
        let living = self.living();
        if living.is_empty() {
            // No process table to search in.
            self.signal_group(signal);
        }
        let mut signalled = Vec::new();
        for one in living.iter().filter_map(Pinned::open) {
            one.signal(signal);
            if signalled.len() < PINNED_MAX {
                signalled.push(one);
            }
        }
        signalled
    }

    /// How many members live.
    pub(crate) fn size(&self) -> usize {
        let collected = lock(&self.collected);
        if *collected { 0 } else { self.living().len() }
    }

    /// Pauses every member, those included that are started meanwhile, and returns when all have stopped. One that
    /// waits for a device stops later.
    pub(crate) fn freeze(&self) {
        for _ in 0..ROUNDS_MAX {
            let collected = lock(&self.collected);
            if *collected {
                return;
            }
            self.signal_group(Signal::STOP);
            let moving: Vec<Entry> = self.living().into_iter().filter(|one| !one.stopped).collect();
            if moving.is_empty() {
                return;
            }
            for some in moving.chunks(PINNED_MAX) {
                let pinned: Vec<Pinned> = some.iter().filter_map(Pinned::open).collect();
                for one in &pinned {
                    one.signal(Signal::STOP);
                }
                platform::wait_blocking(&pinned, STOP_TIME_MAX);
            }
        }
    }

    /// Ends every member with SIGKILL and waits until they are gone. Returns those that are not, after about a second.
    /// Blocks; does nothing once the root was collected.
    pub(crate) fn end(&self) -> Vec<u32> {
        registry::mark_ending(&self.root);
        let collected = lock(&self.collected);
        if *collected {
            return Vec::new();
        }
        let survivors = end_all(|| {
            self.signal_group(Signal::KILL);
            self.living()
        });
        drop(collected);
        registry::reap_orphans();
        let survivors: Vec<u32> = survivors.iter().map(|one| one.pid.cast_unsigned()).collect();
        if !survivors.is_empty() {
            tracing::warn!(root = self.root.pid, ?survivors, "processes could not be killed");
        }
        survivors
    }

    /// Must be called before the root is waited for.
    pub(crate) fn mark_collected(&self) {
        *lock(&self.collected) = true;
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.root.pid) {
            // Fails if every member has ended.
            let _ = kill_process_group(group, signal);
        }
    }

    fn living(&self) -> Vec<Entry> {
        let mut all = platform::snapshot();
        // Nothing older than the program can be its descendant: this leaves few to look at closely.
        all.retain(|one| one.start >= self.root.start);
        let mut seen = lock(&self.seen);
        let belongs = |one: &&Entry| {
            one.group == self.root.pid
                || seen.contains(&one.key())
                || platform::variable(one.pid, marker::TREE).is_some_and(|value| marker::contains(&value, &self.id))
        };
        let mut members: BTreeMap<i32, Entry> = all.iter().filter(belongs).map(|one| (one.pid, *one)).collect();
        members.extend(registry::orphans_of(&self.root, &all).into_iter().map(|one| (one.pid, one)));
        add_descendants(&mut members, &all);
        seen.extend(members.values().map(Entry::key));
        members.into_values().filter(|one| !one.dead).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        registry::forget(&self.root);
    }
}

/// Searches and kills until two searches in a row find nobody: a process that is just being started can hide from one.
pub(crate) fn end_all(mut search: impl FnMut() -> Vec<Entry>) -> Vec<Entry> {
    let mut quiet = 0;
    for _ in 0..ROUNDS_MAX {
        let living = search();
        quiet = if living.is_empty() { quiet + 1 } else { 0 };
        if quiet == 2 {
            return Vec::new();
        }
        for some in living.chunks(PINNED_MAX) {
            let pinned: Vec<Pinned> = some.iter().filter_map(Pinned::open).collect();
            for one in &pinned {
                one.signal(Signal::KILL);
            }
            platform::wait_blocking(&pinned, ROUND_TIME_MAX);
        }
    }
    search()
}

/// Adds every process in `all` whose parent is in `members`, and theirs.
pub(crate) fn add_descendants(members: &mut BTreeMap<i32, Entry>, all: &[Entry]) {
    loop {
        let is_new = |one: &&Entry| members.contains_key(&one.parent) && !members.contains_key(&one.pid);
        let children: Vec<Entry> = all.iter().filter(is_new).copied().collect();
        if children.is_empty() {
            return;
        }
        members.extend(children.into_iter().map(|one| (one.pid, one)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
