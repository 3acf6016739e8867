use std::sync::Arc;

use futures::{StreamExt as _, stream};
use orchestrator_events::Hub;
use orchestrator_sessions::Query;
use orchestrator_vocab::{OrgId, SessionId};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::remembering::Recorder;

/// How many sessions that ended before this daemon listened are looked at.
const BEFORE: usize = 100;
/// How many are summed up at once: a model may take its time.
const AT_ONCE: usize = 4;

/// When a session is over, it is remembered what it came to. What ended while nobody listened is caught up with at the start.
pub(crate) struct Conclude {
    recorder: Recorder,
    ended: Mutex<mpsc::UnboundedReceiver<(OrgId, SessionId)>>,
}

impl Conclude {
    /// Listens from now on; [`run`](Self::run) acts.
    pub(crate) fn listen(hub: &Hub, recorder: Recorder) -> Arc<Self> {
        // Bounded by what it carries: each session ends once.
        let (tell, ended) = mpsc::unbounded_channel();
        hub.listen(move |event| {
            if event.name == "session.stopped"
                && let Some(id) = event.payload["sessionId"].as_str().and_then(|id| id.parse().ok())
            {
                // Nobody listens once the daemon stops.
                let _ = tell.send((event.org, id));
            }
        });
        Arc::new(Self { recorder, ended: Mutex::new(ended) })
    }

    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), std::io::Error> {
        let mut ended = self.ended.lock().await;
        let work = async {
            let latest = Query { limit: BEFORE, ..Query::default() };
            let before = self.recorder.sessions.list(OrgId::LOCAL, latest).await.map(|page| page.sessions);
            let before = before.unwrap_or_default().into_iter().filter(|session| session.ended_at.is_some());
            let before = stream::iter(before.map(|session| (session.org, session.id)));
            let coming = stream::unfold(&mut *ended, |ended| async {
                let next = stop.run_until_cancelled(ended.recv()).await.flatten()?;
                Some((next, ended))
            });
            let all = before.chain(coming);
            all.for_each_concurrent(AT_ONCE, |(org, id)| self.conclude(org, id)).await;
            // What has ended by now is not left for the next start.
            while let Ok((org, id)) = ended.try_recv() {
                self.conclude(org, id).await;
            }
        };
        // Models are not waited for then.
        let closing = async {
            stop.cancelled().await;
            self.recorder.scribe.close();
            std::future::pending().await
        };
        tokio::select! {
            () = work => {}
            () = closing => {}
        }
        Ok(())
    }

    async fn conclude(&self, org: OrgId, id: SessionId) {
        // One that another daemon ran is its own to remember.
        let is_ours = match self.recorder.sessions.get(org, id).await {
            Ok(session) => session.node == self.recorder.sessions.node(),
            Err(_) => false,
        };
        if !is_ours {
            return;
        }
        if let Err(error) = self.recorder.conclude(org, id).await {
            tracing::warn!(session = %id, error = &*error as &dyn std::error::Error, "not remembered");
        }
    }
}
