//! Where words of people are beside memories, each with how they are forgotten there.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use orchestrator_auth::Auth;
use orchestrator_events::{Hub, SqlLog, SqlWindows, WindowStore as _};
use orchestrator_memory::{Elsewhere, Erasing};
use orchestrator_redact::{Forget, Forgotten};
use orchestrator_security::{Approvals, Audit, Decision, Entry};
use orchestrator_sessions::Sessions;
use orchestrator_sql::Database;
use orchestrator_vocab::{Actor, OrgId, SessionId, TaskId};

use crate::daemon::{Base, Domains};
use crate::keys::Keys;

type Failed = Box<dyn std::error::Error + Send + Sync>;
type Reach = dyn Fn(OrgId, Meant, Forget) -> BoxFuture<'static, Result<Forgotten, Failed>> + Send + Sync;

/// Of whose things the texts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// Everybody's.
    All,
    /// A session's, and those of what it worked on.
    Of(SessionId, TaskId),
}

impl Meant {
    fn session(self) -> Option<SessionId> {
        match self {
            Self::All => None,
            Self::Of(session, _) => Some(session),
        }
    }

    fn task(self) -> Option<TaskId> {
        match self {
            Self::All => None,
            Self::Of(_, task) => Some(task),
        }
    }
}

/// One place.
struct Place {
    name: &'static str,
    sessions: Sessions,
    database: Database,
    /// What is to be cleaned of what was written over.
    tables: Vec<&'static str>,
    reach: Box<Reach>,
}

#[async_trait]
impl Elsewhere for Place {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn forget(&self, org: OrgId, what: &Erasing, how: &Forget) -> Result<Forgotten, Failed> {
        let meant = match what {
            Erasing::Session(id) => match self.sessions.get(org, *id).await {
                Ok(session) => Meant::Of(*id, session.task),
                // What retention has removed is nowhere.
                Err(orchestrator_sessions::Error::NotFound(_)) => return Ok(Forgotten::default()),
                Err(error) => return Err(error.into()),
            },
            _ => Meant::All,
        };
        let forgotten = (self.reach)(org, meant, how.clone()).await?;
        if forgotten.erased > 0 && how.changes() && !self.tables.is_empty() {
            self.database.scrub(&self.tables).await?;
        }
        Ok(forgotten)
    }
}

/// All of them, in the order in which they are seen to: what tells of others comes after them.
pub(crate) fn elsewhere(base: &Base, domains: &Domains, keys: &Keys) -> Vec<Arc<dyn Elsewhere>> {
    let (sessions, backlog, approvals) = (domains.sessions.clone(), domains.backlog.clone(), domains.approvals.clone());
    let journals = move |org, meant: Meant, forget: Forget| {
        let sessions = sessions.clone();
        async move { Ok(sessions.forget(org, meant.session(), &forget).await?) }.boxed()
    };
    let tasks = move |org, meant: Meant, forget: Forget| {
        let backlog = backlog.clone();
        async move { Ok(backlog.forget(org, meant.task().as_ref().map(std::slice::from_ref), &forget).await?) }.boxed()
    };
    let approved = move |org, meant: Meant, forget: Forget| {
        let approvals = approvals.clone();
        async move { Ok(approvals.forget(org, meant.session(), &forget).await?) }.boxed()
    };
    let place = |name, tables: &[&'static str], reach: Box<Reach>| -> Arc<dyn Elsewhere> {
        let (sessions, database) = (domains.sessions.clone(), base.database.clone());
        Arc::new(Place { name, sessions, database, tables: tables.to_vec(), reach })
    };
    vec![
        place("journals", &orchestrator_sessions::SqlStore::TABLES, Box::new(journals)),
        place("tasks", &orchestrator_tasks::SqlStore::TABLES, Box::new(tasks)),
        place("approvals", &Approvals::TABLES, Box::new(approved)),
        place("events", &SqlLog::TABLES, events(&base.log)),
        place("windows", &SqlLog::TABLES, windows(&base.log)),
        place("keys", &["rpc_keys"], idempotency(keys)),
        place("credentials", &Auth::TABLES, credentials(&domains.auth)),
        place("audit", &[], audited(&base.audit)),
    ]
}

/// What one daemon has erased, others that share its database have in memory.
pub(crate) fn let_go_of_what_was_erased(hub: &Hub, log: SqlLog) {
    hub.listen(move |event| {
        if event.name == "memory.erased" {
            log.let_go(event.org);
        }
    });
}

fn events(log: &SqlLog) -> Box<Reach> {
    let log = log.clone();
    Box::new(move |org, meant, forget| {
        let log = log.clone();
        async move {
            let only = match meant {
                Meant::All => None,
                Meant::Of(session, task) => Some([session.to_string(), task.to_string()]),
            };
            let only = only.as_ref().map(<[String; 2]>::as_slice);
            Ok(orchestrator_events::forget(&log, org, only, &forget).await?)
        }
        .boxed()
    })
}

/// What is nobody's in particular is not a session's.
fn windows(log: &SqlLog) -> Box<Reach> {
    let windows = SqlWindows::beside(log);
    Box::new(move |org, meant, forget| {
        let windows = windows.clone();
        async move {
            let erased = if meant == Meant::All { windows.forget(org, &forget).await? } else { 0 };
            Ok(Forgotten { erased, held: 0 })
        }
        .boxed()
    })
}

fn idempotency(keys: &Keys) -> Box<Reach> {
    let keys = keys.clone();
    Box::new(move |org, meant, forget| {
        let keys = keys.clone();
        async move {
            let erased = if meant == Meant::All { keys.forget(org, &forget).await? } else { 0 };
            Ok(Forgotten { erased, held: 0 })
        }
        .boxed()
    })
}

fn credentials(auth: &Auth) -> Box<Reach> {
    let auth = auth.clone();
    Box::new(move |org, meant, forget| {
        let auth = auth.clone();
        async move {
            match meant {
                Meant::All => Ok(auth.forget(org, &forget).await?),
                Meant::Of(..) => Ok(Forgotten::default()),
            }
        }
        .boxed()
    })
}

/// What was taken away from the log is written down in it: `audit.verify` counts the same.
fn audited(audit: &Audit) -> Box<Reach> {
    let audit = audit.clone();
    Box::new(move |org, meant, forget| {
        let audit = audit.clone();
        async move {
            let changes = forget.changes();
            let concerns = move |entry: &Entry| {
                let is_meant = meant.session().is_none_or(|session| entry.session == Some(session));
                entry.org == org && is_meant && forget.concerns(&entry.arguments)
            };
            let forgotten = audit.forget(concerns, changes).await?;
            if changes && forgotten.erased > 0 {
                audit.append(taken(org, forgotten.erased)).await?;
            }
            Ok(forgotten)
        }
        .boxed()
    })
}

fn taken(org: OrgId, records: u64) -> Entry {
    let reason = format!("the arguments of {records} records were erased");
    Entry::plain(org, Actor::system("memory"), "memory.erase", Decision::Allowed, reason)
}
