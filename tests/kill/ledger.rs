use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use orchestrator_testkit::Event;
use tokio::sync::watch;

/// What the daemon has promised so far, and what it has told.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct Book {
    /// Created, and acknowledged: the task's id and those it waits for.
    pub(crate) created: BTreeMap<String, Vec<String>>,
    /// Completed by a worker, and acknowledged: the task's id and the worker.
    pub(crate) completed: BTreeMap<String, &'static str>,
    /// All that was delivered, in the order it came, over all connections.
    pub(crate) events: Vec<Event>,
    told_completed: BTreeSet<String>,
    acknowledged: u64,
    is_creating_over: bool,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missing: Vec<_> = self.created.keys().filter(|id| !self.told_completed.contains(*id)).take(5).collect();
        f.debug_struct("Book")
            .field("created", &self.created.len())
            .field("completed_by_workers", &self.completed.len())
            .field("events", &self.events.len())
            .field("not_completed", &missing)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    pub(crate) fn created(&self, id: &str, waits_for: &[&str]) {
        self.change(|book| {
            book.acknowledged += 1;
            book.created.insert(id.to_owned(), waits_for.iter().map(|id| (*id).to_owned()).collect());
        });
    }

    pub(crate) fn completed(&self, id: &str, by: &'static str) {
        self.change(|book| {
            book.acknowledged += 1;
            let before = book.completed.insert(id.to_owned(), by);
            assert!(before.is_none(), "two workers were told that they completed {id}: {before:?} and {by}");
        });
    }

    pub(crate) fn delivered(&self, event: Event) {
        self.change(|book| {
            if event.name == "task.completed" {
                book.told_completed.insert(event.payload["taskId"].as_str().unwrap_or_default().to_owned());
            }
            book.events.push(event);
        });
    }

    /// The number of the last event that was delivered.
    pub(crate) fn last_seq(&self) -> u64 {
        self.book().events.iter().rev().find_map(|event| event.seq).unwrap_or(0)
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.book().acknowledged
    }

    pub(crate) fn stop_creating(&self) {
        self.change(|book| book.is_creating_over = true);
    }

    pub(crate) fn is_creating_over(&self) -> bool {
        self.book().is_creating_over
    }

    pub(crate) async fn wait_for_acknowledged(&self, count: u64) {
        self.wait(|book| book.acknowledged >= count).await;
    }

    pub(crate) async fn wait_until_all_completed(&self) {
        self.wait(|book| book.created.keys().all(|id| book.told_completed.contains(id))).await;
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book());
        self.changed.send_modify(|changes| *changes += 1);
    }

    async fn wait(&self, is_so: impl Fn(&Book) -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so(&self.book()) {
            changed.changed().await.expect("the ledger is here");
        }
    }
}
