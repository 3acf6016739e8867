//! What tasks say is forgotten where they are finished.

use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_redact::{Forget, Forgotten, Shape};
use orchestrator_vocab::{OrgId, TaskId};

use super::Backlog;
use crate::schedule::Schedule;
use crate::{Error, Rows, ScheduleQuery, Task, Work};

/// How many tasks are looked at, and written, in one transaction.
const PAGE: usize = 200;
/// What of a task is no text. Its metadata, progress and result are somebody's.
const TASK: Shape = Shape {
    kept: &[
        "status",
        "in",
        "priority",
        "owner",
        "avoid",
        "requiredCapabilities",
        "traceparent",
        "integrity",
        "confidentiality",
        "assignment",
    ],
    free: &["metadata", "progress", "result"],
};
/// And of a schedule.
const SCHEDULE: Shape = Shape {
    kept: &["priority", "requiredCapabilities", "overlap", "plan", "integrity", "confidentiality", "dependsOn"],
    free: &["metadata", "reserved"],
};

/// Where a page ended, and what came of it.
type Page = (Option<TaskId>, Forgotten);

impl Backlog {
    /// Forgets texts of tasks that are finished or deleted, of these or of all: title, description, result, error, tags, metadata
    /// and who created them. Ids, states, times, edges and capabilities stay; keys that are concerned are dropped, so what is
    /// created under them again is new. Of tasks that are not finished, and of schedules, texts are counted as held: forget again
    /// when they have ended.
    ///
    /// It reads every task, at most 200 in a transaction; done again it goes on from where it was cut off. Nothing is told to the
    /// log. What was written over lies in the database's own files until they are scrubbed.
    ///
    /// # Errors
    /// [`Error::Store`]: some may be gone already.
    pub async fn forget(&self, org: OrgId, only: Option<&[TaskId]>, forget: &Forget) -> Result<Forgotten, Error> {
        let mut forgotten = Forgotten::default();
        if let Some(ids) = only {
            for ids in ids.chunks(PAGE) {
                forgotten += self.forget_page(org, Which::These(ids.to_vec()), forget).await?.1;
            }
            return Ok(forgotten);
        }
        let mut after = None;
        loop {
            let (last, more) = self.forget_page(org, Which::After(after), forget).await?;
            forgotten += more;
            if last.is_none() {
                break;
            }
            after = last;
        }
        forgotten.held += self.in_schedules(org, forget).await?;
        Ok(forgotten)
    }

    async fn forget_page(&self, org: OrgId, which: Which, forget: &Forget) -> Result<Page, Error> {
        let slot: Arc<Mutex<Page>> = Arc::default();
        let work: Work = {
            let (slot, parts) = (slot.clone(), Arc::new((which, forget.clone())));
            Arc::new(move |rows| {
                let (slot, parts) = (slot.clone(), parts.clone());
                Box::pin(async move {
                    let page = forget_some(rows, org, &parts.0, &parts.1).await?;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = page;
                    Ok(())
                })
            })
        };
        self.transact(work).await?;
        let page = *slot.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(page)
    }

    async fn in_schedules(&self, org: OrgId, forget: &Forget) -> Result<u64, Error> {
        let (mut held, mut after) = (0, None);
        loop {
            let page = self.list_schedules(org, ScheduleQuery { after, limit: PAGE }).await?;
            after = page.last().map(|schedule| schedule.id);
            if after.is_none() {
                return Ok(held);
            }
            held += page.iter().map(|schedule: &Schedule| forget.count(schedule, &SCHEDULE)).sum::<u64>();
        }
    }
}

/// Which tasks are looked at.
enum Which {
    These(Vec<TaskId>),
    /// The next ones.
    After(Option<TaskId>),
}

async fn forget_some(rows: &dyn Rows, org: OrgId, which: &Which, forget: &Forget) -> Result<Page, Error> {
    let ids = match which {
        Which::These(ids) => ids.clone(),
        Which::After(after) => rows.task_ids(org, *after, PAGE).await?,
    };
    let (mut forgotten, mut changed) = (Forgotten::default(), Vec::new());
    for task in rows.tasks(org, &ids).await? {
        if !(task.state.is_finished() || task.deleted_at.is_some()) {
            forgotten.held += forget.count(&task, &TASK);
        } else if let Some((left, texts)) = forget.rewrite(&task, &TASK) {
            forgotten.erased += texts;
            // A key that is nobody's any more would stand for whatever came first.
            let own = |key: Option<String>| key.filter(|key| !forget.concerns(key));
            let (idempotency_key, concurrency_key) = (own(task.idempotency_key), own(task.concurrency_key));
            changed.push(Task { idempotency_key, concurrency_key, ..left });
        }
    }
    if forget.changes() {
        rows.rewrite_tasks(&changed).await?;
    }
    Ok((ids.last().copied(), forgotten))
}
