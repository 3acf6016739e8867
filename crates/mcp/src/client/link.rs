use std::collections::HashMap;
use std::sync::Arc;

use orchestrator_tools::Progress;
use rmcp::model::{
    CancelledNotificationParam, ClientCapabilities, ClientConfig, Implementation, ProgressNotificationParam,
    ProgressToken, RequestId,
};
use rmcp::service::NotificationContext;
use rmcp::{ClientHandler, Peer, RoleClient};
use serde_json::json;
use tokio::sync::{Mutex, Notify, mpsc};

/// How much of a message about progress is passed on.
const MESSAGE_CHARS_MAX: usize = 500;

/// What calls and the conversation they are made in tell each other. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    watching: Arc<Mutex<HashMap<ProgressToken, Progress>>>,
    /// Not bounded by itself: each call says so once.
    over: mpsc::UnboundedSender<Over>,
    /// Rung when the conversation seems to be broken.
    pub(super) suspect: Arc<Notify>,
    /// Rung when the server says that its tools changed.
    pub(super) changed: Arc<Notify>,
}

/// A call is not waited for any more.
pub(super) struct Over {
    token: ProgressToken,
    /// If nobody has heard its answer: the server need not go on.
    cancel: Option<RequestId>,
}

/// A call that is waited for, until it is dropped.
pub(super) struct Waiting {
    link: Link,
    over: Option<Over>,
}

impl Link {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Over>) {
        let (over, calls) = mpsc::unbounded_channel();
        (Self { watching: Arc::default(), over, suspect: Arc::default(), changed: Arc::default() }, calls)
    }

    /// Sends a request by `send`; its progress is told to `progress`, from its first word on.
    pub(super) async fn begin<T, E>(
        &self,
        progress: Progress,
        send: impl Future<Output = Result<T, E>>,
        ids: impl Fn(&T) -> (ProgressToken, RequestId),
    ) -> Result<(T, Waiting), E> {
        // Held meanwhile: the server may be faster than we are.
        let mut watching = self.watching.lock().await;
        let sent = send.await?;
        let (token, id) = ids(&sent);
        watching.insert(token.clone(), progress);
        let over = Some(Over { token, cancel: Some(id) });
        Ok((sent, Waiting { link: self.clone(), over }))
    }

    /// Tells the server of calls that are given up, for as long as the conversation lasts.
    pub(super) async fn clean_up(&self, peer: &Peer<RoleClient>, calls: &mut mpsc::UnboundedReceiver<Over>) {
        while let Some(Over { token, cancel }) = calls.recv().await {
            self.watching.lock().await.remove(&token);
            if let Some(id) = cancel {
                let reason = Some("the result is not wanted any more".to_owned());
                // If it cannot be told, the conversation is over, and so is the call.
                let _ = peer.notify_cancelled(CancelledNotificationParam::new(Some(id), reason)).await;
            }
        }
    }
}

impl Waiting {
    /// It was answered.
    pub(super) fn answered(mut self) {
        if let Some(over) = &mut self.over {
            over.cancel = None;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            // Nobody hears it once the conversation is over.
            let _ = self.link.over.send(over);
        }
    }
}

/// Hears what a server says by itself.
pub(super) struct Listener {
    pub(super) link: Link,
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        // Nothing is offered to servers: neither models nor files nor people.
        let identity = Implementation::new("orchestrator", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), identity)
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let progress = self.link.watching.lock().await.get(&params.progress_token).cloned();
        if let Some(progress) = progress {
            let message = params.message.map(|text| text.chars().take(MESSAGE_CHARS_MAX).collect::<String>());
            let mut told = json!({ "progress": params.progress });
            if let Some(total) = params.total {
                told["total"] = json!(total);
            }
            if let Some(message) = message {
                told["message"] = json!(message);
            }
            progress.tell(told);
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.link.changed.notify_one();
    }
}
