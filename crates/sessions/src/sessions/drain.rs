use std::time::Duration;

use orchestrator_process::end_strays;
use orchestrator_vocab::{Actor, OrgId, SessionId, TaskId};
use tokio::time::{Instant, timeout, timeout_at};

use super::Sessions;
use crate::{Error, Session, Step};

/// How long a killed tree and the backlog may take, beyond the grace, before a draining daemon leaves without them.
const HAND_BACK_TIME_MAX: Duration = Duration::from_secs(3);
/// How long runners may take to notice that nobody waits for them any more.
const ABANDON_TIME_MAX: Duration = Duration::from_secs(1);
/// How many sessions of an earlier start are looked at at once.
const PAGE: usize = 500;
/// Why a session of an earlier start has ended.
const RESTARTED: &str = "daemon restarted";

/// What became of the sessions that were active when the daemon was told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// These ended by the deadline.
    pub finished: usize,
    /// The programs of these were ended and their tasks given back to the backlog, if they had not just finished.
    pub handed_back: Vec<SessionId>,
    /// These could not be written off in time: the next start recovers them.
    pub abandoned: Vec<SessionId>,
}

/// A session that an earlier start left behind. Its task can be given back at once, under a new fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub org: OrgId,
    /// What it worked on.
    pub task: TaskId,
    /// Under which claim.
    pub fence: u64,
}

impl Sessions {
    /// Starts no more sessions, waits until `deadline` for those that are active, then ends the programs of the rest and
    /// gives their tasks back. Takes at most `handBackGraceMs` and four seconds longer than the deadline.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        self.0.admission.close();
        self.0.tracker.close();
        let at_first = self.active();
        if timeout_at(deadline, self.0.tracker.wait()).await.is_ok() {
            return Drained { finished: at_first, ..Drained::default() };
        }
        self.0.handing_back.cancel();
        let rest = self.0.table.all();
        rest.iter().for_each(|(_, live)| live.end(self.0.hand_back(live)));
        let patience = self.0.parts.config.hand_back_grace() + HAND_BACK_TIME_MAX;
        if timeout(patience, self.0.tracker.wait()).await.is_err() {
            self.0.abandoned.cancel();
        }
        let open: Vec<SessionId> = self.0.table.all().into_iter().map(|(id, _)| id).collect();
        // Programs die with their runners at the latest.
        let _ = timeout(ABANDON_TIME_MAX, self.0.tracker.wait()).await;
        let (abandoned, handed_back): (Vec<_>, Vec<_>) =
            rest.into_iter().map(|(id, _)| id).partition(|id| open.contains(id));
        Drained { finished: at_first.saturating_sub(handed_back.len() + abandoned.len()), handed_back, abandoned }
    }

    /// Cleans up after an earlier start of this node: kills the programs it left behind, then writes their sessions off;
    /// journaled ones are suspended and can go on. Call it once, before the first start; give the tasks of the answer
    /// back.
    ///
    /// # Errors
    /// [`Error::Store`]; call it again, what was written off is not told twice.
    pub async fn recover(&self) -> Result<Vec<Recovered>, Error> {
        let owner = self.0.parts.host.owner.clone();
        let strays = tokio::task::spawn_blocking(move || end_strays(&owner)).await.unwrap_or_default();
        for stray in strays {
            match stray.ended {
                true => tracing::info!(pid = stray.pid, "ended a process of an earlier start"),
                false => tracing::warn!(pid = stray.pid, "a process of an earlier start does not end"),
            }
        }
        let mut recovered = Vec::new();
        loop {
            let (store, node) = (&self.0.parts.store, &self.0.parts.node);
            let left = store.left_behind(&node.name, node.epoch, PAGE).await?;
            if left.is_empty() {
                return Ok(recovered);
            }
            for session in left {
                recovered.extend(self.write_off(session).await?);
            }
        }
    }

    async fn write_off(&self, mut session: Session) -> Result<Option<Recovered>, Error> {
        let Session { id, org, task, fence, .. } = session;
        let reason = RESTARTED.to_owned();
        let step = match session.is_journaled {
            true => Step::Suspended { reason, waiting: false },
            false => Step::Terminated { reason },
        };
        if session.is_journaled {
            self.0.count_usage(&mut session).await?;
        }
        match self.0.change_stored(session, step, &Actor::system("sessions")).await {
            Ok(_) => Ok(Some(Recovered { session: id, org, task, fence })),
            Err(Error::Ended(_) | Error::NotFound(_) | Error::Stale(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
